"""Several who decide at one moment: one wins, the others learn it, and no grant comes of a loss.

They ask two processes of one home, by turns.
"""

import itertools
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import httpx
import pytest

from meshplane.kit.clock import SystemClock, from_text, to_text
from tests.builders.second_server import second_server
from tests.builders.seeds import fresh
from tests.builders.server import Server, running_server
from tests.builders.subscription_world import SubscriptionWorld

pytestmark = pytest.mark.scenario

THREADS = 8
ORDINARY, LONG = 34, 170
"""Races of each of the six kinds: over 200 in the ordinary run, over 1,000 in the long one."""

RACES = [
    pytest.param(ORDINARY, id="some"),
    pytest.param(LONG, id="many", marks=pytest.mark.long),
]

Act = Callable[[], httpx.Response]


class RacingWorld(SubscriptionWorld):
    """A small mesh of two processes.

    Attributes:
        stewards, owners: Sam's and Dora's connections, each to the one process and to the other.
    """

    def __init__(self, server: Server, second: Server) -> None:
        super().__init__(server)
        self._beside = [second.client("sam@harbour"), second.client("dora@harbour")]
        self.stewards = (self.mesh.clients["steward"], self._beside[0])
        self.owners = (self._beside[1], self.mesh.clients["domain-owner"])

    @property
    def approvers(self) -> tuple[httpx.Client, ...]:
        """All of these."""
        return (*self.stewards, *self.owners)

    def close(self) -> None:
        """Closes all connections."""
        super().close()
        for client in self._beside:
            client.close()


@pytest.fixture(scope="module")
def world() -> Iterator[RacingWorld]:
    with running_server() as server, second_server(server) as second:
        made = RacingWorld(server, second)
        yield made
        made.close()
        assert server.unforeseen() == second.unforeseen() == []


@pytest.fixture(scope="module")
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(THREADS) as made:
        yield made


def race(pool: ThreadPoolExecutor, acts: Sequence[Act]) -> list[httpx.Response]:
    """The answers to several who act at one moment, in the order of the acts."""
    barrier = Barrier(len(acts))

    def run(act: Act) -> httpx.Response:
        barrier.wait(30)
        return act()

    return list(pool.map(run, acts))


def outcome(answer: httpx.Response) -> str:
    """`ok`, or the code of the refusal."""
    return "ok" if answer.is_success else str(answer.json()["code"])


def decisions_on_record(world: SubscriptionWorld) -> Counter[tuple[str, str]]:
    """How often an operation on a resource was allowed, by the audit trail."""
    found: Counter[tuple[str, str]] = Counter()
    path: str | None = "/audit?limit=1000"
    while path:
        page = world.mesh.ask("administrator", "GET", path)
        for one in page["items"]:
            if one["outcome"] == "allowed" and one["resource"]:
                found[one["operation"], one["resource"]] += 1
        cursor = page["nextCursor"]
        path = f"/audit?limit=1000&cursor={cursor}" if cursor else None
    return found


def holds(world: SubscriptionWorld, made: dict[str, Any]) -> dict[str, Any]:
    """The request as it is now, where what is told of it fits what it is, once each."""
    now = world.get(made)
    told = Counter(world.happened(made))
    ends = {
        "active": "SubscriptionApproved",
        "rejected": "SubscriptionRejected",
        "withdrawn": "SubscriptionWithdrawn",
    }
    for status, kind in ends.items():
        assert told[kind] == (now["status"] == status), (now, told)
    assert (now["grantId"] is not None) == (now["status"] == "active")
    assert told["SubscriptionActivated"] == (now["status"] == "active")
    return now


@pytest.mark.parametrize("races", RACES)
def test_double_approval__one_wins_and_there_is_one_grant(
    world: RacingWorld, pool: ThreadPoolExecutor, races: int
) -> None:
    all_made = []
    for _ in range(races):
        made = world.request()
        acts: list[Act] = [
            lambda who=who, made=made: world.act(who, "approve", made)  # type: ignore[misc]
            for who in itertools.islice(itertools.cycle(world.approvers), THREADS)
        ]
        found = Counter(map(outcome, race(pool, acts)))
        assert found == {"ok": 1, "ALREADY_DECIDED": THREADS - 1}
        all_made.append(holds(world, made))
    assert {one["status"] for one in all_made} == {"active"}
    record = decisions_on_record(world)
    for one in all_made:
        assert record["approveSubscription", f"Subscription:{one['requestId']}"] == 1
        assert record["grantPermission", f"Grant:{one['grantId']}"] == 1


