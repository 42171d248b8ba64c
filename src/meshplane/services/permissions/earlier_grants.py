"""Brings rows of the version that had grants on assets alone into the indexes of today.

Such a row is found by its asset from the first moment, so nothing opens or closes meanwhile. The
rest is done once, by following `PermissionGranted` from the oldest event on: each names one grant.
Done again, it finds nothing to do.
"""

from meshplane.events.consumer import Consumer
from meshplane.platform.events import StoredEvent
from meshplane.platform.store import UnitOfWork
from meshplane.services.permissions.grant_rows import grant_of, item_of
from meshplane.services.permissions.store import ACCESS_HISTORY, GRANTS


async def _bring_up_to_date(work: UnitOfWork, event: StoredEvent) -> None:
    """Rewrites the row of the grant, if it is of the earlier form, and begins its history."""
    row = await work.get(GRANTS, event.detail["grantId"])
    grant = grant_of(row) if row else None
    if row is None or grant is None or "holder" in row.item:
        return
    work.put(GRANTS, item_of(grant, event.time), expected=row.version)
    line = {
        "scope": grant.target.holder,
        "entryId": f"{event.time}#{event.event_id}",
        "kind": "granted",
        "by": "service:subscriptions",
        "at": event.time,
        "content": grant.to_json(),
    }
    work.put(ACCESS_HISTORY, line)


EARLIER_GRANTS = Consumer(
    "permissions.earlier-grants",
    frozenset({"PermissionGranted"}),
    _bring_up_to_date,
    "management-app.permissions",
)
