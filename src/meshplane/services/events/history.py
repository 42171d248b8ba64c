"""Use cases of archives and replays."""

from meshplane.boundary.call import Call
from meshplane.boundary.etags import stale
from meshplane.boundary.schemas import Page, PageQuery
from meshplane.events.archives import EVENT_ARCHIVES, Archive, archive_item, archive_of
from meshplane.events.envelope import BUS
from meshplane.events.patterns import compile_pattern
from meshplane.events.replays import ACTIVE, EVENT_REPLAYS, ended
from meshplane.kit.clock import from_text, to_text
from meshplane.kit.errors import BaseMoved, Conflict, Invalid, Missing
from meshplane.platform.store import ABSENT, Store
from meshplane.platform.tables import Row
from meshplane.policy.model import MESH
from meshplane.services.events.names import bus_name
from meshplane.services.events.schemas import ArchiveBody, ArchiveView, ReplayBody, ReplayView


class History:
    """Keeps archives, and starts replays of them.

    Args:
        store: tells how far the outbox is.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def put_archive(self, call: Call, name: str, body: ArchiveBody) -> ArchiveView:
        """Creates or replaces an archive. It holds what happened before it was made as well.

        Raises:
            Invalid: NAME_INVALID, InvalidEventPatternException.
        """
        await call.allow(MESH)
        call.resource = f"Archive:{bus_name(name)}"
        if body.event_pattern is not None:
            compile_pattern(body.event_pattern)
        row = await call.work.get(EVENT_ARCHIVES, BUS, name)
        archive = Archive(
            name=name,
            description=body.description,
            event_pattern=body.event_pattern,
            retention_days=body.retention_days,
            created_by=row.item["created_by"] if row else call.actor.name,
            created_at=row.item["created_at"] if row else call.now,
            version=row.version + 1 if row else 1,
        )
        call.work.put(
            EVENT_ARCHIVES,
            archive_item(archive),
            expected=row.version if row else ABSENT,
            otherwise=stale(),
        )
        return _archive_view(archive)

    async def list_archives(self, call: Call, query: PageQuery) -> Page[ArchiveView]:
        """All archives by name."""
        await call.allow(MESH)
        page = await call.work.query(EVENT_ARCHIVES, BUS, limit=query.limit, cursor=query.cursor)
        return Page[ArchiveView](
            items=[_archive_view(archive_of(row)) for row in page.rows], next_cursor=page.cursor
        )

    async def delete_archive(self, call: Call, name: str) -> None:
        """Removes an archive; the events stay. A replay that runs goes on.

        Raises:
            Missing: ARCHIVE_NOT_FOUND.
        """
        await call.allow(MESH)
        call.resource = f"Archive:{bus_name(name)}"
        await self._archive(call, name)
        call.work.delete(EVENT_ARCHIVES, BUS, name)

    async def start_replay(self, call: Call, body: ReplayBody) -> ReplayView:
        """Starts to give an archive's events to the rules once more.

        Raises:
            Missing: ARCHIVE_NOT_FOUND.
            Invalid: REPLAY_INVALID.
        """
        await call.allow(MESH)
        archive = await self._archive(call, bus_name(body.archive, "archive"))
        begin, end = _instant(body.from_, "from"), _instant(body.to, "to")
        if begin >= end:
            raise Invalid("REPLAY_INVALID", "`from` must be before `to`.", field="from")
        replay_id = call.new_id("replay")
        item = {
            "replayId": replay_id,
            "bus": BUS,
            "active": ACTIVE,
            "name": body.name,
            "archive": archive.name,
            "eventPattern": archive.event_pattern,
            "retentionDays": archive.retention_days,
            "begin": begin,
            "end": end,
            "rules": body.rules,
            "state": "STARTING",
            "position": 0,
            # What happens while it runs, and what it brings about, is not replayed.
            "until": await self._store.last_event(),
            "events": 0,
            "startedBy": call.actor.name,
            "startedAt": call.now,
            "endedAt": None,
            "hops": call.actor.hops,
        }
        call.work.put(EVENT_REPLAYS, item, expected=ABSENT)
        call.resource = f"Replay:{replay_id}"
        call.note(archive=archive.name, begin=begin, end=end)
        return _replay_view(Row(item, 1))

    async def get_replay(self, call: Call, replay_id: str) -> ReplayView:
        """A replay.

        Raises:
            Missing: REPLAY_NOT_FOUND.
        """
        await call.allow(MESH)
        return _replay_view(await _replay(call, replay_id))

    async def list_replays(self, call: Call, query: PageQuery) -> Page[ReplayView]:
        """All replays, the latest first."""
        await call.allow(MESH)
        page = await call.work.query(
            EVENT_REPLAYS,
            BUS,
            index="byTime",
            limit=query.limit,
            cursor=query.cursor,
            descending=True,
        )
        return Page[ReplayView](
            items=[_replay_view(row) for row in page.rows], next_cursor=page.cursor
        )

    async def cancel_replay(self, call: Call, replay_id: str) -> ReplayView:
        """Ends a replay; what it has sent already is still delivered.

        Raises:
            Missing: REPLAY_NOT_FOUND.
            Conflict: REPLAY_ENDED.
        """
        await call.allow(MESH)
        call.resource = f"Replay:{replay_id}"
        row = await _replay(call, replay_id)
        if "active" not in row.item:
            raise Conflict("REPLAY_ENDED", "This replay has ended already.")
        item = ended(row.item, "CANCELLED", call.now)
        moved = BaseMoved("REPLAY_MOVED", "The replay went on meanwhile.")
        call.work.put(EVENT_REPLAYS, item, expected=row.version, otherwise=moved)
        return _replay_view(Row(item, row.version + 1))

    async def _archive(self, call: Call, name: str) -> Archive:
        row = await call.work.get(EVENT_ARCHIVES, BUS, name)
        if row is None:
            raise Missing("ARCHIVE_NOT_FOUND", "There is no such archive.")
        return archive_of(row)


async def _replay(call: Call, replay_id: str) -> Row:
    row = await call.work.get(EVENT_REPLAYS, replay_id)
    if row is None:
        raise Missing("REPLAY_NOT_FOUND", "There is no such replay.")
    return row


def _instant(text: str, field: str) -> str:
    try:
        return to_text(from_text(text))
    except ValueError:
        raise Invalid(
            "REPLAY_INVALID",
            "Give an instant in RFC 3339, such as 2026-11-01T00:00:00Z.",
            field=field,
        ) from None


def _archive_view(archive: Archive) -> ArchiveView:
    return ArchiveView(
        name=archive.name,
        description=archive.description,
        event_pattern=None if archive.event_pattern is None else dict(archive.event_pattern),
        retention_days=archive.retention_days,
        created_by=archive.created_by,
        created_at=archive.created_at,
        version=archive.version,
    )


def _replay_view(row: Row) -> ReplayView:
    item = row.item
    return ReplayView.model_validate(
        {
            "replayId": item["replayId"],
            "name": item["name"],
            "archive": item["archive"],
            "from": item["begin"],
            "to": item["end"],
            "rules": item["rules"],
            "state": item["state"],
            "events": item["events"],
            "startedBy": item["startedBy"],
            "startedAt": item["startedAt"],
            "endedAt": item["endedAt"],
            "errorCode": item.get("errorCode"),
            "version": row.version,
        }
    )
