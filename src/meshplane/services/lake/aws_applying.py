"""Makes entries of Lake Formation exactly what they should be.

Revoking comes first, then filters are put, then it is granted, and at last filters go that nobody
holds: at no moment is more open than before or afterwards.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from meshplane.kit.errors import Unavailable
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected, AwsUnavailable
from meshplane.services.lake.aws_batches import BUSY, Piece, carry_out
from meshplane.services.lake.aws_columns import Noted, settle
from meshplane.services.lake.aws_entries import (
    Cells,
    ColumnList,
    Holdings,
    ListKey,
    filter_name,
    group_of,
    list_key,
    made,
)
from meshplane.services.lake.aws_filters import CellsFilters
from meshplane.services.lake.aws_planning import Plan, planned
from meshplane.services.lake.aws_reading import LakeReading, unavailable
from meshplane.services.lake.aws_recent import RecentWrites
from meshplane.services.lake.ports import LakeChange, LakeEntry, LakeFailure

_TRIES = 3
_MOVED = "LAKE_ENTRY_MOVED"

ByList = Mapping[ListKey, list[Noted]]


class Applying:
    """Carries changes of different entries out.

    Args:
        aws: as the mesh's own role.
        reading: reads what is there.
    """

    def __init__(self, aws: Aws, reading: LakeReading) -> None:
        self._aws = aws
        self._reading = reading
        self._filters = CellsFilters(aws, reading)
        self._recent = RecentWrites()

    async def apply(
        self, changes: Sequence[LakeChange], known: Holdings, noted: ByList
    ) -> list[LakeFailure]:
        """Makes the changes, and says which it could not make.

        Args:
            changes: no two of one key.
            known: what lies on the resources in question; kept up to what is done.
            noted: by list of columns, all entries that the mesh wants on it, after these changes.

        Raises:
            Unavailable: LAKE_UNAVAILABLE, perhaps after some of them.
        """
        left = list(changes)
        moved: list[LakeFailure] = []
        for turn in range(_TRIES):
            plan = planned(left, known, noted, self._recent.doubts(left, known))
            try:
                await self._carry_out(plan, known, noted)
            except AwsUnavailable as error:
                # Its answer may be all that was lost. What was done is seen by reading.
                if turn + 1 == _TRIES:
                    raise unavailable() from error
                moved += [one for one in plan.failures.values() if one.code == _MOVED]
                gone = {one.key for one in moved}
                left = [replace(one, unchanged=False) for one in left if one.entry.key not in gone]
                await self.look_again([one.entry for one in left], known, noted)
            else:
                failed = [one for one in left if one.entry.key in plan.failures]
                if failed:
                    await self.look_again([one.entry for one in failed], known, noted)
                return [*moved, *plan.failures.values()]
        return moved

    async def look_again(
        self, entries: Sequence[LakeEntry], known: Holdings, noted: ByList
    ) -> None:
        """Reads what is there on the resources of some entries, and puts it into `known`.

        Raises:
            Unavailable: LAKE_UNAVAILABLE.
        """
        found = await self._reading.on(one.resource for one in entries)
        for one in entries:
            known.entries.pop(one.key, None)
            name, key = filter_name(one.resource), list_key(one.principal, one.resource)
            if name is not None:
                known.filters.pop(name, None)
            if key is not None:
                known.lists.pop(key, None)
        known.entries.update(found.entries)
        known.filters.update(found.filters)
        known.lists.update(found.lists)
        settle(known, noted, {*_lists(entries), *found.lists})

    async def _carry_out(self, plan: Plan, known: Holdings, noted: ByList) -> None:
        await self._revoke(plan, known, noted)
        await self._put_filters(plan, known)
        grants = [one for one in plan.grants if one.key not in plan.failures]
        for key, code in (await carry_out(self._aws, "grant", grants)).items():
            plan.failures[key] = failure(key, code)
        self._note(plan, known, noted)
        await self._drop_filters(plan, known)

    async def _revoke(self, plan: Plan, known: Holdings, noted: ByList) -> None:
        """Revokes; what is held no more cannot be revoked, and takes the rest with it."""
        left = plan.revokes
        for turn in range(_TRIES):
            refused = await carry_out(self._aws, "revoke", left)
            if not refused:
                return
            found = await self._reading.on(one.resource for one in left if one.key in refused)
            left = [
                rest
                for one in left
                if one.key in refused and (rest := _still_held(one, found)) is not None
            ]
            if not left:
                return
            if turn + 1 == _TRIES:
                for one in left:
                    told = failure(one.key, refused[one.key])
                    # What was read may be late: then it is gone, and is seen to be gone later.
                    is_late = told.code == "LAKE_ENTRY_INVALID"
                    plan.failures[one.key] = failure(one.key, BUSY) if is_late else told

    async def _put_filters(self, plan: Plan, known: Holdings) -> None:
        for name, meant in plan.filters.items():
            if meant.filter is None or meant.key in plan.failures:
                continue
            code = await self._filters.put(name, meant.filter, known.filters.get(name))
            if code is None:
                known.filters[name] = Cells(meant.filter, None)
                continue
            for one in plan.put:
                if filter_name(one.resource) == name:
                    plan.failures[one.key] = failure(one.key, code)

    async def _drop_filters(self, plan: Plan, known: Holdings) -> None:
        names = {filter_name(one.resource) for one in plan.removed if one.key not in plan.failures}
        names.discard(None)
        held = {filter_name(one.resource) for one in known.entries.values()} if names else set()
        for name in names - held:
            if name is None or name not in known.filters:
                continue
            try:
                await self._filters.drop(name)
            except (AwsRejected, Unavailable):
                continue  # it grants nothing to anybody; what grants by it finds it and uses it
            known.filters.pop(name, None)

    def _note(self, plan: Plan, known: Holdings, noted: ByList) -> None:
        """Keeps what is known up to what was done; what failed is read anew."""
        for piece in plan.revokes:
            if piece.key not in plan.failures:
                self._note_columns(piece, known, is_grant=False)
        for piece in plan.grants:
            if piece.key not in plan.failures:
                self._note_columns(piece, known, is_grant=True)
        done = [one for one in plan.put if one.key not in plan.failures]
        gone = [one for one in plan.removed if one.key not in plan.failures]
        for one in (*done, *gone):
            before = known.entries.pop(one.key, None)
            after = None
            if one in done:
                after = known.entries[one.key] = made(
                    one.principal, one.resource, one.permissions, one.grantable, filter=one.filter
                )
            if list_key(one.principal, one.resource) is None:
                self._recent.entry(one.key, before, after)
        lists = _lists([*done, *gone])
        if lists:
            settle(known, noted, lists)

    def _note_columns(self, piece: Piece, known: Holdings, *, is_grant: bool) -> None:
        key = list_key(piece.principal, piece.resource)
        if key is None:
            return
        before = known.lists.get(key)
        held = ColumnList(piece.principal, group_of(piece.resource)["Table"])
        if before is not None:
            held = replace(before, columns=set(before.columns), passed_on=set(before.passed_on))
        names = set(piece.resource["TableWithColumns"]["ColumnNames"])
        if is_grant:
            held.columns |= names
            held.passed_on |= names if piece.grantable else set()
        else:
            held.passed_on -= names
            held.columns -= names if piece.permissions else set()
        known.lists[key] = held
        self._recent.columns(key, before, held)


def _still_held(piece: Piece, found: Holdings) -> Piece | None:
    """What of a piece is still held; None if nothing is."""
    key = list_key(piece.principal, piece.resource)
    if key is not None:
        held = found.lists.get(key)
        on = piece.resource["TableWithColumns"]
        names = set(on["ColumnNames"])
        names &= (held.columns if piece.permissions else held.passed_on) if held else set()
        if not names:
            return None
        return replace(piece, resource={"TableWithColumns": {**on, "ColumnNames": sorted(names)}})
    entry = found.entries.get(piece.key)
    if entry is None:
        return None
    permissions = tuple(sorted(set(piece.permissions) & set(entry.permissions)))
    grantable = tuple(sorted(set(piece.grantable) & set(entry.grantable)))
    if not permissions and not grantable:
        return None
    return replace(piece, permissions=permissions, grantable=grantable)


def _lists(entries: Iterable[LakeEntry]) -> set[ListKey]:
    keys = (list_key(one.principal, one.resource) for one in entries)
    return {key for key in keys if key is not None}


def failure(key: str, code: str) -> LakeFailure:
    """What a refusal of Lake Formation's means."""
    if code == BUSY:
        return LakeFailure(key, "LAKE_BUSY", "Others change the same grants: try again.")
    if code == "EntityNotFoundException":
        return LakeFailure(
            key, "LAKE_RESOURCE_MISSING", "The catalog does not have (yet) what it is on."
        )
    if code in {"AccessDeniedException", "AccessDenied"}:
        return LakeFailure(
            key,
            "LAKE_REFUSED",
            "AWS does not let the mesh's role do it: it must administrate the data lake.",
            again=False,
        )
    if code in {"ResourceNumberLimitExceededException", "ServiceQuotaExceededException"}:
        return LakeFailure(
            key, "LAKE_LIMIT", "Lake Formation takes no more of that kind here.", again=False
        )
    return LakeFailure(
        key, "LAKE_ENTRY_INVALID", f"Lake Formation refused it with {code}.", again=False
    )
