"""What a test or an engineer tells the sandbox while it runs, over HTTP under `/_sandbox`."""

import json
from dataclasses import fields
from typing import Any, Protocol

from meshplane.kit.errors import Invalid, MeshplaneError
from meshplane.sandbox.calls import Calls
from meshplane.sandbox.fake import World
from meshplane.sandbox.faults import Fault, Faults
from meshplane.sandbox.request import Answer, Request

CONTROL_PATH = "/_sandbox"


class Controlled(Protocol):
    """What is controlled."""

    accounts: tuple[str, ...]
    faults: Faults
    calls: Calls
    world: World

    def reset(self) -> None:
        """Forgets all state."""
        ...


class Control:
    """Answers the requests that are for the sandbox itself.

    Paths: GET, POST and DELETE of `faults` and DELETE of `faults/NUMBER`; GET and DELETE of
    `calls`; POST of `visibility` and `reset`; GET of `health`.
    """

    def __init__(self, sandbox: Controlled) -> None:
        self._sandbox = sandbox

    def answer(self, request: Request) -> Answer:
        """Answers one of them."""
        try:
            status, content = self._carry_out(request)
        except MeshplaneError as error:
            status, content = 400, {"code": error.code, "message": error.message}
        return Answer(status, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _carry_out(self, request: Request) -> tuple[int, Any]:
        sandbox = self._sandbox
        what = request.path.removeprefix(CONTROL_PATH).strip("/")
        match request.method, what.split("/"):
            case "GET", ["health"]:
                return 200, {"accounts": list(sandbox.accounts)}
            case "GET", ["faults"]:
                return 200, [planned.to_json() for planned in sandbox.faults.all()]
            case "POST", ["faults"]:
                return 201, {"number": sandbox.faults.add(_fault(_body(request)))}
            case "DELETE", ["faults"]:
                sandbox.faults.clear()
            case "DELETE", ["faults", number] if number.isdigit():
                if not sandbox.faults.remove(int(number)):
                    return 404, {"code": "FAULT_UNKNOWN", "message": "No such fault is planned."}
            case "GET", ["calls"]:
                query = dict(request.query)
                listed = sandbox.calls.all(query.get("service"), query.get("operation"))
                return 200, [call.to_json() for call in listed]
            case "DELETE", ["calls"]:
                sandbox.calls.clear()
            case "POST", ["visibility"]:
                sandbox.world.visibility_seconds = _seconds(_body(request))
            case "POST", ["reset"]:
                sandbox.reset()
            case _:
                return 404, {"code": "PATH_UNKNOWN", "message": "The sandbox has no such path."}
        return 200, {}


def _body(request: Request) -> dict[str, Any]:
    try:
        content = json.loads(request.body or b"{}")
    except ValueError as error:
        raise Invalid("BODY_INVALID", "The body is no JSON.") from error
    if not isinstance(content, dict):
        raise Invalid("BODY_INVALID", "The body is no object.")
    return content


def _fault(content: dict[str, Any]) -> Fault:
    known = {field.name for field in fields(Fault)}
    unknown = sorted(set(content) - known)
    if unknown or not {"service", "kind"} <= set(content):
        raise Invalid(
            "FAULT_INVALID",
            f"A fault has service, kind and, of choice, {', '.join(sorted(known))}.",
        )
    for name in ("nth", "times"):
        value = content.get(name, 1)
        if not isinstance(value, int) or isinstance(value, bool):
            raise Invalid("FAULT_INVALID", "Calls are counted in whole numbers.", field=name)
    share, seed = content.get("share", 1.0), content.get("seed", 0)
    if not isinstance(share, int | float) or isinstance(share, bool):
        raise Invalid("FAULT_INVALID", "The share is a number.", field="share")
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise Invalid("FAULT_INVALID", "The seed is a whole number.", field="seed")
    return Fault(**{"operation": None, **content})


def _seconds(content: dict[str, Any]) -> float:
    seconds = content.get("seconds")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds < 0:
        raise Invalid("SECONDS_INVALID", "Give `seconds`, 0 or more.", field="seconds")
    return float(seconds)
