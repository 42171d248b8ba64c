"""A statement's way through the sandbox: its text, parameters, tables, answer and limits."""

import math
import subprocess
import sys
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from meshplane.kit.errors import Missing
from meshplane.services.query.sandbox import (
    Column,
    Limits,
    Relation,
    RelationName,
    Sandbox,
    Scope,
    Statement,
)
from tests.builders.sandbox_world import KEY, ORDERS, Grants, columns_of, see, whole, write

WIDE = {
    "flag": "BOOLEAN",
    "big": "BIGINT",
    "ratio": "DOUBLE",
    "word": "VARCHAR",
    "day": "DATE",
    "raw": "BLOB",
    "at": "TIMESTAMP",
    "instant": "TIMESTAMP WITH TIME ZONE",
    "price": "DECIMAL(10,2)",
    "list": "INTEGER[]",
    "place": "STRUCT(phone VARCHAR, city VARCHAR)",
    "tags": "MAP(VARCHAR, VARCHAR)",
}
MOMENT = 1_700_000_000_123_000


@pytest.fixture(scope="module")
async def sandbox(anyio_backend: str) -> AsyncIterator[Sandbox]:
    sandbox = Sandbox()
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


@pytest.fixture(scope="module")
def grants(tmp_path_factory: pytest.TempPathFactory) -> Grants:
    folder = tmp_path_factory.mktemp("lake")
    wide_rows = [
        (
            True,
            2**60 + 1,
            0.5,
            "é",
            19_000,
            b"\xff",
            MOMENT,
            MOMENT,
            Decimal("1.50"),
            [1, None],
            {"phone": "1", "city": None},
            [("a", "b")],
        ),
        (None,) * len(WIDE),
        (False, -1, math.nan, "", 0, b"", 0, 0, Decimal("0.00"), [], None, []),
    ]
    orders = [(number, number % 3, number) for number in range(1000)]
    tables: dict[str, tuple[dict[str, str], list[Any]]] = {
        "wide": (WIDE, wide_rows),
        "orders": (ORDERS, orders),
        "none": (ORDERS, []),
    }
    return Grants(
        {
            ("sales", name): whole("sales", name, write(folder / name, types, rows, files=2), types)
            for name, (types, rows) in tables.items()
        }
    )


async def one(sandbox: Sandbox, grants: Grants, sql: str, **more: Any) -> Any:
    """The only cell of the answer."""
    found = await see(sandbox, grants, sql, **more)
    assert found.code is None, found.message
    [[cell]] = found.rows
    return cell


async def test_json__each_type_has_one_exact_form(sandbox: Sandbox, grants: Grants) -> None:
    found = await see(sandbox, grants, "SELECT * FROM wide ORDER BY big DESC NULLS LAST")
    assert found.columns == tuple((name, kind) for name, kind in WIDE.items())
    assert found.rows == [
        [
            True,
            2**60 + 1,
            0.5,
            "é",
            "2022-01-08",
            "/w==",
            "2023-11-14T22:13:20.123",
            "2023-11-14T22:13:20.123Z",
            "1.50",
            [1, None],
            {"phone": "1", "city": None},
            {"a": "b"},
        ],
        [
            False,
            -1,
            "NaN",
            "",
            "1970-01-01",
            "",
            "1970-01-01T00:00:00",
            "1970-01-01T00:00:00Z",
            "0.00",
            [],
            None,
            {},
        ],
        [None] * len(WIDE),
    ]


@pytest.mark.parametrize(
    ("sql", "cell"),
    [
        ("sum(big) FROM wide", 2**60),
        ("170141183460469231731687303715884105727::HUGEINT", 2**127 - 1),
        ("'infinity'::DOUBLE", "Infinity"),
        ("'-infinity'::TIMESTAMP", "-infinity"),
        ("DATE '0044-03-15 (BC)'", "-000043-03-15"),
        ("DATE '12026-01-01'", "+012026-01-01"),
        ("INTERVAL '1 month 2 days -1.5 seconds'", "P1M2DT-1.5S"),
        ("INTERVAL 0 SECOND", "PT0S"),
        ("TIME '10:00:00.25'", "10:00:00.25"),
        ("'10:00:00+02'::TIMETZ", "10:00:00+02"),
        ("'101'::BIT", "101"),
        ("TIMESTAMP_NS '2020-01-01 00:00:00.000000001'", "2020-01-01T00:00:00.000000001"),
        ("MAP {1: 'x'}", [[1, "x"]]),
        ("{'a': [{'b': 1.5::DECIMAL(3,1)}]}", {"a": [{"b": "1.5"}]}),
        ("[['x'], NULL, []]", [["x"], None, []]),
        ("'x'::ENUM('x', 'y')", "x"),
        ("NULL", None),
        ("'00000000-0000-0000-0000-000000000001'::UUID", "00000000-0000-0000-0000-000000000001"),
    ],
)
async def test_json__values_that_json_has_no_form_for(
    sandbox: Sandbox, grants: Grants, sql: str, cell: Any
) -> None:
    assert await one(sandbox, grants, f"SELECT {sql}") == cell


