"""`LakeGrants` over AWS Lake Formation.

What is there is read in pages of a thousand and kept for a while, so that carrying very many grants
takes little more than the batches that hold them; a few are carried by what is read just then.
Whoever asks for very many single entries gets them as they were some seconds ago.
Entries are given in the order of their keys, which Lake Formation's own pages know nothing of: so
what is there all the while is given once, also where several readings follow each other.

Needs AWS, as no emulator shows it: how fast a grant shows in what is read (eventually), the limits
on calls a second, and that Lake Formation has no way to change a grant only if it is as it was
seen: what `unchanged` asks for is read just before, and not in the same moment.
"""

import asyncio
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence

from meshplane.kit.errors import Invalid, MeshplaneError, TooLarge
from meshplane.platform.aws.calls import Aws
from meshplane.services.lake.aws_applying import Applying
from meshplane.services.lake.aws_columns import Noted, by_list, noted_of, settle
from meshplane.services.lake.aws_entries import Holdings, ListKey, group_of, list_key
from meshplane.services.lake.aws_notes import Notes, OwnNotes
from meshplane.services.lake.aws_reading import LakeReading
from meshplane.services.lake.entries import canonical, key_of
from meshplane.services.lake.ports import (
    MOST_CHANGES,
    LakeChange,
    LakeEntry,
    LakeFailure,
    LakeKind,
    LakePage,
    MarkPage,
)

_KEY_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
_FEW = 20
_TRUST_SECONDS = 60.0
_PAGES_SECONDS = 300.0
_BURST_SECONDS = 5.0


