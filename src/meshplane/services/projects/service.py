"""Use cases of projects."""

from collections.abc import Sequence
from typing import Any

from meshplane.boundary.actor import Actor
from meshplane.boundary.call import Call
from meshplane.boundary.etags import expected_version, stale
from meshplane.boundary.portal_links import link_of
from meshplane.boundary.schemas import Page, PageQuery
from meshplane.events.projects import ProjectCreated, ProjectMembersChanged
from meshplane.kit.errors import Conflict, FieldProblem, Invalid, Missing
from meshplane.platform.store import ABSENT, Store
from meshplane.platform.tables import Row
from meshplane.policy.model import MESH, Resource
from meshplane.services.domains.api import DomainsApi, no_such_domain
from meshplane.services.projects.api import ProjectPage, ProjectSummary
from meshplane.services.projects.rows import existing, resource_of
from meshplane.services.projects.schemas import (
    NewProject,
    NewProjectMember,
    ProjectChange,
    ProjectMemberView,
    ProjectQuery,
    ProjectView,
)
from meshplane.services.projects.store import (
    ALL,
    PROJECT_MEMBERS,
    PROJECT_NAMES,
    PROJECT_PORTAL_LINKS,
    PROJECTS,
)

_MOST_REMEMBERED = 10_000


class Projects:
    """Creates and runs projects."""

    def __init__(self, domains: DomainsApi) -> None:
        self._domains = domains

    async def create(self, call: Call, body: NewProject) -> ProjectView:
        """Creates a project with its members.

        Raises:
            Missing: DOMAIN_NOT_FOUND.
            Conflict: NAME_TAKEN.
            Invalid: MEMBER_REPEATED.
        """
        domain = await self._domains.find(call.actor, body.domain_id)
        if domain is None:
            raise no_such_domain()
        await call.allow(Resource("Domain", domain.domain_id, domain_id=domain.domain_id))
        item = {
            "projectId": call.new_id("proj"),
            "domainId": domain.domain_id,
            "domainName": domain.name,
            "bucket": domain.bucket,
            "name": body.name,
            "description": body.description,
            "createdBy": call.actor.name,
            "createdAt": call.now,
            "listing": ALL,
        }
        _put_project(call, item, body.members)
        return _view(Row(item, 1))

    async def get(self, call: Call, project_id: str) -> ProjectView:
        """The project with that id."""
        row = await existing(call, project_id)
        await call.allow(resource_of(row))
        return _view(row)

    async def list(self, call: Call, query: ProjectQuery) -> Page[ProjectView]:
        """Projects by name, of one domain or all."""
        await call.allow(MESH)
        index = "byDomain" if query.domain_id else "byName"
        page = await call.work.query(
            PROJECTS, query.domain_id or ALL, index=index, limit=query.limit, cursor=query.cursor
        )
        return Page[ProjectView](items=[_view(row) for row in page.rows], next_cursor=page.cursor)

    async def update(
        self, call: Call, project_id: str, if_match: str | None, body: ProjectChange
    ) -> ProjectView:
        """Changes the description."""
        row = await existing(call, project_id)
        await call.allow(resource_of(row))
        version = expected_version(if_match)
        item = {**row.item, "description": body.description}
        call.work.put(PROJECTS, item, expected=version, otherwise=stale())
        return _view(Row(item, version + 1))

    async def members(
        self, call: Call, project_id: str, query: PageQuery
    ) -> Page[ProjectMemberView]:
        """Who holds which role."""
        await call.allow(resource_of(await existing(call, project_id)))
        page = await call.work.query(
            PROJECT_MEMBERS, project_id, limit=query.limit, cursor=query.cursor
        )
        return Page[ProjectMemberView](
            items=[_member_view(row.item) for row in page.rows], next_cursor=page.cursor
        )

    async def put_member(
        self, call: Call, project_id: str, principal: str, role: str
    ) -> ProjectMemberView:
        """Gives somebody a role, in place of the one that he may hold."""
        await call.allow(resource_of(await existing(call, project_id)))
        call.note(principal=principal, role=role)
        return _member_view(_put_member(call, project_id, principal, role))

    async def remove_member(self, call: Call, project_id: str, principal: str) -> None:
        """Takes somebody's role away.

        Raises:
            Missing: MEMBER_NOT_FOUND.
        """
        await call.allow(resource_of(await existing(call, project_id)))
        call.note(principal=principal)
        row = await call.work.get(PROJECT_MEMBERS, project_id, principal)
        if row is None:
            raise Missing("MEMBER_NOT_FOUND", "It has no such member.", field="principal")
        call.work.delete(PROJECT_MEMBERS, project_id, principal, expected=row.version)
        _emit_members_changed(call, project_id, principal, None)


