"""The side that should be: what the grants in force want the lake to hold."""

import asyncio
from collections.abc import AsyncIterator, Container, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from meshplane.boundary.actor import Actor
from meshplane.platform.store import Store
from meshplane.services.assets.api import LAKE_FORMAT, AssetsApi
from meshplane.services.domains.api import DomainsApi
from meshplane.services.lake.compiling import (
    Compiled,
    Place,
    compile_embedded,
    mark_embedded,
)
from meshplane.services.lake.drift import Wanted
from meshplane.services.lake.lake_formation_grants import LakeFormationGrants, Seen
from meshplane.services.lake.store import LAKE_LOCATIONS
from meshplane.services.permissions.api import DataFilter, Grant, PermissionsApi

_PAGE = 250
_FILTERS = 200
_LOCATIONS = 200
_MOST_REMEMBERED = 200_000
_ELSEWHERE = "The table is kept by another engine, whose own rights are what counts there."

Filters = Mapping[str, DataFilter]


Mark = tuple[str, str, str, str]
"""Of an entry that is wanted: its fingerprint, the grant, the domain that answers for it, and what
was known of the grant in the lake. A plain tuple of texts, as there are very many."""


@dataclass(slots=True)
class Scan:
    """All that is wanted at one time.

    Attributes:
        marks: by key.
        problems: why a grant can not be in the lake, by its id.
    """

    marks: dict[str, Mark] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


class Owners(Protocol):
    """The grants that a lake wants for the owners of what is listed; see `aws_owners`."""

    def is_one(self, grant_id: str) -> bool:
        """Whether an id is of such a grant."""
        ...

    async def find(self, actor: Actor, grant_id: str) -> Grant | None:
        """The grant of that id, if it is in force."""
        ...

    def all(self, actor: Actor) -> AsyncIterator[Grant]:
        """All of them."""
        ...

    def compiled(self, grant: Grant, place: Place) -> Compiled:
        """What the lake must hold for one."""
        ...


