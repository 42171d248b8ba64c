"""What this process has just written, for reads that do not show it yet.

Lake Formation's lists are consistent in the end. A read that shows what was there before the last
write may be late, or somebody may have undone the write: nobody can tell. So where it is in doubt,
what either holds too much is revoked, and all that is wanted is granted: neither hurts.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from meshplane.services.lake.aws_entries import ColumnList, Holdings, ListKey, list_key
from meshplane.services.lake.ports import LakeChange, LakeEntry

UNSETTLED_SECONDS = 10.0
"""How long a write may stay unseen."""

_State = object


@dataclass(slots=True)
class _Written:
    """What was written under a key.

    Args:
        at: when, on the monotonic clock.
        before: marks of all that was there before, as long as it may be seen.
        mark: of what was written.
    """

    at: float
    before: set[_State]
    mark: _State


@dataclass(slots=True)
class Doubts:
    """What was written and is not seen, of some changes.

    Args:
        entries: by key; None: it was removed.
        lists: of columns.
    """

    entries: dict[str, LakeEntry | None] = field(default_factory=dict)
    lists: dict[ListKey, ColumnList] = field(default_factory=dict)


class RecentWrites:
    """Remembers what was written.

    Args:
        now: a monotonic clock.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._written: dict[object, _Written] = {}
        self._entries: dict[str, LakeEntry | None] = {}
        self._lists: dict[ListKey, ColumnList] = {}

    def entry(self, key: str, before: LakeEntry | None, after: LakeEntry | None) -> None:
        """Notes that an entry was put or removed."""
        self._entries[key] = after
        self._write(key, _mark(before), _mark(after))

    def columns(self, key: ListKey, before: ColumnList | None, after: ColumnList) -> None:
        """Notes that a list of columns was changed."""
        self._lists[key] = after
        self._write(key, _list_mark(before), _list_mark(after))

    def doubts(self, changes: Sequence[LakeChange], known: Holdings) -> Doubts:
        """Of which changes what is known may be older than what was written."""
        self._forget()
        found = Doubts()
        if not self._written:
            return found
        for change in changes:
            key = change.entry.key
            if self._is_late(key, _mark(known.entries.get(key))):
                found.entries[key] = self._entries[key]
            name = list_key(change.entry.principal, change.entry.resource)
            if name is not None and self._is_late(name, _list_mark(known.lists.get(name))):
                found.lists[name] = self._lists[name]
        return found

    def _write(self, key: object, before: _State, mark: _State) -> None:
        known = self._written.get(key)
        earlier = known.before | {known.mark} if known is not None else set()
        self._written[key] = _Written(self._now(), {*earlier, before} - {mark}, mark)

    def _is_late(self, key: object, seen: _State) -> bool:
        written = self._written.get(key)
        return written is not None and seen in written.before

    def _forget(self) -> None:
        oldest = self._now() - UNSETTLED_SECONDS
        for key in [key for key, one in self._written.items() if one.at < oldest]:
            del self._written[key]
            if isinstance(key, str):
                self._entries.pop(key, None)
            else:
                self._lists.pop(key, None)  # type: ignore[call-overload] # a list's key


def _mark(entry: LakeEntry | None) -> _State:
    # What a filter lets through is read apart, and at once.
    return None if entry is None else (entry.permissions, entry.grantable)


def _list_mark(held: ColumnList | None) -> _State:
    if held is None or not held.columns:
        return None
    return frozenset(held.columns), frozenset(held.passed_on)
