"""Each barrier alone: with the others taken away, it still stops what it is there to stop.

The gate's tests run no engine beyond its parser. The engine's tests run no gate: they hand hostile
text straight to a locked engine that holds the views of a statement.
"""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import duckdb
import pytest

from meshplane.kit.errors import MeshplaneError
from meshplane.services.query.sandbox import Limits, Mask, Relation, Sandbox, Scope
from meshplane.services.query.sandbox.engine import Connection, lock, open_engine, parse
from meshplane.services.query.sandbox.gate import Gate, Gated
from meshplane.services.query.sandbox.views import create_view
from tests.builders.sandbox_world import Grants, columns_of, see, write

TYPES = {"id": "INTEGER", "name": "VARCHAR", "region": "VARCHAR"}
VISIBLE = [(number, str(number), "EU") for number in range(5)]
HIDDEN = [(1000 + number, f"canary {number}", "US") for number in range(3000)]
SCOPE = Scope("region = 'EU'", {"id": None, "name": None, "region": Mask("null")})


# --- the gate, without the engine's lock ---


@pytest.fixture(scope="module")
def parser() -> Connection:
    return open_engine()


def gated(parser: Connection, sql: str) -> Gated:
    parsed = parse(parser, sql)
    assert parsed is not None
    return Gate(sql).statement(parsed.tree)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM t, LATERAL (SELECT * FROM glob('*'))",
        "SELECT (SELECT content FROM read_blob('/proc/self/environ'))",
        "SELECT * FROM t WHERE x IN (FROM duckdb_settings() SELECT name)",
        "SELECT list_transform([1], lambda x: getvariable('a'))",
        "SELECT sum(x) FILTER (WHERE current_setting('threads') = '1') FROM t",
        "SELECT sum(x) OVER (ORDER BY current_query()) FROM t",
        "SELECT CASE WHEN true THEN alias(x) END FROM t",
        "SELECT * REPLACE (stats(x) AS x) FROM t",
        "SELECT COLUMNS(lambda c: version() = c) FROM t",
        "SELECT x FROM t ORDER BY nextval('s')",
        "SELECT x FROM t LIMIT (SELECT count(*) FROM duckdb_tables())",
        "SELECT x FROM t GROUP BY ALL HAVING error('x')",
        "SELECT x FROM t QUALIFY write_log('x') IS NULL",
        "SELECT DISTINCT ON (pg_sleep(1)) x FROM t",
        "SELECT * FROM t JOIN u ON sleep_ms(1) IS NULL",
        "VALUES (getvariable('a'))",
        "WITH a AS (INSERT INTO t VALUES (1) RETURNING *) FROM a",
        "WITH a AS (UPDATE t SET x = 1 RETURNING *) FROM a",
        "WITH a AS (DELETE FROM t RETURNING *) FROM a",
        "FROM (WITH a AS (DELETE FROM t RETURNING *) FROM a)",
        "WITH a AS (COPY t TO '/tmp/x') SELECT 1",
        "SELECT 1 UNION SELECT rowid FROM t",
        "SELECT T.ROWID FROM t",
        'SELECT "RowId" FROM t',
        "SELECT file_row_number FROM t",
        "SELECT #1 FROM t",
        "SELECT current_schema",
        "FROM t TABLESAMPLE 10%",
        "FROM t USING SAMPLE 3",
        "FROM t POSITIONAL JOIN u",
        "FROM t AT (VERSION => 1)",
        "FROM memory.main.t",
        "FROM memory.t",
        "FROM system.t",
        "FROM a.b.c.t",
        "FROM information_schema.tables",
        "FROM sqlite_master",
        "FROM duckdb_views",
        "WITH duckdb_views AS (SELECT 1) FROM duckdb_views",
        "FROM pragma_database_list",
        "FROM 'x.parquet'",
        "FROM '/etc/passwd'",
        "FROM 's3://bucket/*'",
        "SELECT main.lower('x')",
        "SELECT system.main.lower('x')",
        "SELECT x::other.mine FROM t",
        "SELECT x::mine FROM t",
        'SELECT x COLLATE "a b" FROM t',
        "SELECT x NOT ILIKE 'a' ESCAPE 'b' FROM t",
        "SELECT list_aggregate([1], x) FROM t",
        "SELECT list_aggr([1], 'su' || 'm')",
        "SELECT array_aggregate([1], 'combine_aggr')",
        "SELECT collate_de('x')",
        "SELECT json_serialize_sql('SELECT 1')",
        "FROM query('SELECT 1')",
        "FROM histogram(t, x)",
        "FROM (SUMMARIZE t)",
        "FROM (SHOW TABLES)",
        "PIVOT t ON x IN (nextval('s')) USING sum(y)",
        "UNPIVOT t ON version()",
    ],
)
def test_gate__stops_it_before_any_table_is_looked_up(parser: Connection, sql: str) -> None:
    try:
        with pytest.raises(MeshplaneError) as raised:
            gated(parser, sql)
    except duckdb.ParserException:
        return  # the engine's own grammar has no such thing; nothing will run it
    assert raised.value.code == "SQL_REFUSED"


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("FROM t", "t"),
        ("FROM s.t", "s.t"),
        ('FROM "S"."T" AS x, t', "S.T t"),
        ("WITH t AS (FROM t) FROM t", "t"),
        ("WITH a AS (FROM t), b AS (FROM a) FROM b, a", "t"),
        ("WITH a AS (FROM b), b AS (SELECT 1) FROM a", "b"),
        ("WITH t AS (SELECT 1) FROM s.t", "s.t"),
        ("FROM (WITH a AS (SELECT 1) FROM a), a", "a"),
        ("SELECT (WITH a AS (SELECT 1) FROM a) FROM A", "A"),
        (
            "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 3) FROM r",
            "",
        ),
        ("WITH a AS (SELECT 1) SELECT (SELECT count(*) FROM A) UNION ALL FROM a", ""),
        ("SELECT $$ FROM hidden $$, 'FROM hidden' -- FROM hidden", ""),
        ("SELECT 1 WHERE EXISTS (FROM t WHERE x IN (FROM u))", "t u"),
        ("PIVOT t ON x IN ('a') USING sum((SELECT max(y) FROM u))", "t u"),
        ("FROM t JOIN (u JOIN v USING (a)) USING (a)", "t u v"),
        ("FROM range((SELECT max(x) FROM t))", "t"),
        ("FROM t SEMI JOIN u USING (a) ASOF JOIN v ON a >= b", "t u v"),
    ],
)
def test_gate__tells_the_tables_from_what_with_defines(
    parser: Connection, sql: str, names: str
) -> None:
    found = {".".join(part for part in name if part) for name in gated(parser, sql).relations}
    assert found == set(names.split())


