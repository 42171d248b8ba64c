"""The listener: hears what AWS itself tells on an account's default bus.

DataZone, and other services, tell what happens in them on the default bus only. A rule there sends
it to a queue of the mesh; each event goes to a callback once, by its id. What the callback writes
and the note that the event was heard are one commit, so that a repetition has no effect.
EventBridge delivers at least once and in no order: the callback looks at what is there now, and
takes the event for a hint.

Sources: DataZone User Guide ("Working with events via Amazon EventBridge default bus"),
EventBridge API Reference.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import orjson

from meshplane.events.aws import TAG, BusPlaces
from meshplane.events.aws_heard import HeardBefore, hear
from meshplane.events.aws_queues import Queue, Received, SqsReader, allow_events, ensure_queue
from meshplane.kit.clock import Clock
from meshplane.kit.errors import Invalid
from meshplane.platform.aws.calls import Aws
from meshplane.platform.store import Store, UnitOfWork

DATAZONE = "aws.datazone"
LISTENER = "meshplane-datazone"
"""What the rule and the queue are called, without the mesh's prefix."""

Callback = Callable[[UnitOfWork, Mapping[str, Any]], Awaitable[None]]
"""Called with a unit of work and the event as EventBridge delivers it. It does not commit."""


class DataZoneListener:
    """Listens to DataZone, and to whatever other sources are named.

    Args:
        store: notes what was heard.
        aws: calls EventBridge and SQS.
        places: names and accounts.
        callback: gets each event once.
        clock: says until when it is noted.
        sources: whose events; `aws.` ones.
        name: of the rule and the queue, without the mesh's prefix.
        poll_seconds: how long one look at the queue waits.
    """

    def __init__(
        self,
        store: Store,
        aws: Aws,
        places: BusPlaces,
        callback: Callback,
        clock: Clock,
        *,
        sources: Sequence[str] = (DATAZONE,),
        name: str = LISTENER,
        poll_seconds: int = 20,
    ) -> None:
        self._store = store
        self._aws = aws
        self._places = places
        self._callback = callback
        self._clock = clock
        self._sources = list(sources)
        self._name = f"{places.place.prefix}{name}"
        self._poll_seconds = poll_seconds
        self._reader: SqsReader | None = None

    async def ensure(self) -> Queue:
        """Makes the queues, and the rule on the default bus; the same again writes the same."""
        return await ensure_listener(self._aws, self._name, self._sources)

    async def start(self) -> None:
        """Makes what it needs, and begins to listen."""
        self._reader = await self._made_reader()
        self._reader.start()

    async def stop(self) -> None:
        """Ends; what came meanwhile waits in the queue."""
        if self._reader is not None:
            await self._reader.stop()

    async def run_due(self) -> int:
        """Hears what waits now, without `start`; how many messages that were."""
        reader = self._reader or await self._made_reader()
        return await reader.run_due()

    async def handle(self, message: Received) -> None:
        """Hands one message on; see `aws_queues.Handle`.

        Raises:
            Invalid: MESSAGE_INVALID.
        """
        event = _event(message.body)
        work = self._store.begin()
        # Each listener hears for itself, also where they share a store.
        if not await hear(work, f"{self._name}/{event['id']}", self._clock.now()):
            return
        await self._callback(work, event)
        try:
            await work.commit()
        except HeardBefore:
            return

    async def _made_reader(self) -> SqsReader:
        queue = await self.ensure()
        return SqsReader(self._aws, queue.url, self.handle, poll_seconds=self._poll_seconds)


async def ensure_listener(aws: Aws, name: str, sources: Sequence[str]) -> Queue:
    """Makes the queues, and the rule on the default bus; the same again writes the same.

    Args:
        aws: calls EventBridge and SQS.
        name: of the rule and the queue.
        sources: whose events; `aws.` ones.

    Raises:
        Invalid: LISTENER_REFUSED.
    """
    rule_arn = f"arn:aws:events:{aws.place.region}:{aws.place.account}:rule/{name}"
    dead = await ensure_queue(aws, f"{name}-dead")
    queue = await ensure_queue(
        aws,
        name,
        dead_letter=dead,
        statements=lambda arn: [allow_events(arn, [rule_arn])],
    )
    await aws.call(
        "events",
        "put_rule",
        Name=name,
        EventPattern=orjson.dumps({"source": list(sources)}).decode(),
        State="ENABLED",
        Description=f"{TAG}: what AWS tells of itself.",
    )
    answer = await aws.call(
        "events", "put_targets", Rule=name, Targets=[{"Id": "queue", "Arn": queue.arn}]
    )
    if answer.get("FailedEntryCount"):
        raise Invalid("LISTENER_REFUSED", "EventBridge does not take the listener's queue.")
    return queue


def _event(body: str) -> dict[str, Any]:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        found = None
    if not (
        isinstance(found, dict)
        and all(isinstance(found.get(key), str) for key in ("id", "source", "detail-type"))
    ):
        raise Invalid("MESSAGE_INVALID", "This is no event of EventBridge.", field="MessageBody")
    return found
