"""Translations that were made before: a statement that is sent again is not parsed again.

A translation is a function of the statement, its values, and what its sender sees of which versions
of its tables; so these are the key. What fails is not kept.
"""

import asyncio
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
    """The last so many things, by their keys."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, T] = OrderedDict()

    def get(self, key: Hashable) -> T | None:
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def put(self, key: Hashable, one: T) -> None:
        self._kept[key] = one
        if len(self._kept) > _MOST:
            self._kept.popitem(last=False)


@dataclass(frozen=True, slots=True)
class Read:
    """A statement that was read: the tables that it names, and its tree, if it was parsed now."""

    names: tuple[RelationName, ...]
    parsed: "Parsed | None" = None


class Translations:
    """Parses and translates, and keeps what was made last. For one event loop."""

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

    async def told(self, read: Read, statement: Statement, seen: Sequence["Seen"]) -> "Translated":
        """The statement in Athena's words.

        Args:
            read: the statement as `read` gave it; its tree is used up.
            statement: the statement.
            seen: its relations, in the order of its names.

        Raises:
            Refused, Invalid, LimitReached: as `aws_sql.translate`.
        """
        from meshplane.services.query.aws_sql import parse, translate

        # 1, true and 1.0 are the same key of a dictionary, and not the same value.
        given = repr(statement.parameters)
        key = (statement.sql, given, _tables(seen))
        found = self._told.get(key)
        if found is None:
            parsed: Parsed | None = read.parsed
            if parsed is None:
                parsed = await asyncio.to_thread(parse, statement.sql)
            told = await asyncio.to_thread(translate, parsed, seen, statement.parameters)
            if len(statement.sql) + len(given) <= _LONGEST:
                self._told.put(key, told)
            return told
        return found


def _tables(seen: Sequence["Seen"]) -> Hashable:
    """What a translation is made of, of its tables: the columns that are shown, the versions."""
    from meshplane.services.query.aws_sql import shown_columns

    return tuple(
        (
            one.relation.schema,
            one.relation.name,
            tuple((it.name, it.sql_type) for it in shown_columns(one.relation)),
            one.snapshot_id,
            one.instant,
        )
        for one in seen
    )
