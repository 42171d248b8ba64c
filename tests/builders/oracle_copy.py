"""The first oracle: a governed answer is that of a copy which holds only what may be seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from meshplane.services.query.sandbox import Relation
from tests.builders.governed_engine import answer_of, gated_answer, governed_engine, relation_of
from tests.builders.masked_copy import copied, shown_types
from tests.builders.oracle_seeds import Played
from tests.builders.random_expressions import KINDS
from tests.builders.random_policy import Governed, PolicyMaker
from tests.builders.random_schema import random_tables
from tests.builders.random_sql import Made, Statements, tables_of
from tests.builders.sandbox_world import Seen

_SHOWN = 700


@dataclass
class CopyWorld:
    """Tables with grants, the statements over them, and the relations as the sandbox takes them."""

    governed: list[Governed]
    statements: Statements
    relations: list[Relation]


def copy_world(seed: int, folder: Path) -> CopyWorld:
    """The world of a seed."""
    random = Random(seed)
    governed = [PolicyMaker(random, table).governed() for table in random_tables(random, nasty=0.1)]
    named = {sql_name(random, each): shown_types(each) for each in governed}
    statements = Statements(random, tables_of(named, KINDS))
    relations = [relation_of(each, folder / each.table.schema) for each in governed]
    return CopyWorld(governed, statements, relations)


def sql_name(random: Random, governed: Governed) -> str:
    """The table's name as FROM takes it, with its domain now and then."""
    table = governed.table
    return table.name if random.random() < 0.7 else f"{table.schema}.{table.name}"


def play_copy(seed: int, folder: Path, count: int) -> Played:
    """Compares the tables themselves, and then random statements over them."""
    world, played = copy_world(seed, folder), Played()
    governed, copy = governed_engine(world.relations), copied(world.governed)
    whole = [Made(f"FROM {each.table.schema}.{each.table.name}", {}) for each in world.governed]
    made = whole + [world.statements.statement() for _ in range(count - len(whole))]
    try:
        for number, each in enumerate(made):
            first, _ = gated_answer(governed, each.sql)
            second, _ = answer_of(copy, each.sql, each.sql)
            played.statements += 1
            played.codes[first.code or ""] += 1
            if not alike(first, second, each.ordered):
                played.complaints.append(told(seed, number, each.sql, first, second))
    finally:
        governed.close()
        copy.close()
    return played


def alike(first: Seen, second: Seen, ordered: bool) -> bool:
    """Are they the same, rows in any order unless the statement says one?"""
    return first == second if ordered else first.unordered() == second.unordered()


def told(seed: int, number: int, sql: str, *seen: Seen) -> str:
    """A complaint: the statement and what was seen of it."""
    parts: Sequence[str] = [f"{each}"[:_SHOWN] for each in seen]
    return "\n".join([f"seed {seed}, statement {number}: {sql}", *parts])
