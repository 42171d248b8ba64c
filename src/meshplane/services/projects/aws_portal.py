"""Projects and their members in DataZone.

A project's name is unique in all of DataZone's domain, and ours only in its own: so the caller
gives names that tell the domain too. There are no client tokens for projects and memberships: what
is there is read first, and what somebody else was faster with is adopted.
"""

from collections.abc import Mapping
from typing import Any

from meshplane.kit.errors import Conflict
from meshplane.platform.aws.datazone import (
    CONFLICT,
    MISSING,
    DataZone,
    made_or_found,
    there_or_none,
)
from meshplane.platform.aws.datazone_members import DataZoneMembers
from meshplane.platform.aws.errors import AwsRejected
from meshplane.services.projects.ports import ProjectThere

_DESIGNATIONS = {
    "owner": "PROJECT_OWNER",
    "contributor": "PROJECT_CONTRIBUTOR",
    "viewer": "PROJECT_CATALOG_VIEWER",
}
_ROLES = {designation: role for role, designation in _DESIGNATIONS.items()}
_ALREADY = frozenset({CONFLICT, "ValidationException"})


class DataZoneProjects:
    """`ProjectPortal` over DataZone.

    Args:
        zone: the mesh's domain there.
    """

    def __init__(self, zone: DataZone) -> None:
        self._zone = zone
        self._members = DataZoneMembers(zone)

    async def ensure(self, domain: str, name: str, description: str) -> ProjectThere:
        """See `ProjectPortal.ensure`."""
        found = await self._named(domain, name)
        if found is not None:
            return found
        return await made_or_found(
            self._make(domain, name, description), lambda: self._named(domain, name)
        )

    async def look(self, portal_id: str) -> ProjectThere | None:
        """See `ProjectPortal.look`."""
        project = await self._get(portal_id)
        return None if project is None else _there(project)

    async def change(self, portal_id: str, name: str, description: str) -> ProjectThere:
        """See `ProjectPortal.change`."""
        project = await self._zone.aws.call(
            "datazone",
            "update_project",
            domainIdentifier=await self._zone.domain(),
            identifier=portal_id,
            name=name,
            description=description,
        )
        return _there(project)

    async def members(self, portal_id: str) -> Mapping[str, str]:
        """See `ProjectPortal.members`."""
        found: dict[str, str] = {}
        pages = self._zone.aws.pages(
            "datazone",
            "list_project_memberships",
            domainIdentifier=await self._zone.domain(),
            projectIdentifier=portal_id,
        )
        async for page in pages:
            for member in page["members"]:
                name = await self._members.name_of(member["memberDetails"])
                if name is not None:
                    designation = member["designation"]
                    found[name] = _ROLES.get(designation, designation.lower())
        return found

    async def put_member(self, portal_id: str, member: str, role: str) -> None:
        """See `ProjectPortal.put_member`."""
        held = (await self.members(portal_id)).get(member)
        if held == role:
            return
        key = await self._members.key_of(member)
        if held is not None:
            await self._remove(portal_id, key)
        try:
            await self._zone.aws.call(
                "datazone",
                "create_project_membership",
                domainIdentifier=await self._zone.domain(),
                projectIdentifier=portal_id,
                member=key,
                designation=_DESIGNATIONS[role],
            )
        except AwsRejected as error:
            # Somebody else was faster: whether he gave the same role is seen at the next look.
            there = error.aws_code in _ALREADY and member in await self.members(portal_id)
            if not there:
                raise

    async def remove_member(self, portal_id: str, member: str) -> None:
        """See `ProjectPortal.remove_member`."""
        await self._remove(portal_id, await self._members.key_of(member))

    async def _remove(self, portal_id: str, key: dict[str, str]) -> None:
        try:
            await self._zone.aws.call(
                "datazone",
                "delete_project_membership",
                domainIdentifier=await self._zone.domain(),
                projectIdentifier=portal_id,
                member=key,
            )
        except AwsRejected as error:
            if error.aws_code != MISSING:
                raise

    async def _named(self, domain: str, name: str) -> ProjectThere | None:
        """The project of exactly that name; a search by name may find longer ones too."""
        pages = self._zone.aws.pages(
            "datazone", "list_projects", domainIdentifier=await self._zone.domain(), name=name
        )
        async for page in pages:
            for project in page["items"]:
                if project["name"] != name:
                    continue
                full = await self._get(project["id"])
                if full is None:
                    continue
                if full.get("domainUnitId", domain) != domain:
                    raise Conflict(
                        "PORTAL_NAME_TAKEN",
                        "The portal has a project of this name in another domain: rename it there.",
                    )
                await self._join(project["id"])
                return _there(full)
        return None

    async def _make(self, domain: str, name: str, description: str) -> ProjectThere:
        made = await self._zone.aws.call(
            "datazone",
            "create_project",
            domainIdentifier=await self._zone.domain(),
            domainUnitId=domain,
            name=name,
            description=description,
        )
        return _there(made)

    async def _join(self, portal_id: str) -> None:
        """Makes the mesh an owner of a project that others made; who owns its unit may."""
        own = await self._zone.own_profile()
        if not own:
            return
        domain = await self._zone.domain()
        pages = self._zone.aws.pages(
            "datazone",
            "list_project_memberships",
            domainIdentifier=domain,
            projectIdentifier=portal_id,
        )
        async for page in pages:
            for member in page["members"]:
                if member["memberDetails"].get("user", {}).get("userId") == own:
                    return
        await self._zone.aws.call(
            "datazone",
            "create_project_membership",
            domainIdentifier=domain,
            projectIdentifier=portal_id,
            member={"userIdentifier": own},
            designation="PROJECT_OWNER",
        )

    async def _get(self, portal_id: str) -> dict[str, Any] | None:
        project = await there_or_none(
            self._zone.aws.call(
                "datazone",
                "get_project",
                domainIdentifier=await self._zone.domain(),
                identifier=portal_id,
            )
        )
        return (
            None
            if project is None
            else None
            if project.get("projectStatus") == "DELETING"
            else project
        )


def _there(project: dict[str, Any]) -> ProjectThere:
    return ProjectThere(project["id"], project["name"], project.get("description", ""))
