"""The `TableFiles` port: versions, writers at once, other engines, and this machine's lake."""

import datetime as dt
import os
import subprocess
import sys
import threading
import uuid
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from meshplane.kit.errors import Invalid, Missing, TooLarge, Unavailable
from meshplane.services.tables.ports import (
    PartitionBy,
    StagedCommit,
)
from tests.builders.lakes import NOON, NUMBER, Lake, lake, numbers, read

__all__ = ["lake"]


# --- versions -----------------------------------------------------------------------------------


def test_snapshots__tell_the_story_of_a_table_in_order(lake: Lake) -> None:
    staged = lake.append(lake.create(NUMBER), numbers(1, 2, 3))
    lake.clock.advance(60)
    staged = lake.append(staged, numbers(4))
    lake.clock.advance(60)
    staged = lake.files.delete(staged.metadata_location, "n <= 2")
    story = lake.files.snapshots(staged.metadata_location)
    assert [one.committed_at - NOON for one in story] == [
        dt.timedelta(milliseconds=1),
        dt.timedelta(minutes=1),
        dt.timedelta(minutes=2),
    ]
    assert [one.operation for one in story] == ["append", "append", "overwrite"]
    assert [(one.added_rows, one.deleted_rows, one.total_rows) for one in story] == [
        (3, 0, 3),
        (1, 0, 4),
        (0, 2, 2),
    ]
    assert [one.parent_snapshot_id for one in story] == [
        None,
        story[0].snapshot_id,
        story[1].snapshot_id,
    ]
    assert story[-1].snapshot_id == staged.snapshot_id


def test_scan__travels_to_an_instant_or_a_snapshot(lake: Lake) -> None:
    staged = lake.create(NUMBER)
    for number in range(3):
        lake.clock.advance(3600)
        staged = lake.append(staged, numbers(number))
    for position, snapshot in enumerate(lake.files.snapshots(staged.metadata_location)):
        by_id = lake.files.scan(staged.metadata_location, snapshot_id=snapshot.snapshot_id)
        exactly = lake.files.scan(staged.metadata_location, as_of=snapshot.committed_at)
        later = snapshot.committed_at + dt.timedelta(minutes=59)
        assert len(read(by_id)) == position + 1
        assert by_id == exactly == lake.files.scan(staged.metadata_location, as_of=later)


def test_scan__finds_every_version_by_its_instant_even_if_the_clock_was_set_back(
    lake: Lake,
) -> None:
    staged = lake.create(NUMBER)
    for number in range(4):
        staged = lake.append(staged, numbers(number))
        lake.clock.advance(-3600)
    story = lake.files.snapshots(staged.metadata_location)
    for position, snapshot in enumerate(story):
        plan = lake.files.scan(staged.metadata_location, as_of=snapshot.committed_at)
        assert (plan.snapshot_id, plan.total_rows) == (snapshot.snapshot_id, position + 1)


def test_scan__knows_no_version_before_the_first(lake: Lake) -> None:
    filled = lake.append(lake.create(NUMBER), numbers(1))
    for location in (filled.metadata_location, lake.create(NUMBER).metadata_location):
        with pytest.raises(Missing) as caught:
            lake.files.scan(location, as_of=NOON - dt.timedelta(days=1))
        assert caught.value.code == "SNAPSHOT_NOT_FOUND"
    with pytest.raises(Missing) as caught:
        lake.files.scan(filled.metadata_location, snapshot_id=1)
    assert caught.value.code == "SNAPSHOT_NOT_FOUND"


def test_scan__wants_one_version_and_an_instant_with_a_zone(lake: Lake) -> None:
    location = lake.create(NUMBER).metadata_location
    with pytest.raises(Invalid) as both:
        lake.files.scan(location, as_of=NOON, snapshot_id=1)
    with pytest.raises(Invalid) as naive:
        lake.files.scan(location, as_of=NOON.replace(tzinfo=None))
    assert (both.value.code, naive.value.code) == ("SNAPSHOT_AMBIGUOUS", "AS_OF_INVALID")


