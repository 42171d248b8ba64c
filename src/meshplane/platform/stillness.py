"""How long those who ask the store again and again may leave it alone.

Every commit of every process moves one number in the store, and is remembered with the rows that
it wrote. Whoever polls for what other processes wrote says what he looks at, and need not ask for
it while nothing of that was written. So one small read does for all of them.
"""

import asyncio
import math
import time
from collections.abc import Callable, Collection, Iterable
from typing import Any

from meshplane.platform.tables import KeyValue, Table

REST_SECONDS = 30.0
"""The longest pause while nothing moves: a net for what nobody has thought of."""

SETTLED_SECONDS = 10.0
"""How long nothing must have moved before pauses grow: an index may show another process's commit
that late."""

_KNOWN_SECONDS = 5.0

Part = tuple[str, KeyValue | None]
"""A table's name, and the partition of it that is meant; None: all of it."""

_ANYTHING: Part = ("", None)


def parts(*tables: Table) -> tuple[Part, ...]:
    """These tables, as `Stillness` is told what somebody looks at."""
    return tuple((table.name, None) for table in tables)


class Stillness:
    """Of a store. Where nobody counts its commits, every pause is as long as usual.

    Args:
        begin_counting: has `saw` called from time to time for as long as `is_awaited`; called
            often.
        settled_seconds: how long nothing must have moved before pauses grow.
        rest_seconds: how long they are then.
    """

    def __init__(
        self,
        begin_counting: Callable[[], object] = lambda: None,
        *,
        settled_seconds: float = SETTLED_SECONDS,
        rest_seconds: float = REST_SECONDS,
    ) -> None:
        self._begin_counting = begin_counting
        self.settled_seconds, self.rest_seconds = settled_seconds, rest_seconds
        self._commits: int | None = None
        self._saw_at = self._all_moved_at = -math.inf
        self._by_others: dict[Part, float] = {}
        self._by_us: dict[Part, float] = {}
        self._resting: dict[asyncio.Future[None], Collection[Part] | None] = {}

    @property
    def is_awaited(self) -> bool:
        """Whether somebody rests until something moves."""
        return bool(self._resting)

    def saw(self, commits: int, written: Collection[Part] | None = None) -> None:
        """Takes in how many commits there are by now.

        Args:
            commits: their number.
            written: the partitions that other processes wrote in those that are new; None: it is
                not known, so it may be any.
        """
        now = self._saw_at = time.monotonic()
        if commits == self._commits:
            return
        self._commits = commits
        if written is None:
            self._all_moved_at = now
            self._wake(None)
        else:
            self._note(self._by_others, written, now)

    def wrote(self, written: Iterable[Part]) -> None:
        """Takes in what this process has committed: every look from now on shows it."""
        self._note(self._by_us, written, time.monotonic())

    def seconds(
        self,
        usual_seconds: float,
        of: Collection[Part] | None = None,
        *,
        since: float | None = None,
    ) -> float:
        """How long to pause now: as usual, or longer while nothing moves.

        Args:
            usual_seconds: between two looks while anything moves.
            of: what is looked at; None: anything. Nothing, where the store itself tells of what is
                waited for: then the pause is as usual only where nobody counts commits.
            since: when the last look began, by `time.monotonic`; None: just now.
        """
        now = time.monotonic()
        if self._is_still(of, now, now if since is None else since):
            return max(usual_seconds, self.rest_seconds)
        return usual_seconds

    async def pause(
        self,
        usual_seconds: float,
        most_seconds: float = math.inf,
        *,
        of: Collection[Part] | None = None,
        since: float | None = None,
        woken: asyncio.Future[Any] | None = None,
    ) -> None:
        """Waits as one who polls does, after a look that found nothing.

        What is committed from the beginning of that look on ends the pause, or keeps it as short
        as usual.

        Args:
            usual_seconds: between two looks while anything moves.
            most_seconds: until something falls due that is known already.
            of: what was looked at, as in `seconds`.
            since: when the look began. Without it, the look took less than `settled_seconds`, and
                this process wrote nothing meanwhile.
            woken: ends the pause as well.
        """
        seconds = self.seconds(usual_seconds, of, since=since)
        moved: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if seconds > usual_seconds:
            self._resting[moved] = of
            self._begin_counting()
        waits = [moved] if woken is None else [moved, woken]
        try:
            await asyncio.wait(
                waits,
                timeout=max(0.0, min(seconds, most_seconds)),
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            self._resting.pop(moved, None)

    def _is_still(self, of: Collection[Part] | None, now: float, since: float) -> bool:
        # What was written longer ago than that is not remembered.
        if now - self._saw_at >= _KNOWN_SECONDS or now - since >= self.rest_seconds:
            return False
        if of is None:
            of = (_ANYTHING,)
        settled = since - self.settled_seconds
        return not of or (
            self._all_moved_at < settled
            and all(self._by_others.get(each, -math.inf) < settled for each in of)
            # What this process wrote shows at once, but not in a look that had begun before.
            and all(self._by_us.get(each, -math.inf) < since for each in of)
        )

    def _note(self, moved_at: dict[Part, float], written: Iterable[Part], now: float) -> None:
        parts = set(written)
        parts |= {(table, None) for table, _ in parts}
        if not parts:
            return
        parts.add(_ANYTHING)
        for part in parts:
            # The newest stand last.
            moved_at.pop(part, None)
            moved_at[part] = now
        # Whoever looked last before that looks again anyway.
        oldest = now - self.rest_seconds - self.settled_seconds
        while moved_at[first := next(iter(moved_at))] < oldest:
            del moved_at[first]
        self._wake(parts)

    def _wake(self, written: Collection[Part] | None) -> None:
        """Ends the rests of those who look at any of this; None: of all."""
        for one, of in self._resting.items():
            concerned = written is None or of is None or any(each in written for each in of)
            if concerned and not one.done():
                one.set_result(None)
