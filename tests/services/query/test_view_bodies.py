"""A view's body in the sandbox: its tables keep their policy, and only the view meets them."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from meshplane.services.query.sandbox import Limits, Relation, RelationName, Sandbox, Scope
from meshplane.services.query.sandbox.job import Body
from tests.builders.sandbox_world import CUSTOMERS, Grants, World, build_world, columns_of, see
from tests.services.query.test_sql_attacks import attacks

ONE_THREAD = Limits(timeout_seconds=20, threads=1)


@pytest.fixture(scope="module")
async def sandbox(anyio_backend: str) -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(pool_size=3)
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, World]:
    first, second = tmp_path_factory.mktemp("a"), tmp_path_factory.mktemp("b")
    return build_world(first, seed=21), build_world(second, seed=22)


def shown_types() -> dict[str, str]:
    """The columns of the customers as alice sees them."""
    return {**CUSTOMERS, "profile": "VARCHAR"}


def over(below: Relation, sql: str, name: str = "customers", depth: int = 1) -> Relation:
    """A view in `main` over a table, or over a view over it, and so on."""
    hidden = replace(below, name="base")
    types = shown_types()
    view = hidden
    for level in range(depth):
        body = Body(sql, (RelationName("main", "base"),), (view,))
        shown = name if level == depth - 1 else "base"
        scope = Scope(None, dict.fromkeys(types))
        view = Relation("main", shown, (), columns_of(types), (scope,), body=body)
    return view


def through_views(world: World, depth: int) -> Grants:
    """Alice's grants, with a view in place of the customers."""
    relations = dict(world.governed.relations)
    customers = relations["main", "customers"]
    relations["main", "customers"] = over(customers, "SELECT * FROM main.base", depth=depth)
    return Grants(relations)


@pytest.mark.parametrize(("sql", "category"), attacks("MASKED"))
async def test_prying_statement__is_answered_through_a_view_as_from_a_masked_copy(
    sandbox: Sandbox, worlds: Any, sql: str, category: str
) -> None:
    first, second = [await see(sandbox, through_views(it, 1), sql, ONE_THREAD) for it in worlds]
    copy = await see(sandbox, worlds[0].copied, sql, ONE_THREAD)
    assert first.unordered() == second.unordered()
    assert first.unordered() == copy.unordered()


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT * FROM main.base", "TABLE_MISSING"),
        ("SELECT * FROM base", "TABLE_MISSING"),
        ('SELECT * FROM "the view"."the body"', "TABLE_MISSING"),
        ("SELECT * FROM memory.main.customers", "SQL_REFUSED"),
        ("SELECT * FROM duckdb_databases()", "SQL_REFUSED"),
        ("SELECT * FROM duckdb_views()", "SQL_REFUSED"),
        ("SHOW ALL TABLES", "SQL_REFUSED"),
    ],
)
async def test_body__cannot_be_named_by_the_statement_that_reads_the_view(
    sandbox: Sandbox, worlds: Any, sql: str, code: str
) -> None:
    both = f"WITH seen AS (SELECT count(*) FROM customers) {sql}"
    for text in (sql, both) if sql.startswith("SELECT") else (sql,):
        assert (await see(sandbox, through_views(worlds[0], 1), text, ONE_THREAD)).code == code


async def test_views__three_deep_are_read_and_a_fourth_is_not(
    sandbox: Sandbox, worlds: Any
) -> None:
    sql = "SELECT count(*), min(name) FROM customers"
    direct = await see(sandbox, worlds[0].governed, sql)
    for depth in (1, 2, 3):
        assert await see(sandbox, through_views(worlds[0], depth), sql) == direct
    assert (await see(sandbox, through_views(worlds[0], 4), sql)).code == "SQL_REFUSED"


async def test_scope__of_the_view_itself_comes_on_top_and_hides_what_fails_below(
    sandbox: Sandbox, worlds: Any
) -> None:
    plain = over(worlds[0].governed.relations["main", "customers"], "SELECT * FROM main.base")
    narrow = Scope("id < 300", {"id": None, "name": None})
    grants = Grants({("main", "customers"): replace(plain, scopes=(narrow,))})
    found = await see(sandbox, grants, "SELECT * FROM customers ORDER BY id")
    assert found.rows == [[0, "Ana"], [200, "Ben"]]
    fails = "CASE WHEN id > 300 THEN CAST(name AS INT) END"
    found = await see(sandbox, grants, f"SELECT count(*) FROM customers WHERE {fails} IS NULL")
    assert found.rows == [[2]]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM main.base; SELECT 1",
        "DELETE FROM main.base",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM main.base, main.orders",
        "SELECT $1 AS id FROM main.base",
        "PIVOT main.base ON region USING count(*)",
        "SELECT 1) AS id, (SELECT 2",
        "SELECT",
    ],
)
async def test_body__that_is_no_select_over_its_own_tables_is_refused(
    sandbox: Sandbox, worlds: Any, sql: str
) -> None:
    view = over(worlds[0].governed.relations["main", "customers"], sql)
    found = await see(sandbox, Grants({("main", "customers"): view}), "SELECT 1 FROM customers")
    assert found.code == "SQL_REFUSED"


async def test_body__that_no_longer_fits_says_so_and_shows_nothing(
    sandbox: Sandbox, worlds: Any
) -> None:
    view = over(worlds[0].governed.relations["main", "customers"], "SELECT gone FROM main.base")
    found = await see(sandbox, Grants({("main", "customers"): view}), "SELECT 1 FROM customers")
    assert (found.code, "gone" in found.message) == ("SQL_INVALID", False)


async def test_table_of_a_body__is_not_the_callers_own_of_the_same_name(
    sandbox: Sandbox, worlds: Any
) -> None:
    customers = worlds[0].governed.relations["main", "customers"]
    narrow = replace(customers, scopes=(Scope("id = 0", {"id": None}),))
    names = (RelationName(None, "customers"),)
    scope = Scope(None, {"id": None})
    column = columns_of({"id": "INTEGER"})
    body = Body("SELECT id FROM customers", names, (customers,))
    view = Relation("main", "all_of_them", (), column, (scope,), body=body)
    grants = Grants({("main", "customers"): narrow, ("main", "all_of_them"): view})
    sql = "SELECT (SELECT count(*) FROM customers), (SELECT count(*) FROM all_of_them)"
    assert (await see(sandbox, grants, sql)).rows == [[1, 5]]


async def test_body__may_write_a_table_in_several_ways(sandbox: Sandbox, worlds: Any) -> None:
    customers = worlds[0].governed.relations["main", "customers"]
    sql = (
        "SELECT a.id FROM customers a JOIN Customers b USING (id) JOIN main.customers c USING (id) "
        "JOIN MAIN.CUSTOMERS USING (id)"
    )
    names = (
        RelationName(None, "customers"),
        RelationName(None, "Customers"),
        RelationName("main", "customers"),
        RelationName("MAIN", "CUSTOMERS"),
    )
    body = Body(sql, names, (customers,) * 4)
    column, scope = columns_of({"id": "INTEGER"}), Scope(None, {"id": None})
    view = Relation("main", "ids", (), column, (scope,), body=body)
    found = await see(sandbox, Grants({("main", "ids"): view}), "SELECT count(*) FROM ids")
    assert found.rows == [[5]]
