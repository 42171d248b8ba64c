"""Sees that what a statement reads may still be read while it runs.

The access of each statement that runs is looked up anew twice a second, by the very code that
opened it. So whatever takes access away ends the statement within moments: a revoked, changed or
expired grant, a tag, a data filter, a membership that ended. Events of grants alone would not tell
of all these.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from meshplane.boundary.actor import Actor
from meshplane.kit.errors import Conflict, MeshplaneError, Unavailable
from meshplane.services.query.access import Access, Opened
from meshplane.services.query.sandbox import RelationName
from meshplane.services.query.viewed import all_opened, anew
from meshplane.services.tables.api import QueryResult, Scan, TablesApi, TableSummary

LOOK_SECONDS = 0.5
_MOST_UNANSWERED = 3


async def until_lost(access: Access, look_seconds: float = LOOK_SECONDS) -> MeshplaneError:
    """Returns when something that was opened may no longer be read as it was.

    A look that gets no answer says nothing; after three of them in a row the statement ends too.

    Args:
        access: of the statement; what it has opened grows while its relations are resolved.
        look_seconds: between two looks.

    Returns:
        What the caller is to be told.
    """
    unanswered = 0
    while True:
        await asyncio.sleep(look_seconds)
        try:
            if not await _holds(access):
                return lost()
            unanswered = 0
        except Unavailable:
            unanswered += 1
            if unanswered >= _MOST_UNANSWERED:
                return lost()


async def _holds(access: Access) -> bool:
    """Whether each relation may be read now as it was opened, or more of it."""
    opened, below = tuple(access.opened), all_opened(access)[len(access.opened) :]
    if not opened:
        return True
    if not await _may_still_ask(access):
        return False
    scans = {one.asset.table_id: one.scan for one in (*opened, *below)}
    now = anew(access, _Planned(access.tables, scans))
    names = [RelationName(one.asset.domain_name, one.asset.name) for one in opened]
    try:
        # Of the class itself: a snapshot of a relation that is opened later is no loss.
        await Access.resolve(now, names)
    except Unavailable:
        raise
    except MeshplaneError:
        return False
    # They are opened in the same order; while the statement's own are not all resolved yet, the
    # second look may go further than the first.
    found = all_opened(now)[len(now.opened) :]
    return _covers(now.opened, opened) and _covers(found[: len(below)], below)


async def _may_still_ask(access: Access) -> bool:
    """Whether whoever asks for a project that he named still is a member of it.

    Of those that he did not name, only his own are looked up.
    """
    actor, project_id = access.actor, access.project_id
    if project_id is None or actor.is_service:
        return True
    return bool(await access.projects.roles(actor, project_id, actor.principals))


def _covers(now: Sequence[Opened], before: Sequence[Opened]) -> bool:
    return len(now) == len(before) and all(
        one.asset.asset_id == other.asset.asset_id
        and all(scope in other.relation.scopes for scope in one.relation.scopes)
        for one, other in zip(before, now, strict=True)
    )


def lost() -> Conflict:
    """What a caller is told whose access was taken away or narrowed while his statement ran."""
    return Conflict(
        "SQL_CANCELLED",
        "What the statement reads was taken from you, or narrowed, while it ran. Run it again to "
        "read what you may read now.",
    )


@dataclass(frozen=True, slots=True)
class _Planned:
    """Tables that were planned already; `TablesApi` as far as access asks it."""

    tables: TablesApi
    scans: Mapping[str, Scan]

    async def find(self, actor: Actor, table_id: str) -> TableSummary | None:
        return await self.tables.find(actor, table_id)

    async def scan(
        self,
        actor: Actor,
        table_id: str,
        as_of: datetime | None,
        snapshot_id: str | None = None,
    ) -> Scan:
        found = self.scans.get(table_id)
        if found is None:
            raise lost()  # another table goes by this name now
        return found

    async def version(
        self,
        actor: Actor,
        table_id: str,
        as_of: datetime | None,
        snapshot_id: str | None = None,
    ) -> Scan:
        return await self.scan(actor, table_id, as_of, snapshot_id)

    async def create_from_query(self, actor: Actor, result: QueryResult) -> TableSummary:
        raise PermissionError("a look at access makes no table")
