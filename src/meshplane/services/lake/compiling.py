"""Compiles a grant into the entries that a lake must hold for it. Pure.

The embedded lake takes a grant as it is, masks and all, in Lake Formation's terms for what it is
on. Two words are its own: the permissions that a row grant has beside SELECT, and `DatabaseName`
in an `LFTagPolicy`, which narrows a grant on tags to one domain. For Lake Formation itself see
`lake_formation.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from meshplane.services.lake.entries import MESH, canonical, entry, fingerprint_of, key_of
from meshplane.services.lake.ports import LakeEntry
from meshplane.services.permissions.api import (
    DataFilter,
    GovernedColumn,
    Grant,
    MaskRule,
    RowFilter,
    Target,
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where what a grant is on lies.

    Args:
        database: the domain's name; "" for tags of the whole mesh.
        bucket: the domain's bucket.
        table: the asset's name, if the grant is on one.
        columns: the asset's columns as they are now, where the compilation asks for them.
        elsewhere: whether the asset is kept by another engine, so that no lake holds it.
    """

    database: str
    bucket: str = ""
    table: str = ""
    columns: tuple[GovernedColumn, ...] = ()
    elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """A view that shows what a lake cannot mask. `shows` are its columns."""

    database: str
    name: str
    sql: str
    shows: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Compiled:
    """What a lake must hold for a grant.

    Args:
        entries: the grants.
        notes: what differs there from here, for people.
        problems: why it cannot be carried there whole; then there may be no entries.
        views: to be made before the entries.
    """

    entries: tuple[LakeEntry, ...]
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    views: tuple[View, ...] = ()


def compile_embedded(
    grant: Grant, place: Place, filters: Mapping[str, DataFilter] | None = None
) -> Compiled:
    """What the embedded lake must hold for a grant.

    Args:
        grant: in force.
        place: where it applies.
        filters: the asset's data filters by name, for a grant on one.
    """
    held = _held(grant, place, filters)
    if isinstance(held, str):
        return Compiled((), problems=(held,))
    made = entry(
        grant.principal,
        held[0],
        grant.permissions,
        grant.grantable,
        filter=held[1],
        masks=held[2],
        made_by=MESH,
    )
    return Compiled((made,))


def mark_embedded(
    grant: Grant, place: Place, filters: Mapping[str, DataFilter] | None = None
) -> tuple[str, str] | str:
    """The key and the fingerprint of the one entry of `compile_embedded`; or what the problem is.

    It is what comparing very many needs, and no more. Arguments as there.
    """
    held = _held(grant, place, filters)
    if isinstance(held, str):
        return held
    said = [sorted(grant.permissions), sorted(grant.grantable), held[1], held[2]]
    return key_of(grant.principal, held[0]), fingerprint_of(canonical(said))


def _held(
    grant: Grant, place: Place, filters: Mapping[str, DataFilter] | None
) -> tuple[dict[str, Any], dict[str, Any] | None, dict[str, Any]] | str:
    """Resource, filter and masks of the embedded lake's entry for a grant; or the problem."""
    target = grant.target
    piece: dict[str, Any] | None = None
    masks: dict[str, Any] = {}
    if target.kind == "rows":
        piece = cells(grant.row_filter, [column.name for column in grant.columns], None)
        masks = {one.name: one.mask.to_json() for one in grant.columns if one.mask is not None}
    else:
        if grant.masks:
            masks = {name: mask.to_json() for name, mask in grant.masks.items()}
        if target.kind == "filter":
            data_filter = (filters or {}).get(target.filter_name or "")
            if data_filter is None:
                return no_such_filter(target)
            piece = cells(data_filter.row_filter, data_filter.included, data_filter.excluded)
    return resource_of(grant, place), piece, masks


def resource_of(grant: Grant, place: Place) -> dict[str, Any]:
    """What a grant is on, in Lake Formation's terms."""
    target = grant.target
    if target.kind == "database":
        return {"Database": {"Name": place.database}}
    if target.kind == "tables":
        return {"Table": {"DatabaseName": place.database, "TableWildcard": {}}}
    if target.kind == "location":
        return {"DataLocation": {"ResourceArn": location_arn(place.bucket, target.path or "")}}
    if target.kind == "tags":
        scope = {"DatabaseName": place.database} if target.domain_id is not None else {}
        policy = {"ResourceType": target.resource_type, "Expression": tag_terms(target)}
        return {"LFTagPolicy": {**policy, **scope}}
    table = {"DatabaseName": place.database, "Name": place.table}
    if target.kind == "table":
        return {"Table": table}
    if target.kind == "columns":
        return {"TableWithColumns": {**table, **columns_of(target.included, target.excluded)}}
    # A row grant's filter has the grant's own name: nobody else's grant is on it.
    name = target.filter_name if target.kind == "filter" else grant.grant_id
    return {
        "DataCellsFilter": {
            "DatabaseName": place.database,
            "TableName": place.table,
            "Name": name,
        }
    }


def cells(
    row_filter: RowFilter | None,
    included: "list[str] | tuple[str, ...] | None",
    excluded: "list[str] | tuple[str, ...] | None",
) -> dict[str, Any]:
    """What a data cells filter lets through, in Lake Formation's terms."""
    rows: dict[str, Any] = {"AllRowsWildcard": {}}
    if row_filter is not None:
        rows = {"FilterExpression": row_filter.text}
    return {"RowFilter": rows, **columns_of(included, excluded)}


def columns_of(
    included: "list[str] | tuple[str, ...] | None", excluded: "list[str] | tuple[str, ...] | None"
) -> dict[str, Any]:
    """Columns in Lake Formation's terms; sorted, as their order means nothing."""
    if included is not None:
        return {"ColumnNames": sorted(set(included))}
    return {"ColumnWildcard": {"ExcludedColumnNames": sorted(set(excluded or ()))}}


def tag_terms(target: Target) -> list[dict[str, Any]]:
    """A tag expression in Lake Formation's terms; sorted, as its order means nothing."""
    return [
        {"TagKey": key, "TagValues": sorted(values)} for key, values in sorted(target.expression)
    ]


def location_arn(bucket: str, path: str) -> str:
    """The ARN of a path below a bucket, without a slash at its end."""
    below = path.strip("/")
    return f"arn:aws:s3:::{bucket}/{below}" if below else f"arn:aws:s3:::{bucket}"


def masked_columns(grant: Grant) -> dict[str, MaskRule]:
    """The columns that a grant itself masks; a mask of kind `none` masks nothing."""
    given: Mapping[str, MaskRule | None] = (
        {column.name: column.mask for column in grant.columns}
        if grant.target.kind == "rows"
        else grant.masks
    )
    return {name: mask for name, mask in given.items() if mask is not None and mask.kind != "none"}


def no_such_filter(target: Target) -> str:
    """What to say where a grant's data filter is not there."""
    return f"The asset has no data filter {target.filter_name}: the grant gives nothing."
