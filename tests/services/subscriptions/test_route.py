"""Which way a request takes, and who can be which step of it."""

import itertools

import pytest

from meshplane.kit.errors import Invalid
from meshplane.run.settings import read_settings
from meshplane.services.subscriptions.route import (
    DEFAULT_ROUTES,
    LEVELS,
    Route,
    parse_routes,
    route_text,
    strictest,
    waits_for,
)

STEWARD, OWNER = frozenset({"steward"}), frozenset({"owner"})
BOTH, NEITHER = STEWARD | OWNER, frozenset[str]()


def test_routes__by_default_are_nobody_one_of_two_a_steward_and_both() -> None:
    routes = parse_routes(DEFAULT_ROUTES)
    assert {level: route_text(routes.of(level)) for level in LEVELS} == {
        "public": (),
        "internal": ("owner or steward",),
        "confidential": ("steward",),
        "restricted": ("steward", "owner"),
    }


def test_routes__a_level_that_nobody_knows_takes_the_strictest() -> None:
    routes = parse_routes(DEFAULT_ROUTES)
    assert routes.of("top-secret") == routes.of("restricted")
    assert strictest(["public", "top-secret", "restricted"]) == "top-secret"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "public:auto",
        DEFAULT_ROUTES + " public:auto",
        DEFAULT_ROUTES.replace("auto", "nobody"),
        DEFAULT_ROUTES.replace("steward+owner", ""),
        DEFAULT_ROUTES.replace("steward+owner", "+".join(["owner"] * 5)),
        DEFAULT_ROUTES.replace("restricted", "secret"),
        DEFAULT_ROUTES.replace(":", "="),
    ],
)
def test_routes__a_setting_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"route|write"):
        parse_routes(text)


def test_routes__of_a_mesh_are_a_setting() -> None:
    routes = DEFAULT_ROUTES.replace("internal:steward|owner", "internal:owner")
    assert read_settings(subscription_routes=routes).subscription_routes == routes
    with pytest.raises(Invalid) as told:
        read_settings(subscription_routes="public:auto")
    assert (told.value.code, told.value.fields[0].field) == (
        "SETTING_INVALID",
        "subscription_routes",
    )


@pytest.mark.parametrize("levels", list(itertools.permutations(LEVELS)))
def test_strictest__is_the_same_in_any_order(levels: tuple[str, ...]) -> None:
    assert strictest(levels) == "restricted"
    assert strictest(levels[:1]) == levels[0]


@pytest.mark.parametrize(
    ("route", "held", "left"),
    [
        ((), [], ()),
        ((BOTH,), [], (BOTH,)),
        ((BOTH,), [STEWARD], ()),
        ((STEWARD,), [OWNER], (STEWARD,)),
        ((STEWARD, OWNER), [STEWARD], (OWNER,)),
        ((STEWARD, OWNER), [STEWARD, STEWARD], (OWNER,)),
        ((STEWARD, OWNER), [OWNER, STEWARD], ()),
        ((STEWARD, OWNER), [BOTH], (OWNER,)),
        ((STEWARD, OWNER), [BOTH, STEWARD], ()),
        ((STEWARD, OWNER), [BOTH, OWNER], ()),
        ((STEWARD, OWNER), [NEITHER, NEITHER, NEITHER], (STEWARD, OWNER)),
    ],
)
def test_waits_for__one_person_fills_one_step(
    route: Route, held: list[frozenset[str]], left: Route
) -> None:
    found = waits_for(route, held)
    assert len(found) == len(left)
    if len(held) < 1 or BOTH not in held:
        assert found == left


def test_waits_for__more_approvers_never_leave_more_steps() -> None:
    roles = (STEWARD, OWNER, BOTH, NEITHER)
    routes = [(BOTH,), (STEWARD,), (STEWARD, OWNER), (STEWARD, STEWARD, OWNER)]
    for route in routes:
        for held in itertools.product(roles, repeat=3):
            counts = [len(waits_for(route, held[:size])) for size in range(4)]
            assert counts == sorted(counts, reverse=True)
            assert counts[0] == len(route)
            assert all(a - b <= 1 for a, b in itertools.pairwise(counts))
