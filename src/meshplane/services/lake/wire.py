"""Puts the lake service together."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from meshplane.boundary.wiring import Built, Ground, Needs
from meshplane.events.consumer import Consumer
from meshplane.services.assets.api import AssetsApi
from meshplane.services.lake.adopting import Adopting
from meshplane.services.lake.by_hand import ByHand
from meshplane.services.lake.checking import DriftCases
from meshplane.services.lake.compiled import CompiledGrants
from meshplane.services.lake.consumers import Following
from meshplane.services.lake.desired import DesiredGrants, Owners
from meshplane.services.lake.filters import DataFilters
from meshplane.services.lake.keeping import Keeping
from meshplane.services.lake.lake_formation_grants import LakeFormationGrants
from meshplane.services.lake.local import LocalLake
from meshplane.services.lake.locations import Locations
from meshplane.services.lake.looking import Looking
from meshplane.services.lake.ports import LakeGrants
from meshplane.services.lake.reconciling import Reconciling
from meshplane.services.lake.routes import drift_routes, grant_routes, policy_routes
from meshplane.services.lake.tags import Tags

if TYPE_CHECKING:  # needed where the lake is on AWS alone
    from meshplane.services.lake.aws_owners import OwnerGrants
    from meshplane.services.lake.aws_shares import ShareGrants

NEEDS = ("domains", "permissions", "tables", "assets")

NO_ACCOUNT = "000000000000"
"""Stands for the account where there is none."""


def build(ground: Ground, needs: Needs) -> Built[None]:
    """The service on that ground."""
    domains, permissions = needs["domains"], needs["permissions"]
    tables, assets = needs["tables"], needs["assets"]
    aws = ground.aws_for("lake")
    lake = _lake(ground)
    account = aws.place.account if aws is not None else NO_ACCOUNT
    there = LakeFormationGrants(permissions, assets, tables, account)
    owners, shares = _owners(ground, assets), _shared(ground, assets)
    desired = DesiredGrants(
        permissions,
        assets,
        domains,
        ground.store,
        there if aws is not None else None,
        owners=_joined(owners, shares),
    )
    looking = Looking(lake, desired, permissions, domains, ground.store, clock=ground.clock)
    keeping = Keeping(lake, permissions, desired, ground.store, ground.clock)
    adopting = Adopting(permissions, assets, tables, desired)
    reconciling = Reconciling(lake, looking, keeping, adopting, ground.clock)
    drift = DriftCases(looking, reconciling, permissions, domains)
    by_hand = ByHand(lake, looking, permissions)
    compiled = CompiledGrants(permissions, assets, tables, desired, account)
    tags, filters = Tags(permissions, assets, domains), DataFilters(permissions, assets)
    return Built(
        [
            *drift_routes(drift, ground.boundary),
            *grant_routes(by_hand, compiled, Locations(domains, permissions), ground.boundary),
            *policy_routes(tags, filters, ground.boundary),
        ],
        None,
        (
            *Following(keeping, permissions, ground.clock).consumers,
            *(shares.consumers if shares is not None else ()),
        ),
        queues=reconciling.queues,
        aside=_projected(ground, needs, keeping, owners),
    )


def _lake(ground: Ground) -> LakeGrants:
    aws = ground.aws_for("lake")
    if aws is None:
        return LocalLake(ground.lake_folder / "grants.db", ground.clock)
    from meshplane.platform.aws.at_once import at_once
    from meshplane.platform.aws.names import CRAWL_ROLE, role_arn
    from meshplane.services.lake.aws import LakeFormationLake
    from meshplane.services.lake.aws_notes import StoreNotes
    from meshplane.services.lake.aws_settings import administrators_of

    # What crawlers may in their own database, and where raw areas lie, nobody granted.
    own = at_once(administrators_of(aws)) | {role_arn(aws.place, CRAWL_ROLE)}
    return LakeFormationLake(aws, own=own, notes=StoreNotes(ground.store))


def _owners(ground: Ground, assets: AssetsApi) -> "OwnerGrants | None":
    """What owners need; None: the embedded lake asks nobody about them."""
    aws = ground.aws_for("lake")
    if aws is None:
        return None
    from meshplane.platform.aws.names import QUALITY_ROLE, role_arn
    from meshplane.services.lake.aws_owners import OwnerGrants

    is_there = ground.aws_for("quality") is not None
    quality_role = role_arn(aws.place, QUALITY_ROLE) if is_there else None
    return OwnerGrants(assets, aws.place.account, quality_role)


def _shared(ground: Ground, assets: AssetsApi) -> "ShareGrants | None":
    """What shares need; None where they are not carried out in this lake."""
    aws = ground.aws_for("lake")
    if aws is None or ground.aws_for("shares") is None:
        return None
    from meshplane.services.lake.aws_shares import ShareGrants

    return ShareGrants(assets, ground.store, aws.place.account)


def _joined(owners: "OwnerGrants | None", shares: "ShareGrants | None") -> Owners | None:
    if owners is None or shares is None:
        return owners
    from meshplane.services.lake.aws_shares import Joined

    return Joined((owners, shares))


def _projected(
    ground: Ground, needs: Needs, keeping: Keeping, owners: "OwnerGrants | None"
) -> Sequence[Consumer]:
    """What keeps tags, locations and owners' rights in Lake Formation as they are here."""
    aws = ground.aws_for("lake")
    if aws is None or owners is None:
        return ()
    from meshplane.services.lake.aws_following import FollowingTables
    from meshplane.services.lake.aws_locations import LocationProjection
    from meshplane.services.lake.aws_owners import FollowingOwners
    from meshplane.services.lake.aws_tag_projection import TagProjection

    tags = TagProjection(aws, needs["permissions"], needs["assets"], needs["domains"])
    locations = LocationProjection(aws, needs["domains"], ground.store)
    following = FollowingTables(keeping, needs["permissions"], ground.clock)
    own = FollowingOwners(keeping, owners)
    return (*tags.consumers, *locations.consumers, *following.consumers, *own.consumers)
