"""What the lake service needs of a lake: to read its grants back, and to change some of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

MOST_CHANGES = 100
"""The most changes of one call."""


@dataclass(frozen=True, slots=True)
class LakeEntry:
    """A grant as a lake holds it; `entries.entry` makes one with its key and fingerprint.

    Args:
        key: stands for principal and resource; a lake holds one entry of a key.
        principal: who holds it.
        resource: on what, in Lake Formation's terms: `{"Table": {"DatabaseName": …, "Name": …}}`.
        permissions, grantable: sorted.
        filter: of a `DataCellsFilter`, what it lets through, in Lake Formation's terms.
        masks: by column, where the lake can mask.
        fingerprint: of all that the entry permits; two entries that permit the same have the same.
        made_by, made_at: who made it and when, if the lake knows.
        revision: of the entry in the lake, if it counts them: another after each change.
    """

    key: str
    principal: str
    resource: Mapping[str, Any]
    permissions: tuple[str, ...]
    grantable: tuple[str, ...]
    filter: Mapping[str, Any] | None
    masks: Mapping[str, Any]
    fingerprint: str
    made_by: str | None = None
    made_at: str | None = None
    revision: str = ""


@dataclass(frozen=True, slots=True)
class LakePage:
    """Some entries by key; `cursor` is where the next page starts, None at the end."""

    entries: tuple[LakeEntry, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class MarkPage:
    """The keys and fingerprints of some entries; `cursor` as in `LakePage`."""

    marks: tuple[tuple[str, str], ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class LakeChange:
    """One change of a lake.

    Args:
        action: `put` makes the entry what `entry` says; `remove` takes it away.
        entry: what to put; of a removal, the entry as it was seen.
        unchanged: of a removal: whether to take the entry away only if it is still what was seen.
    """

    action: Literal["put", "remove"]
    entry: LakeEntry
    unchanged: bool = False


@dataclass(frozen=True, slots=True)
class LakeFailure:
    """A change that the lake did not take; `code` is stable, `reason` is for people.

    `again` says whether the same change may be taken later.
    """

    key: str
    code: str
    reason: str
    again: bool = True


@dataclass(frozen=True, slots=True)
class LakeKind:
    """What a lake is.

    Args:
        name: for people.
        target: for what grants are compiled: `embedded` or `lake-formation`.
        tells_makers: whether it knows who made an entry.
        masks: whether it can mask.
    """

    name: str
    target: Literal["embedded", "lake-formation"]
    tells_makers: bool
    masks: bool
    details: Mapping[str, Any] = field(default_factory=dict)


class LakeGrants(Protocol):
    """The grants of a lake."""

    async def read(self, limit: int, cursor: str | None) -> LakePage:
        """A page of the entries. What is there all the while is given exactly once.

        Raises:
            Invalid: CURSOR_INVALID.
            Unavailable: LAKE_UNAVAILABLE.
        """
        ...

    async def marks(self, limit: int, cursor: str | None) -> MarkPage:
        """As `read`, but keys and fingerprints alone: all that comparing very many needs."""
        ...

    async def find(self, key: str) -> LakeEntry | None:
        """The entry of a key.

        Raises:
            Unavailable: LAKE_UNAVAILABLE.
        """
        ...

    async def apply(self, changes: Sequence[LakeChange]) -> list[LakeFailure]:
        """Makes these changes, and says which it could not make; the others are made.

        Done again, it changes nothing. What is put keeps its maker and its time.

        Raises:
            TooLarge: LAKE_BATCH_TOO_LARGE, more than `MOST_CHANGES`.
            Unavailable: LAKE_UNAVAILABLE, perhaps after some of the changes.
        """
        ...

    async def describe(self) -> LakeKind:
        """What this lake is."""
        ...
