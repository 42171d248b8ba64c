"""Counts and times of requests as figures of CloudWatch, from what `/metrics` shows as well."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from logging import ERROR

from meshplane.gateway.metrics import RequestMetrics, Timing
from meshplane.platform.aws.metrics import Metrics
from meshplane.platform.telemetry import log

REQUESTS, ERRORS, LATENCY = "ApiRequests", "ApiErrors", "ApiLatency"
"""Requests answered; those of them that the mesh itself failed (5xx); seconds to answer."""

_FAILED = 500


@dataclass(frozen=True, slots=True)
class _Seen:
    counts: Mapping[tuple[str, int], float]
    timings: Mapping[str, Timing]


class RequestFigures:
    """Hands on, once an interval, what was counted since.

    For each operation that was asked for, and for all of them without a dimension.

    Args:
        counted: the counters of this process.
        metrics: takes the figures.
        interval_seconds: how often.
    """

    def __init__(self, counted: RequestMetrics, metrics: Metrics, interval_seconds: float) -> None:
        self._counted, self._metrics = counted, metrics
        self._interval_seconds = interval_seconds
        self._before = _Seen({}, {})
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to look."""
        self._task = asyncio.create_task(self._run(), name="request-figures")

    async def stop(self) -> None:
        """Ends, after a last look."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self.take()

    async def take(self) -> None:
        """Hands on what was counted since the last time."""
        now = _Seen(*await asyncio.to_thread(self._counted.totals))
        before, self._before = self._before, now
        requests: dict[str, float] = defaultdict(float)
        errors: dict[str, float] = defaultdict(float)
        for (operation, status), count in now.counts.items():
            more = count - before.counts.get((operation, status), 0.0)
            for name in (operation, ""):
                requests[name] += more
                errors[name] += more if status >= _FAILED else 0.0
        for operation, count in requests.items():
            if count > 0:
                where = _where(operation)
                self._metrics.record(REQUESTS, count, "Count", where)
                self._metrics.record(ERRORS, errors[operation], "Count", where)
        for operation, timing in _summed(now, before).items():
            spread = spread_of(timing)
            if spread:
                self._metrics.record_spread(LATENCY, spread, "Seconds", _where(operation))

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval_seconds)
            try:
                await self.take()
            except Exception as error:  # noqa: BLE001 - nothing may end it for good
                log(ERROR, "request_figures_missed", exc_info=error)


def spread_of(timing: Timing) -> list[tuple[float, float]]:
    """A histogram as values with their counts, one for each bucket that holds any.

    Each value lies within its bucket, and all of them at the same part of it, chosen so that their
    sum is the sum that was measured: averages are right, and percentiles right to a bucket.
    """
    held = [
        (low, high, count)
        for (low, high), count in zip(pairwise((0.0, *timing.bounds)), timing.counts, strict=True)
        if count > 0
    ]
    finite = [one for one in held if one[1] != float("inf")]
    beyond = [one for one in held if one[1] == float("inf")]
    least = sum(low * count for low, _, count in held)
    room = sum((high - low) * count for low, high, count in finite)
    part = min(max((timing.seconds - least) / room, 0.0), 1.0) if room else 0.0
    found = [(low + part * (high - low), count) for low, high, count in finite]
    rest = timing.seconds - sum(value * count for value, count in found)
    return found + [(max(low, rest / count), count) for low, _, count in beyond]


def _summed(now: _Seen, before: _Seen) -> dict[str, Timing]:
    """What is new of each operation's histogram, and of all of them together."""
    found: dict[str, Timing] = {}
    for operation, timing in now.timings.items():
        fresh = _less(timing, before.timings.get(operation))
        found[operation] = fresh
        found[""] = _more(fresh, found.get(""))
    return found


def _less(timing: Timing, other: Timing | None) -> Timing:
    return timing if other is None else _joined(timing, other.counts, other.seconds, -1)


def _more(timing: Timing, other: Timing | None) -> Timing:
    return timing if other is None else _joined(timing, other.counts, other.seconds, 1)


def _joined(timing: Timing, counts: Sequence[float], seconds: float, sign: int) -> Timing:
    joined = tuple(mine + sign * theirs for mine, theirs in zip(timing.counts, counts, strict=True))
    return Timing(timing.bounds, joined, timing.seconds + sign * seconds)


def _where(operation: str) -> dict[str, str]:
    return {"Operation": operation} if operation else {}
