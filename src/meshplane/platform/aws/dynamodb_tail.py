"""What the last commits changed, as far as this process knows.

Two things need it. An index of DynamoDB shows a commit only after a while; rows that were changed a
moment ago are put into its answers from here. And whoever reads at one instant takes back what
later commits did.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from meshplane.kit.errors import Unavailable
from meshplane.platform.aws.dynamodb_calls import Reading
from meshplane.platform.aws.dynamodb_items import Image
from meshplane.platform.aws.dynamodb_records import Change, Record
from meshplane.platform.gathering import Key

# An index is mostly right within a second. "needs AWS": no emulator shows the lag.
INDEX_LAG_SECONDS = 10.0
_MOST_RECORDS = 500
_BEGINS_BEFORE = 50


@dataclass(frozen=True, slots=True)
class Recent:
    """A row that was changed a moment ago.

    Args:
        commit: which changed it last.
        at: when this process learnt of it, on the monotonic clock.
        known: whether `after` is what the commit left there; another process knows that alone.
        after: that.
    """

    commit: int
    at: float
    known: bool
    after: Image | None


class Tail:
    """The last commits, without gaps, and the rows that they changed."""

    def __init__(self) -> None:
        self._records: dict[int, Record] = {}
        self._recent: dict[str, dict[Key, Recent]] = {}
        self.last: int | None = None
        """The last commit known here; None: nothing is known yet."""

    def own(self, record: Record, changes: Iterable[Change]) -> None:
        """Takes in a commit of this process.

        Where others committed in between, theirs are missing; `follow` fetches all of them.
        """
        if self.last is None or record.commit == self.last + 1:
            self._take(record)
        for change in changes:
            self._changed(change.key, record.commit, True, change.after)

    async def follow(self, reading: Reading, upto: int) -> None:
        """Fetches what is missing up to a commit."""
        if self.last is None:
            await self._begin(reading, upto)
        elif self.last < upto:
            for record in await reading.records(self.last, upto):
                self._follow(record)

    async def _begin(self, reading: Reading, upto: int) -> None:
        # What was committed just before is not in the indexes either, perhaps.
        try:
            records = await reading.records(max(0, upto - _BEGINS_BEFORE), upto)
        except Unavailable:
            # The mesh has slept for longer than commits are remembered.
            records = []
        if self.last is None:
            self.last = records[0].commit - 1 if records else upto
        for record in records:
            self._follow(record)

    def _follow(self, record: Record) -> None:
        # Others may have fetched it, too, while this was under way.
        if self.last is not None and record.commit == self.last + 1:
            self._take(record)
            for key in record.before:
                self._changed(key, record.commit, False, None)

    async def before(self, reading: Reading, instant: int, upto: int) -> Mapping[Key, Image | None]:
        """By row, what was there just after a commit, of all rows that were changed since.

        Args:
            reading: fetches what is missing.
            instant: the number of the commit that was the last one.
            upto: the last commit whose changes are to be taken back.
        """
        if upto <= instant:
            return {}
        await self.follow(reading, upto)
        known = [self._records.get(number) for number in range(instant + 1, upto + 1)]
        records = [record for record in known if record is not None]
        if len(records) < len(known):
            records = await reading.records(instant, upto)
        found: dict[Key, Image | None] = {}
        for record in reversed(records):
            found.update(record.before)
        return found

    def recent(self, table: str) -> dict[Key, Recent]:
        """The rows of a table that an index may not show yet as they are."""
        rows = self._recent.get(table)
        if not rows:
            return {}
        _forget_old(rows)
        return dict(rows)

    def _changed(self, key: Key, commit: int, known: bool, after: Image | None) -> None:
        rows = self._recent.setdefault(key[0], {})
        if key in rows and rows[key].commit >= commit:
            return
        # The newest stand last.
        rows.pop(key, None)
        rows[key] = Recent(commit, time.monotonic(), known, after)
        _forget_old(rows)

    def _take(self, record: Record) -> None:
        self.last = record.commit
        self._records[record.commit] = record
        if len(self._records) > _MOST_RECORDS:
            del self._records[next(iter(self._records))]


def _forget_old(rows: dict[Key, Recent]) -> None:
    oldest = time.monotonic() - INDEX_LAG_SECONDS
    while rows:
        first = next(iter(rows))
        if rows[first].at >= oldest:
            return
        del rows[first]
