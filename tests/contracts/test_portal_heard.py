"""What others do in DataZone is heard on the default bus, kept with the link, and not undone."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from meshplane.boundary.portal_parts import PortalParts
from meshplane.platform.tables import Table
from meshplane.services.assets.store import ASSET_PORTAL_LINKS
from meshplane.services.domains.store import DOMAIN_PORTAL_LINKS
from meshplane.services.projects.store import PROJECT_PORTAL_LINKS
from meshplane.services.subscriptions.store import SUBSCRIPTION_PORTAL_LINKS
from tests.builders.aws_sandbox import aws_of
from tests.builders.portal_mesh import PortalMesh, portal_mesh
from tests.builders.portals import PORTALS, STRANGER, PortalUnderTest

QUEUE = "arn:aws:sqs:eu-central-1:111122223333:heard"


@pytest.fixture(scope="module")
def portal() -> Iterator[PortalUnderTest]:
    with PORTALS["datazone"]() as there:
        yield there


@pytest.fixture(scope="module")
def heard(portal: PortalUnderTest) -> "Heard":
    assert portal.roles is not None
    return Heard(portal)


@pytest.fixture
async def mesh(portal: PortalUnderTest, tmp_path: Path) -> AsyncIterator[PortalMesh]:
    made = portal_mesh(portal, tmp_path)
    yield made
    await made.store.close()


class Heard:
    """A queue behind a rule on the default bus."""

    def __init__(self, portal: PortalUnderTest) -> None:
        assert portal.roles is not None
        aws = aws_of(portal.roles.sandbox)
        self._sqs = aws.client("sqs")
        self._url = self._sqs.create_queue(QueueName="heard")["QueueUrl"]
        pattern = json.dumps({"source": ["aws.datazone"]})
        aws.run("events", "put_rule", Name="heard", EventPattern=pattern)
        aws.run("events", "put_targets", Rule="heard", Targets=[{"Id": "q", "Arn": QUEUE}])

    def take(self) -> list[dict[str, Any]]:
        """All events that wait."""
        found: list[dict[str, Any]] = []
        while True:
            answer = self._sqs.receive_message(
                QueueUrl=self._url, MaxNumberOfMessages=10, WaitTimeSeconds=0
            )
            messages = answer.get("Messages", [])
            if not messages:
                return found
            for message in messages:
                found.append(json.loads(message["Body"]))
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])

    async def tell(self, mesh: PortalMesh) -> list[str]:
        """Tells the mesh of all events that wait; their kinds."""
        events = self.take()
        parts = PortalParts([mesh.domains, mesh.projects, mesh.assets, mesh.subscriptions])
        for event in events:
            work = mesh.store.begin()
            await parts.heard(work, event)
            await work.commit()
        return [event["detail-type"] for event in events]


async def kept(mesh: PortalMesh, table: Table, own_id: str) -> dict[str, str]:
    drift: dict[str, str] = (await mesh.link(table, own_id))["drift"]
    return drift


async def test_what_the_mesh_does_itself__is_no_drift(mesh: PortalMesh, heard: Heard) -> None:
    _, project, asset = await mesh.shown()
    await mesh.bring(mesh.subscriptions, await mesh.request(asset, project, status="active"))
    kinds = await heard.tell(mesh)
    assert {"Project Creation Succeeded", "Subscription Created"} <= set(kinds)
    assert await mesh.drift() == []


async def test_a_domain_and_members_changed_there__are_kept_with_their_links(
    mesh: PortalMesh, heard: Heard
) -> None:
    domain, project, _ = await mesh.shown()
    heard.take()
    unit = (await mesh.link(DOMAIN_PORTAL_LINKS, domain))["portalId"]
    there = (await mesh.link(PROJECT_PORTAL_LINKS, project))["portalId"]
    await mesh.portal.others.describe_domain(unit, "by hand")
    await mesh.portal.others.add_member(there, STRANGER)
    kinds = await heard.tell(mesh)
    assert kinds == ["Domain Unit Updated", "Project Member Addition Succeeded"]
    assert await kept(mesh, DOMAIN_PORTAL_LINKS, domain) == {"description": "by hand"}
    assert await kept(mesh, PROJECT_PORTAL_LINKS, project) == {f"member role:{STRANGER}": "viewer"}


async def test_an_asset_unpublished_there__is_kept_with_its_link(
    mesh: PortalMesh, heard: Heard
) -> None:
    _, _, asset = await mesh.shown()
    heard.take()
    there = (await mesh.link(ASSET_PORTAL_LINKS, asset))["portalId"]
    await mesh.portal.others.withdraw_product(there)
    kinds = await heard.tell(mesh)
    assert kinds == ["Asset Unpublished"]
    assert await kept(mesh, ASSET_PORTAL_LINKS, asset) == {"listing": "INACTIVE"}


async def test_a_request_decided_there__is_kept_with_its_link(
    mesh: PortalMesh, heard: Heard
) -> None:
    _, _, asset = await mesh.shown()
    _, reader, _ = await mesh.shown()
    asked = await mesh.request(asset, reader)
    await mesh.bring(mesh.subscriptions, asked)
    active = await mesh.request(asset, (await mesh.shown())[1], status="active")
    await mesh.bring(mesh.subscriptions, active)
    heard.take()
    links = [await mesh.link(SUBSCRIPTION_PORTAL_LINKS, one) for one in (asked, active)]
    await mesh.portal.others.accept(links[0]["portalId"])
    await mesh.portal.others.revoke(links[1]["facts"]["subscription"])
    await heard.tell(mesh)
    assert await kept(mesh, SUBSCRIPTION_PORTAL_LINKS, asked) == {"status": "ACCEPTED"}
    assert await kept(mesh, SUBSCRIPTION_PORTAL_LINKS, active) == {"subscription": "REVOKED"}
