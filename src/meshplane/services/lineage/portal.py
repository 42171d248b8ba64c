"""Shows in the portal which runs made which data."""

from collections.abc import Mapping
from typing import Any

from meshplane.boundary.actor import service_actor
from meshplane.boundary.portal_links import PortalLink, put_link
from meshplane.events.consumer import Consumer
from meshplane.kit.clock import Clock, to_text
from meshplane.platform.events import StoredEvent
from meshplane.platform.store import UnitOfWork
from meshplane.services.assets.api import AssetsApi
from meshplane.services.lineage.ports import DatasetName, LineagePortal, LineageRun, RunColumn
from meshplane.services.lineage.store import LINEAGE_PORTAL_LINKS

_JOB = "query"


class LineageInPortal:
    """Hands every run that made rows to the portal.

    Args:
        portal: where they are shown.
        assets: the service below.
        clock: the present.
    """

    def __init__(self, portal: LineagePortal, assets: AssetsApi, clock: Clock) -> None:
        self._portal = portal
        self._assets = assets
        self._clock = clock

    @property
    def consumers(self) -> tuple[Consumer, ...]:
        """The events that it follows."""
        kinds = frozenset({"TableSnapshotCommitted"})
        return (Consumer("lineage.portal", kinds, self._on_event, "management-app.tables"),)

    async def _on_event(self, work: UnitOfWork, event: StoredEvent) -> None:
        detail = event.detail
        if detail["queryId"] is None:
            return
        run = await self._run(detail)
        posted = await self._portal.post(event.event_id, run)
        # The latest of each table: what it was is in the portal itself.
        facts = {"run": run.run_id, "eventId": event.event_id}
        link = PortalLink(detail["tableId"], posted, facts=facts)
        put_link(work, LINEAGE_PORTAL_LINKS, link, to_text(self._clock.now()))

    async def _run(self, detail: Mapping[str, Any]) -> LineageRun:
        origins = detail["origins"]
        sources = sorted({*detail["fromTableIds"], *(one["fromTableId"] for one in origins)})
        tables = [*sources, detail["tableId"]]
        found = await self._assets.of_tables(service_actor("lineage"), tables)
        named = {
            one.table_id: DatasetName(one.domain_name, one.name)
            for one in found
            if one.is_published
        }
        for table in tables:
            named.setdefault(table, DatasetName("", table))
        return LineageRun(
            run_id=detail["queryId"],
            job=_JOB,
            at=detail["committedAt"],
            inputs=tuple(named[one] for one in sources),
            output=named[detail["tableId"]],
            columns=tuple(
                RunColumn(
                    one["column"],
                    named[one["fromTableId"]],
                    one["fromColumn"],
                    one["type"],
                    one["subtype"],
                )
                for one in origins
            ),
        )