async def test_json__columns_of_one_name_stay_apart(sandbox: Sandbox, grants: Grants) -> None:
    found = await see(sandbox, grants, "SELECT 1 AS x, 'a' AS x, '1'::BIT AS x")
    assert found.columns == (("x", "INTEGER"), ("x", "VARCHAR"), ("x", "BIT"))
    assert found.rows == [[1, "a", "1"]]


async def test_arrow__the_body_is_a_stream_of_the_same_rows(
    sandbox: Sandbox, grants: Grants
) -> None:
    sql = "SELECT oid, amount FROM orders WHERE oid < 3 ORDER BY oid"
    statement = Statement(sql, output="arrow")
    outcome = await sandbox.run(statement, grants.resolve(), KEY)
    table = pa.ipc.open_stream(outcome.body).read_all()
    assert table.to_pydict() == {"oid": [0, 1, 2], "amount": [Decimal(n) for n in range(3)]}
    assert outcome.row_count == 3


@pytest.mark.parametrize(
    ("sql", "parameters", "cell"),
    [
        ("SELECT count(*) FROM orders WHERE oid < ?", [7], 7),
        ("SELECT $2 || $1", ["b", "a"], "ab"),
        ("SELECT count(*) FROM orders WHERE oid BETWEEN $low AND $high", {"low": 3, "high": 4}, 2),
        ("SELECT $x IS NULL", {"x": None}, True),
        ("SELECT list_sum($x::INTEGER[])", {"x": [1, 2]}, 3),
        ("SELECT ?", ["x' OR 1=1; DROP TABLE orders --"], "x' OR 1=1; DROP TABLE orders --"),
    ],
)
async def test_parameters__are_values_and_never_text(
    sandbox: Sandbox, grants: Grants, sql: str, parameters: Any, cell: Any
) -> None:
    assert await one(sandbox, grants, sql, parameters=parameters) == cell


@pytest.mark.parametrize(
    ("sql", "parameters", "said"),
    [
        ("SELECT $a, $b", {"a": 1}, "without a value: $b"),
        ("SELECT ?", [], "without a value: $1"),
        ("SELECT ?", [1, 2], "no parameter of the statement: $2"),
        ("SELECT 1", "text", "a list, or an object"),
        ("SELECT ?", [object()], "not a JSON value"),
    ],
)
async def test_parameters__that_do_not_match_are_named(
    sandbox: Sandbox, grants: Grants, sql: str, parameters: Any, said: str
) -> None:
    found = await see(sandbox, grants, sql, parameters=parameters)
    assert found.code == "SQL_INVALID"
    assert said in found.message


async def test_tables__those_that_with_defines_are_not_asked_for(
    sandbox: Sandbox, grants: Grants
) -> None:
    asked: list[RelationName] = []
    inner = grants.resolve()

    async def resolve(names: Any) -> Any:
        asked.extend(names)
        return await inner(names)

    sql = """
        WITH mine AS (SELECT * FROM orders), wide AS (FROM mine)
        SELECT (SELECT count(*) FROM wide), (WITH RECURSIVE r AS (
            SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT sum(n) FROM r),
            (SELECT count(*) FROM sales.Wide AS orders)
    """
    outcome = await sandbox.run(Statement(sql), resolve, KEY)
    assert orjson.loads(outcome.body) == [[1000, 15, 3]]
    assert sorted(asked, key=lambda name: name.name) == [("sales", "Wide"), (None, "orders")]


async def test_tables__a_name_means_the_table_outside_of_the_with_that_hides_it(
    sandbox: Sandbox, grants: Grants
) -> None:
    sql = "WITH orders AS (SELECT * FROM orders LIMIT 2) SELECT count(*) FROM orders"
    assert await one(sandbox, grants, sql) == 2


async def test_tables__what_the_resolver_raises_reaches_the_caller(
    sandbox: Sandbox, grants: Grants
) -> None:
    with pytest.raises(Missing, match="nothing"):
        await sandbox.run(Statement("SELECT * FROM nothing"), grants.resolve(), KEY)


async def test_tables__a_relation_that_was_not_asked_for_is_not_read(
    sandbox: Sandbox, grants: Grants
) -> None:
    async def resolve(names: Any) -> list[Relation]:
        return [grants.relations["sales", "wide"]]

    found = await sandbox_error(sandbox, "SELECT * FROM orders", resolve)
    assert found == "SQL_REFUSED"


