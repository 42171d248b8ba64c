"""A service's `api` over HTTP, for when it runs in another process.

Each method of the Protocol in a service's `api.py` is served at
`POST /internal/v1/{service}/{method}` and called from there by a stand-in with the same methods.
Arguments and results are the same types on both sides, checked by pydantic. Only services may call:
they sign a token of their own, which says on whose behalf they act.
"""

import inspect
from collections.abc import Awaitable, Callable
from functools import cache, cached_property
from typing import Any, Protocol, get_type_hints

import orjson
from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from meshplane.boundary.actor import Actor
from meshplane.boundary.boundary import Boundary
from meshplane.boundary.operation import actor_of
from meshplane.boundary.uploads import read_body
from meshplane.kit.errors import Invalid, Refused

PREFIX = "/internal/v1"


class Caller(Protocol):
    """Sends a call to another service and gives the answer's bytes, or raises its problem."""

    async def call(self, service: str, method: str, actor: Actor, body: bytes) -> bytes:
        """Calls `method` of `service` on behalf of the actor."""
        ...


class _Method:
    """The types of one method of an api; pydantic makes them, slowly, when it is first called."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        parameters = inspect.signature(function).parameters
        self.names = [name for name in parameters if name not in ("self", "actor")]
        self.defaults = {
            name: parameter.default
            for name, parameter in parameters.items()
            if parameter.default is not parameter.empty
        }

    @cached_property
    def arguments(self) -> dict[str, TypeAdapter[Any]]:
        """What reads and writes each argument but the actor."""
        hints = get_type_hints(self._function)
        return {name: TypeAdapter(hints[name]) for name in self.names}

    @cached_property
    def result(self) -> TypeAdapter[Any]:
        """What reads and writes the answer."""
        return TypeAdapter(get_type_hints(self._function)["return"])


@cache
def _methods(api: type) -> dict[str, _Method]:
    return {
        name: _Method(function)
        for name, function in inspect.getmembers(api, inspect.isfunction)
        if not name.startswith("_")
    }


def routes(service: str, api: type, implementation: object, boundary: Boundary) -> list[Route]:
    """The routes at which an implementation of a service's api answers other processes."""
    return [
        Route(
            f"{PREFIX}/{service}/{name}",
            _endpoint(f"{service}.{name}", method, getattr(implementation, name), boundary),
            methods=["POST"],
            name=f"internal:{service}.{name}",
        )
        for name, method in _methods(api).items()
    ]


def _endpoint(
    name: str, method: _Method, function: Callable[..., Awaitable[Any]], boundary: Boundary
) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        actor = actor_of(request)
        if not actor.is_service:
            refusal = Refused("FORBIDDEN", "Only parts of the mesh call this; use the public API.")
            await boundary.record_refused(name, actor, refusal)
            raise refusal
        adapters = method.arguments
        try:
            sent = orjson.loads(await read_body(request))
            # The actor on whose behalf this is asked comes signed in the calling service's token.
            arguments = {
                name: adapter.validate_python(sent[name]) for name, adapter in adapters.items()
            }
        except (orjson.JSONDecodeError, ValidationError, KeyError, TypeError):
            raise Invalid("REQUEST_INVALID", "The call does not fit.", field="(body)") from None
        result = await function(actor=actor, **arguments)
        return Response(method.result.dump_json(result), media_type="application/json")

    return answer


def stand_in(service: str, api: type, caller: Caller) -> Any:
    """An object with the methods of `api` that calls the service over HTTP."""
    return type(
        f"Remote{api.__name__}",
        (),
        {name: _calling(service, name, method, caller) for name, method in _methods(api).items()},
    )()


def _calling(
    service: str, name: str, method: _Method, caller: Caller
) -> Callable[..., Awaitable[Any]]:
    async def call(_self: object, actor: Actor, *positional: Any, **named: Any) -> Any:
        by_place = dict(zip(method.names, positional, strict=False))
        given = {**method.defaults, **by_place, **named}
        body = orjson.dumps(
            {
                key: method.arguments[key].dump_python(value, mode="json")
                for key, value in given.items()
            }
        )
        return method.result.validate_json(await caller.call(service, name, actor, body))

    return call
