"""The Lambda handler of the platform's functions: event → operations of the mesh over HTTP.

One zip holds one function, named in `function.json` beside this file. Lambda invokes at least once:
what a function does hangs on the event's own id, so that a second time has no second effect. An
operation that is refused fails the invocation with an exception of its code's name, which is what
Retry and Catch of a state machine see.

Settings: `MESHPLANE_API_URL`, and those of `token_source.py`.
"""

import asyncio
import hashlib
import importlib
import json
import os
from pathlib import Path
from typing import Any

from operation_client import OperationClient
from token_source import TokenSource

from meshplane.kit.errors import MeshplaneError

_EVENT_MARK = "meshplane:event/"
_KEPT_BACK_SECONDS = 2.0

_NAMED = json.loads((Path(__file__).parent / "function.json").read_text(encoding="utf-8"))
_FUNCTION = importlib.import_module(_NAMED["module"])
_TOKEN = TokenSource(os.environ)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Runs the function of this zip.

    Args:
        event: as EventBridge delivers it, or the payload of a state machine's task.
        context: Lambda's; tells the request's id and how much time is left.
    """
    client = OperationClient(
        os.environ["MESHPLANE_API_URL"],
        _TOKEN,
        lambda: context.get_remaining_time_in_millis() / 1000 - _KEPT_BACK_SECONDS,
    )
    try:
        answer: dict[str, Any] = asyncio.run(_FUNCTION.handle(event, client, _key(event, context)))
    except MeshplaneError as error:
        raise _named(error.code)(error.message) from error
    except (KeyError, TypeError) as error:
        unfit = "The event lacks what the function needs: the guide says what each takes."
        raise _named("EVENT_UNFIT")(unfit) from error
    return answer


def _key(event: dict[str, Any], context: Any) -> str:
    """The same for every delivery of one event, and for every retry of one invocation."""
    resources = event.get("resources")
    marks = [
        one
        for one in (resources if isinstance(resources, list) else ())
        if isinstance(one, str) and one.startswith(_EVENT_MARK)
    ]
    said = marks[0] if marks else str(event.get("id") or context.aws_request_id)
    return hashlib.sha256(f"{_NAMED['name']}\n{said}".encode()).hexdigest()


def _named(code: str) -> type[Exception]:
    """An exception of that name: Lambda tells its class as the error's type."""
    return type(code, (Exception,), {})
