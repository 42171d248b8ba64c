"""Routes: an operation declared once, with its operationId, and run through the boundary.

An endpoint is an async function whose parameters say what it takes: `call`, path parameters by
name, `query` (a model), `body` (a model), `upload` (a file on disk), `if_match`, `accept`,
`client` (whether somebody still waits). The arguments are filled in here, so that there is one
place where a body becomes a model, an error names its field, and an answer is kept under its
idempotency key. The OpenAPI document is made from the same signatures (`gateway/openapi.py`).
"""

import asyncio
import hashlib
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar, get_type_hints

import orjson
from pydantic import BaseModel
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from meshplane.boundary.actor import Actor
from meshplane.boundary.body import parse_body, parse_query
from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call
from meshplane.boundary.etags import etag
from meshplane.boundary.idempotency import Answer, IdempotencyKey
from meshplane.boundary.uploads import Upload, read_body, receive
from meshplane.kit.errors import Invalid, Unavailable

JSON = "application/json"
ARROW_STREAM = "application/vnd.apache.arrow.stream"
_ACCEPTED = 202

IfMatch: TypeAlias = str | None
"""The If-Match header of an update."""

Accept: TypeAlias = str | None
"""The Accept header."""

NOT_IN_PATH = frozenset({"call", "query", "body", "upload", "if_match", "accept", "client"})
"""Parameters of endpoints that are not parameters of the path."""


@dataclass(frozen=True, slots=True)
class Operation:
    """How an endpoint runs.

    Args:
        id: the operationId.
        boundary: runs it.
        writes: whether it is committed, audited and open to idempotency keys.
        settle: called after the commit, and when a stored answer is repeated, with the actor and
            the path parameters, and with the `answer` so far if it takes one. It brings about at
            once what an event would bring about moments later, and gives the answer as it is then.
        status: of a good answer.
        answers: media types of the answer, with its model where it has one, for the OpenAPI
            document; filled where the endpoint makes the `Response` itself.
        goes_on: whether an answer tells of something that has not ended; such a one is 202.
    """

    id: str
    boundary: Boundary
    writes: bool
    settle: Callable[..., Awaitable[BaseModel]] | None
    status: int
    answers: dict[str, type[BaseModel] | None]
    goes_on: Callable[[Any], bool] | None = None


Endpoint = Callable[..., Coroutine[Any, Any, Any]]

T = TypeVar("T")


