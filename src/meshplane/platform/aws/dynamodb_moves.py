"""Which partitions the commits of other processes wrote."""

from collections.abc import Awaitable, Callable

from meshplane.kit.errors import Unavailable
from meshplane.platform.aws.dynamodb_calls import Reading
from meshplane.platform.aws.dynamodb_records import Record
from meshplane.platform.stillness import Part

# More of them are not read for this: then anything may have been written.
_MOST_READ, _MOST_SPANNED = 100, 500
_MOST_OWN = 10_000


class Moves:
    """Tells what was written between two commits. Commits of this process cost no request.

    Args:
        reading: of the log's records.
        in_flight: returns once this process's present commit has ended.
    """

    def __init__(self, reading: Reading, in_flight: Callable[[], Awaitable[None]]) -> None:
        self._reading, self._in_flight = reading, in_flight
        self._own: dict[int, None] = {}

    def own(self, commit: int) -> None:
        """A commit is this process's."""
        self._own[commit] = None
        if len(self._own) > _MOST_OWN:
            del self._own[next(iter(self._own))]

    async def between(self, after: int, upto: int) -> frozenset[Part] | None:
        """The partitions that other processes wrote after one commit, up to another.

        Returns:
            None where that is not known: so many commits, or an older log, by a restore.

        Raises:
            AwsUnavailable: the records cannot be read now.
        """
        if upto < after:
            # Others will commit under numbers that ours had.
            self._own.clear()
            return None
        if upto - after > _MOST_OWN:
            return None
        if self._not_own(after, upto):
            # What is missing may be this process's own, whose answer is on its way.
            await self._in_flight()
        theirs = self._not_own(after, upto)
        # What lies between theirs is read as well.
        if len(theirs) > _MOST_READ or (theirs and theirs[-1] - theirs[0] >= _MOST_SPANNED):
            return None
        found: list[Record] = []
        if theirs:
            try:
                found = await self._reading.records(theirs[0] - 1, theirs[-1])
            except Unavailable as error:
                if error.code != "COMMITS_FORGOTTEN":
                    raise
                return None
        for number in range(after + 1, upto + 1):
            self._own.pop(number, None)
        wanted = set(theirs)
        return frozenset(
            key[:2] for record in found if record.commit in wanted for key in record.before
        )

    def _not_own(self, after: int, upto: int) -> list[int]:
        return [number for number in range(after + 1, upto + 1) if number not in self._own]
