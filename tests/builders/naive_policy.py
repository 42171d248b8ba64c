"""Policy worked out the slow way: for each row and each cell, every grant is asked anew.

It is written from the rules as the guide tells them, apart from the product's code, and shares with
it nothing but the plain values. A row is the set of those filters' texts that it passes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from meshplane.services.permissions.model import (
    AssetTags,
    DataFilter,
    GovernedAsset,
    GovernedColumn,
    Grant,
    MaskRule,
    RowFilter,
    TagMask,
)

KINDS = ["none", "round", "truncate", "partial", "hash", "constant", "null"]
UNITS = ["hour", "day", "week", "month", "quarter", "year"]
HIDDEN = "hidden"
PLAIN = "plain"
NEEDS_ALL_COLUMNS = {"INSERT", "DELETE", "ALTER", "DROP"}

Cell = MaskRule | str


@dataclass
class World:
    asset: GovernedAsset
    tags: AssetTags
    grants: list[Grant]
    filters: list[DataFilter]
    tag_masks: list[TagMask]
    now: datetime


def cell(world: World, column: GovernedColumn, row: Iterable[str]) -> Cell | None:
    """What stands in a cell: `plain`, a mask, `hidden`; None if the row is not there at all."""
    row = set(row)
    is_there, best = False, HIDDEN
    found: Cell = HIDDEN
    for grant in world.grants:
        if not reads(world, grant) or not passes(world, grant, row):
            continue
        is_there = True
        shown = shows(world, grant, column)
        if shown != HIDDEN and (best == HIDDEN or shows_more(shown, found)):
            best, found = PLAIN, shown
    return found if is_there else None


def rights(world: World) -> dict[str, set[str]]:
    """Each permission with the grants that give it."""
    found: dict[str, set[str]] = {}
    for grant in world.grants:
        for permission in permits(world, grant):
            found.setdefault(permission, set()).add(grant.grant_id)
    return found


def broken(world: World) -> set[str]:
    """The grants that would apply and do not."""
    return {
        grant.grant_id
        for grant in world.grants
        if bears(world, grant) and not ended(world, grant) and is_broken(world, grant)
    }


def permits(world: World, grant: Grant) -> set[str]:
    if not bears(world, grant) or ended(world, grant) or is_broken(world, grant):
        return set()
    found = wants(world, grant)
    return found | {"DESCRIBE"} if found else set()


def wants(world: World, grant: Grant) -> set[str]:
    kind = grant.target.kind
    if kind in ("columns", "filter"):
        return {"SELECT"} & grant.permissions
    if kind == "rows":
        return {"SELECT", "DESCRIBE"} & grant.permissions
    found = {"SELECT", "DESCRIBE", *NEEDS_ALL_COLUMNS} & grant.permissions
    if kind != "tags" or not found:
        return found
    reached = [c for c in world.asset.columns if carries(world, grant, column_tags(world, c))]
    if len(reached) < len(world.asset.columns) or not carries(world, grant, table_tags(world)):
        found = (found - NEEDS_ALL_COLUMNS) | {"DESCRIBE"}
    return found if reached else {"DESCRIBE"}


def reads(world: World, grant: Grant) -> bool:
    return "SELECT" in permits(world, grant)


def bears(world: World, grant: Grant) -> bool:
    target = grant.target
    if target.kind in ("database", "location"):
        return False
    if target.kind == "tables":
        return target.domain_id == world.asset.domain_id
    if target.kind != "tags":
        return target.asset_id == world.asset.asset_id
    if target.resource_type == "DATABASE":
        return False
    if target.domain_id is not None and target.domain_id != world.asset.domain_id:
        return False
    every = [table_tags(world), *(column_tags(world, c) for c in world.asset.columns)]
    return any(carries(world, grant, tags) for tags in every)


def ended(world: World, grant: Grant) -> bool:
    end = grant.expires_at
    return end is not None and datetime.fromisoformat(end) <= world.now


def is_broken(world: World, grant: Grant) -> bool:
    if grant.lake_state in ("missing", "changed", "failed"):
        return True
    if "SELECT" not in wants(world, grant):
        return False
    if grant.target.kind == "filter" and data_filter(world, grant) is None:
        return True
    row_filter = filter_of(world, grant)
    for named in row_filter.columns if row_filter else ():
        if not any(
            c.name == named.name and c.field_id == named.field_id for c in world.asset.columns
        ):
            return True
    names = {c.name for c in world.asset.columns}
    if any(n not in list_pins(world, grant) and n not in names for n in excluded_of(world, grant)):
        return True
    masked = grant.masks if grant.target.asset_id and grant.target.kind != "rows" else ()
    if any(name not in own_pins(grant) and name not in names for name in masked):
        return True
    return all(shows(world, grant, c) == HIDDEN for c in world.asset.columns)


def passes(world: World, grant: Grant, row: set[str]) -> bool:
    row_filter = filter_of(world, grant)
    return row_filter is None or row_filter.text in row


def shows(world: World, grant: Grant, column: GovernedColumn) -> Cell:
    """How a grant shows a column in the rows that it passes."""
    pins = list_pins(world, grant)
    if grant.target.kind == "rows":
        last: Cell = HIDDEN
        for granted in grant.columns:
            if is_meant(granted.name, granted.field_id, column):
                one = treated(world, column, granted.mask)
                if last == HIDDEN or shows_more(last, one):
                    last = one
        return last
    if grant.target.kind == "tags" and not carries(world, grant, column_tags(world, column)):
        return HIDDEN
    included = included_of(world, grant)
    if included is not None and not any(is_meant(n, pins.get(n), column) for n in included):
        return HIDDEN
    excluded = excluded_of(world, grant)
    if any(n == column.name or is_meant(n, pins.get(n), column) for n in excluded):
        return HIDDEN
    own = None
    for name, mask in grant.masks.items():
        is_it = name == column.name or is_meant(name, own_pins(grant).get(name), column)
        if is_it and (own is None or own.kind == "none" or shows_more(own, mask)):
            own = mask
    return treated(world, column, own)


def is_meant(name: str, field_id: int | None, column: GovernedColumn) -> bool:
    return column.name == name if field_id is None else column.field_id == field_id


def treated(world: World, column: GovernedColumn, own: MaskRule | None) -> Cell:
    rule = own
    if rule is None:
        for tag_mask in world.tag_masks:
            is_here = tag_mask.domain_id is None or tag_mask.domain_id == world.asset.domain_id
            has_it = column_tags(world, column).get(tag_mask.key) == tag_mask.value
            if is_here and has_it and (rule is None or shows_more(rule, tag_mask.mask)):
                rule = tag_mask.mask
    if rule is None or rule.kind == "none":
        return PLAIN
    return MaskRule("null") if rule.problem(column.sql_type) else rule


def shows_more(one: Cell, other: Cell) -> bool:
    """Whether the first shows strictly more than the second."""
    if isinstance(one, str) or isinstance(other, str):
        return isinstance(one, str) and not isinstance(other, str) and other.kind != "none"
    if one.kind != other.kind:
        return KINDS.index(one.kind) < KINDS.index(other.kind)
    if one.kind == "round":
        return (one.digits or 0) > (other.digits or 0)
    if one.kind == "truncate":
        return UNITS.index(one.unit or "") < UNITS.index(other.unit or "")
    if one.kind == "partial":
        kept, others = one.keep_first + one.keep_last, other.keep_first + other.keep_last
        return kept > others or (kept == others and one.keep_first < other.keep_first)
    return one.kind == "constant" and (one.value or "") < (other.value or "")


def table_tags(world: World) -> dict[str, str]:
    found = dict(world.tags.database)
    found["classification"] = world.asset.classification
    found.update(world.tags.table)
    return found


def column_tags(world: World, column: GovernedColumn) -> dict[str, str]:
    found = table_tags(world)
    if column.classification != world.asset.classification:
        found["classification"] = column.classification
    found.update(world.tags.columns.get(column.name, {}))
    return found


def carries(world: World, grant: Grant, tags: dict[str, str]) -> bool:
    return all(tags.get(key) in values for key, values in grant.target.expression)


def data_filter(world: World, grant: Grant) -> DataFilter | None:
    for found in world.filters:
        if found.asset_id == world.asset.asset_id and found.name == grant.target.filter_name:
            return found
    return None


def filter_of(world: World, grant: Grant) -> RowFilter | None:
    if grant.target.kind == "filter":
        found = data_filter(world, grant)
        return found.row_filter if found else None
    return grant.row_filter


def own_pins(grant: Grant) -> dict[str, int]:
    """The identities that a grant knows: of the columns that it masks, and lists itself."""
    return {c.name: c.field_id for c in grant.columns if c.field_id is not None}


def list_pins(world: World, grant: Grant) -> dict[str, int]:
    """The identities of the columns that are listed: by the data filter, or by the grant."""
    if grant.target.kind == "filter":
        found = data_filter(world, grant)
        return dict(found.field_ids) if found else {}
    return own_pins(grant)


def included_of(world: World, grant: Grant) -> Sequence[str] | None:
    found = data_filter(world, grant) if grant.target.kind == "filter" else None
    return found.included if found else grant.target.included


def excluded_of(world: World, grant: Grant) -> Sequence[str]:
    found = data_filter(world, grant) if grant.target.kind == "filter" else None
    return (found.excluded if found else grant.target.excluded) or ()
