"""SQS: queues made with their dead-letter queue and policy, and a reader of one.

The reader polls long, hands each message to its handler, and deletes it when that is done. While a
handler is at work, the message's visibility is renewed. A handler that raises leaves the message
where it is: SQS shows it again after its visibility, and after `maxReceiveCount` receives moves it
to the dead-letter queue by itself. Standard queues deliver at least once and in no order.

Sources: SQS API Reference (`CreateQueue`, `ReceiveMessage`, `ChangeMessageVisibility`), Developer
Guide ("Dead-letter queues", "Quotas").
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from logging import ERROR, WARNING
from typing import Any

import orjson

from meshplane.events.dead_letters import Failure
from meshplane.kit.errors import MeshplaneError
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.telemetry import log

MOST_RECEIVES = 5
"""After so many receives a message goes to the dead-letter queue."""

LONGEST_POLL_SECONDS = 20
LONGEST_VISIBILITY_SECONDS = 43_200
KEPT_SECONDS = 1_209_600

_VISIBILITY_SECONDS = 60
_MOST_AT_ONCE = 10
_PAUSE_SECONDS = 1.0
_GRACE_SECONDS = 5.0
_UNKNOWN = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue of SQS."""

    name: str
    url: str
    arn: str


@dataclass(frozen=True, slots=True)
class Received:
    """A message as SQS gave it.

    Args:
        message_id: SQS's; another one for each send.
        receipt: for this one receive.
        body: text.
        receives: how often it was received, this time included.
        attributes: texts that its sender gave it beside the body.
    """

    message_id: str
    receipt: str
    body: str
    receives: int
    attributes: Mapping[str, str] = field(default_factory=dict)


Handle = Callable[[Received], Awaitable[None]]


def allow_events(queue_arn: str, source_arns: Sequence[str]) -> dict[str, Any]:
    """The statement of a queue's policy that lets rules of EventBridge send to it.

    Args:
        queue_arn: the queue.
        source_arns: rules, `*` allowed in them: `arn:aws:events:…:rule/datamesh-events/*`.
    """
    return {
        "Sid": "EventBridgeRules",
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue_arn,
        "Condition": {"ArnLike": {"aws:SourceArn": sorted(source_arns)}},
    }


async def ensure_queue(
    aws: Aws,
    name: str,
    *,
    dead_letter: Queue | None = None,
    statements: Callable[[str], Sequence[Mapping[str, Any]]] | None = None,
    visibility_seconds: int = _VISIBILITY_SECONDS,
    most_receives: int = MOST_RECEIVES,
) -> Queue:
    """Makes a queue, or brings one that is there to these attributes; the same again is nothing.

    Args:
        aws: calls SQS.
        name: with the mesh's prefix.
        dead_letter: where messages go after `most_receives`.
        statements: of its policy, given its ARN; None leaves the policy alone.
        visibility_seconds: how long a received message stays hidden.
        most_receives: 1 to 1000.
    """
    wanted = {
        "VisibilityTimeout": str(visibility_seconds),
        "MessageRetentionPeriod": str(KEPT_SECONDS),
        "SqsManagedSseEnabled": "true",
    }
    if dead_letter is not None:
        redrive = {"deadLetterTargetArn": dead_letter.arn, "maxReceiveCount": most_receives}
        wanted["RedrivePolicy"] = orjson.dumps(redrive).decode()
    url = await _url(aws, name)
    if url is None:
        made = await aws.call("sqs", "create_queue", QueueName=name, Attributes=wanted)
        url = str(made["QueueUrl"])
    told = await aws.call("sqs", "get_queue_attributes", QueueUrl=url, AttributeNames=["All"])
    there: dict[str, str] = told["Attributes"]
    arn = there["QueueArn"]
    if statements is not None:
        policy = {"Version": "2012-10-17", "Statement": list(statements(arn))}
        wanted["Policy"] = orjson.dumps(policy).decode()
    changed = {key: text for key, text in wanted.items() if not _same(there.get(key), text)}
    if changed:
        await aws.call("sqs", "set_queue_attributes", QueueUrl=url, Attributes=changed)
    return Queue(name, url, arn)


