"""Granting and revoking by hand: who may, what merges, what is left."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from meshplane.boundary.actor import Actor
from meshplane.kit.clock import FixedClock, to_text
from meshplane.kit.errors import Conflict, Invalid, MeshplaneError, Missing, Refused
from meshplane.services.permissions.granting import Granting
from meshplane.services.permissions.masks import MaskRule
from meshplane.services.permissions.model import DataFilter, RowFilter, TagMask
from tests.builders.policy_world import ADA, LAKE, SAM, UNA, PolicyWorld, policy_world
from tests.builders.stores import NOON

pytestmark = pytest.mark.anyio

TABLE = {"table": {"assetId": "asset-1"}}
CARRIER = {"columns": {"assetId": "asset-1", "included": ["carrier"]}}
DON = Actor("don@office")
"""Somebody whom a test gives the right to pass on."""


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[PolicyWorld]:
    async with policy_world(tmp_path) as made:
        yield made


async def code_of(action: object) -> str:
    """The code of the error that an action ends with."""
    with pytest.raises(MeshplaneError) as caught:
        await action  # type: ignore[misc]
    return caught.value.code


@pytest.mark.parametrize(
    ("principal", "acts_as"),
    [
        ("user:una@nowhere", UNA.principals),
        ("group:staff", UNA.principals),
        ("project:proj-1", ("user:otto@maps", "project:proj-1")),
    ],
)
async def test_grant__a_table_to_a_user_a_group_a_project__opens_it_for_each(
    world: PolicyWorld, principal: str, acts_as: tuple[str, ...]
) -> None:
    assert await world.columns(*acts_as) == {}
    await world.grant(SAM, principal=principal, resource=TABLE, permissions=["SELECT"])
    seen = await world.columns(*acts_as)
    assert seen == {"carrier": "plain", "delay": "plain", "tail": "plain", "day": "plain"}
    assert await world.columns("user:nobody@else") == {}


async def test_grant__a_view_of_masks_where_the_lake_is_on_aws__is_refused(
    world: PolicyWorld,
) -> None:
    world.granting = Granting(world.schemas, world.clock, is_on_aws=True)
    wish = {"principal": "user:una@nowhere", "resource": TABLE, "permissions": ["SELECT"]}
    masks = {"tail": {"kind": "hash"}}
    refused = world.grant(SAM, **wish, masks=masks, onAws="view")
    assert await code_of(refused) == "VIEWS_NOT_ON_AWS"
    await world.grant(SAM, **wish, masks=masks, onAws="exclude")
    assert (await world.columns(*UNA.principals))["tail"] == "hash"


NAMES = ("carrier", "delay", "tail", "day")
NOTHING = {"kind": "null"}


@pytest.mark.parametrize(
    ("changed", "code", "field"),
    [
        ({"permissions": ["SELECT", "INSERT"]}, "PERMISSION_NOT_CARRIED", "permissions"),
        ({"permissions": ["ALTER"]}, "PERMISSION_NOT_CARRIED", "permissions"),
        ({"masks": dict.fromkeys(NAMES, NOTHING)}, "MASK_INVALID", "masks.carrier"),
        ({"resource": CARRIER, "masks": {"carrier": NOTHING}}, "MASK_INVALID", "masks.carrier"),
    ],
)
async def test_grant__that_redshift_could_not_be_told__is_refused_when_it_is_made(
    world: PolicyWorld, changed: dict[str, Any], code: str, field: str
) -> None:
    wish = {"principal": "project:proj-1", "resource": TABLE, "permissions": ["SELECT"], **changed}
    world.schemas.assets["asset-1"] = replace(world.schemas.assets["asset-1"], engine="redshift")
    with pytest.raises(Invalid) as refused:
        await world.grant(SAM, **wish)
    assert (refused.value.code, refused.value.fields[0].field) == (code, field)
    world.schemas.assets["asset-1"] = replace(world.schemas.assets["asset-1"], engine="")
    await world.grant(SAM, **wish)


async def test_grant__that_redshift_carries_in_part__is_made(world: PolicyWorld) -> None:
    world.schemas.assets["asset-1"] = replace(world.schemas.assets["asset-1"], engine="redshift")
    masks = dict.fromkeys(NAMES[1:], NOTHING)
    wish = {"resource": TABLE, "permissions": ["SELECT", "DESCRIBE"], "masks": masks}
    await world.grant(SAM, principal="project:proj-1", **wish)
    seen = await world.columns("user:otto@maps", "project:proj-1")
    assert seen["carrier"] == "plain"


async def test_grant__columns_with_masks__shows_these_alone(world: PolicyWorld) -> None:
    resource = {"columns": {"assetId": "asset-1", "excluded": ["delay"]}}
    masks = {
        "tail": {"kind": "partial", "keepLast": 4},
        "day": {"kind": "truncate", "unit": "month"},
    }
    await world.grant(
        SAM, principal=UNA.name, resource=resource, permissions=["SELECT"], masks=masks
    )
    seen = await world.columns(UNA.name)
    assert seen == {"carrier": "plain", "tail": "partial", "day": "truncate"}


async def test_grant__a_data_filter__shows_its_rows_and_columns(world: PolicyWorld) -> None:
    rule = DataFilter("asset-1", "late", RowFilter("delay > 15"), included=("carrier", "delay"))
    work = world.store.begin()
    from meshplane.services.permissions.store import DATA_FILTERS

    work.put(DATA_FILTERS, rule.to_json())
    await work.commit()
    named = {"filter": {"assetId": "asset-1", "name": "late"}}
    await world.grant(SAM, principal=UNA.name, resource=named, permissions=["SELECT"])
    (scope,) = (await world.access(UNA.name)).scopes
    assert scope.filter is not None
    assert (scope.filter.text, sorted(scope.columns)) == ("delay > 15", ["carrier", "delay"])
    unknown = {"filter": {"assetId": "asset-1", "name": "early"}}
    body = {"principal": UNA.name, "resource": unknown, "permissions": ["SELECT"]}
    assert await code_of(world.grant(SAM, **body)) == "DATA_FILTER_NOT_FOUND"


async def test_grant__tags__reach_what_carries_them_and_no_more(world: PolicyWorld) -> None:
    tags = {
        "tags": {
            "resourceType": "TABLE",
            "expression": [{"key": "classification", "values": ["internal", "public"]}],
            "domainId": "dzd-1",
        }
    }
    await world.grant(SAM, principal=UNA.name, resource=tags, permissions=["SELECT"])
    # The column that is confidential by itself is not internal, though its table is.
    assert sorted(await world.columns(UNA.name)) == ["carrier", "day", "delay"]
    narrower = {
        "tags": {
            "resourceType": "TABLE",
            "expression": [{"key": "classification", "values": ["confidential"]}],
            "domainId": "dzd-1",
        }
    }
    await world.grant(SAM, principal="group:staff", resource=narrower, permissions=["SELECT"])
    assert sorted(await world.columns("group:staff")) == ["tail"]
    unknown = {"tags": {"resourceType": "TABLE", "expression": [{"key": "team", "values": ["a"]}]}}
    body = {"principal": UNA.name, "resource": unknown, "permissions": ["SELECT"]}
    assert await code_of(world.grant(ADA, **body)) == "LF_TAG_NOT_FOUND"


async def test_grant__tags_of_the_whole_mesh__are_for_administrators_alone(
    world: PolicyWorld,
) -> None:
    tags = {
        "tags": {
            "resourceType": "TABLE",
            "expression": [{"key": "classification", "values": ["internal"]}],
        }
    }
    body = {"principal": UNA.name, "resource": tags, "permissions": ["SELECT"]}
    assert await code_of(world.grant(SAM, **body)) == "FORBIDDEN"
    assert (await world.grant(ADA, **body)).domain_id == ""


async def test_tag_mask__masks_what_a_grant_shows_unless_the_grant_says_otherwise(
    world: PolicyWorld,
) -> None:
    work = world.store.begin()
    from meshplane.services.permissions.store import TAG_MASKS

    rule = TagMask("classification", "confidential", MaskRule("hash"))
    work.put(
        TAG_MASKS,
        {
            "scope": "mesh",
            "keyValue": "classification=confidential",
            "key": rule.key,
            "value": rule.value,
            "mask": rule.mask.to_json(),
        },
    )
    await work.commit()
    body = {"principal": UNA.name, "resource": TABLE, "permissions": ["SELECT"]}
    await world.grant(SAM, **body)
    assert (await world.columns(UNA.name))["tail"] == "hash"
    await world.grant(SAM, **body, masks={"tail": {"kind": "none"}})
    assert (await world.columns(UNA.name))["tail"] == "plain"


async def test_grant__to_oneself_or_a_group_or_project_of_ones_own__is_refused(
    world: PolicyWorld,
) -> None:
    sam = Actor("sam@aviation", frozenset({"aviation-stewards"}))
    for principal in (sam.name, "group:aviation-stewards"):
        body = {"principal": principal, "resource": TABLE, "permissions": ["SELECT"]}
        assert await code_of(world.grant(sam, **body)) == "SELF_GRANT"
    otto = Actor("otto@maps")
    passing = {"permissions": ["SELECT"], "permissionsWithGrantOption": ["SELECT"]}
    await world.grant(SAM, principal=otto.name, resource=TABLE, **passing)
    own = {"principal": "project:proj-1", "resource": TABLE, "permissions": ["SELECT"]}
    assert await code_of(world.grant(otto, **own)) == "SELF_GRANT"
    admin = Actor("ada@mesh", frozenset({"mesh-admins"}))
    given = await world.grant(admin, principal=admin.name, resource=TABLE, permissions=["SELECT"])
    assert given.granted_by == admin.name


async def test_grant__to_a_project_that_is_not_there__is_refused(world: PolicyWorld) -> None:
    body = {"principal": "project:proj-none", "resource": TABLE, "permissions": ["SELECT"]}
    assert await code_of(world.grant(SAM, **body)) == "PROJECT_NOT_FOUND"


async def test_grant__same_principal_and_resource__is_one_grant_that_grows(
    world: PolicyWorld,
) -> None:
    ends = to_text(NOON + timedelta(days=3))
    first = await world.grant(
        SAM,
        principal=UNA.name,
        resource=TABLE,
        permissions=["SELECT"],
        expiresAt=ends,
        masks={"tail": {"kind": "hash"}},
    )
    second = await world.grant(SAM, principal=UNA.name, resource=TABLE, permissions=["INSERT"])
    assert second.grant_id == first.grant_id
    assert (second.permissions, second.expires_at) == (["SELECT", "INSERT"], ends)
    assert list(second.masks) == ["tail"]
    third = await world.grant(
        SAM, principal=UNA.name, resource=TABLE, permissions=["SELECT"], expiresAt=None, masks={}
    )
    assert (third.permissions, third.expires_at, third.masks) == (["SELECT", "INSERT"], None, {})
    assert [kind for kind, _ in await world.events()] == [
        "PermissionGranted",
        "PermissionChanged",
        "PermissionChanged",
    ]


async def test_grant__of_one_that_ended__begins_anew(world: PolicyWorld) -> None:
    assert isinstance(world.clock, FixedClock)
    await world.grant(
        SAM,
        principal=UNA.name,
        resource=TABLE,
        permissions=["SELECT", "DELETE"],
        expiresAt=to_text(NOON + timedelta(seconds=5)),
    )
    world.clock.advance(10)
    again = await world.grant(SAM, principal=UNA.name, resource=TABLE, permissions=["SELECT"])
    assert (again.permissions, again.expires_at) == (["SELECT"], None)


async def test_holder__passes_on_no_more_than_he_has(world: PolicyWorld) -> None:
    columns = {"columns": {"assetId": "asset-1", "included": ["carrier", "tail"]}}
    await world.grant(
        SAM,
        principal=DON.name,
        resource=columns,
        permissions=["SELECT"],
        permissionsWithGrantOption=["SELECT"],
        masks={"tail": {"kind": "hash"}},
        expiresAt=to_text(NOON + timedelta(days=9)),
    )
    until = {"expiresAt": to_text(NOON + timedelta(days=9))}
    later = {"expiresAt": to_text(NOON + timedelta(days=10))}
    hashed = {"masks": {"tail": {"kind": "hash"}}}
    una = {"principal": UNA.name, "permissions": ["SELECT"]}
    both = {**una, "resource": columns}
    carrier = {**una, "resource": CARRIER}
    assert await code_of(world.grant(DON, **una, resource=TABLE, **until)) == "GRANT_NOT_COVERED"
    assert await code_of(world.grant(DON, **both, **until)) == "GRANT_NOT_COVERED"
    assert await code_of(world.grant(DON, **carrier)) == "GRANT_NOT_COVERED"
    assert await code_of(world.grant(DON, **carrier, **later)) == "GRANT_NOT_COVERED"
    more = {"principal": UNA.name, "resource": TABLE, "permissions": ["INSERT"], **until}
    assert await code_of(world.grant(DON, **more)) == "GRANT_NOT_COVERED"
    assert await world.columns(UNA.name) == {}
    await world.grant(DON, **both, **until, **hashed)
    assert await world.columns(UNA.name) == {"carrier": "plain", "tail": "hash"}


async def test_holder__does_not_change_how_long_others_hold_what_he_does_not(
    world: PolicyWorld,
) -> None:
    option = {"permissions": ["SELECT"], "permissionsWithGrantOption": ["SELECT"]}
    await world.grant(SAM, principal=DON.name, resource=TABLE, **option)
    ends = to_text(NOON + timedelta(days=1))
    una = {"principal": UNA.name, "resource": TABLE}
    await world.grant(SAM, **una, permissions=["DELETE"], expiresAt=ends)
    prolong = {**una, "permissions": ["SELECT"], "expiresAt": None}
    assert await code_of(world.grant(DON, **prolong)) == "GRANT_NOT_COVERED"
    kept = await world.grant(DON, **una, permissions=["SELECT"])
    assert (kept.permissions, kept.expires_at) == (["SELECT", "DELETE"], ends)


async def test_somebody_without_any_right__is_refused_without_a_hint(world: PolicyWorld) -> None:
    body = {"principal": DON.name, "resource": TABLE, "permissions": ["SELECT"]}
    assert await code_of(world.grant(UNA, **body)) == "FORBIDDEN"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"resource": {}}, "RESOURCE_INVALID"),
        ({"resource": {**TABLE, **CARRIER}}, "RESOURCE_INVALID"),
        ({"resource": {"table": {"assetId": "asset-7"}}}, "ASSET_NOT_FOUND"),
        ({"resource": {"database": {"domainId": "dzd-7"}}}, "DOMAIN_NOT_FOUND"),
        (
            {"resource": {"columns": {"assetId": "asset-1", "included": ["wings"]}}},
            "COLUMN_UNKNOWN",
        ),
        ({"resource": {"database": {"domainId": "dzd-1"}}}, "PERMISSION_NOT_OF_RESOURCE"),
        ({"permissionsWithGrantOption": ["DELETE"]}, "GRANT_OPTION_WITHOUT_PERMISSION"),
        ({"masks": {"delay": {"kind": "partial", "keepLast": 2}}}, "MASK_DOES_NOT_FIT"),
        ({"expiresAt": "2001-01-01T00:00:00Z"}, "EXPIRY_INVALID"),
        ({"expiresAt": "tomorrow"}, "EXPIRY_INVALID"),
    ],
)
async def test_grant__that_cannot_be__says_why_and_changes_nothing(
    world: PolicyWorld, change: dict[str, object], code: str
) -> None:
    body = {"principal": UNA.name, "resource": TABLE, "permissions": ["SELECT"], **change}
    assert await code_of(world.grant(SAM, **body)) == code
    assert await world.events() == []


async def test_revoke__some_columns_of_several__leaves_the_others(world: PolicyWorld) -> None:
    both = {"columns": {"assetId": "asset-1", "included": ["carrier", "delay"]}}
    given = await world.grant(SAM, principal=UNA.name, resource=both, permissions=["SELECT"])
    done = await world.revoke(SAM, principal=UNA.name, resource=CARRIER, permissions=["SELECT"])
    assert [grant.grant_id for grant in done.changed] == [given.grant_id]
    assert await world.columns(UNA.name) == {"delay": "plain"}
    again = await world.grant(SAM, principal=UNA.name, resource=both, permissions=["SELECT"])
    assert again.grant_id == given.grant_id
    assert await world.columns(UNA.name) == {"carrier": "plain", "delay": "plain"}


async def test_grant__on_the_columns_that_a_revoke_left__adds_to_the_grant_that_is_there(
    world: PolicyWorld,
) -> None:
    both = {"columns": {"assetId": "asset-1", "included": ["carrier", "delay"]}}
    delay = {"columns": {"assetId": "asset-1", "included": ["delay"]}}
    given = await world.grant(SAM, principal=UNA.name, resource=both, permissions=["SELECT"])
    await world.revoke(SAM, principal=UNA.name, resource=delay, permissions=["SELECT"])
    again = await world.grant(SAM, principal=UNA.name, resource=CARRIER, permissions=["SELECT"])
    assert again.grant_id == given.grant_id
    # A lake has one entry of a principal and a resource: of two grants there, one would be lost.
    held = (await world.access(UNA.name)).rights["SELECT"]
    assert held == (given.grant_id,)
    await world.revoke(SAM, grantId=given.grant_id)
    assert await world.columns(UNA.name) == {}
    fresh = await world.grant(SAM, principal=UNA.name, resource=CARRIER, permissions=["SELECT"])
    assert fresh.grant_id != given.grant_id


async def test_revoke__columns_of_a_whole_table__is_refused_with_what_to_do(
    world: PolicyWorld,
) -> None:
    given = await world.grant(SAM, principal=UNA.name, resource=TABLE, permissions=["SELECT"])
    with pytest.raises(Conflict) as caught:
        await world.revoke(SAM, principal=UNA.name, resource=CARRIER, permissions=["SELECT"])
    assert caught.value.code == "GRANT_IS_WIDER"
    assert given.grant_id in caught.value.message
    assert len(await world.columns(UNA.name)) == 4


async def test_revoke__one_permission_or_the_option_alone__leaves_the_rest(
    world: PolicyWorld,
) -> None:
    given = await world.grant(
        SAM,
        principal=DON.name,
        resource=TABLE,
        permissions=["SELECT", "INSERT"],
        permissionsWithGrantOption=["SELECT"],
    )
    done = await world.revoke(SAM, grantId=given.grant_id, permissions=["INSERT"])
    assert done.changed[0].permissions == ["SELECT"]
    done = await world.revoke(SAM, grantId=given.grant_id, grantOptionOnly=True)
    assert done.changed[0].permissions_with_grant_option == []
    body = {"principal": UNA.name, "resource": TABLE, "permissions": ["SELECT"]}
    assert await code_of(world.grant(DON, **body)) == "FORBIDDEN"
    done = await world.revoke(SAM, grantId=given.grant_id)
    assert done.ended == [given.grant_id]
    assert await code_of(world.revoke(SAM, grantId=given.grant_id)) == "GRANT_NOT_FOUND"
    back = await world.grant(SAM, principal=DON.name, resource=TABLE, permissions=["SELECT"])
    assert back.grant_id == given.grant_id
    assert len(await world.columns(DON.name)) == 4


async def test_revoke__by_one_who_may_not__is_refused_and_hides_what_he_may_not_see(
    world: PolicyWorld,
) -> None:
    given = await world.grant(SAM, principal=UNA.name, resource=TABLE, permissions=["SELECT"])
    with pytest.raises(Refused):
        await world.revoke(UNA, grantId=given.grant_id)  # he may see it
    with pytest.raises(Missing):
        await world.revoke(DON, grantId=given.grant_id)
    assert len(await world.columns(UNA.name)) == 4


async def test_revoke__by_a_holder__reaches_what_he_could_pass_on(world: PolicyWorld) -> None:
    option = {"permissions": ["SELECT"], "permissionsWithGrantOption": ["SELECT"]}
    await world.grant(SAM, principal=DON.name, resource=TABLE, **option)
    await world.grant(DON, principal=UNA.name, resource=TABLE, permissions=["SELECT"])
    await world.grant(SAM, principal=UNA.name, resource=TABLE, permissions=["DELETE"])
    body = {"principal": UNA.name, "resource": TABLE}
    with pytest.raises(Refused):
        await world.revoke(DON, **body, permissions=["DELETE"])
    done = await world.revoke(DON, **body, permissions=["SELECT"])
    assert done.changed[0].permissions == ["DELETE"]


async def test_grant_that_the_lake_lacks__is_closed_until_it_is_granted_anew(
    world: PolicyWorld,
) -> None:
    given = await world.grant(SAM, principal=UNA.name, resource=TABLE, permissions=["SELECT"])
    await world.keeper.record_lake_state(LAKE, given.grant_id, "missing", "removed by hand")
    access = await world.access(UNA.name)
    assert (access.scopes, [one.grant_id for one in access.broken]) == ((), [given.grant_id])
    await world.keeper.record_lake_state(LAKE, given.grant_id, "applied", None)
    assert len(await world.columns(UNA.name)) == 4


async def test_simulate__tells_what_a_tag_would_do_and_changes_nothing(
    world: PolicyWorld,
) -> None:
    public = {
        "tags": {
            "resourceType": "TABLE",
            "expression": [{"key": "classification", "values": ["public"]}],
            "domainId": "dzd-1",
        }
    }
    await world.grant(SAM, principal=UNA.name, resource=public, permissions=["SELECT"])
    tag = {"resource": "asset:asset-1", "key": "classification", "value": "public"}
    before = await world.events()
    (change,) = (await world.simulate(SAM, {"tag": tag})).changes
    assert (change.principal, change.before.permissions) == (UNA.name, [])
    assert "SELECT" in change.after.permissions
    assert change.sentences
    assert await world.events() == before
    assert await world.columns(UNA.name) == {}
    with pytest.raises(Refused):
        await world.simulate(UNA, {"tag": tag})
    with pytest.raises(Invalid):
        await world.simulate(SAM, {"tag": {**tag, "value": "nonsense"}})
