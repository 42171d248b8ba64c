"""A second list of hostile statements, by category, with what each must do.

DENY is refused, MASKED is answered as from a masked copy, LIMIT ends within its budget. Each runs
in two worlds that differ only in what alice may not see. Most run in this process; what the engine
would run as several statements, what it never sees, and every fourth goes through a child.
"""

import json
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from meshplane.services.query.sandbox import Limits, Sandbox
from meshplane.services.query.sandbox.engine import Connection
from tests.builders.governed_engine import gated_answer, governed_engine
from tests.builders.sandbox_world import SHAPES, Seen, World, build_world, see

LIST = Path(__file__).with_name("own_attacks.jsonl")
REFUSALS = {"SQL_REFUSED", "SQL_INVALID", "SQL_RUNTIME", "TABLE_MISSING", "SQL_LIMIT"}
ONE_THREAD = Limits(timeout_seconds=20, threads=1)
BUDGET = Limits(timeout_seconds=2, memory_mib=256, max_bytes=1024 * 1024)
# Of these, a child runs each: it asks for tables by name, describes from the grant, turns PIVOT.
CHILDREN = {"pivot", "describe"}


@dataclass(frozen=True)
class Attack:
    """A statement of the list."""

    id: str
    category: str
    sql: str
    must: str


ATTACKS = [Attack(**json.loads(line)) for line in LIST.read_text(encoding="utf-8").splitlines()]


def attacks(must: str, *, in_child: bool) -> list[Any]:
    """The statements that must end so, and run there."""
    return [
        pytest.param(attack, id=attack.id)
        for number, attack in enumerate(ATTACKS)
        if attack.must == must
        and in_child == (attack.category in CHILDREN or number % 4 == 0 or must == "LIMIT")
    ]


@dataclass
class Stage:
    """Two worlds, the copy of what alice may see in both, and an engine for each."""

    worlds: tuple[World, World]
    engines: list[Connection]


ORDINARY = "computed"
SHAPES_OF_GRANTS = [
    name if name == ORDINARY else pytest.param(name, marks=pytest.mark.long) for name in SHAPES
]


@pytest.fixture(scope="module", params=SHAPES_OF_GRANTS)
def stage(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    folders = [tmp_path_factory.mktemp(name) for name in "ab"]
    worlds = (
        build_world(folders[0], 1, request.param),
        build_world(folders[1], 2, request.param),
    )
    grants = (worlds[0].governed, worlds[1].governed, worlds[0].copied)
    engines = [governed_engine(list(each.relations.values())) for each in grants]
    yield Stage(worlds, engines)
    for engine in engines:
        engine.close()


@pytest.fixture(scope="module")
async def sandbox(anyio_backend: str) -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(pool_size=3)
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


def check(attack: Attack, first: Seen, second: Seen, copy: Seen | None) -> None:
    """Does the statement do what it must?"""
    assert first.unordered() == second.unordered(), attack.sql
    if attack.must == "DENY":
        assert first.code in REFUSALS, attack.sql
        return
    assert first.code in {None, "SQL_RUNTIME", "SQL_INVALID"}, first.message
    assert copy is not None
    assert first.unordered() == copy.unordered(), attack.sql


@pytest.mark.parametrize(
    "attack", [*attacks("DENY", in_child=False), *attacks("MASKED", in_child=False)]
)
def test_attack__does_as_it_must(stage: Stage, attack: Attack) -> None:
    first, second, copy = (gated_answer(engine, attack.sql)[0] for engine in stage.engines)
    check(attack, first, second, copy)


@pytest.mark.parametrize(
    "attack", [*attacks("DENY", in_child=True), *attacks("MASKED", in_child=True)]
)
async def test_attack__in_a_child_does_as_it_must(
    sandbox: Sandbox, stage: Stage, attack: Attack
) -> None:
    before = sorted(stage.worlds[0].folder.rglob("*"))
    grants = [world.governed for world in stage.worlds]
    first, second = [await see(sandbox, each, attack.sql, ONE_THREAD) for each in grants]
    copy = None
    if attack.must == "MASKED":
        copy = await see(sandbox, stage.worlds[0].copied, attack.sql, ONE_THREAD)
    check(attack, first, second, copy)
    assert sorted(stage.worlds[0].folder.rglob("*")) == before


@pytest.mark.parametrize("attack", attacks("LIMIT", in_child=True))
async def test_greedy_attack__is_stopped_within_its_budget(
    sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory, attack: Attack
) -> None:
    world = build_world(tmp_path_factory.mktemp("greedy"), 1)
    started = time.monotonic()
    found = await see(sandbox, world.governed, attack.sql, BUDGET)
    assert found.code == "SQL_LIMIT", found
    assert time.monotonic() - started < BUDGET.timeout_seconds + 2


def test_list__has_many_of_each_kind() -> None:
    categories = {attack.category for attack in ATTACKS}
    assert len(ATTACKS) >= 150
    assert len(categories) >= 20
    assert len({attack.sql for attack in ATTACKS}) == len(ATTACKS)