def test_gate__refuses_what_a_later_engine_may_add(parser: Connection) -> None:
    def tree() -> dict[str, object]:
        parsed = parse(parser, "SELECT x FROM t ORDER BY x LIMIT 1")
        assert parsed is not None
        return parsed.tree

    def refuses(change: Callable[[dict], None]) -> None:
        changed: dict = tree()
        change(changed)
        with pytest.raises(MeshplaneError):
            Gate("").statement(changed)

    refuses(lambda it: it.update(hook={}))
    refuses(lambda it: it["node"].update(type="NEW_NODE"))
    refuses(lambda it: it["node"].update(new_field=1))
    refuses(lambda it: it["node"]["select_list"][0].update({"class": "NEW"}))
    refuses(lambda it: it["node"]["select_list"][0].update(type="NEW"))
    refuses(lambda it: it["node"]["select_list"][0].update(new_field=None))
    refuses(lambda it: it["node"]["from_table"].update(type="NEW_REF"))
    refuses(lambda it: it["node"]["from_table"].update(new_field=[]))
    refuses(lambda it: it["node"]["modifiers"][0].update(type="NEW_MODIFIER"))
    refuses(lambda it: it["node"]["modifiers"][0]["orders"][0].update(new_field=1))


# --- the engine, without the gate ---


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lake")
    write(folder / "t", TYPES, [*VISIBLE, *HIDDEN])
    write(folder / "other", TYPES, HIDDEN)
    (folder / "secret.txt").write_text("canary")
    return folder


