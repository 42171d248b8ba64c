"""Makes true what was decided: the grant of an approved subscription, the end of a revoked one.

Idempotent: it is called right after a decision and again by the decision's event, and each step
finds out what is left to do.
"""

import asyncio
from contextlib import suppress

from meshplane.boundary.actor import Actor, service_actor
from meshplane.events.consumer import Consumer
from meshplane.events.subscriptions import SubscriptionActivated, SubscriptionRevoked
from meshplane.kit.clock import Clock, to_text
from meshplane.kit.errors import Stale
from meshplane.platform.events import StoredEvent
from meshplane.platform.store import Store, UnitOfWork
from meshplane.platform.tables import Row
from meshplane.services.permissions.api import PermissionsApi
from meshplane.services.subscriptions.scope import grant_of
from meshplane.services.subscriptions.store import SUBSCRIPTIONS

_DECISIONS = frozenset({"SubscriptionApproved", "SubscriptionRevocationStarted"})


class Fulfilment:
    """Writes grants for subscriptions; nothing else does."""

    def __init__(self, permissions: PermissionsApi, store: Store, clock: Clock) -> None:
        self._permissions = permissions
        self._store = store
        self._clock = clock
        self._turn = asyncio.Lock()

    @property
    def consumers(self) -> tuple[Consumer, ...]:
        """What fulfils a decision if the process that took it died."""
        source = "management-app.subscriptions"
        return (Consumer("subscriptions.fulfilment", _DECISIONS, self._on_decision, source),)

    async def settle(self, actor: Actor, request_id: str) -> None:
        """Fulfils a decision now, rather than moments later by its event."""
        work = self._store.begin()
        async with self._turn:
            with suppress(Stale):  # then the event's consumer was faster
                await self._fulfil(work, request_id, actor)
                await work.commit()

    async def _on_decision(self, work: UnitOfWork, event: StoredEvent) -> None:
        # One at a time: the request that decided and its event's consumer come at the same moment,
        # and the trail should tell of one grant, not of one and an attempt.
        async with self._turn:
            await self._fulfil(work, event.detail["requestId"], None)

    async def _fulfil(self, work: UnitOfWork, request_id: str, actor: Actor | None) -> None:
        row = await work.get(SUBSCRIPTIONS, request_id)
        if row is None:
            return
        item = row.item
        behalf = item["decidedBy"] if item["status"] == "approved" else item["revokedBy"]
        itself = service_actor("subscriptions", behalf, actor.trace_id if actor else "")
        if item["status"] == "approved":
            await self._activate(work, row, itself)
        elif item["status"] == "revoking":
            await self._end(work, row, itself)

    async def _activate(self, work: UnitOfWork, row: Row, itself: Actor) -> None:
        request_id = row.item["requestId"]
        await self._permissions.grant(itself, grant_of(request_id, row.item))
        work.put(SUBSCRIPTIONS, {**row.item, "status": "active"}, expected=row.version)
        work.emit(
            SubscriptionActivated(
                request_id=request_id,
                asset_id=row.item["assetId"],
                grant_id=row.item["grantId"],
            ).event()
        )

    async def _end(self, work: UnitOfWork, row: Row, itself: Actor) -> None:
        request_id = row.item["requestId"]
        await self._permissions.revoke(itself, row.item["grantId"])
        work.put(SUBSCRIPTIONS, {**row.item, "status": "revoked"}, expected=row.version)
        work.emit(
            SubscriptionRevoked(
                request_id=request_id,
                asset_id=row.item["assetId"],
                revoked_by=row.item["revokedBy"],
                revoked_at=to_text(self._clock.now()),
            ).event()
        )
