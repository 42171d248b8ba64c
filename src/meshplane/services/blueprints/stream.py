"""What happens to a deployment's stack as it happens, as server-sent events.

Format: https://html.spec.whatwg.org/multipage/server-sent-events.html. Each event's id is its
number, after which `Last-Event-ID` goes on. The stream ends with an event `ended` when nothing goes
on with the deployment any more, and without it after a while or when the process stops.
"""

import asyncio
import re

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from meshplane.kit.errors import Invalid
from meshplane.platform.store import Store
from meshplane.platform.tables import Between, Row
from meshplane.services.blueprints.states import AT_WORK
from meshplane.services.blueprints.store import DEPLOYMENT_EVENTS, DEPLOYMENT_HISTORY
from meshplane.services.blueprints.views import event_view, status_view

HEARTBEAT_SECONDS = 15.0
LONGEST_SECONDS = 900.0
_PAUSE_SECONDS = 0.5
_PAGE = 100
_LONGEST_NUMBER = 9


class Hanging:
    """Whether streams should leave, because the process stops."""

    def __init__(self) -> None:
        self.up = False

    def hang_up(self) -> None:
        """Has all streams end at their next look."""
        self.up = True


class DeploymentStream(Response):
    """An answer that goes on until a deployment ends.

    Args:
        store: holds deployments and their events.
        row: the deployment, which the caller may see.
        hanging: whether to leave.
    """

    media_type = "text/event-stream"

    def __init__(self, store: Store, row: Row, hanging: Hanging) -> None:
        super().__init__(headers={"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._store = store
        self._key = row.item["deploymentId"], row.item["timestamp"]
        self._hanging = hanging

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Streams until the deployment ends, the client hangs up, or the time is over."""
        request = Request(scope, receive)
        number = _begin(request.headers.get("last-event-id"))
        sending = asyncio.ensure_future(self._stream(send, number))
        gone = asyncio.ensure_future(_hung_up(request))
        try:
            await asyncio.wait({sending, gone}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            for task in (sending, gone):
                task.cancel()
            await asyncio.gather(sending, gone, return_exceptions=True)

    async def _stream(self, send: Send, number: int) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await _send(send, f"retry: 2000\nid: {number}\n: connected\n\n".encode())
        loop = asyncio.get_running_loop()
        end, quiet_since = loop.time() + LONGEST_SECONDS, loop.time()
        while loop.time() < end and not self._hanging.up:
            # The deployment first: what ended it was told in the same commit.
            deployment = await self._store.begin().get(DEPLOYMENT_HISTORY, *self._key)
            events = await self._after(number)
            if events:
                number = events[-1].item["number"]
                await _send(send, b"".join(_text(row) for row in events))
                quiet_since = loop.time()
            if len(events) == _PAGE:
                continue
            if deployment is None or deployment.item["status"] not in AT_WORK:
                await _send(send, _ended(number, deployment))
                break
            if loop.time() - quiet_since >= HEARTBEAT_SECONDS:
                await _send(send, f"id: {number}\n: still here\n\n".encode())
                quiet_since = loop.time()
            await asyncio.sleep(_PAUSE_SECONDS)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _after(self, number: int) -> tuple[Row, ...]:
        page = await self._store.begin().query(
            DEPLOYMENT_EVENTS, self._key[0], where=Between(number + 1, None), limit=_PAGE
        )
        return page.rows


def _begin(last_event_id: str | None) -> int:
    """The number after which to begin; without one, everything is told.

    Raises:
        Invalid: LAST_EVENT_UNKNOWN.
    """
    if not last_event_id:
        return 0
    if len(last_event_id) <= _LONGEST_NUMBER and re.fullmatch("[0-9]+", last_event_id):
        return int(last_event_id)
    raise Invalid(
        "LAST_EVENT_UNKNOWN",
        "Last-Event-ID is no number of an event of this deployment: leave it out to see all.",
        field="Last-Event-ID",
    )


def _text(row: Row) -> bytes:
    told = event_view(row.item).model_dump_json(by_alias=True)
    return f"id: {row.item['number']}\nevent: step\ndata: {told}\n\n".encode()


def _ended(number: int, deployment: Row | None) -> bytes:
    told = b"{}"
    if deployment is not None:
        told = orjson.dumps(status_view(deployment).model_dump(by_alias=True))
    return f"id: {number}\nevent: ended\ndata: ".encode() + told + b"\n\n"


async def _send(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _hung_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        continue
