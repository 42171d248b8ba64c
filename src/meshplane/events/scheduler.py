"""The scheduler: fires the rules that have a schedule.

A firing is one commit: its messages, and when the rule is due next, with the version that was read.
So of several processes one fires, and a kill between the two is impossible.
"""

import asyncio
import math
import time
from contextlib import suppress
from datetime import datetime, timedelta
from logging import DEBUG

from meshplane.events.envelope import BUS, scheduled_envelope
from meshplane.events.queues import milliseconds
from meshplane.events.rule_book import RuleBook
from meshplane.events.rule_dispatch import dispatch
from meshplane.events.rules import RULE_GENERATIONS, Rule
from meshplane.events.schedules import (
    PRECISION_SECONDS,
    Schedule,
    flexible_offset_seconds,
    missed_firings,
    parse_schedule,
)
from meshplane.kit.clock import Clock, from_text, to_text
from meshplane.kit.errors import Stale
from meshplane.platform.stillness import parts
from meshplane.platform.store import ABSENT, Store
from meshplane.platform.tables import Between, Index, Row, Table
from meshplane.platform.telemetry import log
from meshplane.platform.trouble import Trouble

SCHEDULE_TIMES = Table(
    "ScheduleTimes",
    "bus",
    "rule",
    indexes=(Index("byTime", "bus", "fireAt"),),
    numbers=("fireAt",),
)
"""When each rule fires next. `fireAt`, in epoch milliseconds, is null once a schedule is over."""

_LOOKS_AT = parts(SCHEDULE_TIMES, RULE_GENERATIONS)
_POLL_SECONDS, _OVERDUE_SECONDS = 1.0, 0.25
_PAGE = 100


class FiredElsewhere(Stale):
    """Another process fired it."""

    def __init__(self) -> None:
        super().__init__("FIRED_ELSEWHERE", "Another process fired it.")


