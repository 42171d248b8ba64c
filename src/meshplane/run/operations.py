"""Calls an operation of the platform by its operationId, for workflows and functions.

operationId + arguments → the operation's own route, in this process or another → its answer as
JSON. Nothing is gone round: the route asks the policies, commits once, and writes its audit record,
as for a request from outside.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, unquote, urlencode

import orjson
from pydantic.alias_generators import to_camel
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from meshplane.boundary.actor import Actor
from meshplane.boundary.operation import JSON, OperationRoute
from meshplane.gateway.problems import document, status_of
from meshplane.kit.errors import Invalid, MeshplaneError, Missing
from meshplane.run.links import HttpCaller, Sent

_PARAMETER = re.compile(r"\{(\w+)\}")
_PREFIX = "/api/v1"
_NO_BODY = frozenset({"GET", "DELETE"})


@dataclass(frozen=True, slots=True)
class _Address:
    """Where an operation is; its route, where that is in this process."""

    service: str
    method: str
    path: str
    route: OperationRoute | None


class PlatformOperations:
    """The operations of the whole mesh, by operationId.

    Args:
        others: the services of other processes.
        caller: reaches those.
    """

    def __init__(self, others: Sequence[str], caller: HttpCaller) -> None:
        self._others = others
        self._caller = caller
        self._addresses: dict[str, _Address] = {}

    def serve(self, routes: Sequence[OperationRoute]) -> None:
        """Adds the operations of this process, once its services are built."""
        self._addresses |= {
            route.operation.id: _Address("", route.method, route.path, route) for route in routes
        }

    async def call(
        self, operation_id: str, arguments: Mapping[str, Any], *, actor: Actor, key: str
    ) -> Any:
        """Carries out an operation.

        Args:
            operation_id: as in the OpenAPI document: `startQualityRun`.
            arguments: by their names in the API; those of the path, and the fields of the body or
                the query. `ifMatch` is the header of that name.
            actor: in whose name.
            key: the Idempotency-Key: the same key with the same arguments has one effect.

        Returns:
            The answer's JSON, or its text if it is none; None where there is no answer.

        Raises:
            Missing: OPERATION_UNKNOWN.
            Invalid: ARGUMENT_MISSING, a part of the path is not given; OPERATION_UNSUITABLE.
            MeshplaneError: what the operation raises.
        """
        address = await self._address(operation_id, actor)
        rest = dict(arguments)
        if_match = rest.pop("ifMatch", None)
        in_path = {name: _taken(rest, name) for name in _PARAMETER.findall(address.path)}
        path = _PARAMETER.sub(lambda found: quote(in_path[found[1]], safe=""), address.path)
        headers = {"content-type": JSON}
        if address.method != "GET":
            headers["idempotency-key"] = key
        if if_match is not None:
            headers["if-match"] = str(if_match)
        takes_body = address.method not in _NO_BODY
        query = "" if takes_body else _query(rest)
        body = orjson.dumps(rest) if takes_body else b""
        sent = Sent(address.method, path + query, headers, body)
        if address.route is None:
            content = await self._caller.request(address.service, actor, sent)
        else:
            answer = await address.route.answer(_request(sent, in_path, actor))
            content = _content(answer, operation_id)
        return _parsed(content)

    async def invoke(
        self, method: str, path: str, arguments: Mapping[str, Any], *, actor: Actor, key: str
    ) -> tuple[int, Any]:
        """Carries out the operation at a method and path, as `/api/v1/validate` or `/api/validate`.

        Returns:
            Status and JSON of the answer. An error is answered as a problem document, not raised.
        """
        if not path.startswith(f"{_PREFIX}/"):
            path = path.replace("/api/", f"{_PREFIX}/", 1)
        operation_id = self._at(method, path)
        if operation_id is None and self._others:
            await self._learn(actor)
            operation_id = self._at(method, path)
        if operation_id is None:
            nowhere = Missing("PATH_NOT_FOUND", "There is no operation at this method and path.")
            return HTTPStatus.NOT_FOUND, document(nowhere, actor.trace_id)
        pattern = _pattern(self._addresses[operation_id].path)
        found = pattern.fullmatch(path)
        parts = found.groupdict().items() if found else ()
        # Under the name that is looked for first: what the path says, no field of the body undoes.
        in_path = {to_camel(name): unquote(text) for name, text in parts}
        try:
            answer = await self.call(operation_id, {**arguments, **in_path}, actor=actor, key=key)
        except MeshplaneError as error:
            return status_of(error), document(error, actor.trace_id)
        return (HTTPStatus.OK if answer is not None else HTTPStatus.NO_CONTENT), answer

    def _at(self, method: str, path: str) -> str | None:
        for name, address in self._addresses.items():
            if address.method == method and _pattern(address.path).fullmatch(path):
                return name
        return None

    async def _address(self, operation_id: str, actor: Actor) -> _Address:
        known = self._addresses.get(operation_id)
        if known is None and self._others:
            await self._learn(actor)
            known = self._addresses.get(operation_id)
        if known is None:
            raise Missing(
                "OPERATION_UNKNOWN",
                "There is no operation of this name; the OpenAPI document lists them all.",
                field="operation",
            )
        return known

    async def _learn(self, actor: Actor) -> None:
        """Reads from the other processes' OpenAPI documents which operations they have."""
        for service in self._others:
            asked = Sent("GET", "/openapi.json", {})
            described = orjson.loads(await self._caller.request(service, actor, asked))
            for path, methods in described["paths"].items():
                for method, operation in methods.items():
                    name = operation.get("operationId") if isinstance(operation, dict) else None
                    if name is not None:
                        self._addresses.setdefault(
                            name, _Address(service, method.upper(), path, None)
                        )


