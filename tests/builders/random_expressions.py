"""Random SQL expressions of a known kind, whose value does not hang on the order of rows."""

from collections.abc import Callable, Mapping
from functools import cache
from random import Random

import duckdb

Columns = Mapping[str, str]
"""Names of columns with their kind: whole, double, decimal, text, day, at, seen, flag, …"""
Sight = Mapping[str, Columns]
"""What may be named: the columns of each table by its alias."""

KINDS: dict[str, str] = {
    "INTEGER": "whole",
    "BIGINT": "whole",
    "DOUBLE": "double",
    "DECIMAL(10,2)": "decimal",
    "VARCHAR": "text",
    "DATE": "day",
    "TIMESTAMP": "at",
    "TIMESTAMP WITH TIME ZONE": "seen",
    "BOOLEAN": "flag",
    "INTEGER[]": "list",
    "STRUCT(phone VARCHAR, city VARCHAR)": "struct",
}
_LITERALS: dict[str, tuple[str, ...]] = {
    "whole": ("0", "1", "3", "7", "20", "-4"),
    "double": ("0.0::DOUBLE", "1.5::DOUBLE", "12.25::DOUBLE"),
    "decimal": ("0.00::DECIMAL(10,2)", "12.34::DECIMAL(10,2)"),
    "text": ("'EU'", "'US'", "'Ana'", "'***'", "''", "'x%y'", "$$12$$"),
    "day": ("DATE '2020-01-01'", "DATE '2020-05-17'"),
    "at": ("TIMESTAMP '2020-01-01 00:00:00'", "TIMESTAMP '2020-06-01 10:30:00'"),
    "seen": ("TIMESTAMPTZ '2020-01-01 00:00:00+00'",),
    "flag": ("true", "false"),
    "list": ("[1, 2]", "[]::INTEGER[]"),
    "struct": ("{'phone': '+3', 'city': 'Rome'}",),
}
# What fails on some values, written so that it fails when it meets one of them.
_FAILING = (
    "CAST({text} AS INTEGER)",
    "CAST({text} AS DATE)",
    "({text} LIKE 'a' ESCAPE CASE WHEN {text} = 'Zed' THEN 'xx' ELSE 'x' END)",
    "({text} NOT LIKE 'a' ESCAPE CASE WHEN length({text}) > 20 THEN 'xx' ELSE 'x' END)",
    "({text} ILIKE 'a' ESCAPE {text})",
    "{whole} + 2147483000",
    "{whole} + 9223372036854775000",
    "-{whole} * 100000000000000000",
    "CAST(regexp_matches('a', {text}) AS INTEGER)",
    "json_extract({text}, '$.a')",
    "strptime({text}, '%Y')",
    "CAST({whole} AS TINYINT) * 100::TINYINT",
    "factorial(CAST({whole} AS INTEGER) + 10)",
    "ln({whole})",
    "chr(CAST({whole} AS INTEGER))",
    "repeat({text}, CAST({whole} AS INTEGER) % 3)",
    "format({text}, 1)",
    "unhex({text})",
)
Subquery = Callable[[Sight, str, int], str | None]


@cache
def engine_functions() -> tuple[str, ...]:
    """The names of all functions of the engine that are written as names."""
    query = "SELECT DISTINCT function_name FROM duckdb_functions()"
    found = duckdb.connect().execute(query).fetchall()
    return tuple(sorted(name for (name,) in found if name.isidentifier()))


def _literals(kind: str) -> tuple[str, ...]:
    return _LITERALS.get(kind, ("NULL",))