class Client:
    """Whoever sent a request and waits for its answer.

    Args:
        request: which has been read whole.
    """

    def __init__(self, request: Request) -> None:
        self._request = request

    async def wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of work that is worth nothing once nobody waits for it.

        Raises:
            Unavailable: CANCELLED, the client has hung up; the work was cancelled.
        """
        try:
            result: T = await _while_connected(self._request, work)
        except ClientDisconnect:
            raise Unavailable("CANCELLED", "Nobody waits for the answer.") from None
        return result


class OperationRoute(Route):
    """A route that runs its endpoint through the boundary."""

    def __init__(self, path: str, method: str, operation: Operation, endpoint: Endpoint) -> None:
        runner = _Runner(operation, endpoint)
        super().__init__(path, runner.run, methods=[method])
        self.answer = runner.run
        self.operation = operation
        self.method = method
        self.declared = endpoint


class Operations:
    """Declares the operations of one service; `routes` holds them, without the API's prefix.

    Args:
        boundary: runs them.
        prefix: of their paths.
    """

    def __init__(self, boundary: Boundary, prefix: str = "/api/v1") -> None:
        self.routes: list[OperationRoute] = []
        self._boundary = boundary
        self._prefix = prefix

    def read(
        self,
        path: str,
        operation_id: str,
        answers: dict[str, type[BaseModel] | None] | None = None,
    ) -> Callable[[Endpoint], Endpoint]:
        """Declares a GET that changes nothing; `answers` as in `Operation`."""
        operation = Operation(operation_id, self._boundary, False, None, 200, answers or {})
        return self._declare("GET", path, operation)

    def write(
        self,
        method: str,
        path: str,
        operation_id: str,
        *,
        status: int = 200,
        settle: Callable[..., Awaitable[BaseModel]] | None = None,
        answers: dict[str, type[BaseModel] | None] | None = None,
        goes_on: Callable[[Any], bool] | None = None,
    ) -> Callable[[Endpoint], Endpoint]:
        """Declares an operation that is committed and audited; arguments as in `Operation`."""
        operation = Operation(
            operation_id, self._boundary, True, settle, status, answers or {}, goes_on
        )
        return self._declare(method, path, operation)

    def _declare(
        self, method: str, path: str, operation: Operation
    ) -> Callable[[Endpoint], Endpoint]:
        def declare(endpoint: Endpoint) -> Endpoint:
            route = OperationRoute(self._prefix + path, method, operation, endpoint)
            self.routes.append(route)
            return endpoint

        return declare


class _Runner:
    def __init__(self, operation: Operation, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._operation = operation
        hints = get_type_hints(endpoint)
        names = inspect.signature(endpoint).parameters
        self._path = [name for name in names if name not in NOT_IN_PATH]
        self._body: type[BaseModel] | None = hints.get("body")
        self._query: type[BaseModel] | None = hints.get("query")
        self._takes_upload = "upload" in names
        self._takes_if_match = "if_match" in names
        self._takes_accept = "accept" in names
        self._takes_client = "client" in names
        settle = operation.settle
        self._settles_answer = (
            settle is not None and "answer" in inspect.signature(settle).parameters
        )
        # Such an answer may be large and is not kept, so it takes no idempotency key.
        self._is_raw = hints.get("return") is Response

    async def run(self, request: Request) -> Response:
        request.scope["operation_id"] = self._operation.id
        if self._takes_upload:
            async with receive(
                request, ARROW_STREAM, self._operation.boundary.uploads_folder
            ) as upload:
                return await self._run(request, b"", upload)
        return await self._run(request, await read_body(request), None)

    async def _run(self, request: Request, raw: bytes, upload: Upload | None) -> Response:
        operation, actor = self._operation, actor_of(request)
        use = self._use(request, raw, upload)
        if not operation.writes:
            return _as_response(await operation.boundary.read(operation.id, actor, use), operation)

        if self._is_raw:
            response: Response = await _while_connected(
                request, operation.boundary.write(operation.id, actor, use)
            )
            return response

        async def answering(call: Call) -> Answer:
            return _answer(await use(call), operation)

        key = self._key(request, actor, raw, upload)
        answer, repeated = await operation.boundary.answer(operation.id, actor, answering, key)
        if operation.settle is not None:
            arguments = {name: request.path_params[name] for name in self._path}
            if self._settles_answer:
                arguments["answer"] = orjson.loads(answer.body)
            answer = _answer(await operation.settle(actor, **arguments), operation)
        return _response(answer, repeated)

    def _use(
        self, request: Request, raw: bytes, upload: Upload | None
    ) -> Callable[[Call], Awaitable[Any]]:
        async def use(call: Call) -> Any:
            arguments: dict[str, Any] = {name: request.path_params[name] for name in self._path}
            if self._query is not None:
                arguments["query"] = parse_query(self._query, request.query_params)
            elif request.scope["query_string"]:
                raise Invalid(
                    "REQUEST_INVALID", "This operation takes no query parameters.", field="(query)"
                )
            if self._body is not None:
                _demand_json(request)
                arguments["body"] = parse_body(self._body, raw)
            if upload is not None:
                arguments["upload"] = upload
            if self._takes_if_match:
                arguments["if_match"] = request.headers.get("if-match")
            if self._takes_accept:
                arguments["accept"] = request.headers.get("accept")
            if self._takes_client:
                arguments["client"] = Client(request)
            return await self._endpoint(call, **arguments)

        return use

    def _key(
        self, request: Request, actor: Actor, raw: bytes, upload: Upload | None
    ) -> IdempotencyKey | None:
        key = request.headers.get("idempotency-key")
        if key is None:
            return None
        digest = upload.sha256 if upload is not None else hashlib.sha256(raw).hexdigest()
        return IdempotencyKey.of(actor, key, self._operation.id, request.url.path, digest)


async def _while_connected(request: Request, work: Coroutine[Any, Any, Any]) -> Any:
    """The result of the work, which is cancelled when nobody waits for it any more."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_disconnect(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        for waiting in (task, gone):
            waiting.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _disconnect(request: Request) -> None:
    """Returns when the client has hung up; its request has been read whole before."""
    while (await request.receive())["type"] != "http.disconnect":
        continue


def actor_of(request: Request) -> Actor:
    """Who sent the request, as the gateway found; it lets no request through without."""
    actor: Actor = request.scope["actor"]
    return actor


def _demand_json(request: Request) -> None:
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != JSON:
        raise Invalid(
            "CONTENT_TYPE_UNSUPPORTED",
            f"Send the body as {JSON}.",
            field="Content-Type",
        )


def _answer(result: Any, operation: Operation) -> Answer:
    if result is None:
        return Answer(204, "", None)
    version = getattr(result, "version", None)
    goes_on = operation.goes_on is not None and operation.goes_on(result)
    status = _ACCEPTED if goes_on else operation.status
    return Answer(status, result.model_dump_json(by_alias=True), version)


def _response(answer: Answer, repeated: bool) -> Response:
    headers = {}
    if answer.version is not None:
        headers["ETag"] = etag(answer.version)
    if repeated:
        headers["Idempotency-Replayed"] = "true"
    media_type = JSON if answer.body else None
    return Response(answer.body, answer.status, headers, media_type)


def _as_response(result: Any, operation: Operation) -> Response:
    if isinstance(result, Response):
        return result
    return _response(_answer(result, operation), repeated=False)
