"""What every portal must do: the suite that each adapter of its ports has to pass."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from meshplane.kit.errors import Conflict
from meshplane.services.assets.ports import ACTIVE, INACTIVE, Product, ProductThere
from meshplane.services.lineage.ports import DONE, DatasetName, LineageRun, RunColumn
from meshplane.services.quality.ports import RuleOutcome, ScorePoint
from meshplane.services.subscriptions.ports import (
    ACCEPTED,
    APPROVED,
    PENDING,
    REJECTED,
    REVOKED,
    RequestThere,
    Subscriber,
)
from tests.builders.portals import PORTALS, STRANGER, PortalUnderTest, role_of


@pytest.fixture(scope="module", params=sorted(PORTALS))
def portal(request: pytest.FixtureRequest) -> Iterator[PortalUnderTest]:
    with PORTALS[request.param]() as there:
        yield there


async def a_project(portal: PortalUnderTest) -> str:
    domain = await portal.domains.ensure(portal.new("domain"), "")
    project = await portal.projects.ensure(domain.portal_id, portal.new("project"), "what it does")
    return project.portal_id


def a_product(portal: PortalUnderTest, **said: str) -> Product:
    name = portal.new("flights").replace("-", "_")
    told = {
        "name": name,
        "description": "every flight",
        "owner": "user:ada",
        "classification": "internal",
        "contractVersion": "1.0.0",
        "domain": "aviation",
        "project": "ops",
        "columns": json.dumps({"flight": "string", "delay": "int"}),
        "column delay": "in minutes",
    }
    return Product(portal.new("asset"), "aviation", name, {**told, **said})


async def a_listing(portal: PortalUnderTest) -> ProductThere:
    made = await portal.assets.ensure(await a_project(portal), a_product(portal))
    return await portal.assets.publish(made.portal_id)


async def a_subscriber(portal: PortalUnderTest) -> Subscriber:
    """A project whose role is in it."""
    own = portal.new("p")
    there = await a_project(portal)
    await portal.projects.put_member(there, f"role:{role_of(own)}", "contributor")
    return Subscriber(own, there)


async def a_request(portal: PortalUnderTest) -> tuple[Subscriber, RequestThere]:
    listing, who = await a_listing(portal), await a_subscriber(portal)
    asked = await portal.subscriptions.ask(who, listing.listing_id, portal.new("r"), "to count")
    return who, asked


async def test_domain__is_made_once_by_name_and_changed_by_id(portal: PortalUnderTest) -> None:
    name = portal.new("aviation")
    first = await portal.domains.ensure(name, "flights")
    again = await portal.again().domains.ensure(name, "another text")
    changed = await portal.domains.change(first.portal_id, name, "flights and airports")
    assert again == first
    assert changed == replace(first, description="flights and airports")
    assert await portal.domains.look(first.portal_id) == changed


async def test_domain__that_was_deleted__is_not_there(portal: PortalUnderTest) -> None:
    made = await portal.domains.ensure(portal.new("short-lived"), "")
    await portal.others.delete_domain(made.portal_id)
    assert await portal.domains.look(made.portal_id) is None


async def test_owners__are_added_and_removed_by_name(portal: PortalUnderTest) -> None:
    domain = (await portal.domains.ensure(portal.new("domain"), "")).portal_id
    role, person = f"role:{STRANGER}", f"user:{portal.new('ann')}"
    seen = [set(await portal.domains.owners(domain))]
    for owner in (role, role, person):
        await portal.domains.add_owner(domain, owner)
        seen.append(set(await portal.again().domains.owners(domain)))
    for _ in range(2):
        await portal.domains.remove_owner(domain, role)
    seen.append(set(await portal.domains.owners(domain)))
    assert seen == [set(), {role}, {role}, {role, person}, {person}]


async def test_project__is_made_once_in_its_domain(portal: PortalUnderTest) -> None:
    domain = await portal.domains.ensure(portal.new("domain"), "")
    name = portal.new("aviation ops")
    first = await portal.projects.ensure(domain.portal_id, name, "ops")
    longer = await portal.projects.ensure(domain.portal_id, f"{name}more", "more")
    again = await portal.again().projects.ensure(domain.portal_id, name, "another text")
    other = await portal.domains.ensure(portal.new("domain"), "")
    with pytest.raises(Conflict) as taken:
        await portal.projects.ensure(other.portal_id, name, "ops")
    assert again == first
    assert longer.portal_id != first.portal_id
    assert taken.value.code == "PORTAL_NAME_TAKEN"


async def test_members__are_added_changed_and_removed_by_name(portal: PortalUnderTest) -> None:
    project, role = await a_project(portal), f"role:{STRANGER}"
    seen = [await portal.projects.members(project)]
    for given in ("viewer", "viewer", "contributor", "owner"):
        await portal.projects.put_member(project, role, given)
        seen.append(await portal.again().projects.members(project))
    for _ in range(2):
        await portal.projects.remove_member(project, role)
    seen.append(await portal.projects.members(project))
    roles = [one.get(role, "") for one in seen]
    assert roles == ["", "viewer", "viewer", "contributor", "owner", ""]
    assert all(set(one) <= {role} for one in seen)


async def test_product__is_made_once_by_our_id_and_read_back_as_it_was_said(
    portal: PortalUnderTest,
) -> None:
    project, product = await a_project(portal), a_product(portal)
    first = await portal.assets.ensure(project, product)
    changed = replace(product, said={**product.said, "description": "changed since"})
    again = await portal.again().assets.ensure(project, changed)
    assert {name: first.said.get(name) for name in product.said} == dict(product.said)
    assert (first.revision, first.listing) == ("1", "")
    assert again == first


async def test_product__revised__says_the_new_and_is_listed_by_publishing(
    portal: PortalUnderTest,
) -> None:
    product = a_product(portal)
    made = await portal.assets.ensure(await a_project(portal), product)
    listed = await portal.assets.publish(made.portal_id)
    said = {**product.said, "owner": "user:bob", "column flight": "its number"}
    revised = await portal.assets.revise(made.portal_id, replace(product, said=said))
    relisted = await portal.assets.publish(made.portal_id)
    before = portal.others.changes()
    again = await portal.assets.publish(made.portal_id)
    assert (listed.listing, listed.listed_revision) == (ACTIVE, "1")
    assert (revised.revision, revised.listed_revision) == ("2", "1")
    assert (relisted.listing_id, relisted.listed_revision) == (listed.listing_id, "2")
    assert {name: again.said.get(name) for name in said} == said
    assert portal.others.changes() == before


async def test_product__withdrawn__can_be_listed_again(portal: PortalUnderTest) -> None:
    listed = await a_listing(portal)
    gone = [await portal.assets.withdraw(listed.portal_id) for _ in range(2)]
    back = await portal.assets.publish(listed.portal_id)
    gone += [await portal.assets.withdraw(listed.portal_id)]
    again = await portal.assets.publish(listed.portal_id)
    assert [one.listing for one in gone] == [INACTIVE] * 3
    assert [back.listing, again.listing] == [ACTIVE, ACTIVE]
    assert back.listing_id == again.listing_id == listed.listing_id


async def test_request__is_made_once_and_waits_for_its_decision(portal: PortalUnderTest) -> None:
    listing, who = await a_listing(portal), await a_subscriber(portal)
    own = portal.new("r")
    first = await portal.subscriptions.ask(who, listing.listing_id, own, "to count")
    again = await portal.again().subscriptions.ask(who, listing.listing_id, own, "to count")
    other = await portal.subscriptions.ask(who, listing.listing_id, portal.new("r"), "to add")
    assert first.status == PENDING
    assert again == other == first


async def test_request__accepted__becomes_a_subscription_with_a_grant(
    portal: PortalUnderTest,
) -> None:
    who, asked = await a_request(portal)
    accepted = [await portal.subscriptions.accept(asked.request_id, "") for _ in range(2)]
    subscription = accepted[0].subscription_id
    grants = [
        await portal.again().subscriptions.grant(who, subscription),
        await portal.subscriptions.grant(who, subscription),
    ]
    granted = await portal.others.grant_state(subscription)
    for _ in range(2):
        await portal.subscriptions.revoke(subscription)
    ended = await portal.subscriptions.look(asked.request_id)
    assert {(one.status, one.subscription) for one in accepted} == {(ACCEPTED, APPROVED)}
    assert grants[0] == grants[1]
    assert granted == "GRANTED"
    assert ended == RequestThere(asked.request_id, ACCEPTED, subscription, REVOKED)
    assert await portal.others.grant_state(subscription) == ""


async def test_request__decided_once__stays_as_it_was_decided(portal: PortalUnderTest) -> None:
    _, asked = await a_request(portal)
    rejected = await portal.subscriptions.reject(asked.request_id, "no")
    late = await portal.subscriptions.accept(asked.request_id, "yes")
    assert rejected.status == late.status == REJECTED


async def test_request__is_reworded_and_withdrawn_by_who_asked(portal: PortalUnderTest) -> None:
    who, asked = await a_request(portal)
    await portal.subscriptions.reword(who, asked.request_id, "to count delays")
    reason = await portal.others.reason(asked.request_id)
    for _ in range(2):
        await portal.subscriptions.withdraw(who, asked.request_id)
    assert reason == "to count delays"
    assert await portal.subscriptions.look(asked.request_id) is None


async def test_run__is_posted_once_and_shown(portal: PortalUnderTest) -> None:
    flights, delays = DatasetName("aviation", "flights"), DatasetName("", "tbl-1")
    column = RunColumn("delay", flights, "late", "DIRECT", "TRANSFORMATION")
    run = LineageRun("q-1", "query", "2026-01-01T00:00:00Z", (flights,), delays, (column,))
    token = portal.new("event")
    first = await portal.lineage.post(token, run)
    again = await portal.again().lineage.post(token, run)
    states = [await portal.lineage.state(first) for _ in range(3)]
    assert again == first
    assert states[-1] == DONE


async def test_scores__are_one_point_a_run_latest_first(portal: PortalUnderTest) -> None:
    asset = (await a_listing(portal)).portal_id
    rules = [RuleOutcome('IsComplete "flight"', "PASS"), RuleOutcome("RowCount > 0", "ERROR", "x")]
    first = ScorePoint("run-1", "2026-01-01T00:00:01.000000Z", 50.0, rules)
    second = ScorePoint("run-2", "2026-01-01T00:00:02.000000Z", 100.0, rules * 300)
    for point in (first, second, first):
        await portal.quality.post(asset, point)
    expected = [(second.at, 100.0), (first.at, 50.0)]
    assert list(await portal.quality.points(asset)) == expected
