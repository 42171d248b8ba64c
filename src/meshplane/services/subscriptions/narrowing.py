"""By how much approvers give less than was asked for, and what several of them come to together.

Pure. What each leaves out adds up: all row filters hold, no column that one leaves out is granted,
of two masks the stricter hides, and the sooner end counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

from meshplane.services.permissions.api import MaskRule, can_make, strength


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What one approval takes away.

    Args:
        row_filter: canonical text of a condition; None takes no rows away.
        masks: by column.
        excluded_columns: those that are not granted.
        expires_at: the latest end, as rows hold it; None is none.
    """

    row_filter: str | None = None
    masks: Mapping[str, MaskRule] = field(default_factory=dict)
    excluded_columns: frozenset[str] = frozenset()
    expires_at: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The store form."""
        return {
            "rowFilter": self.row_filter,
            "masks": {name: mask.to_json() for name, mask in self.masks.items()},
            "excludedColumns": sorted(self.excluded_columns),
            "expiresAt": self.expires_at,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Narrowing":
        """The narrowing that `to_json` wrote."""
        masks = value["masks"].items()
        return cls(
            value["rowFilter"],
            {name: MaskRule.from_json(mask) for name, mask in masks},
            frozenset(value["excludedColumns"]),
            value["expiresAt"],
        )


def all_of(narrowings: Sequence[Narrowing]) -> Narrowing:
    """What is left where each of these holds, in whatever order they came."""
    names = sorted({name for one in narrowings for name in one.masks})
    masks = {
        name: mask
        for name in names
        if (mask := strictest_of([one.masks.get(name) for one in narrowings])) is not None
    }
    return Narrowing(
        reduce(both_filters, (one.row_filter for one in narrowings), None),
        masks,
        frozenset[str]().union(*(one.excluded_columns for one in narrowings)),
        sooner(*(one.expires_at for one in narrowings)),
    )


def both_filters(first: str | None, second: str | None) -> str | None:
    """The condition under which both hold."""
    if first is None or second is None:
        return first or second
    return f"({first}) AND ({second})"


def sooner(*ends: str | None) -> str | None:
    """The first of some ends, as rows hold them; None is no end."""
    return min((end for end in ends if end is not None), default=None)


def strictest_of(masks: Sequence[MaskRule | None]) -> MaskRule | None:
    """The mask that hides what any of these hides.

    None says nothing, and leaves the column to the masks of its tags; `none` shows it plainly in
    spite of these, and so holds only where all say it. Of partial masks that shows which keeps
    fewest at either end, of rounded numbers the one with fewest digits. Where none of those that
    are left can be made of all others, such as months of a date and its weeks, nothing is shown.
    """
    if masks and all(mask is not None and mask.kind == "none" for mask in masks):
        return MaskRule("none")
    hiding = [mask for mask in masks if mask is not None and mask.kind != "none"]
    if not hiding:
        return None
    wished = [*_least(hiding, "partial"), *_least(hiding, "round")]
    wished += [mask for mask in hiding if mask.kind not in {"partial", "round"}]
    fitting = [one for one in wished if all(one == seen or can_make(seen, one) for seen in wished)]
    return max(fitting, key=strength, default=MaskRule("null"))


def _least(masks: Sequence[MaskRule], kind: str) -> list[MaskRule]:
    """One mask of that kind that shows no more than each of them; none if there are none."""
    found = sorted((mask for mask in masks if mask.kind == kind), key=strength)
    if not found:
        return []
    if kind == "round":
        return [found[-1]]
    first = min(mask.keep_first for mask in found)
    last = min(mask.keep_last for mask in found)
    return [replace(found[-1], keep_first=first, keep_last=last)]
