"""Figures of the mesh in CloudWatch."""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from logging import ERROR, WARNING
from typing import Any, Literal

from meshplane.kit.clock import Clock
from meshplane.kit.errors import Invalid, MeshplaneError
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.telemetry import log

NAMESPACE = "ManagementApp"
QUALITY_CHECK_DURATION = "DataQualityCheckDuration"
"""How long a run of a ruleset took, in seconds."""

QUALITY_SCORE = "DataQualityScore"
"""The score of an asset, 0 to 100 per cent."""

FIGURES_LOST = "FiguresLost"
"""How many figures never came here: refused, or dropped while CloudWatch did not answer."""

Unit = Literal["Seconds", "Milliseconds", "Bytes", "Percent", "Count", "None"]

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html
# "Each PutMetricData request is limited to 1 MB in size", and to 1,000 different metrics.
MOST_OF_A_CALL = 1000
_MOST_BYTES = 900_000
_BYTES_OF_A_DATUM, _BYTES_OF_A_TEXT, _BYTES_OF_A_VALUE = 160, 24, 32
_MOST_VALUES = 150
_LAST_SEND_SECONDS = 5.0
_MOST_DIMENSIONS = 30
_MOST_CHARACTERS = 1024
_MOST_KEPT = 20_000
_LARGEST = 2.0**360


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement.

    Args:
        name: `DataQualityScore`.
        value: finite, within ±2^360.
        unit: CloudWatch's word for it.
        dimensions: of what: {"Asset": "aviation.flights"}. Up to 30, none empty.
        at: when; an instant with its zone.
        spread: in place of `value`, up to 150 values, each with how often it was measured.
    """

    name: str
    value: float
    unit: Unit
    at: datetime
    dimensions: Mapping[str, str] = field(default_factory=dict)
    spread: tuple[tuple[float, float], ...] = ()


class Metrics:
    """Collects figures, and sends them in calls of a thousand and less than 1 MB.

    Taking one never waits for CloudWatch. What cannot be sent waits in memory and is sent later,
    with the time at which it was taken; where too much waits, the oldest is lost, which is counted,
    logged, and told as `FiguresLost`.

    Args:
        aws: who sends them.
        clock: tells when a figure was taken.
        namespace: where they are shown.
        interval_seconds: how often `run` sends.
    """

    def __init__(
        self,
        aws: Aws,
        clock: Clock,
        namespace: str = NAMESPACE,
        interval_seconds: float = 10.0,
    ) -> None:
        self._aws, self._clock, self._namespace = aws, clock, namespace
        self._interval_seconds = interval_seconds
        self._waiting: deque[Figure] = deque()
        self._lost, self._told_lost = 0, 0
        self._task: asyncio.Task[None] | None = None

    @property
    def lost(self) -> int:
        """How many figures were lost since the start."""
        return self._lost

    def record(
        self,
        name: str,
        value: float,
        unit: Unit = "None",
        dimensions: Mapping[str, str] | None = None,
        at: datetime | None = None,
    ) -> None:
        """Takes a figure, to be sent later. Where 20,000 wait, the oldest is lost.

        Raises:
            Invalid: FIGURE_INVALID, CloudWatch would refuse it.
        """
        self._take(
            Figure(name, float(value), unit, at or self._clock.now(), dict(dimensions or {}))
        )

    def record_spread(
        self,
        name: str,
        spread: Sequence[tuple[float, float]],
        unit: Unit = "None",
        dimensions: Mapping[str, str] | None = None,
        at: datetime | None = None,
    ) -> None:
        """Takes up to 150 values at once, each with how often it was measured; as `record`.

        Raises:
            Invalid: FIGURE_INVALID, CloudWatch would refuse it.
        """
        when, where = at or self._clock.now(), dict(dimensions or {})
        self._take(Figure(name, 0.0, unit, when, where, tuple(spread)))

    def _take(self, figure: Figure) -> None:
        _check(figure)
        self._waiting.append(figure)
        self._trim()

    def _trim(self) -> None:
        while len(self._waiting) > _MOST_KEPT:
            self._waiting.popleft()
            self._lost += 1

    async def send(self) -> int:
        """Sends what waits; how many. What cannot be sent now waits on.

        Raises:
            AwsUnavailable: CloudWatch does not answer.
        """
        self._tell_lost()
        sent = 0
        while self._waiting:
            part = self._next_part()
            try:
                await self._aws.call(
                    "cloudwatch",
                    "put_metric_data",
                    Namespace=self._namespace,
                    MetricData=[_datum(figure) for figure in part],
                )
            except AwsRejected as refusal:
                # The same figures would be refused again, and hold back all others.
                self._lost += len(part)
                log(WARNING, "figures_refused", code=refusal.aws_code, figures=len(part))
                continue
            except BaseException:
                self._waiting.extendleft(reversed(part))
                self._trim()
                raise
            sent += len(part)
        return sent

    def start(self) -> None:
        """Begins to send every now and then."""
        self._task = asyncio.create_task(self.run(), name="figures")

    async def stop(self) -> None:
        """Ends; what waits is sent if CloudWatch takes it within five seconds."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        try:
            async with asyncio.timeout(_LAST_SEND_SECONDS):
                await self.send()
        except (MeshplaneError, TimeoutError):
            log(WARNING, "figures_lost", figures=len(self._waiting), lost=self._lost)

    async def run(self) -> None:
        """Sends every now and then, until it is cancelled."""
        while True:
            await asyncio.sleep(self._interval_seconds)
            try:
                await self.send()
            except MeshplaneError as error:
                log(
                    WARNING,
                    "figures_not_sent",
                    code=error.code,
                    figures=len(self._waiting),
                    lost=self._lost,
                )
            except Exception as error:  # noqa: BLE001 - nothing may end it for good
                log(ERROR, "figures_not_sent", exc_info=error)

    def _tell_lost(self) -> None:
        """Makes a figure of what was lost since this was told last."""
        if self._lost > self._told_lost:
            log(WARNING, "figures_lost", lost=self._lost)
            self.record(FIGURES_LOST, self._lost - self._told_lost, "Count")
            self._told_lost = self._lost

    def _next_part(self) -> list[Figure]:
        """As many as one call takes, off the figures that wait."""
        part: list[Figure] = []
        room = _MOST_BYTES
        while self._waiting and len(part) < MOST_OF_A_CALL:
            room -= _bytes_of(self._waiting[0])
            if part and room < 0:
                break
            part.append(self._waiting.popleft())
        return part


