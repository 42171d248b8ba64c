"""The `TableFiles` port: versions, writers at once, other engines."""

import datetime as dt
import threading
import uuid
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from meshplane.kit.errors import Conflict, Invalid, Missing
from meshplane.services.tables.ports import PartitionBy, StagedCommit
from tests.builders.lakes import NOON, NUMBER, Lake, lake, numbers, read, s3_url

__all__ = ["lake", "s3_url"]


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
        between = lake.files.scan(staged.metadata_location, as_of=later)
        assert read(by_id) == read(exactly) == read(between)
        told = [replace(one, files=(), residue=()) for one in (by_id, exactly, between)]
        assert told[0] == told[1] == told[2]


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
        lake.write(staged.metadata_location, broken)
        with pytest.raises(Invalid) as unreadable:
            lake.files.scan(staged.metadata_location)
        assert unreadable.value.code == "METADATA_UNREADABLE"


# --- rows deleted by other engines --------------------------------------------------------------


def _other_engine_deletes(
    lake: Lake, base: StagedCommit, content: str, path: str, deleted: pa.Table
) -> str:
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

    table = StaticTable.from_metadata(base.metadata_location, lake.properties)
    deletes = f"{table.location()}/data/{uuid.uuid4()}-deletes.parquet"
    output = table.io.new_output(deletes)
    with output.create() as stream:
        pq.write_table(deleted, stream)
    by_value = content == "EQUALITY_DELETES"
    file = iceberg.DataFile.from_args(
        content=iceberg.DataFileContent[content],
        file_path=deletes,
        file_format=iceberg.FileFormat.PARQUET,
        partition=Record(),
        record_count=deleted.num_rows,
        file_size_in_bytes=len(output),
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
    [first] = _data_files(lake, staged)
    staged = lake.append(staged, numbers(20, 21))
    return _other_engine_deletes(lake, staged, "POSITION_DELETES", first, _positions(first, 1))


def _data_files(lake: Lake, staged: StagedCommit) -> list[str]:
    from pyiceberg.table import StaticTable

    table = StaticTable.from_metadata(staged.metadata_location, lake.properties)
    return [task.file.file_path for task in table.scan().plan_files()]


def test_scan__applies_rows_deleted_by_position(lake: Lake, merged_on_read: str) -> None:
    plan = lake.files.scan(merged_on_read)
    assert read(plan) == [("10",), ("12",), ("20",), ("21",)]
    copied = 1 if lake.aws is None else 2
    assert len(plan.residue) == copied, "of a lake on this machine, only the file with deleted rows"
    assert set(plan.residue) <= set(plan.files)
    for path in plan.residue:
        uuid.UUID(Path(path).stem)
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
        lake, staged, "EQUALITY_DELETES", "", pa.table([[11]], schema=pa.schema([field]))
    )
    with pytest.raises(Invalid) as scanned:
        lake.files.scan(location)
    with pytest.raises(Invalid) as deleted:
        lake.files.delete(location, "n = 10")
    assert scanned.value.code == deleted.value.code == "EQUALITY_DELETES_UNREADABLE"


# --- versions of other engines ------------------------------------------------------------------


def test_adopt__takes_a_version_that_another_engine_made_from_ours(lake: Lake) -> None:
    ours = lake.append(lake.create(NUMBER), numbers(1, 2))
    theirs = lake.append(lake.append(ours, numbers(3)), numbers(4, 5))
    theirs = lake.files.delete(theirs.metadata_location, "n = 1")
    taken = lake.files.adopt(theirs.metadata_location, ours.metadata_location)
    assert (taken.metadata_location, taken.snapshot_id) == (
        theirs.metadata_location,
        theirs.snapshot_id,
    )
    assert (taken.added_rows, taken.deleted_rows, taken.total_rows) == (3, 1, 4)


def test_adopt__of_our_own_version_changes_nothing(lake: Lake) -> None:
    ours = lake.append(lake.create(NUMBER), numbers(1, 2))
    taken = lake.files.adopt(ours.metadata_location, ours.metadata_location)
    assert taken == replace(ours, added_rows=0)


def test_adopt__refuses_what_was_made_from_an_older_version_or_is_another_table(
    lake: Lake,
) -> None:
    base = lake.create(NUMBER)
    ours, theirs = lake.append(base, numbers(1)), lake.append(base, numbers(2))
    for other in (theirs, base, lake.create(NUMBER)):
        with pytest.raises(Conflict) as caught:
            lake.files.adopt(other.metadata_location, ours.metadata_location)
        assert caught.value.code == "METADATA_DIVERGED"


def test_version__is_that_of_a_scan_without_the_files(lake: Lake) -> None:
    staged = lake.append(lake.create(NUMBER), numbers(1, 2))
    first = staged.snapshot_id
    lake.clock.advance(60)
    staged = lake.append(staged, numbers(3))
    for asked in ({}, {"snapshot_id": first}, {"as_of": NOON + dt.timedelta(seconds=5)}):
        plan = lake.files.scan(staged.metadata_location, **asked)
        told = lake.files.version(staged.metadata_location, **asked)
        assert told == replace(plan, files=(), residue=(), total_rows=0)
    with pytest.raises(Missing):
        lake.files.version(staged.metadata_location, snapshot_id=1)


def test_remove__takes_away_what_expiry_left_over_and_again_does_nothing(lake: Lake) -> None:
    staged = lake.append(lake.create(NUMBER), numbers(1))
    staged = lake.append(lake.files.delete(staged.metadata_location, "n = 1"), numbers(2))
    expiry = lake.files.expire(staged.metadata_location, NOON + dt.timedelta(days=1), 1)
    before = lake.all_files()
    assert expiry.files
    for _ in range(2):
        lake.files.remove(expiry.files)
    assert before - lake.all_files() == set(expiry.files)
    assert lake.rows(expiry.commit) == [("2",)]


def test_staging__that_fails_leaves_nothing_behind(lake: Lake) -> None:
    staged = lake.create(NUMBER, by=(PartitionBy("n", "bucket[2]"),))
    before = lake.all_files()
    path = lake.stream(numbers(*range(10)))
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(Invalid):
        lake.files.append(staged.metadata_location, path)
    assert lake.all_files() == before