class LakeFormationLake:
    """The grants of Lake Formation in one account and region.

    Args:
        aws: as the mesh's own role, an administrator of the data lake.
        own: principals whose rights are no grants of data: the data lake's administrators.
        is_ours: says of a database whether its grants are the mesh's; None: all of the catalog's.
        notes: what the mesh has noted of its entries, in all of its processes; None: this process
            alone writes to the lake, and remembers what it put.
        trust_seconds: how long what was read may be the ground of bulk changes.
    """

    def __init__(
        self,
        aws: Aws,
        *,
        own: frozenset[str] = frozenset(),
        is_ours: Callable[[str], bool] | None = None,
        notes: Notes | None = None,
        trust_seconds: float = _TRUST_SECONDS,
    ) -> None:
        self._aws = aws
        self._reading = LakeReading(aws, own, is_ours)
        self._applying = Applying(aws, self._reading)
        self._own_notes = OwnNotes()
        self._notes: Notes = notes if notes is not None else self._own_notes
        self._trust_seconds = trust_seconds
        self._known: Holdings | None = None
        self._known_at = 0.0
        self._paged: tuple[float, list[str], dict[str, LakeEntry]] | None = None
        self._burst, self._burst_at = 0, 0.0
        self._turn = asyncio.Lock()

    async def read(self, limit: int, cursor: str | None) -> LakePage:
        """See `LakeGrants.read`."""
        _check(cursor)
        paged = self._paged
        if cursor is None or paged is None or time.monotonic() - paged[0] > _PAGES_SECONDS:
            began = time.monotonic()
            entries = dict((await self._everything()).entries)
            paged = self._paged = (began, sorted(entries), entries)
        _, keys, entries = paged
        begin = 0 if cursor is None else bisect_right(keys, cursor)
        shown = keys[begin : begin + max(1, limit)]
        more = begin + len(shown) < len(keys)
        return LakePage(tuple(entries[key] for key in shown), shown[-1] if more else None)

    async def marks(self, limit: int, cursor: str | None) -> MarkPage:
        """See `LakeGrants.marks`."""
        page = await self.read(limit, cursor)
        return MarkPage(tuple((one.key, one.fingerprint) for one in page.entries), page.cursor)

    async def find(self, key: str) -> LakeEntry | None:
        """See `LakeGrants.find`."""
        resource = await self._own_notes.resource(key)
        if resource is None:
            resource = await self._notes.resource(key)
        if resource is None or self._is_burst(1):
            return (await self._lately()).entries.get(key)
        found = await self._reading.on([resource])
        settle(found, by_list(await self._notes.of(_principals(found))))
        return found.entries.get(key)

    async def apply(self, changes: Sequence[LakeChange]) -> list[LakeFailure]:
        """See `LakeGrants.apply`."""
        if len(changes) > MOST_CHANGES:
            raise TooLarge(
                "LAKE_BATCH_TOO_LARGE", f"A lake takes at most {MOST_CHANGES} changes at once."
            )
        failures: dict[str, LakeFailure] = {}
        async with self._turn:
            for part in _parts(changes):
                told = await self._apply(part)
                for change in part:
                    failures.pop(change.entry.key, None)
                failures |= {one.key: one for one in told}
        return list(failures.values())

    async def describe(self) -> LakeKind:
        """See `LakeGrants.describe`."""
        return LakeKind(
            "AWS Lake Formation",
            "lake-formation",
            tells_makers=False,
            masks=False,
            details={"account": self._aws.place.account, "region": self._aws.place.region},
        )

    async def _apply(self, changes: Sequence[LakeChange]) -> list[LakeFailure]:
        """Makes changes of different entries."""
        self._own_notes.met(change.entry for change in changes)
        for change in changes:
            if change.action == "put":
                self._own_notes.put(change.entry)
            else:
                self._own_notes.removed(change.entry)
        noted = await self._noted(changes)
        known = await self._known_for(changes, noted)
        try:
            failures = await self._applying.apply(changes, known, noted)
        except MeshplaneError:
            self._known = None  # how much of it is done is not known
            raise
        failed = {one.key for one in failures}
        for change in changes:
            if change.entry.key in failed:
                self._own_notes.removed(change.entry)
        return failures

    async def _noted(self, changes: Sequence[LakeChange]) -> dict[ListKey, list[Noted]]:
        """What the mesh wants on the lists of columns that changes are about, once all is made."""
        listed = [one for one in changes if list_key(one.entry.principal, one.entry.resource)]
        if not listed:
            return {}
        found = {
            key_of(one.principal, one.resource): one
            for one in await self._notes.of({one.entry.principal for one in listed})
        }
        for change in listed:
            noted = noted_of(change.entry)
            if change.action == "put" and noted is not None:
                found[change.entry.key] = noted
            else:
                found.pop(change.entry.key, None)
        return by_list(found.values())

    async def _everything(self) -> Holdings:
        began = time.monotonic()
        found = await self._reading.everything()
        settle(found, by_list(await self._notes.of(_principals(found))))
        self._known, self._known_at = found, began
        self._own_notes.met(found.entries.values())
        return found

    async def _lately(self) -> Holdings:
        """All there is, as it was some seconds ago at most: for those who ask very often."""
        age = time.monotonic() - self._known_at
        if self._known is not None and age <= _BURST_SECONDS and self._is_burst(0):
            return self._known
        self._is_burst(self._reading.calls)
        return await self._everything()

    def _is_burst(self, calls: int) -> bool:
        """Counts calls for single entries; whether they are more than reading everything takes."""
        now = time.monotonic()
        if now - self._burst_at > _BURST_SECONDS:
            self._burst_at, self._burst = now, 0
        self._burst += calls
        return self._burst > max(_FEW, 2 * self._reading.calls)

    async def _known_for(
        self, changes: Sequence[LakeChange], noted: Mapping[ListKey, list[Noted]]
    ) -> Holdings:
        """What lies on the resources of some changes, read by the fewest calls that will do."""
        is_bulk = len(changes) > _FEW
        is_trusted = time.monotonic() - self._known_at <= self._trust_seconds
        known = self._known if is_trusted else None
        if known is not None and is_bulk and not any(change.unchanged for change in changes):
            return known
        entries = [change.entry for change in changes]
        groups = len({canonical(group_of(one.resource)) for one in entries})
        if groups > self._reading.calls or (known is None and is_bulk):
            return await self._everything()
        if known is None:
            known = Holdings()
        await self._applying.look_again(entries, known, noted)
        return known


def _principals(found: Holdings) -> set[str]:
    """Who holds columns by their names."""
    return {one.principal for one in found.lists.values()}


def _parts(changes: Sequence[LakeChange]) -> Iterator[list[LakeChange]]:
    """The changes in pieces, none with two of one entry: those are made one after the other."""
    part: dict[str, LakeChange] = {}
    for change in changes:
        if change.entry.key in part:
            yield list(part.values())
            part = {}
        part[change.entry.key] = change
    if part:
        yield list(part.values())


def _check(cursor: str | None) -> None:
    """Refuses a cursor that no page gave.

    Raises:
        Invalid: CURSOR_INVALID.
    """
    if cursor is not None and not (cursor and _KEY_LETTERS.issuperset(cursor)):
        raise Invalid(
            "CURSOR_INVALID",
            "The cursor is not one that an earlier page of this list gave.",
            field="cursor",
        )
