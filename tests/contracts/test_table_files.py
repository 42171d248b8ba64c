"""What every lake of Iceberg tables must do."""

import datetime as dt
import decimal
import random
import re
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from meshplane.kit.errors import Invalid, MeshplaneError, Missing, TooLarge
from meshplane.services.tables.ports import (
    ColumnSpec,
    PartitionBy,
    StagedCommit,
)
from tests.builders.lakes import NOON, NUMBER, Lake, lake, numbers, s3_url, seeded

__all__ = ["lake", "s3_url"]


# --- create -------------------------------------------------------------------------------------


def test_create__gives_an_empty_table(lake: Lake) -> None:
    staged = lake.create(ColumnSpec("id", "long", True, "the key"), ColumnSpec("name", "string"))
    plan = lake.files.scan(staged.metadata_location)
    assert (staged.snapshot_id, staged.total_rows) == (None, 0)
    assert (plan.snapshot_id, plan.files, plan.total_rows) == (None, (), 0)
    assert lake.files.snapshots(staged.metadata_location) == []
    assert plan.columns == staged.columns
    first, second = staged.columns
    assert (first.name, first.sql_type, first.required, first.doc) == (
        "id",
        "BIGINT",
        True,
        "the key",
    )
    assert (second.name, second.iceberg_type, second.required) == ("name", "string", False)
    assert first.field_id != second.field_id


def test_create__writes_metadata_that_any_iceberg_reader_loads(lake: Lake) -> None:
    from pyiceberg.table import StaticTable

    staged = lake.create(ColumnSpec("at", "timestamptz"), by=(PartitionBy("at", "month"),))
    moments = [dt.datetime(2024, month, 1, tzinfo=dt.UTC) for month in (1, 1, 2)]
    filled = lake.append(staged, pa.table({"at": pa.array(moments, pa.timestamp("us", "UTC"))}))
    table = StaticTable.from_metadata(filled.metadata_location, lake.properties)
    assert table.format_version == 2
    assert [str(field.transform) for field in table.spec().fields] == ["month"]
    assert table.scan().to_arrow().num_rows == filled.total_rows == 3
    january = table.scan(row_filter="at < '2024-02-01T00:00:00+00:00'")
    assert january.count() == 2
    assert len(list(january.plan_files())) == 1, "the partition of February is left out unread"


@pytest.mark.parametrize(
    ("columns", "code", "field"),
    [
        ([], "COLUMNS_MISSING", "columns"),
        ([ColumnSpec("", "long")], "COLUMN_NAME_INVALID", "columns.0.name"),
        ([ColumnSpec("a.b", "long")], "COLUMN_NAME_INVALID", "columns.0.name"),
        ([ColumnSpec("a\nb", "long")], "COLUMN_NAME_INVALID", "columns.0.name"),
        ([NUMBER, ColumnSpec("N", "int")], "COLUMN_NAME_TAKEN", "columns.1.name"),
        ([NUMBER, ColumnSpec("n", "long")], "COLUMN_NAME_TAKEN", "columns.1.name"),
        ([NUMBER, ColumnSpec("x", "varchar")], "COLUMN_TYPE_UNKNOWN", "columns.1.type"),
        ([ColumnSpec("x", "decimal(39,2)")], "COLUMN_TYPE_UNKNOWN", "columns.0.type"),
        ([ColumnSpec("x", "decimal(3,4)")], "COLUMN_TYPE_UNKNOWN", "columns.0.type"),
        ([ColumnSpec("x", "fixed[0]")], "COLUMN_TYPE_UNKNOWN", "columns.0.type"),
        ([ColumnSpec("x", "list<int>")], "COLUMN_TYPE_UNKNOWN", "columns.0.type"),
    ],
)
def test_create__names_the_column_that_is_wrong(
    lake: Lake, columns: list[ColumnSpec], code: str, field: str
) -> None:
    with pytest.raises(Invalid) as caught:
        lake.create(*columns)
    assert (caught.value.code, caught.value.fields[0].field) == (code, field)


