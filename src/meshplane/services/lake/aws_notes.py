"""What the mesh remembers of the entries that it puts into Lake Formation."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Protocol

from meshplane.platform.store import Store
from meshplane.services.lake.aws_columns import Noted, noted_of
from meshplane.services.lake.aws_entries import list_key
from meshplane.services.lake.ports import LakeEntry
from meshplane.services.lake.store import LAKE_ENTRIES

_PAGE = 200
_MOST = 500_000


class Notes(Protocol):
    """Knows the entries that were put, or are about to be."""

    async def resource(self, key: str) -> Mapping[str, Any] | None:
        """The resource of an entry by its key."""
        ...

    async def of(self, principals: Collection[str]) -> list[Noted]:
        """The entries on listed columns of some principals."""
        ...


class OwnNotes:
    """What this process has read or put. It forgets all when it holds very much."""

    def __init__(self) -> None:
        self._resources: dict[str, Mapping[str, Any]] = {}
        self._put: dict[str, dict[str, Noted]] = {}

    async def resource(self, key: str) -> Mapping[str, Any] | None:
        """See `Notes.resource`."""
        return self._resources.get(key)

    async def of(self, principals: Collection[str]) -> list[Noted]:
        """See `Notes.of`."""
        return [one for name in principals for one in self._put.get(name, {}).values()]

    def met(self, entries: Iterable[LakeEntry]) -> None:
        """Remembers where entries lie."""
        if len(self._resources) > _MOST:
            self._resources.clear()
        for one in entries:
            self._resources[one.key] = one.resource

    def put(self, entry: LakeEntry) -> None:
        """Remembers an entry as one that the mesh wants."""
        noted = noted_of(entry)
        if noted is not None:
            self._put.setdefault(entry.principal, {})[entry.key] = noted

    def removed(self, entry: LakeEntry) -> None:
        """Forgets that the mesh wants an entry."""
        self._put.get(entry.principal, {}).pop(entry.key, None)


class StoreNotes:
    """What the lake service notes of an entry before it is put, in the store of the mesh.

    Args:
        store: has the notes.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def resource(self, key: str) -> Mapping[str, Any] | None:
        """See `Notes.resource`."""
        row = await self._store.begin().get(LAKE_ENTRIES, key)
        resource: Mapping[str, Any] | None = None if row is None else row.item["resource"]
        return resource

    async def of(self, principals: Collection[str]) -> list[Noted]:
        """See `Notes.of`."""
        work, found = self._store.begin(), []
        for principal in principals:
            cursor: str | None = None
            while True:
                page = await work.query(
                    LAKE_ENTRIES, principal, index="byPrincipal", limit=_PAGE, cursor=cursor
                )
                for row in page.rows:
                    resource = row.item["resource"]
                    if list_key(principal, resource) is not None:
                        passes_on = bool(row.item.get("grantable"))
                        found.append(Noted(principal, resource, passes_on))
                cursor = page.cursor
                if cursor is None:
                    break
        return found
