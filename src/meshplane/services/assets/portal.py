"""Shows the mesh's data products in the portal, and tells what others change of them there."""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from meshplane.boundary.actor import service_actor
from meshplane.boundary.portal_links import (
    GONE,
    MOST_LETTERS,
    PortalDifference,
    PortalLink,
    differences,
    gone,
    ids_of,
    link_of,
    not_ready,
    settle,
)
from meshplane.boundary.portal_things import ThingsInPortal
from meshplane.events.consumer import Consumer
from meshplane.kit.clock import Clock
from meshplane.platform.events import StoredEvent
from meshplane.platform.store import Store, UnitOfWork
from meshplane.services.assets.api import PUBLISHED
from meshplane.services.assets.portal_words import with_new, words_said
from meshplane.services.assets.ports import ACTIVE, AssetPortal, Product, ProductThere
from meshplane.services.assets.store import ALL, ASSET_PORTAL_LINKS, ASSETS
from meshplane.services.projects.api import ProjectsApi

_KINDS = frozenset({"AssetPublished", "AssetUpdated", "AssetMetadataChanged"})


class AssetsInPortal(ThingsInPortal):
    """Keeps the portal's products, and their listings, as the mesh's assets are.

    Args:
        portal: where they are shown.
        projects: the service below.
        store: holds the assets and the links.
        clock: the present.
    """

    def __init__(
        self, portal: AssetPortal, projects: ProjectsApi, store: Store, clock: Clock
    ) -> None:
        super().__init__(ASSET_PORTAL_LINKS, store, clock)
        self._portal = portal
        self._projects = projects

    @property
    def consumers(self) -> tuple[Consumer, ...]:
        """The events that it follows."""
        return (Consumer("assets.portal", _KINDS, self._on_event, "management-app.assets"),)

    async def bring(self, work: UnitOfWork, asset_id: str, *, mend: bool = False) -> None:
        """Makes one listed asset in the portal what it is here; what others wrote there stays.

        Args:
            work: the link is written with it.
            asset_id: of the asset; one that is not listed here is not shown there.
            mend: whether what others wrote is overwritten, what they took out of the catalogue
                listed, and what they deleted made again.

        Raises:
            Unavailable: PORTAL_NOT_READY, its project, a term or a form of it is not there yet; or
                the portal is not to be had.
        """
        row = await work.get(ASSETS, asset_id)
        if row is None or row.item["status"] != PUBLISHED:
            return
        link = await link_of(work, ASSET_PORTAL_LINKS, asset_id)
        there = await self._portal.look(link.portal_id) if link else None
        if link is not None and there is None and not mend:
            self.keep(work, gone(link))
            return
        applied = link.applied if link and there else None
        words = await words_said(work, row.item, applied)
        wanted = {**_wanted(row.item), **words}
        if there is None:
            project = await self._project(row.item["projectId"])
            there = await self._portal.ensure(project, _product(row.item, wanted))
        plan = settle(wanted, with_new(words, applied), there.said, mend=mend)
        if plan.is_needed:
            there = await self._portal.revise(there.portal_id, _product(row.item, plan.written))
        drift = dict(plan.drift)
        if _was_withdrawn(link, there) and not mend:
            drift["listing"] = there.listing
        elif (there.listing, there.listed_revision) != (ACTIVE, there.revision):
            there = await self._portal.publish(there.portal_id)
        left = PortalLink(
            asset_id,
            there.portal_id,
            applied=wanted,
            facts={
                "revision": there.revision,
                "listingId": there.listing_id,
                "listing": ACTIVE,
            },
            drift=drift,
        )
        self.keep(work, left)

    def own_ids(self) -> AsyncIterator[str]:
        """See `ThingsInPortal.own_ids`: every asset; those that are not listed are passed over."""
        return ids_of(self._store, ASSETS, ALL, index="byName", name="assetId")

    async def differing(self, link: PortalLink) -> list[PortalDifference]:
        """See `ThingsInPortal.differing`."""
        work = self._store.begin()
        row = await work.get(ASSETS, link.own_id)
        wanted, words = dict(link.applied), {}
        if row is not None:
            words = await words_said(work, row.item, link.applied, is_strict=False)
            wanted = {**_wanted(row.item), **words}
        there = await self._portal.look(link.portal_id)
        if there is None:
            return differences("asset", link, wanted, {"": GONE})
        drift = settle(wanted, with_new(words, link.applied), there.said).drift
        if _was_withdrawn(link, there):
            drift["listing"] = there.listing
        return differences("asset", link, {**wanted, "listing": ACTIVE}, drift)

    async def _project(self, project_id: str) -> str:
        found = await self._projects.portal_id(service_actor("assets"), project_id)
        if not found:
            raise not_ready("the asset's project")
        return found

    async def _on_event(self, work: UnitOfWork, event: StoredEvent) -> None:
        await self.bring(work, event.detail["assetId"])


def _was_withdrawn(link: PortalLink | None, there: ProductThere) -> bool:
    """Whether others took out of the catalogue what we had listed."""
    was_listed = link is not None and link.facts.get("listing") == ACTIVE
    return was_listed and there.listing not in (ACTIVE, "CREATING")


def _wanted(item: Mapping[str, Any]) -> dict[str, str]:
    columns = item["columns"]
    return {
        "name": item["name"],
        "description": item["description"][:MOST_LETTERS],
        "owner": item["owner"],
        "classification": item["classification"],
        "contractVersion": item["contractVersion"],
        "domain": item["domainName"],
        "project": item["projectName"],
        "columns": json.dumps({one["name"]: one["type"] for one in columns}),
        **{f"column {one['name']}": one["description"] for one in columns},
    }


def _product(item: Mapping[str, Any], said: Mapping[str, str]) -> Product:
    return Product(item["assetId"], item["domainName"], item["name"], said)
