"""Shows glossaries and terms in the portal, and tells what others have changed of them there."""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from meshplane.boundary.actor import service_actor
from meshplane.boundary.portal_links import (
    GONE,
    PortalDifference,
    PortalLink,
    differences,
    gone,
    ids_of,
    link_of,
    links_of,
    not_ready,
    settle,
)
from meshplane.boundary.portal_things import ThingsInPortal
from meshplane.events.consumer import Consumer
from meshplane.kit.clock import Clock
from meshplane.platform.events import StoredEvent
from meshplane.platform.store import Store, UnitOfWork
from meshplane.platform.tables import StartsWith
from meshplane.services.assets.api import AssetsApi
from meshplane.services.catalog.glossary import CLASSIFIES, IS_A, related
from meshplane.services.catalog.glossary_rows import DISABLED, ENABLED
from meshplane.services.catalog.ports import GlossaryPortal
from meshplane.services.catalog.store import (
    ALL,
    GLOSSARIES,
    GLOSSARY_PORTAL_LINKS,
    GLOSSARY_TERM_RELATIONS,
    GLOSSARY_TERMS,
    TERM_PORTAL_LINKS,
)

IN_USE = "(in use there)"
"""What a difference shows of a term that was removed here, and that others have put on something
there."""

_SOURCE = "management-app.catalog"
_PAGE = 200
_TERMS = StartsWith("term-")


class GlossariesInPortal(ThingsInPortal):
    """Keeps the portal's glossaries as the mesh's are.

    Args:
        portal: where they are shown.
        store: holds the glossaries and the links.
        clock: the present.
    """

    def __init__(self, portal: GlossaryPortal, store: Store, clock: Clock) -> None:
        super().__init__(GLOSSARY_PORTAL_LINKS, store, clock)
        self._portal = portal

    @property
    def consumers(self) -> tuple[Consumer, ...]:
        """The events that it follows."""
        kinds = frozenset({"GlossaryCreated", "GlossaryUpdated"})
        return (Consumer("catalog.portal-glossaries", kinds, self._on_event, _SOURCE),)

    async def bring(self, work: UnitOfWork, glossary_id: str, *, mend: bool = False) -> None:
        """Makes one glossary in the portal what it is here; what others wrote there stays.

        Args:
            work: the link is written with it.
            glossary_id: of the glossary.
            mend: whether what others wrote is overwritten, and what they deleted made again.

        Raises:
            Unavailable: the portal is not to be had.
        """
        row = await work.get(GLOSSARIES, glossary_id)
        if row is None:
            return
        link = await link_of(work, GLOSSARY_PORTAL_LINKS, glossary_id)
        wanted = _glossary_wanted(row.item)
        there = await self._portal.look_glossary(link.portal_id) if link else None
        if link is not None and there is None and not mend:
            self.keep(work, gone(link))
            return
        applied = link.applied if link is not None and there is not None else None
        if there is None:
            there = await self._portal.ensure_glossary(wanted)
        plan = settle(wanted, applied, there.said, mend=mend)
        if plan.is_needed:
            await self._portal.change_glossary(there.portal_id, plan.written)
        left = PortalLink(glossary_id, there.portal_id, applied=wanted, drift=plan.drift)
        self.keep(work, left)

    def own_ids(self) -> AsyncIterator[str]:
        """The ids of all glossaries."""
        return ids_of(self._store, GLOSSARIES, ALL, index="byName", name="glossaryId")

    async def differing(self, link: PortalLink) -> list[PortalDifference]:
        """See `ThingsInPortal.differing`."""
        row = await self._store.begin().get(GLOSSARIES, link.own_id)
        wanted = _glossary_wanted(row.item) if row else dict(link.applied)
        there = await self._portal.look_glossary(link.portal_id)
        drift = settle(wanted, link.applied, there.said).drift if there else {"": GONE}
        return differences("glossary", link, wanted, drift)

    async def _on_event(self, work: UnitOfWork, event: StoredEvent) -> None:
        await self.bring(work, event.detail["glossaryId"])


