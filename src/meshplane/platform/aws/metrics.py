"""Figures of the mesh in CloudWatch."""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from logging import WARNING
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

Unit = Literal["Seconds", "Milliseconds", "Bytes", "Percent", "Count", "None"]

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html
MOST_OF_A_CALL = 1000
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
    """

    name: str
    value: float
    unit: Unit
    at: datetime
    dimensions: Mapping[str, str] = field(default_factory=dict)


class Metrics:
    """Collects figures, and sends them in calls of a thousand.

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
        self._waiting: deque[Figure] = deque(maxlen=_MOST_KEPT)

    def record(
        self,
        name: str,
        value: float,
        unit: Unit = "None",
        dimensions: Mapping[str, str] | None = None,
        at: datetime | None = None,
    ) -> None:
        """Takes a figure, to be sent later. Where 20,000 wait, the oldest is dropped.

        Raises:
            Invalid: FIGURE_INVALID, CloudWatch would refuse it.
        """
        found = Figure(name, float(value), unit, at or self._clock.now(), dict(dimensions or {}))
        _check(found)
        self._waiting.append(found)

    async def send(self) -> int:
        """Sends what waits; how many. What cannot be sent now waits on.

        Raises:
            AwsUnavailable: CloudWatch does not answer.
        """
        sent = 0
        while self._waiting:
            part = [self._waiting.popleft() for _ in range(min(MOST_OF_A_CALL, len(self._waiting)))]
            try:
                await self._aws.call(
                    "cloudwatch",
                    "put_metric_data",
                    Namespace=self._namespace,
                    MetricData=[_datum(figure) for figure in part],
                )
            except AwsRejected as refusal:
                # The same figures would be refused again, and hold back all others.
                log(WARNING, "figures_refused", code=refusal.aws_code, figures=len(part))
                continue
            except BaseException:
                self._waiting.extendleft(reversed(part))
                raise
            sent += len(part)
        return sent

    async def run(self) -> None:
        """Sends every now and then, until it is cancelled."""
        while True:
            await asyncio.sleep(self._interval_seconds)
            try:
                await self.send()
            except MeshplaneError as error:
                log(WARNING, "figures_not_sent", code=error.code, figures=len(self._waiting))


def _check(figure: Figure) -> None:
    texts = [figure.name, *figure.dimensions, *figure.dimensions.values()]
    sound = (
        -_LARGEST <= figure.value <= _LARGEST
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


def _datum(figure: Figure) -> dict[str, Any]:
    datum: dict[str, Any] = {
        "MetricName": figure.name,
        "Value": figure.value,
        "Unit": figure.unit,
        "Timestamp": figure.at.astimezone(UTC),
    }
    if figure.dimensions:
        datum["Dimensions"] = [
            {"Name": name, "Value": value} for name, value in figure.dimensions.items()
        ]
    return datum
