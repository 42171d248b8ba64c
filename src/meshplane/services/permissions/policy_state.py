"""Reads the policy that bears on an asset, or on a domain, from the store."""

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

from meshplane.platform.store import UnitOfWork
from meshplane.platform.tables import Between, Row, SortCondition, Table
from meshplane.services.permissions.governed import AssetPolicy
from meshplane.services.permissions.masks import MaskRule
from meshplane.services.permissions.model import (
    AssetTags,
    DataFilter,
    GovernedAsset,
    Grant,
    TagMask,
)
from meshplane.services.permissions.store import (
    DATA_FILTERS,
    GRANTS,
    TAG_ASSIGNMENTS,
    TAG_MASKS,
)

MESH_SCOPE = "mesh"
"""The partition of the masks of tags that hold in the whole mesh."""

_PAGE = 500


async def rows_of(
    work: UnitOfWork,
    table: Table,
    partition: str,
    *,
    index: str | None = None,
    where: SortCondition | None = None,
) -> list[Row]:
    """All rows of a partition, page after page."""
    found: list[Row] = []
    cursor: str | None = None
    while True:
        page = await work.query(
            table, partition, index=index, where=where, limit=_PAGE, cursor=cursor
        )
        found += page.rows
        if page.cursor is None:
            return found
        cursor = page.cursor


async def grants_of(
    work: UnitOfWork,
    principals: Iterable[str],
    asset_id: str | None,
    domain_id: str,
    tagged: Mapping[str, Set[str]] | None = None,
) -> list[Grant]:
    """Every grant of these principals that may bear on an asset or its domain, ended ones too.

    Args:
        work: to read with.
        principals: whose grants.
        asset_id: the asset; None leaves out grants on single assets.
        domain_id: its domain.
        tagged: `values_anywhere` of the asset; grants by tags that it has nowhere are left out.
    """
    found: list[Grant] = []
    for principal in dict.fromkeys(principals):
        rows: list[Row] = []
        if asset_id is not None:
            # By the asset, as rows of the version before have no holder.
            one = Between(principal, principal)
            rows += await rows_of(work, GRANTS, asset_id, index="byAsset", where=one)
        for holder in (f"domain:{domain_id}", "tags"):
            one = Between(holder, holder)
            rows += await rows_of(work, GRANTS, principal, index="byHolder", where=one)
        found += [Grant.from_json(row.item) for row in rows if may_be_on(row, tagged)]
    return found


def may_be_on(row: Row, tagged: Mapping[str, Set[str]] | None) -> bool:
    """Whether a grant by tags asks for values that are there; one of another kind may be."""
    if tagged is None or row.item.get("holder") != "tags":
        return True
    return all(
        not tagged.get(term["key"], frozenset()).isdisjoint(term["values"])
        for term in row.item["target"]["expression"]
    )


async def all_grants_of(work: UnitOfWork, principals: Iterable[str]) -> list[Grant]:
    """Every grant of these principals, ended ones too."""
    found: list[Grant] = []
    for principal in dict.fromkeys(principals):
        found += [Grant.from_json(row.item) for row in await grant_rows_of(work, principal)]
    return found


async def grant_rows_of(work: UnitOfWork, principal: str) -> list[Row]:
    """The rows of every grant of a principal, ended ones too."""
    return await rows_of(work, GRANTS, principal, index="byHolder")


async def grants_on(work: UnitOfWork, asset_id: str | None, domain_id: str) -> list[Grant]:
    """Every grant of anybody that may bear on an asset or its domain, ended ones too."""
    found = await grants_on_asset(work, asset_id) if asset_id is not None else []
    for holder in (f"domain:{domain_id}", "tags"):
        rows = await rows_of(work, GRANTS, holder, index="onHolder")
        found += [Grant.from_json(row.item) for row in rows]
    return found


async def grants_on_asset(work: UnitOfWork, asset_id: str) -> list[Grant]:
    """Every grant of anybody on an asset itself, ended ones too."""
    rows = await rows_of(work, GRANTS, asset_id, index="byAsset")
    return [Grant.from_json(row.item) for row in rows]


async def policy_of(work: UnitOfWork, asset: GovernedAsset, grants: Sequence[Grant]) -> AssetPolicy:
    """The policy that bears on an asset, with these grants."""
    return AssetPolicy(
        asset,
        await tags_of(work, asset.asset_id, asset.domain_id),
        tuple(grants),
        tuple(await filters_of(work, asset.asset_id, grants)),
        tuple(await tag_masks_of(work, asset.domain_id)),
    )


async def tags_of(work: UnitOfWork, asset_id: str | None, domain_id: str) -> AssetTags:
    """The tags that were assigned to an asset, its columns and its database."""
    database = {
        row.item["key"]: row.item["value"]
        for row in await rows_of(work, TAG_ASSIGNMENTS, f"domain:{domain_id}")
    }
    table: dict[str, str] = {}
    columns: dict[str, dict[str, str]] = {}
    if asset_id is not None:
        for row in await rows_of(work, TAG_ASSIGNMENTS, f"asset:{asset_id}"):
            column, key, value = row.item["column"], row.item["key"], row.item["value"]
            place = columns.setdefault(column, {}) if column else table
            place[key] = value
    return AssetTags(database, table, columns)


async def tag_masks_of(work: UnitOfWork, domain_id: str) -> list[TagMask]:
    """The masks of tags that hold in a domain: its own, and those of the whole mesh."""
    rows = await rows_of(work, TAG_MASKS, domain_id)
    rows += await rows_of(work, TAG_MASKS, MESH_SCOPE)
    return [tag_mask(row.item) for row in rows]


def tag_mask(item: dict[str, Any]) -> TagMask:
    """The mask of a tag from its row."""
    scope = item["scope"]
    return TagMask(
        item["key"],
        item["value"],
        MaskRule.from_json(item["mask"]),
        None if scope == MESH_SCOPE else scope,
    )


async def filters_of(
    work: UnitOfWork, asset_id: str, grants: Sequence[Grant] | None = None
) -> list[DataFilter]:
    """The data filters of an asset; with `grants`, only if one of them is on a filter."""
    if grants is not None and not any(grant.target.kind == "filter" for grant in grants):
        return []
    rows = await rows_of(work, DATA_FILTERS, asset_id)
    return [DataFilter.from_json(row.item) for row in rows]
