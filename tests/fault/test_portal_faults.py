"""Every call of the way into the portal fails once: it ends done, nothing twice, nothing forgotten.

The sandbox stands for AWS: how long things take there, and what a user may, no emulator shows.
"""

import asyncio
import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from meshplane.kit.errors import MeshplaneError
from meshplane.sandbox.faults import Fault, Kind
from meshplane.services.assets.store import ASSET_PORTAL_LINKS
from meshplane.services.subscriptions.store import SUBSCRIPTION_PORTAL_LINKS, SUBSCRIPTIONS
from tests.builders import seeds
from tests.builders.aws_sandbox import sandbox_in
from tests.builders.portal_mesh import PortalMesh, portal_mesh
from tests.builders.portals import MESH_ROLE, Roles, datazone_portal

pytestmark = [pytest.mark.fault]

_MOST_TRIES = 12
_STATES = ("requested", "approved", "active", "revoked")


@pytest.fixture(scope="module")
def roles() -> Iterator[Roles]:
    with sandbox_in() as running:
        yield Roles(running, most_attempts=1, read_seconds=2.0)


class Story:
    """A domain, two projects, an asset and a request, taken into the portal step by step."""

    def __init__(self, roles: Roles, folder: Path, name: str) -> None:
        numbers = iter(range(1000))
        self.roles = roles
        portal = datazone_portal(roles, lambda kind: f"{kind}-{name}-{next(numbers)}")
        self.mesh: PortalMesh = portal_mesh(portal, folder)
        self.tries = 0
        self.dies_first, self.pause_seconds = False, 0.0

    async def prepare(self) -> None:
        """Writes the rows; nothing is in the portal yet."""
        mesh = self.mesh
        self.domain = await mesh.domain()
        self.publisher = await mesh.project(self.domain)
        self.reader = await mesh.project(self.domain)
        self.asset = await mesh.asset(self.domain, self.publisher)
        self.request = await mesh.request(self.asset, self.reader)

    async def play(self) -> None:
        """Brings it all, as the consumers do: whatever fails is tried again."""
        mesh = self.mesh
        await self._bring(mesh.domains, self.domain)
        for project in (self.publisher, self.reader):
            await self._bring(mesh.projects, project)
        await self._bring(mesh.assets, self.asset)
        for state in _STATES:
            await mesh.change(SUBSCRIPTIONS, self.request, status=state)
            await self._bring(mesh.subscriptions, self.request)

    async def _bring(self, part: Any, own_id: str) -> None:
        if self.dies_first:
            with suppress(MeshplaneError):
                await part.bring(self.mesh.store.begin(), own_id)
        for _ in range(_MOST_TRIES):
            self.tries += 1
            with suppress(MeshplaneError):
                await self.mesh.bring(part, own_id)
                return
            await asyncio.sleep(self.pause_seconds)
        raise AssertionError(f"{own_id} was never brought")

    async def expect_it_is_told_once(self) -> None:
        """Nothing twice, nothing forgotten, nothing that looks like another's hand."""
        mesh, client = self.mesh, self.roles.of(MESH_ROLE).client("datazone")
        (domain,) = client.list_domains()["items"]
        there = {"domainIdentifier": domain["id"]}
        projects = client.list_projects(**there, name=self.domain)["items"]
        found = client.search(**there, searchScope="ASSET", searchText=self.asset)["items"]
        asset = await mesh.link(ASSET_PORTAL_LINKS, self.asset)
        request = await mesh.link(SUBSCRIPTION_PORTAL_LINKS, self.request)
        listing = asset["facts"]["listingId"]
        requests = client.list_subscription_requests(**there, subscribedListingId=listing)["items"]
        subscription = client.list_subscriptions(**there, subscribedListingId=listing)["items"]
        grants = client.list_subscription_grants(**there, subscribedListingId=listing)["items"]
        assert len(projects) == 2
        assert [one["assetItem"]["identifier"] for one in found] == [asset["portalId"]]
        assert [one["id"] for one in requests] == [request["portalId"]]
        assert [one["status"] for one in subscription] == ["REVOKED"]
        assert grants == []
        assert await mesh.drift() == []


def new_folder(above: Path, number: int) -> Path:
    made = above / str(number)
    made.mkdir()
    return made


async def play(roles: Roles, folder: Path, name: str, fault: Fault | None) -> tuple[int, int]:
    """Plays a story in a portal that has nothing in it; how many tries and calls it took."""
    roles.sandbox.world.services["datazone"].forget()
    story = Story(roles, folder, name)
    await story.prepare()
    before = roles.sandbox.calls.count("datazone")
    if fault is not None:
        roles.sandbox.faults.add(fault)
    await story.play()
    calls = roles.sandbox.calls.count("datazone") - before
    roles.sandbox.faults.clear()
    await story.expect_it_is_told_once()
    await story.mesh.store.close()
    return story.tries, calls


async def play_with_faults(roles: Roles, folder: Path, kind: Kind, most: int) -> None:
    """Plays a story where nothing fails, and then as many in which one call fails."""
    tries, calls = await play(roles, new_folder(folder, 0), f"{kind[:4]}-0", None)
    assert (tries, calls > 60) == (8, True)
    numbers = random.Random(seeds.fresh()).sample(range(1, calls + 1), min(calls, most))
    failed = 0
    for nth in numbers:
        fault = Fault("datazone", None, kind, nth=nth)
        tries, _ = await play(roles, new_folder(folder, nth), f"{kind[:4]}-{nth}", fault)
        failed += tries > len(_STATES) + 4
    assert failed == len(numbers)


@pytest.mark.parametrize("kind", ["lost_answer", "error", "timeout"])
async def test_any_call_fails_once__and_the_portal_ends_as_it_should(
    roles: Roles, tmp_path: Path, kind: Kind
) -> None:
    await play_with_faults(roles, tmp_path, kind, most=5 if kind == "timeout" else 10)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["lost_answer", "error"])
async def test_every_call_fails_once__and_the_portal_ends_as_it_should(
    roles: Roles, tmp_path: Path, kind: Kind
) -> None:
    await play_with_faults(roles, tmp_path, kind, most=1000)


async def test_lists_lag_and_the_process_dies_before_each_commit__and_nothing_is_there_twice(
    roles: Roles, tmp_path: Path
) -> None:
    world = roles.sandbox.world
    world.services["datazone"].forget()
    story = Story(roles, tmp_path, "lag")
    story.dies_first, story.pause_seconds = True, 0.1
    await story.prepare()
    world.visibility_seconds = 0.4
    try:
        await story.play()
        await asyncio.sleep(world.visibility_seconds)
    finally:
        world.visibility_seconds = 0.0
    await story.expect_it_is_told_once()
    await story.mesh.store.close()
    assert story.tries > len(_STATES) + 4
