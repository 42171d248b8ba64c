"""The events service with everything that it runs, without a server: requests go straight in."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from meshplane.boundary.actor import Actor
from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Judge
from meshplane.boundary.idempotency import IDEMPOTENCY_KEYS
from meshplane.boundary.wiring import Ground
from meshplane.events.functions import Function
from meshplane.events.lane import CURSORS, PARKED
from meshplane.events.outbound import Outbound
from meshplane.events.queue_worker import QueueWorker
from meshplane.events.rules import Rule
from meshplane.gateway import problems
from meshplane.kit.clock import Clock, SystemClock
from meshplane.kit.errors import MeshplaneError, Missing
from meshplane.kit.ids import id_maker
from meshplane.platform.local.sqlite import SqliteStore
from meshplane.policy.engine import Engine, policy_texts
from meshplane.policy.model import Membership
from meshplane.services.events import store as events_store
from meshplane.services.events.wire import build

ADMINISTRATOR = Actor("ada@mesh", frozenset({"mesh-admins"}))
AUDITOR = Actor("aud@mesh", frozenset({"mesh-auditors"}))
SOMEBODY = Actor("una@nowhere", frozenset({"staff"}))


class _NoMemberships:
    async def of(
        self, actor: Actor, domain_id: str | None, project_id: str | None
    ) -> frozenset[Membership]:
        return frozenset()


class _NoOperations:
    async def call(
        self, operation_id: str, arguments: Mapping[str, Any], *, actor: Actor, key: str
    ) -> Any:
        raise Missing("OPERATION_UNKNOWN", "There is no such operation here.")

    async def invoke(
        self, method: str, path: str, arguments: Mapping[str, Any], *, actor: Actor, key: str
    ) -> tuple[int, Any]:
        return 404, None


class EventsApp:
    """The service, its worker, and clients for people.

    Attributes:
        store: that of the process.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: Clock | None = None,
        built_in_rules: Sequence[Rule] = (),
        functions: Mapping[str, Function] | None = None,
    ) -> None:
        clock = clock or SystemClock()
        new_id = id_maker(clock)
        tables = (IDEMPOTENCY_KEYS, CURSORS, PARKED, *events_store.TABLES)
        self.store = SqliteStore(folder / "meshplane.db", tables, clock, new_id)
        roles = {"mesh-admins": "administrator", "mesh-auditors": "auditor"}
        judge = Judge(Engine(policy_texts().values()), _NoMemberships(), roles)
        boundary = Boundary(self.store, judge, clock, new_id)
        ground = Ground(
            boundary=boundary,
            store=self.store,
            clock=clock,
            new_id=new_id,
            lake_folder=folder,
            scratch_folder=folder,
            mask_key=b"k" * 32,
            platform=_NoOperations(),
            outbound=Outbound(),
            internal_host="mesh.local",
            owners_folder=folder,
            rules=built_in_rules,
            functions=functions or {},
        )
        self._built = build(ground, {})
        self._worker = QueueWorker(self.store, self._built.queues, clock)
        self._app = Starlette(
            routes=list(self._built.routes),
            exception_handlers={MeshplaneError: problems.on_error},
        )

    def client(self, actor: Actor = ADMINISTRATOR) -> httpx.AsyncClient:
        """A client of somebody; paths begin after /api/v1."""
        transport = httpx.ASGITransport(app=self.entered_by(actor))
        return httpx.AsyncClient(transport=transport, base_url="http://mesh/api/v1")

    def entered_by(self, actor: Actor) -> Any:
        """The ASGI application as it is behind the gateway, for somebody."""

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            scope["actor"], scope["trace_id"] = actor, "0" * 32
            await self._app(scope, receive, send)

        return app

    async def start(self) -> None:
        """Lets everything run."""
        await self._built.start()
        self._worker.start()

    def hang_up(self) -> None:
        """Ends the requests that go on for as long as their clients like."""
        self._built.hang_up()

    async def stop(self) -> None:
        """Ends everything."""
        await self._worker.stop()
        await self._built.stop()
        await self.store.close()


@asynccontextmanager
async def running_events(folder: Path, **more: Any) -> AsyncIterator[EventsApp]:
    """The service while it runs; arguments as for `EventsApp`."""
    app = EventsApp(folder, **more)
    await app.start()
    try:
        yield app
    finally:
        await app.stop()