@pytest.fixture
def engine(folder: Path) -> Connection:
    """A locked engine with the view `s.t`, as a statement finds it."""
    path = str(folder / "t" / "part-0.parquet")
    relation = Relation("s", "t", (path,), columns_of(TYPES), (SCOPE,))
    connection = open_engine()
    lock(connection, Limits(memory_mib=256), [path])
    create_view(connection, relation, "key")
    return connection


@pytest.mark.parametrize(
    "sql",
    [
        "FROM read_text('{folder}/secret.txt')",
        "FROM read_parquet('{folder}/other/*.parquet')",
        "FROM '{folder}/other/part-0.parquet'",
        "FROM glob('{folder}/*')",
        "FROM read_blob('/proc/self/environ')",
        "COPY (SELECT 1) TO '{folder}/out.csv'",
        "COPY s.t TO '{folder}/out.parquet'",
        "EXPORT DATABASE '{folder}/out'",
        "ATTACH '{folder}/out.duckdb' AS o",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET allowed_paths = ['/']",
        "SET memory_limit = '64GB'",
        "SET threads = 64",
        "SET temp_directory = '{folder}'",
        "SET lock_configuration = false",
        "RESET lock_configuration",
        "SET python_enable_replacements = true",
        "SELECT * FROM folder",
        "CREATE PERSISTENT SECRET x (TYPE s3, KEY_ID 'a', SECRET 'b')",
        "SELECT * FROM repeat_row('x', num_rows := 1) t, (SELECT list(range) FROM range(99999999))",
    ],
)
def test_locked_engine__stops_it_without_the_gate(
    engine: Connection, folder: Path, sql: str
) -> None:
    before = sorted(folder.rglob("*"))
    with pytest.raises(duckdb.Error):
        engine.execute(sql.format(folder=folder)).fetchall()
    assert sorted(folder.rglob("*")) == before


FAILING = [
    "CAST(CASE WHEN id >= 900 THEN name ELSE '1' END AS INTEGER) = 1",
    "CAST(name AS INTEGER) >= 0",
    "error(name) IS NULL OR id < 900",
    "chr(CASE WHEN id >= 900 THEN -1 ELSE 65 END) = 'A'",
    "json_extract(CASE WHEN id >= 900 THEN '{bad' ELSE '{}' END, '$') IS NOT NULL",
    "regexp_matches('a', CASE WHEN id >= 900 THEN '(' ELSE 'a' END)",
    "strptime(CASE WHEN id >= 900 THEN 'x' ELSE '2020' END, '%Y') IS NOT NULL",
    "CASE WHEN id >= 900 THEN 9223372036854775807 ELSE 1 END + id > 0",
    "unhex(CASE WHEN id >= 900 THEN 'zz' ELSE '00' END) IS NOT NULL",
    "format(CASE WHEN id >= 900 THEN '{:d' ELSE '{}' END, name) <> ''",
    "CAST(CASE WHEN id >= 900 THEN name ELSE '2020-01-01' END AS DATE) IS NOT NULL",
    "decode(CASE WHEN id >= 900 THEN '\\xFF'::BLOB ELSE 'a'::BLOB END) = 'a'",
    "list_extract([1], CASE WHEN id >= 900 THEN 1 ELSE 1 END) = 1 AND name::TINYINT >= 0",
    "repeat('x', CASE WHEN id >= 900 THEN 5000000000 ELSE 1 END) = 'x'",
    "make_date(2020, CASE WHEN id >= 900 THEN 13 ELSE 1 END, 1) IS NOT NULL",
    "factorial(CASE WHEN id >= 900 THEN 100 ELSE 3 END) > 0",
]


