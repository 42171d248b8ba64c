"""Column lineage of one SELECT, told by examples; `test_column_sources_hold.py` has the law."""

import duckdb
import pytest

from meshplane.services.query.column_sources import (
    OutputColumn,
    RelationName,
    column_sources,
)

RELATIONS = {
    RelationName("main", "orders"): ["id", "customer", "amount", "lines", "address"],
    RelationName("main", "customers"): ["customer", "region", "score"],
    RelationName("hr", "staff"): ["boss", "amount"],
}
TYPES = {"lines": "INT[]", "address": "STRUCT(city VARCHAR, zip STRUCT(code INT))"}


@pytest.fixture(scope="module")
def engine() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("CREATE SCHEMA hr")
    for relation, columns in RELATIONS.items():
        typed = ", ".join(f"{column} {TYPES.get(column, 'INT')}" for column in columns)
        connection.execute(f"CREATE TABLE {relation.schema}.{relation.name} ({typed})")
    return connection


def lineage(engine: duckdb.DuckDBPyConnection, sql: str) -> list[OutputColumn]:
    """The lineage of a statement that the engine accepts, under the engine's column names."""
    names = [column[0] for column in engine.execute(sql).description]
    answer = column_sources(sql, RELATIONS, names)
    assert [column.name for column in answer] == names
    return answer


def told(columns: list[OutputColumn]) -> dict[str, set[str]]:
    """Lineage as `table.column SUBTYPE`, readable in a test."""
    assert all(column.exact for column in columns), columns
    return {
        column.name: {
            f"{source.relation.name}.{source.column} {source.subtype}" for source in column.sources
        }
        for column in columns
    }


