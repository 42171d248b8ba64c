"""The history of access: every change of the policy, in the commit that makes it.

A line says what is so from then on, whole, so that a replay up to an instant needs no other line
of the same thing. Lines lie under the resource that they bear on: `asset:…`, `domain:…`, or `tags`
for what reaches over domains.
"""

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

from meshplane.boundary.call import Call
from meshplane.kit.clock import from_text, to_text
from meshplane.platform.store import ABSENT, UnitOfWork
from meshplane.platform.tables import Between
from meshplane.services.permissions.replaying import HistoryKind
from meshplane.services.permissions.store import ACCESS_HISTORY

_PAGE = 200
_LAST_ID = "#\U0010ffff"


def moment_after(now: str, last: str | None) -> str:
    """The time of a change: now, but always after the change before it, whatever the clocks say.

    Args:
        now: RFC 3339, as `Call.now`.
        last: the time of the change before it, if there was one.
    """
    if last is None or now > last:
        return now
    return to_text(from_text(last) + timedelta(microseconds=1))


def person(call: Call) -> str:
    """Who is behind a call: the caller, or the one for whom a service acts."""
    return call.actor.on_behalf_of or call.actor.name


def note(
    call: Call, scope: str, kind: HistoryKind, content: Mapping[str, Any], *, at: str | None = None
) -> None:
    """Adds a line to the history, in the commit of the call.

    Args:
        call: whose commit, and who did it.
        scope: the resource on which it bears: `asset:…`, `domain:…`, `tags`, `location:…`.
        kind: what happened.
        content: the thing as it is now; of what is gone, what names it.
        at: when; by default now.
    """
    time = at or call.now
    item = {
        "scope": scope,
        "entryId": f"{time}#{call.new_id('h')}",
        "kind": kind,
        "by": person(call),
        "at": time,
        "content": dict(content),
    }
    call.work.put(ACCESS_HISTORY, item, expected=ABSENT)


async def entries(work: UnitOfWork, scope: str, until: str) -> AsyncIterator[dict[str, Any]]:
    """The lines of a resource up to an instant (RFC 3339, as rows hold it), oldest first."""
    cursor: str | None = None
    while True:
        page = await work.query(
            ACCESS_HISTORY,
            scope,
            where=Between(None, f"{until}{_LAST_ID}"),
            limit=_PAGE,
            cursor=cursor,
        )
        for row in page.rows:
            yield row.item
        if page.cursor is None:
            return
        cursor = page.cursor