class TermsInPortal(ThingsInPortal):
    """Keeps the portal's terms as the mesh's are, and tells assets what they are called there.

    Args:
        portal: where they are shown.
        assets: the service below, which shows terms with its products.
        store: holds the terms and the links.
        clock: the present.
    """

    def __init__(
        self, portal: GlossaryPortal, assets: AssetsApi, store: Store, clock: Clock
    ) -> None:
        super().__init__(TERM_PORTAL_LINKS, store, clock)
        self._portal = portal
        self._assets = assets

    @property
    def consumers(self) -> tuple[Consumer, ...]:
        """The events that it follows."""
        kinds = {"GlossaryTermCreated", "GlossaryTermUpdated", "GlossaryTermDeleted"}
        followed = frozenset({*kinds, "GlossaryUpdated"})
        return (Consumer("catalog.portal-terms", followed, self._on_event, _SOURCE),)

    async def bring(self, work: UnitOfWork, term_id: str, *, mend: bool = False) -> None:
        """Makes one term in the portal what it is here; one that is gone here is removed there.

        A related term that is not there yet is left out, and comes with that term.

        Args:
            work: the link is written with it.
            term_id: of the term.
            mend: as of `GlossariesInPortal.bring`.

        Raises:
            Unavailable: PORTAL_NOT_READY, its glossary is not there yet; or the portal is not to be
                had.
        """
        row = await work.get(GLOSSARY_TERMS, term_id)
        link = await link_of(work, TERM_PORTAL_LINKS, term_id)
        if row is None:
            await self._remove(work, link)
            return
        there = await self._portal.look_term(link.portal_id) if link else None
        if link is not None and there is None and not mend:
            self.keep(work, gone(link))
            return
        applied = link.applied if link is not None and there is not None else None
        wanted, lacks = await _term_wanted(work, row.item)
        if there is None:
            glossary = await link_of(work, GLOSSARY_PORTAL_LINKS, row.item["glossaryId"])
            if glossary is None:
                raise not_ready("the term's glossary")
            there = await self._portal.ensure_term(glossary.portal_id, wanted)
        plan = settle(wanted, applied, there.said, mend=mend)
        if plan.is_needed:
            await self._portal.change_term(there.portal_id, plan.written)
        left = PortalLink(
            term_id,
            there.portal_id,
            applied=wanted,
            facts={"lacks": lacks},
            drift=plan.drift,
        )
        self.keep(work, left)
        await self._tell_assets(work, row.item, there.portal_id)
        if link is None or link.portal_id != there.portal_id:
            await self._bring_relating(work, term_id)

    async def differing(self, link: PortalLink) -> list[PortalDifference]:
        """See `ThingsInPortal.differing`."""
        work = self._store.begin()
        row = await work.get(GLOSSARY_TERMS, link.own_id)
        there = await self._portal.look_term(link.portal_id)
        if row is None:
            return differences("term", link, {}, link.drift if there is not None else {})
        wanted, _ = await _term_wanted(work, row.item)
        drift = settle(wanted, link.applied, there.said).drift if there else {"": GONE}
        return differences("term", link, wanted, drift)

    async def _remove(self, work: UnitOfWork, link: PortalLink | None) -> None:
        if link is None:
            return
        if await self._portal.remove_term(link.portal_id):
            work.delete(TERM_PORTAL_LINKS, link.own_id)
            return
        left = PortalLink(link.own_id, link.portal_id, applied=link.applied, drift={"": IN_USE})
        self.keep(work, left)

    async def _tell_assets(self, work: UnitOfWork, item: Mapping[str, Any], portal_id: str) -> None:
        """What is disabled is on nothing there, so that it has no name for assets."""
        glossary = await work.get(GLOSSARIES, item["glossaryId"])
        states = {item["status"], glossary.item["status"] if glossary else DISABLED}
        names = {item["termId"]: portal_id if states == {ENABLED} else ""}
        await self._assets.note_in_portal(service_actor("catalog"), names)

    async def _bring_relating(self, work: UnitOfWork, term_id: str) -> None:
        """Brings the terms again that lacked this one."""
        cursor: str | None = None
        while True:
            page = await work.query(
                GLOSSARY_TERM_RELATIONS, term_id, where=_TERMS, limit=_PAGE, cursor=cursor
            )
            for row in page.rows:
                other = await link_of(work, TERM_PORTAL_LINKS, row.item["fromTermId"])
                if other is not None and term_id in other.facts.get("lacks", ()):
                    await self.bring(work, other.own_id)
            cursor = page.cursor
            if cursor is None:
                return

    async def own_ids(self) -> AsyncIterator[str]:
        """The ids of all terms, and of those that are gone here and not yet there."""
        glossaries = ids_of(self._store, GLOSSARIES, ALL, index="byName", name="glossaryId")
        async for glossary_id in glossaries:
            terms = ids_of(
                self._store, GLOSSARY_TERMS, glossary_id, index="byGlossary", name="termId"
            )
            async for term_id in terms:
                yield term_id
        async for link in links_of(self._store, TERM_PORTAL_LINKS):
            if await self._store.begin().get(GLOSSARY_TERMS, link.own_id) is None:
                yield link.own_id

    async def _on_event(self, work: UnitOfWork, event: StoredEvent) -> None:
        if event.type != "GlossaryUpdated":
            await self.bring(work, event.detail["termId"])
        elif "status" in event.detail["fields"]:
            terms = ids_of(
                self._store,
                GLOSSARY_TERMS,
                event.detail["glossaryId"],
                index="byGlossary",
                name="termId",
            )
            async for term_id in terms:
                await self.bring(work, term_id)


def _glossary_wanted(item: Mapping[str, Any]) -> dict[str, str]:
    return {
        # One project owns all of them there, and its glossaries have names of their own each.
        "name": f"{item['domainName']}: {item['name']}",
        "description": item["description"],
        "status": item["status"],
    }


async def _term_wanted(
    work: UnitOfWork, item: Mapping[str, Any]
) -> tuple[dict[str, str], list[str]]:
    """What a term is to say there, and the related terms that are not there yet."""
    links = {one: await link_of(work, TERM_PORTAL_LINKS, one) for one in related(item["relations"])}
    ids = {one: link.portal_id for one, link in links.items() if link is not None}
    wanted = {
        "name": item["name"],
        "shortDescription": item["shortDescription"],
        "longDescription": item["longDescription"],
        "status": item["status"],
    }
    for kind in (IS_A, CLASSIFIES):
        known = [ids[one] for one in item["relations"][kind] if one in ids]
        wanted[kind] = json.dumps(sorted(known))
    return wanted, [one for one in links if one not in ids]
