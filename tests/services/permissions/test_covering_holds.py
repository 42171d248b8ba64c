"""Nobody passes on more than he has: random holders and wishes, cell by cell, now and later."""

import itertools
import random
from dataclasses import replace

from meshplane.services.permissions.covering import uncovered
from meshplane.services.permissions.governed import AssetPolicy
from meshplane.services.permissions.mask_strength import can_make
from meshplane.services.permissions.model import Grant, MaskRule
from meshplane.services.permissions.validity import permitted_on
from tests.builders import naive_policy
from tests.builders.naive_policy import HIDDEN, Cell, World
from tests.builders.policies import column, random_world
from tests.builders.seeds import fresh

CASES = 12_000
ROWS = [set(t) for count in range(4) for t in itertools.combinations(("p", "q", "r"), count)]


def permitted(grant: Grant) -> Grant:
    """The grant with what its target can permit, all of which may be passed on."""
    permissions = grant.permissions & permitted_on(grant.target) or frozenset({"SELECT"})
    return replace(grant, permissions=permissions, grantable=permissions)


def shows_no_more(shown: Cell | None, seen: Cell | None) -> bool:
    if shown is None:
        return True
    if seen is None:
        return False
    if HIDDEN in {shown, seen}:
        return shown == HIDDEN
    masks = [cell if isinstance(cell, MaskRule) else None for cell in (seen, shown)]
    return can_make(*masks)


def check_no_more(world: World, wished: Grant, held: list[Grant], seed: str) -> None:
    """What the wish shows on the table is no more than what the holder may pass on."""
    others = with_grants(world, [wished])
    each = [with_grants(world, [grant]) for grant in held]
    for row, one in itertools.product(ROWS, world.asset.columns):
        shown = naive_policy.cell(others, one, row)
        seen = [naive_policy.cell(his, one, row) for his in each]
        assert any(shows_no_more(shown, cell) for cell in seen), (seed, one.name, row, shown, seen)
    gained = set(naive_policy.rights(others)) - {"DESCRIBE"}
    assert gained <= set(naive_policy.rights(with_grants(world, held))), seed


def with_grants(world: World, grants: list[Grant]) -> World:
    return World(world.asset, world.tags, grants, world.filters, world.tag_masks, world.now)


def test_what_may_be_passed_on__never_shows_more_than_its_holder_sees() -> None:
    seed = fresh()
    passed = {"table": 0, "wide": 0}
    for number in range(CASES):
        name = f"{seed}-{number}"
        world = random_world(random.Random(name))
        *held, wished = [permitted(grant) for grant in world.grants]
        on_table = wished.target.asset_id is not None
        if wished.target.kind == "rows" or wished.target.resource_type == "DATABASE":
            continue
        policy = AssetPolicy(
            world.asset, world.tags, (), tuple(world.filters), tuple(world.tag_masks)
        )
        if uncovered(wished, held, policy if on_table else None, world.now) is not None:
            continue
        if wished.target.asset_id in {None, world.asset.asset_id}:
            passed["table" if on_table else "wide"] += 1
            check_no_more(world, wished, held, name)
            columns = (*world.asset.columns, column("later", 300))
            world.asset = replace(world.asset, columns=columns)
            check_no_more(world, wished, held, name)
    assert min(passed.values()) > 10, passed
