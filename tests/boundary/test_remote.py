"""A service in another process is called as if it were in this one: same types, same errors."""

import asyncio
import dataclasses
import types
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import httpx
import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings
from starlette.types import ASGIApp

from meshplane.boundary import remote
from meshplane.boundary.actor import Actor, service_actor
from meshplane.boundary.boundary import Boundary
from meshplane.gateway.app import application
from meshplane.gateway.identity import TokenVerifier
from meshplane.gateway.issuer import EmbeddedIssuer
from meshplane.kit import errors
from meshplane.kit.clock import SystemClock
from meshplane.kit.errors import FieldProblem, MeshplaneError
from meshplane.run.catalogue import SERVICES
from meshplane.run.links import HttpCaller, issuer
from meshplane.run.settings import read_settings
from tests.builders.counter_app import CounterApp

ADA = Actor("ada@aviation", frozenset({"pilots"}), trace_id="a" * 32)


def protocol_of(service: str, module: types.ModuleType) -> type:
    found: type = getattr(module, f"{service.capitalize()}Api")
    return found


def apis() -> dict[str, type]:
    found = {}
    for service in SERVICES:
        try:
            found[service.name] = protocol_of(service.name, service.module("api"))
        except ModuleNotFoundError:
            continue
    return found


APIS = apis()
METHODS = [
    (service, name)
    for service, api in APIS.items()
    for name, member in vars(api).items()
    if not name.startswith("_") and callable(member)
]
texts = st.text(max_size=20)
numbers = st.integers(-(2**53), 2**53)
SIMPLE: dict[Any, st.SearchStrategy[Any]] = {
    str: texts,
    int: numbers,
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    type(None): st.none(),
    datetime: st.datetimes(timezones=st.just(UTC)),
}


