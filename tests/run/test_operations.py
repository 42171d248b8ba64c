"""Operations by operationId and by path: what workflows call, and what they get."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.responses import Response, StreamingResponse

from meshplane.boundary.actor import Actor
from meshplane.boundary.call import Call
from meshplane.gateway.issuer import EmbeddedIssuer
from meshplane.kit.errors import Conflict, Invalid, Missing, Refused, Stale, Unavailable
from meshplane.policy.model import MESH
from meshplane.run.links import HttpCaller
from meshplane.run.operations import PlatformOperations
from tests.builders.counter_app import ADA, COUNTERS, EVE, boundary_on, operations_on, place_in

pytestmark = pytest.mark.anyio


def _no_issuer() -> EmbeddedIssuer:
    raise AssertionError("nobody is called in another process")


class Counters:
    """The counters, called as workflows call operations."""

    def __init__(self, folder: Path) -> None:
        place = place_in(folder)
        self.store = place.open()
        boundary = boundary_on(self.store, place)

        async def nothing(_: Call) -> None:
            return None

        operations = operations_on(boundary, nothing)

        @operations.write("POST", "/counters/{name}/shout", "shout")
        async def shout(call: Call, name: str) -> Response:
            """As `runQuery` and `receiveMessages` answer: raw, and not kept."""
            await call.allow(MESH)
            return Response(f'"{name.upper()}"')

        @operations.read("/counters/{name}/text", "readText")
        async def read_text(call: Call, name: str) -> Response:
            await call.allow(MESH)
            return Response(f"name: {name}", media_type="text/yaml")

        @operations.read("/counters/{name}/stream", "stream")
        async def stream(call: Call, name: str) -> Response:
            await call.allow(MESH)
            return StreamingResponse(iter([name]))

        self.platform = PlatformOperations((), HttpCaller("workflows", _no_issuer, {}))
        self.platform.serve(operations.routes)
        self._numbers = itertools.count()

    async def call(
        self, operation: str, key: str = "", actor: Actor = ADA, **given: object
    ) -> object:
        """Calls an operation; by default under a key that nobody used before."""
        self.keys = getattr(self, "keys", 0) + 1
        return await self.platform.call(operation, given, actor=actor, key=key or f"k-{self.keys}")

    async def value(self, name: str) -> int:
        """What a counter stands at in the store."""
        row = await self.store.begin().get(COUNTERS, name)
        return -1 if row is None else int(row.item["value"])


@pytest.fixture
async def counters(tmp_path: Path) -> AsyncIterator[Counters]:
    made = Counters(tmp_path)
    yield made
    await made.store.close()


async def test_arguments__go_to_the_body_the_path_and_the_query(counters: Counters) -> None:
    made = await counters.call("createCounter", name="a/b c", start=5)
    assert isinstance(made, dict)
    assert (made["name"], made["value"]) == ("a/b c", 5)
    found = await counters.call("getCounter", name="a/b c", limit=7, cursor=None)
    assert found == made
    with pytest.raises(Invalid) as wrong:
        await counters.call("getCounter", name="a/b c", surplus=1)
    assert wrong.value.code == "REQUEST_INVALID"
    assert await counters.call("deleteCounter", name="a/b c") is None
    assert await counters.value("a/b c") == -1


async def test_if_match__is_the_header(counters: Counters) -> None:
    await counters.call("createCounter", name="one")
    await counters.call("addToCounter", name="one", amount=2, ifMatch='"1"')
    assert await counters.value("one") == 2
    with pytest.raises(Stale):
        await counters.call("addToCounter", name="one", amount=2, ifMatch='"1"')
    assert await counters.value("one") == 2


async def test_key__the_same_call_again_has_one_effect(counters: Counters) -> None:
    first = await counters.call("createCounter", key="step-1", name="one")
    assert await counters.call("createCounter", key="step-1", name="one") == first
    with pytest.raises(Conflict) as taken:
        await counters.call("createCounter", key="step-2", name="one")
    assert taken.value.code == "NAME_TAKEN"


async def test_call__is_judged_and_recorded_as_a_request_from_outside(counters: Counters) -> None:
    with pytest.raises(Refused):
        await counters.call("createCounter", actor=EVE, name="eves")
    via = Actor("ada@aviation", frozenset({"counters"}), via="asks:x-1", hops=3)
    await counters.call("createCounter", actor=via, name="adas")
    refused, allowed = [json.loads(body) for _, body, _ in await counters.store.audit_after(0, 10)]
    assert (refused["actor"], refused["outcome"]) == ("user:eve@elsewhere", "refused")
    assert (allowed["actor"], allowed["detail"]["via"]) == ("user:ada@aviation", "asks:x-1")
    (event,) = await counters.store.events_after(0, 10)
    assert event.hops == 3


async def test_operation__unknown_or_without_its_path_is_refused(counters: Counters) -> None:
    with pytest.raises(Missing) as unknown:
        await counters.call("dropEverything")
    assert unknown.value.code == "OPERATION_UNKNOWN"
    with pytest.raises(Invalid) as lacking:
        await counters.call("getCounter")
    assert (lacking.value.code, lacking.value.fields[0].field) == ("ARGUMENT_MISSING", "name")


async def test_answer__that_is_raw_comes_back_and_holds_nobody_up(counters: Counters) -> None:
    async with asyncio.timeout(5):
        assert await counters.call("shout", name="one") == "ONE"
    assert await counters.call("readText", name="one") == "name: one"
    with pytest.raises(Invalid) as unsuitable:
        await counters.call("stream", name="one")
    assert unsuitable.value.code == "OPERATION_UNSUITABLE"


async def test_path__finds_the_operation_with_and_without_the_version(counters: Counters) -> None:
    async def invoke(method: str, path: str, **given: object) -> tuple[int, object]:
        return await counters.platform.invoke(method, path, given, actor=ADA, key=f"{method}{path}")

    status, made = await invoke("POST", "/api/counters", name="one", start=3)
    assert (status, isinstance(made, dict) and made["value"]) == (200, 3)
    assert (await invoke("GET", "/api/v1/counters/one"))[1] == made
    status, problem = await invoke("GET", "/api/v1/counters/two")
    assert (status, isinstance(problem, dict) and problem["code"]) == (404, "COUNTER_NOT_FOUND")
    for path in ("/api/nowhere", "/nowhere", "/api/v1/counters/one/more/still", "/"):
        status, problem = await invoke("GET", path)
        assert (status, isinstance(problem, dict) and problem["code"]) == (404, "PATH_NOT_FOUND")
    assert (await invoke("DELETE", "/api/v1/counters/one"))[0] == 204


async def test_other_process__that_does_not_answer_is_said_to_be_down(tmp_path: Path) -> None:
    class NoToken:
        def mint(self, *_: object, **__: object) -> str:
            return "token"

    links = {"tables": "http://127.0.0.1:1"}
    caller = HttpCaller("workflows", NoToken, links)  # type: ignore[arg-type]
    platform = PlatformOperations(("tables",), caller)
    with pytest.raises(Unavailable) as down:
        await platform.call("createTable", {}, actor=ADA, key="k")
    assert down.value.code == "SERVICE_UNREACHABLE"
    await caller.close()