@pytest.mark.parametrize("expression", FAILING)
def test_secure_view__no_expression_fails_on_a_hidden_row(
    engine: Connection, expression: str
) -> None:
    sql = f"SELECT count(*) FROM s.t WHERE {expression}"
    if "error(" in expression:
        with pytest.raises(duckdb.Error):  # it fails, and on what may be seen
            engine.execute(sql).fetchall()
        return
    assert engine.execute(sql).fetchall() == [(5,)]


def test_secure_view__a_plain_view_would_not_do(folder: Path) -> None:
    """The failing expressions above prove something only if a weaker barrier lets some through."""
    connection = duckdb.connect()
    path = folder / "t" / "part-0.parquet"
    connection.execute(
        f"CREATE VIEW t AS SELECT * FROM '{path}' AS c"
        " WHERE NOT EXISTS (FROM (VALUES ('US')) AS d(region) WHERE d.region = c.region)"
    )
    leaks = 0
    for expression in FAILING:
        try:
            connection.execute(f"SELECT count(*) FROM t WHERE {expression}").fetchall()
        except duckdb.Error as error:
            leaks += "canary" in str(error)
    assert leaks > 0


FOLDED = "SELECT count(*) FROM s.t WHERE 10 // (id - 2) IS NOT NULL OR id <= 500"


def folds(connection: Connection, folder: Path, rows: list[tuple[int, str, str]]) -> str:
    """How the statement ends over a secure view of the visible among these rows."""
    [path] = write(folder, TYPES, rows)
    relation = Relation("s", "t", (path,), columns_of(TYPES), (SCOPE,))
    create_view(connection, relation, "key")
    try:
        return str(connection.execute(FOLDED).fetchall())
    except duckdb.Error as error:
        return type(error).__name__


def test_statistics__of_hidden_rows_decide_nothing(tmp_path: Path) -> None:
    few = folds(open_engine(), tmp_path / "few", VISIBLE)
    many = folds(open_engine(), tmp_path / "many", [*VISIBLE, *HIDDEN])
    assert few == many == "InvalidInputException"


def test_statistics__tell_of_hidden_rows_through_a_secure_view_alone(tmp_path: Path) -> None:
    ends = set()
    for name, rows in {"few": VISIBLE, "many": [*VISIBLE, *HIDDEN]}.items():
        [path] = write(tmp_path / name, TYPES, rows)
        connection = duckdb.connect()
        connection.execute("CREATE SCHEMA s")
        connection.execute(f"CREATE SECURE VIEW s.t AS FROM '{path}' WHERE region = 'EU'")
        try:
            ends.add(str(connection.execute(FOLDED).fetchall()))
        except duckdb.Error as error:
            ends.add(type(error).__name__)
    assert len(ends) == 2


@pytest.fixture(scope="module")
async def sandbox(anyio_backend: str) -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(pool_size=3)
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


FILTERS = [
    "region = 'EU'",
    "region IN ('EU', 'XX')",
    "region <> 'US'",
    "NOT (region IN ('US'))",
    "lower(region) = 'eu'",
    "region LIKE 'E%'",
    "starts_with(region, 'E') OR id < 0",
    "list_contains(['EU'], region)",
    "id BETWEEN 0 AND 999",
]


@pytest.mark.parametrize("row_filter", FILTERS)
async def test_whole_sandbox__failing_expressions_meet_visible_rows_only(
    sandbox: Sandbox, folder: Path, row_filter: str
) -> None:
    path = str(folder / "t" / "part-0.parquet")
    scope = Scope(row_filter, {"id": None, "name": None})
    grants = Grants({("s", "t"): Relation("s", "t", (path,), columns_of(TYPES), (scope,))})
    for expression in FAILING:
        found = await see(sandbox, grants, f"SELECT count(*) FROM t WHERE {expression}")
        if "error(" in expression:
            assert found.code == "SQL_REFUSED"
        else:
            assert (found.code, found.rows) == (None, [[5]]), expression