CASES = {
    "a column, and the filter on another": (
        "SELECT id AS n FROM orders WHERE amount > 5",
        {"n": {"orders.id IDENTITY", "orders.amount FILTER"}},
    ),
    "names without case, quoted or not": (
        'SELECT "ID", Orders.AMOUNT FROM ORDERS',
        {"id": {"orders.id IDENTITY"}, "amount": {"orders.amount IDENTITY"}},
    ),
    "a relation by its schema": (
        "SELECT hr.staff.boss, staff.amount FROM hr.staff",
        {"boss": {"staff.boss IDENTITY"}, "amount": {"staff.amount IDENTITY"}},
    ),
    "an expression, and a column behind an alias of the list": (
        "SELECT id + 1 AS a, a * amount AS b FROM orders",
        {
            "a": {"orders.id TRANSFORMATION"},
            "b": {"orders.id TRANSFORMATION", "orders.amount TRANSFORMATION"},
        },
    ),
    "an aggregate by key": (
        "SELECT customer, sum(amount) AS s FROM orders GROUP BY ALL HAVING max(id) > 1",
        {
            "customer": {
                "orders.customer IDENTITY",
                "orders.customer GROUP_BY",
                "orders.id FILTER",
            },
            "s": {"orders.amount AGGREGATION", "orders.customer GROUP_BY", "orders.id FILTER"},
        },
    ),
    "a count of rows depends on no column": ("SELECT count(*) AS n FROM orders", {"n": set()}),
    "a join decides every column": (
        "SELECT o.id, c.region FROM orders o LEFT JOIN customers c ON o.customer = c.customer",
        {
            "id": {"orders.id IDENTITY", "orders.customer JOIN", "customers.customer JOIN"},
            "region": {
                "customers.region IDENTITY",
                "orders.customer JOIN",
                "customers.customer JOIN",
            },
        },
    ),
    "USING makes one column of two": (
        "SELECT * EXCLUDE (id, lines, address, region) REPLACE (score + 1 AS score) "
        "FROM orders JOIN customers USING (customer)",
        {
            "customer": {
                "orders.customer IDENTITY",
                "customers.customer IDENTITY",
                "orders.customer JOIN",
                "customers.customer JOIN",
            },
            "amount": {"orders.amount IDENTITY", "orders.customer JOIN", "customers.customer JOIN"},
            "score": {
                "customers.score TRANSFORMATION",
                "orders.customer JOIN",
                "customers.customer JOIN",
            },
        },
    ),
    "a CTE that takes the name of a table": (
        "WITH customers AS (SELECT region AS customer FROM customers) SELECT * FROM customers",
        {"customer": {"customers.region IDENTITY"}},
    ),
    "a CTE inside a CTE shadows only there": (
        "WITH t AS (SELECT id AS x FROM orders), "
        "u AS (WITH t AS (SELECT score AS x FROM customers) SELECT x AS y FROM t) "
        "SELECT x, y FROM t, u",
        {"x": {"orders.id IDENTITY"}, "y": {"customers.score IDENTITY"}},
    ),
    "a recursive CTE gathers what each round adds": (
        "WITH RECURSIVE r(n) AS (SELECT id FROM orders UNION ALL "
        "SELECT boss + 1 FROM hr.staff JOIN r ON staff.amount = n) SELECT n FROM r",
        {
            "n": {
                "orders.id IDENTITY",
                "staff.boss TRANSFORMATION",
                "orders.id JOIN",
                "staff.boss JOIN",
                "staff.amount JOIN",
            }
        },
    ),
    "a union is joined by place": (
        "SELECT id AS a, amount AS b FROM orders UNION ALL SELECT score, 1 FROM customers",
        {
            "a": {"orders.id IDENTITY", "customers.score IDENTITY"},
            "b": {"orders.amount IDENTITY"},
        },
    ),
    "a union by name": (
        "SELECT id FROM orders UNION ALL BY NAME SELECT score, region AS id FROM customers",
        {
            "id": {"orders.id IDENTITY", "customers.region IDENTITY"},
            "score": {"customers.score IDENTITY"},
        },
    ),
    "EXCEPT compares all values": (
        "SELECT id FROM orders EXCEPT SELECT score FROM customers",
        {"id": {"orders.id IDENTITY", "orders.id FILTER", "customers.score FILTER"}},
    ),
    "a window is of one column only": (
        "SELECT id, sum(amount) OVER w AS s FROM orders WINDOW w AS (PARTITION BY customer)",
        {
            "id": {"orders.id IDENTITY"},
            "s": {"orders.amount AGGREGATION", "orders.customer WINDOW"},
        },
    ),
    "ties of one window fall as another left them": (
        "SELECT rank() OVER (ORDER BY customer) AS r, lag(id) OVER (ORDER BY amount) AS l "
        "FROM orders",
        {
            "r": {"orders.customer WINDOW"},
            "l": {"orders.id TRANSFORMATION", "orders.amount WINDOW", "orders.customer WINDOW"},
        },
    ),
    "a condition and its results": (
        "SELECT CASE WHEN amount > 1 THEN id ELSE customer END AS c FROM orders",
        {
            "c": {
                "orders.amount CONDITIONAL",
                "orders.id TRANSFORMATION",
                "orders.customer TRANSFORMATION",
            }
        },
    ),
    "a correlated subquery": (
        "SELECT (SELECT max(score) FROM customers c WHERE c.customer = o.customer) AS m "
        "FROM orders o",
        {
            "m": {
                "customers.score AGGREGATION",
                "customers.customer FILTER",
                "orders.customer FILTER",
            }
        },
    ),
    "EXISTS asks for rows, not for values": (
        "SELECT id FROM orders o WHERE EXISTS "
        "(SELECT score FROM customers c WHERE c.customer = o.customer)",
        {"id": {"orders.id IDENTITY", "customers.customer FILTER", "orders.customer FILTER"}},
    ),
    "a list unnested beside its table": (
        "SELECT id, line FROM orders, unnest(lines) AS u(line)",
        {
            "id": {"orders.id IDENTITY", "orders.lines JOIN"},
            "line": {"orders.lines TRANSFORMATION", "orders.lines JOIN"},
        },
    ),
    "a lateral subquery": (
        "SELECT x FROM orders o, LATERAL (SELECT o.amount + 1 AS x)",
        {"x": {"orders.amount TRANSFORMATION"}},
    ),
    "fields of a struct": (
        "SELECT address.city, o.address.zip.code FROM orders o",
        {"city": {"orders.address TRANSFORMATION"}, "code": {"orders.address TRANSFORMATION"}},
    ),
    "ORDER BY a name means the alias": (
        "SELECT -id AS amount FROM orders ORDER BY amount LIMIT 1",
        {"amount": {"orders.id TRANSFORMATION", "orders.id SORT"}},
    ),
    "ORDER BY an expression means the column": (
        "SELECT -id AS amount FROM orders ORDER BY amount + 0 LIMIT 1",
        {"amount": {"orders.id TRANSFORMATION", "orders.amount SORT"}},
    ),
    "LIMIT keeps what a window sorted first": (
        "SELECT id FROM (SELECT id, row_number() OVER (ORDER BY amount) AS n FROM orders) LIMIT 1",
        {"id": {"orders.id IDENTITY", "orders.amount SORT"}},
    ),
    "a parameter of a lambda is no column": (
        "SELECT list_transform(lines, lambda x: x + amount) AS l FROM orders",
        {"l": {"orders.lines TRANSFORMATION", "orders.amount TRANSFORMATION"}},
    ),
    "semi join": (
        "SELECT * FROM hr.staff SEMI JOIN customers ON boss = score",
        {
            "boss": {"staff.boss IDENTITY", "staff.boss JOIN", "customers.score JOIN"},
            "amount": {"staff.amount IDENTITY", "staff.boss JOIN", "customers.score JOIN"},
        },
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_column_sources__of_a_statement(engine: duckdb.DuckDBPyConnection, case: str) -> None:
    sql, expected = CASES[case]
    assert told(lineage(engine, sql)) == expected


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT unnest(address) FROM orders",
        "SELECT COLUMNS('id|amount') FROM orders",
        "PIVOT orders ON customer USING sum(amount)",
        "SELECT * FROM orders PIVOT (sum(amount) FOR customer IN (1, 2))",
        "SELECT #1 FROM orders",
        "SELECT rowid FROM orders",
        "SUMMARIZE orders",
        "SELECT * FROM query('SELECT id FROM orders')",
    ],
)
def test_column_sources__what_is_not_understood_depends_on_all(
    engine: duckdb.DuckDBPyConnection, sql: str
) -> None:
    for column in lineage(engine, sql):
        sources = {(source.relation.name, source.column) for source in column.sources}
        assert {("orders", name) for name in RELATIONS[RelationName("main", "orders")]} <= sources
        assert not column.exact


