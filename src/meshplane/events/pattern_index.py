"""An index of many patterns: one look at an event finds those that match it.

Each clause hangs in a tree of exact values: `source` is `orders`, and below it `detail.region` is
`EU`. An event walks down with the values that it has, so only clauses whose exact fields agree are
examined at all. A clause without an exact field hangs under one of its prefixes, or under a field
that must be there; only those that ask for absence alone are examined for every event.
"""

from collections.abc import Hashable, Iterable, Sequence
from typing import Any, Generic, TypeVar

from meshplane.events.pattern_clause import Clause, Field, holds, may_hold
from meshplane.events.pattern_event import FlatEvent, flatten
from meshplane.events.pattern_json import read_event
from meshplane.events.pattern_matchers import Prefix
from meshplane.events.pattern_tokens import Token, address
from meshplane.events.patterns import Pattern, beginnings

Key = TypeVar("Key", bound=Hashable)

# A branch keeps this many clauses to itself; the further ones it divides by another field.
_FEW = 4

# Below the first level a clause with several values hangs in at most this many branches.
_MOST_PLACES = 64

# What was removed leaves empty branches. They are swept once they could be the larger part.
_SWEPT_AT_LEAST = 64


class _Entry(Generic[Key]):
    """A clause of the pattern with this key, and the places where it stands."""

    __slots__ = ("clause", "key", "places")

    def __init__(self, key: Key, clause: Clause) -> None:
        self.key = key
        self.clause = clause
        self.places: list[_Place[Key]] = []

    def stand_in(self, place: "_Place[Key]", met: Sequence[Field]) -> None:
        """Puts it into a place that an event reaches only when it satisfies some fields."""
        place[self] = tuple(one for one in self.clause if one not in met)
        self.places.append(place)

    def leave(self) -> None:
        """Takes it out of all its places."""
        for place in self.places:
            place.pop(self, None)
        self.places.clear()


# The entries that stand somewhere, each with its fields that are not satisfied by being there.
_Place = dict[_Entry[Key], tuple[Field, ...]]


class _Branch(Generic[Key]):
    """The clauses that agree in some exact values. `load` counts those that came by."""

    __slots__ = ("entries", "inner", "load")

    def __init__(self) -> None:
        self.load = 0
        self.entries: _Place[Key] = {}
        self.inner: dict[str, dict[Token, _Branch[Key]]] = {}

    def busiest(self, field: Field) -> int:
        """How many clauses lie already where this field's values lead."""
        by_token = self.inner.get(field.path, {})
        return max(by_token[token].load if token in by_token else 0 for token in field.exact)


