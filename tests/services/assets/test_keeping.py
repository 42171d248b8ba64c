"""What the catalog has kept of assets: words that are found, and terms that come and go at once."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from meshplane.boundary.actor import service_actor
from meshplane.kit.errors import Conflict, MeshplaneError, Stale
from meshplane.services.assets.api import AssetMetadata, AssetsApi, FilledForm
from meshplane.services.assets.store import ASSETS
from tests.builders.portal_mesh import PortalMesh, portal_mesh
from tests.builders.portals import PORTALS

CATALOG = service_actor("catalog", "user:ada")


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[PortalMesh]:
    with PORTALS["twin"]() as portal:
        made = portal_mesh(portal, tmp_path)
        yield made
        await made.store.close()


async def an_asset(mesh: PortalMesh) -> str:
    return await mesh.asset("dzd-1", "proj-1", tags=["contracted"])


async def found(api: AssetsApi, words: str, term: str | None = None) -> list[str]:
    return [one.asset_id for one in await api.search(CATALOG, words, 10, term)]


def carrying(*terms: str) -> AssetMetadata:
    return AssetMetadata(terms, names={one: f"named {one.replace('-', '')}" for one in terms})


async def test_put__is_found_at_once_by_terms_and_by_values_and_still_by_the_contracts_tags(
    mesh: PortalMesh,
) -> None:
    asset, api = await an_asset(mesh), mesh.api
    form = FilledForm("form-1", "Keeping", 1, {"days": 42, "why": "giraffe law", "ok": True})
    said = AssetMetadata(("term-1",), {"delay": ("term-2",)}, (form,), {
        "term-1": "Zebra", "term-2": "Okapi",
    })  # fmt: skip
    await api.put_metadata(CATALOG, asset, said, 0)
    for words in ("zebra", "okapi", "giraffe", "42", "contracted", "contracted zebra giraffe"):
        assert await found(api, words) == [asset], words
    await api.put_metadata(CATALOG, asset, AssetMetadata(), 1)
    assert [await found(api, one) for one in ("zebra", "giraffe")] == [[], []]
    assert await found(api, "contracted") == [asset]


async def test_put__again_changes_nothing_and_on_another_version_is_stale(
    mesh: PortalMesh,
) -> None:
    asset, api = await an_asset(mesh), mesh.api
    first = await api.put_metadata(CATALOG, asset, carrying("term-1"), 0)
    again = await api.put_metadata(CATALOG, asset, carrying("term-1"), 0)
    assert first == again
    assert first.version == 1
    with pytest.raises(Stale):
        await api.put_metadata(CATALOG, asset, carrying("term-2"), 0)


async def test_search__by_a_term_alone_gives_what_is_listed_and_carries_it(
    mesh: PortalMesh,
) -> None:
    api = mesh.api
    assets = [await an_asset(mesh) for _ in range(3)]
    for asset in assets[:2]:
        await api.put_metadata(CATALOG, asset, carrying("term-1"), 0)
    await mesh.change(ASSETS, assets[1], status="submitted")
    assert await found(api, "", "term-1") == [assets[0]]
    assert await found(api, "flight", "term-1") == [assets[0]]
    assert await found(api, "", "term-2") == []


async def test_rename__is_found_by_the_new_name_everywhere(mesh: PortalMesh) -> None:
    api = mesh.api
    assets = [await an_asset(mesh) for _ in range(25)]
    for asset in assets:
        await api.put_metadata(CATALOG, asset, carrying("term-1"), 0)
    await api.rename_term(CATALOG, "term-1", "Hippo")
    hits = [one.asset_id for one in await api.search(CATALOG, "hippo", 100)]
    assert sorted(hits) == sorted(assets)
    assert await found(api, "named") == []
    later = await an_asset(mesh)
    await api.put_metadata(CATALOG, later, carrying("term-1"), 0)  # with the name of before
    kept = await api.metadata(CATALOG, later)
    assert kept is not None
    assert kept.names == {"term-1": "Hippo"}


async def test_retire__is_refused_while_used_and_afterwards_nobody_uses_it(
    mesh: PortalMesh,
) -> None:
    asset, api = await an_asset(mesh), mesh.api
    await api.put_metadata(CATALOG, asset, carrying("term-1"), 0)
    uses = await api.retire_term(CATALOG, "term-1")
    assert [(one.asset_id, one.places) for one in uses] == [(asset, ("asset",))]
    await api.put_metadata(CATALOG, asset, AssetMetadata(), 1)
    assert await api.retire_term(CATALOG, "term-1") == []
    with pytest.raises(Conflict) as refused:
        await api.put_metadata(CATALOG, asset, carrying("term-1"), 2)
    assert refused.value.code == "TERM_RETIRED"
    await api.restore_term(CATALOG, "term-1")
    await api.put_metadata(CATALOG, asset, carrying("term-1"), 2)


async def test_retire_and_put_at_once__only_one_of_them_happens(mesh: PortalMesh) -> None:
    api = mesh.api
    for round_ in range(30):
        asset, term = await an_asset(mesh), f"term-{round_}"
        put, uses = await asyncio.gather(
            api.put_metadata(CATALOG, asset, carrying(term), 0),
            api.retire_term(CATALOG, term),
            return_exceptions=True,
        )
        assert not isinstance(uses, BaseException)
        if isinstance(put, MeshplaneError):
            assert (put.code, uses) == ("TERM_RETIRED", [])
        else:
            assert [one.asset_id for one in uses] == [asset]


async def test_rename_and_put_at_once__the_asset_has_the_new_name(mesh: PortalMesh) -> None:
    api = mesh.api
    for round_ in range(30):
        asset, term = await an_asset(mesh), f"term-{round_}"
        await asyncio.gather(
            api.put_metadata(CATALOG, asset, carrying(term), 0),
            api.rename_term(CATALOG, term, "Newly"),
        )
        kept = await api.metadata(CATALOG, asset)
        assert kept is not None
        assert kept.names == {term: "Newly"}


async def test_put__many_at_once_with_one_term__all_succeed(mesh: PortalMesh) -> None:
    api = mesh.api
    assets = [await an_asset(mesh) for _ in range(60)]
    said = [api.put_metadata(CATALOG, one, carrying("term-1"), 0) for one in assets]
    done = await asyncio.gather(*said)
    assert done == [replace(carrying("term-1"), version=1)] * len(assets)
    assert sorted(one.asset_id for one in await api.search(CATALOG, "", 100, "term-1")) == sorted(
        assets
    )
