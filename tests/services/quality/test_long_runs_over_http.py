"""A quality run that takes long, as those who ask for it see it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from meshplane.boundary.actor import Actor, service_actor
from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Judge
from meshplane.boundary.idempotency import IDEMPOTENCY_KEYS
from meshplane.events.queue_worker import QueueWorker
from meshplane.events.queues import DEAD_LETTERS, MESSAGES
from meshplane.gateway import problems
from meshplane.kit.clock import FixedClock
from meshplane.kit.errors import MeshplaneError
from meshplane.kit.ids import id_maker
from meshplane.platform.local.sqlite import SqliteStore
from meshplane.policy.engine import Engine, policy_texts
from meshplane.policy.model import Membership
from meshplane.services.assets.api import AssetPage, AssetSummary
from meshplane.services.quality.rounds import Rounds
from meshplane.services.quality.routes import routes
from meshplane.services.quality.running import LongRuns
from meshplane.services.quality.service import Quality
from meshplane.services.quality.store import RULESETS, TABLES
from tests.builders.stores import NOON
from tests.services.quality.test_long_runs import RULES, Elsewhere

OWNER, VIEWER = Actor("olga@harbour"), Actor("vera@harbour")
ASSET = AssetSummary(
    asset_id="asset-1",
    name="flights",
    domain_id="dzd-1",
    domain_name="air",
    project_id="proj-1",
    project_name="tides",
    table_id="tbl-1",
    description="",
    classification="internal",
    owner="user:olga@harbour",
    columns=(),
    quality_score=None,
    status="published",
)


class _OneAsset:
    """An asset of a project with an owner and a viewer; also what tells their roles."""

    async def find(self, _actor: Actor, asset_id: str) -> AssetSummary | None:
        return ASSET if asset_id == ASSET.asset_id else None

    async def listed(self, _actor: Actor, _limit: int, _cursor: str | None) -> AssetPage:
        return AssetPage((ASSET,), None)

    async def of(
        self, actor: Actor, _domain_id: str | None, project_id: str | None
    ) -> frozenset[Membership]:
        if actor.is_service:
            return frozenset()
        role = "owner" if actor.subject == OWNER.subject else "viewer"
        return frozenset({Membership("Project", project_id or "", role)})


class Office:
    """The service behind its routes, and the worker that carries runs on."""

    def __init__(self, folder: Path, patience_seconds: float) -> None:
        clock = FixedClock(NOON)
        new_id = id_maker(clock)
        tables = (IDEMPOTENCY_KEYS, *TABLES, MESSAGES, DEAD_LETTERS)
        self.store = SqliteStore(folder / "meshplane.db", tables, clock, new_id)
        self.clock, self.elsewhere, assets = clock, Elsewhere(), _OneAsset()
        here: Any = assets
        long = LongRuns(self.elsewhere, self.store, clock, patience_seconds)
        judge = Judge(Engine(policy_texts().values()), here, {})
        boundary = Boundary(self.store, judge, clock, new_id)
        self.worker = QueueWorker(self.store, long.queues, clock)
        quality = Quality(here, here, long=long)
        rounds = Rounds(quality, here, boundary, self.store)
        self._app = Starlette(
            routes=list(routes(quality, rounds, boundary)),
            exception_handlers={MeshplaneError: problems.on_error},
        )

    async def prepare(self) -> None:
        work = self.store.begin()
        text = f"Rules = [ {', '.join(RULES)} ]"
        work.put(RULESETS, {"assetId": "asset-1", "ruleset": text, "rules": 2})
        await work.commit()

    async def ask(
        self, actor: Actor, method: str, path: str, body: Any = None, key: str | None = None
    ) -> httpx.Response:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            scope["actor"], scope["trace_id"] = actor, "0" * 32
            await self._app(scope, receive, send)

        headers = {"Idempotency-Key": key} if key else {}
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://mesh") as client:
            path = f"/api/v1/data-quality{path}"
            return await client.request(method, path, json=body, headers=headers)

    async def start(self, key: str | None = None) -> httpx.Response:
        return await self.ask(OWNER, "POST", "/run", {"assetId": "asset-1"}, key)

    async def carry_on(self) -> None:
        for _ in range(6):
            await self.worker.run_due()
            self.clock.advance(20)


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    office = Office(tmp_path, patience_seconds=0.1)
    await office.prepare()
    yield office
    await office.store.close()


async def test_run__that_takes_long_is_accepted_and_read_until_it_has_ended(
    office: Office,
) -> None:
    begun = await office.start("key-1")
    run = begun.json()
    assert (begun.status_code, run["status"], run["score"]) == (202, "running", None)
    assert (run["rules"], run["rulesTotal"]) == ([], 2)
    path = f"/runs/{run['runId']}"
    assert (await office.ask(VIEWER, "GET", path)).json()["status"] == "running"
    await office.carry_on()
    ended = (await office.ask(VIEWER, "GET", path)).json()
    assert (ended["status"], ended["score"], ended["rulesPassed"]) == ("completed", 0.5, 1)
    again = await office.start("key-1")
    assert (again.status_code, again.json()) == (200, ended)
    listed = (await office.ask(VIEWER, "GET", "/runs?assetId=asset-1")).json()["items"]
    assert listed == [ended]


async def test_run__that_ends_soon_is_answered_whole(tmp_path: Path) -> None:
    office = Office(tmp_path, patience_seconds=10.0)
    await office.prepare()
    office.elsewhere.looks_before_end = 0
    office.worker.start()

    async def time_goes_by() -> None:
        while True:
            await asyncio.sleep(0.05)
            office.clock.advance(1)

    passing = asyncio.create_task(time_goes_by())
    answer = await office.start()
    passing.cancel()
    assert (answer.status_code, answer.json()["status"]) == (200, "completed")
    await office.worker.stop()
    await office.store.close()


async def test_run__is_cancelled_by_those_who_may_start_it(office: Office) -> None:
    office.elsewhere.looks_before_end = 100
    run = (await office.start()).json()
    await office.worker.run_due()
    path = f"/runs/{run['runId']}/cancel"
    assert (await office.ask(VIEWER, "POST", path)).status_code == 403
    for _ in range(2):
        answer = await office.ask(OWNER, "POST", path)
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    await office.carry_on()
    assert office.elsewhere.cancelled == ["glue-1"]
    shown = (await office.ask(VIEWER, "GET", f"/runs/{run['runId']}")).json()
    assert (shown["status"], shown["score"]) == ("cancelled", None)


async def test_run__that_has_ended_is_not_cancelled(office: Office) -> None:
    run = (await office.start()).json()
    await office.carry_on()
    answer = await office.ask(OWNER, "POST", f"/runs/{run['runId']}/cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "RUN_ENDED")


async def test_round__begins_all_and_says_how_many_go_on(office: Office) -> None:
    answer = await office.ask(service_actor("workflows"), "POST", "/run-all", {})
    told = answer.json()
    assert (told["runs"], told["running"], told["failed"], told["broken"]) == (1, 1, 0, 0)
    await office.carry_on()
    listed = (await office.ask(VIEWER, "GET", "/runs?assetId=asset-1")).json()["items"]
    assert [one["status"] for one in listed] == ["completed"]
