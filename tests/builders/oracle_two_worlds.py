"""The second oracle: what a caller may not see changes nothing in what he gets."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from meshplane.kit.errors import MeshplaneError
from meshplane.services.query.sandbox import Relation, explaining
from meshplane.services.query.sandbox.engine import Connection, lock, open_engine
from meshplane.services.query.sandbox.engine_faults import from_engine
from tests.builders.governed_engine import (
    FAILURES,
    LIMITS,
    gated_answer,
    governed_engine,
    relation_of,
)
from tests.builders.masked_copy import shown_types
from tests.builders.oracle_copy import sql_name, told
from tests.builders.oracle_seeds import Played
from tests.builders.other_world import hidden_names, other_world
from tests.builders.random_expressions import KINDS
from tests.builders.random_policy import PolicyMaker
from tests.builders.random_schema import random_tables
from tests.builders.random_sql import Statements, tables_of
from tests.builders.sandbox_world import Seen

_ATTEMPTS = 30
_EXPLAINED = 10  # every so many statements, its plan is compared too


@dataclass
class TwoWorlds:
    """The same statements over two sets of tables that look alike to their caller.

    Attributes:
        strict: do visible rows lie alike in both? Then even what a statement leaves to the engine,
            the order of rows and which of equal ones come first, must be the same.
    """

    statements: Statements
    first: list[Relation]
    second: list[Relation]
    strict: bool


def two_worlds(seed: int, folder: Path) -> TwoWorlds:
    """The worlds of a seed."""
    random = Random(seed)
    strict = random.random() < 0.8
    tables = [replace(table, files=1) for table in random_tables(random, nasty=0.3)]
    first = [
        PolicyMaker(random, table).governed(hide_something=random.random() < 0.7)
        for table in tables
    ]
    second = [other_world(random, each, many=not strict) for each in first]
    named = {sql_name(random, each): shown_types(each) for each in first}
    hidden = sorted({name for each in (*first, *second) for name in hidden_names(each)})
    statements = Statements(
        random,
        tables_of(named, KINDS),
        failing=random.choice((0.0, 0.05, 0.2)),
        hidden=tuple(hidden),
        ties=strict,
    )
    return TwoWorlds(
        statements,
        [relation_of(each, folder / "first" / each.table.schema) for each in first],
        [relation_of(each, folder / "second" / f"{seed % 7}") for each in second],
        strict,
    )


def play_two_worlds(seed: int, folder: Path, count: int) -> Played:
    """Gives random statements to both worlds and compares all that comes back."""
    worlds, played = two_worlds(seed, folder), Played()
    engines = [governed_engine(relations) for relations in (worlds.first, worlds.second)]
    planners = [_planner(relations) for relations in (worlds.first, worlds.second)]
    random = Random(seed)
    try:
        for number in range(count):
            made = worlds.statements.statement()
            exact = made.ordered or worlds.strict
            output = random.choice(("json", "json", "arrow")) if exact else "json"
            (one, body), (other, other_body) = (
                gated_answer(engine, made.sql, output) for engine in engines
            )
            played.statements += 1
            played.codes[one.code or ""] += 1
            same = (one, body) == (other, other_body)
            if not exact:
                same = one.unordered() == other.unordered() and len(body) == len(other_body)
            elif not same and not made.ordered:
                same = _meet(engines, made.sql, output)
            if not same:
                how = f"{made.sql} -- as {output}, {len(body)} and {len(other_body)} bytes"
                played.complaints.append(told(seed, number, how, one, other))
            if number % _EXPLAINED == 0:
                plans = [_plan(planner, made.sql) for planner in planners]
                if plans[0] != plans[1]:
                    played.complaints.append(f"seed {seed}: plans of {made.sql}\n{plans}")
    finally:
        for engine in (*engines, *planners):
            engine.close()
    return played


def _meet(engines: Sequence[Connection], sql: str, output: str) -> bool:
    """Does one world sooner or later answer as the other has?

    Files are read ahead by threads of their own, and a statement that says no order may get the
    rows of a UNION now in one order and now in another, in one and the same world.
    """
    seen: list[list[tuple[Seen, bytes]]] = [[], []]
    for _ in range(_ATTEMPTS):
        for engine, answers in zip(engines, seen, strict=True):
            answers.append(gated_answer(engine, sql, output))
        if any(answer in seen[1] for answer in seen[0]):
            return True
    return False


def _planner(relations: Sequence[Relation]) -> Connection:
    """A locked engine in which EXPLAIN plans, as a child makes it."""
    engine = open_engine()
    lock(engine, LIMITS, [])
    explaining.create_tables(engine, relations)
    schemas = dict.fromkeys(relation.schema for relation in relations)
    engine.execute(f"SET search_path = '{','.join(schemas)}'")
    return engine


def _plan(engine: Connection, sql: str) -> str:
    try:
        return explaining.plan_text(engine, sql, None)
    except FAILURES as error:
        return from_engine(error, sql).message
    except MeshplaneError as error:
        return error.message