@cache
def _pattern(template: str) -> re.Pattern[str]:
    """What a path template matches: `{request_id}` is one part of a path."""
    parts = _PARAMETER.split(template)
    return re.compile(
        "".join(
            f"(?P<{part}>[^/]+)" if place % 2 else re.escape(part)
            for place, part in enumerate(parts)
        )
    )


def _taken(arguments: dict[str, Any], name: str) -> str:
    """Removes the argument for a part of the path, which the API writes in camelCase."""
    for spelling in (to_camel(name), name):
        if spelling in arguments:
            return str(arguments.pop(spelling))
    raise Invalid(
        "ARGUMENT_MISSING",
        f"The operation needs {to_camel(name)}, which is a part of its path.",
        field=to_camel(name),
    )


def _query(arguments: Mapping[str, Any]) -> str:
    """The query of a request; an argument that is null is one that is not given."""
    given = {
        name: value if isinstance(value, str) else orjson.dumps(value).decode()
        for name, value in arguments.items()
        if value is not None
    }
    return f"?{urlencode(given)}" if given else ""


def _content(answer: Response, operation_id: str) -> bytes:
    """What an operation of this process answered.

    Raises:
        Invalid: OPERATION_UNSUITABLE, its answer is a stream.
    """
    content = getattr(answer, "body", None)
    if content is None:
        raise Invalid(
            "OPERATION_UNSUITABLE",
            f"{operation_id} answers with a stream, which workflows cannot take in.",
            field="operation",
        )
    return bytes(content)


def _parsed(content: bytes) -> Any:
    """An answer as JSON; what is no JSON, such as a contract's YAML, as text."""
    try:
        return orjson.loads(content) if content else None
    except orjson.JSONDecodeError:
        return content.decode("utf-8", "replace")


def _request(sent: Sent, in_path: dict[str, str], actor: Actor) -> Request:
    unread = [sent.body]

    async def receive() -> Message:
        if unread:
            return {"type": "http.request", "body": unread.pop(), "more_body": False}
        # Whoever asks for more wants to know when the caller hangs up, and he never does.
        await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    path, _, query = sent.path.partition("?")
    scope = {
        "type": "http",
        "method": sent.method,
        "scheme": "http",
        "server": ("workflows", 80),
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in sent.headers.items()],
        "path_params": in_path,
        "actor": actor,
    }
    return Request(scope, receive)