def test_column_sources__a_column_taken_for_a_unit_is_not_lost(
    engine: duckdb.DuckDBPyConnection,
) -> None:
    sql = "SELECT date_trunc(city, d) AS d FROM (SELECT address.city, now() AS d FROM orders)"
    (column,) = lineage(engine, sql)
    assert "address" in {source.column for source in column.sources}


def test_column_sources__text_that_does_not_parse_depends_on_all() -> None:
    (column,) = column_sources("SELECT id FROM (", RELATIONS, ["id"])
    assert not column.exact
    assert len(column.sources) == sum(len(columns) for columns in RELATIONS.values())


def test_column_sources__a_name_in_two_schemas_is_not_guessed() -> None:
    relations = {RelationName("a", "t"): ["x"], RelationName("b", "t"): ["x"]}
    (guess,) = column_sources("SELECT x FROM t", relations, ["x"])
    assert not guess.exact
    assert {source.relation.schema for source in guess.sources} == {"a", "b"}
    (sure,) = column_sources("SELECT x FROM b.t", relations, ["x"])
    assert [source.relation.schema for source in sure.sources] == ["b"]


def test_column_sources__a_very_deep_expression_is_answered() -> None:
    sql = f"SELECT {'(' * 5000}id{')' * 5000} AS id FROM orders"
    (column,) = column_sources(sql, RELATIONS, ["id"])
    assert not column.exact


def test_column_sources__names_that_are_not_the_engines_are_not_trusted() -> None:
    (column,) = column_sources("SELECT id FROM orders", RELATIONS, ["amount"])
    assert not column.exact
    assert {source.column for source in column.sources} == {
        *RELATIONS[RelationName("main", "orders")]
    }
