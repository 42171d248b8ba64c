"""Which way a request takes: who must say yes, by the classification of what is asked for.

Pure. The strictest classification decides: that of the asset itself, of each column that is asked
for, and of each column that the wanted row filter speaks of, since rows tell of that column too. A
tag `classification` on one of these counts as well where it is stricter.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

LEVELS = ("public", "internal", "confidential", "restricted")
"""The classifications, from the most open to the strictest."""

Step = frozenset[str]
"""The roles in the asset's domain of which one approver of this step must hold one."""

Route = tuple[Step, ...]
"""The steps, each by another person, in any order; none: it is approved by itself."""

_APPROVERS = frozenset({"steward", "owner"})
_MOST_STEPS = 4

DEFAULT_ROUTES = "public:auto internal:steward|owner confidential:steward restricted:steward+owner"
"""`+` joins steps, `|` the roles of one step; `auto` is no step."""

BY_ITSELF = "policy:auto-approve-public"
"""Who decides where nobody must."""


@dataclass(frozen=True, slots=True)
class Routes:
    """The route of each level."""

    by_level: Mapping[str, Route]

    def of(self, level: str) -> Route:
        """The route of a level; what is no level takes the strictest."""
        return self.by_level.get(level, self.by_level[LEVELS[-1]])


def parse_routes(text: str) -> Routes:
    """The routes that a setting writes, such as `DEFAULT_ROUTES`.

    Raises:
        ValueError: it says nothing, or something else, of a level.
    """
    found: dict[str, Route] = {}
    for part in text.split():
        level, colon, route = part.partition(":")
        if not colon or level not in LEVELS or level in found:
            raise ValueError(f"write each of {', '.join(LEVELS)} once, as internal:steward|owner")
        found[level] = _parse_route(route)
    missing = [level for level in LEVELS if level not in found]
    if missing:
        raise ValueError(f"no route for {missing[0]}: {DEFAULT_ROUTES}")
    return Routes(found)


def _parse_route(text: str) -> Route:
    if text == "auto":
        return ()
    steps = tuple(frozenset(step.split("|")) for step in text.split("+"))
    if len(steps) > _MOST_STEPS or any(not step <= _APPROVERS for step in steps):
        raise ValueError(
            f"a route is auto, or up to {_MOST_STEPS} steps of steward and owner: steward+owner"
        )
    return steps


def strictest(levels: Iterable[str]) -> str:
    """The strictest of some levels; one that is not known is as strict as can be."""
    return max(levels, key=_strictness, default=LEVELS[0])


def _strictness(level: str) -> int:
    return LEVELS.index(level) if level in LEVELS else len(LEVELS)


def route_text(route: Route) -> tuple[str, ...]:
    """A route as people and rows have it: `("steward", "owner")`, `("owner or steward",)`."""
    return tuple(" or ".join(sorted(step)) for step in route)


def waits_for(route: Route, held: Sequence[frozenset[str]]) -> Route:
    """The steps that are left once these people have said yes.

    Args:
        route: the steps.
        held: the roles of each who approved. One who holds several roles fills whichever step
            leaves the fewest open, and only one.
    """
    best: Route = route
    size = min(len(route), len(held))
    # The routes are short, so that every way to seat the approvers can be tried.
    for chosen in permutations(range(len(route)), size):
        for people in permutations(held, size):
            filled = {
                place for place, roles in zip(chosen, people, strict=True) if roles & route[place]
            }
            left = tuple(step for place, step in enumerate(route) if place not in filled)
            if len(left) < len(best):
                best = left
    return best