class Scheduler:
    """Fires until it is stopped.

    Args:
        store: holds the times and takes the messages.
        book: the rules.
        clock: the present.
    """

    def __init__(self, store: Store, book: RuleBook, clock: Clock) -> None:
        self._store = store
        self._book = book
        self._clock = clock
        self._planned: dict[str, str] = {}
        self._trouble = Trouble("scheduler_waits", "scheduler_goes_on")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins."""
        self._task = asyncio.create_task(self._run(), name="scheduler")

    async def stop(self) -> None:
        """Ends; what falls due meanwhile is dealt with at the next start."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def run_due(self) -> int:
        """Fires what is due now, without `start`; how many firings that were."""
        await self._book.refresh()
        await self._plan()
        fired = 0
        while True:
            now = milliseconds(self._clock.now())
            page = await self._store.begin().query(
                SCHEDULE_TIMES, BUS, index="byTime", where=Between(None, now), limit=_PAGE
            )
            goes_on = False
            for row in page.rows:
                with suppress(FiredElsewhere):
                    fired += await self._fire(row)
                    goes_on = True
            # What others fired an index may show for a while: then the next round looks again.
            if not goes_on:
                return fired

    async def _run(self) -> None:
        while True:
            since = time.monotonic()
            try:
                await self.run_due()
                most_seconds = await self._most_seconds()
            except Exception as error:  # noqa: BLE001 - nothing may end the schedules for good
                self._trouble.met(error)
                most_seconds = _POLL_SECONDS
            else:
                self._trouble.over()
            await self._store.stillness.pause(
                _POLL_SECONDS, most_seconds, of=_LOOKS_AT, since=since
            )

    async def _most_seconds(self) -> float:
        """Until the next firing; a moment where it is over already."""
        page = await self._store.begin().query(SCHEDULE_TIMES, BUS, index="byTime", limit=1)
        if not page.rows:
            return math.inf
        wait: float = page.rows[0].item["fireAt"] / 1000 - self._clock.now().timestamp()
        return wait if wait > 0 else _OVERDUE_SECONDS

    async def _plan(self) -> None:
        """Gives each rule that is new or was changed its next time."""
        rules = {rule.name: rule for rule in self._book.scheduled()}
        wanted = {name: _plan_of(rule) for name, rule in rules.items()}
        if wanted == self._planned:
            return
        for name, plan in wanted.items():
            if self._planned.get(name) != plan:
                await self._plan_one(rules[name], plan)
        self._planned = wanted

    async def _plan_one(self, rule: Rule, plan: str) -> None:
        work = self._store.begin()
        row = await work.get(SCHEDULE_TIMES, BUS, rule.name)
        if row is not None and row.item["plan"] == plan:
            return
        # Not from now on: the process may have died after the rule was written, and before this.
        since = from_text(rule.enabled_at) if rule.enabled_at else self._clock.now()
        due = _schedule(rule).next_after(since)
        work.put(
            SCHEDULE_TIMES,
            _times_item(rule, plan, since, due),
            expected=row.version if row else ABSENT,
            otherwise=FiredElsewhere(),
        )
        with suppress(FiredElsewhere):
            await work.commit()
            log(DEBUG, "schedule_planned", rule=rule.name)

    async def _fire(self, row: Row) -> int:
        """Fires one rule, or drops the time of one that is not to fire any more.

        Raises:
            FiredElsewhere: another process was quicker.
        """
        work = self._store.begin()
        name = row.item["rule"]
        rule = self._planned_rule(row)
        if rule is None:
            # The row may be newer than the book; what it was planned from is not.
            await self._book.refresh()
            rule = self._planned_rule(row)
        if rule is None:
            work.delete(SCHEDULE_TIMES, BUS, name, expected=row.version, otherwise=FiredElsewhere())
            await work.commit()
            self._planned.pop(name, None)
            return 0
        now = self._clock.now()
        firings, last, following = _due_firings(rule, row, now)
        for due in firings:
            dispatch(work, rule, scheduled_envelope(name, due), hops=0, now=now)
        work.put(
            SCHEDULE_TIMES,
            _times_item(rule, row.item["plan"], last, following),
            expected=row.version,
            otherwise=FiredElsewhere(),
        )
        await work.commit()
        return len(firings)

    def _planned_rule(self, row: Row) -> Rule | None:
        """The rule that a time was planned for, if it still is as it was then."""
        rule = self._book.get(row.item["rule"])
        if rule is None or not rule.enabled or _plan_of(rule) != row.item["plan"]:
            return None
        return rule


def _due_firings(
    rule: Rule, row: Row, now: datetime
) -> tuple[tuple[datetime, ...], datetime, datetime | None]:
    """What to fire, up to when that settles it, and the next due time."""
    schedule, due = _schedule(rule), from_text(row.item["due"])
    late = timedelta(milliseconds=milliseconds(now) - row.item["fireAt"])
    if late <= timedelta(seconds=PRECISION_SECONDS):
        return (due,), due, schedule.next_after(due)
    missed = missed_firings(schedule, from_text(row.item["lastDue"]), now, rule.on_missed)
    return missed.due, now, missed.next_due


def _schedule(rule: Rule) -> Schedule:
    anchor = from_text(rule.created_at) if rule.created_at else None
    return parse_schedule(str(rule.schedule_expression), rule.timezone, anchor=anchor)


def _plan_of(rule: Rule) -> str:
    """What a rule's times follow from: when it changes, they are made anew."""
    return (
        f"{rule.schedule_expression}|{rule.timezone}|"
        f"{rule.flexible_window_minutes}|{rule.enabled_at}"
    )


def _times_item(
    rule: Rule, plan: str, last_due: datetime, due: datetime | None
) -> dict[str, str | int | None]:
    fire_at = None
    if due is not None:
        offset_seconds = 0.0
        if rule.flexible_window_minutes:
            window = rule.flexible_window_minutes
            offset_seconds = flexible_offset_seconds(rule.name, due, window)
        fire_at = milliseconds(due + timedelta(seconds=offset_seconds))
    return {
        "bus": BUS,
        "rule": rule.name,
        "plan": plan,
        "lastDue": to_text(last_due),
        "due": to_text(due) if due else None,
        "fireAt": fire_at,
    }
