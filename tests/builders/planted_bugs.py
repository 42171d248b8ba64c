"""Mistakes that an engine and a bus could have, to show that the simulation would find them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from meshplane.events import queue_worker, rule_dispatch, scheduler
from meshplane.events.lane import CURSORS, CursorMoved
from meshplane.events.queue_lease import Lease
from meshplane.events.queues import MESSAGES, Message, finish
from meshplane.events.rule_relay import PLACE, RuleRelay
from meshplane.kit.errors import MeshplaneError
from meshplane.platform.local.sqlite import SqliteUnitOfWork
from meshplane.platform.store import UnitOfWork
from meshplane.platform.tables import Row, Table
from meshplane.workflows import tokens
from meshplane.workflows.step import Step
from meshplane.workflows.tables import EXECUTION_HISTORY, EXECUTIONS, TASK_TOKENS

Plant = Callable[[pytest.MonkeyPatch], None]


def effect_and_end_of_a_message_in_two_commits(patch: pytest.MonkeyPatch) -> None:
    """What a handler wrote is committed before its message ends."""

    async def attempt(line: Any, message: Message, lease: Lease | None) -> None:
        work = line._store.begin(hops=message.hops)
        try:
            await line.handler.handle(work, message)
        except Exception as error:  # noqa: BLE001 - as the true one does
            settled = await queue_worker._settled(message, lease)
            await line._failed(settled, error, lease is not None)
            return
        await work.commit()
        end = line._store.begin()
        finish(end, await queue_worker._settled(message, lease))
        await end.commit()

    patch.setattr(queue_worker._Line, "_attempt", attempt)


def place_moved_before_the_messages_are_written(patch: pytest.MonkeyPatch) -> None:
    """The rule relay moves its place in a commit of its own, first."""

    async def page(relay: Any) -> bool:
        events = await relay._store.events_after(relay._read, 200)
        if not events:
            return False
        await relay._book.refresh()
        work, first = relay._store.begin(), relay._store.begin()
        reached, _ = relay._dispatch(work, events)
        first.put(
            CURSORS,
            {"consumer": PLACE, "position": reached},
            expected=relay._version,
            otherwise=CursorMoved("CURSOR_MOVED", "Another process matched it."),
        )
        await first.commit()
        await work.commit()
        relay._kept, relay._version, relay._read = reached, relay._version + 1, reached
        return True

    patch.setattr(RuleRelay, "_page", page)


def time_moved_before_the_firing_is_written(patch: pytest.MonkeyPatch) -> None:
    """The scheduler writes when a rule fires next in a commit of its own, first."""
    original, original_fire = rule_dispatch.dispatch, scheduler.Scheduler._fire
    firings: list[SqliteUnitOfWork] = []

    def dispatch(work: SqliteUnitOfWork, *given: Any, **named: Any) -> int:
        firings.append(SqliteUnitOfWork(work._store))
        return original(firings[-1], *given, **named)

    async def fire(self: scheduler.Scheduler, row: Row) -> int:
        firings.clear()
        fired = await original_fire(self, row)
        for firing in list(firings):
            await firing.commit()
        return fired

    patch.setattr(scheduler, "dispatch", dispatch)
    patch.setattr(scheduler.Scheduler, "_fire", fire)


def _without_fence(patch: pytest.MonkeyPatch, *tables: Table) -> None:
    original = SqliteUnitOfWork.put

    def put(
        self: SqliteUnitOfWork,
        table: Table,
        item: dict[str, Any],
        *,
        expected: int | None = None,
        otherwise: MeshplaneError | None = None,
    ) -> None:
        fence = None if table in tables else expected
        original(self, table, item, expected=fence, otherwise=otherwise)

    patch.setattr(SqliteUnitOfWork, "put", put)


def executions_without_a_fence(patch: pytest.MonkeyPatch) -> None:
    """Whoever has an execution in memory writes its next transition, whatever is there."""
    _without_fence(patch, EXECUTIONS, EXECUTION_HISTORY, TASK_TOKENS)


def messages_without_a_fence(patch: pytest.MonkeyPatch) -> None:
    """Whoever has a message ends it, whoever has taken it meanwhile."""
    _without_fence(patch, MESSAGES)
    patch.setattr(queue_worker, "finish", _finish_any)


def _finish_any(work: UnitOfWork, message: Message) -> None:
    work.delete(MESSAGES, message.queue, message.message_id)


def tokens_that_take_every_answer(patch: pytest.MonkeyPatch) -> None:
    """A token may be answered again."""
    patch.setattr(tokens, "refuse_closed", lambda row: None)


def timers_that_only_the_memory_knows(patch: pytest.MonkeyPatch) -> None:
    """An execution that waits does not say in the store until when."""
    original = Step._write_wake

    def write_wake(self: Step, item: dict[str, Any], stays: bool, *given: Any) -> None:
        original(self, item, stays, *given)
        if not stays:
            item.pop("wakeAt", None)
            item.pop("wakeShard", None)

    patch.setattr(Step, "_write_wake", write_wake)


def tasks_that_no_other_owner_takes_up(patch: pytest.MonkeyPatch) -> None:
    """Who takes over an execution forgets the tasks that were being performed."""
    patch.setattr(Step, "resume", lambda self: None)


def keys_that_change_with_the_owner(patch: pytest.MonkeyPatch) -> None:
    """Who takes a task up performs it under a key of his own."""
    original = Step.resume

    def resume(self: Step) -> None:
        original(self)
        number = self.held.version
        self.to_perform = [replace(each, key=f"{each.key}/{number}") for each in self.to_perform]

    patch.setattr(Step, "resume", resume)


WORKFLOW_BUGS: tuple[Plant, ...] = (
    executions_without_a_fence,
    tokens_that_take_every_answer,
    timers_that_only_the_memory_knows,
    tasks_that_no_other_owner_takes_up,
    keys_that_change_with_the_owner,
)

BUS_BUGS: tuple[Plant, ...] = (
    effect_and_end_of_a_message_in_two_commits,
    place_moved_before_the_messages_are_written,
    time_moved_before_the_firing_is_written,
    messages_without_a_fence,
)
