"""Which of two masks shows less, and what can be made of what a mask shows.

Two orders, for two questions. `strength` is total: a cell that several grants let through must be
shown in one way, and everybody must agree which. `can_make` is narrower and honest: whether one who
sees the one could have made the other by himself, so that he passes on nothing that he does not
see. The last three of a card number and the first three are of one strength, and neither can be
made of the other.
"""

from collections.abc import Iterable
from typing import TypeAlias

from meshplane.services.permissions.masks import MASK_KINDS, MASK_UNITS, MaskRule

Strength: TypeAlias = tuple[int, int, str]

_RANKS = {kind: rank for rank, kind in enumerate(MASK_KINDS)}
_UNITS = {unit: rank for rank, unit in enumerate(MASK_UNITS)}
_WEEK = "week"


def strength(mask: MaskRule | None) -> Strength:
    """A key that sorts masks from the weakest to the strictest; None and `none` are plain.

    By kind first, then within a kind: fewer digits, coarser units, and fewer characters kept are
    stricter. What is left is told apart by its text, so that the order has no ties.
    """
    if mask is None or mask.kind == "none":
        return (0, 0, "")
    rank = _RANKS[mask.kind]
    if mask.kind == "round":
        return (rank, -(mask.digits or 0), "")
    if mask.kind == "truncate":
        return (rank, _UNITS.get(mask.unit or "year", len(_UNITS)), "")
    if mask.kind == "partial":
        kept = mask.keep_first + mask.keep_last
        return (rank, -kept, f"{mask.keep_first:05d}{mask.fill}")
    return (rank, 0, mask.value or "" if mask.kind == "constant" else "")


def weakest(masks: Iterable[MaskRule | None]) -> MaskRule | None:
    """The mask that shows most; None, which is plain, if one is plain.

    Raises:
        ValueError: there is none.
    """
    found = min(masks, key=strength)
    return None if found is not None and found.kind == "none" else found


def strictest(masks: Iterable[MaskRule]) -> MaskRule | None:
    """The mask that shows least; None if there is none."""
    return max(masks, key=strength, default=None)


def can_make(seen: MaskRule | None, wished: MaskRule | None) -> bool:
    """Whether whoever sees a column under `seen` could make what `wished` shows of it.

    Nothing and a constant can be made of anything. A coarser date can be made of a finer one, but
    for months and longer of weeks, which cross them. A coarser number is not made of a rounded one:
    rounding twice and rounding once differ at the edges, which tells of the digits between.
    """
    if strength(seen)[0] == 0:
        return True
    if wished is None or seen is None or wished.kind == "none":
        return False
    if wished.kind in {"null", "constant"} or wished == seen:
        return True
    if seen.kind == wished.kind == "truncate" and seen.unit and wished.unit:
        finer = _UNITS[seen.unit] <= _UNITS[wished.unit]
        return finer and (seen.unit != _WEEK or wished.unit == _WEEK)
    return False
