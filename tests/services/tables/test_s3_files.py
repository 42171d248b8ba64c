"""What the lake in S3 does beside what every lake does."""

import subprocess
import sys

import pytest

from meshplane.kit.errors import Invalid, Unavailable
from meshplane.services.tables.aws import S3TableFiles
from tests.builders.lakes import NUMBER, Lake, numbers, s3_lake, s3_url
from tests.builders.moto_aws import aws_at

__all__ = ["s3_lake", "s3_url"]


def test_s3__is_imported_without_the_heavy_engines() -> None:
    script = (
        "import sys, meshplane.services.tables.aws;"
        "print(sorted({'pyarrow', 'pyiceberg', 'duckdb'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"


def test_s3__keeps_a_table_at_the_location_that_it_was_given(s3_lake: Lake) -> None:
    filled = s3_lake.append(s3_lake.create(NUMBER), numbers(1, 2))
    assert filled.metadata_location.startswith(f"{s3_lake.root}/sales/t-")
    kinds = sorted(name.rsplit(".", 1)[-1] for name in s3_lake.all_files())
    assert kinds == ["avro", "avro", "json", "json", "parquet"]


def test_s3__creates_no_table_in_a_bucket_that_is_not_the_lakes(s3_lake: Lake) -> None:
    # The last is as a mesh of another account would call it.
    of_another = s3_lake.root.replace("123456789012", "999999999999")
    assert of_another != s3_lake.root
    for location in ("s3://another-bucket/t", "s3a://not-data-lake-x/t", f"{of_another}/t"):
        with pytest.raises(Invalid) as caught:
            s3_lake.files.create(location, [NUMBER], [])
        assert caught.value.code == "FILE_OUTSIDE_LAKE"


@pytest.mark.parametrize("location", ["s3://", "s3://data-lake-x", "s3://data-lake-x/", "/t"])
def test_s3__creates_no_table_where_no_object_can_be(s3_lake: Lake, location: str) -> None:
    with pytest.raises(Invalid) as caught:
        s3_lake.files.create(location, [NUMBER], [])
    assert caught.value.code == "LOCATION_INVALID"


def test_s3__reads_no_object_outside_the_lake(s3_lake: Lake) -> None:
    filled = s3_lake.append(s3_lake.create(NUMBER), numbers(1))
    text = s3_lake.text(filled.metadata_location)
    assert f'"manifest-list":"{s3_lake.root}/' in text
    planted = text.replace(f'"manifest-list":"{s3_lake.root}/', '"manifest-list":"s3://others/')
    s3_lake.write(filled.metadata_location, planted)
    with pytest.raises(Invalid) as caught:
        s3_lake.files.scan(filled.metadata_location)
    assert caught.value.code == "FILE_OUTSIDE_LAKE"


def test_s3__never_writes_a_metadata_file_over_another(s3_lake: Lake) -> None:
    staged = s3_lake.create(NUMBER)
    storage = s3_lake.files._storage  # type: ignore[attr-defined]
    written = s3_lake.text(staged.metadata_location)
    storage.put_once(staged.metadata_location, written.encode())  # its own answer was lost
    with pytest.raises(Unavailable) as caught:
        storage.put_once(staged.metadata_location, b"of somebody else")
    assert caught.value.code == "LAKE_UNAVAILABLE"
    assert s3_lake.text(staged.metadata_location) == written


def test_s3__says_when_the_bucket_is_gone_or_nobody_answers(s3_lake: Lake) -> None:
    with pytest.raises(Unavailable) as gone:
        s3_lake.files.create(s3_lake.root.replace("data-lake", "data-lake-no") + "/t", [NUMBER], [])
    silent = aws_at("http://127.0.0.1:9")
    files = S3TableFiles(silent, s3_lake.workplace, s3_lake.clock)
    with pytest.raises(Unavailable) as nobody:
        files.create(f"{s3_lake.root}/t", [NUMBER], [])
    assert gone.value.code == nobody.value.code == "LAKE_UNAVAILABLE"


def test_s3__copies_of_a_scan_that_fails_are_removed(s3_lake: Lake) -> None:
    staged = s3_lake.append(s3_lake.create(NUMBER), numbers(1))
    staged = s3_lake.append(staged, numbers(2))
    data = sorted(name for name in s3_lake.all_files() if name.endswith(".parquet"))
    s3_lake.files.remove(data[:1])
    with pytest.raises(Unavailable):
        s3_lake.files.scan(staged.metadata_location)
    scratch = s3_lake.workplace.parent / "scratch"
    assert list(scratch.iterdir()) == []