async def sandbox_error(sandbox: Sandbox, sql: str, resolve: Any) -> str:
    from meshplane.kit.errors import MeshplaneError

    with pytest.raises(MeshplaneError) as raised:
        await sandbox.run(Statement(sql), resolve, KEY)
    return raised.value.code


async def test_tables__one_name_in_two_schemas_is_two_tables(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    types = {"x": "INTEGER"}
    grants = Grants(
        {
            (schema, name): whole(
                schema, name, write(tmp_path / f"{schema}{name}", types, [(n,)]), types
            )
            for n, (schema, name) in enumerate([("a", "t"), ("b", "t"), ("b", "u")])
        }
    )
    assert await one(sandbox, grants, "SELECT sum(x) FROM (FROM a.t UNION ALL FROM b.t)") == 1
    assert await one(sandbox, grants, "SELECT t.x * 10 + u.x FROM t, u") == 2
    found = await see(sandbox, grants, "SELECT * FROM u, t, b.t AS other")
    assert found.code == "SQL_INVALID"
    assert "Write the schema" in found.message


async def test_tables__columns_are_found_by_field_id_and_not_by_name(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    old = write(tmp_path / "old", {"id": "INTEGER", "name": "VARCHAR"}, [(1, "kept")])
    now = (Column("id", 1, "BIGINT"), Column("title", 2, "VARCHAR"), Column("name", 3, "VARCHAR"))
    scope = Scope(None, {"id": None, "title": None, "name": None})
    grants = Grants({("s", "t"): Relation("s", "t", old, now, (scope,))})
    found = await see(sandbox, grants, "SELECT * FROM t")
    assert found.rows == [[1, "kept", None]]


async def test_tables__files_without_field_ids_are_refused(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    path = tmp_path / "plain.parquet"
    pq.write_table(pa.table({"id": [1]}), path)
    grants = Grants({("s", "t"): whole("s", "t", (str(path),), {"id": "BIGINT"})})
    found = await see(sandbox, grants, "SELECT * FROM t")
    assert (found.code, found.rows) == ("SQL_REFUSED", [])


async def test_tables__a_path_that_reads_as_a_pattern_is_refused(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    write(tmp_path / "t", {"id": "BIGINT"}, [(1,)])
    grants = Grants({("s", "t"): whole("s", "t", (f"{tmp_path}/t/*.parquet",), {"id": "BIGINT"})})
    assert (await see(sandbox, grants, "SELECT * FROM t")).code == "SQL_REFUSED"


async def test_tables__a_partition_in_a_path_adds_no_column(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    files = write(tmp_path / "id=7" / "x=1", {"id": "BIGINT"}, [(1,)])
    grants = Grants({("s", "t"): whole("s", "t", files, {"id": "BIGINT"})})
    assert (await see(sandbox, grants, "SELECT * FROM t")).rows == [[1]]


async def test_tables__an_empty_table_has_its_columns(sandbox: Sandbox, grants: Grants) -> None:
    relation = grants.relations["sales", "orders"]
    bare = Relation("s", "t", (), relation.columns, relation.scopes)
    found = await see(sandbox, Grants({("s", "t"): bare}), "SELECT * FROM t")
    assert (found.columns, found.rows) == (tuple(ORDERS.items()), [])


@pytest.mark.parametrize("sql", ["DESCRIBE orders", "desc sales.orders;", "describe table orders"])
async def test_describe__shows_the_visible_columns(
    sandbox: Sandbox, grants: Grants, sql: str
) -> None:
    found = await see(sandbox, grants, sql)
    assert found.columns == (("column_name", "VARCHAR"), ("column_type", "VARCHAR"))
    assert found.rows == [list(pair) for pair in ORDERS.items()]


@pytest.mark.parametrize(
    "sql",
    [
        "DESCRIBE SELECT oid FROM orders",
        "SUMMARIZE orders",
        "SHOW orders",
        "FROM (DESCRIBE orders)",
        "DESCRIBE",
        "SHOW ALL TABLES",
        "EXPLAIN ANALYZE SELECT 1",
        "CALL pragma_version()",
    ],
)
async def test_describe__nothing_else_about_tables_is_answered(
    sandbox: Sandbox, grants: Grants, sql: str
) -> None:
    assert (await see(sandbox, grants, sql)).code in {"SQL_REFUSED", "SQL_INVALID"}


async def test_limits__more_rows_than_allowed_are_cut_and_said_so(
    sandbox: Sandbox, grants: Grants
) -> None:
    few = Limits(max_rows=10)
    cut = await see(sandbox, grants, "FROM range(1000000000)", few)
    assert (len(cut.rows), cut.truncated) == (10, True)
    exact = await see(sandbox, grants, "FROM range(10)", few)
    assert (len(exact.rows), exact.truncated) == (10, False)


@pytest.mark.parametrize("output", ["json", "arrow"])
async def test_limits__more_bytes_than_allowed_are_an_error(
    sandbox: Sandbox, grants: Grants, output: str
) -> None:
    found = await see(
        sandbox,
        grants,
        "SELECT repeat('x', 1000) FROM range(5000)",
        Limits(max_bytes=1_000_000),
        output=output,
    )
    assert found.code == "SQL_LIMIT"
    assert "1000000 bytes" in found.message


@pytest.mark.parametrize(
    ("sql", "code", "said"),
    [
        ("SELECT 1 +", "SQL_INVALID", "does not parse"),
        ("SELEC 1", "SQL_INVALID", "“SELEC” (line 1, column 1)"),
        (
            "SELECT 'ä',\n  nosuch FROM orders",
            "SQL_INVALID",
            "“nosuch” in the tables that this reads (line 2, column 3)",
        ),
        ("SELECT abs('a', 'b')", "SQL_INVALID", "do not fit"),
        ("SELECT oid FROM orders GROUP BY amount", "SQL_INVALID", "grouping"),
        ("SELECT list_transform([1], x -> x)", "SQL_INVALID", "lambda x: …"),
        ("", "SQL_INVALID", "no statement"),
        ("SELECT 1; SELECT 2", "SQL_REFUSED", "One statement"),
        ("SELECT 'a' LIKE 'b' ESCAPE 'c'", "SQL_REFUSED", "LIKE … ESCAPE"),
        ("SELECT version()", "SQL_REFUSED", "“version” may not be used here (line 1, column 8)"),
        ("SELECT * FROM read_text('x')", "SQL_REFUSED", "“read_text”"),
        ("SELECT 1/0::DECIMAL, 'x'::INTEGER", "SQL_RUNTIME", "failed while it ran"),
        ("SELECT 1 \0", "SQL_REFUSED", "NUL"),
        ("SELECT '" + "x" * 65536 + "'", "SQL_LIMIT", "longer than"),
        ("SELECT " + "(" * 900 + "[" * 400 + "1" + "]" * 400 + ")" * 900, "SQL_LIMIT", "deeply"),
        ("SELECT " + "+".join(["1"] * 5000), "SQL_LIMIT", "deeply"),
    ],
)
async def test_errors__say_what_and_where_in_words_of_ours(
    sandbox: Sandbox, grants: Grants, sql: str, code: str, said: str
) -> None:
    found = await see(sandbox, grants, sql)
    assert found.code == code, found
    assert said in found.message


async def test_errors__do_not_repeat_a_value(sandbox: Sandbox, grants: Grants) -> None:
    found = await see(sandbox, grants, "SELECT (word || 'canary')::INTEGER FROM wide")
    assert found.code == "SQL_RUNTIME"
    assert "canary" not in found.message


async def test_pivot__columns_come_from_the_values(sandbox: Sandbox, grants: Grants) -> None:
    sql = "PIVOT (SELECT oid % 2 AS odd, customer_id FROM orders) ON customer_id USING count(*)"
    found = await see(sandbox, grants, f"{sql} ORDER BY odd; -- done")
    assert [name for name, _ in found.columns] == ["odd", "0", "1", "2"]
    assert found.rows == [[0, 167, 166, 167], [1, 167, 167, 166]]


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("FROM (PIVOT orders ON customer_id USING count(*))", "SQL_REFUSED"),
        ("PIVOT orders ON (oid || version()) USING count(*)", "SQL_REFUSED"),
        ("PIVOT (FROM read_text('x')) ON content", "SQL_REFUSED"),
        ("PIVOT orders ON oid USING count(*)", None),
        ("PIVOT range(2000) ON range USING count(*)", "SQL_LIMIT"),
        ("PIVOT orders ON nosuch USING count(*)", "SQL_INVALID"),
    ],
)
async def test_pivot__goes_through_the_same_gate(
    sandbox: Sandbox, grants: Grants, sql: str, code: str | None
) -> None:
    assert (await see(sandbox, grants, sql)).code == code


def test_parent__loads_no_engine() -> None:
    program = (
        "import sys, meshplane.services.query.sandbox as s; s.Sandbox;"
        "print([m for m in ('duckdb', 'pyarrow', 'numpy', 'pandas') if m in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"


def test_statement__survives_json(grants: Grants) -> None:
    relation = grants.relations["sales", "wide"]
    again = Relation.from_json(orjson.loads(orjson.dumps(relation.to_json())))
    assert again == relation
    assert columns_of(WIDE) == again.columns
    statement = Statement("SELECT ?", [1], "arrow", Limits(timeout_seconds=1.5))
    assert Statement.from_json(orjson.loads(orjson.dumps(statement.to_json()))) == statement
