"""Names in one SELECT: which column a reference means, as DuckDB resolves it.

Names compare without case, quoted or not. A column of the FROM clause wins over an alias of the
SELECT list (a bare name in ORDER BY is the exception), and an inner SELECT over an outer one.
Where a reference can be read in two ways that differ, all readings count and the flow is inexact.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from meshplane.services.query.column_flow import NOTHING, DirectSubtype, Flow, together


class Undecidable(Exception):
    """The statement has a part whose lineage is not worked out; the caller answers with all."""


@dataclass(frozen=True, slots=True)
class NamedFlow:
    """A column of a relation or query. `name` is None where the engine makes one up.

    `also` is a second name of the same column: `unnest(l) u` answers to `u` and to `unnest`.
    """

    name: str | None
    flow: Flow
    also: str | None = None

    def called(self, name: str) -> bool:
        """Whether `name` (lower case) means this column."""
        return (self.name is not None and self.name.lower() == name) or self.also == name


@dataclass(frozen=True, slots=True)
class Rows:
    """The answer of a query: its columns, and what decides which rows there are.

    `ordered_by` is what else the order of the rows may depend on: a window sorts them on the way.
    It matters where something picks rows by their place, as LIMIT does.
    `open` says that there may be more columns than are listed (`unnest` of a struct).
    """

    columns: tuple[NamedFlow, ...]
    decided_by: Flow
    ordered_by: Flow = NOTHING
    open: bool = False

    def with_distinct_names(self) -> "Rows":
        """As DuckDB exposes a subquery: a name that repeats gets a number behind it.

        Raises:
            Undecidable: such a name is taken by another column.
        """
        taken = {column.name.lower() for column in self.columns if column.name is not None}
        seen: dict[str, int] = {}
        renamed: list[NamedFlow] = []
        for column in self.columns:
            if column.name is None:
                renamed.append(column)
                continue
            key = column.name.lower()
            repeats = seen.get(key, 0)
            seen[key] = repeats + 1
            if repeats == 0:
                renamed.append(column)
                continue
            name = f"{column.name}_{repeats}"
            if name.lower() in taken:
                raise Undecidable
            renamed.append(NamedFlow(name, column.flow))
        return replace(self, columns=tuple(renamed))

    def renamed(self, names: Sequence[str]) -> "Rows":
        """With the first columns renamed, as by `t(a, b)`."""
        head = tuple(
            NamedFlow(name, column.flow) for name, column in zip(names, self.columns, strict=False)
        )
        return replace(self, columns=head + self.columns[len(head) :])


@dataclass(frozen=True, slots=True)
class Source:
    """One entry of a FROM clause. `schema` is set for a table that has no alias."""

    alias: str | None
    schema: str | None
    columns: tuple[NamedFlow, ...]
    open: bool = False

    def find(self, name: str) -> list[Flow]:
        """The columns of that name (lower case)."""
        return [column.flow for column in self.columns if column.called(name)]

    def whole_row(self) -> Flow:
        """All columns, as `SELECT t FROM t` packs them."""
        return together(column.flow for column in self.columns).through("TRANSFORMATION")


@dataclass(frozen=True, slots=True)
class Merged:
    """The one column that USING or NATURAL makes of the columns of one name.

    `owner` and `members` are indexes of FROM entries; `*` shows it in the owner's place.
    """

    name: str
    owner: int
    members: frozenset[int]
    flow: Flow


@dataclass(slots=True)
class Scope:
    """The names that an expression of one SELECT sees, and the SELECT around it."""

    universe: Flow
    tables: Mapping[str, Rows]
    outer: "Scope | None" = None
    sources: list[Source] = field(default_factory=list)
    ordered_by: list[Flow] = field(default_factory=list)
    merged: list[Merged] = field(default_factory=list)
    aliases: dict[str, Callable[[], Flow]] = field(default_factory=dict)
    windows: dict[str, Callable[[], Flow]] = field(default_factory=dict)

    def levels(self) -> Iterator["Scope"]:
        """This scope and those around it, inside out."""
        level: Scope | None = self
        while level is not None:
            yield level
            level = level.outer

    def all_columns(self) -> Flow:
        """Every column of the FROM clause."""
        return together(source.whole_row() for source in self.sources)

    def find_column(self, name: str) -> list[Flow]:
        """What the unqualified `name` (lower case) means here: flows of FROM columns."""
        found = [merged.flow for merged in self.merged if merged.name == name]
        for index, source in enumerate(self.sources):
            if self.merged_at(index, name) is None:
                found += source.find(name)
        return found

    def merged_at(self, index: int, name: str | None) -> Merged | None:
        """The merged column that the column `name` of the FROM entry `index` is part of."""
        for merged in self.merged:
            if name is not None and merged.name == name.lower() and index in merged.members:
                return merged
        return None

    def find_qualified(self, parts: Sequence[str]) -> list[Flow]:
        """What `t.c`, `s.t.c` or `x.s.t.c`, and fields below it, mean here."""
        found: list[Flow] = []
        for source in self.sources:
            for start, qualified in ((0, False), (1, True), (2, True)):
                if len(parts) < start + 2 or source.alias != parts[start]:
                    continue
                if qualified and source.schema != parts[start - 1]:
                    continue
                step: DirectSubtype = "TRANSFORMATION" if len(parts) > start + 2 else "IDENTITY"
                found += [flow.through(step) for flow in source.find(parts[start + 1])]
        return found

    def find_loosely(self, parts: Sequence[str]) -> list[Flow]:
        """Readings that an outer name may take precedence over.

        A field of a struct column, an alias of the SELECT list, a whole row, a column whose name
        the engine made up.
        """
        name, found = parts[0], []
        fields = len(parts) > 1
        if fields:
            found += [flow.through("TRANSFORMATION") for flow in self.find_column(name)]
        if name in self.aliases:
            flow = self.aliases[name]()
            found.append(flow.through("TRANSFORMATION") if fields else flow)
        for source in self.sources:
            if source.alias == name and not fields:
                found.append(source.whole_row())
            unnamed = [column.flow for column in source.columns if column.name is None]
            if unnamed and not any(column.called(name) for column in source.columns):
                found.append(together(unnamed).through("TRANSFORMATION").inexact())
            if source.open:
                found.append(self.universe)
        return found

    def resolve(self, parts: Sequence[str]) -> Flow:
        """What a reference means.

        Args:
            parts: the names between the dots, lower case.

        Returns:
            the flow of the column; inexact when there is more than one reading, and all columns
            of the statement when there is none.
        """
        readings: list[Flow] = []
        for level in self.levels():
            strict = level.find_qualified(parts) if len(parts) > 1 else level.find_column(parts[0])
            readings += strict
            if strict:
                break
            readings += level.find_loosely(parts)
        return agreed(readings) if readings else self.universe

    def names_column(self, name: str) -> bool:
        """Whether the bare `name` (lower case) is a column or alias here or further out."""
        return any(level.find_column(name) or name in level.aliases for level in self.levels())


def agreed(readings: Sequence[Flow]) -> Flow:
    """One flow of several readings; inexact when they differ."""
    if all(reading == readings[0] for reading in readings):
        return readings[0]
    return together(readings).inexact()