# --- writers at the same time -------------------------------------------------------------------


def test_race__the_loser_stages_again_and_every_row_is_there_once(lake: Lake) -> None:
    base = lake.create(NUMBER)
    winner = lake.append(base, numbers(1, 2))
    loser = lake.append(base, numbers(3, 4))
    assert len({base.metadata_location, winner.metadata_location, loser.metadata_location}) == 3
    again = lake.append(winner, numbers(3, 4))
    assert lake.rows(again) == [("1",), ("2",), ("3",), ("4",)]
    assert [one.added_rows for one in lake.files.snapshots(again.metadata_location)] == [2, 2]


def test_race__many_writers_behind_a_compare_and_swap_lose_nothing(lake: Lake) -> None:
    pointer = lake.create(NUMBER).metadata_location
    guard = threading.Lock()

    def write(number: int) -> None:
        nonlocal pointer
        rows = lake.stream(numbers(number))
        while True:
            base = pointer
            staged = lake.files.append(base, rows)
            with guard:
                if pointer == base:
                    pointer = staged.metadata_location
                    return

    writers = [threading.Thread(target=write, args=(number,)) for number in range(12)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    found = read(lake.files.scan(pointer))
    assert sorted(int(row[0]) for row in found) == list(range(12))


def test_metadata__that_is_missing_or_broken_is_told(lake: Lake) -> None:
    staged = lake.create(NUMBER)
    with pytest.raises(Missing) as missing:
        lake.files.scan(staged.metadata_location.replace("00000-", "00001-"))
    assert missing.value.code == "METADATA_NOT_FOUND"
    for broken in ("", "{}", "[1]", "not json", '{"format-version": 2}'):
        Path(staged.metadata_location).write_text(broken)
        with pytest.raises(Invalid) as unreadable:
            lake.files.scan(staged.metadata_location)
        assert unreadable.value.code == "METADATA_UNREADABLE"


# --- rows deleted by other engines --------------------------------------------------------------


def _other_engine_deletes(base: StagedCommit, content: str, path: str, deleted: pa.Table) -> str:
    """What an engine that merges on read commits: a file of deletes beside the data files.

    `path` is the data file that deletes by position concern, as bounds in the manifest tell.
    """
    from pyiceberg import manifest as iceberg
    from pyiceberg.serializers import ToOutputFile
    from pyiceberg.table import StaticTable, Transaction
    from pyiceberg.table.snapshots import Operation
    from pyiceberg.table.update import update_table_metadata
    from pyiceberg.table.update.snapshot import _FastAppendFiles
    from pyiceberg.typedef import Record

    table = StaticTable.from_metadata(base.metadata_location)
    deletes = f"{table.location()}/data/{uuid.uuid4()}-deletes.parquet"
    pq.write_table(deleted, deletes)
    by_value = content == "EQUALITY_DELETES"
    file = iceberg.DataFile.from_args(
        content=iceberg.DataFileContent[content],
        file_path=deletes,
        file_format=iceberg.FileFormat.PARQUET,
        partition=Record(),
        record_count=deleted.num_rows,
        file_size_in_bytes=Path(deletes).stat().st_size,
        equality_ids=[1] if by_value else None,
        lower_bounds=None if by_value else {2147483546: path.encode()},
        upper_bounds=None if by_value else {2147483546: path.encode()},
    )
    file.spec_id = 0

    class DeleteManifestWriter(iceberg.ManifestWriterV2):
        def content(self) -> iceberg.ManifestContent:
            return iceberg.ManifestContent.DELETES

        @property
        def _meta(self) -> dict[str, str]:
            return {**super()._meta, "content": "deletes"}

    class RowDelta(_FastAppendFiles):
        def _manifests(self) -> list[iceberg.ManifestFile]:
            output = self.new_manifest_output()
            with DeleteManifestWriter(
                table.spec(), table.schema(), output, self.snapshot_id, "null"
            ) as writer:
                writer.add(
                    iceberg.ManifestEntry.from_args(
                        status=iceberg.ManifestEntryStatus.ADDED,
                        snapshot_id=self.snapshot_id,
                        data_file=file,
                    )
                )
            return [*self._existing_manifests(), writer.to_manifest_file()]

    delta = RowDelta(Operation.DELETE, Transaction(table), table.io)
    delta.append_data_file(file)  # for the totals in the snapshot's summary
    metadata = update_table_metadata(table.metadata, delta._commit()[0])
    location = f"{table.location()}/metadata/00009-{uuid.uuid4()}.metadata.json"
    ToOutputFile.table_metadata(metadata, table.io.new_output(location))
    return location


def _positions(path: str, *rows: int) -> pa.Table:
    fields = [
        pa.field("file_path", pa.string(), False, {"PARQUET:field_id": "2147483546"}),
        pa.field("pos", pa.int64(), False, {"PARQUET:field_id": "2147483545"}),
    ]
    return pa.table([[path] * len(rows), list(rows)], schema=pa.schema(fields))


@pytest.fixture
def merged_on_read(lake: Lake) -> str:
    """Two files, 10 11 12 and 20 21; another engine has deleted 11."""
    staged = lake.append(lake.create(NUMBER), numbers(10, 11, 12))
    first = lake.files.scan(staged.metadata_location).files[0]
    staged = lake.append(staged, numbers(20, 21))
    return _other_engine_deletes(staged, "POSITION_DELETES", first, _positions(first, 1))


def test_scan__applies_rows_deleted_by_position(lake: Lake, merged_on_read: str) -> None:
    plan = lake.files.scan(merged_on_read)
    assert read(plan) == [("10",), ("12",), ("20",), ("21",)]
    assert len(plan.residue) == 1, "only the file with deleted rows is read ahead"
    assert set(plan.residue) < set(plan.files)
    uuid.UUID(Path(plan.residue[0]).stem)
    assert lake.files.snapshots(merged_on_read)[-1].total_rows is None
    before = lake.files.snapshots(merged_on_read)[-2].snapshot_id
    assert lake.files.scan(merged_on_read, snapshot_id=before).total_rows == 5


def test_append_and_delete__keep_rows_deleted_by_position_deleted(
    lake: Lake, merged_on_read: str
) -> None:
    more = lake.files.append(merged_on_read, lake.stream(numbers(11, 30)))
    assert more.total_rows == 6
    assert lake.rows(more) == [("10",), ("11",), ("12",), ("20",), ("21",), ("30",)]
    less = lake.files.delete(more.metadata_location, "n IN (12, 30)")
    assert (less.deleted_rows, less.total_rows) == (2, 4)
    assert lake.rows(less) == [("10",), ("11",), ("20",), ("21",)]


def test_scan__refuses_rows_deleted_by_value_rather_than_show_them(lake: Lake) -> None:
    staged = lake.append(lake.create(NUMBER), numbers(10, 11))
    field = pa.field("n", pa.int64(), metadata={"PARQUET:field_id": "1"})
    location = _other_engine_deletes(
        staged, "EQUALITY_DELETES", "", pa.table([[11]], schema=pa.schema([field]))
    )
    with pytest.raises(Invalid) as scanned:
        lake.files.scan(location)
    with pytest.raises(Invalid) as deleted:
        lake.files.delete(location, "n = 10")
    assert scanned.value.code == deleted.value.code == "EQUALITY_DELETES_UNREADABLE"


# --- the lake on this machine -------------------------------------------------------------------


def test_local__is_imported_without_the_heavy_engines() -> None:
    script = (
        "import sys, meshplane.services.tables.ports, meshplane.services.tables.local;"
        "print(sorted({'pyarrow', 'pyiceberg', 'duckdb'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"


def test_local__forces_every_file_and_its_directories_to_the_disk(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    forced: set[str] = set()
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        forced.add(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    staged = lake.append(lake.create(NUMBER, by=(PartitionBy("n", "identity"),)), numbers(1, 2))
    lake.files.delete(staged.metadata_location, "n = 1")
    root = Path(lake.root)
    assert {str(path) for path in root.rglob("*")} <= forced
    assert {str(root), str(root.parent)} <= forced


def test_local__leaves_nothing_behind_when_a_staging_fails(lake: Lake) -> None:
    staged = lake.create(NUMBER, by=(PartitionBy("n", "identity"),))
    before = {path for path in Path(lake.root).rglob("*") if path.is_file()}
    with pytest.raises(TooLarge):
        lake.append(staged, numbers(*range(5_000)))
    assert {path for path in Path(lake.root).rglob("*") if path.is_file()} == before


def test_local__says_when_the_disk_refuses(lake: Lake) -> None:
    staged = lake.create(NUMBER)
    (Path(staged.metadata_location).parents[1] / "data").write_text("a file in the way")
    with pytest.raises(Unavailable) as caught:
        lake.append(staged, numbers(1))
    assert caught.value.code == "LAKE_UNAVAILABLE"
    assert lake.rows(staged) == []


def test_local__creates_no_table_outside_the_lake(lake: Lake) -> None:
    outside = lake.workplace / "elsewhere"
    link = Path(lake.root) / "link"
    link.parent.mkdir(parents=True)
    link.symlink_to(lake.workplace)
    for location in (str(outside), str(link / "elsewhere"), f"{lake.root}-beside/t"):
        with pytest.raises(Invalid) as caught:
            lake.files.create(location, [NUMBER], [])
        assert caught.value.code == "FILE_OUTSIDE_LAKE"
    assert not outside.exists()


@pytest.mark.parametrize("planted", ["location", "manifest list", "data file"])
def test_local__reads_no_file_outside_the_lake(lake: Lake, planted: str) -> None:
    filled = lake.append(lake.create(NUMBER), numbers(1))
    metadata = Path(filled.metadata_location)
    text = metadata.read_text()
    table = str(metadata.parents[1])
    if planted == "location":
        text = text.replace(f'"location":"{table}"', '"location":"/etc"')
    elif planted == "manifest list":
        text = text.replace(f"{table}/metadata/snap-", "/etc/snap-")
    else:
        data = Path(lake.files.scan(filled.metadata_location).files[0])
        data.rename(lake.workplace / data.name)
        data.symlink_to(lake.workplace / data.name)
    metadata.write_text(text)
    with pytest.raises(Invalid) as caught:
        lake.files.scan(filled.metadata_location)
    assert caught.value.code == "FILE_OUTSIDE_LAKE"


def test_local__takes_a_location_as_a_uri(lake: Lake) -> None:
    staged = lake.files.create(f"file://{lake.root}/sales/by-uri", [NUMBER], [])
    filled = lake.append(staged, numbers(7))
    assert filled.metadata_location.startswith("file:///")
    assert all(path.startswith("/") for path in lake.files.scan(filled.metadata_location).files)
    assert lake.rows(lake.files.delete(filled.metadata_location, "n = 8")) == [("7",)]


def test_local__refuses_a_table_that_places_its_files_itself(lake: Lake) -> None:
    staged = lake.create(NUMBER)
    path = Path(staged.metadata_location)
    for name in ("write.py-location-provider.impl", "write.data.path", "write.metadata.path"):
        planted = path.with_name(f"00001-{uuid.uuid4()}.metadata.json")
        text = path.read_text()
        assert '"properties":{' in text
        planted.write_text(text.replace('"properties":{', f'"properties":{{"{name}":"os.path",'))
        with pytest.raises(Invalid) as caught:
            lake.files.append(str(planted), lake.stream(numbers(1)))
        assert caught.value.code == "TABLE_UNSUPPORTED"
