"""Shows quality scores in the portal."""

from meshplane.boundary.actor import service_actor
from meshplane.boundary.portal_links import PortalLink, not_ready, put_link
from meshplane.events.consumer import Consumer
from meshplane.kit.clock import Clock, to_text
from meshplane.platform.events import StoredEvent
from meshplane.platform.store import UnitOfWork
from meshplane.services.assets.api import AssetsApi
from meshplane.services.quality.ports import QualityPortal, RuleOutcome, ScorePoint
from meshplane.services.quality.store import QUALITY_PORTAL_LINKS, RUNS


class QualityInPortal:
    """Adds the score of every run to its asset's scores in the portal.

    Args:
        portal: where they are shown.
        assets: the service below.
        clock: the present.
    """

    def __init__(self, portal: QualityPortal, assets: AssetsApi, clock: Clock) -> None:
        self._portal = portal
        self._assets = assets
        self._clock = clock

    @property
    def consumers(self) -> tuple[Consumer, ...]:
        """The events that it follows."""
        kinds = frozenset({"DataQualityRunCompleted"})
        return (Consumer("quality.portal", kinds, self._on_event, "management-app.data-quality"),)

    async def _on_event(self, work: UnitOfWork, event: StoredEvent) -> None:
        detail, actor = event.detail, service_actor("quality")
        asset = await self._assets.find(actor, detail["assetId"])
        if asset is None or not asset.is_published:
            return  # it is not shown there
        shown = await self._assets.in_portal(actor, detail["assetId"])
        if shown is None:
            raise not_ready("the asset")
        row = await work.get(RUNS, detail["runId"])
        rules = row.item["rules"] if row else []
        point = ScorePoint(
            run_id=detail["runId"],
            at=detail["completedAt"],
            percentage=detail["score"] * 100,
            rules=[RuleOutcome(one["rule"], one["outcome"], one["message"] or "") for one in rules],
        )
        await self._portal.post(shown.asset_id, point)
        facts = {"runId": point.run_id, "at": point.at}
        link = PortalLink(detail["assetId"], shown.asset_id, facts=facts)
        put_link(work, QUALITY_PORTAL_LINKS, link, to_text(self._clock.now()))
