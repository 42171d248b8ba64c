"""A small application on the real boundary: counters that one may make, add to and read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import orjson
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from meshplane.boundary.actor import Actor
from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call, Judge
from meshplane.boundary.etags import expected_version, stale
from meshplane.boundary.idempotency import IDEMPOTENCY_KEYS
from meshplane.boundary.operation import IfMatch, Operations
from meshplane.boundary.schemas import ApiModel, Line, PageQuery
from meshplane.gateway import problems
from meshplane.kit.errors import Conflict, MeshplaneError, Missing
from meshplane.kit.ids import id_maker
from meshplane.platform.local.sqlite import SqliteStore
from meshplane.platform.store import ABSENT, Store
from meshplane.platform.tables import Table
from meshplane.policy.engine import Engine
from meshplane.policy.model import MESH, Membership, Resource
from tests.builders.stores import SqlitePlace, event

COUNTERS = Table("Counters", "name")
TABLES = (IDEMPOTENCY_KEYS, COUNTERS)
ADA = Actor("ada@aviation", frozenset({"counters"}), trace_id="a" * 32)
EVE = Actor("eve@elsewhere", trace_id="e" * 32)

POLICY = """
@id("counters-group")
permit (principal in Group::"counters", action, resource);
"""


class NewCounter(ApiModel):
    """A counter to be made."""

    name: Line
    start: int = 0


class Addition(ApiModel):
    """What to add."""

    amount: int


class CounterView(ApiModel):
    """A counter."""

    name: str
    value: int
    id: str
    version: int


class NoMemberships:
    """Nobody holds a role."""

    async def of(
        self, actor: Actor, domain_id: str | None, project_id: str | None
    ) -> frozenset[Membership]:
        """None, whoever asks."""
        return frozenset()


def place_in(folder: Path) -> SqlitePlace:
    """A place for the application's store."""
    return SqlitePlace(folder, TABLES)


def boundary_on(store: Store, place: SqlitePlace) -> Boundary:
    """The real boundary with a policy that lets one group do everything."""
    judge = Judge(Engine([POLICY]), NoMemberships(), {})
    return Boundary(store, judge, place.clock, id_maker(place.clock))


def counter(name: str) -> Resource:
    """A counter as policies see it."""
    return Resource("Counter", name)


def operations_on(boundary: Boundary, before_commit: Callable[[Call], Any]) -> Operations:
    """The operations; `before_commit` is called with each call that is about to write."""
    operations = Operations(boundary)

    @operations.write("POST", "/counters", "createCounter", status=201)
    async def create_counter(call: Call, body: NewCounter) -> CounterView:
        await call.allow(MESH)
        item: dict[str, Any] = {"name": body.name, "value": body.start, "id": call.new_id("cnt")}
        taken = Conflict("NAME_TAKEN", "There is one of that name.", field="name")
        if await call.work.get(COUNTERS, body.name) is not None:
            raise taken
        call.work.put(COUNTERS, item, expected=ABSENT, otherwise=taken)
        call.work.emit(event(body.name, "CounterCreated"))
        call.note(name=body.name)
        await before_commit(call)
        return CounterView(**item, version=1)

    @operations.write("POST", "/counters/{name}/add", "addToCounter")
    async def add_to_counter(
        call: Call, name: str, body: Addition, if_match: IfMatch
    ) -> CounterView:
        await call.allow(counter(name))
        row = await call.work.get(COUNTERS, name)
        if row is None:
            raise Missing("COUNTER_NOT_FOUND", "There is no such counter.", field="name")
        expected = expected_version(if_match)
        item = {**row.item, "value": row.item["value"] + body.amount}
        call.work.put(COUNTERS, item, expected=expected, otherwise=stale())
        await before_commit(call)
        return CounterView(**item, version=expected + 1)

    @operations.write("DELETE", "/counters/{name}", "deleteCounter")
    async def delete_counter(call: Call, name: str) -> None:
        await call.allow(counter(name))
        call.work.delete(COUNTERS, name)

    @operations.write("POST", "/careless", "careless")
    async def careless(call: Call) -> None:
        call.work.put(COUNTERS, {"name": "careless", "value": 0, "id": "x"})
        call.work.emit(event("careless", "CounterCreated"))

    @operations.read("/careless", "readCarelessly")
    async def read_carelessly(call: Call) -> CounterView:
        return CounterView(name="careless", value=0, id="x", version=1)

    @operations.read("/counters/{name}", "getCounter")
    async def get_counter(call: Call, name: str, query: PageQuery) -> CounterView:
        await call.allow(counter(name))
        row = await call.work.get(COUNTERS, name)
        if row is None:
            raise Missing("COUNTER_NOT_FOUND", "There is no such counter.", field="name")
        return CounterView(**row.item, version=row.version)

    return operations


async def _nothing(_call: Call) -> None:
    return None


class CounterApp:
    """The application over HTTP, on a store of its own."""

    def __init__(self, folder: Path) -> None:
        self.place = place_in(folder)
        self.before_commit: Callable[[Call], Any] = _nothing
        self.actor = ADA
        self.store: SqliteStore
        self.client: httpx.AsyncClient

    async def start(self) -> None:
        """Opens the store, and a client that speaks as `actor`."""
        self.store = self.place.open()
        self.boundary = boundary_on(self.store, self.place)
        routes = operations_on(self.boundary, self._before_commit).routes
        handlers: dict[Any, Any] = {
            MeshplaneError: problems.on_error, Exception: problems.on_bug,
        }  # fmt: skip
        app = self._entered(Starlette(routes=routes, exception_handlers=handlers))
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app, raise_app_exceptions=False),
            base_url="http://mesh/api/v1",
        )

    async def stop(self) -> None:
        """Closes what `start` opened."""
        await self.client.aclose()
        await self.store.close()

    async def _before_commit(self, call: Call) -> None:
        await self.before_commit(call)

    def _entered(self, app: ASGIApp) -> ASGIApp:
        async def enter(scope: Scope, receive: Receive, send: Send) -> None:
            scope["actor"], scope["trace_id"] = self.actor, self.actor.trace_id
            await app(scope, receive, send)

        return enter

    async def audit(self) -> list[dict[str, Any]]:
        """All audit records."""
        return [orjson.loads(body) async for _, body, _ in self.store.audit_lines()]

    async def events(self) -> list[str]:
        """The entities of all events."""
        return [each.entity for each in await self.store.events_after(0, 1000)]
