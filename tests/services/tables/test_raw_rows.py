"""Files of a raw area read as rows: every type, every way in which files differ, and limits."""

import datetime as dt
import gzip
import os
import time
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from meshplane.kit.errors import Invalid, Missing, TooLarge
from meshplane.services.tables import raw_tables
from meshplane.services.tables.crawl_ports import ToRead, WantedColumn
from meshplane.services.tables.raw_area import sql_name, tables_in, unlike
from tests.builders.raw_areas import RawPlace, csv, json_lines, local_area, parquet


@pytest.fixture
def place(tmp_path: Path) -> RawPlace:
    return local_area(tmp_path / "lake")


def read(place: RawPlace, columns: dict[str, str], *, known: bool = True) -> list[dict[str, Any]]:
    """The rows of the one table in the area, with these columns, by what files call them."""
    (table,) = tables_in(place.files.listed(place.area, "", 100))[0]
    assert table.format is not None
    wanted = [WantedColumn(sql_name(one), kind, one) for one, kind in columns.items()]
    asked = ToRead(
        place.area, table.location, table.format, table.files, wanted, table.partitions, known=known
    )
    assert place.root is not None
    scratch = place.root.parent / "scratch"
    path = raw_tables.written(place.files, asked, scratch)
    with pa.ipc.open_stream(str(path)) as reader:
        rows: list[dict[str, Any]] = reader.read_all().to_pylist()
    path.unlink()
    assert list(scratch.iterdir()) == []
    return rows


TEXTS = {
    "boolean": ("true", True),
    "int": ("7", 7),
    "long": ("3000000000", 3_000_000_000),
    "float": ("1.5", 1.5),
    "double": ("2.25", 2.25),
    "decimal(9,2)": ("1.50", Decimal("1.50")),
    "date": ("2026-01-31", dt.date(2026, 1, 31)),
    "time": ("12:30:00", dt.time(12, 30)),
    "timestamp": ("2026-01-31T12:30:00", dt.datetime.fromisoformat("2026-01-31T12:30:00")),
    "timestamptz": ("2026-01-31T12:30:00Z", dt.datetime(2026, 1, 31, 12, 30, tzinfo=dt.UTC)),
    "string": ("NA", "NA"),
}


@pytest.mark.parametrize("kind", TEXTS)
def test_text_of_csv__becomes_the_type_that_is_wanted(place: RawPlace, kind: str) -> None:
    text, value = TEXTS[kind]
    place.put("x/a.csv", csv("a,b", f"{text},1", *([",2"] if kind != "string" else [])))
    rows = read(place, {"a": kind, "b": "long"})
    assert [row["a"] for row in rows] == ([value] if kind == "string" else [value, None])


@pytest.mark.parametrize("kind", [one for one in TEXTS if one not in {"boolean", "int", "long"}])
def test_text_of_json__becomes_the_type_that_is_wanted(place: RawPlace, kind: str) -> None:
    text, value = TEXTS[kind]
    number = float(text) if kind in {"float", "double"} else text
    place.put("x/a.jsonl", json_lines({"a": number}, {"b": 1}))
    assert [row["a"] for row in read(place, {"a": kind, "b": "long"})] == [value, None]


def test_parquet__keeps_its_types(place: RawPlace) -> None:
    one = uuid.uuid4()
    columns = {
        "n": (pa.array([1], pa.uint16()), "int", 1),
        "t": (pa.array([1], pa.timestamp("ns")), "timestamp", None),
        "u": (pa.array([one.bytes], pa.uuid()), "uuid", one),
        "d": (pa.array(["x"]).dictionary_encode(), "string", "x"),
        "f": (pa.array([b"abcd"], pa.binary(4)), "fixed[4]", b"abcd"),
    }
    place.put("x/a.parquet", parquet({name: column for name, (column, _, _) in columns.items()}))
    with pytest.raises(Invalid) as lossy:
        read(place, {name: kind for name, (_, kind, _) in columns.items()})
    assert (lossy.value.code, "'t'" in lossy.value.message) == ("FILES_DO_NOT_FIT", True)
    del columns["t"]
    (row,) = read(place, {name: kind for name, (_, kind, _) in columns.items()}, known=False)
    assert row == {name: value for name, (_, _, value) in columns.items()}


