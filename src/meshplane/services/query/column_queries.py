"""SELECTs, set operations and WITH: the columns of a query and what decides its rows.

Imported only when a statement is analysed, since it loads sqlglot.
"""

from collections.abc import Callable, Sequence
from typing import Final

from sqlglot import exp

from meshplane.services.query.column_expressions import Expressions, has_aggregate
from meshplane.services.query.column_flow import NOTHING, Flow, together
from meshplane.services.query.column_from import (
    SUBQUERY_PARTS,
    BaseTable,
    FromClause,
    only,
    star_columns,
)
from meshplane.services.query.column_scope import (
    NamedFlow,
    Rows,
    Scope,
    Source,
    Undecidable,
    agreed,
)

SELECT_PARTS: Final = frozenset(
    "distinct expressions from_ joins where group having qualify windows order limit offset "
    "sample with_".split()
)
SET_PARTS: Final = frozenset("this expression distinct by_name with_ order limit offset".split())
CTE_PARTS: Final = frozenset({"this", "alias", "materialized"})

# A recursive CTE is read until its flows stop growing; each round adds a source or ends it.
RECURSION_ROUNDS_MAX: Final = 100


class Item:
    """One column of a SELECT list; its flow is worked out when first asked for."""

    def __init__(
        self, name: str | None, node: exp.Expr | None, work_out: Callable[[], Flow]
    ) -> None:
        self.name = name
        self.node = node
        self._work_out = work_out
        self._flow: Flow | None = None
        self._busy = False

    def flow(self) -> Flow:
        """What the column is made from."""
        if self._flow is None:
            if self._busy:
                return NOTHING  # its own name: whatever else it reads is being collected
            self._busy = True
            try:
                self._flow = self._work_out()
            finally:
                self._busy = False
        return self._flow


