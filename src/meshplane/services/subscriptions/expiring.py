"""What happens by itself when a date comes: a notice before the end, and the end.

A grant ends at its date without anybody doing anything. What is done here is to say so: once, in
time, that the end is near; at the end, that it has come; and to close requests that nobody decided
before the end which they ask for. Two indexes by date tell what is due, so that nothing else is
read, and nothing is written while nothing is due. Each is one commit on the version that was read:
of several processes one does it.
"""

import asyncio
import math
import time
from contextlib import suppress
from logging import WARNING
from typing import Any, Literal

from meshplane.boundary.actor import service_actor
from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call
from meshplane.events.payload import Payload
from meshplane.events.subscriptions import (
    SubscriptionExpired,
    SubscriptionExpiring,
    SubscriptionRejected,
)
from meshplane.kit.clock import Clock, from_text, to_text
from meshplane.kit.errors import MeshplaneError, Stale
from meshplane.platform.stillness import parts
from meshplane.platform.store import Store
from meshplane.platform.tables import Between
from meshplane.platform.telemetry import log
from meshplane.platform.trouble import Trouble
from meshplane.policy.model import Resource
from meshplane.services.subscriptions.finding import REQUEST_EXPIRED_BY
from meshplane.services.subscriptions.records import is_past, noted
from meshplane.services.subscriptions.scope import subscriber_of
from meshplane.services.subscriptions.store import NOTICE_DUE, SUBSCRIPTIONS

OPERATION = "expireSubscription"
"""What the policies allow this service to do by itself."""

_PAGE = 100
_PAUSE_SECONDS = 1.0
_TOO_LATE = "The end that it asked for came before anybody decided."
_Due = Literal["reject", "expire", "notice"]
_DUE = (("byNotice", NOTICE_DUE), ("byEnd", "active"), ("byEnd", "requested"))


class Expiring:
    """Watches the dates until it is stopped.

    Args:
        store: holds the subscriptions.
        boundary: runs what is due, with its audit record.
        clock: the present.
    """

    def __init__(self, store: Store, boundary: Boundary, clock: Clock) -> None:
        self._store = store
        self._boundary = boundary
        self._clock = clock
        self._trouble = Trouble("subscriptions_wait", "subscriptions_go_on")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins."""
        self._task = asyncio.create_task(self._run(), name="subscriptions-expiring")

    async def stop(self) -> None:
        """Ends; what comes due meanwhile is done at the next start."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def run_due(self) -> int:
        """Does what is due now, in pages, without `start`; how many subscriptions that were.

        One that cannot be done now holds up no other.
        """
        done, now = 0, to_text(self._clock.now())
        for index, partition in _DUE:
            cursor: str | None = None
            while True:
                # A page is read anew after the one before is done: what was done is in it no more.
                page = await self._store.begin().query(
                    SUBSCRIPTIONS,
                    partition,
                    index=index,
                    where=Between(None, now),
                    limit=_PAGE,
                    cursor=cursor,
                )
                for row in page.rows:
                    done += await self._done(row.item["requestId"])
                cursor = page.cursor
                if cursor is None:
                    break
        return done

    async def _done(self, request_id: str) -> bool:
        async def look(call: Call) -> None:
            await self._look(call, request_id)

        row = await self._store.begin().get(SUBSCRIPTIONS, request_id)
        if row is None or _due(row.item, self._clock) is None:
            return False
        try:
            await self._boundary.write(OPERATION, service_actor("subscriptions"), look)
        except Stale:
            return False  # another process, or a person who decided, was first
        except MeshplaneError as error:
            log(WARNING, "subscription_not_expired", request=request_id, code=error.code)
            return False
        return True

    async def _look(self, call: Call, request_id: str) -> None:
        """Does to one subscription what its dates say."""
        row = await call.work.get(SUBSCRIPTIONS, request_id)
        moved = Stale("SUBSCRIPTION_MOVED", "Somebody else was first.")
        due = _due(row.item, call.clock) if row else None
        if row is None or due is None:
            raise moved
        item = row.item
        await call.allow(
            Resource("Subscription", request_id, item["domainId"], item.get("projectId"))
        )
        changed = {name: part for name, part in item.items() if name != "notice"}
        if due == "reject":
            changed |= {
                "status": "rejected",
                "decidedBy": REQUEST_EXPIRED_BY,
                "decidedAt": call.now,
                "decisionReason": _TOO_LATE,
            }
        elif due == "expire":
            changed["status"] = "expired"
        call.work.emit(_event(due, changed).event())
        call.note(**noted(changed), due=due)
        call.work.put(SUBSCRIPTIONS, changed, expected=row.version, otherwise=moved)

    async def _run(self) -> None:
        while True:
            since, most_seconds = time.monotonic(), _PAUSE_SECONDS
            try:
                await self.run_due()
                most_seconds = await self._most_seconds()
                self._trouble.over()
            except Exception as error:  # noqa: BLE001 - nothing may end this for good
                self._trouble.met(error)
            await self._store.stillness.pause(
                _PAUSE_SECONDS, most_seconds, of=parts(SUBSCRIPTIONS), since=since
            )

    async def _most_seconds(self) -> float:
        """Until the next date, as far as it is known."""
        wait = math.inf
        for index, partition in _DUE:
            page = await self._store.begin().query(SUBSCRIPTIONS, partition, index=index, limit=1)
            for row in page.rows:
                date = row.item["noticeAt" if index == "byNotice" else "expiresAt"]
                left = (from_text(date) - self._clock.now()).total_seconds()
                # What is due and could not be done is tried again after the pause.
                wait = min(wait, left if left > 0 else _PAUSE_SECONDS)
        return wait


def _due(item: dict[str, Any], clock: Clock) -> _Due | None:
    """What a subscription's dates ask for now."""
    if item["status"] == "requested":
        return "reject" if is_past(item["expiresAt"], clock) else None
    if item["status"] != "active":
        return None
    if is_past(item["expiresAt"], clock):
        return "expire"
    notices = item.get("notice") is not None and is_past(item["noticeAt"], clock)
    return "notice" if notices else None


def _event(due: _Due, item: dict[str, Any]) -> Payload:
    """What is told of a subscription whose row has become this."""
    request_id, asset_id, ends = item["requestId"], item["assetId"], item["expiresAt"]
    subscriber = subscriber_of(item)
    if due == "reject":
        return SubscriptionRejected(
            request_id=request_id,
            asset_id=asset_id,
            rejected_by=item["decidedBy"],
            rejected_at=item["decidedAt"],
            reason=item["decisionReason"],
        )
    if due == "expire":
        return SubscriptionExpired(
            request_id=request_id,
            asset_id=asset_id,
            subscriber=subscriber,
            grant_id=item["grantId"],
            expired_at=ends,
        )
    return SubscriptionExpiring(
        request_id=request_id,
        asset_id=asset_id,
        subscriber=subscriber,
        requested_by=item["requestedBy"],
        expires_at=ends,
    )
