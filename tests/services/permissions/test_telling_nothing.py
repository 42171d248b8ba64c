"""Asking to grant, revoke, simulate or list tells nobody what others hold, or gives it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from meshplane.boundary.actor import Actor
from meshplane.boundary.schemas import Page
from meshplane.kit.errors import MeshplaneError
from meshplane.services.permissions import trying
from meshplane.services.permissions.model import Grant, GrantedColumn, Target
from meshplane.services.permissions.schemas import EffectiveQuery, GrantQuery, GrantView
from tests.builders.known_schemas import flights
from tests.builders.policy_world import ADA, SAM, SUBSCRIPTIONS, UNA, PolicyWorld, policy_world

pytestmark = pytest.mark.anyio

TABLE = {"table": {"assetId": "asset-1"}}
TAIL = {"columns": {"assetId": "asset-1", "included": ["tail"]}}
PRY = Actor("pry@elsewhere")
"""Somebody who answers for nothing and holds nothing."""
DON = Actor("don@office")
"""Somebody who may pass on that the table is there, and no more."""
ZED = "user:zed@maps"
"""Somebody who reads by a subscription."""


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[PolicyWorld]:
    async with policy_world(tmp_path) as made:
        await made.grant(SAM, principal=UNA.name, resource=TABLE, permissions=["SELECT"])
        subscribed = Grant(
            grant_id="grant-sub-req-9",
            principal=ZED,
            target=Target("rows", asset_id="asset-1"),
            permissions=frozenset({"SELECT", "DESCRIBE"}),
            domain_id="dzd-1",
            columns=(GrantedColumn("carrier", None, 1),),
            subscription_id="sub-req-9",
        )
        await made.keeper.grant(SUBSCRIPTIONS, subscribed)
        yield made


async def refusal(action: Any) -> tuple[str, str, dict[str, Any]]:
    """All that the error tells with which an action ends."""
    with pytest.raises(MeshplaneError) as caught:
        await action
    return caught.value.code, caught.value.message, dict(caught.value.details)


async def listed(world: PolicyWorld, actor: Actor, **query: Any) -> Page[GrantView]:
    """What `GET /permissions` answers."""
    wish = GrantQuery.model_validate(query)
    page: Page[GrantView] = await world.boundary.read(
        "listGrants", actor, lambda call: world.reading.list(call, wish)
    )
    return page


@pytest.mark.parametrize("resource", [TABLE, TAIL])
async def test_simulate__a_revoke_by_a_stranger__fails_alike_whatever_others_hold(
    world: PolicyWorld, resource: dict[str, Any]
) -> None:
    told = [
        await refusal(
            world.simulate(PRY, {"revoke": {"principal": principal, "resource": resource}})
        )
        for principal in (UNA.name, ZED, "user:nobody@else")
    ]
    assert told[0][0] == "FORBIDDEN"
    assert told[0] == told[1] == told[2]


@pytest.mark.parametrize(
    "more",
    [
        {"masks": {"tail": {"kind": "null"}}},
        {"permissionsWithGrantOption": ["SELECT"]},
        {"masks": {"wings": {"kind": "null"}}},
    ],
)
async def test_grant__by_a_stranger__fails_alike_whatever_others_hold(
    world: PolicyWorld, more: dict[str, Any]
) -> None:
    for asked in (
        lambda body: world.grant(PRY, **body),
        lambda body: world.simulate(PRY, {"grant": {**body, "reason": "For a test."}}),
    ):
        told = [
            await refusal(
                asked(
                    {
                        "principal": principal,
                        "resource": TABLE,
                        "permissions": ["DESCRIBE"],
                        **more,
                    }
                )
            )
            for principal in (UNA.name, "user:nobody@else")
        ]
        assert told[0] == told[1]


async def test_holder__makes_nobody_pass_on_what_he_may_not_pass_on_himself(
    world: PolicyWorld,
) -> None:
    await world.grant(
        SAM,
        principal=DON.name,
        resource=TABLE,
        permissions=["DESCRIBE"],
        permissionsWithGrantOption=["DESCRIBE"],
    )
    una = {"principal": UNA.name, "resource": TABLE, "permissionsWithGrantOption": ["SELECT"]}
    told = await refusal(world.grant(DON, **una, permissions=["DESCRIBE"]))
    assert told[0] == "GRANT_OPTION_WITHOUT_PERMISSION"
    told = await refusal(world.grant(DON, **una, permissions=["SELECT"]))
    assert told[0] == "GRANT_NOT_COVERED"
    assert (await world.access(UNA.name)).grantable == {}


async def test_list__ones_own_grants_of_a_domain__tells_nothing_of_others_there(
    world: PolicyWorld,
) -> None:
    page = await listed(world, PRY, domainId="dzd-1", principal=PRY.name, limit=1)
    assert (page.items, page.next_cursor) == ([], None)
    await world.grant(SAM, principal=PRY.name, resource=TABLE, permissions=["DESCRIBE"])
    await world.grant(SAM, principal=PRY.name, resource=TAIL, permissions=["SELECT"])
    first = await listed(world, PRY, domainId="dzd-1", principal=PRY.name, limit=1)
    assert first.next_cursor == "1"
    last = await listed(
        world, PRY, domainId="dzd-1", principal=PRY.name, limit=1, cursor=first.next_cursor
    )
    assert last.next_cursor is None
    seen = {grant.principal for grant in (*first.items, *last.items)}
    assert seen == {PRY.name}
    assert first.items[0].grant_id != last.items[0].grant_id


async def test_simulate__that_would_look_at_very_many_people__asks_for_their_names(
    world: PolicyWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    tag = {"tag": {"resource": "asset:asset-1", "key": "classification", "value": "public"}}
    monkeypatch.setattr(trying, "_MOST_COMPARED", 1)
    assert (await refusal(world.simulate(SAM, tag)))[0] == "SIMULATION_TOO_WIDE"
    monkeypatch.setattr(trying, "_MOST_COMPARED", 2)
    assert (await world.simulate(SAM, tag)).changes == []


async def test_revoke__by_a_holder__does_not_show_him_what_else_the_other_has(
    world: PolicyWorld,
) -> None:
    option = {"permissions": ["SELECT"], "permissionsWithGrantOption": ["SELECT"]}
    await world.grant(SAM, principal=DON.name, resource=TABLE, **option)
    for steward, shown in ((SAM, [UNA.name]), (DON, [])):
        await world.grant(steward, principal=UNA.name, resource=TAIL, permissions=["SELECT"])
        done = await world.revoke(
            steward, principal=UNA.name, resource=TAIL, permissions=["SELECT"]
        )
        assert [grant.principal for grant in done.still] == shown


async def test_explain__to_a_steward__leaves_out_what_is_on_tags_of_other_domains(
    world: PolicyWorld,
) -> None:
    world.schemas.assets["asset-2"] = replace(flights("asset-2", "dzd-2"), domain_name="harbour")
    held = {}
    for domain_id in ("dzd-1", "dzd-2"):
        tags = {"resourceType": "TABLE", "domainId": domain_id, "expression": [
            {"key": "classification", "values": ["public"]}
        ]}  # fmt: skip
        given = await world.grant(
            ADA, principal=UNA.name, resource={"tags": tags}, permissions=["SELECT"]
        )
        held[domain_id] = given.grant_id
    query = EffectiveQuery.model_validate({"principal": UNA.name, "assetId": "asset-1"})
    told = await world.boundary.read(
        "explainPermission", SAM, lambda call: world.reading.explain(call, query)
    )
    seen = {verdict.grant_id for verdict in told.grants}
    assert held["dzd-1"] in seen
    assert held["dzd-2"] not in seen