class Queries:
    """Works out the columns of queries over known relations."""

    def __init__(self, universe: Flow, base_table: BaseTable) -> None:
        self._universe = universe
        self._expressions = Expressions(self.inner)
        self._from = FromClause(self._expressions, self.inner, base_table)

    def outermost(self, node: exp.Expr) -> Rows:
        """The columns of a whole statement.

        Raises:
            Undecidable: it has a part that is not understood.
        """
        return self._rows(node, Scope(self._universe, {}))

    def inner(self, node: exp.Expr, around: Scope) -> Rows:
        """The columns of a query inside another, which may refer to the names around it."""
        return self._rows(node, around)

    def _rows(self, node: exp.Expr, around: Scope) -> Rows:
        with_clause = node.args.get("with_")
        if with_clause is not None:
            around = self._with(with_clause, around)
        if isinstance(node, exp.Select):
            only(node, SELECT_PARTS)
            return self._select(node, Scope(self._universe, around.tables, around))
        if isinstance(node, exp.SetOperation):
            only(node, SET_PARTS)
            return self._ordered(node, self._set_operation(node, around), around)
        if isinstance(node, exp.Subquery):
            only(node, SUBQUERY_PARTS)
            return self._ordered(node, self._rows(node.this, around), around)
        raise Undecidable

    def _with(self, node: exp.With, around: Scope) -> Scope:
        only(node, frozenset({"expressions", "recursive"}))
        scope = Scope(self._universe, dict(around.tables), around)
        for cte in node.expressions:
            only(cte, CTE_PARTS)
            alias = cte.args["alias"]
            name = alias.name.lower()
            columns = [column.name for column in alias.args.get("columns") or ()]
            refers_to_itself = any(
                table.name.lower() == name and not table.db for table in cte.find_all(exp.Table)
            )
            if node.args.get("recursive") and refers_to_itself:
                rows = self._recursive(cte.this, name, columns, scope)
            else:
                rows = self._rows(cte.this, scope).with_distinct_names().renamed(columns)
            scope = Scope(self._universe, {**scope.tables, name: rows}, around)
        return scope

    def _recursive(self, body: exp.Expr, name: str, columns: Sequence[str], around: Scope) -> Rows:
        if not isinstance(body, exp.SetOperation) or body.args.get("with_") is not None:
            raise Undecidable
        rows = self._rows(body.this, around).with_distinct_names().renamed(columns)
        for _round in range(RECURSION_ROUNDS_MAX):
            scope = Scope(self._universe, {**around.tables, name: rows}, around)
            again = self._rows(body, scope)
            if len(again.columns) != len(rows.columns):
                raise Undecidable
            grown = Rows(
                tuple(
                    NamedFlow(old.name, together([old.flow, new.flow]))
                    for old, new in zip(rows.columns, again.columns, strict=True)
                ),
                together([rows.decided_by, again.decided_by]),
                rows.open or again.open,
            )
            if grown == rows:
                return rows
            rows = grown
        raise Undecidable

    def _set_operation(self, node: exp.SetOperation, around: Scope) -> Rows:
        left, right = self._rows(node.this, around), self._rows(node.expression, around)
        if left.open or right.open:
            raise Undecidable
        columns = _by_name(left, right) if node.args.get("by_name") else _by_place(left, right)
        decided = [left.decided_by, right.decided_by]
        values = together(column.flow for rows in (left, right) for column in rows.columns)
        if not isinstance(node, exp.Union):
            # EXCEPT and INTERSECT keep or drop rows of the left by comparing all values.
            decided.append(values.indirect("FILTER"))
            columns = left.columns
        elif node.args.get("distinct"):
            decided.append(values.indirect("GROUP_BY"))
        return Rows(columns, together(decided))

    def _ordered(self, node: exp.Expr, rows: Rows, around: Scope) -> Rows:
        """ORDER BY, LIMIT and OFFSET behind parentheses or a set operation."""
        if not any(node.args.get(part) for part in ("order", "limit", "offset")):
            return rows
        scope = Scope(self._universe, around.tables, around)
        scope.sources.append(Source(None, None, rows.columns, rows.open))
        flows = [_constant(column) for column in rows.columns]
        items = [Item(c.name, None, flow) for c, flow in zip(rows.columns, flows, strict=True)]
        decided = [rows.decided_by, *self._order_and_limit(node, items, scope)]
        return Rows(rows.columns, together(decided), rows.open)

    def _select(self, node: exp.Select, scope: Scope) -> Rows:
        decided = []
        from_clause = node.args.get("from_")
        if from_clause is not None:
            decided.append(self._from.add(from_clause.this, scope))
        decided.append(self._from.joins(node, scope))
        for window in node.args.get("windows") or ():
            scope.windows[window.this.name.lower()] = self._frame_of(window, scope)
        items = [item for part in node.expressions for item in self._items(part, scope)]
        scope.aliases = _aliases(items)
        unfolds = [item for item in items if _unfolds(item)]
        decided += [item.flow().indirect("JOIN") for item in unfolds]
        decided += self._clauses(node, items, scope)
        columns = tuple(NamedFlow(item.name, item.flow()) for item in items)
        return Rows(columns, together(decided), bool(unfolds))

    def _frame_of(self, window: exp.Window, scope: Scope) -> Callable[[], Flow]:
        return lambda: self._expressions.window_frame(window, scope)

    def _clauses(self, node: exp.Select, items: Sequence[Item], scope: Scope) -> list[Flow]:
        decided = [
            self._expressions.flow(node.args[clause].this, scope).indirect("FILTER")
            for clause in ("where", "having", "qualify")
            if node.args.get(clause) is not None
        ]
        group = node.args.get("group")
        if group is not None:
            decided.append(self._group(group, items, scope).indirect("GROUP_BY"))
        distinct = node.args.get("distinct")
        if distinct is not None:
            on = distinct.args.get("on")
            keys = (
                [self._key(key, items, scope) for key in _listed(on)]
                if on is not None
                else [item.flow() for item in items]
            )
            decided.append(together(keys).indirect("GROUP_BY"))
        return decided + self._order_and_limit(node, items, scope)

    def _group(self, node: exp.Group, items: Sequence[Item], scope: Scope) -> Flow:
        keys = [self._expressions.union(node.expressions, scope)]
        keys += [
            self._expressions.union(part, scope)
            for name in ("grouping_sets", "cube", "rollup")
            if isinstance(part := node.args.get(name), list)
        ]
        if node.args.get("totals"):
            raise Undecidable
        keys += [_at(number, items) for number in node.find_all(exp.Literal) if _is_key(number)]
        if node.args.get("all"):
            keys += [
                self._expressions.outside_aggregates(item.node, scope)
                if item.node is not None and has_aggregate(item.node)
                else item.flow()
                for item in items
            ]
        return together(keys)

    def _order_and_limit(self, node: exp.Expr, items: Sequence[Item], scope: Scope) -> list[Flow]:
        decided = []
        order = node.args.get("order")
        for ordered in order.expressions if order is not None else ():
            decided.append(self._key(ordered.this, items, scope).indirect("SORT"))
        for part in ("limit", "offset"):
            if node.args.get(part) is not None:
                flow = self._expressions.flow(node.args[part], scope)
                decided.append(flow.indirect("FILTER"))
        return decided

    def _key(self, node: exp.Expr, items: Sequence[Item], scope: Scope) -> Flow:
        """A key of ORDER BY or DISTINCT ON: a place, ALL, an alias or an expression."""
        if isinstance(node, exp.Literal) and _is_place(node):
            return _at(node, items)
        if isinstance(node, exp.Var) and node.name.upper() == "ALL":
            return together(item.flow() for item in items)
        named = node.this if isinstance(node, exp.Collate) else node
        if not isinstance(named, exp.Column) or len(named.parts) != 1:
            return self._expressions.flow(node, scope)
        name = named.name.lower()
        same = [item for item in items if (item.name or "").lower() == name]
        readings = [item.flow() for item in same]
        # An alias wins here; of a name that was not given by AS, both readings count.
        if named is not node or not any(isinstance(item.node, exp.Alias) for item in same):
            readings.append(self._expressions.flow(named, scope))
        return agreed(readings)

    def _items(self, node: exp.Expr, scope: Scope) -> list[Item]:
        star = node.this if isinstance(node, exp.Column) else node
        if isinstance(star, exp.Star):
            alias = node.table.lower() if isinstance(node, exp.Column) else None
            return self._star(star, alias, scope)
        for inner in node.find_all(exp.Star, exp.Columns):
            if isinstance(inner, exp.Columns) or not _is_counted_or_inner(inner, node):
                raise Undecidable
        return [Item(_name_of(node), node, lambda: self._expressions.flow(node, scope))]

    def _star(self, star: exp.Star, alias: str | None, scope: Scope) -> list[Item]:
        only(star, frozenset({"except_", "replace", "rename"}))
        columns = star_columns(scope, alias)
        left_out = star.args.get("except_") or ()
        if any(isinstance(c, exp.Column) and c.table for c in left_out):
            raise Undecidable
        dropped = {column.name.lower() for column in left_out}
        replaced = {part.alias.lower(): part.this for part in star.args.get("replace") or ()}
        renamed = {part.this.name.lower(): part.alias for part in star.args.get("rename") or ()}
        items = []
        for column in columns:
            name = column.name.lower() if column.name is not None else None
            if name in dropped:
                continue
            if name in replaced:
                node = replaced[name]
                items.append(Item(column.name, node, self._later(node, scope)))
            else:
                shown = renamed.get(name, column.name) if name is not None else None
                items.append(Item(shown, None, _constant(column)))
        return items

    def _later(self, node: exp.Expr, scope: Scope) -> Callable[[], Flow]:
        return lambda: self._expressions.flow(node, scope)