def test_wall_clock_and_instant__never_become_each_other(place: RawPlace) -> None:
    place.put("x/a.parquet", parquet({"t": pa.array([1], pa.timestamp("us", "UTC"))}))
    with pytest.raises(Invalid) as refused:
        read(place, {"t": "timestamp"})
    assert refused.value.code == "FILES_DO_NOT_FIT"


def test_files_that_differ__give_nulls_other_orders_and_cases(place: RawPlace) -> None:
    place.put("x/a.csv", csv("Id,name,n", "1,ana,2"))
    place.put("x/b.csv", csv("n;ID", "4;3"))
    place.put("x/c.csv.gz", csv("id\tn", "5\t6", zipped=True))
    rows = read(place, {"Id": "long", "name": "string", "n": "double"})
    assert rows == [
        {"id": 1, "name": "ana", "n": 2.0},
        {"id": 3, "name": None, "n": 4.0},
        {"id": 5, "name": None, "n": 6.0},
    ]


def test_column_that_no_crawl_found__is_told_and_left_out_only_where_columns_are_named(
    place: RawPlace,
) -> None:
    place.put("x/a.csv", csv("a,b", "1,2"))
    with pytest.raises(Invalid) as refused:
        read(place, {"a": "long"})
    assert (refused.value.code, "'b'" in refused.value.message) == ("FILES_DO_NOT_FIT", True)
    assert read(place, {"a": "long"}, known=False) == [{"a": 1}]


def test_field_far_down_in_json__is_not_lost_unseen(place: RawPlace) -> None:
    rows = [{"a": number} for number in range(150_000)]
    place.put("x/a.jsonl", json_lines(*rows, {"a": 1, "late": "x"}))
    with pytest.raises(Invalid) as refused:
        read(place, {"a": "long"})
    assert refused.value.code == "FILES_DO_NOT_FIT"
    found = read(place, {"a": "long", "late": "string"})
    assert (len(found), found[-1]) == (150_001, {"a": 1, "late": "x"})


def test_folders__say_values_also_none_and_escaped_ones(place: RawPlace) -> None:
    place.put("x/day=2026-01-31/a.csv", csv("n,m", "1,1"))
    place.put("x/day=__HIVE_DEFAULT_PARTITION__/a.csv", csv("n,m", "2,1"))
    wanted = {"n": "long", "m": "long", "day": "date"}
    assert [(row["n"], row["day"]) for row in read(place, wanted)] == [
        (1, dt.date(2026, 1, 31)),
        (2, None),
    ]
    place.put("x/day=a%20b/a.csv", csv("n,m", "3,1"))
    with pytest.raises(Invalid) as refused:
        read(place, wanted)
    assert refused.value.code == "FILES_DO_NOT_FIT"
    assert read(place, {**wanted, "day": "string"})[-1]["day"] == "a b"


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_file_with_none_of_the_columns__has_its_rows_nevertheless(
    place: RawPlace, kind: str
) -> None:
    first, second = {"n": [1, 2]}, {"m": [3, 4]}
    if kind == "parquet":
        place.put("x/a.parquet", parquet(first))
        place.put("x/b.parquet", parquet(second))
    else:
        place.put("x/a.csv", csv("n,o", "1,1", "2,1"))
        place.put("x/b.csv", csv("m,o", "3,1", "4,1"))
    found = [row["n"] for row in read(place, {"n": "long"}, known=False)]
    assert found == [1, 2, None, None]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.parquet", b"PAR1 nothing PAR1"),
        ("a.parquet", parquet({"a": list(range(1000))})[:-200] + b"PAR1"),
        ("a.csv", b""),
        ("a.csv", csv("a,a", "1,2")),
        ("a.csv", b"a,b\n1,2\n3\n"),
        ("a.csv", "a,b\n\xe4,2\n".encode("latin-1")),
        ("a.csv.gz", b"no gzip at all"),
        ("a.csv.gz", gzip.compress(b"a,b\n" + os.urandom(10_000).hex().encode())[:-20]),
        ("a.json", b'{"a": 1'),
        ("a.json", b'[{"a": 1}]'),
    ],
)
def test_damaged_file__is_named_and_its_content_is_not(
    place: RawPlace, name: str, content: bytes
) -> None:
    place.put(f"x/{name}", content or b"\n")
    with pytest.raises(Invalid) as refused:
        read(place, {"a": "string", "b": "string"})
    assert refused.value.code in {"FILES_UNREADABLE", "FILES_DO_NOT_FIT"}
    assert f"x/{name}" in refused.value.message


