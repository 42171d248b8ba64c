"""Tags of a data product that is not listed are known to its project and its domain alone."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from meshplane.boundary.actor import Actor
from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Judge
from meshplane.kit.errors import Missing
from meshplane.kit.ids import id_maker
from meshplane.policy.engine import Engine, policy_texts
from meshplane.policy.model import Membership
from meshplane.services.assets.api import PUBLISHED, AssetColumn, AssetSummary
from meshplane.services.lake.policy_schemas import AssignmentQuery, TagAssignmentsView
from meshplane.services.lake.tags import Tags
from tests.builders.lake_world import ADA, DOMAIN, ITSELF, LakeWorld

pytestmark = pytest.mark.anyio

SAM, OTTO = Actor("sam@aviation"), Actor("otto@maps")
UNA = Actor("una@nowhere", frozenset({"staff"}))
LISTED = AssetSummary(
    "asset-1", "flights", DOMAIN, "aviation", "proj-1", "flying", "tbl-1", "", "internal",
    "user:o@m", (AssetColumn("tail", "string", "", "confidential"),), None, PUBLISHED,
)  # fmt: skip
HANDED_IN = replace(LISTED, asset_id="asset-2", status="submitted")


class Roles:
    """Sam is a steward of the domain; Otto is of the project that hands in."""

    async def of(
        self, actor: Actor, domain_id: str | None, project_id: str | None
    ) -> frozenset[Membership]:
        """See `Memberships.of`."""
        if actor == SAM and domain_id == DOMAIN:
            return frozenset({Membership("Domain", DOMAIN, "steward")})
        if actor == OTTO and project_id == "proj-1":
            return frozenset({Membership("Project", "proj-1", "viewer")})
        return frozenset()


class TwoAssets:
    """One data product that is listed, and one that is not yet."""

    async def find(self, actor: Actor, asset_id: str) -> AssetSummary | None:
        """See `AssetsApi.find`."""
        known = {asset.asset_id: asset for asset in (LISTED, HANDED_IN)}
        return known.get(asset_id)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[LakeWorld]:
    made = LakeWorld(tmp_path)
    for asset in (LISTED, HANDED_IN):
        await made.permissions.assign_tags(
            ITSELF, f"asset:{asset.asset_id}", "tail", {"classification": "restricted"}
        )
    yield made
    await made.close()


async def tags_of(world: LakeWorld, actor: Actor, asset_id: str) -> list[str | None]:
    """The columns whose tags `GET /lake/lf-tag-assignments` tells."""
    judge = Judge(Engine(policy_texts().values()), Roles(), {"mesh-admins": "administrator"})
    boundary = Boundary(world.store, judge, world.clock, id_maker(world.clock))
    assets: Any = TwoAssets()
    domains: Any = None
    tags = Tags(world.permissions, assets, domains)
    query = AssignmentQuery(resource=f"asset:{asset_id}")
    found: TagAssignmentsView = await boundary.read(
        "listLfTagAssignments", actor, lambda call: tags.assigned(call, query)
    )
    return [tag.column for tag in found.tags]


@pytest.mark.parametrize("actor", [SAM, OTTO, UNA, ADA])
async def test_tags__of_a_listed_product__are_there_for_everyone(
    world: LakeWorld, actor: Actor
) -> None:
    assert await tags_of(world, actor, "asset-1") == ["tail"]


@pytest.mark.parametrize("actor", [SAM, OTTO, ADA])
async def test_tags__of_one_that_is_not_listed__are_there_for_those_who_answer_for_it(
    world: LakeWorld, actor: Actor
) -> None:
    assert await tags_of(world, actor, "asset-2") == ["tail"]


async def test_tags__of_one_that_is_not_listed__are_not_there_for_others(
    world: LakeWorld,
) -> None:
    told = []
    for asset_id in ("asset-2", "asset-3"):
        with pytest.raises(Missing) as caught:
            await tags_of(world, UNA, asset_id)
        told.append((caught.value.code, caught.value.message))
    assert told[0] == told[1]
