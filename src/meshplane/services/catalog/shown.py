"""Use cases: what others have changed in the portal, and bringing it to what the mesh has.

Each service that shows things there does its part; here they are one.
"""

from collections.abc import Mapping
from typing import Any

from meshplane.boundary.call import Call
from meshplane.boundary.mending import Mending, Stepped
from meshplane.boundary.mending_schemas import shared_members
from meshplane.boundary.portal_parts import PortalParts
from meshplane.boundary.schemas import PageQuery
from meshplane.events.queues import QueueHandler
from meshplane.kit.clock import Clock
from meshplane.platform.store import Store
from meshplane.policy.model import MESH
from meshplane.services.catalog.shown_schemas import (
    PortalDifferenceView,
    PortalDriftView,
    PortalReconcile,
    PortalReconciliationView,
)
from meshplane.services.catalog.store import PORTAL_RECONCILIATIONS

QUEUE = "portal-reconciliations"
_BROUGHT = "brought"
_PATIENCE_SECONDS = 5.0


class Shown:
    """Tells of drift in the portal, and has it mended.

    Args:
        parts: what the services of this process show there; none where nothing is shown.
        store: holds what is being done.
        clock: the present.
    """

    def __init__(self, parts: PortalParts, store: Store, clock: Clock) -> None:
        self._parts = parts
        self._mending = Mending(
            PORTAL_RECONCILIATIONS, QUEUE, self._step, store, clock, counts=(_BROUGHT,)
        )

    @property
    def queues(self) -> tuple[QueueHandler, ...]:
        """What works off reconciliations, one part after the other."""
        return self._mending.queues

    async def drift(self, call: Call, query: PageQuery) -> PortalDriftView:
        """What others have changed there. It is looked up now, and nothing is changed or noted.

        A page looks at a part of what is shown: it may hold fewer differences than its limit, and
        none, before the last one.

        Raises:
            Invalid: CURSOR_INVALID.
            Unavailable: the portal is not to be had.
        """
        await call.allow(MESH)
        page = await self._parts.drift(query.limit, query.cursor)
        items = [
            PortalDifferenceView(
                kind=one.kind,
                own_id=one.own_id,
                portal_id=one.portal_id,
                field=one.field,
                ours=one.ours,
                theirs=one.theirs,
            )
            for one in page.found
        ]
        compared = len(self._parts) > 0
        return PortalDriftView(items=items, next_cursor=page.cursor, compared=compared)

    async def reconcile(self, call: Call, body: PortalReconcile) -> PortalReconciliationView:
        """Begins to bring the portal to what the mesh has, each thing in a commit of its own."""
        await call.allow(MESH)
        call.note(mend=body.mend)
        first = 0 if self._parts else None
        return self._view(await self._mending.begin(call, {"mend": body.mend}, first))

    async def awaited(self, reconciliation_id: str) -> PortalReconciliationView:
        """The work once it is done, or as it is after five seconds."""
        return self._view(await self._mending.awaited(reconciliation_id, _PATIENCE_SECONDS))

    async def get(self, call: Call, reconciliation_id: str) -> PortalReconciliationView:
        """The work as it is now.

        Raises:
            Missing: RECONCILIATION_NOT_FOUND.
        """
        await call.allow(MESH)
        return self._view(await self._mending.find(call.work, reconciliation_id))

    async def _step(self, wish: Mapping[str, Any], place: int) -> Stepped:
        if place >= len(self._parts):
            return Stepped({})  # fewer are shown than when it began
        brought = await self._parts[place].bring_all(mend=wish["mend"])
        following = place + 1 if place + 1 < len(self._parts) else None
        return Stepped({_BROUGHT: brought.count}, brought.failed, following)

    def _view(self, item: Mapping[str, Any]) -> PortalReconciliationView:
        return PortalReconciliationView(
            **shared_members(item),
            mend=item["wish"]["mend"],
            kinds=len(self._parts),
            brought=item["counts"][_BROUGHT],
        )
