"""The portal behind the relay: events of one commit, in whatever order consumers get to them."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from meshplane.events.assets import AssetPublished
from meshplane.events.domains import DomainCreated
from meshplane.events.payload import Payload
from meshplane.events.projects import ProjectCreated
from meshplane.events.quality import DataQualityRunCompleted
from meshplane.events.relay import Relay
from meshplane.events.subscriptions import SubscriptionActivated
from meshplane.kit.clock import SystemClock
from meshplane.platform.store import Store
from meshplane.services.assets.store import ASSET_PORTAL_LINKS
from meshplane.services.quality.store import QUALITY_PORTAL_LINKS
from meshplane.services.subscriptions.store import SUBSCRIPTION_PORTAL_LINKS
from tests.builders.portal_mesh import NOON, PortalMesh, portal_mesh
from tests.builders.portals import PORTALS, PortalUnderTest

_LONGEST_WAIT_SECONDS = 60.0


@pytest.fixture(scope="module", params=sorted(PORTALS))
def portal(request: pytest.FixtureRequest) -> Iterator[PortalUnderTest]:
    with PORTALS[request.param]() as there:
        yield there


@pytest.fixture
async def mesh(portal: PortalUnderTest, tmp_path: Path) -> AsyncIterator[PortalMesh]:
    made = portal_mesh(portal, tmp_path)
    yield made
    await made.store.close()


async def emit(store: Store, *payloads: Payload) -> None:
    """Emits events, all in one commit."""
    work = store.begin()
    for payload in payloads:
        work.emit(payload.event())
    await work.commit()


async def wait_for(mesh: PortalMesh, table: Any, own_id: str, fact: str) -> dict[str, Any]:
    """The link of a thing once it has that fact."""
    give_up = time.monotonic() + _LONGEST_WAIT_SECONDS
    while time.monotonic() < give_up:
        row = await mesh.store.begin().get(table, own_id)
        if row is not None and row.item["facts"].get(fact):
            return row.item
        await asyncio.sleep(0.05)
    raise AssertionError(f"{own_id} was never shown")


async def test_everything_told_at_once__the_last_first__is_shown_in_the_end(
    mesh: PortalMesh,
) -> None:
    domain = await mesh.domain()
    publisher, reader = await mesh.project(domain), await mesh.project(domain)
    asset = await mesh.asset(domain, publisher)
    request = await mesh.request(asset, reader, status="active")
    made = {"created_by": "user:ada", "created_at": NOON}
    projects = [
        ProjectCreated(project_id=one, project_name=one, domain_id=domain, **made)
        for one in (publisher, reader)
    ]
    parts = (mesh.domains, mesh.projects, mesh.assets, mesh.subscriptions, mesh.quality)
    consumers = [consumer for part in parts for consumer in part.consumers]
    relay = Relay(mesh.store, consumers, SystemClock())
    await emit(
        mesh.store,
        DataQualityRunCompleted(
            asset_id=asset, run_id="r", score=1.0, rules_passed=1, rules_total=1, completed_at=NOON
        ),
        SubscriptionActivated(request_id=request, asset_id=asset, grant_id="g"),
        AssetPublished(
            asset_id=asset,
            asset_name=asset,
            s3_location="",
            format="iceberg",
            glue_table="",
            table_id="",
            project_id=publisher,
            domain_id=domain,
            classification="internal",
            published_by="user:ada",
            published_at=NOON,
        ),
        *projects,
        DomainCreated(domain_id=domain, domain_name=domain, **made),
    )
    relay.start()
    try:
        shown = await wait_for(mesh, ASSET_PORTAL_LINKS, asset, "listing")
        subscribed = await wait_for(mesh, SUBSCRIPTION_PORTAL_LINKS, request, "grant")
        await wait_for(mesh, QUALITY_PORTAL_LINKS, asset, "runId")
    finally:
        await relay.stop()
    points = await mesh.portal.quality.points(shown["portalId"])
    assert await mesh.portal.others.grant_state(subscribed["facts"]["subscription"]) == "GRANTED"
    assert list(points) == [(NOON, 100.0)]
    assert await mesh.drift() == []
