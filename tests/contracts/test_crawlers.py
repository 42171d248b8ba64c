"""Whoever crawls a raw area finds the same tables in it: the mesh itself, and crawlers of Glue."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from meshplane.kit.errors import Invalid, TooLarge
from meshplane.platform.aws.names import domain_bucket
from meshplane.sandbox.server import AwsSandbox
from meshplane.services.tables import raw_area, raw_parquet
from meshplane.services.tables.crawl_ports import FoundTable, ToRead, WantedColumn
from meshplane.services.tables.raw_tables import written
from tests.builders.aws_sandbox import aws_of, sandbox_in
from tests.builders.lakes import ELSEWHERE
from tests.builders.raw_areas import (
    RawPlace,
    csv,
    json_lines,
    local_area,
    parquet,
    s3_area,
    types_of,
)

FLIGHTS = parquet(
    {
        "Id": pa.array([1, 2], pa.int64()),
        "price": [9.5, 10.0],
        "sold": [True, False],
        "day": pa.array([1, 2], pa.date32()),
        "at": pa.array([1, 2], pa.timestamp("us", "UTC")),
        "fare": pa.array(["1.50", "2.50"]).cast(pa.decimal128(9, 2)),
    }
)
AIRPORTS = csv("code,Full Name,feet", "JFK,John F. Kennedy,13", "EWR,Newark,18")
BOOKINGS = json_lines({"who": "ana", "seats": 3_000_000_000, "paid": 1.5})

_numbers = iter(range(1, 1_000))


@pytest.fixture(scope="module")
def running() -> Iterator[AwsSandbox]:
    with sandbox_in() as sandbox:
        yield sandbox


@pytest.fixture(params=["embedded", "glue"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> RawPlace:
    number = next(_numbers)
    if request.param == "embedded":
        return local_area(tmp_path, f"proj-{number}")
    aws = aws_of(request.getfixturevalue("running"))
    bucket = domain_bucket(aws.place, f"air-{number}")
    aws.run("s3", "create_bucket", Bucket=bucket, **ELSEWHERE)
    return s3_area(aws, bucket, f"proj-{number}")


def _shape(table: FoundTable) -> tuple[str, str | None, int]:
    return (table.name, table.format, table.files)


async def test_folder_of_each_format__is_a_table_with_its_columns(place: RawPlace) -> None:
    place.put("flights/a.parquet", FLIGHTS)
    place.put("flights/b.parquet", FLIGHTS)
    place.put("ref/airports/a.csv", AIRPORTS)
    place.put("bookings/2026.jsonl", BOOKINGS)
    found = await place.found()
    assert {location: _shape(table) for location, table in found.items()} == {
        "bookings": ("bookings", "json", 1),
        "flights": ("flights", "parquet", 2),
        "ref/airports": ("airports", "csv", 1),
    }
    assert types_of(found["flights"]) == {
        "id": "long",
        "price": "double",
        "sold": "boolean",
        "day": "date",
        "at": "timestamptz",
        "fare": "decimal(9,2)",
    }
    assert types_of(found["ref/airports"]) == {
        "code": "string",
        "full_name": "string",
        "feet": "long",
    }
    assert types_of(found["bookings"]) == {"who": "string", "seats": "long", "paid": "double"}
    sources = [column.source for column in found["ref/airports"].columns]
    assert sources == ["code", "Full Name", "feet"]
    assert [one.problem for one in found.values()] == ["", "", ""]


async def test_csv_of_text_alone__has_the_names_of_its_first_line(place: RawPlace) -> None:
    place.put("airlines/a.csv", csv("code;name", "LH;Lufthansa", "AF;Air France"))
    (table,) = (await place.crawl()).tables
    assert types_of(table) == {"code": "string", "name": "string"}


async def test_folders_that_say_values__are_columns_of_the_table_above_them(
    place: RawPlace,
) -> None:
    place.put("sales/year=2025/month=12/a.csv.gz", csv("id,n", "1,2", zipped=True))
    place.put("sales/year=2026/month=01/a.csv.gz", csv("id,n", "3,4", zipped=True))
    (table,) = (await place.crawl()).tables
    assert (table.location, table.partition_columns) == ("sales", ("year", "month"))
    assert types_of(table) == {"id": "long", "n": "long", "year": "string", "month": "string"}


async def test_files_at_the_top__are_a_table_each(place: RawPlace) -> None:
    place.put("airports.csv", AIRPORTS)
    place.put("Flight plan #1?.parquet", FLIGHTS)
    found = await place.found()
    assert {location: table.name for location, table in found.items()} == {
        "airports.csv": "airports",
        "Flight plan #1?.parquet": "flight_plan_1",
    }
    assert all(table.columns and not table.problem for table in found.values())


async def test_path__limits_what_is_crawled(place: RawPlace) -> None:
    place.put("sales/eu/a.csv", csv("id,n", "1,2"))
    place.put("sales/us/a.csv", csv("id,n", "1,2"))
    place.put("sales2/a.csv", csv("id,n", "1,2"))
    assert set(await place.found("sales")) == {"sales/eu", "sales/us"}
    assert set(await place.found("sales/us/")) == {"sales/us"}
    assert set(await place.found("nothing/there")) == set()


async def test_hidden_and_empty_files__are_left_out_and_unknown_ones_counted(
    place: RawPlace,
) -> None:
    place.put("sales/a.csv", csv("id,n", "1,2"))
    place.put("sales/_SUCCESS", b"")
    place.put("sales/_log/a.csv", csv("x,y", "1,2"))
    place.put("sales/.a.csv", csv("x,y", "1,2"))
    place.put("sales/empty.csv", b"")
    place.put("sales/readme.txt", b"Read me.")
    crawled = await place.crawl()
    assert [_shape(table) for table in crawled.tables] == [("sales", "csv", 1)]
    assert crawled.skipped_files == 1


async def test_same_name_twice__is_told_apart_by_the_whole_path(place: RawPlace) -> None:
    for path in ("eu/sales/a.csv", "us/sales/a.csv", "2026/a.csv"):
        place.put(path, csv("id,n", "1,2"))
    assert {table.location: table.name for table in (await place.crawl()).tables} == {
        "2026": "t_2026",
        "eu/sales": "eu_sales",
        "us/sales": "us_sales",
    }


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"x/a.csv": AIRPORTS, "x/b.parquet": FLIGHTS}, "several formats"),
        ({"x/a.csv": AIRPORTS, "x/year=2026/b.csv": AIRPORTS}, "same depth"),
        ({"x/a.parquet": b"PAR1 and then nothing of the kind PAR1"}, ""),
        ({"x/a.json": b"[1, 2, 3]"}, ""),
        ({"x/a.json": b"null\n"}, ""),
        ({"x/a.csv": b"\xff\xfe\x00,\x00\n"}, ""),
        ({"x/year=2026/a.parquet": parquet({"YEAR": [1]})}, "says a column"),
        (
            {"x/a.parquet": parquet({"a": [1]}), "x/b.parquet": parquet({"a": ["x"]})},
            "own",
        ),
        (
            {"x/a.jsonl": json_lines({"a": 1}, {f"k{number}": 1 for number in range(2_001)})},
            "x/a.jsonl: line 2 has an object of more than 2,000 names",
        ),
        ({"x/a.parquet": parquet({f"k{number}": [1] for number in range(2_001)})}, "2,001"),
    ],
    ids=[
        *("formats", "depths", "damaged", "no-lines", "null", "no-utf-8", "column-twice"),
        *("columns", "names", "wide"),
    ],
)
async def test_what_makes_no_table__is_found_with_the_reason_beside_what_does(
    place: RawPlace, files: dict[str, bytes], says: str
) -> None:
    for path, content in files.items():
        place.put(path, content)
    place.put("good/a.csv", AIRPORTS)
    found = await place.found()
    assert set(found) == {"x", "good"}
    assert found["x"].problem
    assert found["x"].columns == ()
    assert found["good"].problem == ""
    assert says in found["x"].problem


async def test_nested_columns__are_told_as_what_they_are(place: RawPlace) -> None:
    place.put("tagged/a.parquet", parquet({"id": [1], "tags": [["x", "y"]]}))
    (table,) = (await place.crawl()).tables
    kinds = types_of(table)
    assert kinds["id"] == "long"
    assert "string" in kinds["tags"]
    assert kinds["tags"] != "string"


async def test_crawl_again__finds_what_is_there_now(place: RawPlace) -> None:
    place.put("sales/a.csv", csv("id,n", "1,2"))
    before = await place.crawl()
    place.put("sales/b.csv", csv("id,n", "3,4.5"))
    place.put("costs/a.csv", csv("id,n", "1,x"))
    after = await place.found()
    assert [types_of(table) for table in before.tables] == [{"id": "long", "n": "long"}]
    assert types_of(after["sales"]) == {"id": "long", "n": "double"}
    assert types_of(after["costs"]) == {"id": "long", "n": "string"}


@pytest.mark.parametrize(
    "path", ["..", "../raw", "a/../../b", "/etc", "a//b", "./a", "a\\b", "a\x00b", "s/year=2026"]
)
def test_path_that_leaves_the_area__is_no_path(path: str) -> None:
    with pytest.raises(Invalid) as refused:
        raw_area.checked_path(path)
    assert refused.value.code == "CRAWL_PATH_INVALID"


async def test_more_tables_or_files_than_a_crawl_takes__are_refused(
    place: RawPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        place.put(f"t{number}/a.csv", csv("id,n", "1,2"))
    monkeypatch.setattr(raw_area, "MOST_TABLES", 2)
    with pytest.raises(TooLarge) as tables:
        await place.crawl()
    with pytest.raises(TooLarge) as files:
        place.files.listed(place.area, "", 2)
    assert [tables.value.code, files.value.code] == ["CRAWL_TOO_LARGE"] * 2


async def test_parquet__of_few_bytes_for_very_many_is_read_as_it_stands(
    place: RawPlace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(raw_parquet, "BATCH_BYTES", 1024 * 1024)
    texts = [None if row % 7 == 0 else f"{'x' * 10_000}{row}" for row in range(10)] * 100
    place.put("wide/a.parquet", parquet({"Id": list(range(1_000)), "text": texts}))
    found = (await place.found())["wide"]
    assert types_of(found) == {"id": "long", "text": "string"}
    wanted = [WantedColumn(one.name, one.type, one.source) for one in found.columns]
    files = place.files.listed(place.area, "wide", 10)
    assert files[0].size_bytes < 100_000
    asked = ToRead(place.area, "wide", "parquet", files, wanted, (), known=True)
    with pa.ipc.open_stream(str(written(place.files, asked, tmp_path / "scratch"))) as reader:
        batches = list(reader)
    assert max(batch.nbytes for batch in batches) < 1_200_000
    rows = [row for batch in batches for row in batch.to_pylist()]
    assert rows == [{"id": row, "text": text} for row, text in enumerate(texts)]
