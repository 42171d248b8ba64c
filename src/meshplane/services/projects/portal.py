"""Shows the mesh's projects and their members in the portal, and tells what others change there."""

import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
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
from meshplane.boundary.portal_members import applied as applied_members
from meshplane.boundary.portal_members import bring_members, strangers
from meshplane.boundary.portal_things import ThingsInPortal
from meshplane.events.consumer import Consumer
from meshplane.kit.clock import Clock
from meshplane.platform.events import StoredEvent
from meshplane.platform.store import Store, UnitOfWork
from meshplane.services.domains.api import DomainsApi
from meshplane.services.projects.ports import ProjectPortal, ProjectThere
from meshplane.services.projects.store import ALL, PROJECT_MEMBERS, PROJECT_PORTAL_LINKS, PROJECTS

_PAGE = 200
_LONGEST_NAME = 64


def portal_name(domain_name: str, project_name: str) -> str:
    """The name of a project in the portal, where names are unique over all domains.

    Neither name has a space, so no two projects share one. It is at most 64 letters long.
    """
    name = f"{domain_name} {project_name}"
    if len(name) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: _LONGEST_NAME - 9]}-{digest}"


class ProjectsInPortal(ThingsInPortal):
    """Keeps the portal's projects as the mesh's are.

    Args:
        portal: where they are shown.
        domains: the service below.
        store: holds the projects and the links.
        clock: the present.
        role_of: the ARN of the role that acts as a project, by the project's id.
        shows_people: whether the people and groups of the mesh are those of the portal's single
            sign-on; otherwise each project has its role alone there.
    """

    def __init__(
        self,
        portal: ProjectPortal,
        domains: DomainsApi,
        store: Store,
        clock: Clock,
        *,
        role_of: Callable[[str], str],
        shows_people: bool = False,
    ) -> None:
        super().__init__(PROJECT_PORTAL_LINKS, store, clock)
        self._portal = portal
        self._domains = domains
        self._role_of = role_of
        self._shows_people = shows_people

    @property
    def consumers(self) -> tuple[Consumer, ...]:
        """The events that it follows."""
        kinds = frozenset({"ProjectCreated", "ProjectMembersChanged"})
        return (Consumer("projects.portal", kinds, self._on_event, "management-app.projects"),)

    async def bring(self, work: UnitOfWork, project_id: str, *, mend: bool = False) -> None:
        """Makes one project in the portal what it is here; what others wrote there stays.

        Args:
            work: the link is written with it.
            project_id: of the project.
            mend: whether what others wrote is overwritten, and what they deleted made again.

        Raises:
            Unavailable: PORTAL_NOT_READY, its domain is not there yet; or the portal is not to be
                had.
            Conflict: PORTAL_NAME_TAKEN.
        """
        row = await work.get(PROJECTS, project_id)
        if row is None:
            return
        link = await link_of(work, PROJECT_PORTAL_LINKS, project_id)
        wanted = _wanted(row.item)
        there = await self._portal.look(link.portal_id) if link else None
        if link is not None and there is None and not mend:
            self.keep(work, gone(link))
            return
        is_known = link is not None and there is not None
        if there is None:
            there = await self._create(row.item, wanted)
        applied = link.applied if link and is_known else None
        plan = settle(wanted, applied, _said(there), mend=mend)
        if plan.is_needed:
            await self._portal.change(there.portal_id, **plan.written)
        before = link.facts.get("members", {}) if link and is_known else {}
        members = await self._wanted_members(work, project_id)
        drift = await bring_members(
            members,
            before,
            await self._portal.members(there.portal_id),
            put=partial(self._portal.put_member, there.portal_id),
            remove=partial(self._portal.remove_member, there.portal_id),
            mend=mend,
        )
        left = PortalLink(
            project_id,
            there.portal_id,
            applied=wanted,
            facts={"members": applied_members(members, drift)},
            drift={**plan.drift, **drift},
        )
        self.keep(work, left)

    def own_ids(self) -> AsyncIterator[str]:
        """See `ThingsInPortal.own_ids`: every project."""
        return ids_of(self._store, PROJECTS, ALL, index="byName", name="projectId")

    async def differing(self, link: PortalLink) -> list[PortalDifference]:
        """See `ThingsInPortal.differing`."""
        work = self._store.begin()
        row = await work.get(PROJECTS, link.own_id)
        wanted = _wanted(row.item) if row else dict(link.applied)
        there = await self._portal.look(link.portal_id)
        if there is None:
            return differences("project", link, wanted, {"": GONE})
        drift = settle(wanted, link.applied, _said(there)).drift
        members = await self._wanted_members(work, link.own_id)
        held = await self._portal.members(link.portal_id)
        drift.update(strangers(members, link.facts.get("members", {}), held))
        shown = {**wanted, **{f"member {name}": role for name, role in members.items()}}
        return differences("project", link, shown, drift)

    async def _create(self, item: dict[str, Any], wanted: Mapping[str, str]) -> ProjectThere:
        actor = service_actor("projects")
        domain = await self._domains.portal_id(actor, item["domainId"])
        if not domain:
            raise not_ready("the project's domain")
        return await self._portal.ensure(domain, wanted["name"], wanted["description"])

    async def _wanted_members(self, work: UnitOfWork, project_id: str) -> dict[str, str]:
        """Who is to be in it: its role, and those whom the portal can know."""
        found = {f"role:{self._role_of(project_id)}": "contributor"}
        cursor: str | None = None
        while self._shows_people:
            page = await work.query(PROJECT_MEMBERS, project_id, limit=_PAGE, cursor=cursor)
            found.update({row.item["principal"]: row.item["role"] for row in page.rows})
            cursor = page.cursor
            if cursor is None:
                break
        return found

    async def _on_event(self, work: UnitOfWork, event: StoredEvent) -> None:
        await self.bring(work, event.detail["projectId"])


def _wanted(item: dict[str, Any]) -> dict[str, str]:
    name = portal_name(item["domainName"], item["name"])
    return {"name": name, "description": item["description"][:MOST_LETTERS]}


def _said(there: ProjectThere) -> dict[str, str]:
    return {"name": there.name, "description": there.description}
