"""How what a lake holds differs from what was granted. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from meshplane.services.lake.ports import LakeEntry
from meshplane.services.permissions.api import LakeState

DriftKind = Literal["missing", "excess", "changed"]
_ORDER: dict[DriftKind, int] = {"excess": 0, "changed": 1, "missing": 2}
Severity = Literal["warning", "critical"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """An entry that a grant wants the lake to hold.

    Args:
        entry: as it should be.
        grant_id: the grant.
        domain_id: the domain that answers for it; "" for tags of the whole mesh.
        state: what was known of the grant in the lake.
    """

    entry: LakeEntry
    grant_id: str
    domain_id: str
    state: LakeState = "pending"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it should be: `wanted` is None of excess, `actual` of missing."""

    kind: DriftKind
    key: str
    wanted: Wanted | None
    actual: LakeEntry | None

    @property
    def severity(self) -> Severity:
        """`critical` where the lake lets somebody do more, or see otherwise, than was granted."""
        if self.kind == "missing":
            return "warning"
        if self.wanted is None or self.actual is None:
            return "critical"
        meant = self.wanted.entry
        more = set(self.actual.permissions) - set(meant.permissions)
        more |= set(self.actual.grantable) - set(meant.grantable)
        otherwise = self.actual.filter != meant.filter or self.actual.masks != meant.masks
        return "critical" if more or otherwise else "warning"

    @property
    def sentences(self) -> list[str]:
        """What differs, for people."""
        if self.wanted is None or self.actual is None:
            return []
        meant, found, said = self.wanted.entry, self.actual, []
        for word, is_meant, is_found in (
            ("", meant.permissions, found.permissions),
            (" with the right to grant", meant.grantable, found.grantable),
        ):
            more = sorted(set(is_found) - set(is_meant))
            less = sorted(set(is_meant) - set(is_found))
            if more:
                said.append(f"permits {', '.join(more)}{word}, which was not granted")
            if less:
                said.append(f"lacks {', '.join(less)}{word}")
        if found.filter != meant.filter:
            said.append("lets other rows or columns through")
        for name in sorted({*meant.masks, *found.masks}):
            if name not in found.masks:
                said.append(f"shows {name} without its mask")
            elif meant.masks.get(name) != found.masks[name]:
                said.append(f"masks {name} otherwise")
        return said


@dataclass(frozen=True, slots=True)
class Drift:
    """All that differs, by key."""

    missing: tuple[Difference, ...]
    excess: tuple[Difference, ...]
    changed: tuple[Difference, ...]

    @property
    def all(self) -> tuple[Difference, ...]:
        """Excess first, as it matters most, then what is changed, then what is missing."""
        return (*self.excess, *self.changed, *self.missing)


def by_key(wanted: Iterable[Wanted]) -> dict[str, Wanted]:
    """What is wanted by key. A principal has one grant on a resource, so no two share one."""
    return {one.entry.key: one for one in wanted}


def differing(desired: Mapping[str, str], actual: Mapping[str, str]) -> list[str]:
    """The keys under which two sides differ, each by key with its fingerprint."""
    keys = desired.keys() ^ actual.keys()
    return sorted((*keys, *(key for key, mark in desired.items() if actual.get(key, mark) != mark)))


def compare(desired: Mapping[str, Wanted], actual: Mapping[str, LakeEntry]) -> Drift:
    """The drift between what is wanted and what is there, both by key."""
    missing = [
        Difference("missing", key, desired[key], None) for key in desired.keys() - actual.keys()
    ]
    excess = [
        Difference("excess", key, None, actual[key]) for key in actual.keys() - desired.keys()
    ]
    changed = [
        Difference("changed", key, wanted, found)
        for key, wanted in desired.items()
        if (found := actual.get(key)) is not None and found.fingerprint != wanted.entry.fingerprint
    ]
    return Drift(_by_key(missing), _by_key(excess), _by_key(changed))


def in_order(differences: Iterable[Difference]) -> tuple[Difference, ...]:
    """Excess first, as it matters most, then what is changed, then what is missing; by key."""
    return tuple(sorted(differences, key=lambda one: (_ORDER[one.kind], one.key)))


def _by_key(differences: list[Difference]) -> tuple[Difference, ...]:
    return tuple(sorted(differences, key=lambda one: one.key))
