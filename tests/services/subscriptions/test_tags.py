"""Which listed assets are handed over by their tags."""

from dataclasses import replace
from typing import cast

from meshplane.boundary.actor import Actor, service_actor
from meshplane.services.assets.api import AssetPage, AssetsApi, AssetSummary
from meshplane.services.permissions.api import PermissionsApi, TagAssignment
from meshplane.services.subscriptions.tags import TaggedAssets
from tests.services.subscriptions.test_scope import PUBLIC

ACTOR = service_actor("subscriptions")
ALL_PUBLIC = (("classification", ("public",)),)


class Shelf:
    """Nine listed assets, four to a page; each third is not public. Nothing is tagged besides."""

    async def listed(self, actor: Actor, limit: int, cursor: str | None) -> AssetPage:
        begin = int(cursor or 0)
        assets = tuple(
            replace(PUBLIC, asset_id=f"asset-{place}", classification=level)
            for place in range(begin, min(begin + 4, 9))
            for level in ["internal" if place % 3 == 2 else "public"]
        )
        return AssetPage(assets, str(begin + 4) if begin + 4 < 9 else None)

    async def assigned(self, actor: Actor, resource: str) -> list[TagAssignment]:
        return []


async def taken(limit: int, had: set[str]) -> tuple[list[str], bool]:
    """The assets that are taken by one who has some of them; whether there may be more."""
    shelf = Shelf()
    assets, permissions = cast(AssetsApi, shelf), cast(PermissionsApi, shelf)
    found: list[str] = []

    async def take(asset: AssetSummary) -> bool:
        if asset.asset_id not in had:
            found.append(asset.asset_id)
        return asset.asset_id not in had

    more = await TaggedAssets(assets, permissions).each(ACTOR, ALL_PUBLIC, limit, take)
    return found, more


async def test_each__hands_over_what_matches_up_to_the_limit() -> None:
    assert await taken(9, set()) == ([f"asset-{place}" for place in (0, 1, 3, 4, 6, 7)], False)
    assert await taken(2, set()) == (["asset-0", "asset-1"], True)


async def test_each__again_comes_to_what_the_limit_cut_off() -> None:
    had: set[str] = set()
    rounds = []
    more = True
    while more:
        found, more = await taken(2, had)
        assert found
        rounds.append(found)
        had |= set(found)
    assert rounds == [["asset-0", "asset-1"], ["asset-3", "asset-4"], ["asset-6", "asset-7"]]
