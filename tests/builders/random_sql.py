"""Random SELECTs over tables whose columns are known, with answers that hang on the rows alone.

Joins, self joins, WITH (recursive too), windows, set operations, grouping sets, subqueries that
look outside or do not, LATERAL, DISTINCT ON, QUALIFY, PIVOT, UNPIVOT. Where a statement takes some
of its rows, it sorts by all of its columns first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from tests.builders.random_expressions import Columns, Expressions, Sight

_SORTABLE = frozenset(
    {"whole", "double", "decimal", "text", "day", "at", "seen", "flag", "list", "struct", "huge"}
)
_PLAIN = ("whole", "double", "decimal", "text", "day", "at", "seen", "flag")


@dataclass(frozen=True)
class Made:
    """A statement, the kinds of its columns, and whether it says in which order its rows come."""

    sql: str
    columns: Columns
    ordered: bool = False


class Statements(Expressions):
    """Writes statements over these tables.

    Args:
        random: where chance comes from.
        tables: the columns of each, by the name that FROM takes.
        failing: the probability that a condition fails on some values.
        hidden: names that the caller may not know of.
        ties: may a statement leave to the engine which rows it takes?
    """

    def __init__(
        self,
        random: Random,
        tables: Mapping[str, Columns],
        *,
        failing: float = 0.0,
        hidden: tuple[str, ...] = (),
        ties: bool = False,
    ) -> None:
        super().__init__(random, failing=failing, hidden=hidden)
        self._tables = dict(tables)
        self._known = dict(tables)
        self._ties = ties
        self._number = 0

    def statement(self) -> Made:
        """One statement, perhaps with WITH in front."""
        self._known = dict(self._tables)
        self._number = 0
        heads, recursive = [], False
        for _ in range(self.random.choice((0, 0, 0, 1, 2))):
            if self.chance(0.15):
                heads.append(self._recursive())
                recursive = True
                continue
            body = self._query(2, {})
            name = self.pick(*self._tables).split(".")[-1] if self.chance(0.2) else self._fresh("q")
            how = self.pick("", "", "MATERIALIZED ", "NOT MATERIALIZED ")
            heads.append(f"{name} AS {how}({body.sql})")
            if body.columns:
                self._known[name] = body.columns
        form = self.random.random()
        if form < 0.06 and not heads:
            return self._turned()
        body = self._query(3, {}) if form < 0.9 else self._set_operation(2, {})
        if heads:
            start = "WITH RECURSIVE " if recursive else "WITH "
            return Made(start + ", ".join(heads) + " " + body.sql, body.columns, body.ordered)
        return body

    # --- queries ---

    def subquery(self, sight: Sight, kind: str, depth: int) -> str | None:
        """A SELECT of one value of that kind from one table, which may look at what is in sight."""
        if depth < 0:
            return None
        alias, source, columns = self._table()
        inner = {alias: columns}
        column = self.column(inner, kind)
        if column is None or kind not in _PLAIN:
            return None
        where = self.condition(inner, 0)
        name, outer_kind = self.any_column(inner)
        outside = self.column(sight, outer_kind)
        if outside and self.chance(0.6):
            where = f"{where} AND {name} {self.pick('=', '<')} {outside}"
        one = self.pick("max", "min")
        return f"SELECT {one}({column}) FROM {source} WHERE {where}"

    def _query(self, depth: int, outer: Sight) -> Made:
        if depth > 1 and self.chance(0.12):
            return self._set_operation(depth - 1, outer)
        sources, sight = self._from(depth)
        where = f" WHERE {self.condition({**outer, **sight}, 2)}" if self.chance(0.55) else ""
        if self.chance(0.3):
            made = self._grouped(sources, sight, where)
        elif self.chance(0.1):
            made = self._first_of_each(sources, sight, where)
        elif self.chance(0.12):
            made = self._starred(sources, sight, where)
        else:
            made = self._plain(sources, sight, where)
        return self._sorted(made)

    def _plain(self, sources: str, sight: Sight, where: str) -> Made:
        items, columns = [], {}
        for _ in range(self.random.randrange(1, 5)):
            if self.chance(0.2):
                text, kind = self.window(sight)
            else:
                _, kind = self.any_column(sight)
                text = self.value(sight, kind)
            if self.failing and self.chance(self.failing / 2):
                text, kind = self.fails(sight), "unknown"
            name = self._fresh("c")
            items.append(f"{text} AS {name}")
            columns[name] = kind
        head = self.pick("SELECT ", "SELECT ", "SELECT ", "SELECT DISTINCT ")
        tail = ""
        if self.chance(0.12) and "DISTINCT" not in head:
            tail = f" QUALIFY {self.window(sight)[0]} IS NOT NULL"
            if self.chance(0.7):
                tail = f" QUALIFY rank() OVER (ORDER BY {self.total(sight)}) < 9"
        return Made(f"{head}{', '.join(items)} FROM {sources}{where}{tail}", columns)

    def _grouped(self, sources: str, sight: Sight, where: str) -> Made:
        keys = [self.any_column(sight) for _ in range(self.random.randrange(3))]
        keys = list(dict.fromkeys(keys))
        names = [self._fresh("g") for _ in keys]
        columns = {name: kind for name, (_, kind) in zip(names, keys, strict=True)}
        items = [f"{text} AS {name}" for (text, _), name in zip(keys, names, strict=True)]
        for _ in range(self.random.randrange(1, 4)):
            text, kind = self.aggregate(sight)
            name = self._fresh("a")
            items.append(f"{text} AS {name}")
            columns[name] = kind
        texts = [text for text, _ in keys]
        by = ""
        if texts:
            both = ", ".join(texts)
            by = " GROUP BY " + self.pick(
                both, both, "ALL", f"ROLLUP ({both})", f"CUBE ({both})",
                f"GROUPING SETS (({both}), ({texts[0]}), ())",
            )  # fmt: skip
            if "(" in by and self.chance(0.5):
                items.append(f"GROUPING({texts[0]}) AS {self._fresh('s')}")
        having = f" HAVING {self.aggregate(sight)[0]} IS NOT NULL" if self.chance(0.2) else ""
        return Made(f"SELECT {', '.join(items)} FROM {sources}{where}{by}{having}", columns)

    def _first_of_each(self, sources: str, sight: Sight, where: str) -> Made:
        text, kind = self.any_column(sight)
        other, other_kind = self.any_column(sight)
        key, name = self._fresh("d"), self._fresh("c")
        sql = (
            f"SELECT DISTINCT ON ({key}) {text} AS {key}, {other} AS {name} "
            f"FROM {sources}{where} ORDER BY {key}, {name}"
        )
        return Made(sql, {key: kind, name: other_kind}, ordered=True)

    def _starred(self, sources: str, sight: Sight, where: str) -> Made:
        one = next(iter(sight))
        if len(sight) > 1:
            return Made(f"SELECT {one}.* FROM {sources}{where}", sight[one])
        columns = dict(sight[one])
        name = self.random.choice(sorted(columns))
        roll = self.random.random()
        if roll < 0.3:
            return Made(f"FROM {sources} SELECT *{where}" if not where else
                        f"SELECT * FROM {sources}{where}", columns)  # fmt: skip
        if roll < 0.5 and len(columns) > 1:
            del columns[name]
            return Made(f"SELECT * EXCLUDE ({name}) FROM {sources}{where}", columns)
        if roll < 0.7:
            value = self.value(sight, columns[name], 1)
            return Made(f"SELECT * REPLACE ({value} AS {name}) FROM {sources}{where}", columns)
        return Made(f"SELECT COLUMNS('[a-n].*') FROM {sources}{where}", {})

    def _sorted(self, made: Made) -> Made:
        if made.ordered or not self.chance(0.4):
            return made
        if not made.columns or not set(made.columns.values()) <= _SORTABLE:
            return made
        order = f" ORDER BY ALL{self.pick('', ' DESC', ' NULLS FIRST')}"
        if self._ties and self.chance(0.3):
            order = self.pick("", f" ORDER BY {next(iter(made.columns))}")
            return Made(f"{made.sql}{order} LIMIT 4", made.columns)
        rows = self.pick("", "", " LIMIT 3", " LIMIT 5 OFFSET 2", " LIMIT 40%")
        return Made(f"{made.sql}{order}{rows}", made.columns, ordered=True)

    def _set_operation(self, depth: int, outer: Sight) -> Made:
        kinds = [self.pick("whole", "text", "day", "decimal") for _ in range(2)]
        sides = []
        for _ in range(self.random.choice((2, 2, 3))):
            sources, sight = self._from(1)
            items = [
                f"{self.value(sight, kind, 1)} AS {name}"
                for kind, name in zip(kinds, "uv", strict=True)
            ]
            where = f" WHERE {self.condition(sight, 1)}" if self.chance(0.5) else ""
            sides.append(f"(SELECT {', '.join(items)} FROM {sources}{where})")
        operator = self.pick(
            "UNION", "UNION ALL", "EXCEPT", "INTERSECT", "EXCEPT ALL", "UNION BY NAME"
        )
        columns = dict(zip("uv", kinds, strict=True))
        return self._sorted(Made(f" {operator} ".join(sides), columns))

    def _recursive(self) -> str:
        """A recursive WITH that ends: over a number that grows, or over rows without repeats."""
        name = self._fresh("r")
        alias, source, columns = self._table()
        sight = {alias: columns}
        key = self.column(sight, "whole")
        self._known[name] = {"n": "whole"}
        if key is None:
            return f"{name}(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM {name} WHERE n < 5)"
        other = self.column(sight, "whole")
        step = self.pick(
            f"SELECT ({other})::BIGINT FROM {source} JOIN {name} ON {key} = {name}.n + 1",
            f"SELECT n + 1 FROM {name} WHERE n < (SELECT max({key}) FROM {source}) AND n < 30",
        )
        return f"{name}(n) AS (SELECT 1::BIGINT UNION {step})"

    def _turned(self) -> Made:
        """PIVOT with its values, or UNPIVOT."""
        _, source, columns = self._table()
        texts = [name for name, kind in columns.items() if kind == "text"]
        wholes = [name for name, kind in columns.items() if kind == "whole"]
        name = source.split(" ")[0]
        if len(texts) >= 2 and self.chance(0.5):
            both = ", ".join(texts[:2])
            return Made(f"SELECT name, value FROM (UNPIVOT {name} ON {both})", {})
        if texts and wholes:
            return Made(
                f"PIVOT {name} ON {texts[0]} IN ('EU', 'US', '***') USING count({wholes[0]}) "
                f"GROUP BY {wholes[0]}",
                {},
            )
        return Made(f"FROM {name}", {})

    # --- FROM ---

    def _table(self) -> tuple[str, str, Columns]:
        name = self.random.choice(sorted(self._known))
        alias = self._fresh("t")
        return alias, f"{name} {self.pick('', 'AS ')}{alias}", self._known[name]

    def _from(self, depth: int) -> tuple[str, dict[str, Columns]]:
        text, sight = self._source(depth)
        for _ in range(self.random.choice((0, 0, 1, 1, 2)) if depth > 1 else 0):
            right, more = self._source(depth - 1)
            text, sight = self._joined(text, sight, right, more)
        if self.chance(0.06):
            text, sight = self._lateral(text, sight)
        return text, sight

    def _source(self, depth: int) -> tuple[str, dict[str, Columns]]:
        if depth > 1 and self.chance(0.15):
            inner = self._query(depth - 2, {})
            if inner.columns:
                alias = self._fresh("s")
                return f"({inner.sql}) {alias}", {alias: inner.columns}
        if self.chance(0.04):
            alias = self._fresh("v")
            return f"(VALUES (1, 'EU'), (3, 'Ana')) {alias}(w, x)", {
                alias: {"w": "whole", "x": "text"}
            }
        if self.chance(0.03):
            alias = self._fresh("g")
            return f"range(4) {alias}(w)", {alias: {"w": "whole"}}
        alias, source, columns = self._table()
        return source, {alias: columns}

    def _joined(
        self, text: str, sight: dict[str, Columns], right: str, more: dict[str, Columns]
    ) -> tuple[str, dict[str, Columns]]:
        both = {**sight, **more}
        pairs = self._pairs(sight, more)
        kind = self.pick(
            "JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "SEMI JOIN", "ANTI JOIN"
        )
        condition = f"{self.random.choice(pairs)}" if pairs else self._unequal(sight, more)
        if kind != "FULL JOIN" and self.chance(0.25):
            condition += f" AND {self.condition(both, 0)}"
        shared = self._shared(sight, more)
        if shared and self.chance(0.25) and kind in ("JOIN", "LEFT JOIN", "SEMI JOIN"):
            joined = f"{text} {kind} {right} USING ({self.pick(*shared)})"
        elif kind == "JOIN" and self.chance(0.15):
            joined = f"{text} {self.pick(',', 'CROSS JOIN')} {right}"
            limit = next(iter(more))
            joined = f"{text} JOIN {right} ON {condition}" if not more[limit] else joined
        else:
            joined = f"{text} {kind} {right} ON {condition}"
        return joined, dict(sight) if kind in ("SEMI JOIN", "ANTI JOIN") else both

    def _shared(self, sight: Sight, more: Sight) -> list[str]:
        [right] = more.values()
        return [
            name
            for name, kind in right.items()
            if sum(name in columns for columns in sight.values()) == 1
            and all(columns.get(name, kind) == kind for columns in sight.values())
        ]

    def _pairs(self, sight: Sight, more: Sight) -> Sequence[str]:
        return [
            f"{alias}.{name} = {other}.{same}"
            for alias, columns in sight.items()
            for name, kind in columns.items()
            for other, right in more.items()
            for same, right_kind in right.items()
            if kind == right_kind and kind in _PLAIN and (name == same or kind != "flag")
        ]

    def _unequal(self, sight: Sight, more: Sight) -> str:
        return f"{self.any_column(sight)[0]} IS NOT NULL AND {self.any_column(more)[0]} IS NULL"

    def _lateral(self, text: str, sight: dict[str, Columns]) -> tuple[str, dict[str, Columns]]:
        alias = self._fresh("l")
        lists = self.column(sight, "list")
        if lists and "." in lists and self.chance(0.6):
            return f"{text}, unnest({lists}) {alias}(e)", {**sight, alias: {"e": "whole"}}
        inner = self.subquery(sight, "whole", 1)
        if inner is None:
            return text, sight
        return f"{text}, LATERAL ({inner}) {alias}(e)", {**sight, alias: {"e": "whole"}}

    def _fresh(self, prefix: str) -> str:
        self._number += 1
        return f"{prefix}{self._number}"


def tables_of(
    named: Mapping[str, Mapping[str, str]], kinds: Mapping[str, str]
) -> dict[str, Columns]:
    """The tables of `Statements` for tables with their SQL types."""
    return {
        name: {column: kinds[sql_type] for column, sql_type in types.items()}
        for name, types in named.items()
    }
