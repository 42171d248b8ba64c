"""`arn:aws:states:::http:invoke`: a task that makes an HTTP request.

A request to the mesh's own host is an operation of the platform, carried out in the name of the
execution. Any other goes out, to the hosts that the settings allow.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/call-https-apis.html
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson

from meshplane.boundary.platform_api import PlatformApi
from meshplane.events.outbound import Answer, Outbound
from meshplane.kit.errors import MeshplaneError, Unavailable
from meshplane.workflows.asl import TaskFailed, TaskRequest
from meshplane.workflows.operation_tasks import actor_of
from meshplane.workflows.performers import ExecutionInfo

_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
_LONGEST_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class _Asked:
    method: str
    url: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


class HttpInvoke:
    """Performs HTTP tasks; see `Outside`.

    Args:
        own_host: the host that is the mesh itself.
        api: the mesh's own operations.
        web: everything else.
    """

    def __init__(self, own_host: str, api: PlatformApi, web: Outbound) -> None:
        self._own_host = own_host
        self._api = api
        self._web = web

    async def perform(self, request: TaskRequest, execution: ExecutionInfo) -> Any:
        """Headers, ResponseBody, StatusCode and StatusText of the answer, as on AWS.

        Raises:
            TaskFailed: `States.Http.StatusCode.404` and the like for an answer that is no success,
                `States.Http.Socket` where none came, `States.Runtime` for a request that cannot be
                made.
        """
        asked = _asked(request.parameters)
        try:
            if urlsplit(asked.url).hostname == self._own_host:
                status, headers, body = await self._own(asked, request, execution)
            else:
                status, headers, body = await self._other(asked, request)
        except Unavailable as error:
            raise TaskFailed("States.Http.Socket", error.message) from error
        except MeshplaneError as error:
            raise TaskFailed("States.Runtime", error.message) from error
        if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            raise TaskFailed(f"States.Http.StatusCode.{status}", _text(body))
        return {
            "Headers": headers,
            "ResponseBody": body,
            "StatusCode": status,
            "StatusText": _phrase(status),
        }

    async def _own(
        self, asked: _Asked, request: TaskRequest, execution: ExecutionInfo
    ) -> tuple[int, dict[str, list[str]], Any]:
        body = asked.body if isinstance(asked.body, dict) else {}
        status, answer = await self._api.invoke(
            asked.method,
            urlsplit(asked.url).path,
            {**body, **asked.query},
            actor=actor_of(execution),
            key=request.key,
        )
        return status, {"content-type": ["application/json"]}, answer

    async def _other(
        self, asked: _Asked, request: TaskRequest
    ) -> tuple[int, dict[str, list[str]], Any]:
        has_body = asked.body is not None
        kind = {"content-type": "application/json"} if has_body else {}
        answer = await self._web.request(
            asked.method,
            asked.url,
            headers={**kind, "idempotency-key": request.key, **asked.headers},
            body=orjson.dumps(asked.body) if has_body else b"",
            parameters=asked.query,
            timeout_seconds=min(request.timeout_seconds or _LONGEST_SECONDS, _LONGEST_SECONDS),
        )
        if answer.cut:
            raise TaskFailed("States.DataLimitExceeded", "The answer has more than 262144 bytes.")
        headers = {name.lower(): [value] for name, value in answer.headers.items()}
        return answer.status, headers, _parsed(answer)


def _asked(parameters: Any) -> _Asked:
    """The request that a task's parameters describe.

    Raises:
        TaskFailed: States.Runtime.
    """
    given = parameters if isinstance(parameters, dict) else {}
    method, endpoint = given.get("Method"), given.get("ApiEndpoint")
    if method not in _METHODS:
        raise TaskFailed(
            "States.Runtime", "Method must be GET, POST, PUT, PATCH, DELETE, HEAD or OPTIONS."
        )
    if not isinstance(endpoint, str) or _scheme(endpoint) not in {"http", "https"}:
        raise TaskFailed("States.Runtime", "ApiEndpoint must be an http or https address.")
    for name in ("QueryParameters", "Headers"):
        if not isinstance(given.get(name) or {}, dict):
            raise TaskFailed("States.Runtime", f"{name} must be an object.")
    url, _, in_url = endpoint.partition("?")
    query = dict(parse_qsl(in_url))
    query |= {name: _text(value) for name, value in (given.get("QueryParameters") or {}).items()}
    headers = {name.lower(): _text(value) for name, value in (given.get("Headers") or {}).items()}
    body = given.get("RequestBody")
    if method in {"GET", "HEAD"} and isinstance(body, dict):
        # A body means nothing here (RFC 9110, 9.3.1), but documents are written with one.
        query, body = {**{name: _text(value) for name, value in body.items()}, **query}, None
    return _Asked(method, url, query, headers, body)


def _scheme(url: str) -> str:
    try:
        return urlsplit(url).scheme
    except ValueError:
        return ""


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        # A server may answer with a number of its own (RFC 9110, 15).
        return ""


def _parsed(answer: Answer) -> Any:
    if "json" not in answer.headers.get("content-type", ""):
        return answer.body.decode("utf-8", "replace")
    try:
        return orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return answer.body.decode("utf-8", "replace")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
