"""Every call of a share fails once, in every way: the share ends done or undone, and can go on."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from meshplane.kit.errors import MeshplaneError
from meshplane.sandbox.faults import Fault, Kind
from meshplane.sandbox.server import AwsSandbox
from tests.builders.aws_sandbox import sandbox_in
from tests.builders.sharing_world import CONSUMER, SharingWorld, fresh_world, table_shared

pytestmark = pytest.mark.fault

SHARED = table_shared()
MISSED = 2
"""How many calls of the first run may not be in another: a list has an empty page now and then, and
a query is asked for as often as it takes."""
PASSING: tuple[Kind, ...] = ("throttle", "timeout", "lost_answer")


@dataclass(frozen=True)
class Nth:
    """The n-th call of an operation by an account."""

    service: str
    operation: str
    account: str
    nth: int

    def fails(self, kind: Kind, times: int = 1) -> Fault:
        return Fault(self.service, self.operation, kind, self.nth, times, account=self.account)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[AwsSandbox]:
    with sandbox_in() as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def world(sandbox: AwsSandbox) -> Iterator[SharingWorld]:
    world = fresh_world(sandbox, most_attempts=1, read_seconds=1.0)
    # Whoever takes a role is known from here on, so that each try makes the same calls.
    world.carry_out(SHARED)
    assert world.shared_rows() == 2
    withdraw(world)
    yield world
    world.owner.close()


def withdraw(world: SharingWorld) -> None:
    asyncio.run(world.sharing.withdraw(SHARED))


def calls_of(world: SharingWorld, act: str) -> list[Nth]:
    """What is called, in order, when nothing fails."""
    world.sandbox.calls.clear()
    if act == "share":
        world.carry_out(SHARED)
    else:
        withdraw(world)
    counted: Counter[tuple[str, str, str]] = Counter()
    made = []
    for call in world.sandbox.calls.all():
        key = (call.service, call.operation, call.account)
        counted[key] += 1
        made.append(Nth(*key, counted[key]))
    return made


def try_to(world: SharingWorld, act: str) -> str:
    """The code with which it fails; nothing if it does not."""
    try:
        if act == "share":
            assert world.carry_out(SHARED) == "ACCEPTED"
        else:
            withdraw(world)
    except MeshplaneError as error:
        return error.code
    return ""


def end(world: SharingWorld) -> None:
    world.sandbox.faults.clear()
    withdraw(world)
    assert world.left_over() == []


@pytest.mark.parametrize("kind", PASSING)
def test_call_that_fails_for_a_moment__is_made_again(world: SharingWorld, kind: Kind) -> None:
    made = calls_of(world, "share")
    assert len(made) > 15
    end(world)
    missed = 0
    for one in made:
        world.sandbox.faults.add(one.fails(kind))
        assert try_to(world, "share") == "", (one, kind)
        missed += len(world.sandbox.faults.all())
        world.sandbox.faults.clear()
        assert world.shared_rows() == 2, (one, kind)
        end(world)
    assert missed <= MISSED


def test_call_that_is_refused__ends_the_share_done_or_undone(world: SharingWorld) -> None:
    made = calls_of(world, "share")
    end(world)
    undone = missed = 0
    for one in made:
        world.sandbox.faults.add(
            Fault(
                one.service,
                one.operation,
                "error",
                one.nth,
                code="AccessDeniedException",
                account=one.account,
            )
        )
        code = try_to(world, "share")
        missed += len(world.sandbox.faults.all())
        world.sandbox.faults.clear()
        if code:
            undone += 1
            assert world.left_over() == [], (one, code)
            assert world.shared_rows() is None, (one, code)
        else:
            assert world.shared_rows() == 2, one
        assert try_to(world, "share") == "", one
        end(world)
    assert undone > 5
    assert missed <= MISSED


def test_outage__leaves_what_a_later_withdrawal_takes_back(world: SharingWorld) -> None:
    made = calls_of(world, "share")
    end(world)
    for one in made:
        world.sandbox.faults.add(one.fails("throttle", times=50))
        code = try_to(world, "share")
        assert code in {"AWS_UNAVAILABLE", "SHARE_NOT_WITHDRAWN", "SHARE_NOT_READABLE", ""}, one
        world.sandbox.faults.clear()
        if code not in {"", "SHARE_NOT_WITHDRAWN"}:
            assert world.left_over() == [], (one, code)
        end(world)


@pytest.mark.parametrize("kind", ["throttle", "timeout", "lost_answer", "error"])
def test_withdrawal_that_fails__is_finished_by_another(world: SharingWorld, kind: Kind) -> None:
    world.carry_out(SHARED)
    made = calls_of(world, "withdraw")
    missed = 0
    for one in made:
        world.carry_out(SHARED)
        world.sandbox.faults.add(one.fails(kind))
        code = try_to(world, "withdraw")
        missed += len(world.sandbox.faults.all())
        world.sandbox.faults.clear()
        # The other account cannot hold up what ends access.
        if not code or one.account == CONSUMER:
            assert world.shared_rows() is None, (one, kind)
        withdraw(world)
        assert world.left_over() == [], (one, kind, code)
    assert missed <= MISSED
