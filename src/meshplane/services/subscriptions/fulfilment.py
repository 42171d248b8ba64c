"""Makes true what was decided: the grant of an approved subscription, the end of a revoked one.

Idempotent: it is called right after a decision and again by the decision's event, and each step
finds out what is left to do.
"""

import asyncio
from contextlib import suppress
from typing import Any

from meshplane.boundary.actor import Actor, service_actor
from meshplane.events.consumer import Consumer
from meshplane.events.subscriptions import SubscriptionActivated, SubscriptionRevoked
from meshplane.kit.clock import Clock, to_text
from meshplane.kit.errors import Conflict, Missing, Stale
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
        behalf = _in_whose_name(item)
        itself = service_actor("subscriptions", behalf, actor.trace_id if actor else "")
        if item["status"] == "approved":
            await self._activate(work, row, itself)
        elif item["status"] == "revoking":
            await self._end(work, row, itself)

    async def _activate(self, work: UnitOfWork, row: Row, itself: Actor) -> None:
        own = f"grant-{row.item['requestId']}"
        if row.item["grantId"] != own and not await self._extended(itself, row.item):
            row = await self._with_own_grant(row, own)
        item = {**row.item, "status": "active"}
        if item["grantId"] == own:
            await self._permissions.grant(itself, grant_of(item))
        if item.get("replaces") is not None:
            # Only now, so that there is no instant in between without either.
            await self._permissions.revoke(itself, item["replaces"])
        work.put(SUBSCRIPTIONS, item, expected=row.version)
        work.emit(
            SubscriptionActivated(
                request_id=item["requestId"], asset_id=item["assetId"], grant_id=item["grantId"]
            ).event()
        )

    async def _extended(self, itself: Actor, item: dict[str, Any]) -> bool:
        """Whether the grant that a renewal goes on with could be given its later end."""
        try:
            await self._permissions.extend(itself, item["grantId"], item["expiresAt"])
        except (Conflict, Missing):
            return False  # it ended meanwhile: what was approved is granted anew
        return True

    async def _with_own_grant(self, row: Row, own: str) -> Row:
        """The row that names a grant of its own, which is stored before that grant is written.

        So whoever revokes it at this moment ends the right grant: either he is first, and this is
        stale, or he reads the new name.
        """
        item = {**row.item, "grantId": own}
        work = self._store.begin()
        work.put(SUBSCRIPTIONS, item, expected=row.version)
        await work.commit()
        return Row(item, row.version + 1)

    async def _end(self, work: UnitOfWork, row: Row, itself: Actor) -> None:
        item = row.item
        await self._permissions.revoke(itself, item["grantId"])
        if item.get("replaces") is not None:
            await self._permissions.revoke(itself, item["replaces"])
        work.put(SUBSCRIPTIONS, {**item, "status": "revoked"}, expected=row.version)
        work.emit(
            SubscriptionRevoked(
                request_id=item["requestId"],
                asset_id=item["assetId"],
                revoked_by=item["revokedBy"],
                revoked_at=to_text(self._clock.now()),
                reason=item["revocationReason"],
            ).event()
        )


def _in_whose_name(item: dict[str, Any]) -> str:
    """The person on whose decision this is done; where the policies decided, who asked."""
    behalf: str = item["revokedBy"] if item["status"] == "revoking" else item["decidedBy"] or ""
    return behalf if behalf.startswith("user:") else item["requestedBy"]
