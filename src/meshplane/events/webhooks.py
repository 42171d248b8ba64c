"""Webhooks: events sent to HTTP addresses as CloudEvents, signed.

The body is a CloudEvent in structured mode (CloudEvents 1.0.2, HTTP protocol binding 1.0.2), the
signature that of Standard Webhooks 1.0.0: an HMAC-SHA256 of id, time and body under a key that the
rule's author got once.
"""

import base64
import hashlib
import hmac
import os
from collections.abc import Mapping
from typing import Any

import orjson

from meshplane.events.outbound import Answer, Outbound, retry_after_seconds
from meshplane.events.queues import GiveUp, Message, QueueHandler, RetryAfter
from meshplane.events.rules import WEBHOOK_SECRETS, WEBHOOKS
from meshplane.kit.clock import Clock
from meshplane.kit.errors import Invalid, Refused, Unavailable
from meshplane.platform.sealing import NoSeal, Seal
from meshplane.platform.store import UnitOfWork

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
SECRET_PREFIX = "whsec_"  # noqa: S105 - the prefix of all of them
_SECRET_BYTES = 32
_CONCURRENCY = 16
_MOST_READ_BYTES = 4096


class Webhooks:
    """Delivers the messages of the queue of webhooks.

    Args:
        outbound: the way out.
        clock: for the time that is signed.
        seal: opens the keys of webhooks.
    """

    def __init__(self, outbound: Outbound, clock: Clock, seal: Seal | None = None) -> None:
        self._outbound = outbound
        self._clock = clock
        self._seal = seal or NoSeal()

    @property
    def handler(self) -> QueueHandler:
        """Handles that queue."""
        return QueueHandler(WEBHOOKS, self.deliver, exclusive=True, concurrency=_CONCURRENCY)

    async def deliver(self, work: UnitOfWork, message: Message) -> None:
        """Sends one event.

        Raises:
            GiveUp: WEBHOOK_REFUSED, WEBHOOK_GONE, HOST_NOT_ALLOWED, URL_INVALID: no retry helps.
            RetryAfter: WEBHOOK_BUSY; the other side said when to come again.
            Unavailable: WEBHOOK_FAILED, SEAL_UNKNOWN, and what `Outbound.request` raises.
        """
        secret = await work.get(WEBHOOK_SECRETS, message.body["rule"], message.body["target"])
        if secret is None:
            raise GiveUp("WEBHOOK_GONE", "The rule has no such webhook any more.")
        key = await self._seal.open(secret.item["secret"], secret_about(secret.item))
        body = orjson.dumps(cloud_event(message.body))
        # The same id at every attempt, so that the receiver can tell a repetition.
        message_id = f"msg_{message.key[:40]}"
        timestamp = int(self._clock.now().timestamp())
        headers = {
            "content-type": CONTENT_TYPE,
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(key, message_id, timestamp, body),
        }
        try:
            answer = await self._outbound.request(
                "POST",
                message.body["url"],
                headers=headers,
                body=body,
                largest_answer_bytes=_MOST_READ_BYTES,
            )
        except (Refused, Invalid) as error:
            raise GiveUp(error.code, error.message) from error
        self._judge(answer)

    def _judge(self, answer: Answer) -> None:
        status = answer.status
        if 200 <= status < 300:
            return
        if status == 429 or status >= 500:
            seconds = retry_after_seconds(answer.headers, self._clock)
            if seconds is not None:
                raise RetryAfter("WEBHOOK_BUSY", f"The webhook answered {status}.", seconds)
            raise Unavailable("WEBHOOK_FAILED", f"The webhook answered {status}.")
        if 300 <= status < 400:
            raise GiveUp(
                "WEBHOOK_REFUSED",
                f"The webhook answered {status}: redirects are not followed, give its new address.",
            )
        raise GiveUp("WEBHOOK_REFUSED", f"The webhook answered {status}.")


def cloud_event(body: dict[str, Any]) -> dict[str, Any]:
    """The CloudEvent that a message of the queue of webhooks stands for."""
    event = body["event"]
    made = {
        "specversion": "1.0",
        "id": event["id"],
        "source": event["source"],
        "type": event["type"],
        "time": event["time"],
        "datacontenttype": "application/json",
        "data": body["data"],
    }
    if event["subject"]:
        made["subject"] = event["subject"]
    return made


def secret_about(item: Mapping[str, Any]) -> str:
    """What the key of a webhook is sealed as; `item`: its row."""
    return f"webhook\n{item['rule']}\n{item['target']}"


def new_secret() -> str:
    """A new key for signatures, as Standard Webhooks writes it."""
    return SECRET_PREFIX + base64.b64encode(os.urandom(_SECRET_BYTES)).decode()


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature`.

    Args:
        secret: `whsec_` and the key in base64.
        message_id: the header `webhook-id`.
        timestamp: the header `webhook-timestamp`, epoch seconds.
        body: as it is sent.
    """
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"
