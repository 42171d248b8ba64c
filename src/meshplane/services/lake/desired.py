"""The side that should be: what the grants in force want the lake to hold."""

import asyncio
from collections.abc import AsyncIterator, Container, Mapping
from dataclasses import dataclass, field

from meshplane.boundary.actor import Actor
from meshplane.platform.store import Store
from meshplane.services.assets.api import AssetsApi
from meshplane.services.domains.api import DomainsApi
from meshplane.services.lake.compiling import (
    Compiled,
    Place,
    compile_embedded,
    mark_embedded,
)
from meshplane.services.lake.drift import Wanted
from meshplane.services.lake.store import LAKE_LOCATIONS
from meshplane.services.permissions.api import DataFilter, Grant, PermissionsApi

_PAGE = 250
_FILTERS = 200
_LOCATIONS = 200
_MOST_REMEMBERED = 200_000

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


class DesiredGrants:
    """Works out what the lake should hold.

    Args:
        permissions, assets, domains: the services below.
        store: holds the registered locations.
    """

    def __init__(
        self,
        permissions: PermissionsApi,
        assets: AssetsApi,
        domains: DomainsApi,
        store: Store,
    ) -> None:
        self._permissions = permissions
        self._assets = assets
        self._domains = domains
        self._store = store
        # The names of an asset and of its domain never change. Full, it begins anew.
        self._tables: dict[str, Place] = {}

    async def scan(self, actor: Actor) -> Scan:
        """What every grant in force wants, and what stands in the way of some."""
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

    async def under(self, actor: Actor, keys: Container[str]) -> dict[str, Wanted]:
        """What is wanted under some keys, where they are too many to look at one by one."""
        filters: dict[str, Filters] = {}
        found: dict[str, Wanted] = {}
        async for grant in self._in_force(actor):
            compiled = await self.compiled(actor, grant, filters)
            found |= {one.entry.key: one for one in _wanted(grant, compiled)}
        return {key: one for key, one in found.items() if key in keys}

    async def _in_force(self, actor: Actor) -> AsyncIterator[Grant]:
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

    async def compiled(self, actor: Actor, grant: Grant, filters: dict[str, Filters]) -> Compiled:
        """A grant for the embedded lake; `filters` keeps those that were looked up, by asset."""
        place = await self.place(actor, grant)
        if isinstance(place, str):
            return Compiled((), problems=(place,))
        return compile_embedded(grant, place, await self._filters_for(actor, grant, filters))

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
        place = self._tables[asset_id] = Place(asset.domain_name, "", asset.name)
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
