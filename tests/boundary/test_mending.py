"""Long work in steps goes on where it was, whatever dies or fails in between."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from meshplane.boundary.actor import Actor, service_actor
from meshplane.boundary.call import Call, Judge
from meshplane.boundary.mending import Mending, Stepped, mending_table
from meshplane.events.queue_worker import QueueWorker
from meshplane.events.queues import DEAD_LETTERS, MESSAGES
from meshplane.kit.errors import Missing, Unavailable
from meshplane.kit.ids import id_maker
from meshplane.platform.local.sqlite import SqliteStore
from meshplane.policy.engine import Engine
from tests.builders.counter_app import NoMemberships
from tests.builders.stores import SqlitePlace

TABLE = mending_table("Mendings")
ADA, CLOCK = Actor("ada@mesh"), service_actor("workflows")


class Things:
    """Three pages of things to be mended; some of it fails."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.fails = 0
        self.error: Exception = Unavailable("PORTAL_UNAVAILABLE", "Not now.")
        self.dies = False

    async def step(self, wish: Mapping[str, Any], place: int) -> Stepped:
        """See `Step`."""
        self.asked.append(place)
        if self.fails:
            self.fails -= 1
            raise self.error
        failures = {"thing-7": "NAME_TAKEN"} if place == 1 and wish["mend"] else {}
        return Stepped({"brought": 10 + place}, failures, place + 1 if place < 2 else None)


class Work:
    """A process that does such work."""

    def __init__(self, place: SqlitePlace) -> None:
        self.place = place
        self.store: SqliteStore = place.open()
        self.things = Things()
        self.mending = Mending(
            TABLE, "mendings", self.things.step, self.store, place.clock, counts=("brought",)
        )
        self.worker = QueueWorker(self.store, self.mending.queues, place.clock)

    async def begin(self, actor: Actor = ADA, first: int | None = 0, **wish: Any) -> str:
        """Begins, and gives its id."""
        work, clock = self.store.begin(), self.place.clock
        judge = Judge(Engine(()), NoMemberships(), {})
        call = Call("mendThings", actor, work, clock, id_maker(clock), judge)
        item = await self.mending.begin(call, {"mend": True, **wish}, first)
        await work.commit()
        return str(item["reconciliationId"])

    async def row(self, name: str) -> dict[str, Any]:
        return await self.mending.find(self.store.begin(), name)

    async def run_for(self, seconds: float) -> None:
        """Works off what is due until then."""
        for _ in range(int(seconds)):
            await self.worker.run_due()
            self.place.clock.advance(1)


@pytest.fixture
async def work(tmp_path: Path) -> AsyncIterator[Work]:
    made = Work(SqlitePlace(tmp_path, (MESSAGES, DEAD_LETTERS, TABLE)))
    yield made
    await made.store.close()


async def test_work__is_done_step_by_step_and_told(work: Work) -> None:
    name = await work.begin()
    assert (await work.row(name))["status"] == "RUNNING"
    await work.worker.run_due()
    row = await work.row(name)
    assert (row["status"], row["counts"], row["startedBy"]) == (
        "COMPLETED",
        {"brought": 33},
        "user:ada@mesh",
    )
    assert (row["failed"], row["failures"]) == (1, [{"id": "thing-7", "code": "NAME_TAKEN"}])
    assert work.things.asked == [0, 1, 2]
    assert await work.mending.awaited(name, 5.0) == row


async def test_nothing_to_do__is_done_at_once(work: Work) -> None:
    row = await work.row(await work.begin(first=None))
    assert (row["status"], row["counts"]) == ("COMPLETED", {"brought": 0})
    assert await work.worker.run_due() == 0


async def test_a_step_that_is_delivered_again__is_counted_once(work: Work) -> None:
    name = await work.begin()
    page = await work.store.begin().query(MESSAGES, "mendings", index="byDue")
    await work.worker.run_due()
    again = work.store.begin()
    again.put(MESSAGES, page.rows[0].item)
    await again.commit()
    await work.worker.run_due()
    assert (await work.row(name))["counts"] == {"brought": 33}
    assert work.things.asked == [0, 1, 2]


async def test_a_process_that_dies_in_a_step__another_does_the_step_once_more(work: Work) -> None:
    name = await work.begin()
    await work.things.step({"mend": False}, 0)  # its effects are there, and nothing is noted
    other = Work(work.place)
    await other.worker.run_due()
    assert (await other.row(name))["counts"] == {"brought": 33}
    await other.store.close()


async def test_a_step_that_fails__is_tried_again(work: Work) -> None:
    work.things.fails = 2
    name = await work.begin(mend=False)
    await work.run_for(60)
    row = await work.row(name)
    assert (row["status"], row["counts"], row["failed"]) == ("COMPLETED", {"brought": 33}, 0)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Unavailable("PORTAL_UNAVAILABLE", "Not now."), "PORTAL_UNAVAILABLE"),
        (KeyError("listing"), "INTERNAL"),
    ],
)
async def test_a_step_that_goes_on_failing__ends_the_work_and_is_told(
    work: Work, error: Exception, code: str
) -> None:
    work.things.fails, work.things.error = 1000, error
    name = await work.begin()
    await work.run_for(600)
    row = await work.row(name)
    assert (row["status"], row["failures"]) == (
        "COMPLETED",
        [{"id": "", "code": code}],
    )


async def test_the_clock__begins_nothing_while_what_it_began_goes_on(work: Work) -> None:
    first = await work.begin(CLOCK)
    assert await work.begin(CLOCK) == first
    assert await work.begin(ADA) != first
    await work.worker.run_due()
    assert await work.begin(CLOCK) != first


async def test_the_clock__does_not_wait_for_what_was_lost_yesterday(work: Work) -> None:
    lost = await work.begin(CLOCK)
    work.place.clock.advance(86_401)
    assert await work.begin(CLOCK) != lost


async def test_work_that_nobody_began__is_not_found(work: Work) -> None:
    with pytest.raises(Missing) as caught:
        await work.row("reconcile-unknown")
    assert caught.value.code == "RECONCILIATION_NOT_FOUND"