def test_value_that_does_not_fit__is_told_by_its_column_and_never_repeated(
    place: RawPlace,
) -> None:
    place.put("x/a.csv", csv("id,who", "1,ana", "secret,ben"))
    with pytest.raises(Invalid) as of_csv:
        read(place, {"id": "long", "who": "string"})
    place.put("x/a.csv", b"")
    place.put("y/a.json", json_lines({"id": 1}, {"id": "secret"}))
    with pytest.raises(Invalid) as of_json:
        read(place, {"id": "long"})
    for refused in (of_csv, of_json):
        assert refused.value.code in {"FILES_DO_NOT_FIT", "FILES_UNREADABLE"}
        assert "secret" not in refused.value.message
    assert "'id'" in of_csv.value.message


@pytest.mark.parametrize("name", ["x/a.json", "x/a.json.gz"])
@pytest.mark.parametrize(("start", "end"), [(b'{"a":', b"}"), (b"[", b"]")])
def test_line_of_json_that_nests_without_end__is_refused_before_it_is_parsed(
    place: RawPlace, name: str, start: bytes, end: bytes
) -> None:
    deep = b'{"id": ' + start * 50_000 + b"1" + end * 50_000 + b"}"
    content = b'{"id": 1}\n' * 500_000 + deep
    place.put(name, gzip.compress(content) if name.endswith(".gz") else content)
    with pytest.raises(Invalid) as refused:
        read(place, {"id": "long"})
    assert refused.value.code == "FILES_UNREADABLE"
    assert "more than 1,000 objects and lists" in refused.value.message


def test_rows_beyond_all_bounds__are_refused_and_leave_nothing(
    place: RawPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raw_tables, "MOST_UNPACKED_BYTES", 1_000_000)
    place.put("x/a.csv.gz", csv("a,b", *["x" * 1000 + ",1"] * 5_000, zipped=True))
    with pytest.raises(TooLarge) as refused:
        read(place, {"a": "string", "b": "long"})
    assert refused.value.code == "FILES_TOO_LARGE"
    assert place.root is not None
    assert list((place.root.parent / "scratch").iterdir()) == []


def test_pipe_and_missing_file__are_no_files(place: RawPlace) -> None:
    assert place.root is not None
    folder = place.root / place.area.bucket / place.area.folder
    os.mkfifo(folder / "pipe.csv")
    assert place.files.listed(place.area, "", 10) == []
    for name in ("pipe.csv", "nothing.csv"):
        with pytest.raises(Missing) as refused:
            place.files.open(place.area, name)
        assert refused.value.code == "RAW_FILE_NOT_FOUND"
    with pytest.raises(Invalid):
        place.files.open(place.area, "../raw/nothing.csv")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Full Name", "full_name"),
        ("2026", "c_2026"),
        ("ä", "c"),
        ("_x-", "x"),
        ("x" * 99, "x" * 63),
    ],
)
def test_names__are_made_fit_for_sql(text: str, name: str) -> None:
    assert sql_name(text, "c") == name


def test_names__are_told_apart() -> None:
    assert unlike(["a", "a", "a_2", "a"]) == ["a", "a_3", "a_2", "a_4"]


def test_columns_of_a_file__more_than_a_table_has__are_told_at_once(place: RawPlace) -> None:
    place.put("wide/a.csv", csv(",".join(f"c{n}" for n in range(30_000)), "1," * 29_999 + "1"))
    (table,) = tables_in(place.files.listed(place.area, "", 100))[0]
    begun = time.process_time()
    told = raw_tables.found(place.files, place.area, "wide", table)
    assert "30,000 columns" in told.problem
    assert time.process_time() - begun < 5
