"""SELECTs, set operations and WITH: the columns of a query and what decides its rows.

Imported only when a statement is analysed, since it loads sqlglot.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from sqlglot import exp

from meshplane.services.query.column_expressions import (
    Expressions,
    depends_on_order,
    has_aggregate,
    may_reorder,
    own_windows,
    tells_ties_apart,
)
from meshplane.services.query.column_flow import NOTHING, Flow, together
from meshplane.services.query.column_from import (
    SUBQUERY_PARTS,
    BaseTable,
    FromClause,
    only,
    star_columns,
)
from meshplane.services.query.column_items import (
    Item,
    aliases,
    constant,
    is_counted_or_inner,
    name_of,
    unfolds,
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
    [
        "distinct",
        "expressions",
        "from_",
        "joins",
        "where",
        "group",
        "having",
        "qualify",
        "windows",
        "order",
        "limit",
        "offset",
        "sample",
        "with_",
    ]
)
SET_PARTS: Final = frozenset(
    ["this", "expression", "distinct", "by_name", "with_", "order", "limit", "offset"]
)
CTE_PARTS: Final = frozenset({"this", "alias", "materialized"})

# A recursive CTE is read until its flows stop growing; each round adds a source or ends it.
RECURSION_ROUNDS_MAX: Final = 100


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
                together([rows.ordered_by, again.ordered_by]),
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
        return Rows(columns, together(decided), together([left.ordered_by, right.ordered_by]))

    def _ordered(self, node: exp.Expr, rows: Rows, around: Scope) -> Rows:
        """ORDER BY, LIMIT and OFFSET behind parentheses or a set operation."""
        if not any(node.args.get(part) for part in ("order", "limit", "offset")):
            return rows
        scope = Scope(self._universe, around.tables, around)
        scope.sources.append(Source(None, None, rows.columns, rows.open))
        flows = [constant(column) for column in rows.columns]
        items = [Item(c.name, None, flow) for c, flow in zip(rows.columns, flows, strict=True)]
        decided = [rows.decided_by, *self._order_and_limit(node, items, scope)]
        if node.args.get("limit") or node.args.get("offset"):
            decided.append(rows.ordered_by)
        return replace(rows, decided_by=together(decided))

    def _select(self, node: exp.Select, scope: Scope) -> Rows:
        decided = []
        from_clause = node.args.get("from_")
        if from_clause is not None:
            decided.append(self._from.add(from_clause.this, scope))
        decided.append(self._from.joins(node, scope))
        for window in node.args.get("windows") or ():
            scope.windows[window.this.name.lower()] = self._frame_of(window, scope)
        frames = self._frames(node, scope)
        items = [item for part in node.expressions for item in self._items(part, scope, frames)]
        scope.aliases = aliases(items)
        unfolding = [item for item in items if unfolds(item)]
        decided += [item.flow().indirect("JOIN") for item in unfolding]
        decided += self._clauses(node, items, scope)
        if node.args.get("qualify") is not None:
            decided.append(frames().indirect("FILTER"))
        reordering = [i.flow() for i in items if i.node is not None and may_reorder(i.node)]
        ordered_by = together([*scope.ordered_by, *reordering]).indirect("SORT")
        if _picks_rows_by_place(node):
            decided.append(ordered_by)
        elif _values_depend_on_order(node):
            decided.append(together(scope.ordered_by).indirect("SORT"))
        columns = tuple(NamedFlow(item.name, item.flow()) for item in items)
        return Rows(columns, together(decided), ordered_by, bool(unfolding))

    def _frame_of(self, window: exp.Window, scope: Scope) -> Callable[[], Flow]:
        return lambda: self._expressions.window_frame(window, scope)

    def _frames(self, node: exp.Select, scope: Scope) -> Callable[[], Flow]:
        """What the windows of a SELECT sort by, where there are several.

        The engine sorts for one after the other, so that a tie in one falls as another left it.
        """
        parts = [*node.expressions, *filter(None, [node.args.get("qualify")])]
        windows = [window for part in parts for window in own_windows(part)]
        if len(windows) <= 1:
            return lambda: NOTHING
        return lambda: together(self._expressions.window_frame(w, scope) for w in windows)

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

    def _items(self, node: exp.Expr, scope: Scope, frames: Callable[[], Flow]) -> list[Item]:
        star = node.this if isinstance(node, exp.Column) else node
        if isinstance(star, exp.Star):
            alias = node.table.lower() if isinstance(node, exp.Column) else None
            return self._star(star, alias, scope)
        for inner in node.find_all(exp.Star, exp.Columns):
            if isinstance(inner, exp.Columns) or not is_counted_or_inner(inner, node):
                raise Undecidable
        work_out = self._later(node, scope)
        if any(tells_ties_apart(window) for window in own_windows(node)):
            return [Item(name_of(node), node, lambda: together([work_out(), frames()]))]
        return [Item(name_of(node), node, work_out)]

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
                items.append(Item(shown, None, constant(column)))
        return items

    def _later(self, node: exp.Expr, scope: Scope) -> Callable[[], Flow]:
        return lambda: self._expressions.flow(node, scope)


def _picks_rows_by_place(node: exp.Select) -> bool:
    """Whether a SELECT keeps rows by the place at which they come out."""
    distinct = node.args.get("distinct")
    return any(node.args.get(part) is not None for part in ("limit", "offset", "sample")) or (
        distinct is not None and distinct.args.get("on") is not None
    )


def _values_depend_on_order(node: exp.Select) -> bool:
    """Whether the order in which rows come from FROM may show in the values of a SELECT."""
    parts = (*node.expressions, node.args.get("having"), node.args.get("qualify"))
    return any(depends_on_order(part) for part in parts if part is not None)


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
