"""Grants that many clients change and ask for at once: as if one operation came after another.

Two stores on one file stand for two processes of the mesh.
"""

import asyncio
import itertools
import random
from pathlib import Path
from typing import Any

import pytest

from meshplane.kit.clock import SystemClock
from meshplane.kit.errors import MeshplaneError
from tests.builders import seeds
from tests.builders.linearizable import Operation, is_linearizable
from tests.builders.policy_world import SAM, PolicyWorld, policy_world

pytestmark = pytest.mark.anyio

CLIENTS, OPERATIONS, KEYS = 20, 300, 6
RIGHTS = ("INSERT", "DELETE")
NOTHING: frozenset[str] = frozenset()


def step(state: frozenset[str], what: tuple[str, str]) -> tuple[frozenset[str], Any]:
    """What an operation does to a grant, as the rules say, and what it must answer."""
    verb, right = what
    if verb == "grant":
        return state | {right}, "done"
    if verb == "revoke":
        return (state - {right}, "done") if right in state else (state, "GRANT_NOT_FOUND")
    return state, state


async def perform(world: PolicyWorld, principal: str, what: tuple[str, str]) -> Any:
    """Carries an operation out; the answer, None where it gave up."""
    verb, right = what
    body = {"resource": {"table": {"assetId": "asset-1"}}, "permissions": [right]}
    try:
        if verb == "grant":
            await world.grant(SAM, principal=principal, **body)
        elif verb == "revoke":
            await world.revoke(SAM, principal=principal, **body)
        else:
            rights = (await world.access(principal)).rights
            return frozenset(rights) - {"DESCRIBE"}
    except MeshplaneError as error:
        return None if error.code == "GRANT_MOVED" else error.code
    return "done"


async def one_history(folder: Path, seed: int) -> dict[str, list[Operation]]:
    """What happened to each principal's grant."""
    chance, ticks = random.Random(seed), itertools.count()
    histories: dict[str, list[Operation]] = {f"user:u{key}@x": [] for key in range(KEYS)}
    async with (
        policy_world(folder, SystemClock()) as first,
        policy_world(folder, SystemClock()) as second,
    ):

        async def client(world: PolicyWorld) -> None:
            for _ in range(OPERATIONS // CLIENTS):
                principal = chance.choice(list(histories))
                verb = chance.choice(("grant", "revoke", "check"))
                what = (verb, chance.choice(RIGHTS))
                begin = next(ticks)
                answer = await perform(world, principal, what)
                histories[principal].append(Operation(begin, next(ticks), what, answer))
                await asyncio.sleep(0)

        worlds = itertools.cycle((first, second))
        await asyncio.gather(*(client(next(worlds)) for _ in range(CLIENTS)))
    return histories


async def check_histories(folder: Path, count: int) -> None:
    first = seeds.fresh()
    for number in range(count):
        place = folder / str(number)
        place.mkdir()
        for principal, history in (await one_history(place, first + number)).items():
            known = [one for one in history if one.answer is not None]
            gave_up = [one for one in history if one.answer is None]
            # One that gave up changed nothing: its condition did not hold at any commit.
            assert len(gave_up) * 10 <= len(history)
            assert is_linearizable(known, NOTHING, step), (first + number, principal)


async def test_grants__of_twenty_clients_on_two_stores__are_linearizable(tmp_path: Path) -> None:
    await check_histories(tmp_path, 8)


@pytest.mark.long
async def test_grants__of_twenty_clients_on_two_stores__are_linearizable_in_a_hundred_histories(
    tmp_path: Path,
) -> None:
    await check_histories(tmp_path, 100)


def test_checker__finds_a_check_that_saw_what_was_revoked() -> None:
    right = "INSERT"
    history = [
        Operation(0, 1, ("grant", right), "done"),
        Operation(2, 3, ("revoke", right), "done"),
        Operation(4, 5, ("check", ""), frozenset({right})),
    ]
    assert not is_linearizable(history, NOTHING, step)
    overlapping = [*history[:2], Operation(2, 5, ("check", ""), frozenset({right}))]
    assert is_linearizable(overlapping, NOTHING, step)


async def test_revoke__when_it_returns_no_later_question_sees_the_grant(tmp_path: Path) -> None:
    """A thousand trials over two stores, while others keep asking."""
    asked = []
    async with (
        policy_world(tmp_path, SystemClock()) as first,
        policy_world(tmp_path, SystemClock()) as second,
    ):
        revoked: set[str] = set()

        async def ask_all_the_time(world: PolicyWorld) -> None:
            while len(revoked) < 1000:
                principal = f"user:t{len(revoked)}@x"
                was_revoked = principal in revoked
                seen = bool((await world.access(principal)).rights)
                asked.append(seen)
                assert not (was_revoked and seen)
                await asyncio.sleep(0)

        async def trial(worlds: tuple[PolicyWorld, PolicyWorld], numbers: range) -> None:
            one, other = worlds
            for number in numbers:
                principal = f"user:t{number}@x"
                body = {
                    "principal": principal,
                    "resource": {"table": {"assetId": "asset-1"}},
                    "permissions": ["SELECT"],
                }
                await one.grant(SAM, **body)
                assert (await other.access(principal)).rights
                await (one if number % 2 else other).revoke(SAM, **body)
                revoked.add(principal)
                for world in worlds:
                    assert not (await world.access(principal)).rights

        both = (first, second)
        await asyncio.gather(
            *(trial(both, range(part, 1000, 10)) for part in range(10)),
            ask_all_the_time(first),
            ask_all_the_time(second),
        )
    assert len(revoked) == 1000
    assert asked
