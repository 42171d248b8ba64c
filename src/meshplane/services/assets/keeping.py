"""What the catalog has kept of assets: the writing half of `AssetsApi`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from zlib import crc32

from meshplane.boundary.actor import Actor
from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call
from meshplane.boundary.etags import stale
from meshplane.events.assets import AssetMetadataChanged
from meshplane.kit.errors import BaseMoved, Conflict, Stale
from meshplane.platform.events import NewEvent
from meshplane.platform.store import ABSENT, Store, UnitOfWork
from meshplane.platform.tables import Row, StartsWith
from meshplane.services.assets.api import (
    PUBLISHED,
    REJECTED,
    AssetMetadata,
    TermUse,
    no_such_asset,
)
from meshplane.services.assets.metadata import dressed, kept, places
from meshplane.services.assets.reader import AssetsReader
from meshplane.services.assets.rows import resource_of
from meshplane.services.assets.store import (
    ASSET_TERMS,
    ASSET_WORDS_IN_PORTAL,
    ASSETS,
    GUARDS,
)

_AT_ONCE = 20
_MOST_USES_TOLD = 20
_MOST_ATTEMPTS = 20
_USES = StartsWith("asset-")


class AssetsKeeper(AssetsReader):
    """All of `AssetsApi`.

    Args:
        boundary: commits what somebody said of an asset.
        store: to read from, and for what follows from elsewhere.
    """

    def __init__(self, boundary: Boundary, store: Store) -> None:
        super().__init__(store)
        self._boundary = boundary

    async def put_metadata(
        self, actor: Actor, asset_id: str, metadata: AssetMetadata, expected: int
    ) -> AssetMetadata:
        """See `AssetsApi.put_metadata`."""

        async def put(call: Call) -> AssetMetadata:
            row = await call.work.get(ASSETS, asset_id)
            if row is None:
                raise no_such_asset()
            await call.allow(resource_of(row))
            if row.item["status"] == REJECTED:
                raise Conflict(
                    "ASSET_REJECTED",
                    "The asset was rejected: nothing more is said of it.",
                    field="assetId",
                )
            before = kept(row.item)
            # Renaming goes over the rows: what a row has of a name is never older.
            known = {one: name for one, name in before.names.items() if one in metadata.names}
            said = replace(metadata, names={**metadata.names, **known}, version=before.version)
            if said == before:
                return before
            if before.version != expected:
                raise stale()
            after = await _move(call.work, asset_id, before, said)
            call.work.put(
                ASSETS, dressed(row.item, after), expected=row.version, otherwise=_moved()
            )
            call.work.emit(_event(call, asset_id, after))
            return after

        return await self._boundary.write("putAssetMetadata", actor, put)

    async def rename_term(self, actor: Actor, term_id: str, name: str) -> None:
        """See `AssetsApi.rename_term`."""
        await self._guard(term_id, name=name)
        cursor: str | None = None
        while True:
            page = await self._store.begin().query(
                ASSET_TERMS, term_id, where=_USES, limit=_AT_ONCE, cursor=cursor
            )
            await self._rename([row.item["assetId"] for row in page.rows], term_id, name)
            cursor = page.cursor
            if cursor is None:
                return

    async def retire_term(self, actor: Actor, term_id: str) -> list[TermUse]:
        """See `AssetsApi.retire_term`."""
        while True:
            work = self._store.begin()
            guards = await _guards(work, term_id)
            page = await work.query(ASSET_TERMS, term_id, where=_USES, limit=_MOST_USES_TOLD)
            if page.rows:
                return await _uses(work, page.rows)
            if await _guarded(work, term_id, guards, isRetired=True):
                return []  # otherwise somebody has just put it on something

    async def restore_term(self, actor: Actor, term_id: str) -> None:
        """See `AssetsApi.restore_term`."""
        await self._guard(term_id, isRetired=False)

    async def note_in_portal(self, actor: Actor, names: Mapping[str, str]) -> None:
        """See `AssetsApi.note_in_portal`."""
        work = self._store.begin()
        for own_id, name in names.items():
            work.put(ASSET_WORDS_IN_PORTAL, {"ownId": own_id, "name": name})
        await work.commit()

    async def _guard(self, term_id: str, **members: Any) -> None:
        """Tells this whoever puts the term on something meanwhile."""
        while True:
            work = self._store.begin()
            guards = await _guards(work, term_id)
            told = [{name: guard.item.get(name) for name in members} for guard in guards.values()]
            if len(told) == len(GUARDS) and all(one == members for one in told):
                return
            if await _guarded(work, term_id, guards, **members):
                return

    async def _rename(self, asset_ids: Sequence[str], term_id: str, name: str) -> None:
        """Renames a term on some assets, in one commit; again if one of them was changed."""
        for attempt in range(1, _MOST_ATTEMPTS + 1):
            work = self._store.begin()
            for asset_id in asset_ids:
                row = await work.get(ASSETS, asset_id)
                metadata = kept(row.item) if row else None
                if row is None or metadata is None or metadata.names.get(term_id) in (None, name):
                    continue
                renamed = replace(metadata, names={**metadata.names, term_id: name})
                work.put(ASSETS, dressed(row.item, renamed), expected=row.version)
            try:
                await work.commit()
            except Stale:
                if attempt == _MOST_ATTEMPTS:
                    raise
            else:
                return


async def _move(
    work: UnitOfWork, asset_id: str, before: AssetMetadata, said: AssetMetadata
) -> AssetMetadata:
    """Keeps which terms the asset has, against whoever retires or renames one of them meanwhile.

    Returns:
        What is said then, in its new version and with the names of now.
    """
    old, new, names = places(before), places(said), dict(said.names)
    for term_id in old.keys() - new.keys():
        work.delete(ASSET_TERMS, term_id, asset_id)
    for term_id, where in new.items():
        if old.get(term_id) == where:
            continue
        if term_id not in old:
            place = GUARDS[crc32(asset_id.encode()) % len(GUARDS)]
            guard = await work.get(ASSET_TERMS, term_id, place)
            known = guard.item if guard else {}
            if known.get("isRetired"):
                raise Conflict(
                    "TERM_RETIRED",
                    f"The term {names[term_id]} is being removed: choose another.",
                    field="terms",
                )
            names[term_id] = known.get("name", names[term_id])
            _put_guard(work, term_id, place, guard)
        use = {"termId": term_id, "assetId": asset_id, "places": list(where)}
        work.put(ASSET_TERMS, use)
    return replace(said, names=names, version=before.version + 1)


async def _guards(work: UnitOfWork, term_id: str) -> dict[str, Row]:
    rows = await work.get_many(ASSET_TERMS, [(term_id, place) for place in GUARDS])
    return {row.item["assetId"]: row for row in rows}


async def _guarded(
    work: UnitOfWork, term_id: str, guards: Mapping[str, Row], **members: Any
) -> bool:
    """Writes all guards of a term; whether nobody has written one of them meanwhile."""
    for place in GUARDS:
        _put_guard(work, term_id, place, guards.get(place), **members)
    try:
        await work.commit()
    except BaseMoved:
        return False
    return True


def _put_guard(
    work: UnitOfWork, term_id: str, place: str, guard: Row | None, **members: Any
) -> None:
    work.put(
        ASSET_TERMS,
        {**(guard.item if guard else {}), **members, "termId": term_id, "assetId": place},
        expected=guard.version if guard else ABSENT,
        otherwise=_moved(),
    )


async def _uses(work: UnitOfWork, rows: Sequence[Row]) -> list[TermUse]:
    found = []
    for use in rows:
        row = await work.get(ASSETS, use.item["assetId"])
        if row is None:
            continue
        item = row.item
        found.append(
            TermUse(
                item["assetId"],
                f"{item['domainName']}.{item['name']}",
                item["domainId"],
                item["projectId"],
                item["status"] == PUBLISHED,
                tuple(use.item["places"]),
            )
        )
    return found


def _event(call: Call, asset_id: str, metadata: AssetMetadata) -> NewEvent:
    return AssetMetadataChanged(
        asset_id=asset_id,
        terms=tuple(sorted(places(metadata))),
        forms=tuple(one.form_id for one in metadata.forms),
        changed_by=call.actor.on_behalf_of or call.actor.name,
        changed_at=call.now,
    ).event()


def _moved() -> BaseMoved:
    return BaseMoved("STALE", "It was changed meanwhile: try again.")