@pytest.mark.parametrize("races", RACES)
def test_approval_against_rejection__one_of_the_two_is_the_decision(
    world: RacingWorld, pool: ThreadPoolExecutor, races: int
) -> None:
    dice, seen = random.Random(fresh()), Counter[str]()
    for _ in range(races):
        made = world.request()
        kinds = ["approve", "reject"] * (THREADS // 2)
        dice.shuffle(kinds)
        acts: list[Act] = [
            lambda who=who, what=what, made=made: world.act(who, what, made)  # type: ignore[misc]
            for who, what in zip(itertools.cycle(world.approvers), kinds, strict=False)
        ]
        answers = race(pool, acts)
        assert Counter(map(outcome, answers)) == {"ok": 1, "ALREADY_DECIDED": THREADS - 1}
        won = next(kind for kind, one in zip(kinds, answers, strict=True) if one.is_success)
        now = holds(world, made)
        assert now["status"] == {"approve": "active", "reject": "rejected"}[won]
        seen[won] += 1
    assert len(seen) == 2, seen


@pytest.mark.parametrize("races", RACES)
def test_approval_against_withdrawal__one_of_the_two_counts(
    world: RacingWorld, pool: ThreadPoolExecutor, races: int
) -> None:
    for number in range(races):
        made = world.request()
        acts: list[Act] = [
            lambda made=made: world.act("other", "withdraw", made),  # type: ignore[misc]
            lambda made=made: world.act(world.stewards[1], "approve", made),  # type: ignore[misc]
            lambda made=made: world.act(world.owners[1], "approve", made),  # type: ignore[misc]
        ]
        if number % 2:
            acts.reverse()
        answers = race(pool, acts)
        assert Counter(map(outcome, answers)) == {"ok": 1, "ALREADY_DECIDED": 2}
        assert holds(world, made)["status"] in {"active", "withdrawn"}


@pytest.mark.parametrize("races", RACES)
def test_approval_against_change__nobody_approves_what_he_has_not_seen(
    world: RacingWorld, pool: ThreadPoolExecutor, races: int
) -> None:
    for number in range(races):
        made = world.request(columns=["station"])
        acts: list[Act] = [
            lambda made=made: world.change(made, columns=["level"]),  # type: ignore[misc]
            lambda made=made: world.act(world.stewards[1], "approve", made),  # type: ignore[misc]
            lambda made=made: world.act(world.owners[0], "approve", made, version=1),  # type: ignore[misc]
        ]
        if number % 2:
            acts.reverse()
        answers = race(pool, acts)
        changed, *approvals = answers if number % 2 == 0 else reversed(answers)
        now = holds(world, made)
        if changed.is_success:
            assert {outcome(one) for one in approvals} == {"REQUEST_CHANGED"}
            assert (now["status"], now["requestedColumns"]) == ("requested", ["level"])
        else:
            assert outcome(changed) in {"ALREADY_DECIDED", "STALE"}
            assert sorted(map(outcome, approvals)) == ["ALREADY_DECIDED", "ok"]
            assert (now["status"], now["requestedColumns"]) == ("active", ["station"])


@pytest.mark.parametrize("races", RACES)
def test_approval_against_the_end__is_in_time_or_opens_nothing(
    world: RacingWorld, pool: ThreadPoolExecutor, races: int
) -> None:
    dice = random.Random(fresh())
    end = SystemClock().now() + timedelta(seconds=1.5 + races * 0.03)
    made = [world.request(expiresAt=to_text(end)) for _ in range(races)]

    def approve(one: dict[str, Any]) -> httpx.Response:
        wait = (end - SystemClock().now()).total_seconds() + dice.uniform(-0.4, 0.2)
        time.sleep(max(0.0, wait))
        return world.act(dice.choice(world.stewards), "approve", one)

    answers = list(pool.map(approve, made))
    assert {outcome(one) for one in answers} <= {"ok", "REQUEST_EXPIRED"}
    for one, answer in zip(made, answers, strict=True):
        now = world.until(one, "expired" if answer.is_success else "rejected")
        told = Counter(world.happened(one))
        assert told["SubscriptionApproved"] + told["SubscriptionRejected"] == 1
        if answer.is_success:
            assert from_text(now["decidedAt"]) < end
        else:
            assert (now["decidedBy"], now["grantId"]) == ("policy:request-expired", None)


@pytest.mark.parametrize("races", RACES)
def test_two_approvers_at_once__both_count_and_one_grant_comes_of_it(
    world: RacingWorld, pool: ThreadPoolExecutor, races: int
) -> None:
    asset = world.asset("restricted")
    for _ in range(races):
        made = world.request(asset)
        acts: list[Act] = [
            lambda who=who, made=made: world.act(who, "approve", made)  # type: ignore[misc]
            for who in world.approvers
        ]
        found = Counter(map(outcome, race(pool, acts)))
        assert found["ok"] == 2, found
        assert set(found) <= {"ok", "SAME_APPROVER", "ALREADY_DECIDED"}
        now = holds(world, made)
        assert now["status"] == "active"
        assert {one["by"] for one in now["approvals"]} == {"user:sam@harbour", "user:dora@harbour"}


@pytest.mark.parametrize("races", RACES)
def test_revocation_against_renewal__never_leaves_a_grant_behind(
    world: RacingWorld, pool: ThreadPoolExecutor, races: int
) -> None:
    asset = world.publish(f"raced_{races}", "internal", {})
    for number in range(races):
        first = world.request(asset, expiresAt="2090-01-01T00:00:00Z")
        world.does("steward", "approve", first)
        wish = {"expiresAt": "2091-01-01T00:00:00Z", "purpose": "To go on."}
        renewal = world.does("other", "renew", first, **wish)
        acts: list[Act] = [
            lambda first=first: world.act(world.stewards[1], "revoke", first),  # type: ignore[misc]
            lambda it=renewal: world.act(world.owners[1], "approve", it),  # type: ignore[misc]
        ]
        if number % 2:
            acts.reverse()
        answers = race(pool, acts)
        revoked, approved = answers if number % 2 == 0 else reversed(answers)
        assert revoked.is_success != approved.is_success, (revoked.text, approved.text)
        if approved.is_success:
            assert outcome(revoked) == "ALREADY_DECIDED"
            assert list(world.grants(asset)) == [f"grant-{first['requestId']}"]
            world.does("steward", "revoke", renewal)
        else:
            assert outcome(approved) == "RENEWED_IS_GONE"
        assert world.grants(asset) == {}