class DesiredGrants:
    """Works out what the lake should hold.

    Args:
        permissions, assets, domains: the services below.
        store: holds the registered locations.
        there: compiles for Lake Formation; None: the lake is the embedded one.
        owners: what owners need there; None: the lake asks nobody about owners.
    """

    def __init__(
        self,
        permissions: PermissionsApi,
        assets: AssetsApi,
        domains: DomainsApi,
        store: Store,
        there: LakeFormationGrants | None = None,
        *,
        owners: Owners | None = None,
    ) -> None:
        self._owners = owners
        self._permissions = permissions
        self._assets = assets
        self._domains = domains
        self._store = store
        self._there = there
        # The names of an asset and of its domain never change. Full, it begins anew.
        self._tables: dict[str, Place] = {}

    async def scan(self, actor: Actor) -> Scan:
        """What every grant in force wants, and what stands in the way of some."""
        if self._there is not None:
            return await self._scan_there(actor)
        found = Scan()
        filters: dict[str, Filters] = {}
        async for grant in self._in_force(actor):
            # Most are on tables that were looked up before: those wait for nobody.
            place = self._tables.get(grant.target.asset_id or "") or await self.place(actor, grant)
            known = None
            if grant.target.kind == "filter":
                known = await self._filters_for(actor, grant, filters)
            mark = place if isinstance(place, str) else mark_embedded(grant, place, known)
            if isinstance(mark, str):
                found.problems[grant.grant_id] = mark
            else:
                found.marks[mark[0]] = (
                    mark[1],
                    grant.grant_id,
                    grant.domain_id,
                    grant.lake_state,
                )
        return found

    async def _scan_there(self, actor: Actor) -> Scan:
        """As `scan`, where grants are compiled for Lake Formation."""
        found = Scan()
        wanted: dict[str, Wanted] = {}
        filters: dict[str, Filters] = {}
        seen = Seen()
        async for grant in self._in_force(actor):
            compiled = await self.compiled(actor, grant, filters, seen)
            if compiled.problems:
                found.problems[grant.grant_id] = compiled.problems[0]
            for one in _wanted(grant, compiled):
                wanted[one.entry.key] = one
        for key, one in wanted.items():
            found.marks[key] = (one.entry.fingerprint, one.grant_id, one.domain_id, one.state)
        return found

    async def under(self, actor: Actor, keys: Container[str]) -> dict[str, Wanted]:
        """What is wanted under some keys, where they are too many to look at one by one."""
        filters: dict[str, Filters] = {}
        found: dict[str, Wanted] = {}
        seen = Seen()
        async for grant in self._in_force(actor):
            compiled = await self.compiled(actor, grant, filters, seen)
            found |= {one.entry.key: one for one in _wanted(grant, compiled)}
        return {key: one for key, one in found.items() if key in keys}

    async def find(self, actor: Actor, grant_id: str) -> Grant | None:
        """A grant that the lake may have to hold, of people or of an owner; it may have ended."""
        if self._owners is not None and self._owners.is_one(grant_id):
            return await self._owners.find(actor, grant_id)
        return await self._permissions.find(actor, grant_id)

    async def _in_force(self, actor: Actor) -> AsyncIterator[Grant]:
        if self._owners is not None:
            # First, so that a grant of people on the same table is what counts.
            async for grant in self._owners.all(actor):
                yield grant
        cursor: str | None = None
        while True:
            page = await self._permissions.desired(actor, _PAGE, cursor)
            for grant in page.grants:
                yield grant
            cursor = page.cursor
            if cursor is None:
                return
            await asyncio.sleep(0)  # others want their turn as well

    async def _filters_for(
        self, actor: Actor, grant: Grant, known: dict[str, Filters]
    ) -> Filters | None:
        """The data filters that a grant needs to know; `known` keeps them, by asset."""
        asset_id = grant.target.asset_id
        if grant.target.kind != "filter" or asset_id is None:
            return None
        if asset_id not in known:
            known[asset_id] = await self.filters(actor, asset_id)
        return known[asset_id]

    async def of_grant(self, actor: Actor, grant: Grant) -> tuple[list[Wanted], str | None]:
        """What one grant wants; or why it cannot be in the lake."""
        compiled = await self.compiled(actor, grant, {})
        return _wanted(grant, compiled), compiled.problems[0] if compiled.problems else None

    async def compiled(
        self, actor: Actor, grant: Grant, filters: dict[str, Filters], seen: Seen | None = None
    ) -> Compiled:
        """A grant for the lake that there is.

        `filters` and `seen` keep what was looked up, by asset.
        """
        place = await self.place(actor, grant)
        if isinstance(place, str):
            return Compiled((), problems=(place,))
        if place.elsewhere and self._there is not None:
            return Compiled((), (_ELSEWHERE,))
        if self._owners is not None and self._owners.is_one(grant.grant_id):
            return self._owners.compiled(grant, place)
        known = await self._filters_for(actor, grant, filters)
        if self._there is not None:
            return await self._there.compile(actor, grant, place, known, seen)
        return compile_embedded(grant, place, known)

    async def filters(self, actor: Actor, asset_id: str) -> Filters:
        """The data filters of an asset, by name."""
        found: dict[str, DataFilter] = {}
        cursor: str | None = None
        while True:
            page = await self._permissions.filters(actor, asset_id, _FILTERS, cursor)
            found |= {one.name: one for one in page.filters}
            cursor = page.cursor
            if cursor is None:
                return found

    async def place(self, actor: Actor, grant: Grant) -> Place | str:
        """Where a grant applies; or why that is nowhere."""
        target = grant.target
        if target.asset_id is not None:
            return await self._table(actor, target.asset_id)
        if target.domain_id is None:
            return Place("")
        domain = await self._domains.find(actor, target.domain_id)
        if domain is None:
            return "The domain of the grant is not there."
        if target.kind == "location" and not await self._is_registered(
            target.domain_id, target.path or ""
        ):
            return "No location is registered there: register it, or one above it, first."
        return Place(domain.name, domain.bucket)

    async def _table(self, actor: Actor, asset_id: str) -> Place | str:
        known = self._tables.get(asset_id)
        if known is not None:
            return known
        asset = await self._assets.find(actor, asset_id)
        if asset is None:
            return "The asset of the grant is not there."
        if len(self._tables) >= _MOST_REMEMBERED:
            self._tables.clear()
        place = self._tables[asset_id] = Place(
            asset.domain_name, "", asset.name, elsewhere=asset.format != LAKE_FORMAT
        )
        return place

    async def _is_registered(self, domain_id: str, path: str) -> bool:
        """Whether the path, or one above it, is a registered location of the domain."""
        wanted = path.strip("/")
        cursor: str | None = None
        while True:
            page = await self._store.begin().query(
                LAKE_LOCATIONS, domain_id, index="byDomain", limit=_LOCATIONS, cursor=cursor
            )
            for row in page.rows:
                above = row.item["path"]
                if wanted == above or wanted.startswith(f"{above}/") or not above:
                    return True
            cursor = page.cursor
            if cursor is None:
                return False


def _wanted(grant: Grant, compiled: Compiled) -> list[Wanted]:
    return [
        Wanted(entry, grant.grant_id, grant.domain_id, grant.lake_state)
        for entry in compiled.entries
    ]
