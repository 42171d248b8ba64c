"""Random policies: scopes whose filters are known twice, as SQL and as Python over one row.

A condition is true, false or unknown (None); one that fails raises `Fails`. Python decides by the
standard's three-valued logic, and never looks at the SQL.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from meshplane.services.query.sandbox import Mask, Scope
from tests.builders.random_schema import Table

Record = Mapping[str, Any]
Truth = bool | None


class FailsError(Exception):
    """The condition cannot be decided for this row: the engine would raise an error."""


@dataclass(frozen=True)
class Condition:
    """A condition on a row, as SQL and as a function."""

    sql: str
    test: Callable[[Record], Truth]
    columns: frozenset[str]

    def passes(self, record: Record) -> bool:
        """Does it let the row through? One that fails does not."""
        try:
            return self.test(record) is True
        except FailsError:
            return False


@dataclass(frozen=True)
class Grant:
    """One grant of a table: which rows (None: all), which columns with which mask."""

    condition: Condition | None
    columns: Mapping[str, Mask | None]

    def passes(self, record: Record) -> bool:
        """Does it let the row through?"""
        return self.condition is None or self.condition.passes(record)

    @property
    def scope(self) -> Scope:
        """As the sandbox takes it."""
        return Scope(self.condition.sql if self.condition else None, self.columns)


@dataclass(frozen=True)
class Governed:
    """A table and what one caller may see of it."""

    table: Table
    grants: tuple[Grant, ...]

    @property
    def filtered_by(self) -> frozenset[str]:
        """The columns that its filters look at."""
        conditions = [grant.condition for grant in self.grants if grant.condition]
        return frozenset().union(*(each.columns for each in conditions))

    @property
    def shown(self) -> list[str]:
        """The columns that some grant has."""
        return [n for n in self.table.types if any(n in grant.columns for grant in self.grants)]


def literal(value: Any) -> str:
    """A number, a text, a boolean or a date as SQL."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if hasattr(value, "isoformat"):
        text = value.isoformat(" ") if hasattr(value, "hour") else value.isoformat()
        kind = "DATE" if not hasattr(value, "hour") else "TIMESTAMP"
        return f"{kind}{'TZ' if getattr(value, 'tzinfo', None) else ''} '{text}'"
    return str(value)


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def _strict(test: Callable[..., Truth], *names: str) -> Callable[[Record], Truth]:
    """The test of the named cells; unknown when one is null."""

    def tested(record: Record) -> Truth:
        cells = [record[name] for name in names]
        return None if any(cell is None for cell in cells) else test(*cells)

    return tested