class _Tree(Generic[Key]):
    """Where the entries hang."""

    def __init__(self) -> None:
        self.exact: _Branch[Key] = _Branch()
        # Path, then length of the prefix, then the prefix.
        self.prefixes: dict[str, dict[int, dict[str, _Place[Key]]]] = {}
        self.present: dict[str, _Place[Key]] = {}
        self.always: _Place[Key] = {}
        # Where an address was asked for, so that an event's texts are tried as addresses there.
        self.addresses: set[str] = set()
        self.wanted: set[str] = set()

    def hang(self, entry: _Entry[Key]) -> None:
        """Hangs an entry where the fewest others are."""
        clause = entry.clause
        for field in clause:
            if field.path not in self.wanted:
                self.wanted.update(beginnings(field.path))
        exact = [one for one in clause if one.exact and not one.others and not one.absent]
        if exact:
            self._divide(entry, self.exact, exact, [], _MOST_PLACES)
            return
        prefixed = next((one for one in clause if _only_prefixes(one)), None)
        needed = next((one for one in clause if not one.absent), None)
        if prefixed is not None:
            by_length = self.prefixes.setdefault(prefixed.path, {})
            for text in _only_prefixes(prefixed):
                place = by_length.setdefault(len(text), {}).setdefault(text, {})
                entry.stand_in(place, [prefixed])
        elif needed is not None:
            entry.stand_in(self.present.setdefault(needed.path, {}), [])
        else:
            entry.stand_in(self.always, [])

    def _divide(
        self,
        entry: _Entry[Key],
        branch: _Branch[Key],
        fields: Sequence[Field],
        met: list[Field],
        places: int,
    ) -> None:
        """Hangs an entry below a branch: itself in it, or by one of its fields further down."""
        branch.load += 1
        if branch is not self.exact:
            fields = [one for one in fields if len(one.exact) <= places]
            if not fields or len(branch.entries) < _FEW:
                entry.stand_in(branch.entries, met)
                return
        chosen = min(fields, key=lambda one: (branch.busiest(one), len(one.exact)))
        rest = [one for one in fields if one is not chosen]
        if chosen.addresses:
            self.addresses.add(chosen.path)
        by_token = branch.inner.setdefault(chosen.path, {})
        for token in chosen.exact:
            inner = by_token.get(token)
            if inner is None:
                inner = by_token[token] = _Branch()
            self._divide(entry, inner, rest, [*met, chosen], places // len(chosen.exact))

    def candidates(self, flat: FlatEvent) -> Iterable[tuple[_Entry[Key], tuple[Field, ...]]]:
        """The clauses that may hold for an event, each with the fields that are left to examine.

        Some may come several times.
        """
        leaves = flat.leaves
        found = list(self.always.items())
        tokens_at = self._with_addresses(leaves) if self.addresses else leaves
        waiting = [self.exact]
        while waiting:
            branch = waiting.pop()
            found += branch.entries.items()
            for path, by_token in branch.inner.items():
                for token in _distinct(tokens_at.get(path, ())):
                    inner = by_token.get(token)
                    if inner is not None:
                        waiting.append(inner)
        for path, by_length in self.prefixes.items():
            for token in _distinct(leaves.get(path, ())):
                if isinstance(token, str):
                    for length, by_prefix in by_length.items():
                        found += by_prefix.get(token[:length], {}).items()
        for path, entries in self.present.items():
            if path in leaves:
                found += entries.items()
        return found

    def _with_addresses(self, leaves: dict[str, list[Token]]) -> dict[str, list[Token]]:
        """The tokens by path, and those of addresses where a pattern asks for one."""
        tokens_at = dict(leaves)
        for path in self.addresses:
            texts = [token for token in leaves.get(path, ()) if isinstance(token, str)]
            found = [known for text in texts if (known := address(text)) is not None]
            if found:
                tokens_at[path] = [*leaves[path], *found]
        return tokens_at


class PatternIndex(Generic[Key]):
    """Patterns by key. It must not be changed while another thread matches."""

    def __init__(self) -> None:
        self._entries: dict[Key, list[_Entry[Key]]] = {}
        self._tree: _Tree[Key] = _Tree()
        self._removed = 0

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, key: Key, pattern: Pattern) -> None:
        """Adds a pattern; it takes the place of the one with the same key.

        Args:
            key: what `match` names it by.
            pattern: from `compile_pattern`.
        """
        self.remove(key)
        self._entries[key] = [_Entry(key, clause) for clause in pattern.clauses]
        for entry in self._entries[key]:
            self._tree.hang(entry)

    def remove(self, key: Key) -> None:
        """Takes a pattern out; nothing happens when there is none with this key."""
        for entry in self._entries.pop(key, ()):
            entry.leave()
            self._removed += 1
        if self._removed > max(_SWEPT_AT_LEAST, sum(map(len, self._entries.values()))):
            self._sweep()

    def match(self, event: Any) -> set[Key]:
        """The keys of the patterns that match an event.

        Args:
            event: the event as an object, or its JSON text. Fields may be missing.

        Raises:
            InvalidEvent: it is no JSON object.
        """
        flat = flatten(read_event(event), self._tree.wanted)
        found: set[Key] = set()
        for entry, left in self._tree.candidates(flat):
            # Inside arrays it matters which element satisfied which field: all are examined again.
            single = not left or may_hold(left, flat)
            if single and (not flat.trails or holds(entry.clause, flat)):
                found.add(entry.key)
        return found

    def _sweep(self) -> None:
        """Builds the tree anew, without the branches that became empty."""
        self._tree = _Tree()
        self._removed = 0
        for entries in self._entries.values():
            for entry in entries:
                entry.places.clear()
                self._tree.hang(entry)


def _only_prefixes(field: Field) -> tuple[str, ...]:
    """The prefixes of a field that asks for nothing else; none of one that does."""
    if field.exact or field.absent or len(field.others) != 1:
        return ()
    only = field.others[0]
    return only.texts if isinstance(only, Prefix) else ()


def _distinct(tokens: Sequence[Token]) -> Iterable[Token]:
    return tokens if len(tokens) < 2 else set(tokens)