@pytest.mark.parametrize(
    "by",
    [
        [PartitionBy("missing", "month")],
        [PartitionBy("n", "month")],
        [PartitionBy("n", "week")],
        [PartitionBy("n", "bucket[0]")],
        [PartitionBy("n", "bucket")],
        [PartitionBy("n", "bucket[4]"), PartitionBy("n", "bucket[4]")],
    ],
)
def test_create__refuses_a_partitioning_that_makes_no_sense(
    lake: Lake, by: list[PartitionBy]
) -> None:
    with pytest.raises(Invalid) as caught:
        lake.create(NUMBER, by=tuple(by))
    assert caught.value.code == "PARTITION_INVALID"


@pytest.mark.parametrize("location", ["relative/t", "gs://bucket/t", "{root}/*", "{root}/a/../b"])
def test_create__refuses_a_location_that_is_no_plain_path(lake: Lake, location: str) -> None:
    with pytest.raises(Invalid) as caught:
        lake.files.create(location.format(root=lake.root), [NUMBER], [])
    assert caught.value.code == "LOCATION_INVALID"


# --- append -------------------------------------------------------------------------------------

SAMPLES: dict[str, tuple[pa.DataType, list[Any]]] = {
    "boolean": (pa.bool_(), [True, False]),
    "int": (pa.int32(), [1, -7]),
    "long": (pa.int64(), [2**40, -5]),
    "float": (pa.float32(), [1.5, float("nan")]),
    "double": (pa.float64(), [2.5, -0.0]),
    "decimal(9,2)": (pa.decimal128(9, 2), [decimal.Decimal("1.25"), decimal.Decimal("-33.10")]),
    "date": (pa.date32(), [dt.date(2013, 1, 1), dt.date(1960, 5, 5)]),
    "time": (pa.time64("us"), [dt.time(1, 2, 3, 4), dt.time(23)]),
    "timestamp": (pa.timestamp("us"), [1_357_000_000_000_000, -315_000_000_000_000]),
    "timestamptz": (pa.timestamp("us", "UTC"), [NOON, dt.datetime(1960, 1, 1, tzinfo=dt.UTC)]),
    "string": (pa.string(), ["ab/c?d", "éüxyz"]),
    "uuid": (pa.binary(16), [bytes(15) + b"\5", b"\x80" + bytes(15)]),
    "fixed[4]": (pa.binary(4), [b"abcd", b"wxyz"]),
    "binary": (pa.binary(), [b"a\0", b"xx12345"]),
}
TRANSFORMS = ["", "identity", "year", "month", "day", "hour", "bucket[4]", "truncate[2]"]


def _makes_sense(kind: str, transform: str) -> bool:
    """Which types a transform takes, https://iceberg.apache.org/spec/#partition-transforms."""
    name = re.split(r"\W", kind, maxsplit=1)[0]
    if transform in ("year", "month", "day"):
        return name in ("date", "timestamp", "timestamptz")
    if transform == "hour":
        return name in ("timestamp", "timestamptz")
    if transform.startswith("bucket"):
        return name not in ("boolean", "float", "double")
    if transform.startswith("truncate"):
        return name in ("int", "long", "decimal", "string", "binary")
    return True


@pytest.mark.parametrize("kind", SAMPLES)
def test_append__keeps_every_type_under_every_partitioning(lake: Lake, kind: str) -> None:
    arrow_type, values = SAMPLES[kind]
    rows = pa.table({"a value": pa.array([*values, None, *values], arrow_type)})
    seen = set()
    for transform in TRANSFORMS:
        by = (PartitionBy("a value", transform),) if transform else ()
        if not _makes_sense(kind, transform):
            continue
        staged = lake.create(ColumnSpec("a value", kind), by=by)
        filled = lake.append(lake.append(staged, rows), rows)
        assert (filled.added_rows, filled.total_rows) == (5, 10)
        found = lake.rows(filled)
        assert found.count((None,)) == 2
        seen.add(tuple(found))
    assert len(seen) == 1, "however a table is partitioned, its rows are the same"


