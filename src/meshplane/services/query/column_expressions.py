"""What flows into one expression, read off sqlglot's tree.

Imported only when a statement is analysed, since it loads sqlglot.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from sqlglot import exp

from meshplane.services.query.column_flow import NOTHING, DirectSubtype, Flow, together
from meshplane.services.query.column_scope import Rows, Scope, Undecidable

# sqlglot counts these as aggregates; what they return is one value of their window, or a number.
WINDOW_FUNCTIONS: Final = (
    exp.Lag,
    exp.Lead,
    exp.FirstValue,
    exp.LastValue,
    exp.NthValue,
    exp.RowNumber,
    exp.Rank,
    exp.DenseRank,
    exp.PercentRank,
    exp.CumeDist,
    exp.Ntile,
)

# Aggregates of DuckDB 2.0 (duckdb_functions()) for which sqlglot has no class.
AGGREGATE_NAMES: Final = frozenset(
    [
        "any_value",
        "approx_count_distinct",
        "approx_top_k",
        "arbitrary",
        "arg_max_null",
        "arg_max_nulls_last",
        "arg_min_null",
        "arg_min_nulls_last",
        "argmax",
        "argmin",
        "bitstring_agg",
        "combine_aggr",
        "countif",
        "decimal_average",
        "entropy",
        "favg",
        "fsum",
        "histogram",
        "histogram_exact",
        "kahan_sum",
        "kurtosis",
        "kurtosis_pop",
        "lttb",
        "mad",
        "mean",
        "mode",
        "product",
        "quantile_disc",
        "regr_avgx",
        "regr_avgy",
        "regr_count",
        "regr_intercept",
        "regr_r2",
        "regr_slope",
        "regr_sxx",
        "regr_sxy",
        "regr_syy",
        "reservoir_quantile",
        "sem",
        "skewness",
        "sum_no_overflow",
        "sumkahan",
        "variant_group_object",
        "list",
        "listagg",
    ]
)

# What these return does not depend on the order in which rows reach them.
UNORDERED_AGGREGATES: Final = (exp.Sum, exp.Count, exp.Min, exp.Max, exp.Avg, exp.CountIf)

QueryOf = Callable[[exp.Expr, Scope], Rows]


def is_aggregate(node: exp.Expr) -> bool:
    """Whether a call folds many rows into one value."""
    if isinstance(node, exp.Anonymous):
        return node.name.lower() in AGGREGATE_NAMES
    return isinstance(node, exp.AggFunc) and not isinstance(node, WINDOW_FUNCTIONS)


def children(node: exp.Expr) -> Iterator[exp.Expr]:
    """The direct sub-expressions of a node."""
    for value in node.args.values():
        for item in value if isinstance(value, list) else (value,):
            if isinstance(item, exp.Expr):
                yield item


def has_aggregate(node: exp.Expr) -> bool:
    """Whether a SELECT item is an aggregate of its own SELECT (windows and subqueries aside)."""
    if isinstance(node, exp.Query | exp.Window):
        return False
    return is_aggregate(node) or any(has_aggregate(child) for child in children(node))


def depends_on_order(node: exp.Expr) -> bool:
    """Whether an expression may change with the order of the rows of its FROM clause."""
    return any(
        isinstance(part, exp.Window)
        or (is_aggregate(part) and not isinstance(part, UNORDERED_AGGREGATES))
        for part in node.walk()
    )


# Rows that tie in a window's order have the same value of these, whatever order they come in.
PEERS_ALIKE: Final = (*UNORDERED_AGGREGATES, exp.Rank, exp.DenseRank, exp.PercentRank, exp.CumeDist)


def own_windows(node: exp.Expr) -> list[exp.Window]:
    """The windows of an expression, without those of its subqueries."""
    own = node.walk(prune=lambda part: isinstance(part, exp.Query))
    return [part for part in own if isinstance(part, exp.Window)]


def tells_ties_apart(window: exp.Window) -> bool:
    """Whether the value of a window differs between rows that tie in its order."""
    plain = window.args.get("spec") is None and window.args.get("alias") is None
    return not (plain and isinstance(window.this, PEERS_ALIKE))


def may_reorder(node: exp.Expr) -> bool:
    """Whether the engine may emit rows in another order because of a SELECT item."""
    return node.find(exp.Window, exp.Query) is not None


class Expressions:
    """Works out flows of expressions; `query_of` answers for the subqueries in them."""

    def __init__(self, query_of: QueryOf) -> None:
        self._query_of = query_of
        self._special: dict[type[exp.Expr], Callable[[Any, Scope, frozenset[str]], Flow]] = {
            exp.Column: self._column,
            exp.Identifier: self._bare_name,
            exp.Var: self._bare_name,
            exp.Dot: self._dot,
            exp.Paren: self._same,
            exp.Alias: self._same,
            exp.PropertyEQ: self._value_only,
            exp.Case: self._case,
            exp.If: self._if,
            exp.Window: self._window,
            exp.Filter: self._filter,
            exp.WithinGroup: self._within_group,
            exp.Order: self._ordered_argument,
            exp.Exists: self._exists,
            exp.Lambda: self._lambda,
            exp.Comprehension: self._comprehension,
            exp.Count: self._count,
            exp.Star: self._star,
            exp.PositionalColumn: self._anything,
            exp.Columns: self._undecidable,
            exp.DataType: self._nothing,
        }

    def flow(self, node: exp.Expr, scope: Scope, bound: frozenset[str] = frozenset()) -> Flow:
        """The sources of an expression.

        Args:
            node: the expression.
            scope: the names that it sees.
            bound: parameters of the lambdas around it, lower case.

        Raises:
            Undecidable: it has a part that is not understood.
        """
        if isinstance(node, exp.Query):
            return self._subquery(node, scope)
        special = self._special.get(type(node))
        if special is not None:
            return special(node, scope, bound)
        step: DirectSubtype = "AGGREGATION" if is_aggregate(node) else "TRANSFORMATION"
        return self.union(children(node), scope, bound).through(step)

    def union(
        self, nodes: Iterable[exp.Expr], scope: Scope, bound: frozenset[str] = frozenset()
    ) -> Flow:
        """The sources of several expressions."""
        return together(self.flow(node, scope, bound) for node in nodes)

    def outside_aggregates(self, node: exp.Expr, scope: Scope) -> Flow:
        """The columns of a SELECT item that its aggregates do not fold: GROUP BY ALL's keys."""
        if isinstance(node, exp.Alias):
            return self.outside_aggregates(node.this, scope)
        if is_aggregate(node):
            return NOTHING
        if not has_aggregate(node):
            return self.flow(node, scope)
        return together(self.outside_aggregates(child, scope) for child in children(node))

    def _subquery(self, node: exp.Expr, scope: Scope) -> Flow:
        rows = self._query_of(node, scope)
        return together(
            [*(column.flow for column in rows.columns), rows.decided_by, rows.ordered_by]
        )

    def _column(self, node: exp.Column, scope: Scope, bound: frozenset[str]) -> Flow:
        parts = [part.name.lower() for part in node.parts]
        if isinstance(node.this, exp.Star):
            rows = [s.whole_row() for s in scope.sources if s.alias == parts[0]]
            return together(rows).inexact() if rows else scope.universe
        if parts[0] in bound:
            return NOTHING
        return scope.resolve(parts)

    def _bare_name(self, node: exp.Expr, scope: Scope, bound: frozenset[str]) -> Flow:
        # The parser turns some columns into words (`date_trunc(unit_column, d)`).
        name = node.name.lower()
        if name in bound or not scope.names_column(name):
            return NOTHING
        return scope.resolve([name]).through("TRANSFORMATION").inexact()

    def _dot(self, node: exp.Dot, scope: Scope, bound: frozenset[str]) -> Flow:
        base, member = node.this, node.expression
        if isinstance(base, exp.Identifier):
            name = base.name.lower()
            of_base = NOTHING if name in bound else scope.resolve([name])
        else:
            of_base = self.flow(base, scope, bound)
        of_call = NOTHING if isinstance(member, exp.Identifier) else self.flow(member, scope, bound)
        return together([of_base, of_call]).through("TRANSFORMATION")

    def _same(self, node: exp.Expr, scope: Scope, bound: frozenset[str]) -> Flow:
        return self.flow(node.this, scope, bound)

    def _value_only(self, node: exp.PropertyEQ, scope: Scope, bound: frozenset[str]) -> Flow:
        key = NOTHING if isinstance(node.this, exp.Identifier) else self.flow(node.this, scope)
        value = self.flow(node.expression, scope, bound)
        return together([key, value]).through("TRANSFORMATION")

    def _case(self, node: exp.Case, scope: Scope, bound: frozenset[str]) -> Flow:
        branches = [self._if(branch, scope, bound) for branch in node.args["ifs"]]
        operand, default = node.this, node.args.get("default")
        if operand is not None:
            branches.append(self.flow(operand, scope, bound).indirect("CONDITIONAL"))
        if default is not None:
            branches.append(self.flow(default, scope, bound))
        return together(branches).through("TRANSFORMATION")

    def _if(self, node: exp.If, scope: Scope, bound: frozenset[str]) -> Flow:
        results = [node.args.get("true"), node.args.get("false")]
        of_results = self.union((r for r in results if r is not None), scope, bound)
        condition = self.flow(node.this, scope, bound).indirect("CONDITIONAL")
        return together([of_results.through("TRANSFORMATION"), condition])

    def _window(self, node: exp.Window, scope: Scope, bound: frozenset[str]) -> Flow:
        function = self.flow(node.this, scope, bound).through("TRANSFORMATION")
        return together([function, self.window_frame(node, scope, bound)])

    def window_frame(
        self, node: exp.Window, scope: Scope, bound: frozenset[str] = frozenset()
    ) -> Flow:
        """What PARTITION BY, ORDER BY and the frame of a window depend on."""
        parts = [*(node.args.get("partition_by") or ())]
        parts += [node.args[key] for key in ("order", "spec") if node.args.get(key) is not None]
        frame = self.union((part for part in parts if isinstance(part, exp.Expr)), scope, bound)
        named = node.args.get("alias")
        if named is not None:
            definition = scope.windows.get(named.name.lower())
            frame = together([frame, definition() if definition else scope.universe])
        return frame.indirect("WINDOW")

    def _filter(self, node: exp.Filter, scope: Scope, bound: frozenset[str]) -> Flow:
        condition = self.flow(node.expression, scope, bound).indirect("FILTER")
        return together([self.flow(node.this, scope, bound), condition])

    def _within_group(self, node: exp.WithinGroup, scope: Scope, bound: frozenset[str]) -> Flow:
        return self.union((node.this, node.expression), scope, bound).through("AGGREGATION")

    def _ordered_argument(self, node: exp.Order, scope: Scope, bound: frozenset[str]) -> Flow:
        # `list(x ORDER BY y)` holds `x` inside the Order node; other orders have no `this`.
        keys = self.union(node.expressions, scope, bound)
        if node.this is None:
            return keys
        return together([self.flow(node.this, scope, bound), keys.indirect("SORT")])

    def _exists(self, node: exp.Exists, scope: Scope, bound: frozenset[str]) -> Flow:
        if isinstance(node.this, exp.Query):
            return self._query_of(node.this, scope).decided_by
        return self.union(children(node), scope, bound).through("TRANSFORMATION")

    def _lambda(self, node: exp.Lambda, scope: Scope, bound: frozenset[str]) -> Flow:
        return self._binding(
            [name.name.lower() for name in node.expressions], [node.this], scope, bound
        )

    def _comprehension(self, node: exp.Comprehension, scope: Scope, bound: frozenset[str]) -> Flow:
        variables = [node.args[key] for key in ("expression", "position") if node.args.get(key)]
        inside = [node.this, *filter(None, [node.args.get("condition")])]
        iterated = self.flow(node.args["iterator"], scope, bound)
        names = [variable.name.lower() for variable in variables]
        return together([iterated, self._binding(names, inside, scope, bound)]).through(
            "TRANSFORMATION"
        )

    def _binding(
        self,
        names: list[str],
        inside: list[exp.Expr],
        scope: Scope,
        bound: frozenset[str],
    ) -> Flow:
        # `f(j -> 'k')` reads field k of column j, though it parses as a lambda over j.
        captured = [
            scope.resolve([name]).inexact()
            for name in names
            if name not in bound and scope.names_column(name)
        ]
        body = self.union(inside, scope, bound | frozenset(names))
        return together([*captured, body]).through("TRANSFORMATION")

    def _count(self, node: exp.Count, scope: Scope, bound: frozenset[str]) -> Flow:
        if isinstance(node.this, exp.Star):
            return NOTHING
        return self.union(children(node), scope, bound).through("AGGREGATION")

    def _star(self, _node: exp.Star, scope: Scope, _bound: frozenset[str]) -> Flow:
        return scope.all_columns().inexact()

    def _anything(self, _node: exp.Expr, scope: Scope, _bound: frozenset[str]) -> Flow:
        return scope.universe

    def _undecidable(self, _node: exp.Expr, _scope: Scope, _bound: frozenset[str]) -> Flow:
        raise Undecidable

    def _nothing(self, _node: exp.Expr, _scope: Scope, _bound: frozenset[str]) -> Flow:
        return NOTHING
