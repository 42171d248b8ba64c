"""Domains in DataZone: each a unit of the mesh's one domain there."""

from collections.abc import Set
from typing import Any

from meshplane.platform.aws.datazone import (
    CONFLICT,
    DataZone,
    made_once,
    made_or_found,
    there_or_none,
    token_of,
)
from meshplane.platform.aws.datazone_members import DataZoneMembers
from meshplane.platform.aws.errors import AwsRejected
from meshplane.services.domains.ports import DomainThere


class DataZoneDomains:
    """`DomainPortal` over units of a domain of DataZone.

    Args:
        zone: the mesh's domain there.
    """

    def __init__(self, zone: DataZone) -> None:
        self._zone = zone
        self._members = DataZoneMembers(zone)

    async def ensure(self, name: str, description: str) -> DomainThere:
        """See `DomainPortal.ensure`."""
        found = await self._named(name)
        if found is not None:
            return found
        domain, root = await self._zone.domain(), await self._zone.root()

        async def create(after: str) -> str:
            made = await self._zone.aws.call(
                "datazone",
                "create_domain_unit",
                domainIdentifier=domain,
                parentDomainUnitIdentifier=root,
                name=name,
                description=description,
                clientToken=token_of("unit", domain, name, description, after),
            )
            return str(made["id"])

        return await made_or_found(made_once(create, self.look), lambda: self._named(name))

    async def look(self, portal_id: str) -> DomainThere | None:
        """See `DomainPortal.look`."""
        unit = await there_or_none(
            self._zone.aws.call(
                "datazone",
                "get_domain_unit",
                domainIdentifier=await self._zone.domain(),
                identifier=portal_id,
            )
        )
        return None if unit is None else _there(unit)

    async def change(self, portal_id: str, name: str, description: str) -> DomainThere:
        """See `DomainPortal.change`."""
        unit = await self._zone.aws.call(
            "datazone",
            "update_domain_unit",
            domainIdentifier=await self._zone.domain(),
            identifier=portal_id,
            name=name,
            description=description,
        )
        return _there(unit)

    async def owners(self, portal_id: str) -> Set[str]:
        """See `DomainPortal.owners`."""
        pages = self._zone.aws.pages(
            "datazone",
            "list_entity_owners",
            domainIdentifier=await self._zone.domain(),
            entityType="DOMAIN_UNIT",
            entityIdentifier=portal_id,
        )
        names = set()
        async for page in pages:
            names |= {await self._members.name_of(one) for one in page["owners"]}
        return {name for name in names if name is not None}

    async def add_owner(self, portal_id: str, member: str) -> None:
        """See `DomainPortal.add_owner`."""
        if member in await self.owners(portal_id):
            return
        key = await self._members.key_of(member)
        try:
            await self._zone.aws.call(
                "datazone",
                "add_entity_owner",
                domainIdentifier=await self._zone.domain(),
                entityType="DOMAIN_UNIT",
                entityIdentifier=portal_id,
                owner=_owner(key),
            )
        except AwsRejected as error:
            if error.aws_code != CONFLICT:
                raise  # otherwise somebody else was faster

    async def remove_owner(self, portal_id: str, member: str) -> None:
        """See `DomainPortal.remove_owner`."""
        if member not in await self.owners(portal_id):
            return
        await self._zone.aws.call(
            "datazone",
            "remove_entity_owner",
            domainIdentifier=await self._zone.domain(),
            entityType="DOMAIN_UNIT",
            entityIdentifier=portal_id,
            owner=_owner(await self._members.key_of(member)),
        )

    async def _named(self, name: str) -> DomainThere | None:
        pages = self._zone.aws.pages(
            "datazone",
            "list_domain_units_for_parent",
            domainIdentifier=await self._zone.domain(),
            parentDomainUnitIdentifier=await self._zone.root(),
        )
        async for page in pages:
            for unit in page["items"]:
                if unit["name"] == name:
                    return await self.look(unit["id"])
        return None


def _owner(key: dict[str, str]) -> dict[str, dict[str, str]]:
    return {"user": key} if "userIdentifier" in key else {"group": key}


def _there(unit: dict[str, Any]) -> DomainThere:
    return DomainThere(unit["id"], unit["name"], unit.get("description", ""))
