"""Requests, grants, runs and scores of the mesh in every portal."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from meshplane.kit.errors import Unavailable
from meshplane.services.assets.store import ASSET_PORTAL_LINKS
from meshplane.services.lineage.ports import DONE
from meshplane.services.lineage.store import LINEAGE_PORTAL_LINKS
from meshplane.services.quality.store import RUNS
from meshplane.services.subscriptions.store import SUBSCRIPTION_PORTAL_LINKS, SUBSCRIPTIONS
from tests.builders.portal_mesh import PortalMesh, portal_mesh
from tests.builders.portals import PORTALS, PortalUnderTest


@pytest.fixture(scope="module", params=sorted(PORTALS))
def portal(request: pytest.FixtureRequest) -> Iterator[PortalUnderTest]:
    with PORTALS[request.param]() as there:
        yield there


@pytest.fixture
async def mesh(portal: PortalUnderTest, tmp_path: Path) -> AsyncIterator[PortalMesh]:
    made = portal_mesh(portal, tmp_path)
    yield made
    await made.store.close()


async def asked(mesh: PortalMesh, status: str = "requested") -> str:
    """A request of a project of another domain that is in the portal as it is here."""
    _, _, asset = await mesh.shown()
    _, reader, _ = await mesh.shown()
    request = await mesh.request(asset, reader, status=status)
    await mesh.bring(mesh.subscriptions, request)
    return request


async def state(mesh: PortalMesh, request: str) -> tuple[str, str]:
    """What a request is in the portal, and what its subscription is."""
    link = await mesh.link(SUBSCRIPTION_PORTAL_LINKS, request)
    there = await mesh.portal.subscriptions.look(link["portalId"])
    return ("", "") if there is None else (there.status, there.subscription)


async def step(mesh: PortalMesh, request: str, status: str, kind: str) -> tuple[str, str]:
    """Takes a request on here, tells of it twice, and says what it is there."""
    await mesh.change(SUBSCRIPTIONS, request, status=status)
    await mesh.deliver(mesh.subscriptions, kind, requestId=request, commit=False)
    await mesh.deliver(mesh.subscriptions, kind, requestId=request)
    before = mesh.portal.others.changes()
    await mesh.deliver(mesh.subscriptions, kind, requestId=request)
    assert mesh.portal.others.changes() - before <= (status in ("revoked", "expired"))
    return await state(mesh, request)


async def grant_of(mesh: PortalMesh, request: str) -> str:
    link = await mesh.link(SUBSCRIPTION_PORTAL_LINKS, request)
    return await mesh.portal.others.grant_state(link["facts"]["subscription"])


@pytest.mark.parametrize(
    "end", [("revoked", "SubscriptionRevoked"), ("expired", "SubscriptionExpired")]
)
async def test_a_request__goes_through_the_portal_as_it_does_here(
    mesh: PortalMesh, end: tuple[str, str]
) -> None:
    request = await asked(mesh)
    states = [await state(mesh, request)]
    states += [await step(mesh, request, "approved", "SubscriptionApproved")]
    states += [await step(mesh, request, "active", "SubscriptionActivated")]
    granted = await grant_of(mesh, request)
    states += [await step(mesh, request, *end)]
    assert states == [
        ("PENDING", ""),
        ("ACCEPTED", "APPROVED"),
        ("ACCEPTED", "APPROVED"),
        ("ACCEPTED", "REVOKED"),
    ]
    assert granted == "GRANTED"
    assert (await mesh.subscriptions.bring_all()).count == 1
    assert await grant_of(mesh, request) == ""
    assert await mesh.drift() == []


async def test_a_request_that_is_active_already__is_asked_accepted_and_granted_at_once(
    mesh: PortalMesh,
) -> None:
    request = await asked(mesh, "active")
    assert await state(mesh, request) == ("ACCEPTED", "APPROVED")
    assert await grant_of(mesh, request) == "GRANTED"
    assert await mesh.drift() == []


async def test_a_request__turned_down_or_taken_back__is_so_there(mesh: PortalMesh) -> None:
    rejected, withdrawn = await asked(mesh), await asked(mesh)
    states = [
        await step(mesh, rejected, "rejected", "SubscriptionRejected"),
        await step(mesh, withdrawn, "withdrawn", "SubscriptionWithdrawn"),
    ]
    assert states == [("REJECTED", ""), ("", "")]
    assert await mesh.drift() == []


async def test_a_request__with_another_purpose__is_reworded(mesh: PortalMesh) -> None:
    request = await asked(mesh)
    await mesh.change(SUBSCRIPTIONS, request, purpose="to count delays")
    await mesh.deliver(mesh.subscriptions, "SubscriptionChanged", requestId=request)
    link = await mesh.link(SUBSCRIPTION_PORTAL_LINKS, request)
    reason = await mesh.portal.others.reason(link["portalId"])
    assert reason == "to count delays\n\nAsked by user:bob in the mesh."


async def test_a_request__waits_for_its_asset_and_its_project(mesh: PortalMesh) -> None:
    domain, project, shown = await mesh.shown()
    asset = await mesh.asset(domain, project)
    reader = await mesh.project(domain)
    requests = [await mesh.request(asset, project), await mesh.request(shown, reader)]
    codes = []
    for request in requests:
        with pytest.raises(Unavailable) as error:
            await mesh.deliver(mesh.subscriptions, "SubscriptionRequested", requestId=request)
        codes.append(error.value.code)
    assert codes == ["PORTAL_NOT_READY"] * 2


async def test_what_people_ask_for_themselves__and_what_was_over_before__is_not_shown(
    mesh: PortalMesh,
) -> None:
    _, project, asset = await mesh.shown()
    requests = [
        await mesh.request(asset, None),
        await mesh.request(asset, project, status="rejected"),
        await mesh.request(asset, project, status="expired"),
    ]
    before = mesh.portal.others.changes()
    for request in requests:
        await mesh.deliver(mesh.subscriptions, "SubscriptionRequested", requestId=request)
    assert mesh.portal.others.changes() == before


async def test_a_request_accepted_there_alone__is_told_and_asked_again_when_mended(
    mesh: PortalMesh,
) -> None:
    request = await asked(mesh)
    first = (await mesh.link(SUBSCRIPTION_PORTAL_LINKS, request))["portalId"]
    await mesh.portal.others.accept(first)
    await mesh.bring(mesh.subscriptions, request)
    told = await mesh.drift()
    left = await state(mesh, request)
    await mesh.bring(mesh.subscriptions, request, mend=True)
    ended = await mesh.portal.subscriptions.look(first)
    assert told == [("subscription", "status", "ACCEPTED")]
    assert left == ("ACCEPTED", "APPROVED")
    assert ended is not None
    assert ended.subscription == "REVOKED"
    assert await state(mesh, request) == ("PENDING", "")
    assert await mesh.drift() == []


async def test_a_subscription_revoked_there_alone__is_told_and_given_again_when_mended(
    mesh: PortalMesh,
) -> None:
    request = await asked(mesh, "active")
    link = await mesh.link(SUBSCRIPTION_PORTAL_LINKS, request)
    await mesh.portal.others.revoke(link["facts"]["subscription"])
    await mesh.bring(mesh.subscriptions, request)
    told = await mesh.drift()
    await mesh.bring(mesh.subscriptions, request, mend=True)
    assert told == [("subscription", "subscription", "REVOKED")]
    assert await state(mesh, request) == ("ACCEPTED", "APPROVED")
    assert await grant_of(mesh, request) == "GRANTED"
    assert await mesh.drift() == []


async def test_a_query_that_made_rows__is_a_run_in_the_portal(mesh: PortalMesh) -> None:
    domain, project, flights = await mesh.shown()
    delays = await mesh.asset(domain, project)
    detail: dict[str, Any] = {
        "tableId": f"tbl-{delays}",
        "queryId": mesh.portal.new("query"),
        "fromTableIds": [f"tbl-{flights}"],
        "origins": [
            {
                "column": "late",
                "fromTableId": "tbl-unpublished",
                "fromColumn": "delay",
                "type": "DIRECT",
                "subtype": "TRANSFORMATION",
            }
        ],
        "committedAt": "2026-01-01T00:00:00.000000Z",
    }
    for commit in (False, True, True):
        await mesh.deliver(mesh.lineage, "TableSnapshotCommitted", commit=commit, **detail)
    by_hand: dict[str, Any] = {**detail, "tableId": "tbl-loaded", "queryId": None}
    await mesh.deliver(mesh.lineage, "TableSnapshotCommitted", **by_hand)
    link = await mesh.link(LINEAGE_PORTAL_LINKS, detail["tableId"])
    states = [await mesh.portal.lineage.state(link["portalId"]) for _ in range(3)]
    assert states[-1] == DONE
    assert await mesh.store.begin().get(LINEAGE_PORTAL_LINKS, "tbl-loaded") is None


async def test_a_quality_run__is_a_score_in_the_portal(mesh: PortalMesh) -> None:
    domain, project, asset = await mesh.shown()
    run = mesh.portal.new("dqrun")
    rules: list[Any] = [{"rule": "RowCount > 0", "outcome": "PASS", "metrics": {}, "message": None}]
    await mesh.put(RUNS, {"runId": run, "assetId": asset, "rules": rules, "startedAt": "x"})
    at = "2026-01-01T00:00:01.000000Z"
    detail: dict[str, Any] = {"assetId": asset, "runId": run, "score": 0.75, "completedAt": at}
    for commit in (False, True, True):
        await mesh.deliver(mesh.quality, "DataQualityRunCompleted", commit=commit, **detail)
    hidden = await mesh.asset(domain, project, status="submitted")
    await mesh.deliver(mesh.quality, "DataQualityRunCompleted", **{**detail, "assetId": hidden})
    waiting = await mesh.asset(domain, project)
    with pytest.raises(Unavailable) as early:
        await mesh.deliver(
            mesh.quality, "DataQualityRunCompleted", **{**detail, "assetId": waiting}
        )
    link = await mesh.link(ASSET_PORTAL_LINKS, asset)
    assert list(await mesh.portal.quality.points(link["portalId"])) == [(at, 75.0)]
    assert early.value.code == "PORTAL_NOT_READY"
