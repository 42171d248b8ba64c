"""A clause: the fields of a pattern that must all be satisfied. `$or` makes several clauses."""

from collections.abc import Sequence
from dataclasses import dataclass

from meshplane.events.pattern_arrays import Demand, can_all_hold
from meshplane.events.pattern_event import FlatEvent
from meshplane.events.pattern_matchers import Matcher
from meshplane.events.pattern_tokens import Token, address


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """What a pattern asks of the values at one path.

    Args:
        path: the names from the outermost on, joined with dots.
        exact: the tokens that satisfy it.
        addresses: whether an IP address is among the exact tokens.
        others: conditions of other kinds, any of which satisfies it.
        absent: whether it is satisfied too when the event has no value there.
    """

    path: str
    exact: frozenset[Token]
    addresses: bool
    others: tuple[Matcher, ...]
    absent: bool

    def accepts(self, token: Token) -> bool:
        """Whether a value with this token satisfies it."""
        if token in self.exact:
            return True
        if self.addresses and isinstance(token, str) and address(token) in self.exact:
            return True
        for matcher in self.others:  # noqa: SIM110 - a generator costs more than all the rest
            if matcher.accepts(token):
                return True
        return False

    def accepts_any(self, tokens: Sequence[Token]) -> bool:
        """Whether one of these values satisfies it."""
        if not self.exact.isdisjoint(tokens):
            return True
        if not self.others and not self.addresses:
            return False
        for token in tokens:  # noqa: SIM110 - a generator costs more than all the rest
            if self.accepts(token):
                return True
        return False


# In the order of their paths: what `exists: false` means inside an array depends on it.
Clause = tuple[Field, ...]


def may_hold(fields: Sequence[Field], event: FlatEvent) -> bool:
    """Whether the event satisfies each of the fields taken alone, whatever the arrays."""
    leaves = event.leaves
    for field in fields:
        tokens = leaves.get(field.path)
        if tokens is None:
            if not field.absent:
                return False
        elif not field.accepts_any(tokens) and not (field.absent and field.path in event.trails):
            return False
    return True


def holds(clause: Clause, event: FlatEvent) -> bool:
    """Whether the event satisfies all fields of a clause, those inside arrays consistently."""
    if not may_hold(clause, event):
        return False
    trails = event.trails
    if not trails:
        return True
    inside = [field for field in clause if field.path in trails]
    if not inside or (len(inside) == 1 and not inside[0].absent):
        return True
    return can_all_hold([_demand(field, event) for field in inside])


def _demand(field: Field, event: FlatEvent) -> Demand:
    trails = event.trails[field.path]
    pairs = zip(event.leaves[field.path], trails, strict=True)
    satisfying = [trail for token, trail in pairs if field.accepts(token)]
    return Demand(satisfying, trails, field.absent)
