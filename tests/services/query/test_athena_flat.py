"""Names of one SELECT over tables are resolved at once to what a search finds, or not at all."""

import random
import sys
from collections import Counter

import pytest
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify_columns import qualify_columns, validate_qualify_columns
from sqlglot.optimizer.qualify_tables import qualify_tables

from meshplane.services.query.aws_dialect import written
from meshplane.services.query.aws_flat import is_flat, resolved
from meshplane.services.query.aws_names import DIALECT, folded
from meshplane.services.query.aws_sql import Parsed, Seen, parse, put_relations, schema_of
from meshplane.services.query.sandbox import Column, Relation, Scope

TABLES = {"crew": ("id", "Port", "rank"), "ships": ("port", "Ship", "built"), "own": ("n",)}


def _seen(name: str) -> Seen:
    columns = tuple(Column(one, at, "BIGINT") for at, one in enumerate(TABLES[name.lower()], 1))
    scope = Scope(None, {one.name: None for one in columns})
    return Seen(Relation("Sea", name.lower(), (), columns, (scope,)))


def _ready(sql: str) -> tuple[Parsed, list[Seen]]:
    parsed = parse(sql)
    seen = [_seen(one.name) for one in parsed.names]
    put_relations(parsed, seen)
    for name in parsed.held.of(exp.Identifier):
        name.set("this", folded(name.name))
    return parsed, seen


def at_once(sql: str) -> str | None:
    """The statement in Athena's words, if its names are resolved at once."""
    parsed, seen = _ready(sql)
    if not is_flat(parsed.tree, parsed.held):
        return None
    columns = schema_of(seen)
    by_alias = {one.alias: columns.names_of(one) for one in parsed.tables}
    if not resolved(parsed.tree, parsed.held, by_alias):
        return None
    return written(parsed.tree, parsed.held)


def searched(sql: str) -> str | None:
    """The statement in Athena's words, if its names can be resolved."""
    parsed, seen = _ready(sql)
    try:
        tree = qualify_columns(qualify_tables(parsed.tree, dialect=DIALECT), schema_of(seen))
        return written(validate_qualify_columns(tree), parsed.held)
    except SqlglotError:
        return None


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT port, count(*) AS crew FROM sea.crew WHERE id > 10 GROUP BY port ORDER BY port",
        "SELECT ID AS port FROM crew ORDER BY port DESC NULLS LAST LIMIT 3 OFFSET 1",
        "SELECT sea.crew.port, CREW.id + 1, count(DISTINCT rank) FROM sea.crew GROUP BY port, id",
        "SELECT a.port, built FROM crew a JOIN ships AS b ON a.port = b.port, own WHERE n = id",
        "SELECT DISTINCT CASE WHEN id IN (1, 2) THEN rank ELSE -id END FROM crew ORDER BY id, rank",
        "SELECT id, list(rank ORDER BY id, rank) AS ranks FROM crew GROUP BY id ORDER BY ranks",
        "SELECT id, string_agg(port, ',' ORDER BY id) AS ports FROM crew GROUP BY id ORDER BY id",
        "SELECT 1, NULL AS x FROM own",
    ],
)
def test_names__of_usual_statements_are_resolved_at_once(sql: str) -> None:
    assert at_once(sql) == searched(sql) is not None


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM crew",
        "SELECT crew.* FROM crew",
        "SELECT port FROM crew, ships",
        "SELECT nothing FROM crew",
        "SELECT ships.port FROM crew",
        "SELECT id FROM crew AS a, crew AS a",
        "SELECT x FROM own AS o(x)",
        "SELECT id AS a, a + 1 AS b FROM crew",
        "SELECT id AS a FROM crew WHERE a > 1",
        "SELECT port AS p, count(*) FROM crew GROUP BY p",
        "SELECT port AS p, count(*) FROM crew GROUP BY port ORDER BY crew.port",
        "SELECT port, count(*) FROM crew GROUP BY 1",
        "SELECT port, count(*) FROM crew GROUP BY ALL",
        "SELECT port FROM crew ORDER BY 1",
        "SELECT port FROM crew ORDER BY ALL",
        "SELECT port FROM crew ORDER BY id + 1",
        "SELECT port, count(*) AS n FROM crew GROUP BY port HAVING n > 1",
        "SELECT id, rank() OVER (ORDER BY id) AS r FROM crew",
        "SELECT id FROM crew QUALIFY row_number() OVER (ORDER BY id) = 1",
        "SELECT id FROM crew JOIN ships USING (port)",
        "SELECT id FROM crew SEMI JOIN ships ON crew.port = ships.port",
        "SELECT id FROM (SELECT id FROM crew) AS a",
        "SELECT id FROM crew WHERE id IN (SELECT n FROM own)",
        "WITH w AS (SELECT id FROM crew) SELECT id FROM w",
        "SELECT id FROM crew UNION SELECT n FROM own",
        "SELECT x.crew.id FROM crew",
    ],
)
def test_names__that_may_mean_something_else_are_left_to_the_search(sql: str) -> None:
    assert at_once(sql) is None


class Writer:
    """Writes statements with names in every place where they may mean several things.

    Args:
        seed: where chance begins.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.tables: list[tuple[str, str]] = []

    def statement(self) -> str:
        """One statement."""
        pick = self.random.choice
        names = pick(
            [["crew"], ["ships"], ["own"], ["crew", "ships"], ["crew", "own"], ["own"] * 2]
        )
        self.tables = [
            (pick([name, name, f"t{at}", "port"]), name) for at, name in enumerate(names)
        ]
        begin, *more = [name if name == a else f"sea.{name} AS {a}" for a, name in self.tables]
        sql = f"SELECT {pick(['', '', 'DISTINCT '])}{', '.join(self._several(self._shown))} FROM "
        sql += begin
        for one in more:
            sql += pick([f", {one}", f" JOIN {one} ON {self._column()} = {self._column()}"])
        sql += pick(["", f" WHERE {self._column()} > 1 AND {self._column()} IN (2, 3)"])
        sql += pick(["", "", f" GROUP BY {', '.join(self._several(self._named))}"])
        sql += pick(["", f" ORDER BY {', '.join(self._several(self._named))}"])
        return sql + pick(["", " LIMIT 10"])

    def _several(self, one: object) -> list[str]:
        assert callable(one)
        return [one() for _ in range(self.random.randint(1, 3))]

    def _column(self) -> str:
        alias, table = self.random.choice(self.tables)
        name = self.random.choice(TABLES[table])
        return self.random.choice([name, name.upper(), f"{alias}.{name}", f'{alias}."{name}"'])

    def _named(self) -> str:
        return self.random.choice([self._column(), self._column(), "a", "port", "1"])

    def _shown(self) -> str:
        column = self._column()
        what = self.random.choice([column, column, f"max({column})", f"({column})", "count(*)"])
        return what + self.random.choice(["", "", " AS a", " AS port", " AS ID"])


def test_names__of_random_statements_mean_what_a_search_finds() -> None:
    seed = random.randrange(2**32)
    sys.stdout.write(f"seed {seed}\n")
    writer = Writer(seed)
    counts: Counter[bool] = Counter()
    for _ in range(400):
        sql = writer.statement()
        told = at_once(sql)
        counts[told is not None] += 1
        assert told is None or told == searched(sql), sql
    assert counts[True] > 20
    assert counts[False] > 20
