"""Events of an execution's history, shaped as `GetExecutionHistory` of Step Functions gives them.

`timestamp` is RFC 3339 text. Inputs and outputs are JSON text. Sources: the API reference of AWS
Step Functions, `HistoryEvent`.
"""

import json
from typing import Any

import orjson

from meshplane.workflows.asl.limits import DEEPEST_PAYLOAD

WHOLE = {"truncated": False}
"""`inputDetails` and `outputDetails`: nothing is ever cut off here."""


class NotJson(ValueError):
    """A value that cannot be written as JSON.

    A number is not finite, it is nested too deeply, or it is of a type that JSON does not have.
    """


class HistoryEvent(dict[str, Any]):
    """One event: `id`, `previousEventId`, `timestamp`, `type`, and the details of its type.

    Attributes:
        stream: "" for the execution's own history; for a child of a distributed Map, which has a
            history of its own, the id of its branch.
    """

    __slots__ = ("stream",)

    stream: str

    @property
    def type(self) -> str:
        """What happened: `PassStateEntered`, or `TaskFailed`."""
        return str(self["type"])


def payload_bytes(value: Any) -> bytes:
    """A JSON value as compact UTF-8 text.

    Raises:
        NotJson: it is none.
    """
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return _slowly(value)


def _slowly(value: Any) -> bytes:
    """Whole numbers of more than 64 bits, and texts with lone surrogates."""
    if _is_deep(value):
        raise NotJson("the value is nested too deeply")
    try:
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (ValueError, TypeError, RecursionError) as error:
        raise NotJson(f"the value is no JSON: {type(error).__name__}") from None
    return text.encode("utf-8", "surrogatepass")


def _is_deep(value: Any) -> bool:
    """Whether lists and objects lie in one another deeper than `DEEPEST_PAYLOAD`."""
    level = [value]
    for _ in range(DEEPEST_PAYLOAD):
        inner: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                inner += each.values()
            elif isinstance(each, list | tuple):
                inner += each
        if not inner:
            return False
        level = inner
    return True


def payload_text(data: bytes) -> str:
    """The text of `payload_bytes`."""
    return data.decode("utf-8", "surrogatepass")


def failure_details(error: str | None, cause: str | None) -> dict[str, Any]:
    """The details of an event of failure, without what was not told."""
    details: dict[str, Any] = {}
    if error is not None:
        details["error"] = error
    if cause is not None:
        details["cause"] = cause
    return details
