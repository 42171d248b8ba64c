"""Random SELECTs over three small tables, for the properties of column lineage."""

from random import Random

TABLES: dict[tuple[str, str], tuple[str, ...]] = {
    ("main", "orders"): ("id", "customer", "amount", "kind"),
    ("main", "customers"): ("customer", "region", "score", "id"),
    ("hr", "staff"): ("boss", "amount", "tags"),
}
INTEGERS = {
    "orders": ("id", "customer", "amount", "kind"),
    "customers": ("customer", "region", "score", "id"),
    "hr.staff": ("boss", "amount"),
}


class Generator:
    """Writes statements; some are refused by the engine, which the caller skips."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._names = 0
        self._ctes: dict[str, list[str]] = {}

    def statement(self) -> str:
        """One SELECT, perhaps with CTEs in front."""
        self._ctes = {}
        heads = []
        for _ in range(self._random.choice((0, 0, 1, 2))):
            # Now and then a CTE takes the name of a table.
            name = self._pick(["orders", "customers", self._fresh("q")])
            body, columns = self._query(2, {})
            heads.append(f"{name} AS ({body})")
            self._ctes[name] = columns
        body, _ = self._query(3, {})
        if self._chance(0.05):
            heads.append(
                "rec(n, m) AS (SELECT id, amount FROM orders UNION "
                "SELECT n + 1, c.score FROM rec JOIN customers c ON c.id = rec.n WHERE n < 4)"
            )
            return f"WITH RECURSIVE {', '.join(heads)} SELECT n, m FROM rec"
        return f"WITH {', '.join(heads)} {body}" if heads else body

    def _chance(self, probability: float) -> bool:
        return self._random.random() < probability

    def _pick(self, options: list[str]) -> str:
        return self._random.choice(options)

    def _fresh(self, prefix: str) -> str:
        self._names += 1
        return f"{prefix}{self._names}"

    def _query(self, depth: int, outer: dict[str, list[str]]) -> tuple[str, list[str]]:
        if depth > 1 and self._chance(0.15):
            left, columns = self._select(depth - 1, outer, width=2)
            right, _ = self._select(depth - 1, outer, width=2)
            operator = self._pick(["UNION", "UNION ALL", "EXCEPT", "INTERSECT", "EXCEPT ALL"])
            order = self._pick(["", " ORDER BY 1, 2", " ORDER BY 2 LIMIT 2"])
            return f"({left}) {operator} ({right}){order}", columns
        return self._select(depth, outer)

    def _select(
        self, depth: int, outer: dict[str, list[str]], width: int | None = None
    ) -> tuple[str, list[str]]:
        source, visible = self._from(depth, outer)
        grouped = self._chance(0.25)
        items, names = [], []
        keys = [self._column(visible) for _ in range(self._random.choice((1, 1, 2)))]
        for index in range(width or self._random.randint(1, 4)):
            if grouped:
                key = keys[index] if index < len(keys) else None
                text = key or self._aggregate(visible)
            else:
                text = self._item(depth, {**outer, **visible}, visible)
            name = self._pick(["id", "amount", "v", "score"]) + self._pick(["", "", "2", "3"])
            if name in names:
                name = self._fresh("c")
            items.append(f"{text} AS {name}")
            names.append(name)
        head = self._pick(["SELECT ", "SELECT ", "SELECT ", "SELECT DISTINCT "])
        if width is None and not grouped and self._chance(0.2):
            items = [self._pick(["*", f"{self._pick(sorted(visible))}.*", *self._stars(visible)])]
            names = []
        sql = head + ", ".join(items) + " FROM " + source
        if self._chance(0.45):
            sql += " WHERE " + self._condition(depth, {**outer, **visible})
        if grouped:
            sql += " GROUP BY " + self._pick([", ".join(keys), "ALL", ", ".join(keys)])
            if self._chance(0.4):
                sql += f" HAVING {self._aggregate(visible)} > {self._random.randint(0, 4)}"
        elif self._chance(0.1):
            sql += f" QUALIFY {self._window(visible)} < 3"
        return sql + self._tail(names, visible, grouped), names

    def _stars(self, visible: dict[str, list[str]]) -> list[str]:
        columns = [column for names in visible.values() for column in names]
        once = [column for column in columns if columns.count(column) == 1]
        if not once:
            return []
        one = self._pick(once)
        return [f"* EXCLUDE ({one})", f"* REPLACE ({one} + 1 AS {one})"]

    def _tail(self, names: list[str], visible: dict[str, list[str]], grouped: bool) -> str:
        if not self._chance(0.35):
            return ""
        keys = [*names, "1", "ALL"] + ([] if grouped else [self._column(visible)])
        limit = self._pick(["", f" LIMIT {self._random.randint(1, 4)}", " LIMIT 2 OFFSET 1"])
        return f" ORDER BY {self._pick(keys)}{self._pick(['', ' DESC'])}{limit}"

    def _from(self, depth: int, outer: dict[str, list[str]]) -> tuple[str, dict[str, list[str]]]:
        text, visible = self._source(depth, outer)
        for _ in range(self._random.choice((0, 0, 1, 1, 2))):
            left = dict(visible)
            right, more = self._source(depth, {**outer, **left} if self._chance(0.3) else outer)
            if set(more) & set(visible):
                continue
            visible |= more
            shared = [c for names in more.values() for c in names if c in _columns(left)]
            kind = self._pick(["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "SEMI", "ANTI", ","])
            if kind == ",":
                text += f", {right}"
            elif kind in ("SEMI", "ANTI"):
                text += f" {kind} JOIN {right} ON {self._comparison(visible)}"
                visible = left
            elif shared and self._chance(0.5):
                text += f" {kind} {right} USING ({self._pick(shared)})"
            elif shared and self._chance(0.1):
                text += f" NATURAL {kind} {right}"
            else:
                text += f" {kind} {right} ON {self._comparison(visible)}"
        return text, visible

    def _source(self, depth: int, outer: dict[str, list[str]]) -> tuple[str, dict[str, list[str]]]:
        if depth > 1 and self._chance(0.25):
            body, columns = self._query(depth - 1, outer)
            alias = self._fresh("s")
            return f"({body}) {alias}", {alias: columns or ["id"]}
        if outer and self._chance(0.1):
            alias = self._fresh("l")
            return f"LATERAL (SELECT {self._column(outer)} + 1 AS z) {alias}", {alias: ["z"]}
        if self._chance(0.06):
            alias = self._fresh("u")
            return f"hr.staff, unnest(tags) {alias}(tag)", {
                "staff": ["boss", "amount"],
                alias: ["tag"],
            }
        name = self._pick([*INTEGERS, *self._ctes])
        columns = self._ctes.get(name) or list(INTEGERS.get(name, ("id",)))
        if self._chance(0.5):
            return name, {name.removeprefix("hr."): columns}
        alias = self._fresh("t")
        return f"{name} AS {alias}", {alias: columns}

    def _column(self, visible: dict[str, list[str]]) -> str:
        table = self._pick(sorted(visible))
        column = self._pick(visible[table])
        return column if self._chance(0.35) else f"{table}.{column}"

    def _aggregate(self, visible: dict[str, list[str]]) -> str:
        one, other = self._column(visible), self._column(visible)
        return self._pick(
            [
                f"sum({one})",
                f"max({one})",
                "count(*)",
                f"count(DISTINCT {one})",
                f"arg_max({one}, {other})",
                f"sum({one}) FILTER (WHERE {other} > 1)",
                f"list({one} ORDER BY {other})",
                f"sum({one} * {other}) + 1",
            ]
        )

    def _window(self, visible: dict[str, list[str]]) -> str:
        function = self._pick(
            [
                "row_number()",
                "rank()",
                f"sum({self._column(visible)})",
                f"lag({self._column(visible)})",
                f"first_value({self._column(visible)})",
            ]
        )
        partition = f"PARTITION BY {self._column(visible)} " if self._chance(0.5) else ""
        return f"{function} OVER ({partition}ORDER BY {self._column(visible)})"

    def _item(self, depth: int, seen: dict[str, list[str]], visible: dict[str, list[str]]) -> str:
        one, other = self._column(visible), self._column(seen)
        options = [
            one,
            one,
            f"{one} + {other}",
            f"coalesce({one}, {other})",
            f"CASE WHEN {self._comparison(visible)} THEN {one} ELSE {other} END",
            f"list_sum(list_transform([{one}, {other}], lambda x: x + {other}))",
            f"if({self._comparison(visible)}, {one}, 0)",
            f"struct_pack(p := {one}).p",
            self._window(visible),
        ]
        if depth > 1:
            inner, columns = self._select(1, seen, width=1)
            options += [f"(SELECT max({columns[0]}) FROM ({inner}) i)", f"({inner} LIMIT 1)"]
            options.append(f"EXISTS ({inner})::INT")
        return self._pick(options)

    def _comparison(self, visible: dict[str, list[str]]) -> str:
        right = self._column(visible) if self._chance(0.7) else str(self._random.randint(0, 4))
        return f"{self._column(visible)} {self._pick(['=', '<', '>=', '<>'])} {right}"

    def _condition(self, depth: int, seen: dict[str, list[str]]) -> str:
        if depth > 1 and self._chance(0.4):
            inner, _ = self._select(1, seen, width=1)
            return self._pick(
                [
                    f"EXISTS ({inner})",
                    f"NOT EXISTS ({inner})",
                    f"{self._column(seen)} IN ({inner})",
                    f"{self._column(seen)} > ANY ({inner})",
                    f"{self._column(seen)} NOT IN ({inner})",
                ]
            )
        joined = self._pick([" AND ", " OR "])
        return joined.join(self._comparison(seen) for _ in range(self._random.choice((1, 1, 2))))


def _columns(visible: dict[str, list[str]]) -> set[str]:
    return {column for names in visible.values() for column in names}