class SqsReader:
    """Reads a queue until it is stopped.

    Args:
        aws: calls SQS.
        queue_url: the queue's URL.
        handle: called for each message; when it returns, the message is deleted.
        concurrency: the most messages at once.
        poll_seconds: how long one look waits for messages, 0 to 20.
        visibility_seconds: how long a message stays hidden after its process died.
    """

    def __init__(
        self,
        aws: Aws,
        queue_url: str,
        handle: Handle,
        *,
        concurrency: int = 16,
        poll_seconds: int = LONGEST_POLL_SECONDS,
        visibility_seconds: int = _VISIBILITY_SECONDS,
    ) -> None:
        self._aws = aws
        self._url = queue_url
        self._handle = handle
        self._concurrency = concurrency
        # An answer that comes later than it is waited for hides messages that nobody has.
        self._poll_seconds = min(poll_seconds, int(aws.place.read_seconds / 2))
        self._visibility_seconds = visibility_seconds
        self._running: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._poll: asyncio.Task[list[Received]] | None = None

    def start(self) -> None:
        """Begins."""
        self._task = asyncio.create_task(self._run(), name=f"sqs:{self._url.rpartition('/')[2]}")

    async def stop(self) -> None:
        """Ends: what is being handled may finish within some seconds; the rest comes again."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._put_back()
        if self._running:
            _, late = await asyncio.wait(set(self._running), timeout=_GRACE_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def run_due(self) -> int:
        """Handles what the queue shows now, without `start`; how many messages that were."""
        total = 0
        while messages := await self._receive(_MOST_AT_ONCE, wait_seconds=0):
            await asyncio.gather(*(self._one(message) for message in messages))
            total += len(messages)
        return total

    async def _run(self) -> None:
        while True:
            try:
                free = self._concurrency - len(self._running)
                if free <= 0:
                    await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
                    continue
                wanted = min(free, _MOST_AT_ONCE)
                self._poll = asyncio.create_task(self._receive(wanted, self._poll_seconds))
                # SQS goes on with a poll that nobody waits for, and hides what it finds.
                for message in await asyncio.shield(self._poll):
                    task = asyncio.create_task(self._one(message))
                    self._running.add(task)
                    task.add_done_callback(self._running.discard)
                self._poll = None
            except MeshplaneError as error:
                log(WARNING, "sqs_waits", code=error.code)
                await asyncio.sleep(_PAUSE_SECONDS)
            except Exception as error:  # noqa: BLE001 - nothing may end the reading for good
                log(ERROR, "sqs_waits", exc_info=error)
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _receive(self, most: int, wait_seconds: int) -> list[Received]:
        answer = await self._aws.call(
            "sqs",
            "receive_message",
            QueueUrl=self._url,
            MaxNumberOfMessages=most,
            WaitTimeSeconds=wait_seconds,
            VisibilityTimeout=self._visibility_seconds,
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
            MessageAttributeNames=["All"],
        )
        return [_received(one) for one in answer.get("Messages", ())]

    async def _put_back(self) -> None:
        """Shows others what the last poll of a reader that stops has brought."""
        poll, self._poll = self._poll, None
        if poll is None:
            return
        await asyncio.wait({poll}, timeout=_GRACE_SECONDS)
        if not poll.done() or poll.cancelled() or poll.exception() is not None:
            poll.cancel()
            return
        for message in poll.result():
            with suppress(MeshplaneError):
                await self._hide(message, 0)

    async def _hide(self, message: Received, seconds: int) -> None:
        await self._aws.call(
            "sqs",
            "change_message_visibility",
            QueueUrl=self._url,
            ReceiptHandle=message.receipt,
            VisibilityTimeout=seconds,
        )

    async def _one(self, message: Received) -> None:
        """Handles one message; whatever goes wrong leaves it to SQS."""
        renewal = asyncio.create_task(self._renew(message))
        try:
            await self._handle(message)
            await self._aws.call(
                "sqs", "delete_message", QueueUrl=self._url, ReceiptHandle=message.receipt
            )
        except Exception as error:  # noqa: BLE001 - one message must not end the others
            log(
                WARNING,
                "sqs_message_failed",
                queue=self._url.rpartition("/")[2],
                message_id=message.message_id,
                receives=message.receives,
                code=Failure.of(error).code,
            )
        finally:
            renewal.cancel()

    async def _renew(self, message: Received) -> None:
        """Keeps a message hidden while it is handled: twelve hours at most, as SQS has it."""
        while True:
            await asyncio.sleep(self._visibility_seconds / 2)
            try:
                await self._hide(message, self._visibility_seconds)
            except MeshplaneError as error:
                # It may be handled twice then, as at any delivery at least once.
                log(WARNING, "sqs_not_renewed", message_id=message.message_id, code=error.code)


async def _url(aws: Aws, name: str) -> str | None:
    try:
        answer = await aws.call("sqs", "get_queue_url", QueueName=name)
    except AwsRejected as error:
        if error.aws_code in _UNKNOWN:
            return None
        raise
    return str(answer["QueueUrl"])


def _same(there: str | None, wanted: str) -> bool:
    """Whether an attribute is as wanted; policies are JSON, which AWS writes in its own way."""
    if there is None or not wanted.startswith("{"):
        return there == wanted
    try:
        return bool(_loose(orjson.loads(there)) == _loose(orjson.loads(wanted)))
    except orjson.JSONDecodeError:
        return False


def _loose(value: Any) -> Any:
    """A value in which 5 and "5" are one, as SQS gives numbers back as text."""
    if isinstance(value, dict):
        return {key: _loose(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_loose(inner) for inner in value]
    return str(value)


def _received(given: Mapping[str, Any]) -> Received:
    attributes = given.get("Attributes") or {}
    return Received(
        given["MessageId"],
        given["ReceiptHandle"],
        given["Body"],
        int(attributes.get("ApproximateReceiveCount", 1)),
        {
            name: str(value.get("StringValue", ""))
            for name, value in (given.get("MessageAttributes") or {}).items()
        },
    )