def test_append__splits_by_two_transforms_of_one_column(lake: Lake) -> None:
    by = (PartitionBy("n", "bucket[3]"), PartitionBy("n", "truncate[10]"))
    filled = lake.append(lake.create(NUMBER, by=by), numbers(*range(30)))
    assert sorted(int(row[0]) for row in lake.rows(filled)) == list(range(30))


def test_append__finds_columns_by_name_and_fills_missing_optional_ones(lake: Lake) -> None:
    staged = lake.create(NUMBER, ColumnSpec("word", "string"), ColumnSpec("extra", "date"))
    filled = lake.append(staged, pa.table({"word": ["one"], "n": pa.array([1], pa.int8())}))
    assert lake.rows(filled) == [("1", "one", None)]


@pytest.mark.parametrize(
    ("kind", "arriving"),
    [
        ("int", pa.array([7], pa.int64())),
        ("long", pa.array([7], pa.uint64())),
        ("double", pa.array([7], pa.int64())),
        ("float", pa.array([7], pa.float16())),
        ("decimal(9,2)", pa.array([decimal.Decimal("7.500")], pa.decimal128(20, 3))),
        ("date", pa.array([dt.date(2024, 1, 1)], pa.date64())),
        ("timestamp", pa.array([1_000], pa.timestamp("ns"))),
        ("timestamptz", pa.array([1], pa.timestamp("s", "Europe/Berlin"))),
        ("string", pa.array(["x"]).dictionary_encode()),
        ("string", pa.array(["x", None], pa.string_view())),
        ("string", pa.array(["x"], pa.large_string())),
        ("binary", pa.array([b"x"], pa.large_binary())),
        ("decimal(9,2)", pa.nulls(2)),
    ],
)
def test_append__takes_other_types_that_lose_nothing(
    lake: Lake, kind: str, arriving: pa.Array
) -> None:
    filled = lake.append(lake.create(ColumnSpec("v", kind)), pa.table({"v": arriving}))
    assert filled.added_rows == len(arriving) == len(lake.rows(filled))


@pytest.mark.parametrize(
    ("kind", "arriving"),
    [
        ("int", pa.array([2**40], pa.int64())),
        ("int", pa.array([7.0])),
        ("long", pa.array(["31337"])),
        ("long", pa.array([2**63], pa.uint64())),
        ("float", pa.array([0.1], pa.float64())),
        ("double", pa.array([2**60 + 1], pa.int64())),
        ("decimal(9,2)", pa.array([decimal.Decimal("31337.123")], pa.decimal128(20, 3))),
        ("decimal(4,2)", pa.array([decimal.Decimal("31337.00")], pa.decimal128(9, 2))),
        ("date", pa.array([NOON], pa.timestamp("us", "UTC"))),
        ("timestamp", pa.array([NOON], pa.timestamp("us", "UTC"))),
        ("timestamptz", pa.array([31337], pa.timestamp("us"))),
        ("timestamp", pa.array([1_001], pa.timestamp("ns"))),
        ("string", pa.array([31337])),
        ("boolean", pa.array([1])),
        ("long", pa.array([[31337]], pa.list_(pa.int64()))),
    ],
)
def test_append__refuses_what_would_lose_something(
    lake: Lake, kind: str, arriving: pa.Array
) -> None:
    staged = lake.create(ColumnSpec("price", kind))
    with pytest.raises(Invalid) as caught:
        lake.append(staged, pa.table({"price": arriving}))
    assert caught.value.code == "ROWS_DO_NOT_FIT"
    assert caught.value.fields[0].field == "rows.price"
    assert "'price'" in caught.value.message
    assert kind in caught.value.message
    assert str(arriving.type) in caught.value.message
    assert "31337" not in caught.value.message


