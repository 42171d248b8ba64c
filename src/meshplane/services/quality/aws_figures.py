"""Shows in CloudWatch how long runs of rulesets took, and the scores that came of them.

The names are those of the mesh's dashboards and alarms: each figure is there without a dimension,
over all assets, and once more for its asset.
"""

from collections.abc import Mapping
from datetime import timedelta

from meshplane.boundary.actor import service_actor
from meshplane.events.consumer import Consumer
from meshplane.kit.clock import Clock, from_text
from meshplane.platform.aws.metrics import QUALITY_CHECK_DURATION, QUALITY_SCORE, Metrics
from meshplane.platform.events import StoredEvent
from meshplane.platform.store import UnitOfWork
from meshplane.services.assets.api import AssetsApi
from meshplane.services.quality.store import RUNS

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html
# "as much as two weeks before the current date": an hour less, for what waits to be sent.
_OLDEST = timedelta(days=14) - timedelta(hours=1)


class QualityFigures:
    """Hands on a score and a duration for every run.

    Args:
        metrics: takes them.
        assets: the service below.
        clock: the present.
    """

    def __init__(self, metrics: Metrics, assets: AssetsApi, clock: Clock) -> None:
        self._metrics = metrics
        self._assets = assets
        self._clock = clock

    @property
    def consumers(self) -> tuple[Consumer, ...]:
        """The events that it follows."""
        kinds = frozenset({"DataQualityRunCompleted"})
        return (Consumer("quality.figures", kinds, self._on_event, "management-app.data-quality"),)

    async def _on_event(self, work: UnitOfWork, event: StoredEvent) -> None:
        detail = event.detail
        at = from_text(detail["completedAt"])
        if self._clock.now() - at > _OLDEST:
            return  # CloudWatch does not take it any more
        row = await work.get(RUNS, detail["runId"])
        asset = await self._assets.find(service_actor("quality"), detail["assetId"])
        places: list[Mapping[str, str]] = [{}]
        if asset is not None:
            places.append({"Asset": f"{asset.domain_name}.{asset.name}"})
        for where in places:
            self._metrics.record(QUALITY_SCORE, detail["score"] * 100, "Percent", where, at)
            if row is not None:
                seconds = row.item["seconds"]
                self._metrics.record(QUALITY_CHECK_DURATION, seconds, "Seconds", where, at)
