"""What every refusal must look like, and that it left nothing behind."""

import re
from http import HTTPStatus
from typing import Any

import httpx

from tests.builders.kept_state import audit_records, kept_state
from tests.builders.request import Request
from tests.builders.small_mesh import CANARY, SmallMesh
from tests.builders.valid_requests import SENDER

VALUE = "wrensecret"
"""Put into requests as a value; no answer that is an error may hold it."""

_LEAKS = ("Traceback", 'File "', ".py", "duckdb.", "pydantic", "pyarrow", "sqlite", "/tmp/")


def problem_of(answer: httpx.Response) -> dict[str, Any]:
    """The problem document of an answer, which must be a whole and discreet one."""
    assert 400 <= answer.status_code < 500, f"{answer.status_code}: {answer.text[:500]}"
    assert answer.headers["content-type"] == "application/problem+json"
    told: dict[str, Any] = answer.json()
    assert told["status"] == answer.status_code
    assert told["title"] == HTTPStatus(answer.status_code).phrase
    assert re.fullmatch(r"[A-Z][A-Z0-9_]+|InvalidEventPatternException", told["code"])
    assert told["type"] == f"urn:meshplane:problem:{told['code']}"
    assert len(told["detail"]) > 10
    assert re.fullmatch(r"[0-9a-f]{32}", told["traceId"])
    assert all(set(one) == {"field", "message"} for one in told["errors"])
    assert discreet(answer), answer.text[:500]
    return told


def discreet(answer: httpx.Response) -> bool:
    """Whether an answer holds no value of the request or of data, and nothing of the inside."""
    return not any(word in answer.text for word in (VALUE, CANARY, *_LEAKS))


def refused(mesh: SmallMesh, request: Request, operation: str) -> dict[str, Any]:
    """The problem document that a request gets from whoever may send it; nothing else happens."""
    home = mesh.server.home
    before, records = kept_state(home), audit_records(home)
    answer = request.send(mesh.clients[SENDER.get(operation, "owner")])
    told = problem_of(answer)
    assert kept_state(home) == before, f"{operation} left something behind: {told}"
    # A service that asked another leaves a record for each of the two.
    assert audit_records(home) - records <= 2
    return told


def fields(told: dict[str, Any]) -> list[str]:
    """The names of the offending fields."""
    return [one["field"] for one in told["errors"]]