def test_append__names_all_columns_that_do_not_fit(lake: Lake) -> None:
    staged = lake.create(ColumnSpec("id", "long", required=True), NUMBER)
    with pytest.raises(Invalid) as caught:
        lake.append(staged, pa.table({"n": ["x"], "unknown": [1]}))
    assert [one.field for one in caught.value.fields] == ["rows.unknown", "rows.id", "rows.n"]


def test_append__refuses_nulls_in_a_required_column(lake: Lake) -> None:
    staged = lake.create(ColumnSpec("n", "long", required=True))
    with pytest.raises(Invalid) as caught:
        lake.append(staged, numbers(1, None))
    assert caught.value.code == "ROWS_DO_NOT_FIT"
    assert lake.files.append(staged.metadata_location, lake.stream(numbers(1))).total_rows == 1


def test_append__refuses_a_column_that_comes_twice(lake: Lake) -> None:
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["n", "n"])
    with pytest.raises(Invalid) as caught:
        lake.append(lake.create(NUMBER), twice)
    assert caught.value.code == "ROWS_DO_NOT_FIT"


def test_append__without_rows_changes_nothing(lake: Lake) -> None:
    staged = lake.create(NUMBER)
    assert lake.append(staged, numbers()) == staged


def _damaged(whole: bytes, how: str) -> bytes:
    return {
        "empty": b"",
        "text": b"n\n1\n2\n3\n and so on",
        "cut in the middle": whole[: len(whole) // 2],
        "cut in the last batch": whole[:-20],
        "never closed": whole[:-8],
        "half an end": whole[:-4],
        "two in a row": whole + whole,
        "zeros behind the end": whole + bytes(64),
    }[how]


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("empty", "NOT_ARROW"),
        ("text", "NOT_ARROW"),
        ("cut in the middle", "ROWS_TRUNCATED"),
        ("cut in the last batch", "ROWS_TRUNCATED"),
        ("never closed", "ROWS_TRUNCATED"),
        ("half an end", "ROWS_TRUNCATED"),
        ("two in a row", "ROWS_DAMAGED"),
        ("zeros behind the end", "ROWS_TRUNCATED"),
    ],
)
def test_append__refuses_a_stream_that_is_not_whole(lake: Lake, how: str, code: str) -> None:
    staged = lake.create(NUMBER)
    path = lake.stream(numbers(*range(1000)))
    path.write_bytes(_damaged(path.read_bytes(), how))
    with pytest.raises(Invalid) as caught:
        lake.files.append(staged.metadata_location, path)
    assert caught.value.code == code


def test_append__never_takes_a_part_of_a_cut_stream(lake: Lake) -> None:
    staged = lake.create(NUMBER)
    path = lake.stream(pa.concat_tables([numbers(1, 2), numbers(3)]))
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(Invalid):
            lake.files.append(staged.metadata_location, path)


def _outcome(call: Callable[[], StagedCommit]) -> str:
    try:
        call()
    except MeshplaneError as refused:
        return refused.code
    return "taken"


