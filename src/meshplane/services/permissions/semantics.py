"""What grants come to on a table: Lake Formation's semantics, with masks and a lake's state on top.

Each edge with its source, in the AWS Lake Formation Developer Guide unless said otherwise:

- Grants are additive, and there is no denying one. All rows and columns by one grant make a
  narrower one beside it meaningless; the narrower one is not worth less for it and comes to bear
  when the wider one goes ("Overview of Lake Formation permissions").
- SELECT on a table is SELECT on all of its columns, later ones too; it is the same as a column
  grant that excludes nothing (the service answers one for the other: terraform-provider-aws,
  pull request 20108).
- A column grant permits SELECT and nothing else, by an include list or by an exclude list; the
  columns of an exclude list stay out and all others are in, later ones too ("Lake Formation
  permissions reference"; "Notes and restrictions for column-level filtering").
- A data filter is rows × columns, and permits SELECT. Several are a union, cell by cell: a row is
  there if one of them passes it, and a cell of it that none of those shows is NULL ("Data filtering
  and cell-level security", "Row-level security policies": additive).
- An expression over tags reaches those columns whose tags match it; a column's own tag takes the
  place of the table's, and the table's that of the database. If it reaches a part of the columns
  only, what needs the whole table (ALTER, DROP, INSERT, DELETE) is not granted, and DESCRIBE is in
  its place ("Lake Formation tag-based access control notes and restrictions").
- An expression for databases, and a grant on a database, permit DESCRIBE, CREATE_TABLE, ALTER and
  DROP of the database itself. There is no SELECT on a database ("permissions reference").
- Whoever has any permission on a table has DESCRIBE of it; whoever has one on all tables of a
  database has DESCRIBE of the database ("Granting permissions on Data Catalog resources").

Where Meshplane differs:

- Masks. Lake Formation shows a value or hides it. Here a grant may mask a column, and so may a tag.
  A grant's own mask goes before a tag's, `none` as well; of several tags the strictest mask holds.
  Over several grants a cell is shown as the weakest of those shows it that let its row through.
  A mask that does not fit its column's type (any more) shows nothing: null.
- Columns are found by their identity where a grant knows it, so that a column which was dropped and
  made anew under its name is not the one that was granted. An excluded or masked column stays so
  under both its identity and its name.
- A grant whose row filter does not fit the table any more, or which excludes or masks a column that
  is nowhere to be found, is broken: it lets nothing through until someone mends it.
- What the lake is known not to hold as it was granted lets nothing through here either: policy is
  never wider at one door than at another.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from meshplane.kit.clock import from_text
from meshplane.services.permissions.governed import GovernedTable
from meshplane.services.permissions.mask_strength import strength
from meshplane.services.permissions.model import (
    AssetAccess,
    AssetTags,
    Broken,
    DataFilter,
    GovernedAsset,
    Grant,
    MaskRule,
    RowScope,
    TagMask,
)
from meshplane.services.permissions.tag_expressions import matches

TABLE_PERMISSIONS = frozenset({"SELECT", "DESCRIBE", "INSERT", "DELETE", "ALTER", "DROP"})
DATABASE_PERMISSIONS = frozenset({"DESCRIBE", "CREATE_TABLE", "ALTER", "DROP"})
COLUMN_PERMISSIONS = frozenset({"SELECT"})
ROWS_PERMISSIONS = frozenset({"SELECT", "DESCRIBE"})

_NOTHING: frozenset[str] = frozenset()
_CLOSED_STATES = {
    "missing": "the lake does not hold it",
    "changed": "the lake holds it otherwise than it was granted",
    "failed": "the lake would not take it",
}

Outcome = Literal[
    "applies", "elsewhere", "tags_differ", "permits_nothing", "expired", "not_in_lake", "broken"
]


@dataclass(frozen=True, slots=True)
class Effect:
    """What one grant comes to on a table.

    Args:
        outcome: `applies`; `elsewhere`, it is not on this table; `tags_differ`, its expression
            reaches nothing here; `permits_nothing` that there is on its target; `expired`;
            `not_in_lake`; `broken`.
        permissions: what it permits, DESCRIBE included where that follows.
        scope: what it lets be read, if it permits SELECT.
        why: of the last two, what is wrong, to stand after "because".
    """

    outcome: Outcome
    permissions: frozenset[str] = _NOTHING
    scope: RowScope | None = None
    why: str | None = None


_ELSEWHERE = Effect("elsewhere")
_TAGS_DIFFER = Effect("tags_differ")
_PERMITS_NOTHING = Effect("permits_nothing")
_EXPIRED = Effect("expired")


def access(  # noqa: PLR0917 - what there is, what is granted, when: in that order
    asset: GovernedAsset,
    tags: AssetTags,
    grants: Iterable[Grant],
    filters: Iterable[DataFilter],
    tag_masks: Iterable[TagMask],
    now: datetime,
) -> AssetAccess:
    """What grants come to on a table, all together.

    Args:
        asset: the table as it is now.
        tags: assigned to it, its columns, and its database.
        grants: those of the principals in question; others would be counted too. Revoked ones are
            not among them. Those on something else are passed over.
        filters: the table's data filters.
        tag_masks: of the whole mesh and of domains; those of other domains are passed over.
        now: the instant for which to say it.
    """
    table = GovernedTable(asset, tags, filters, tag_masks)
    rights: dict[str, list[str]] = {}
    grantable: dict[str, list[str]] = {}
    scopes, broken = [], []
    for grant in grants:
        found = effect(grant, table, now)
        if found.why is not None:
            broken.append(Broken(grant.grant_id, found.why))
        for permission in found.permissions:
            rights.setdefault(permission, []).append(grant.grant_id)
            if permission in grant.grantable:
                grantable.setdefault(permission, []).append(grant.grant_id)
        if found.scope is not None:
            scopes.append(found.scope)
    return AssetAccess(_fixed(rights), _fixed(grantable), tuple(scopes), tuple(broken))


def effect(grant: Grant, table: GovernedTable, now: datetime) -> Effect:
    """What one grant comes to on a table; see the head of this module for the rules."""
    if not _is_on(grant, table):
        return _ELSEWHERE
    if grant.target.kind == "tags" and not (table.matched(grant) or table.is_matched(grant)):
        return _TAGS_DIFFER
    if grant.expires_at is not None and now >= from_text(grant.expires_at):
        return _EXPIRED
    closed = _CLOSED_STATES.get(grant.lake_state)
    if closed is not None:
        return Effect("not_in_lake", why=closed)
    permissions = _permitted(grant, table)
    if "SELECT" not in permissions:
        applies = Effect("applies", _with_describe(permissions))
        return applies if permissions else _PERMITS_NOTHING
    scope = _scope(grant, table)
    if isinstance(scope, str):
        return Effect("broken", why=scope)
    return Effect("applies", _with_describe(permissions), scope)


def database_access(
    domain_id: str, tags: Mapping[str, str], grants: Iterable[Grant], now: datetime
) -> AssetAccess:
    """What grants come to on a database itself; there is nothing to read, so it has no scopes.

    Args:
        domain_id: the database.
        tags: assigned to it.
        grants: those of the principals in question.
        now: the instant for which to say it.
    """
    rights: dict[str, list[str]] = {}
    grantable: dict[str, list[str]] = {}
    broken = []
    for grant in grants:
        permissions = _permitted_on_database(grant, domain_id, tags)
        if not permissions or (grant.expires_at and now >= from_text(grant.expires_at)):
            continue
        if grant.lake_state in _CLOSED_STATES:
            broken.append(Broken(grant.grant_id, _CLOSED_STATES[grant.lake_state]))
            continue
        for permission in permissions:
            rights.setdefault(permission, []).append(grant.grant_id)
            if permission in grant.grantable and grant.target.kind != "tables":
                grantable.setdefault(permission, []).append(grant.grant_id)
    return AssetAccess(_fixed(rights), _fixed(grantable), (), tuple(broken))


def needed(scopes: Iterable[RowScope]) -> tuple[RowScope, ...]:
    """Those scopes without which less would be seen; of equal ones the first.

    A scope is idle beside another that passes its rows and shows each of its columns as weakly or
    weaker. Whoever builds a view asks this first: each scope costs a test of each row.
    """
    kept: list[RowScope] = []
    for scope in scopes:
        if any(_shows_all_of(other, scope) for other in kept):
            continue
        kept = [other for other in kept if not _shows_all_of(scope, other)]
        kept.append(scope)
    return tuple(kept)


def _shows_all_of(wide: RowScope, narrow: RowScope) -> bool:
    if wide.filter is not None and (
        narrow.filter is None or wide.filter.text != narrow.filter.text
    ):
        return False
    if wide.columns is narrow.columns:
        return True
    return all(
        name in wide.columns and strength(wide.columns[name]) <= strength(mask)
        for name, mask in narrow.columns.items()
    )


def _is_on(grant: Grant, table: GovernedTable) -> bool:
    target = grant.target
    if target.asset_id is not None:
        return target.asset_id == table.asset.asset_id
    if target.kind == "tables":
        return target.domain_id == table.asset.domain_id
    return (
        target.kind == "tags"
        and target.resource_type == "TABLE"
        and target.domain_id in {None, table.asset.domain_id}
    )


def _permitted(grant: Grant, table: GovernedTable) -> frozenset[str]:
    """What the grant permits on this table, of what its target can permit at all."""
    kind = grant.target.kind
    if kind in {"columns", "filter"}:
        return grant.permissions & COLUMN_PERMISSIONS
    if kind == "rows":
        return grant.permissions & ROWS_PERMISSIONS
    permissions = grant.permissions & TABLE_PERMISSIONS
    if kind != "tags" or (
        table.is_matched(grant) and len(table.matched(grant)) == len(table.names)
    ):
        return permissions
    partial = permissions & COLUMN_PERMISSIONS if table.matched(grant) else _NOTHING
    return partial | {"DESCRIBE"} if permissions else _NOTHING


def _permitted_on_database(grant: Grant, domain_id: str, tags: Mapping[str, str]) -> frozenset[str]:
    target = grant.target
    if target.kind == "database" and target.domain_id == domain_id:
        return _with_describe(grant.permissions & DATABASE_PERMISSIONS)
    if target.kind == "tables" and target.domain_id == domain_id:
        return frozenset({"DESCRIBE"}) if grant.permissions & TABLE_PERMISSIONS else _NOTHING
    if (
        target.kind == "tags"
        and target.resource_type == "DATABASE"
        and target.domain_id in {None, domain_id}
        and matches(target.expression, tags)
    ):
        return _with_describe(grant.permissions & DATABASE_PERMISSIONS)
    return _NOTHING


def _with_describe(permissions: frozenset[str]) -> frozenset[str]:
    return permissions | {"DESCRIBE"} if permissions else permissions


def _scope(grant: Grant, table: GovernedTable) -> RowScope | str:
    """What the grant lets be read, or why it is broken."""
    kind, row_filter = grant.target.kind, grant.row_filter
    if kind == "rows":
        columns = _granted_cells(grant, table)
    else:
        names: Iterable[str] | str
        pins = table.pins(grant)
        if kind == "columns":
            names = table.named(grant.target.included, grant.target.excluded, pins)
        elif kind == "filter":
            found = table.filter_named(grant.target.filter_name)
            if found is None:
                return f"its data filter {grant.target.filter_name} is gone"
            row_filter = found.row_filter
            names = table.named(found.included, found.excluded, found.field_ids)
        elif kind == "tags":
            names = table.matched(grant)
        else:
            names = table.names
        if isinstance(names, str):
            return names
        own = table.own_masks(grant, pins)
        if isinstance(own, str):
            return own
        columns = table.whole if not own and names is table.names else _cells(names, own, table)
    problem = table.filter_problem(row_filter)
    if problem is not None:
        return problem
    if not columns:
        return "none of the columns that it names is there any more"
    return RowScope(grant.grant_id, row_filter, columns)


def _granted_cells(grant: Grant, table: GovernedTable) -> dict[str, MaskRule | None]:
    """The columns of a `rows` grant: by identity where known, its own mask first.

    A column that it names twice, by identity and by name, is shown as the stricter shows it.
    """
    cells: dict[str, MaskRule | None] = {}
    for granted in grant.columns:
        column = table.find(granted.name, granted.field_id)
        if column is not None:
            name = column.name
            mask = table.shown(granted.mask, name) if granted.mask else table.whole[name]
            if name in cells and strength(cells[name]) > strength(mask):
                continue
            cells[name] = mask
    return cells


def _cells(
    names: Iterable[str], own: Mapping[str, MaskRule], table: GovernedTable
) -> dict[str, MaskRule | None]:
    by_tags = table.whole
    return {name: table.shown(own[name], name) if name in own else by_tags[name] for name in names}


def _fixed(found: Mapping[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {permission: tuple(ids) for permission, ids in found.items()}
