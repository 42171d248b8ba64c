"""Shows the mesh's domains in the portal, and tells what others have changed of them there."""

from collections.abc import AsyncIterator
from typing import Any

from meshplane.boundary.portal_links import (
    GONE,
    MOST_LETTERS,
    PortalDifference,
    PortalLink,
    differences,
    gone,
    ids_of,
    link_of,
    settle,
)
from meshplane.boundary.portal_members import applied as applied_members
from meshplane.boundary.portal_members import bring_members, strangers
from meshplane.boundary.portal_things import ThingsInPortal
from meshplane.events.consumer import Consumer
from meshplane.kit.clock import Clock
from meshplane.platform.events import StoredEvent
from meshplane.platform.store import Store, UnitOfWork
from meshplane.services.domains.ports import DomainPortal, DomainThere
from meshplane.services.domains.store import ALL, DOMAIN_MEMBERS, DOMAIN_PORTAL_LINKS, DOMAINS

_PAGE = 200
_OWNER = "owner"


class DomainsInPortal(ThingsInPortal):
    """Keeps the portal's domains as the mesh's are.

    Args:
        portal: where they are shown.
        store: holds the domains and the links.
        clock: the present.
        shows_people: whether the people and groups of the mesh are those of the portal's single
            sign-on: then a domain's owners own it there, too.
    """

    def __init__(
        self, portal: DomainPortal, store: Store, clock: Clock, *, shows_people: bool = False
    ) -> None:
        super().__init__(DOMAIN_PORTAL_LINKS, store, clock)
        self._portal = portal
        self._shows_people = shows_people

    @property
    def consumers(self) -> tuple[Consumer, ...]:
        """The events that it follows."""
        kinds = frozenset({"DomainCreated", "DomainMembersChanged"})
        return (Consumer("domains.portal", kinds, self._on_event, "management-app.domains"),)

    async def bring(self, work: UnitOfWork, domain_id: str, *, mend: bool = False) -> None:
        """Makes one domain in the portal what it is here; what others wrote there stays.

        Args:
            work: the link is written with it.
            domain_id: of the domain.
            mend: whether what others wrote is overwritten, and what they deleted made again.

        Raises:
            Unavailable: the portal is not to be had.
        """
        row = await work.get(DOMAINS, domain_id)
        if row is None:
            return
        link = await link_of(work, DOMAIN_PORTAL_LINKS, domain_id)
        wanted = _wanted(row.item)
        there = await self._portal.look(link.portal_id) if link else None
        if link is not None and there is None and not mend:
            self.keep(work, gone(link))
            return
        before = link if there is not None else None
        if there is None:
            there = await self._portal.ensure(wanted["name"], wanted["description"])
        portal_id = there.portal_id
        plan = settle(wanted, before.applied if before else None, _said(there), mend=mend)
        if plan.is_needed:
            await self._portal.change(there.portal_id, **plan.written)
        owners = await self._wanted_owners(work, domain_id)
        drift = await bring_members(
            owners,
            before.facts.get("owners", {}) if before else {},
            await self._owners(there.portal_id),
            put=lambda member, _: self._portal.add_owner(portal_id, member),
            remove=lambda member: self._portal.remove_owner(portal_id, member),
            mend=mend,
        )
        left = PortalLink(
            domain_id,
            portal_id,
            applied=wanted,
            facts={"owners": applied_members(owners, drift)},
            drift={**plan.drift, **drift},
        )
        self.keep(work, left)

    def own_ids(self) -> AsyncIterator[str]:
        """See `ThingsInPortal.own_ids`: every domain."""
        return ids_of(self._store, DOMAINS, ALL, index="byName", name="domainId")

    async def differing(self, link: PortalLink) -> list[PortalDifference]:
        """See `ThingsInPortal.differing`."""
        there = await self._portal.look(link.portal_id)
        work = self._store.begin()
        row = await work.get(DOMAINS, link.own_id)
        wanted = _wanted(row.item) if row else dict(link.applied)
        if there is None:
            return differences("domain", link, wanted, {"": GONE})
        drift = settle(wanted, link.applied, _said(there)).drift
        owners = await self._wanted_owners(work, link.own_id)
        held = await self._owners(link.portal_id)
        drift.update(strangers(owners, link.facts.get("owners", {}), held))
        shown = {**wanted, **{f"member {name}": _OWNER for name in owners}}
        return differences("domain", link, shown, drift)

    async def _wanted_owners(self, work: UnitOfWork, domain_id: str) -> dict[str, str]:
        """Who is to own it: the domain's owners, where the portal can know them."""
        found: dict[str, str] = {}
        cursor: str | None = None
        while self._shows_people:
            page = await work.query(DOMAIN_MEMBERS, domain_id, limit=_PAGE, cursor=cursor)
            owners = [row.item for row in page.rows if row.item["role"] == _OWNER]
            found.update({item["principal"]: _OWNER for item in owners})
            cursor = page.cursor
            if cursor is None:
                break
        return found

    async def _owners(self, portal_id: str) -> dict[str, str]:
        return dict.fromkeys(await self._portal.owners(portal_id), _OWNER)

    async def _on_event(self, work: UnitOfWork, event: StoredEvent) -> None:
        await self.bring(work, event.detail["domainId"])


def _wanted(item: dict[str, Any]) -> dict[str, str]:
    return {"name": item["name"], "description": item["description"][:MOST_LETTERS]}


def _said(there: DomainThere) -> dict[str, str]:
    return {"name": there.name, "description": there.description}
