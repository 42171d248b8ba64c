"""A plan is of the caller's text and of the columns that he sees: two worlds that differ in all
else give the same plan, and no plan holds a row, an estimate, a file or a policy.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from meshplane.kit.errors import MeshplaneError
from meshplane.services.query.sandbox import Limits, Mask, Relation, Sandbox, Scope, Statement
from tests.builders.sandbox_world import Grants, World, build_world, columns_of

LIST = Path(__file__).resolve().parents[4] / "shared" / "sql_attacks.jsonl"
LIMITS = Limits(timeout_seconds=10, threads=1, max_bytes=4 * 1024 * 1024)
PLAIN = {"oid": None, "amount": None}


@pytest.fixture(scope="module")
async def sandbox(anyio_backend: str) -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(pool_size=3)
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, World]:
    first, second = tmp_path_factory.mktemp("a"), tmp_path_factory.mktemp("b")
    return build_world(first, seed=7), build_world(second, seed=8)


async def explained(sandbox: Sandbox, grants: Grants, sql: str, parameters: Any = None) -> Any:
    """What the caller sees: the rows of the explanation, or an error's code and text."""
    try:
        outcome = await sandbox.explain(Statement(sql, parameters, limits=LIMITS), grants.resolve())
    except MeshplaneError as error:
        return error.code, error.message
    return orjson.loads(outcome.body)


def plan(found: Any) -> str:
    """The engine's own plan."""
    assert isinstance(found, list), found
    text: str = found[-1][3]
    return text


async def test_plan__shows_how_the_statement_would_run(sandbox: Sandbox, worlds: Any) -> None:
    sql = "SELECT region, count(*) FROM customers JOIN orders ON id = customer_id GROUP BY region"
    for text in (sql, f"EXPLAIN {sql}", f"/* why */ explain\n{sql}"):
        found = plan(await explained(sandbox, worlds[0].governed, text))
        assert "Join" in found
        assert "memory.main.customers" in found


async def test_plan__names_the_visible_columns_with_the_types_that_they_show(
    sandbox: Sandbox,
) -> None:
    columns = columns_of({"oid": "INTEGER", "secret": "VARCHAR", "amount": "DECIMAL(10,2)"})
    scope = Scope("secret = 'x' AND oid > 5", {"oid": None, "amount": Mask("hash")})
    grants = Grants({("shop", "sales"): Relation("shop", "sales", (), columns, (scope,))})
    found = await explained(sandbox, grants, "SELECT amount FROM sales WHERE oid = $1", [77])
    assert found[:-1] == [
        ["shop", "sales", "oid", "INTEGER"],
        ["shop", "sales", "amount", "VARCHAR"],
    ]
    text = plan(found)
    assert "oid = 77" in text
    for hidden in ("secret", "parquet", "sha256", "> 5", "Secure"):
        assert hidden.lower() not in text.lower()
    code, message = await explained(sandbox, grants, "SELECT secret FROM sales")
    assert (code, "“secret”" in message) == ("SQL_INVALID", True)


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("EXPLAIN ANALYZE SELECT * FROM orders", "SQL_REFUSED"),
        ("explain analyse SELECT * FROM orders", "SQL_REFUSED"),
        ("EXPLAIN /* */ ANALYZE SELECT * FROM orders", "SQL_REFUSED"),
        ("EXPLAIN (FORMAT json) SELECT * FROM orders", "SQL_REFUSED"),
        ("EXPLAIN (ANALYZE) SELECT * FROM orders", "SQL_REFUSED"),
        ("EXPLAIN EXPLAIN SELECT 1", "SQL_REFUSED"),
        ("EXPLAIN DESCRIBE orders", "SQL_REFUSED"),
        ("EXPLAIN DELETE FROM orders", "SQL_REFUSED"),
        ("EXPLAIN SELECT 1; DROP TABLE orders", "SQL_REFUSED"),
        ("EXPLAIN SELECT * FROM read_text('/etc/passwd')", "SQL_REFUSED"),
        ("EXPLAIN SELECT * FROM payroll", "TABLE_MISSING"),
        ("EXPLAIN PIVOT orders ON oid USING sum(amount)", "SQL_REFUSED"),
        ("EXPLAIN", "SQL_INVALID"),
    ],
)
async def test_plan__of_anything_but_a_select_of_ones_own_is_refused(
    sandbox: Sandbox, worlds: Any, sql: str, code: str
) -> None:
    first, second = [await explained(sandbox, world.governed, sql) for world in worlds]
    assert first == second
    assert first[0] == code


async def test_plan__of_a_wrong_statement_says_where_it_is_wrong(
    sandbox: Sandbox, worlds: Any
) -> None:
    _, message = await explained(sandbox, worlds[0].governed, "EXPLAIN SELECT 'ä',\n nosuch")
    assert "“nosuch”" in message
    assert "line 2, column 2" in message


async def test_run__of_explain_is_refused_and_says_where_plans_are_made(
    sandbox: Sandbox, worlds: Any
) -> None:
    with pytest.raises(MeshplaneError) as raised:
        await sandbox.run(
            Statement("EXPLAIN SELECT 1", limits=LIMITS), worlds[0].governed.resolve(), b"k" * 32
        )
    assert raised.value.code == "SQL_REFUSED"
    assert "/query/explain" in raised.value.message


async def test_plans__of_all_hostile_statements_are_the_same_in_two_worlds(
    sandbox: Sandbox, worlds: Any
) -> None:
    if not LIST.exists():
        pytest.skip("the list of hostile statements lies in ../shared, not here")
    planned = 0
    for line in LIST.read_text(encoding="utf-8").splitlines():
        entry = orjson.loads(line)
        if entry["must"] == "LIMIT":
            continue
        first, second = [await explained(sandbox, world.governed, entry["sql"]) for world in worlds]
        assert first == second, entry["id"]
        if isinstance(first, list):
            planned += 1
            text = plan(first)
            assert ".parquet" not in text, entry["id"]
            assert "region = 'EU'" not in text or "'EU'" in entry["sql"], entry["id"]
    assert planned > 30
