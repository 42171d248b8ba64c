"""The OpenAPI 3.1 document, made by FastAPI from the declared operations when it is asked for.

FastAPI turns signatures and pydantic models into the document, and does nothing else here: requests
run on Starlette's routes. It is loaded only for this, so that a server is ready sooner.
"""

import inspect
import re
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

from pydantic import BaseModel
from pydantic.alias_generators import to_camel

from meshplane import __version__
from meshplane.boundary.operation import ARROW_STREAM, NOT_IN_PATH, OperationRoute

if TYPE_CHECKING:
    from fastapi import FastAPI

_PARAMETER = re.compile(r"\{(\w+)\}")
_IDEMPOTENCY_PARAMETER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "maxLength": 200},
    "description": "The same key with the same request gives the same answer, once done.",
}
_ARROW_BODY = {
    "required": True,
    "content": {ARROW_STREAM: {"schema": {"type": "string", "format": "binary"}}},
}


class FieldProblemView(BaseModel):
    """One offending field."""

    field: str
    message: str


class Problem(BaseModel):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: list[FieldProblemView]
    traceId: str  # noqa: N815 - as it is sent


def document(routes: Sequence[OperationRoute]) -> dict[str, Any]:
    """The document of these operations."""
    from fastapi import FastAPI
    from pydantic.warnings import UnsupportedFieldAttributeWarning

    with warnings.catch_warnings():
        # FastAPI hands the aliases of a query's model to pydantic in a place where they do nothing.
        warnings.simplefilter("ignore", UnsupportedFieldAttributeWarning)
        return _document(FastAPI, routes)


def _document(kind: "type[FastAPI]", routes: Sequence[OperationRoute]) -> dict[str, Any]:
    app = kind(title="Meshplane", version=__version__, summary="The control plane of a data mesh.")
    for route in routes:
        operation = route.operation
        status, answers = _answers(route)
        app.add_api_route(
            _PARAMETER.sub(lambda found: "{" + to_camel(found[1]) + "}", route.path),
            _documented(route),
            methods=[route.method],
            operation_id=operation.id,
            tags=[_tag(route.path)],
            summary=_words(operation.id),
            status_code=status,
            responses=answers,
            response_model=_model(route),
            openapi_extra=_extra(route),
        )
    found = app.openapi()
    _finish(found)
    return found


def _tag(path: str) -> str:
    parts = path.strip("/").split("/")
    return parts[2] if path.startswith("/api/v1/") else "operations"


def _words(operation_id: str) -> str:
    spaced = "".join(
        f" {letter.lower()}" if letter.isupper() else letter for letter in operation_id
    )
    return spaced[:1].upper() + spaced[1:]


def _model(route: OperationRoute) -> Any:
    kind = get_type_hints(route.declared).get("return")
    is_model = isinstance(kind, type) and issubclass(kind, BaseModel)
    return kind if is_model else None


def _answers(route: OperationRoute) -> tuple[int, dict[int | str, dict[str, Any]]]:
    operation = route.operation
    kind = get_type_hints(route.declared).get("return")
    status = 204 if kind is type(None) else operation.status
    answers: dict[int | str, dict[str, Any]] = {
        "default": {
            "model": Problem,
            "description": "A problem document (RFC 9457); `code` is stable.",
        }
    }
    if operation.goes_on is not None:
        answers[202] = {"model": kind, "description": "It goes on: read it again until it ended."}
    for media_type, model in operation.answers.items():
        told = answers.setdefault(status, {"description": "Done.", "content": {}})
        told["content"][media_type] = {}
        if model is not None:
            told["model"] = model
    return status, answers


def _extra(route: OperationRoute) -> dict[str, Any] | None:
    hints = get_type_hints(route.declared)
    extra: dict[str, Any] = {}
    if route.operation.writes and not route.operation.answers:
        extra["parameters"] = [_IDEMPOTENCY_PARAMETER]
    if "upload" in hints:
        extra["requestBody"] = _ARROW_BODY
    return extra or None


def _documented(route: OperationRoute) -> Any:
    """A function with the endpoint's signature in FastAPI's terms; it is never called."""
    from fastapi import Header, Path, Query

    hints = get_type_hints(route.declared)
    parameters = []
    for name, declared in inspect.signature(route.declared).parameters.items():
        kind: Any = hints[name]
        if name in {"call", "upload", "accept", "client"}:
            continue
        if name == "query":
            kind = Annotated[kind, Query()]
        elif name == "if_match":
            kind = Annotated[str, Header(alias="If-Match")]
        elif name not in NOT_IN_PATH:
            kind = Annotated[kind, Path(alias=to_camel(name))]
        parameters.append(
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=declared.default
            )
        )

    def stand_in() -> None:
        """Has only a signature."""

    stand_in.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    stand_in.__name__ = route.operation.id
    stand_in.__doc__ = route.declared.__doc__
    return stand_in


def _finish(found: dict[str, Any]) -> None:
    """Puts in what FastAPI cannot know: tokens, and our kind of error in place of its own."""
    schemas = found["components"]["schemas"]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    found["components"]["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    }
    found["security"] = [{"token": []}]
    for methods in found["paths"].values():
        for operation in methods.values():
            operation["responses"].pop("422", None)
            problem = operation["responses"]["default"]["content"]
            problem["application/problem+json"] = problem.pop("application/json")