class PolicyMaker:
    """Makes conditions and grants for one table."""

    def __init__(self, random: Random, table: Table) -> None:
        self._random = random
        self._table = table
        self._by_type: dict[str, list[str]] = {}
        for name, kind in table.types.items():
            self._by_type.setdefault(kind, []).append(name)

    def governed(self, *, hide_something: bool = False) -> Governed:
        """The table with one to three grants."""
        count = self._random.choice((1, 1, 2, 3))
        constants: dict[str, Mask] = {}
        grants = tuple(self._grant(constants, hide_something) for _ in range(count))
        return Governed(self._table, grants)

    def _grant(self, masks: dict[str, Mask], filtered: bool) -> Grant:
        condition = None
        if filtered or self._random.random() < 0.75:
            condition = self.condition(self._random.choice((0, 1, 1, 2)))
        columns: dict[str, Mask | None] = {}
        for name, kind in self._table.types.items():
            roll = self._random.random()
            if roll < 0.12:
                continue
            columns[name] = self.mask(name, kind) if roll < 0.45 else None
        if not columns:
            columns["id"] = None
        return Grant(condition, columns)

    def mask(self, name: str, kind: str) -> Mask | None:
        """A mask that fits a column of that type."""
        chance = self._random
        options = [Mask("null"), Mask("hash"), Mask("none")]
        if kind == "VARCHAR":
            first, last = chance.choice(((0, 2), (1, 0), (2, 1), (0, 0), (3, 4)))
            fill = chance.choice("*#")
            options += [
                Mask("constant", chance.choice(("***", ""))),
                Mask("partial", keep_first=first, keep_last=last, fill=fill),
            ]
        elif kind in ("INTEGER", "BIGINT"):
            options += [Mask("constant", 0), Mask("round", digits=chance.choice((-1, -2, -9)))]
        elif kind == "DOUBLE":
            # To whole numbers, so that sums stay the same in any order.
            options = [
                Mask("null"),
                Mask("constant", 0),
                Mask("round", digits=chance.choice((0, -1))),
            ]
        elif kind.startswith("DECIMAL"):
            options.append(Mask("round", digits=chance.choice((1, 0, -1, -3))))
        elif kind == "DATE":
            options.append(
                Mask("truncate", unit=chance.choice(("week", "month", "quarter", "year")))
            )
        elif kind.startswith("TIMESTAMP"):
            options.append(Mask("truncate", unit=chance.choice(("hour", "day", "week", "month"))))
        elif kind == "INTEGER[]" or kind.startswith("STRUCT"):
            options.remove(Mask("hash"))  # how the engine writes them as text is not the question
        return chance.choice(options)

    def condition(self, depth: int) -> Condition:
        """A condition of so many levels."""
        if depth == 0 or self._random.random() < 0.3:
            return self._leaf()
        left = self.condition(depth - 1)
        kind = self._random.choice(("AND", "OR", "NOT"))
        if kind == "NOT":
            return Condition(f"NOT ({left.sql})", lambda r: _not(left.test(r)), left.columns)
        right = self.condition(depth - 1)
        join = _and if kind == "AND" else _or
        return Condition(
            f"({left.sql}) {kind} ({right.sql})",
            # Both sides are decided, as within TRY: a failure of either is one of the whole.
            lambda r: join(left.test(r), right.test(r)),
            left.columns | right.columns,
        )

    def _leaf(self) -> Condition:
        name = self._random.choice(sorted(self._table.types))
        kind = self._table.types[name]
        if self._random.random() < 0.1:
            negated = self._random.random() < 0.5
            return Condition(
                f'"{name}" IS {"NOT " if negated else ""}NULL',
                lambda r: (r[name] is None) != negated,
                frozenset({name}),
            )
        if kind == "VARCHAR":
            return self._text(name)
        if kind in ("INTEGER", "BIGINT"):
            return self._integer(name)
        if kind == "BOOLEAN":
            return Condition(f'"{name}"', _strict(lambda cell: cell, name), frozenset({name}))
        if kind in ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "DOUBLE", "DECIMAL(10,2)"):
            return self._compared(name)
        return self._leaf() if self._random.random() < 0.9 else self._integer("id")

    def _compared(self, name: str) -> Condition:
        cells = [record[name] for record in self._table.records if record[name] is not None]
        if not cells:
            return self._integer("id")
        value, operator = self._random.choice(cells), self._random.choice(sorted(_COMPARE))
        compare = _COMPARE[operator]
        return Condition(
            f'"{name}" {operator} {literal(value)}',
            _strict(lambda cell: compare(cell, value), name),
            frozenset({name}),
        )

    def _integer(self, name: str) -> Condition:
        low, high = sorted(self._random.randrange(-5, 40) for _ in range(2))
        operator = self._random.choice(sorted(_COMPARE))
        compare = _COMPARE[operator]
        forms: list[tuple[str, Callable[[Any], Truth]]] = [
            (f'"{name}" {operator} {low}', lambda cell: compare(cell, low)),
            (f'"{name}" BETWEEN {low} AND {high}', lambda cell: low <= cell <= high),
            (f'"{name}" IN ({low}, {high}, 3)', lambda cell: cell in (low, high, 3)),
            (f'"{name}" NOT IN ({low}, {high})', lambda cell: cell not in (low, high)),
            (f'abs("{name}") % 3 = 1', lambda cell: abs(cell) % 3 == 1),
            (f'list_contains([{low}, 2, 4], "{name}")', lambda cell: cell in (low, 2, 4)),
        ]
        sql, test = self._random.choice(forms)
        return Condition(sql, _strict(test, name), frozenset({name}))

    def _text(self, name: str) -> Condition:
        cells = [record[name] for record in self._table.records if record[name]]
        value = self._random.choice(cells or ["EU"])[:20]
        first = value[:1] if value[:1].isalnum() else "E"
        forms: list[tuple[str, Callable[[Any], Truth]]] = [
            (f'"{name}" = {literal(value)}', lambda cell: cell == value),
            (f'"{name}" <> {literal(value)}', lambda cell: cell != value),
            (f"\"{name}\" IN ({literal(value)}, 'EU')", lambda cell: cell in (value, "EU")),
            (f"\"{name}\" LIKE '{first}%'", lambda cell: cell.startswith(first)),
            (f'length("{name}") > 2', lambda cell: len(cell) > 2),
            (f"lower(\"{name}\") = 'eu'", lambda cell: cell.lower() == "eu"),
            (f"starts_with(\"{name}\", '{first}')", lambda cell: cell.startswith(first)),
            (f'CAST("{name}" AS INTEGER) > 5', lambda cell: _as_integer(cell) > 5),
            (
                f'CASE WHEN "{name}" = \'EU\' THEN true ELSE length("{name}") = 3 END',
                lambda cell: cell == "EU" or len(cell) == 3,
            ),
        ]
        place = self._random.randrange(len(forms))
        sql, test = forms[place]
        if sql.startswith("CASE"):
            return Condition(
                sql,
                lambda r: None if r[name] is None else test(r[name]),
                frozenset({name}),
            )
        return Condition(sql, _strict(test, name), frozenset({name}))


def _as_integer(cell: str) -> int:
    if not cell.isascii() or not cell.isdigit() or len(cell) > 9:
        raise FailsError
    return int(cell)


def _not(value: Truth) -> Truth:
    return None if value is None else not value


def _and(left: Truth, right: Truth) -> Truth:
    if left is False or right is False:
        return False
    return None if left is None or right is None else True


def _or(left: Truth, right: Truth) -> Truth:
    if left is True or right is True:
        return True
    return None if left is None or right is None else False
