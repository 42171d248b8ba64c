"""Translations that were made before: a statement that is sent again is not parsed again.

A translation is a function of the statement, the kinds of its values, and what its sender sees of
which versions of its tables; so these are the key. The values themselves are filled in each time:
they change a statement only where one is compared with a date or an instant and can, or cannot, be
read as such. What fails is not kept.
"""

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from meshplane.services.query.sandbox import RelationName, Statement

if TYPE_CHECKING:  # it loads the parser
    from meshplane.services.query.aws_sql import Parsed, Seen, Translated

_MOST = 256
# Characters of a statement that is parsed at once: whatever it holds, that takes no longer than a
# thread would keep the interpreter to itself, and to wait for a thread takes a third of it.
_SHORT = 400
_LONGEST = 16_384  # characters of a statement and its values that are kept

T = TypeVar("T")


class _Recent(Generic[T]):
    """The last so many things, by their keys. Thread-safe."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, T] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> T | None:
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def put(self, key: Hashable, one: T) -> None:
        with self._lock:
            self._kept[key] = one
            if len(self._kept) > _MOST:
                self._kept.popitem(last=False)


@dataclass(frozen=True, slots=True)
class Read:
    """A statement that was read: the tables that it names, and its tree, if it was parsed now."""

    names: tuple[RelationName, ...]
    parsed: "Parsed | None" = None


class Translations:
    """Parses and translates, and keeps what was made last."""

    def __init__(self) -> None:
        self._names: _Recent[tuple[RelationName, ...]] = _Recent()
        self._told: _Recent[Translated] = _Recent()

    async def read(self, sql: str) -> Read:
        """The tables that a statement names.

        Raises:
            Refused, Invalid, LimitReached: as `aws_sql.parse`.
        """
        from meshplane.services.query.aws_sql import parse

        found = self._names.get(sql)
        if found is not None:
            return Read(found)
        parsed = parse(sql) if len(sql) <= _SHORT else await asyncio.to_thread(parse, sql)
        if len(sql) <= _LONGEST:
            self._names.put(sql, parsed.names)
        return Read(parsed.names, parsed)

    def told(self, read: Read, statement: Statement, seen: Sequence["Seen"]) -> "Translated":
        """The statement in Athena's words. It may take long: a thread asks for it.

        Args:
            read: the statement as `read` gave it; its tree is used up.
            statement: the statement.
            seen: its relations, in the order of its names.

        Raises:
            Refused, Invalid, LimitReached: as `aws_sql.translate`.
        """
        from meshplane.services.query.aws_sql import parse, translate
        from meshplane.services.query.aws_values import kinds_of

        given = statement.parameters
        key = (statement.sql, kinds_of(given), _tables(seen))
        found = self._told.get(key)
        told = found.given(given) if found is not None else None
        if told is None:
            told = translate(read.parsed or parse(statement.sql), seen, given)
            if len(statement.sql) + sum(map(len, told.parameters)) <= _LONGEST:
                self._told.put(key, told)
        return told


def _tables(seen: Sequence["Seen"]) -> Hashable:
    """What a translation is made of, of its tables: the columns that are shown, the versions."""
    return tuple(
        (
            one.relation.schema,
            one.relation.name,
            tuple((it.name, it.sql_type) for it in one.columns),
            one.snapshot_id,
            one.instant,
        )
        for one in seen
    )