def values_of(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a type that an api may speak of."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in SIMPLE:
        return SIMPLE[hint]
    if origin in (Union, types.UnionType):
        return st.one_of(*map(values_of, arguments))
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is tuple and arguments[-1] is not Ellipsis:
        return st.tuples(*map(values_of, arguments))
    if origin is tuple:
        return st.lists(values_of(arguments[0]), max_size=3).map(tuple)
    if origin in (list, Sequence):
        return st.lists(values_of(arguments[0]), max_size=3)
    if origin is frozenset:
        return st.frozensets(values_of(arguments[0]), max_size=3)
    if origin in (dict, Mapping):
        return st.dictionaries(values_of(arguments[0]), values_of(arguments[1]), max_size=3)
    hints = get_type_hints(hint)
    return st.builds(hint, **{each.name: values_of(hints[each.name]) for each in _fields(hint)})


def _fields(hint: Any) -> tuple[Any, ...]:
    return dataclasses.fields(hint)


class Echo:
    """An implementation of any api: remembers what it was asked, and answers what it was told."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Actor, dict[str, Any]]] = []
        self.answer: Any = None
        self.error: Exception | None = None

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def method(actor: Actor, **arguments: Any) -> Any:
            self.asked.append((name, actor, arguments))
            if self.error is not None:
                raise self.error
            return self.answer

        return method


@dataclasses.dataclass
class Far:
    """All services, in another process but for the wire between."""

    echo: Echo
    app: ASGIApp
    issuer: EmbeddedIssuer
    caller: HttpCaller

    def service(self, name: str) -> Any:
        return remote.stand_in(name, APIS[name], self.caller)

    async def post(self, path: str, token: str, content: bytes) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app)) as client:
            return await client.post(
                f"http://mesh{remote.PREFIX}/{path}", content=content, headers=headers
            )


def far_away(folder: Path, boundary: Boundary) -> Far:
    own, echo = issuer(read_settings(home=folder)), Echo()
    verifier = TokenVerifier([own.trusted(may_name_services=True)], SystemClock())

    @asynccontextmanager
    async def nothing() -> AsyncIterator[None]:
        yield

    app = application(
        boundary=boundary,
        verifier=lambda: verifier,
        operations=[],
        internal=[
            route
            for name, api in APIS.items()
            for route in remote.routes(name, api, echo, boundary)
        ],
        issuer=None,
        is_ready=lambda: True,
        run=nothing,
    )
    return Far(echo, app, own, make_caller(own, app))


def make_caller(own: EmbeddedIssuer, app: ASGIApp) -> HttpCaller:
    caller = HttpCaller("query", lambda: own, {})
    caller._client = httpx.AsyncClient(transport=httpx.ASGITransport(app))
    return caller


@pytest.fixture
async def far(tmp_path: Path) -> AsyncIterator[Far]:
    counters = CounterApp(tmp_path)
    await counters.start()
    far = far_away(tmp_path, counters.boundary)
    yield far
    await far.caller.close()
    await counters.stop()


def test_apis__are_found() -> None:
    assert {"domains", "projects", "permissions", "tables", "assets", "query"} <= set(APIS)
    assert len(METHODS) >= 15


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One far process for the many examples, with the loop that it lives on."""
    with asyncio.Runner() as runner:
        folder = tmp_path_factory.mktemp("far")
        counters = CounterApp(folder)
        runner.run(counters.start())
        far = far_away(folder, counters.boundary)
        yield runner, far
        runner.run(far.caller.close())
        runner.run(counters.stop())


@pytest.mark.parametrize(("service", "method"), METHODS, ids=map(".".join, METHODS))
def test_call__carries_arguments_and_answer_unchanged(
    lasting: Any, service: str, method: str
) -> None:
    runner, far = lasting
    hints = get_type_hints(getattr(APIS[service], method))
    result = values_of(hints.pop("return"))
    hints.pop("actor")

    @settings(max_examples=25, suppress_health_check=list(HealthCheck))
    @given(st.fixed_dictionaries({n: values_of(h) for n, h in hints.items()}), result)
    def check(arguments: dict[str, Any], answer: Any) -> None:
        far.echo.answer, far.echo.error = answer, None
        far.echo.asked.clear()
        given_ = runner.run(getattr(far.service(service), method)(ADA, **arguments))
        assert given_ == answer
        assert type(given_) is type(answer)
        ((name, actor, asked),) = far.echo.asked
        assert (name, asked) == (method, arguments)
        assert {n: type(v) for n, v in asked.items()} == {n: type(v) for n, v in arguments.items()}
        assert actor == Actor(
            "query", is_service=True, on_behalf_of="ada@aviation", trace_id="a" * 32
        )

    check()


async def test_call__takes_arguments_by_place_and_by_name(far: Far) -> None:
    far.echo.answer = ["owner"]
    domains = far.service("domains")
    assert await domains.roles(ADA, "dzd-1", ["user:ada"]) == ["owner"]
    assert await domains.roles(ADA, principals=["user:ada"], domain_id="dzd-1") == ["owner"]
    assert far.echo.asked[0][2] == far.echo.asked[1][2]


async def test_call__of_a_service_goes_on_under_its_name_and_its_user(far: Far) -> None:
    actor = service_actor("subscriptions", "bob@finance", "b" * 32)
    await far.service("permissions").revoke(actor, "grant-1")
    ((_, asked, _),) = far.echo.asked
    assert asked == actor


ERRORS = [
    each
    for each in vars(errors).values()
    if isinstance(each, type) and issubclass(each, MeshplaneError) and each is not MeshplaneError
]


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
async def test_error__keeps_kind_code_text_fields_and_details(
    far: Far, kind: type[MeshplaneError]
) -> None:
    far.echo.error = kind(
        "SOME_CODE",
        "What was wrong: “ä”.",
        fields=[FieldProblem("a.0.b", "is wrong"), FieldProblem("c", "is too")],
        details={"assetId": "asset-1", "request": {"path": "/x", "body": [1, None]}},
    )
    with pytest.raises(MeshplaneError) as caught:
        await far.service("domains").find(ADA, "dzd-1")
    found = caught.value
    # What a base or a key was is settled on the far side; here the wider kind is what matters.
    wider = {errors.BaseMoved: errors.Stale, errors.KeyReused: errors.LimitReached}
    if kind is errors.Unauthenticated:
        # It is the calling service's own token that was not taken: no fault of whoever asked it.
        assert (type(found), found.code) == (errors.Unavailable, "SERVICE_UNREACHABLE")
        return
    assert type(found) is wider.get(kind, kind)
    assert (found.code, found.message) == ("SOME_CODE", "What was wrong: “ä”.")
    assert found.fields == far.echo.error.fields
    assert found.details == far.echo.error.details


async def test_error__that_nobody_foresaw_says_nothing_of_itself(far: Far) -> None:
    far.echo.error = ZeroDivisionError("secret")
    far.caller._client = httpx.AsyncClient(
        transport=httpx.ASGITransport(far.app, raise_app_exceptions=False)
    )
    with pytest.raises(MeshplaneError) as caught:
        await far.service("domains").find(ADA, "dzd-1")
    assert caught.value.code == "INTERNAL"
    assert "secret" not in caught.value.message


async def test_service__that_does_not_answer_is_unavailable(far: Far) -> None:
    far.caller._client = httpx.AsyncClient(trust_env=False)
    far.caller._links["domains"] = "http://127.0.0.1:9"
    with pytest.raises(errors.Unavailable) as caught:
        await far.service("domains").find(ADA, "dzd-1")
    assert caught.value.code == "SERVICE_UNREACHABLE"


async def test_internal_path__takes_no_person_and_no_stranger(far: Far) -> None:
    body = b'{"domain_id":"dzd-1"}'
    person = await far.post("domains/find", far.issuer.mint("ada", ("mesh-admins",)), body)
    assert (person.status_code, person.json()["code"]) == (403, "FORBIDDEN")
    stranger = await far.post("domains/find", "x.y.z", body)
    assert stranger.status_code == 401
    assert far.echo.asked == []


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{}", b"null", b"[]", b"[1]", b'"x"', b"{", b'{"domain_id":null}', b'{"domain_id":1}',
        b'{"domain_id":["x"]}', b'{"domainId":"x"}', b"[" * 10_000, b"\xff", b'{"actor":"x"}',
    ],
    ids=range(14),
)  # fmt: skip
async def test_internal_path__refuses_a_call_that_does_not_fit(far: Far, body: bytes) -> None:
    token = far.issuer.mint("query", (), service="query", on_behalf_of="ada")
    answer = await far.post("domains/find", token, body)
    assert (answer.status_code, answer.json()["code"]) == (400, "REQUEST_INVALID")
    assert far.echo.asked == []
