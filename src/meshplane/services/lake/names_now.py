"""A grant in the names that its columns have now, for a lake that knows columns by names alone.

Here a grant knows columns by their identity: one that was renamed is still the one that was
granted, and one that was made anew under an old name is another. Pure. The rules are those by which
permissions decides; what is broken there is a problem here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from meshplane.services.permissions.api import (
    DataFilter,
    GovernedColumn,
    Grant,
    GrantedColumn,
    MaskRule,
    RowFilter,
    strength,
)

_GONE = "None of the columns that it names is there any more: grant anew."


class BrokenGrantError(ValueError):
    """The grant does not fit its table any more; the text tells people why."""


class NamesNow:
    """The columns of a table as they are now.

    Args:
        columns: all of them.
    """

    def __init__(self, columns: Sequence[GovernedColumn]) -> None:
        self._by_id = {column.field_id: column.name for column in columns}
        self._ids = {column.name: column.field_id for column in columns}

    def grant(self, grant: Grant) -> Grant:
        """A grant on the table, its columns under the names that they have now.

        Raises:
            BrokenGrantError: it does not fit the table any more.
        """
        self._fits(grant.row_filter)
        if grant.target.kind == "rows":
            columns: dict[str, GrantedColumn] = {}
            for granted in grant.columns:
                column = self._granted(granted)
                known = columns.get(column.name) if column is not None else None
                if column is not None and (
                    known is None or strength(known.mask) < strength(column.mask)
                ):
                    columns[column.name] = column
            if not columns:
                raise BrokenGrantError(_GONE)
            return replace(grant, columns=tuple(columns.values()))
        pins = {c.name: c.field_id for c in grant.columns if c.field_id is not None}
        target = grant.target
        if target.kind == "columns":
            target = replace(
                target,
                included=self._included(target.included, pins),
                excluded=self._excluded(target.excluded, pins),
            )
        masks: dict[str, MaskRule] = {}
        for name, mask in grant.masks.items():
            for now in self._both(name, pins):
                masks[now] = max(masks.get(now, mask), mask, key=strength)
        return replace(grant, target=target, masks=masks)

    def data_filter(self, found: DataFilter) -> DataFilter:
        """A data filter of the table, its columns under the names that they have now.

        Raises:
            BrokenGrantError: it does not fit the table any more.
        """
        self._fits(found.row_filter)
        return replace(
            found,
            included=self._included(found.included, found.field_ids),
            excluded=self._excluded(found.excluded, found.field_ids),
        )

    def _granted(self, column: GrantedColumn) -> GrantedColumn | None:
        if column.field_id is None:
            return column if column.name in self._ids else None
        now = self._by_id.get(column.field_id)
        return None if now is None else replace(column, name=now)

    def _included(
        self, names: Iterable[str] | None, pins: Mapping[str, int]
    ) -> tuple[str, ...] | None:
        if names is None:
            return None
        found = []
        for name in names:
            now = self._by_id.get(pins[name]) if name in pins else name
            if now is not None and now in self._ids:
                found.append(now)
        if not found:
            raise BrokenGrantError(_GONE)
        return tuple(found)

    def _excluded(
        self, names: Iterable[str] | None, pins: Mapping[str, int]
    ) -> tuple[str, ...] | None:
        """What is left out stays so under its identity and under its name."""
        if names is None:
            return None
        found: list[str] = []
        for name in names:
            found += self._both(name, pins)
        if len(set(found)) == len(self._ids):
            raise BrokenGrantError(_GONE)
        return tuple(dict.fromkeys(found))

    def _both(self, name: str, pins: Mapping[str, int]) -> list[str]:
        """The columns that a name may mean: the one of its identity, and the one of that name."""
        now = self._by_id.get(pins[name]) if name in pins else None
        found = [one for one in (now, name) if one is not None and one in self._ids]
        if not found and name not in pins:
            raise BrokenGrantError(
                f"It leaves out or masks {name}, which is not there any more: grant anew."
            )
        return found

    def _fits(self, row_filter: RowFilter | None) -> None:
        for column in row_filter.columns if row_filter is not None else ():
            if self._ids.get(column.name) != column.field_id:
                raise BrokenGrantError(
                    f"Its row filter names {column.name}, which is gone or is another column now."
                )
