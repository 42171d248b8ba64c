"""Errors as RFC 9457 problem documents. Here alone an error's kind becomes an HTTP status."""

from http import HTTPStatus
from logging import ERROR
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from meshplane.kit import errors
from meshplane.platform.telemetry import log

_STATUS: tuple[tuple[type[errors.MeshplaneError], HTTPStatus], ...] = (
    (errors.Unauthenticated, HTTPStatus.UNAUTHORIZED),
    (errors.Refused, HTTPStatus.FORBIDDEN),
    (errors.Missing, HTTPStatus.NOT_FOUND),
    (errors.Conflict, HTTPStatus.CONFLICT),
    (errors.Stale, HTTPStatus.PRECONDITION_FAILED),
    (errors.ConditionRequired, HTTPStatus.PRECONDITION_REQUIRED),
    (errors.UrlTooLong, HTTPStatus.REQUEST_URI_TOO_LONG),
    (errors.HeadersTooLarge, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE),
    (errors.TooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (errors.KeyReused, HTTPStatus.UNPROCESSABLE_ENTITY),
    (errors.LimitReached, HTTPStatus.UNPROCESSABLE_ENTITY),
    (errors.Unavailable, HTTPStatus.SERVICE_UNAVAILABLE),
    (errors.Invalid, HTTPStatus.BAD_REQUEST),
)

_OF_HTTP = {
    404: ("PATH_NOT_FOUND", "There is nothing at this path; /openapi.json lists what there is."),
    405: ("METHOD_NOT_ALLOWED", "This path does not take this method; see /openapi.json."),
}


def status_of(error: errors.MeshplaneError) -> HTTPStatus:
    """The status that an error's kind has over HTTP."""
    for kind, status in _STATUS:
        if isinstance(error, kind):
            return status
    return HTTPStatus.INTERNAL_SERVER_ERROR


def kind_of(status: int) -> type[errors.MeshplaneError]:
    """The kind of error that a status stands for; the way back, for services that call others."""
    for kind, own in _STATUS:
        # A key is used again at the public door alone, never between services.
        if own == status and kind is not errors.KeyReused:
            return kind
    return errors.Unavailable


def document(error: errors.MeshplaneError, trace_id: str) -> dict[str, Any]:
    """The problem document of an error."""
    status = status_of(error)
    return {
        **error.details,
        "type": f"urn:meshplane:problem:{error.code}",
        "title": status.phrase,
        "status": int(status),
        "code": error.code,
        "detail": error.message,
        "errors": [
            {"field": problem.field, "message": problem.message} for problem in error.fields
        ],
        "traceId": trace_id,
    }


def response(error: errors.MeshplaneError, trace_id: str) -> Response:
    """The answer for an error."""
    status = status_of(error)
    headers = {}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="meshplane", error="invalid_token"'
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = "1"
    return Response(
        orjson.dumps(document(error, trace_id)), status, headers, "application/problem+json"
    )


def _trace_id(request: Request) -> str:
    return str(request.scope.get("trace_id", ""))


async def on_error(request: Request, error: Exception) -> Response:
    """Answers an error of ours."""
    if not isinstance(error, errors.MeshplaneError):
        return await on_bug(request, error)
    return response(error, _trace_id(request))


async def on_http_error(request: Request, error: Exception) -> Response:
    """Answers what the router itself found, such as a path that is not there."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    code, detail = _OF_HTTP.get(status, ("REQUEST_INVALID", "The request cannot be carried out."))
    body = {
        "type": f"urn:meshplane:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        "errors": [],
        "traceId": _trace_id(request),
    }
    headers = error.headers if isinstance(error, HTTPException) else None
    return Response(orjson.dumps(body), status, headers, "application/problem+json")


async def on_bug(request: Request, error: Exception) -> Response:
    """Answers an error that nobody foresaw: it is logged here and not shown."""
    if isinstance(error, ClientDisconnect):
        return Response(status_code=HTTPStatus.BAD_REQUEST)  # nobody is there to read it
    log(ERROR, "unforeseen", trace_id=_trace_id(request), exc_info=error)
    problem = errors.MeshplaneError(
        "INTERNAL", "Something went wrong here. Report the traceId to those who run this."
    )
    return response(problem, _trace_id(request))