def _aliases(items: Sequence[Item]) -> dict[str, Callable[[], Flow]]:
    """The names that SELECT items were given, lower case."""
    named: dict[str, list[Item]] = {}
    for item in items:
        if isinstance(item.node, exp.Alias):
            named.setdefault(item.node.alias.lower(), []).append(item)
    return {name: _agreement(same) for name, same in named.items()}


def _agreement(items: Sequence[Item]) -> Callable[[], Flow]:
    return lambda: agreed([item.flow() for item in items])


def _constant(column: NamedFlow) -> Callable[[], Flow]:
    return lambda: column.flow


def _by_place(left: Rows, right: Rows) -> tuple[NamedFlow, ...]:
    if len(left.columns) != len(right.columns):
        raise Undecidable
    return tuple(
        NamedFlow(one.name, together([one.flow, other.flow]))
        for one, other in zip(left.columns, right.columns, strict=True)
    )


def _by_name(left: Rows, right: Rows) -> tuple[NamedFlow, ...]:
    if any(column.name is None for column in (*left.columns, *right.columns)):
        raise Undecidable
    columns: dict[str, NamedFlow] = {}
    for column in (*left.columns, *right.columns):
        key = str(column.name).lower()
        before = columns.get(key)
        flow = column.flow if before is None else together([before.flow, column.flow])
        columns[key] = NamedFlow(column.name if before is None else before.name, flow)
    return tuple(columns.values())


def _is_place(number: exp.Literal) -> bool:
    return not number.is_string and number.name.isdigit()


def _is_key(number: exp.Literal) -> bool:
    """Whether a literal of GROUP BY is a place, and not part of an expression."""
    above = number.parent
    while isinstance(above, exp.Rollup | exp.Cube | exp.GroupingSets | exp.Tuple | exp.Paren):
        above = above.parent
    return isinstance(above, exp.Group) and _is_place(number)


def _at(number: exp.Literal, items: Sequence[Item]) -> Flow:
    place = int(number.name)
    if 1 <= place <= len(items):
        return items[place - 1].flow()
    return together(item.flow() for item in items)


def _listed(node: exp.Expr) -> Sequence[exp.Expr]:
    return node.expressions if isinstance(node, exp.Tuple) else [node]


def _unfolds(item: Item) -> bool:
    """Whether a SELECT item makes several rows, and perhaps columns, of one."""
    return item.node is not None and item.node.find(exp.Explode, exp.Unnest) is not None


def _is_counted_or_inner(star: exp.Expr, item: exp.Expr) -> bool:
    """Whether a star is that of `count(*)`, or belongs to a subquery of the item."""
    if isinstance(star.parent, exp.Count):
        return True
    above = star.parent
    while above is not None and above is not item.parent:
        if isinstance(above, exp.Query):
            return True
        above = above.parent
    return False


def _name_of(node: exp.Expr) -> str | None:
    """The name that DuckDB gives a SELECT item; None where it is made up from the expression."""
    if isinstance(node, exp.Alias):
        return None if _explodes(node.this) else node.alias
    if isinstance(node, exp.Paren):
        return _name_of(node.this)
    if isinstance(node, exp.Column):
        return node.name
    if isinstance(node, exp.Dot) and isinstance(node.expression, exp.Identifier):
        return node.expression.name
    return None


def _explodes(node: exp.Expr) -> bool:
    return isinstance(node, exp.Explode | exp.Unnest)