class ProjectsReader:
    """What other services may read; see `ProjectsApi`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        # Nothing in a summary ever changes, so what was found once holds. Full, it begins anew.
        self._found: dict[str, ProjectSummary] = {}

    async def find(self, actor: Actor, project_id: str) -> ProjectSummary | None:
        """See `ProjectsApi.find`."""
        if project_id in self._found:
            return self._found[project_id]
        row = await self._store.begin().get(PROJECTS, project_id)
        if row is None:
            return None
        summary = _summary(row)
        if len(self._found) >= _MOST_REMEMBERED:
            self._found.clear()
        self._found[project_id] = summary
        return summary

    async def listed(self, actor: Actor, limit: int, cursor: str | None) -> ProjectPage:
        """See `ProjectsApi.listed`."""
        work = self._store.begin()
        page = await work.query(PROJECTS, ALL, index="byName", limit=limit, cursor=cursor)
        return ProjectPage(tuple(_summary(row) for row in page.rows), page.cursor)

    async def roles(
        self,
        actor: Actor,
        project_id: str,
        principals: Sequence[str],
    ) -> list[str]:
        """See `ProjectsApi.roles`."""
        keys = [(project_id, principal) for principal in principals]
        rows = await self._store.begin().get_many(PROJECT_MEMBERS, keys)
        return sorted({row.item["role"] for row in rows})

    async def of_principals(
        self,
        actor: Actor,
        principals: Sequence[str],
    ) -> list[str]:
        """See `ProjectsApi.of_principals`."""
        found: set[str] = set()
        work = self._store.begin()
        for principal in principals:
            cursor: str | None = None
            while True:
                page = await work.query(
                    PROJECT_MEMBERS, principal, index="byPrincipal", limit=200, cursor=cursor
                )
                found.update(row.item["projectId"] for row in page.rows)
                cursor = page.cursor
                if cursor is None:
                    break
        return sorted(found)

    async def portal_id(self, actor: Actor, project_id: str) -> str | None:
        """See `ProjectsApi.portal_id`."""
        link = await link_of(self._store.begin(), PROJECT_PORTAL_LINKS, project_id)
        return link.portal_id if link else None


def _summary(row: Row) -> ProjectSummary:
    item = row.item
    return ProjectSummary(
        item["projectId"], item["name"], item["domainId"], item["domainName"], item["bucket"]
    )


def _put_project(call: Call, item: dict[str, Any], members: Sequence[NewProjectMember]) -> None:
    project_id = item["projectId"]
    call.work.put(
        PROJECT_NAMES,
        {"domainId": item["domainId"], "name": item["name"], "projectId": project_id},
        expected=ABSENT,
        otherwise=Conflict(
            "NAME_TAKEN",
            "A project of this name exists in the domain: choose another.",
            field="name",
        ),
    )
    call.work.put(PROJECTS, item, expected=ABSENT)
    call.note(members={member.principal: member.role for member in members})
    for member in _distinct(members):
        _put_member(call, project_id, member.principal, member.role)
    call.work.emit(
        ProjectCreated(
            project_id=project_id,
            project_name=item["name"],
            domain_id=item["domainId"],
            created_by=item["createdBy"],
            created_at=item["createdAt"],
        ).event()
    )
    call.resource = f"Project:{project_id}"


def _distinct(members: Sequence[NewProjectMember]) -> Sequence[NewProjectMember]:
    seen: set[str] = set()
    for position, member in enumerate(members):
        if member.principal in seen:
            raise Invalid(
                "MEMBER_REPEATED",
                "A member is named twice.",
                fields=[FieldProblem(f"members.{position}.principal", "was named before")],
            )
        seen.add(member.principal)
    return members


def _put_member(call: Call, project_id: str, principal: str, role: str) -> dict[str, Any]:
    item = {
        "projectId": project_id,
        "principal": principal,
        "role": role,
        "addedBy": call.actor.name,
        "addedAt": call.now,
    }
    call.work.put(PROJECT_MEMBERS, item)
    _emit_members_changed(call, project_id, principal, role)
    return item


def _emit_members_changed(call: Call, project_id: str, principal: str, role: str | None) -> None:
    call.work.emit(
        ProjectMembersChanged(
            project_id=project_id, principal=principal, role=role, changed_by=call.actor.name
        ).event()
    )


def _view(row: Row) -> ProjectView:
    item = row.item
    return ProjectView(
        project_id=item["projectId"],
        domain_id=item["domainId"],
        name=item["name"],
        description=item["description"],
        version=row.version,
        created_by=item["createdBy"],
        created_at=item["createdAt"],
    )


def _member_view(item: dict[str, Any]) -> ProjectMemberView:
    return ProjectMemberView(
        principal=item["principal"],
        role=item["role"],
        added_by=item["addedBy"],
        added_at=item["addedAt"],
    )
