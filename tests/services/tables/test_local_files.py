"""What the lake on this machine does beside what every lake does."""

import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from meshplane.kit.errors import Invalid, TooLarge, Unavailable
from meshplane.services.tables.ports import PartitionBy
from tests.builders.lakes import NUMBER, Lake, local_lake, numbers

__all__ = ["local_lake"]


def test_local__is_imported_without_the_heavy_engines() -> None:
    script = (
        "import sys, meshplane.services.tables.ports, meshplane.services.tables.local;"
        "print(sorted({'pyarrow', 'pyiceberg', 'duckdb'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"


def test_local__forces_every_file_and_its_directories_to_the_disk(
    local_lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    forced: set[str] = set()
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        forced.add(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    staged = local_lake.append(
        local_lake.create(NUMBER, by=(PartitionBy("n", "identity"),)), numbers(1, 2)
    )
    local_lake.files.delete(staged.metadata_location, "n = 1")
    root = Path(local_lake.root)
    assert {str(path) for path in root.rglob("*")} <= forced
    assert {str(root), str(root.parent)} <= forced


def test_local__leaves_nothing_behind_when_a_staging_fails(local_lake: Lake) -> None:
    staged = local_lake.create(NUMBER, by=(PartitionBy("n", "identity"),))
    before = {path for path in Path(local_lake.root).rglob("*") if path.is_file()}
    with pytest.raises(TooLarge):
        local_lake.append(staged, numbers(*range(5_000)))
    assert {path for path in Path(local_lake.root).rglob("*") if path.is_file()} == before


def test_local__says_when_the_disk_refuses(local_lake: Lake) -> None:
    staged = local_lake.create(NUMBER)
    (Path(staged.metadata_location).parents[1] / "data").write_text("a file in the way")
    with pytest.raises(Unavailable) as caught:
        local_lake.append(staged, numbers(1))
    assert caught.value.code == "LAKE_UNAVAILABLE"
    assert local_lake.rows(staged) == []


def test_local__creates_no_table_outside_the_lake(local_lake: Lake) -> None:
    outside = local_lake.workplace / "elsewhere"
    link = Path(local_lake.root) / "link"
    link.parent.mkdir(parents=True)
    link.symlink_to(local_lake.workplace)
    for location in (str(outside), str(link / "elsewhere"), f"{local_lake.root}-beside/t"):
        with pytest.raises(Invalid) as caught:
            local_lake.files.create(location, [NUMBER], [])
        assert caught.value.code == "FILE_OUTSIDE_LAKE"
    assert not outside.exists()


@pytest.mark.parametrize("planted", ["location", "manifest list", "data file"])
def test_local__reads_no_file_outside_the_lake(local_lake: Lake, planted: str) -> None:
    filled = local_lake.append(local_lake.create(NUMBER), numbers(1))
    metadata = Path(filled.metadata_location)
    text = metadata.read_text()
    table = str(metadata.parents[1])
    if planted == "location":
        text = text.replace(f'"location":"{table}"', '"location":"/etc"')
    elif planted == "manifest list":
        text = text.replace(f"{table}/metadata/snap-", "/etc/snap-")
    else:
        data = Path(local_lake.files.scan(filled.metadata_location).files[0])
        data.rename(local_lake.workplace / data.name)
        data.symlink_to(local_lake.workplace / data.name)
    metadata.write_text(text)
    with pytest.raises(Invalid) as caught:
        local_lake.files.scan(filled.metadata_location)
    assert caught.value.code == "FILE_OUTSIDE_LAKE"


def test_local__takes_a_location_as_a_uri(local_lake: Lake) -> None:
    staged = local_lake.files.create(f"file://{local_lake.root}/sales/by-uri", [NUMBER], [])
    filled = local_lake.append(staged, numbers(7))
    assert filled.metadata_location.startswith("file:///")
    assert all(
        path.startswith("/") for path in local_lake.files.scan(filled.metadata_location).files
    )
    assert local_lake.rows(local_lake.files.delete(filled.metadata_location, "n = 8")) == [("7",)]


def test_local__refuses_a_table_that_places_its_files_itself(local_lake: Lake) -> None:
    staged = local_lake.create(NUMBER)
    path = Path(staged.metadata_location)
    for name in ("write.py-location-provider.impl", "write.data.path", "write.metadata.path"):
        planted = path.with_name(f"00001-{uuid.uuid4()}.metadata.json")
        text = path.read_text()
        assert '"properties":{' in text
        planted.write_text(text.replace('"properties":{', f'"properties":{{"{name}":"os.path",'))
        with pytest.raises(Invalid) as caught:
            local_lake.files.append(str(planted), local_lake.stream(numbers(1)))
        assert caught.value.code == "TABLE_UNSUPPORTED"