class Expressions:
    """Writes expressions over what is in sight.

    Args:
        random: where chance comes from.
        failing: the probability that an operand is one that fails on some values.
        hidden: names that the caller may not know of, to be tried now and then.
    """

    def __init__(
        self, random: Random, *, failing: float = 0.0, hidden: tuple[str, ...] = ()
    ) -> None:
        self.random = random
        self.failing = failing
        self.hidden = hidden

    def chance(self, probability: float) -> bool:
        """True with that probability."""
        return self.random.random() < probability

    def pick(self, *options: str) -> str:
        """One of these."""
        return self.random.choice(options)

    def subquery(self, sight: Sight, kind: str, depth: int) -> str | None:
        """A SELECT of one column of that kind, which may name what is in sight."""
        return None

    # --- columns ---

    def column(self, sight: Sight, kind: str) -> str | None:
        """A column of that kind, by its name or with its table's."""
        found = [
            (alias, name) for alias, columns in sight.items() for name in columns
            if columns[name] == kind
        ]  # fmt: skip
        if not found:
            return None
        alias, name = self.random.choice(found)
        alone = sum(name in columns for columns in sight.values()) == 1
        return name if alone and self.chance(0.3) else f"{alias}.{name}"

    def any_column(self, sight: Sight) -> tuple[str, str]:
        """Any column, and its kind."""
        kinds = sorted({kind for columns in sight.values() for kind in columns.values()})
        kind = self.random.choice(kinds)
        return self.column(sight, kind) or "1", kind

    def total(self, sight: Sight) -> str:
        """All columns, as a list to sort by; rows that agree in it agree wholly."""
        names = [f"{alias}.{name}" for alias, columns in sight.items() for name in columns]
        return ", ".join(names)

    # --- values ---

    def value(self, sight: Sight, kind: str, depth: int = 2) -> str:
        """An expression of that kind."""
        if self.hidden and self.chance(0.01):
            return f"CAST({self.pick(*self.hidden)} AS VARCHAR)"
        column = self.column(sight, kind) or self.pick(*_literals(kind))
        if depth <= 0 or self.chance(0.45):
            return column if self.chance(0.9) else self.pick(*_literals(kind))
        if self.chance(0.12):
            inner = self.subquery(sight, kind, depth - 1)
            if inner is not None:
                return f"({inner})"
        made = getattr(self, f"_{kind}", None)
        if made is None or self.chance(0.25):
            return self._general(sight, kind, column, depth)
        return str(made(sight, column, depth - 1))

    def _general(self, sight: Sight, kind: str, column: str, depth: int) -> str:
        other = self.value(sight, kind, depth - 1)
        condition = self.condition(sight, depth - 1)
        return self.pick(
            f"coalesce({column}, {other})",
            f"CASE WHEN {condition} THEN {column} ELSE {other} END",
            f"CASE WHEN {condition} THEN {column} END",
            f"nullif({column}, {other})",
            f"greatest({column}, {other})",
            f"if({condition}, {other}, {column})",
        )

    def _whole(self, sight: Sight, column: str, depth: int) -> str:
        other = self.value(sight, "whole", depth)
        text = self.value(sight, "text", depth)
        day = self.value(sight, "day", depth)
        return self.pick(
            f"{column} + {other}",
            f"{column} - {other}",
            f"{column} % 7",
            f"{column} // 3",
            f"abs({column})",
            f"length({text})",
            f"strpos({text}, 'a')",
            f"TRY_CAST({text} AS INTEGER)",
            f"year({day})",
            f"date_diff('day', {day}, DATE '2020-03-01')",
            f"list_sum(list_transform([{column}, {other}], lambda x: x + 1))",
            f"len({self.value(sight, 'list', depth)})",
            f"({self.value(sight, 'flag', depth)})::INT",
            f"list_reduce([0, {column}], lambda a, b: coalesce(a, 0) + coalesce(b, 1))",
            f"{{'a': {column}}}.a",
        )

    def _text(self, sight: Sight, column: str, depth: int) -> str:
        other = self.value(sight, "text", depth)
        place = self.value(sight, "struct", depth)
        whole = self.value(sight, "whole", depth)
        return self.pick(
            f"upper({column})",
            f"{column} || {other}",
            f"concat({column}, {other}, {whole})",
            f"substr({column}, 1, 3)",
            f"replace({column}, 'a', {other})",
            f"left({column}, 2)",
            f"md5({column})",
            f"CAST({whole} AS VARCHAR)",
            f"({place}).city",
            f"{place}['phone']",
            f"regexp_replace({column}, '[aeiou]', '-')",
            f"strftime({self.value(sight, 'day', depth)}, '%Y-%m')",
            f"to_json({column})::VARCHAR",
            f"reverse({column})",
        )

    def _day(self, sight: Sight, column: str, depth: int) -> str:
        return self.pick(
            f"{column} + {self.pick('1', '30')}",
            f"last_day({column})",
            f"CAST({self.value(sight, 'at', depth)} AS DATE)",
            f"CAST(date_trunc('month', {column}) AS DATE)",
        )

    def _at(self, sight: Sight, column: str, depth: int) -> str:
        return self.pick(
            f"date_trunc('hour', {column})",
            f"{column} + INTERVAL 1 DAY",
            f"time_bucket(INTERVAL 1 WEEK, {column})",
        )

    def _double(self, sight: Sight, column: str, depth: int) -> str:
        other = self.value(sight, "double", depth)
        whole = self.value(sight, "whole", 0)
        return self.pick(f"{column} + {other}", f"{column} * 2", f"abs({column}) - {whole}")

    def _list(self, sight: Sight, column: str, depth: int) -> str:
        whole = self.value(sight, "whole", depth)
        return self.pick(
            f"list_filter({column}, lambda x: x > 1)",
            f"list_sort({column})",
            f"{column}[1:2]",
            f"[y + 1 for y in {column} if y <> 2]",
            f"list_distinct([({whole})::INTEGER]).list_sort()",
        )

    def _flag(self, sight: Sight, column: str, depth: int) -> str:
        return f"({self.condition(sight, depth)})"

    # --- conditions ---

    def condition(self, sight: Sight, depth: int = 2) -> str:
        """A condition."""
        if depth > 0 and self.chance(0.3):
            left, right = self.condition(sight, depth - 1), self.condition(sight, depth - 1)
            return self.pick(f"({left} AND {right})", f"({left} OR {right})", f"NOT ({left})")
        if self.failing and self.chance(self.failing):
            return f"{self.fails(sight)} IS NOT NULL"
        if depth > 0 and self.chance(0.2):
            found = self._asked(sight, depth)
            if found:
                return found
        return self._simple(sight, depth)

    def _asked(self, sight: Sight, depth: int) -> str | None:
        _, kind = self.any_column(sight)
        inner = self.subquery(sight, kind, depth - 1)
        if inner is None:
            return None
        value = self.value(sight, kind, 0)
        return self.pick(
            f"EXISTS ({inner})",
            f"NOT EXISTS ({inner})",
            f"{value} IN ({inner})",
            f"{value} NOT IN ({inner})",
            f"{value} > ANY ({inner})",
            f"{value} <> ALL ({inner})",
        )

    def _simple(self, sight: Sight, depth: int) -> str:
        column, kind = self.any_column(sight)
        operator = self.pick("=", "<>", "<", ">=", "IS DISTINCT FROM")
        other = self.value(sight, kind, min(depth, 1))
        literals = ", ".join(_literals(kind))
        options = [
            f"{column} {operator} {other}",
            f"{column} {operator} {self.pick(*_literals(kind))}",
            f"{column} IS {self.pick('', 'NOT ')}NULL",
            f"{column} {self.pick('', 'NOT ')}IN ({literals})",
        ]
        if kind == "text":
            pattern = self.pick("%a%", "E_", "%", "A%")
            options += [
                f"{column} {self.pick('LIKE', 'NOT LIKE', 'ILIKE')} '{pattern}'",
                f"regexp_matches({column}, '^[A-E]')",
                f"contains({column}, {other})",
            ]
        elif kind in ("whole", "double", "decimal", "day", "at"):
            options.append(f"{column} BETWEEN {self.pick(*_literals(kind))} AND {other}")
        elif kind == "list":
            options.append(f"list_contains({column}, {self.value(sight, 'whole', 0)})")
        return self.random.choice(options)

    def fails(self, sight: Sight) -> str:
        """An expression that fails on some values."""
        form = self.pick(*_FAILING)
        text = self.column(sight, "text") or "'x'"
        whole = self.column(sight, "whole") or "5"
        if self.chance(0.12):
            return self._stray(text, whole)
        failing = form.format(text=text, whole=whole)
        if self.chance(0.3):
            failing = f"CASE WHEN {self._simple(sight, 0)} THEN {failing} END"
        return failing

    def _stray(self, text: str, whole: str) -> str:
        """Any function of the engine, whatever it does."""
        name = self.random.choice(engine_functions())
        arguments = self.pick(text, whole, whole, f"{text}, {whole}", "'x'", "")
        return f"{name}({arguments})"

    # --- over many rows ---

    def aggregate(self, sight: Sight) -> tuple[str, str]:
        """An aggregate whose value does not hang on the order of its rows; and its kind."""
        whole = self.value(sight, "whole", 1)
        text = self.value(sight, "text", 1)
        column, kind = self.any_column(sight)
        only = f" FILTER (WHERE {self.condition(sight, 0)})" if self.chance(0.2) else ""
        options = [
            ("count(*)", "whole"),
            (f"count({column})", "whole"),
            (f"count(DISTINCT {column})", "whole"),
            (f"max({column})", kind),
            (f"min({column})", kind),
            (f"sum({whole})", "huge"),
            (f"avg({whole})", "inexact"),
            (f"sum({self.value(sight, 'decimal', 0)})", "huge"),
            (f"sum({self.value(sight, 'double', 1)})", "huge"),
            (f"string_agg({text}, ',' ORDER BY {text})", "text"),
            (f"median({whole})", "inexact"),
            (f"quantile_disc({whole}, 0.3)", "whole"),
            (f"approx_count_distinct({column})", "whole"),
            (f"bool_or({self.condition(sight, 0)})", "flag"),
            (f"bit_xor({whole})", "whole"),
            (f"list({column} ORDER BY {self.total(sight)})", "many"),
        ]
        text, kind = self.random.choice(options)
        return text + only, kind

    def window(self, sight: Sight) -> tuple[str, str]:
        """A window function over a total order; and its kind."""
        column, kind = self.any_column(sight)
        whole = self.value(sight, "whole", 1)
        function, found = self.random.choice(
            [
                ("row_number()", "whole"),
                ("rank()", "whole"),
                ("dense_rank()", "whole"),
                ("ntile(3)", "whole"),
                ("percent_rank()", "inexact"),
                (f"lag({column})", kind),
                (f"lead({column}, 2)", kind),
                (f"first_value({column})", kind),
                (f"nth_value({column}, 2)", kind),
                (f"sum({whole})", "huge"),
                (f"count({column})", "whole"),
                (f"max({column})", kind),
            ]
        )
        by = f"PARTITION BY {self.any_column(sight)[0]} " if self.chance(0.6) else ""
        lead = f"{self.any_column(sight)[0]} {self.pick('', 'DESC')} , " if self.chance(0.5) else ""
        frame = ""
        if function.startswith(("sum", "count", "max", "first", "nth")) and self.chance(0.5):
            frame = " ROWS BETWEEN 2 PRECEDING AND CURRENT ROW"
        return f"{function} OVER ({by}ORDER BY {lead}{self.total(sight)}{frame})", found
