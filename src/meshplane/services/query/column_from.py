"""The FROM clause: which relations it brings, under which names, and what decides their rows.

Imported only when a statement is analysed, since it loads sqlglot.
"""

from collections.abc import Callable
from typing import Final

from sqlglot import exp

from meshplane.services.query.column_expressions import Expressions, children
from meshplane.services.query.column_flow import Flow, together
from meshplane.services.query.column_scope import (
    Merged,
    NamedFlow,
    Rows,
    Scope,
    Source,
    Undecidable,
)

QueryOf = Callable[[exp.Expr, Scope], Rows]
BaseTable = Callable[[exp.Table], tuple[str, Rows]]

# The parts of each clause that are understood; any other makes the statement undecidable.
TABLE_PARTS: Final = frozenset({"this", "db", "catalog", "alias", "joins", "sample"})
SUBQUERY_PARTS: Final = TABLE_PARTS | {"with_", "order", "limit", "offset"}
JOIN_PARTS: Final = frozenset({"this", "side", "kind", "method", "on", "using"})
JOIN_KINDS: Final = frozenset({"", "INNER", "OUTER", "CROSS", "SEMI", "ANTI"})
JOIN_METHODS: Final = frozenset({"", "NATURAL", "ASOF", "POSITIONAL"})


def only(node: exp.Expr, understood: frozenset[str]) -> None:
    """Refuse a node with a part that is not among those understood.

    Raises:
        Undecidable: it has one.
    """
    for part, value in node.args.items():
        if part not in understood and value not in (None, False, [], ""):
            raise Undecidable


