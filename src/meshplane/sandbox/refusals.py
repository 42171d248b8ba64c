"""Which error a service gives, in its own words, and whether a fake may give the one it gave."""

from typing import Any

from botocore.model import OperationModel

from meshplane.sandbox import protocol, strictness
from meshplane.sandbox.callers import UNKNOWN_KEY
from meshplane.sandbox.fake import FakeError
from meshplane.sandbox.faults import Fault
from meshplane.sandbox.iam import DENIED
from meshplane.sandbox.request import Answer

# Errors that any operation may answer with ("Common Errors" of each API reference), beside those
# that its model names.
COMMON = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "ExpiredTokenException",
        "InternalFailure",
        "InternalServerException",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "ValidationError",
        "ValidationException",
    }
)

# What the same refusal is called in the protocols that have their own word for it.
_WORDS = {
    ("rest-xml", UNKNOWN_KEY): ("InvalidAccessKeyId", 403),
    ("query", UNKNOWN_KEY): ("InvalidClientTokenId", 403),
    ("json", UNKNOWN_KEY): (UNKNOWN_KEY, 400),
    ("rest-xml", DENIED): ("AccessDenied", 403),
    ("query", DENIED): ("AccessDenied", 403),
    ("json", DENIED): (DENIED, 400),
}
_INVALID = (
    "ValidationException",
    "InvalidInputException",
    "InvalidRequestException",
    "InvalidParameterException",
)
_THROTTLED = {"rest-xml": ("SlowDown", 503), "query": ("Throttling", 400)}


def refusal(spoken: str, operation: OperationModel | None, error: FakeError) -> Answer:
    """An error as the client gets it.

    Args:
        spoken: the protocol.
        operation: of the call, where it is known.
        error: what was raised; a status of 400 gives way to that of the model.
    """
    code, status = _WORDS.get((spoken, error.code), (error.code, error.status))
    shape = _shape(operation, code) if operation is not None else None
    if shape is not None and status == 400:
        status = int(shape.metadata.get("error", {}).get("httpStatusCode", status))
    return protocol.refuse(spoken, code, error.message, status, members=error.members, shape=shape)


def invalid(operation: OperationModel, spoken: str, wrong: list[str]) -> FakeError:
    """The error of a request that does not fit its model, in the service's own word."""
    names = {shape.name for shape in operation.error_shapes}
    modelled = next((code for code in _INVALID if code in names), "ValidationException")
    usual = {"rest-xml": "InvalidArgument", "query": "ValidationError"}
    return FakeError(usual.get(spoken, modelled), "; ".join(wrong))


def planned(fault: Fault, spoken: str) -> FakeError:
    """The error that a fault of the kinds `throttle` and `error` asks for."""
    if fault.kind == "throttle":
        code, status = _THROTTLED.get(spoken, ("ThrottlingException", 400))
        return FakeError(fault.code or code, "Rate exceeded", status)
    message = "The sandbox was told to fail here."
    if fault.code is not None:
        return FakeError(fault.code, message)
    code = "InternalError" if spoken == "rest-xml" else "InternalServerException"
    return FakeError(code, message, 500)


def unmodelled(operation: OperationModel, error: FakeError) -> str | None:
    """What is wrong with an error that a fake gave, or None.

    Its code must be one that the model names for the operation, or one of `COMMON`; and its members
    must fit the error's shape.
    """
    shape = _shape(operation, error.code)
    if shape is None:
        return None if error.code in COMMON else f"its model does not name {error.code}"
    members = {key: value for key, value in error.members.items() if value is not None}
    told = "Message" if "Message" in shape.members else "message"
    if told in shape.members:
        members.setdefault(told, error.message)
    wrong = strictness.problems(shape, members)
    return f"its {error.code} breaks the model: {'; '.join(wrong)}" if wrong else None


def _shape(operation: OperationModel, code: str) -> Any:
    for shape in operation.error_shapes:
        if code in (shape.name, shape.metadata.get("error", {}).get("code")):
            return shape
    return None
