"""Every engine answers the same statement over the same data and grants with the same rows."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.builders.aws_sandbox import sandbox_in
from tests.builders.two_engines import ANA, NOON, PROJECT, Engines, Told

ENGINES = ("embedded", "athena")


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def engines(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Engines]:
    folder: Path = tmp_path_factory.mktemp("engines")
    with sandbox_in() as running:
        made = Engines(running, folder)
        await made.prepare()
        try:
            yield made
        finally:
            await made.sandbox.stop()


async def both(engines: Engines, sql: str, parameters: Any = None, **more: Any) -> list[Told]:
    return [await engines.ask(one, sql, parameters, **more) for one in ENGINES]


def in_one_order(told: Told) -> list[str]:
    """Rows that compare; of sums of fractions the last digits hang on the order of adding."""
    return sorted(
        repr([float(f"{one:.12g}") if isinstance(one, float) else one for one in row])
        for row in told.rows
    )


UNORDERED = [
    "SELECT port, rank, id FROM sea.crew ORDER BY ALL",
    "SELECT port, count(*) FROM sea.crew GROUP BY ALL ORDER BY ALL DESC",
    "SELECT id FROM crew UNION ALL SELECT n FROM own ORDER BY ALL LIMIT 9",
    "SELECT * FROM sea.crew",
    "SELECT * FROM crew",
    "FROM ships SELECT ship, built",
    "SELECT * EXCLUDE (pay, share) FROM sea.crew WHERE active",
    "SELECT id, name FROM sea.crew WHERE born >= '1985-01-01' AND born < '1990-06-30'",
    "SELECT id FROM sea.crew WHERE seen BETWEEN '2024-05-02T00:00:00Z' AND '2024-05-05T00:00:00Z'",
    "SELECT id FROM sea.crew WHERE name IS NULL OR name LIKE 'Crew 3%'",
    "SELECT id FROM sea.crew WHERE name ILIKE 'CREW 4%' AND NOT active",
    "SELECT id, rank / 2, rank // 2, rank % 2, pay / 3, share * 2 FROM sea.crew WHERE rank > 2",
    "SELECT id, pay + 1, pay * 2, -pay, pay - share FROM sea.crew",
    "SELECT port, count(*) AS n, sum(pay) AS total, min(born), max(seen) FROM crew GROUP BY port",
    "SELECT port, avg(pay) AS mean, avg(rank), stddev(share) FROM sea.crew GROUP BY 1",
    "SELECT count(*), count(port), count(DISTINCT port), sum(rank), bool_or(active) FROM sea.crew",
    "SELECT count(*) FILTER (WHERE active), max(pay) FILTER (WHERE rank = 4) FROM sea.crew",
    "SELECT port FROM sea.crew GROUP BY port HAVING count(*) > 5",
    "SELECT c.id, s.ship FROM sea.crew c JOIN sea.ships s ON c.port = s.port WHERE s.built > 2000",
    "SELECT id, ship FROM sea.crew JOIN sea.ships USING (port)",
    "SELECT s.ship, c.id FROM sea.ships s LEFT JOIN sea.crew c ON s.port = c.port AND c.rank = 0",
    "SELECT ship FROM ships WHERE port IN (SELECT port FROM sea.crew WHERE active)",
    "SELECT ship FROM ships s WHERE EXISTS (SELECT 1 FROM sea.crew c WHERE c.port = s.port)",
    "SELECT ship FROM ships SEMI JOIN sea.crew ON ships.port = crew.port",
    "WITH old AS (SELECT * FROM crew WHERE born < '1984-01-01') SELECT id, port FROM old",
    "SELECT id FROM crew UNION SELECT built FROM ships",
    "SELECT port FROM crew EXCEPT SELECT port FROM ships",
    "SELECT port FROM ships INTERSECT SELECT port FROM crew",
    "SELECT id, row_number() OVER (PARTITION BY port ORDER BY id) AS place FROM sea.crew",
    "SELECT id, sum(rank) OVER (PARTITION BY port ORDER BY id) AS so_far FROM sea.crew",
    "SELECT id, lag(id) OVER (ORDER BY id) AS before, rank() OVER (ORDER BY rank) FROM sea.crew",
    "SELECT port, id FROM crew QUALIFY row_number() OVER (PARTITION BY port ORDER BY id DESC) = 1",
    "SELECT DISTINCT port, rank FROM sea.crew",
    "SELECT date_trunc('month', born) AS m, extract(year FROM born), month(born) FROM crew",
    "SELECT id, born + INTERVAL 3 DAY, date_diff('day', born, DATE '2000-01-01') FROM crew",
    "SELECT id, strftime(born, '%d.%m.%Y'), date_part('quarter', born) FROM sea.crew",
    "SELECT upper(name), lower(port), length(name), left(name, 4), substring(name, 2, 3) FROM crew",
    "SELECT name || '/' || port, concat(name, '-', rank), replace(name, 'Crew', 'C') FROM crew",
    "SELECT coalesce(port, '?'), nullif(rank, 0), CASE WHEN rank > 3 THEN 'high' END FROM sea.crew",
    "SELECT CAST(rank AS VARCHAR), CAST(pay AS DOUBLE), TRY_CAST(port AS INTEGER) FROM sea.crew",
    "SELECT abs(-rank), round(share, 1), ceil(share), floor(pay), greatest(rank, 2) FROM sea.crew",
    "SELECT name IS NOT DISTINCT FROM NULL, rank BETWEEN 1 AND 3, id IN (1, 2, 41) FROM sea.crew",
    "SELECT max_by(name, id), min_by(id, pay) FROM sea.crew WHERE pay IS NOT NULL",
    "SELECT n FROM own",
    "SELECT v.a, v.b FROM (VALUES (1, 'x'), (2, 'it''s')) v(a, b)",
    'SELECT id, "left", seen FROM sea.crew WHERE "left" > TIMESTAMP \'2024-01-01 00:30:00\'',
    "SELECT trim(' a '), strpos('abc', 'c'), reverse('ab'), regexp_matches('ab', 'a.'), 1.5 + 1",
    "SELECT count() FROM sea.crew",
    "SELECT port, count(*), active, max(pay) FILTER (WHERE rank > 1) FROM sea.crew GROUP BY ALL",
    "SELECT count(*) FROM sea.crew GROUP BY ALL",
    "SELECT ship FROM ships s LEFT JOIN crew c ON s.port = c.port ANTI JOIN own ON c.id = own.n",
    "SELECT $$a'b$$, id FROM sea.crew",
    "SELECT [1, 2, NULL], list(id ORDER BY id DESC), list(pay ORDER BY id) FROM sea.crew",
    "SELECT port, list(born ORDER BY id) AS days FROM sea.crew GROUP BY port",
    "SELECT xs, n FROM (SELECT list(active ORDER BY id) AS xs, count(*) AS n FROM sea.crew)",
    "SELECT * REPLACE (rank + 1 AS rank) FROM sea.crew",
    "SELECT id + 1 AS next, next * 2 AS twice FROM sea.crew WHERE next > 30",
    "SELECT max(pay) FROM sea.crew WHERE pay < (SELECT avg(pay) FROM sea.crew)",
]


@pytest.mark.parametrize("sql", UNORDERED)
async def test_statement__has_the_same_rows_on_every_engine(engines: Engines, sql: str) -> None:
    here, there = await both(engines, sql)
    assert (here.code, there.code) == (None, None), (here.message, there.message)
    assert in_one_order(here) == in_one_order(there)
    assert here.rows


ORDERED = [
    "SELECT port, rank, id FROM sea.crew ORDER BY ALL",
    "SELECT port, count(*) FROM sea.crew GROUP BY ALL ORDER BY ALL DESC",
    "SELECT id FROM crew UNION ALL SELECT n FROM own ORDER BY ALL LIMIT 9",
    "SELECT id, port FROM sea.crew ORDER BY port, id DESC LIMIT 7",
    "SELECT id, pay FROM sea.crew ORDER BY pay DESC, id LIMIT 5 OFFSET 3",
    "SELECT port, count(*) AS n FROM sea.crew GROUP BY port ORDER BY n DESC, port NULLS FIRST",
    "SELECT string_agg(port, ',' ORDER BY id) AS ports FROM sea.crew WHERE rank = 4",
    "SELECT * FROM (SELECT port, id FROM crew QUALIFY row_number() OVER "
    "(PARTITION BY port ORDER BY id) = 1) ORDER BY id LIMIT 2",
]


@pytest.mark.parametrize("sql", ORDERED)
async def test_order__is_the_same_on_every_engine(engines: Engines, sql: str) -> None:
    here, there = await both(engines, sql)
    assert (here.code, there.code) == (None, None), (here.message, there.message)
    assert here.rows == there.rows


@pytest.mark.parametrize(
    ("sql", "parameters"),
    [
        ("SELECT id FROM crew WHERE port = ? AND rank >= ?", ["Kiel", 2]),
        ("SELECT id FROM crew WHERE born >= $since", {"since": "1985-01-01"}),
        ("SELECT id FROM crew WHERE name = $1 OR name = $1", ["Crew 5 é'12"]),
        ("SELECT id FROM crew WHERE share < ? ORDER BY id LIMIT ?", [2.5, 3]),
        (
            "SELECT id FROM crew WHERE active = $yes AND name IS DISTINCT FROM $no",
            {"yes": True, "no": None},
        ),
        ("SELECT ? AS first, id FROM crew WHERE id = ?", ["' OR 1=1 --", 0]),
    ],
)
async def test_parameters__are_values_and_never_sql(
    engines: Engines, sql: str, parameters: Any
) -> None:
    here, there = await both(engines, sql, parameters)
    assert (here.code, there.code) == (None, None), (here.message, there.message)
    assert in_one_order(here) == in_one_order(there)


@pytest.mark.parametrize("parameters", [None, ["Kiel"], {"b": 1}])
async def test_parameters__that_do_not_fit_are_told(engines: Engines, parameters: Any) -> None:
    for told in await both(engines, "SELECT id FROM crew WHERE port = ? AND id = ?", parameters):
        assert told.code == "SQL_INVALID"


# --- what is seen -------------------------------------------------------------------------------


async def test_grant__hides_rows_and_columns_on_every_engine(engines: Engines) -> None:
    for told in await both(engines, "SELECT * FROM sea.crew"):
        assert "secret" not in told.columns
        assert 0 < len(told.rows) < 60
    for told in await both(engines, "SELECT secret FROM sea.crew"):
        assert told.code == "SQL_INVALID"


async def test_grant__that_is_missing_is_told_with_what_to_ask_for(engines: Engines) -> None:
    for told in await both(engines, "SELECT * FROM sea.closed"):
        assert told.code == "ACCESS_REQUIRED"


@pytest.mark.parametrize("name", ["sea.nothing", "hills.crew", "information_schema.tables"])
async def test_name__that_nothing_goes_by_is_refused(engines: Engines, name: str) -> None:
    for told in await both(engines, f"SELECT * FROM {name}"):
        assert told.code == "SQL_REFUSED"


async def test_mask__is_shown_here_and_left_out_on_athena(engines: Engines) -> None:
    here, there = await both(engines, "SELECT * FROM masked")
    assert here.columns == ["id", "name"]
    assert there.columns == ["id"], "Lake Formation cannot mask"
    _, there = await both(engines, "SELECT name FROM masked")
    assert there.code == "SQL_INVALID"
    assert "cannot mask" in there.message


async def test_lake__that_does_not_hold_the_grant_shows_nothing(engines: Engines) -> None:
    """`own` belongs to the project; its role has lost its right in the lake."""
    on = {"TableWithColumns": {"DatabaseName": "sea", "Name": "own", "ColumnNames": ["n"]}}
    right = {
        "Principal": {"DataLakePrincipalIdentifier": engines.role},
        "Resource": on,
        "Permissions": ["SELECT"],
    }
    await engines.aws.call("lakeformation", "revoke_permissions", **right)
    try:
        told = await engines.ask("athena", "SELECT n FROM own")
    finally:
        await engines.aws.call("lakeformation", "grant_permissions", **right)
    assert told.code == "GRANT_BROKEN"


# --- versions -----------------------------------------------------------------------------------


async def test_as_of__reads_the_version_of_an_instant_on_every_engine(engines: Engines) -> None:
    sql = "SELECT count(*), max(id) FROM sea.crew"
    here, there = await both(engines, sql, as_of="2024-05-01T12:30:00Z")
    assert here.rows == there.rows
    now, _ = await both(engines, sql)
    assert here.rows != now.rows


async def test_snapshot__is_read_by_its_id_on_every_engine(engines: Engines) -> None:
    first, last = engines.tables["crew"].staged[1:]
    sql = "SELECT count(*), max(id) FROM sea.crew"
    for staged in (first, last):
        here, there = await both(engines, sql, as_of=str(staged.snapshot_id))
        by_name = await engines.ask("athena", sql, snapshots={"sea.crew": str(staged.snapshot_id)})
        assert here.rows == there.rows == by_name.rows


async def test_as_of__before_the_first_version_is_told(engines: Engines) -> None:
    for told in await both(engines, "SELECT id FROM sea.crew", as_of="2020-01-01T00:00:00Z"):
        assert told.code == "SNAPSHOT_NOT_FOUND"


# --- errors and limits --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT nothing FROM sea.crew", "SQL_INVALID"),
        ("SELECT FROM WHERE", "SQL_INVALID"),
        ("SELECT sum(name) FROM sea.crew", "SQL_INVALID"),
        ("SELECT id, count(*) FROM sea.crew", "SQL_INVALID"),
        ("DROP TABLE crew", "SQL_REFUSED"),
        ("SELECT 1; SELECT 2", "SQL_REFUSED"),
        ("INSERT INTO own SELECT 1", "SQL_REFUSED"),
        ("SELECT * FROM 's3://data-lake-sea/x.parquet'", "SQL_REFUSED"),
        ("SELECT * FROM read_parquet('s3://data-lake-sea/x')", "SQL_REFUSED"),
        ("SELECT current_setting('x')", "SQL_REFUSED"),
        ("SELECT id % 0 FROM sea.crew", "SQL_RUNTIME"),
        ("SELECT CAST(name AS INTEGER) FROM sea.crew", "SQL_RUNTIME"),
        ("SELECT (SELECT id FROM sea.crew) FROM own", "SQL_RUNTIME"),
        ("SELECT '\0'", "SQL_REFUSED"),
        ("SELECT '" + "x" * 70_000 + "'", "SQL_LIMIT"),
    ],
)
async def test_error__is_one_of_our_own_on_every_engine(
    engines: Engines, sql: str, code: str
) -> None:
    here, there = await both(engines, sql)
    assert (here.code, there.code) == (code, code), (here.message, there.message)
    for told in (here, there):
        assert "Athena user" not in told.message
        assert "Crew" not in told.message, "no value of the data is told"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT median(pay) FROM sea.crew",
        "SELECT list(id) FROM sea.crew",
        "SELECT list(name ORDER BY id) FROM sea.crew",
        "SELECT map {'a': 1}",
        "SELECT {'a': 1}",
        "SELECT * FROM range(3)",
        "SELECT id FROM sea.crew LIMIT 10%",
        "SELECT ship FROM ships SEMI JOIN crew USING (port) LEFT JOIN own ON true",
        "SELECT DISTINCT ON (port) port, id FROM sea.crew",
        "SELECT id FROM crew QUALIFY row_number() OVER (ORDER BY id) < 9 ORDER BY id LIMIT 2",
        "SELECT CAST(share AS VARCHAR) FROM sea.crew",
        "SELECT CAST(share AS INTEGER) FROM sea.crew",
        "SELECT extract(dow FROM born) FROM sea.crew",
        "SELECT string_agg(port, ',') FROM sea.crew",
        "SELECT strftime(born, '%A') FROM sea.crew",
        "SELECT now()",
    ],
)
async def test_statement__that_athena_would_take_in_another_sense_is_refused_there(
    engines: Engines, sql: str
) -> None:
    here, there = await both(engines, sql)
    assert here.code is None, here.message
    assert there.code == "SQL_REFUSED"
    assert "On Athena" in there.message


async def test_rows__beyond_the_limit_are_cut_on_every_engine(engines: Engines) -> None:
    for told in await both(engines, "SELECT id FROM sea.crew ORDER BY id", max_rows=3):
        assert (len(told.rows), told.truncated) == (3, True)
    for told in await both(engines, "SELECT 1 WHERE false", max_rows=3):
        assert (told.rows, told.truncated) == ([], False)


async def test_answer__that_is_too_large_is_refused_on_every_engine(engines: Engines) -> None:
    for told in await both(engines, "SELECT * FROM sea.crew", max_bytes=100):
        assert told.code == "SQL_LIMIT"


async def test_time__that_is_over_ends_the_statement_on_athena_too(engines: Engines) -> None:
    told = await engines.ask("athena", "SELECT count(*) FROM sea.crew", timeout_seconds=0.0001)
    assert told.code == "SQL_LIMIT"


async def test_cancel__stops_the_execution_on_athena(engines: Engines) -> None:
    fake = engines.athena
    fake.polls_before_end = 1_000
    try:
        with anyio.move_on_after(0.4):
            await engines.ask("athena", "SELECT count(*) FROM sea.crew")
    finally:
        fake.polls_before_end = 0
    numbers = await engines.as_role.call("athena", "list_query_executions", WorkGroup=PROJECT)
    newest = await engines.as_role.call(
        "athena", "get_query_execution", QueryExecutionId=numbers["QueryExecutionIds"][0]
    )
    assert newest["QueryExecution"]["Status"]["State"] == "CANCELLED"


async def test_explain__tells_columns_and_no_more_than_they_are(engines: Engines) -> None:
    from meshplane.services.query.ports import Asked
    from meshplane.services.query.sandbox import Statement

    for name in ENGINES:
        access = engines.reading()
        asked = Asked(Statement("SELECT id FROM sea.crew WHERE rank = 1"), access)
        outcome = await engines.engine(name).explain(asked)
        assert b'"crew","id"' in outcome.body.replace(b", ", b",")
        assert b"secret" not in outcome.body
        assert b"Kiel" not in outcome.body
    assert (ANA.name, NOON.year) == ("user:ana@sea", 2024)