def _check(figure: Figure) -> None:
    texts = [figure.name, *figure.dimensions, *figure.dimensions.values()]
    values = [figure.value, *(number for pair in figure.spread for number in pair)]
    sound = (
        all(-_LARGEST <= value <= _LARGEST for value in values)
        and len(figure.spread) <= _MOST_VALUES
        and all(count > 0 for _, count in figure.spread)
        and figure.at.tzinfo is not None
        and len(figure.dimensions) <= _MOST_DIMENSIONS
        and all(text.strip() and len(text) <= _MOST_CHARACTERS and text.isascii() for text in texts)
        and not any(name.startswith(":") for name in figure.dimensions)
    )
    if not sound:
        raise Invalid(
            "FIGURE_INVALID",
            "A figure is a finite number with a name, an instant with its zone, and up to 30 "
            "dimensions of plain text.",
        )


def _bytes_of(figure: Figure) -> int:
    """About how much of a call a figure takes, rather too much than too little."""
    texts = [figure.name, *figure.dimensions, *figure.dimensions.values()]
    letters = sum(len(text) + _BYTES_OF_A_TEXT for text in texts)
    return _BYTES_OF_A_DATUM + letters + 2 * len(figure.spread) * _BYTES_OF_A_VALUE


def _datum(figure: Figure) -> dict[str, Any]:
    datum: dict[str, Any] = {
        "MetricName": figure.name,
        "Unit": figure.unit,
        "Timestamp": figure.at.astimezone(UTC),
    }
    if figure.spread:
        datum["Values"] = [value for value, _ in figure.spread]
        datum["Counts"] = [count for _, count in figure.spread]
    else:
        datum["Value"] = figure.value
    if figure.dimensions:
        datum["Dimensions"] = [
            {"Name": name, "Value": value} for name, value in figure.dimensions.items()
        ]
    return datum