def test_append__answers_a_stream_with_flipped_bits_by_an_error_of_ours_or_whole(
    lake: Lake,
) -> None:
    chance = seeded()
    staged = lake.create(NUMBER, ColumnSpec("word", "string"))
    words = pa.table({"n": [1, 2, 3], "word": pa.array(["x", None, "zz"]).dictionary_encode()})
    path = lake.stream(words)
    whole = path.read_bytes()
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(chance.randint(1, 3)):
            damaged[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        outcome = _outcome(lambda: lake.files.append(staged.metadata_location, path))
        assert outcome == "taken" or outcome.startswith(("ROWS_", "NOT_ARROW"))


def test_append__refuses_an_arrow_file_and_says_what_to_send(lake: Lake) -> None:
    path = lake.workplace / "rows.arrow"
    with pa.ipc.new_file(str(path), numbers(1).schema) as writer:
        writer.write_table(numbers(1))
    with pytest.raises(Invalid, match="stream format") as caught:
        lake.files.append(lake.create(NUMBER).metadata_location, path)
    assert caught.value.code == "NOT_ARROW"


def test_append__says_when_the_rows_are_gone(lake: Lake) -> None:
    with pytest.raises(Missing) as caught:
        lake.files.append(lake.create(NUMBER).metadata_location, lake.workplace / "gone")
    assert caught.value.code == "ROWS_NOT_FOUND"


def test_append__reads_compressed_streams(lake: Lake) -> None:
    path = lake.stream(numbers(*range(10_000)), compression="zstd")
    filled = lake.files.append(lake.create(NUMBER).metadata_location, path)
    assert filled.total_rows == len(lake.rows(filled)) == 10_000


def _shared_by_dictionary() -> pa.Array:
    indices = pa.array([0] * 4_000, pa.int32())
    return pa.DictionaryArray.from_arrays(indices, pa.array(["x" * 1_000_000]))


def _shared_by_views() -> pa.Array:
    long = pa.array(["x" * 1_000_000], pa.string_view())
    view = long.buffers()[1].to_pybytes()[:16]
    buffers = [None, pa.py_buffer(view * 4_000), long.buffers()[2]]
    return pa.Array.from_buffers(pa.string_view(), 4_000, buffers)


@pytest.mark.parametrize("shared", [_shared_by_dictionary, _shared_by_views])
def test_append__refuses_a_small_stream_of_very_long_rows(
    lake: Lake, shared: Callable[[], pa.Array]
) -> None:
    path = lake.stream(pa.table({"word": shared()}))
    assert path.stat().st_size < 1_500_000
    with pytest.raises(TooLarge) as caught:
        lake.files.append(lake.create(ColumnSpec("word", "string")).metadata_location, path)
    assert caught.value.code == "ROWS_BATCH_TOO_LARGE"


@pytest.mark.parametrize("compression", ["zstd", "lz4"])
def test_append__refuses_a_small_stream_that_unpacks_to_a_huge_one(
    lake: Lake, compression: str
) -> None:
    zeros = pa.Array.from_buffers(pa.int64(), 2**23, [None, pa.py_buffer(bytes(2**26))])
    path = lake.stream(pa.table({"n": zeros}), compression=compression)
    assert path.stat().st_size < 2**20
    with pytest.raises(TooLarge) as caught:
        lake.files.append(lake.create(NUMBER).metadata_location, path)
    assert caught.value.code == "ROWS_BATCH_TOO_LARGE"


def test_append__refuses_more_rows_than_one_append_may_have(lake: Lake) -> None:
    path = lake.stream(pa.table({"n": pa.nulls(1_000_001)}))
    with pytest.raises(TooLarge) as caught:
        lake.files.append(lake.create(NUMBER).metadata_location, path)
    assert caught.value.code == "ROWS_TOO_MANY"


def test_append__refuses_rows_of_very_many_partitions(lake: Lake) -> None:
    staged = lake.create(NUMBER, by=(PartitionBy("n", "identity"),))
    with pytest.raises(TooLarge) as caught:
        lake.append(staged, numbers(*range(5_000)))
    assert caught.value.code == "PARTITIONS_TOO_MANY"


def test_append__names_files_so_that_nobody_can_guess_them_or_learn_from_them(lake: Lake) -> None:
    staged = lake.create(ColumnSpec("city", "string"), by=(PartitionBy("city", "identity"),))
    filled = lake.append(staged, pa.table({"city": ["Basel", "Bern"]}))
    files = lake.files.scan(filled.metadata_location).files
    assert len(files) == 2
    for path in files:
        uuid.UUID(Path(path).stem)
        assert "Basel" not in path
        assert "city" not in path


def test_append__stays_quick_to_scan_after_many_small_ones(lake: Lake) -> None:
    staged = lake.create(NUMBER)
    path = lake.stream(numbers(1))
    many = 120 if lake.aws is None else 30
    for _ in range(many):
        staged = lake.files.append(staged.metadata_location, path)
    assert staged.total_rows == lake.files.scan(staged.metadata_location).total_rows == many
    assert len(lake.files.snapshots(staged.metadata_location)) == many


# --- delete -------------------------------------------------------------------------------------


def test_delete__takes_out_the_rows_that_match(lake: Lake) -> None:
    filled = lake.append(lake.create(NUMBER), numbers(1, None, 3, None))
    left = lake.files.delete(filled.metadata_location, "n IS NULL")
    assert (left.added_rows, left.deleted_rows, left.total_rows) == (0, 2, 2)
    assert lake.rows(left) == [("1",), ("3",)]
    assert lake.rows(filled) == [("1",), ("3",), (None,), (None,)], "the base is as it was"


def test_delete__is_one_snapshot_though_files_go_and_files_are_rewritten(lake: Lake) -> None:
    staged = lake.create(NUMBER)
    for rows in (numbers(1, 2), numbers(3, 4), numbers(4, 4)):
        staged = lake.append(staged, rows)
    left = lake.files.delete(staged.metadata_location, "n >= 4 OR n = 1")
    last = lake.files.snapshots(left.metadata_location)[-1]
    assert len(lake.files.snapshots(left.metadata_location)) == 4
    assert (last.operation, last.added_rows, last.deleted_rows) == ("overwrite", 0, 4)
    assert last.total_rows == 2
    assert lake.rows(left) == [("2",), ("3",)]


def test_delete__of_all_rows_leaves_an_empty_table(lake: Lake) -> None:
    filled = lake.append(lake.create(NUMBER), numbers(1, 2))
    left = lake.files.delete(filled.metadata_location, "true")
    assert (left.total_rows, lake.rows(left)) == (0, [])
    assert lake.files.snapshots(left.metadata_location)[-1].operation == "delete"
    assert lake.rows(lake.append(left, numbers(5))) == [("5",)]


@pytest.mark.parametrize("where", ["n > 100", "n IS NULL", "n NOT IN (1, 2)", "false"])
def test_delete__without_a_match_gives_the_base_back(lake: Lake, where: str) -> None:
    filled = lake.append(lake.create(NUMBER), numbers(1, 2))
    left = lake.files.delete(filled.metadata_location, where)
    assert (left.metadata_location, left.snapshot_id) == (
        filled.metadata_location,
        filled.snapshot_id,
    )
    assert (left.deleted_rows, left.total_rows) == (0, 2)


def test_delete__of_an_empty_table_gives_the_base_back(lake: Lake) -> None:
    staged = lake.create(NUMBER)
    assert lake.files.delete(staged.metadata_location, "n = 1") == staged


@pytest.mark.parametrize("where", ["n != 1", "n NOT IN (1)", "NOT n = 1", "NOT (n IN (1, 7))"])
def test_delete__leaves_rows_for_which_the_condition_is_unknown(lake: Lake, where: str) -> None:
    """A file of nulls alone is the case in which file statistics would say "all match"."""
    staged = lake.append(lake.create(NUMBER), numbers(1, 2, None))
    staged = lake.append(staged, numbers(None, None))
    left = lake.files.delete(staged.metadata_location, where)
    assert lake.rows(left) == [("1",), (None,), (None,), (None,)]


@pytest.mark.parametrize(
    "where",
    [
        "",
        "n",
        "n = ",
        "missing = 31337",
        "N = 31337",
        "n = 'x31337'",
        "n = 1.5",
        "n LIKE '3%'",
        "n = 31337; DROP TABLE t",
        "word LIKE '%31337'",
        "price = 31337.123",
        "day = 'x31337'",
        "(" * 40 + "n = 1" + ")" * 40,
        "n = 1 OR " * 2_000 + "n = 2",
    ],
)
def test_delete__refuses_a_condition_that_it_cannot_apply(lake: Lake, where: str) -> None:
    staged = lake.create(
        NUMBER,
        ColumnSpec("word", "string"),
        ColumnSpec("price", "decimal(9,2)"),
        ColumnSpec("day", "date"),
    )
    with pytest.raises(Invalid) as caught:
        lake.files.delete(staged.metadata_location, where)
    assert caught.value.code == "ROW_FILTER_INVALID"
    assert caught.value.fields[0].field == "where"
    assert "31337" not in caught.value.message


def test_delete__takes_a_condition_of_very_many_parts(lake: Lake) -> None:
    filled = lake.append(
        lake.create(NUMBER, by=(PartitionBy("n", "bucket[4]"),)), numbers(*range(1_500))
    )
    where = " OR ".join(f"n={number}" for number in range(1_000))
    assert lake.files.delete(filled.metadata_location, where).total_rows == 500


def test_delete__compares_prices_whatever_their_places(lake: Lake) -> None:
    prices = pa.array([decimal.Decimal(text) for text in ("1.49", "1.50", "2.00")])
    staged = lake.create(ColumnSpec("price", "decimal(9,2)"))
    filled = lake.append(staged, pa.table({"price": prices}))
    left = lake.files.delete(filled.metadata_location, "price >= 1.5 AND price IN (1.5, 2.0)")
    assert lake.rows(left) == [("1.49",)]


def _condition(chance: random.Random, depth: int = 0) -> str:
    """A random condition that DuckDB and the port both read."""
    if depth < 3 and chance.random() < 0.6:
        one, other = _condition(chance, depth + 1), _condition(chance, depth + 1)
        return chance.choice([f"({one} AND {other})", f"({one} OR {other})", f"NOT ({one})"])
    word, day = chance.choice("abcd"), f"'2024-0{chance.randint(1, 6)}-01'"
    n, operator = chance.randint(-1, 10), chance.choice(["=", "!=", "<", "<=", ">", ">="])
    return chance.choice(
        [
            f"n {operator} {n}",
            f"n {chance.choice(['IN', 'NOT IN'])} ({n}, {n + 2}, {n + 3})",
            f"n BETWEEN {n} AND {n + 4}",
            f"word {operator} '{word}'",
            f"word {chance.choice(['LIKE', 'NOT LIKE'])} '{word}%'",
            f"day {operator} {day}",
            f"{chance.choice(['n', 'word', 'day'])} IS {chance.choice(['', 'NOT '])}NULL",
        ]
    )


def test_delete__agrees_with_sql_on_random_conditions(lake: Lake) -> None:
    chance = seeded()
    by = (PartitionBy("day", "month"), PartitionBy("word", "truncate[1]"))
    staged = lake.create(NUMBER, ColumnSpec("word", "string"), ColumnSpec("day", "date"), by=by)
    for _ in range(2):
        count = 60
        rows = pa.table(
            {
                "n": [chance.choice([None, *range(10)]) for _ in range(count)],
                "word": [chance.choice([None, "a", "ab", "b", "c"]) for _ in range(count)],
                "day": [
                    chance.choice([None, *(dt.date(2024, month, 1) for month in range(1, 6))])
                    for _ in range(count)
                ],
            }
        )
        staged = lake.append(staged, rows)
    before = lake.rows(staged)
    with duckdb.connect() as engine:
        engine.execute("CREATE TABLE t (n BIGINT, word VARCHAR, day DATE)")
        engine.executemany("INSERT INTO t VALUES (?, ?, ?)", before)
        for _ in range(25 if lake.aws is None else 5):
            where = _condition(chance)
            left = lake.files.delete(staged.metadata_location, where)
            expected = engine.execute(
                f"SELECT COLUMNS(*)::VARCHAR FROM t WHERE ({where}) IS NOT TRUE ORDER BY ALL"
            ).fetchall()
            assert lake.rows(left) == expected, where
            assert left.deleted_rows == len(before) - len(expected), where
