"""What grants come to, held against a slow reckoning of every cell, over random worlds."""

import itertools
import random
from dataclasses import replace

import pytest

from meshplane.platform.tables import Row
from meshplane.services.permissions.effective import effective
from meshplane.services.permissions.mask_strength import weakest
from meshplane.services.permissions.model import AssetAccess, MaskRule, RowScope
from meshplane.services.permissions.policy_state import may_be_on
from meshplane.services.permissions.semantics import access, needed
from meshplane.services.permissions.tag_expressions import values_anywhere
from tests.builders import naive_policy
from tests.builders.naive_policy import HIDDEN, PLAIN, Cell, World
from tests.builders.policies import random_world
from tests.builders.seeds import fresh

CASES = 5_000
LONG_CASES = 40_000
ROWS = [
    set(texts) for count in range(4) for texts in itertools.combinations(("p", "q", "r"), count)
]


def the_access(world: World) -> AssetAccess:
    return access(world.asset, world.tags, world.grants, world.filters, world.tag_masks, world.now)


def cell_by_scopes(scopes: tuple[RowScope, ...], name: str, row: set[str]) -> Cell | None:
    """What the enforcer makes of scopes: the weakest treatment of those that pass the row."""
    passing = [scope for scope in scopes if scope.filter is None or scope.filter.text in row]
    if not passing:
        return None
    masks = [scope.columns[name] for scope in passing if name in scope.columns]
    if not masks:
        return HIDDEN
    return weakest(masks) or PLAIN


def check_world(world: World, seed: str) -> None:
    found = the_access(world)
    for scopes in (found.scopes, needed(found.scopes)):
        for row, column in itertools.product(ROWS, world.asset.columns):
            expected = naive_policy.cell(world, column, row)
            assert cell_by_scopes(scopes, column.name, row) == expected, (seed, column.name, row)
    rights = {permission: set(ids) for permission, ids in found.rights.items()}
    assert rights == naive_policy.rights(world), seed
    assert {broken.grant_id for broken in found.broken} == naive_policy.broken(world), seed


def run_worlds(seed: int, count: int) -> int:
    shown = 0
    for number in range(count):
        world = random_world(random.Random(f"{seed}-{number}"))
        check_world(world, f"{seed}-{number}")
        shown += bool(the_access(world).scopes)
    return shown


def test_access__is_what_a_cell_by_cell_reckoning_says() -> None:
    seed = fresh()
    shown = run_worlds(seed, CASES)
    assert CASES / 4 < shown < CASES, "the worlds should show something often, and nothing at times"


@pytest.mark.long
def test_access__is_what_a_cell_by_cell_reckoning_says_over_many_worlds() -> None:
    assert run_worlds(fresh(), LONG_CASES) > LONG_CASES / 4


def test_access__is_the_union_of_what_each_grant_gives_alone() -> None:
    seed = fresh()
    for number in range(1_000):
        world = random_world(random.Random(f"{seed}-{number}"))
        together = the_access(world)
        alone = [the_access(_with_only(world, index)) for index in range(len(world.grants))]
        rights = {(p, i) for one in alone for p, ids in one.rights.items() for i in ids}
        assert {(p, i) for p, ids in together.rights.items() for i in ids} == rights, seed
        assert list(together.scopes) == [scope for one in alone for scope in one.scopes], seed


def test_access__is_the_same_without_grants_by_tags_that_are_nowhere_on_the_asset() -> None:
    seed, left_out = fresh(), 0
    for number in range(2_000):
        world = random_world(random.Random(f"{seed}-{number}"))
        tagged = values_anywhere(world.asset, world.tags)
        kept = [
            grant
            for grant in world.grants
            if may_be_on(Row({**grant.to_json(), "holder": grant.target.holder}, 1), tagged)
        ]
        left_out += len(world.grants) - len(kept)
        assert the_access(replace(world, grants=type(world.grants)(kept))) == the_access(world), (
            seed,
            number,
        )
    assert left_out > 100


def test_access__never_passes_on_what_is_not_permitted() -> None:
    seed = fresh()
    for number in range(1_000):
        found = the_access(random_world(random.Random(f"{seed}-{number}")))
        for permission, ids in found.grantable.items():
            assert set(ids) <= set(found.rights[permission]), (seed, number)


def test_effective__shows_a_column_as_the_best_row_does() -> None:
    seed = fresh()
    for number in range(1_000):
        world = random_world(random.Random(f"{seed}-{number}"))
        seen = effective(world.asset, the_access(world))
        for column, governed in zip(seen.columns, world.asset.columns, strict=True):
            cells = [naive_policy.cell(world, governed, row) for row in ROWS]
            shown = [cell for cell in cells if cell not in {None, HIDDEN}]
            if column.access == "hidden":
                assert shown == [], (seed, number)
            else:
                best = weakest([c if isinstance(c, MaskRule) else None for c in shown])
                assert column.mask == best, (seed, number)


def _with_only(world: World, index: int) -> World:
    return World(
        world.asset,
        world.tags,
        [world.grants[index]],
        world.filters,
        world.tag_masks,
        world.now,
    )
