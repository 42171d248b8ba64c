"""Fields inside arrays: whether all can be satisfied without using two elements of one array.

This is what https://github.com/aws/event-ruler calls array consistency: «any two fields … within
JSON objects that are in different elements of the same array» make no match. The search goes from
field to field in the order of their paths. Fields under one array follow one another in that order,
so what was chosen in an array is forgotten as soon as no later field asks for it, and no situation
is examined twice: the work grows with the number of values, not with the combinations of elements.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from meshplane.events.pattern_event import Trail

# Only names with dots can put several arrays under one path and so bring combinations back. An
# event that needs more steps than this for each of its values is taken not to match.
_STEPS_FOR_EACH_VALUE = 10
_STEPS_AT_LEAST = 10_000

Chosen = dict[int, int]


@dataclass(frozen=True, slots=True)
class Demand:
    """What one field asks for.

    Args:
        satisfying: the trails of the values that satisfy it.
        all_values: the trails of all values at its path.
        absent: whether it is satisfied too where no value lies.
    """

    satisfying: Sequence[Trail]
    all_values: Sequence[Trail]
    absent: bool


@dataclass(slots=True)
class _Place:
    """A place in the event: whether a value lies here, and the elements of the arrays here."""

    has_value: bool = False
    arrays: dict[int, dict[int, "_Place"]] = field(default_factory=dict)


def can_all_hold(demands: Sequence[Demand]) -> bool:
    """Whether each demand can be met so that no array gives two of its elements.

    Args:
        demands: in the order of their fields' paths. `exists: false` is met when no value lies
            within what was chosen for the fields before it.
    """
    satisfying = [_places(demand.satisfying) for demand in demands]
    values = [_places(demand.all_values) if demand.absent else _Place() for demand in demands]
    last_use = {
        array: position
        for position, demand in enumerate(demands)
        for trail in demand.all_values
        for array, _ in trail
    }
    steps = sum(len(demand.all_values) for demand in demands) * _STEPS_FOR_EACH_VALUE
    steps = max(steps, _STEPS_AT_LEAST)

    def options(position: int, chosen: Chosen) -> Iterator[Trail]:
        if demands[position].absent and next(_within(values[position], chosen), None) is None:
            yield ()
        yield from _within(satisfying[position], chosen)

    ways: list[tuple[Iterator[Trail], Chosen]] = [(options(0, {}), {})]
    examined: set[tuple[int, frozenset[tuple[int, int]]]] = set()
    while ways and steps > 0:
        steps -= 1
        untried, chosen = ways[-1]
        added = next(untried, None)
        if added is None:
            ways.pop()
            continue
        following = len(ways)
        if following == len(demands):
            return True
        still: Chosen = {
            array: index
            for array, index in (*chosen.items(), *added)
            if last_use[array] >= following
        }
        situation = (following, frozenset(still.items()))
        if situation not in examined:
            examined.add(situation)
            ways.append((options(following, still), still))
    return False


def _places(trails: Iterable[Trail]) -> _Place:
    root = _Place()
    for trail in trails:
        place = root
        for array, index in trail:
            place = place.arrays.setdefault(array, {}).setdefault(index, _Place())
        place.has_value = True
    return root


def _within(root: _Place, chosen: Chosen) -> Iterator[Trail]:
    """The values that agree with what was chosen, each as the further choices that it needs."""
    waiting: list[tuple[_Place, Trail]] = [(root, ())]
    while waiting:
        place, added = waiting.pop()
        if place.has_value:
            yield added
        for array, elements in place.arrays.items():
            if array in chosen:
                agreed = elements.get(chosen[array])
                if agreed is not None:
                    waiting.append((agreed, added))
            else:
                waiting += (
                    (element, (*added, (array, index))) for index, element in elements.items()
                )