class FromClause:
    """Adds the entries of one FROM clause to a scope, from left to right."""

    def __init__(self, expressions: Expressions, query_of: QueryOf, base_table: BaseTable) -> None:
        self._expressions = expressions
        self._query_of = query_of
        self._base_table = base_table

    def add(self, node: exp.Expr, scope: Scope) -> Flow:
        """Add one entry, with the joins that hang on it.

        Args:
            node: a table, subquery, function, VALUES list or LATERAL.
            scope: what it is added to; entries already there can be referred to from it.

        Returns:
            what decides the rows that it brings.

        Raises:
            Undecidable: it is of a form that is not understood.
        """
        start = len(scope.sources)
        if isinstance(node, exp.Table):
            only(node, TABLE_PARTS)
            decided = self._table(node, scope)
        elif isinstance(node, exp.Subquery):
            only(node, SUBQUERY_PARTS)
            decided = self._subquery(node, scope)
        elif isinstance(node, exp.Lateral):
            only(node, frozenset({"this", "alias"}))
            decided = self._lateral(node, scope)
        elif isinstance(node, exp.Unnest):
            only(node, frozenset({"expressions", "alias"}))
            decided = self._function("unnest", node, node.args.get("alias"), scope)
        elif isinstance(node, exp.Values):
            only(node, frozenset({"expressions", "alias"}))
            decided = self._values(node, scope)
        else:
            raise Undecidable
        return together([decided, self.joins(node, scope, start)])

    def joins(self, node: exp.Expr, scope: Scope, start: int = 0) -> Flow:
        """Add the right sides of the joins that hang on a node.

        Args:
            node: a SELECT, or an entry of its FROM clause.
            scope: what holds the left side.
            start: index of the first entry of the left side.

        Returns:
            what decides the rows: of the right sides, and the conditions.

        Raises:
            Undecidable: a join is of a form that is not understood.
        """
        decided: list[Flow] = []
        for join in node.args.get("joins") or ():
            if not any(join.args.get(part) for part in ("side", "kind", "method", "on", "using")):
                # A comma binds less than JOIN: what follows joins to this entry alone.
                start = len(scope.sources)
            decided.append(self._join(join, scope, start))
        return together(decided)

    def _join(self, node: exp.Join, scope: Scope, start: int) -> Flow:
        only(node, JOIN_PARTS)
        kind, method = node.kind.upper(), node.method.upper()
        if kind not in JOIN_KINDS or method not in JOIN_METHODS:
            raise Undecidable
        split = len(scope.sources)
        decided = [self.add(node.this, scope)]
        if method == "POSITIONAL":
            decided += scope.ordered_by
        hides_right = kind in ("SEMI", "ANTI")
        names = [name.name.lower() for name in node.args.get("using") or ()]
        if method == "NATURAL":
            names = self._common_names(scope, start, split)
        decided += [
            self._merge(name, scope, start, split, keep=not hides_right).indirect("JOIN")
            for name in names
        ]
        condition = node.args.get("on")
        if condition is not None:
            decided.append(self._expressions.flow(condition, scope).indirect("JOIN"))
        if hides_right:
            del scope.sources[split:]
            scope.merged = [merged for merged in scope.merged if merged.owner < split]
        return together(decided)

    @staticmethod
    def _common_names(scope: Scope, start: int, split: int) -> list[str]:
        sides = []
        for sources in (scope.sources[start:split], scope.sources[split:]):
            if any(source.open for source in sources):
                raise Undecidable
            columns = [column for source in sources for column in source.columns]
            if any(column.name is None for column in columns):
                raise Undecidable
            sides.append({column.name.lower() for column in columns if column.name is not None})
        return sorted(sides[0] & sides[1])

    @staticmethod
    def _merge(name: str, scope: Scope, start: int, split: int, *, keep: bool) -> Flow:
        holders = {i for i in range(start, len(scope.sources)) if scope.sources[i].find(name)}
        if not holders or min(holders) >= split or max(holders) < split:
            raise Undecidable
        flow = together(f for i in sorted(holders) for f in scope.sources[i].find(name))
        if keep:
            others = [m for m in scope.merged if m.name != name or not m.members & holders]
            scope.merged = [*others, Merged(name, min(holders), frozenset(holders), flow)]
        return flow

    def _table(self, node: exp.Table, scope: Scope) -> Flow:
        if isinstance(node.this, exp.Func):
            name = {exp.GenerateSeries: "generate_series", exp.Unnest: "unnest"}.get(
                type(node.this)
            )
            if name is None:
                raise Undecidable
            if node.this.args.get("is_end_exclusive"):
                name = "range"
            return self._function(name, node.this, node.args.get("alias"), scope)
        name = node.name.lower()
        schema: str | None = None
        rows = None if node.db else scope.tables.get(name)
        if rows is None:
            schema, rows = self._base_table(node)
        self._place(scope, rows, node.args.get("alias"), default=name, schema=schema)
        return rows.decided_by

    def _subquery(self, node: exp.Subquery, scope: Scope) -> Flow:
        alias, inner = node.args.get("alias"), node.this
        if not _holds_join(node):
            rows = self._query_of(node, scope).with_distinct_names()
            self._place(scope, rows, alias)
            return rows.decided_by
        if any(node.args.get(part) for part in ("with_", "order", "limit", "offset")):
            raise Undecidable
        if alias is None:
            return self.add(inner, scope)
        nested = Scope(scope.universe, scope.tables, scope)
        decided = self.add(inner, nested)
        rows = Rows(
            tuple(star_columns(nested)), decided, together(nested.ordered_by)
        ).with_distinct_names()
        self._place(scope, rows, alias)
        return decided

    def _lateral(self, node: exp.Lateral, scope: Scope) -> Flow:
        alias = node.args.get("alias")
        if isinstance(node.this, exp.Subquery):
            rows = self._query_of(node.this, scope).with_distinct_names()
            self._place(scope, rows, alias)
            return rows.decided_by
        if isinstance(node.this, exp.Unnest):
            return self._function("unnest", node.this, alias, scope)
        raise Undecidable

    def _function(self, name: str, call: exp.Expr, alias: exp.Expr | None, scope: Scope) -> Flow:
        arguments = (child for child in children(call) if not isinstance(child, exp.TableAlias))
        flow = self._expressions.union(arguments, scope).through("TRANSFORMATION")
        decided = flow.indirect("JOIN")
        called = alias.name if alias is not None and alias.name else name
        column = NamedFlow(called, flow, also=name)
        self._place(scope, Rows((column,), decided), alias, default=name)
        return decided

    def _values(self, node: exp.Values, scope: Scope) -> Flow:
        rows = [
            row.expressions if isinstance(row, exp.Tuple) else [row] for row in node.expressions
        ]
        columns = tuple(
            NamedFlow(f"col{index}", self._expressions.union(cells, scope))
            for index, cells in enumerate(zip(*rows, strict=False))
        )
        decided = together(())
        self._place(scope, Rows(columns, decided), node.args.get("alias"))
        return decided

    @staticmethod
    def _place(
        scope: Scope,
        rows: Rows,
        alias: exp.Expr | None,
        *,
        default: str | None = None,
        schema: str | None = None,
    ) -> None:
        name = alias.name.lower() if alias is not None and alias.name else None
        if alias is not None:
            columns = [column.name for column in alias.args.get("columns") or ()]
            rows = rows.renamed(columns)
        scope.ordered_by.append(rows.ordered_by)
        shown = None if name is not None else schema
        scope.sources.append(Source(name or default, shown, rows.columns, rows.open))


def _holds_join(node: exp.Subquery) -> bool:
    """Whether parentheses hold a join in the end, and not a SELECT."""
    inner = node.this
    while isinstance(inner, exp.Subquery):
        inner = inner.this
    return not isinstance(inner, exp.Query)


def star_columns(scope: Scope, alias: str | None = None) -> list[NamedFlow]:
    """What `*` stands for, or `alias.*`.

    Args:
        scope: the FROM clause.
        alias: the one entry that is meant, lower case; None for all.

    Raises:
        Undecidable: an entry may have more columns than are known, or is not there.
    """
    shown: list[NamedFlow] = []
    chosen = [s for s in scope.sources if alias is None or s.alias == alias]
    if not chosen or any(source.open for source in chosen):
        raise Undecidable
    for index, source in enumerate(scope.sources):
        if not any(source is entry for entry in chosen):
            continue
        for column in source.columns:
            merged = scope.merged_at(index, column.name)
            if alias is not None or merged is None:
                shown.append(column)
            elif index == merged.owner:
                shown.append(NamedFlow(column.name, merged.flow))
    return shown
