"""The permissions service on a store of its own, in this process, on a clock that is set."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from meshplane.boundary.actor import Actor, service_actor
from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Judge
from meshplane.kit.clock import Clock, FixedClock
from meshplane.kit.ids import id_maker
from meshplane.platform.local.sqlite import SqliteStore
from meshplane.policy.engine import Engine, policy_texts
from meshplane.policy.model import Membership
from meshplane.services.permissions.ending import Ending
from meshplane.services.permissions.granting import Granting
from meshplane.services.permissions.keeper import PermissionsKeeper
from meshplane.services.permissions.model import AssetAccess, GovernedAsset
from meshplane.services.permissions.reading import Reading
from meshplane.services.permissions.schemas import (
    GrantView,
    NewGrant,
    Revocation,
    RevocationView,
    Simulation,
    SimulationView,
)
from meshplane.services.permissions.store import ASSET_DOMAINS, TABLES
from meshplane.services.permissions.taking import Taking
from meshplane.services.permissions.trying import Trying
from tests.builders.known_schemas import KnownSchemas, flights
from tests.builders.stores import NOON

SAM = Actor("sam@aviation")
"""A steward of `dzd-1`."""
ADA = Actor("ada@mesh", frozenset({"mesh-admins"}))
UNA = Actor("una@nowhere", frozenset({"staff"}))
SUBSCRIPTIONS, LAKE = service_actor("subscriptions"), service_actor("lake")


class Roles:
    """Who has which role: Sam is the steward of the domain `dzd-1`, Otto is of `proj-1`."""

    async def of(
        self, actor: Actor, domain_id: str | None, project_id: str | None
    ) -> frozenset[Membership]:
        """See `Memberships.of`."""
        held = set()
        if domain_id == "dzd-1" and actor.name == SAM.name:
            held.add(Membership("Domain", "dzd-1", "steward"))
        if project_id == "proj-1" and actor.subject == "otto@maps":
            held.add(Membership("Project", "proj-1", "owner"))
        return frozenset(held)


class PolicyWorld:
    """The parts of the service.

    Attributes:
        store, clock, schemas: what it stands on.
        keeper: what other services call.
    """

    def __init__(self, store: SqliteStore, clock: Clock, schemas: KnownSchemas) -> None:
        self.store, self.clock, self.schemas = store, clock, schemas
        judge = Judge(Engine(policy_texts().values()), Roles(), {"mesh-admins": "administrator"})
        self.boundary = Boundary(store, judge, clock, id_maker(clock))
        self.keeper = PermissionsKeeper(self.boundary, store, schemas)
        self.granting = Granting(schemas, clock)
        self.taking = Taking(schemas, clock)
        self.reading = Reading(schemas, clock)
        self.trying = Trying(self.granting, self.taking, schemas, clock)
        self.ending = Ending(self.boundary, store)

    async def grant(self, actor: Actor, **body: Any) -> GrantView:
        """Grants as `POST /permissions/grant` does; a reason is added."""
        wish = NewGrant.model_validate({"reason": "For a test.", **body})
        given: GrantView = await self.boundary.write(
            "grantPermission", actor, lambda call: self.granting.grant(call, wish)
        )
        return given

    async def revoke(self, actor: Actor, **body: Any) -> RevocationView:
        """Revokes as `POST /permissions/revoke` does."""
        wish = Revocation.model_validate(body)
        done: RevocationView = await self.boundary.write(
            "revokePermission", actor, lambda call: self.taking.revoke(call, wish)
        )
        return done

    async def simulate(self, actor: Actor, *changes: dict[str, Any]) -> SimulationView:
        """Tries changes out as `POST /permissions/simulate` does."""
        wish = Simulation.model_validate({"changes": list(changes)})
        seen: SimulationView = await self.boundary.write(
            "simulatePermissions", actor, lambda call: self.trying.simulate(call, wish)
        )
        return seen

    async def access(self, *principals: str, asset: GovernedAsset | None = None) -> AssetAccess:
        """What principals together have on an asset, by default on `asset-1`."""
        return await self.keeper.access(UNA, asset or self.schemas.assets["asset-1"], principals)

    async def columns(self, *principals: str) -> dict[str, str]:
        """By column of `asset-1` that is seen: `plain`, or the kind of its mask."""
        found: dict[str, str] = {}
        for scope in (await self.access(*principals)).scopes:
            for name, mask in scope.columns.items():
                if mask is None or name not in found:
                    found[name] = mask.kind if mask else "plain"
        return found

    async def events(self) -> list[tuple[str, dict[str, Any]]]:
        """(type, detail) of all events."""
        return [(event.type, event.detail) for event in await self.store.events_after(0, 100_000)]


@asynccontextmanager
async def policy_world(
    folder: Path, clock: Clock | None = None, assets: Sequence[GovernedAsset] = ()
) -> AsyncIterator[PolicyWorld]:
    """A world in a folder; by default with the asset `asset-1` of the domain `dzd-1`, at noon."""
    clock = clock or FixedClock(NOON)
    store = SqliteStore(folder / "meshplane.db", TABLES, clock, id_maker(clock))
    known = assets or (flights(),)
    work = store.begin()
    for asset in known:
        item = {
            "assetId": asset.asset_id,
            "domainId": asset.domain_id,
            "projectId": asset.project_id,
            "tableId": asset.table_id,
            "name": asset.name,
            "classification": asset.classification,
            "listing": "all",
        }
        work.put(ASSET_DOMAINS, item)
    await work.commit()
    yield PolicyWorld(store, clock, KnownSchemas(*known))
    await store.close()
