"""What access comes to, column by column: how each is shown, in which rows, and by which grant."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from meshplane.services.permissions.mask_strength import strength
from meshplane.services.permissions.model import (
    AssetAccess,
    Broken,
    GovernedAsset,
    MaskRule,
    RowScope,
)

ColumnAccess = Literal["plain", "masked", "hidden"]


@dataclass(frozen=True, slots=True)
class Way:
    """How one grant shows a column, in the rows of its filter (None: in all)."""

    grant_id: str
    row_filter: str | None
    mask: MaskRule | None


@dataclass(frozen=True, slots=True)
class EffectiveColumn:
    """How a column is shown at best.

    Args:
        name: of the column.
        access: `plain` or `masked` in the rows that are shown best, `hidden` if nothing shows it.
        mask: of `masked`.
        grants: those that show it so.
        ways: how each grant shows it, the weakest mask first. In a row the weakest of those holds
            whose filter passes it.
    """

    name: str
    access: ColumnAccess
    mask: MaskRule | None = None
    grants: tuple[str, ...] = ()
    ways: tuple[Way, ...] = ()


@dataclass(frozen=True, slots=True)
class Effective:
    """What some principals together may do with a table.

    Args:
        rights: each permission with the grants that give it.
        grantable: each permission that may be passed on, with the grants that say so.
        columns: all of the table, in its order.
        row_filters: the conditions of which a row must meet one; empty if all rows are there.
        all_rows: whether each row is there.
        scopes: as in `AssetAccess`.
        broken: grants that let nothing through, and why.
    """

    rights: Mapping[str, tuple[str, ...]]
    grantable: Mapping[str, tuple[str, ...]]
    columns: tuple[EffectiveColumn, ...]
    row_filters: tuple[str, ...]
    all_rows: bool
    scopes: tuple[RowScope, ...]
    broken: tuple[Broken, ...]


def effective(asset: GovernedAsset, access: AssetAccess) -> Effective:
    """What access to a table comes to."""
    all_rows = any(scope.filter is None for scope in access.scopes)
    filters = dict.fromkeys(scope.filter.text for scope in access.scopes if scope.filter)
    return Effective(
        rights=access.rights,
        grantable=access.grantable,
        columns=tuple(_column(column.name, access.scopes) for column in asset.columns),
        row_filters=() if all_rows else tuple(filters),
        all_rows=all_rows,
        scopes=access.scopes,
        broken=access.broken,
    )


def _column(name: str, scopes: tuple[RowScope, ...]) -> EffectiveColumn:
    ways = sorted(
        (
            Way(scope.grant_id, scope.filter.text if scope.filter else None, scope.columns[name])
            for scope in scopes
            if name in scope.columns
        ),
        key=lambda way: strength(way.mask),
    )
    if not ways:
        return EffectiveColumn(name, "hidden")
    best = ways[0].mask
    return EffectiveColumn(
        name,
        "plain" if best is None else "masked",
        best,
        tuple(way.grant_id for way in ways if strength(way.mask) == strength(best)),
        tuple(ways),
    )
