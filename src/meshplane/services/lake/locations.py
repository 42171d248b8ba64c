"""Use cases: registered locations, paths below a domain's bucket that may be granted."""

import hashlib
from collections.abc import Sequence
from typing import Any

from meshplane.boundary.call import Call
from meshplane.boundary.schemas import Page
from meshplane.events.lake import LakeLocationRegistered, LakeLocationRemoved
from meshplane.kit.errors import Conflict, Invalid, Missing
from meshplane.platform.store import ABSENT
from meshplane.policy.model import Resource
from meshplane.services.domains.api import DomainsApi, DomainSummary, no_such_domain
from meshplane.services.lake.checking import itself
from meshplane.services.lake.compiling import location_arn
from meshplane.services.lake.schemas import LocationQuery, LocationView, NewLocation
from meshplane.services.lake.store import LAKE_ENTRIES, LAKE_LOCATIONS
from meshplane.services.permissions.api import PermissionsApi

_DIGITS = 32
_PAGE = 200
_MOST_TOLD = 20


class Locations:
    """Registers locations.

    Args:
        domains, permissions: the services below.
    """

    def __init__(self, domains: DomainsApi, permissions: PermissionsApi) -> None:
        self._domains = domains
        self._permissions = permissions

    async def register(self, call: Call, body: NewLocation) -> LocationView:
        """Registers a path below the domain's bucket.

        Raises:
            Missing: DOMAIN_NOT_FOUND.
            Invalid: LOCATION_INVALID.
            Conflict: LOCATION_EXISTS.
        """
        domain = await self._allowed(call, body.domain_id)
        path = body.path.strip("/")
        if not path or any(part in {"", ".", ".."} for part in path.split("/")):
            raise Invalid(
                "LOCATION_INVALID",
                "Write a path below the bucket, such as projects/raw, without . and .. in it.",
                field="path",
            )
        location_id = _id(body.domain_id, path)
        item: dict[str, Any] = {
            "locationId": location_id,
            "domainId": body.domain_id,
            "path": path,
            "arn": location_arn(domain.bucket, path),
            "description": body.description,
            "registeredBy": call.actor.name,
            "registeredAt": call.now,
        }
        exists = Conflict(
            "LOCATION_EXISTS", "This path is a registered location already.", field="path"
        )
        call.work.put(LAKE_LOCATIONS, item, expected=ABSENT, otherwise=exists)
        call.resource = f"Location:{location_id}"
        event = LakeLocationRegistered(
            location_id=location_id,
            domain_id=body.domain_id,
            path=path,
            by=call.actor.name,
            at=call.now,
        )
        call.work.emit(event.event())
        return _view(item)

    async def list(self, call: Call, query: LocationQuery) -> Page[LocationView]:
        """The locations of a domain, by path.

        Raises:
            Missing: DOMAIN_NOT_FOUND.
        """
        await self._allowed(call, query.domain_id)
        page = await call.work.query(
            LAKE_LOCATIONS,
            query.domain_id,
            index="byDomain",
            limit=query.limit,
            cursor=query.cursor,
        )
        return Page[LocationView](
            items=[_view(row.item) for row in page.rows], next_cursor=page.cursor
        )

    async def remove(self, call: Call, location_id: str) -> None:
        """Removes a location that no grant is on.

        Raises:
            Missing: LOCATION_NOT_FOUND.
            Conflict: LOCATION_IN_USE.
        """
        missing = Missing(
            "LOCATION_NOT_FOUND", "There is no location with this id.", field="locationId"
        )
        row = await call.work.get(LAKE_LOCATIONS, location_id)
        domain_id = row.item["domainId"] if row is not None else location_id
        await call.allow(
            Resource("Domain", domain_id, domain_id), hide=missing, known_by="listLocations"
        )
        if row is None:
            raise missing
        used = await self._grants_on(call, row.item)
        if used:
            raise Conflict(
                "LOCATION_IN_USE",
                "Grants are on this location, or below it: revoke them first.",
                field="locationId",
                details={"usedBy": used[:_MOST_TOLD]},
            )
        call.work.delete(LAKE_LOCATIONS, location_id, expected=row.version)
        call.resource = f"Location:{location_id}"
        event = LakeLocationRemoved(
            location_id=location_id,
            domain_id=domain_id,
            path=row.item["path"],
            by=call.actor.name,
            at=call.now,
        )
        call.work.emit(event.event())

    async def _grants_on(self, call: Call, location: dict[str, Any]) -> Sequence[str]:
        """The grants that are on a location or below it."""
        arn, found, cursor = location["arn"], [], None
        holder = f"location:{location['domainId']}"
        while True:
            page = await call.work.query(
                LAKE_ENTRIES, holder, index="byHolder", limit=_PAGE, cursor=cursor
            )
            for row in page.rows:
                on = row.item["resource"]["DataLocation"]["ResourceArn"]
                grant_id = row.item["grantId"]
                is_here = on == arn or on.startswith(f"{arn}/")
                # One that was revoked just now may not have left the lake yet.
                if is_here and await self._permissions.find(itself(call), grant_id) is not None:
                    found.append(grant_id)
            cursor = page.cursor
            if cursor is None:
                return found

    async def _allowed(self, call: Call, domain_id: str) -> DomainSummary:
        domain = await self._domains.find(call.actor, domain_id)
        hide = no_such_domain() if domain is None else None
        await call.allow(Resource("Domain", domain_id, domain_id), hide=hide)
        if domain is None:
            raise no_such_domain()
        return domain


def _id(domain_id: str, path: str) -> str:
    """The same place has the same id, so that of two who register it, one does."""
    return f"loc-{hashlib.sha256(f'{domain_id}#{path}'.encode()).hexdigest()[:_DIGITS]}"


def _view(item: dict[str, Any]) -> LocationView:
    return LocationView(
        location_id=item["locationId"],
        domain_id=item["domainId"],
        path=item["path"],
        arn=item["arn"],
        description=item["description"],
        registered_by=item["registeredBy"],
        registered_at=item["registeredAt"],
    )
