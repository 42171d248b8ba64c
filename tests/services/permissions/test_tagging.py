"""Tags: closed lists of values, one value of a key on a place, and nothing in use goes away."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from meshplane.kit.clock import to_text
from meshplane.kit.errors import Conflict, Invalid, MeshplaneError, Missing, Refused
from meshplane.services.permissions import history
from meshplane.services.permissions.api import MaskRule, TagMask
from meshplane.services.permissions.replaying import replay
from tests.builders.policy_world import ADA, LAKE, SAM, SUBSCRIPTIONS, PolicyWorld, policy_world
from tests.builders.stores import NOON

pytestmark = pytest.mark.anyio

ASSET, DOMAIN = "asset:asset-1", "domain:dzd-1"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[PolicyWorld]:
    async with policy_world(tmp_path) as made:
        yield made


async def tags_on(world: PolicyWorld, resource: str = ASSET) -> dict[tuple[str, str], str]:
    found = await world.keeper.assigned(LAKE, resource)
    return {(one.column, one.key): one.value for one in found}


async def history_of(world: PolicyWorld, scope: str) -> list[dict[str, Any]]:
    work = world.store.begin()
    return [line async for line in history.entries(work, scope, "9999-01-01T00:00:00.000000Z")]


async def test_put__values_are_all_that_it_may_have_in_their_order_without_repeats(
    world: PolicyWorld,
) -> None:
    made = await world.keeper.put_tag(LAKE, "team", ["ops", "sea", "ops"])
    assert made.values == ("ops", "sea")
    again = await world.keeper.put_tag(LAKE, "team", ["air", "sea"])
    assert (again.values, again.created_at) == (("air", "sea"), made.created_at)
    page = await world.keeper.tags(LAKE, 10, None)
    assert [one.key for one in page.tags] == ["team"]


async def test_assign__one_value_of_a_key_on_each_place(world: PolicyWorld) -> None:
    await world.keeper.put_tag(LAKE, "team", ["ops", "sea"])
    await world.keeper.assign_tags(LAKE, ASSET, None, {"team": "ops"})
    await world.keeper.assign_tags(LAKE, ASSET, "delay", {"team": "ops"})
    after = await world.keeper.assign_tags(LAKE, ASSET, None, {"team": "sea"})
    assert [(one.column, one.value) for one in after] == [("", "sea"), ("delay", "ops")]
    await world.keeper.assign_tags(LAKE, ASSET, None, {"team": None, "classification": "public"})
    assert await tags_on(world) == {
        ("delay", "team"): "ops",
        ("", "classification"): "public",
    }
    assert await tags_on(world, DOMAIN) == {}


@pytest.mark.parametrize(
    ("tags", "error", "code"),
    [
        ({"unknown": "x"}, Missing, "LF_TAG_NOT_FOUND"),
        ({"team": "unknown"}, Invalid, "LF_TAG_VALUE_UNKNOWN"),
        ({"classification": "secret"}, Invalid, "LF_TAG_VALUE_UNKNOWN"),
    ],
)
async def test_assign__what_no_list_holds_is_refused_and_nothing_is_written(
    world: PolicyWorld, tags: dict[str, str | None], error: type[MeshplaneError], code: str
) -> None:
    await world.keeper.put_tag(LAKE, "team", ["ops"])
    with pytest.raises(error) as refused:
        await world.keeper.assign_tags(LAKE, ASSET, None, {"team": "ops", **tags})
    assert refused.value.code == code
    assert await tags_on(world) == {}


async def test_assign__a_place_has_room_for_fifty(world: PolicyWorld) -> None:
    for number in range(51):
        await world.keeper.put_tag(LAKE, f"k{number}", ["v"])
    fifty: dict[str, str | None] = {f"k{number}": "v" for number in range(50)}
    await world.keeper.assign_tags(LAKE, ASSET, None, fifty)
    with pytest.raises(Conflict) as refused:
        await world.keeper.assign_tags(LAKE, ASSET, None, {"k50": "v"})
    assert refused.value.code == "LF_TAGS_TOO_MANY"
    await world.keeper.assign_tags(LAKE, ASSET, "delay", {"k50": "v"})
    await world.keeper.assign_tags(LAKE, ASSET, None, {"k0": None, "k50": "v"})


async def _use(world: PolicyWorld, how: str) -> str:
    """Uses the value `sea` of the tag `team`; words that say where."""
    if how == "table":
        await world.keeper.assign_tags(LAKE, ASSET, None, {"team": "sea"})
        return ASSET
    if how == "column":
        await world.keeper.assign_tags(LAKE, ASSET, "delay", {"team": "sea"})
        return f"{ASSET} column delay"
    if how == "mask":
        mask = TagMask("team", "sea", MaskRule("null"), "dzd-1")
        await world.keeper.put_tag_mask(LAKE, mask)
        return "mask in dzd-1"
    if how == "expression":
        await world.keeper.put_expression(LAKE, "at-sea", (("team", ("sea",)),), "")
        return "expression at-sea"
    given = await world.grant(
        ADA,
        principal="group:analysts",
        resource={
            "tags": {"resourceType": "TABLE", "expression": [{"key": "team", "values": ["sea"]}]}
        },
        permissions=["SELECT"],
    )
    return f"grant {given.grant_id}"


@pytest.mark.parametrize("how", ["table", "column", "mask", "expression", "grant"])
async def test_value_in_use__does_not_go_and_it_is_said_where(world: PolicyWorld, how: str) -> None:
    await world.keeper.put_tag(LAKE, "team", ["ops", "sea"])
    where = await _use(world, how)
    for change in (
        world.keeper.put_tag(LAKE, "team", ["ops"]),
        world.keeper.delete_tag(LAKE, "team"),
    ):
        with pytest.raises(Conflict) as refused:
            await change
        assert refused.value.code == "LF_TAG_IN_USE"
        assert refused.value.details["usedBy"] == [where]
    grown = await world.keeper.put_tag(LAKE, "team", ["sea", "air"])
    assert grown.values == ("sea", "air"), "one that is not in use goes"


async def test_value_no_longer_in_use__goes(world: PolicyWorld) -> None:
    await world.keeper.put_tag(LAKE, "team", ["sea"])
    await world.keeper.assign_tags(LAKE, ASSET, None, {"team": "sea"})
    await world.keeper.put_tag_mask(LAKE, TagMask("team", "sea", MaskRule("null")))
    await world.keeper.put_expression(LAKE, "at-sea", (("team", ("sea",)),), "")
    await world.keeper.assign_tags(LAKE, ASSET, None, {"team": None})
    await world.keeper.delete_tag_mask(LAKE, "team", "sea", None)
    await world.keeper.delete_expression(LAKE, "at-sea")
    await world.keeper.delete_tag(LAKE, "team")
    with pytest.raises(Missing):
        await world.keeper.delete_tag(LAKE, "team")


async def test_value__assigned_and_removed_at_once_is_never_left_assigned_without_being_known(
    world: PolicyWorld,
) -> None:
    for trial in range(30):
        key = f"t{trial}"
        await world.keeper.put_tag(LAKE, key, ["a", "b"])
        await asyncio.gather(
            world.keeper.assign_tags(LAKE, ASSET, f"c{trial}", {key: "b"}),
            world.keeper.put_tag(LAKE, key, ["a"]),
            return_exceptions=True,
        )
        (tag,) = [one for one in (await world.keeper.tags(LAKE, 100, None)).tags if one.key == key]
        is_assigned = (f"c{trial}", key) in await tags_on(world)
        assert is_assigned == ("b" in tag.values)


async def test_classification__is_every_assets_own_and_cannot_be_made_or_removed(
    world: PolicyWorld,
) -> None:
    for change in (
        world.keeper.put_tag(LAKE, "classification", ["public"]),
        world.keeper.delete_tag(LAKE, "classification"),
    ):
        with pytest.raises(Conflict) as refused:
            await change
        assert refused.value.code == "LF_TAG_RESERVED"


async def test_mask__of_a_domain_and_of_the_mesh_stand_side_by_side(world: PolicyWorld) -> None:
    await world.keeper.put_tag(LAKE, "team", ["sea"])
    everywhere = TagMask("team", "sea", MaskRule("hash"))
    here = TagMask("team", "sea", MaskRule("partial", keep_last=2), "dzd-1")
    for mask in (everywhere, here):
        await world.keeper.put_tag_mask(LAKE, mask)
    page = await world.keeper.tag_masks(LAKE, 10, None)
    assert set(page.masks) == {everywhere, here}
    await world.keeper.delete_tag_mask(LAKE, "team", "sea", "dzd-1")
    assert (await world.keeper.tag_masks(LAKE, 10, None)).masks == (everywhere,)
    with pytest.raises(Missing) as gone:
        await world.keeper.delete_tag_mask(LAKE, "team", "sea", "dzd-1")
    assert gone.value.code == "LF_TAG_MASK_NOT_FOUND"


async def test_expression__changes_and_keeps_who_made_it(world: PolicyWorld) -> None:
    await world.keeper.put_tag(LAKE, "team", ["sea", "air"])
    first = await world.keeper.put_expression(LAKE, "ours", (("team", ("sea",)),), "x")
    second = await world.keeper.put_expression(
        LAKE, "ours", (("team", ("air",)), ("classification", ("public",))), "y"
    )
    assert second.created_at == first.created_at
    assert second.expression == (("classification", ("public",)), ("team", ("air",)))
    with pytest.raises(Invalid):
        await world.keeper.put_expression(LAKE, "ours", (("team", ("unknown",)),), "")
    page = await world.keeper.expressions(LAKE, 10, None)
    assert page.expressions == (second,)


async def test_history__replays_tags_and_masks_as_they_were(world: PolicyWorld) -> None:
    await world.keeper.put_tag(LAKE, "team", ["sea", "air"])
    moments = []
    for value in ("sea", "air", None):
        world.clock.advance(60)  # type: ignore[attr-defined] # it is a clock that is set
        await world.keeper.assign_tags(LAKE, ASSET, "delay", {"team": value})
        moments.append(to_text(world.clock.now()))
    lines = await history_of(world, ASSET)
    seen = [replay(lines, at).tags.get((ASSET, "delay", "team")) for at in moments]
    assert seen == ["sea", "air", None]
    assert replay(lines, to_text(NOON)).tags == {}

    mask = TagMask("team", "sea", MaskRule("null"))
    await world.keeper.put_tag_mask(LAKE, mask)
    lines = await history_of(world, "tags")
    assert replay(lines, lines[-1]["at"]).masks == {(None, "team", "sea"): mask}


async def test_events__tell_what_was_assigned_and_removed_once(world: PolicyWorld) -> None:
    await world.keeper.put_tag(LAKE, "team", ["sea"])
    for _ in range(2):
        await world.keeper.assign_tags(LAKE, ASSET, None, {"team": "sea"})
    for _ in range(2):
        await world.keeper.assign_tags(LAKE, ASSET, None, {"team": None})
    assert [kind for kind, _ in await world.events()] == ["TagAssigned", "TagRemoved"]


async def test_tags__are_kept_for_the_lake_service_alone(world: PolicyWorld) -> None:
    for actor in (SUBSCRIPTIONS, SAM):
        with pytest.raises(Refused):
            await world.keeper.put_tag(actor, "team", ["sea"])
        with pytest.raises(Refused):
            await world.keeper.assign_tags(actor, ASSET, None, {"classification": "public"})
