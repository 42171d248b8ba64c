"""Puts the lake service together."""

from meshplane.boundary.wiring import Built, Ground, Needs
from meshplane.services.lake.adopting import Adopting
from meshplane.services.lake.by_hand import ByHand
from meshplane.services.lake.checking import DriftCases
from meshplane.services.lake.compiled import CompiledGrants
from meshplane.services.lake.consumers import Following
from meshplane.services.lake.desired import DesiredGrants
from meshplane.services.lake.filters import DataFilters
from meshplane.services.lake.keeping import Keeping
from meshplane.services.lake.local import LocalLake
from meshplane.services.lake.locations import Locations
from meshplane.services.lake.looking import Looking
from meshplane.services.lake.reconciling import Reconciling
from meshplane.services.lake.routes import drift_routes, grant_routes, policy_routes
from meshplane.services.lake.tags import Tags

NEEDS = ("domains", "permissions", "tables", "assets")


def build(ground: Ground, needs: Needs) -> Built[None]:
    """The service on that ground."""
    domains, permissions = needs["domains"], needs["permissions"]
    tables, assets = needs["tables"], needs["assets"]
    lake = LocalLake(ground.lake_folder / "grants.db", ground.clock)
    desired = DesiredGrants(permissions, assets, domains, ground.store)
    looking = Looking(lake, desired, permissions, domains, ground.store, clock=ground.clock)
    keeping = Keeping(lake, permissions, desired, ground.store, ground.clock)
    adopting = Adopting(permissions, assets, tables, desired)
    reconciling = Reconciling(lake, looking, keeping, adopting, ground.clock)
    drift = DriftCases(looking, reconciling, permissions, domains)
    by_hand = ByHand(lake, looking, permissions)
    compiled = CompiledGrants(permissions, assets, tables, desired)
    tags, filters = Tags(permissions, assets, domains), DataFilters(permissions, assets)
    return Built(
        [
            *drift_routes(drift, ground.boundary),
            *grant_routes(by_hand, compiled, Locations(domains, permissions), ground.boundary),
            *policy_routes(tags, filters, ground.boundary),
        ],
        None,
        Following(keeping, permissions, ground.clock).consumers,
        queues=reconciling.queues,
    )
