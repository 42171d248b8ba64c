"""Which of DuckDB's SQL goes to Athena at all: whatever is not named here is refused."""

from collections.abc import Callable, Iterable, Iterator

from sqlglot import exp

from meshplane.kit.errors import MeshplaneError
from meshplane.services.query.aws_survey import Survey, survey
from meshplane.services.query.sandbox.faults import invalid, refused

_STRUCTURE: frozenset[type[exp.Expr]] = frozenset(
    {
        exp.Alias, exp.Column, exp.CTE, exp.DataType, exp.DataTypeParam, exp.Distinct, exp.Except,
        exp.From, exp.Group, exp.Having, exp.Identifier, exp.Intersect, exp.Join, exp.Limit,
        exp.Literal, exp.Null, exp.Boolean, exp.Offset, exp.Order, exp.Ordered, exp.Paren,
        exp.Placeholder, exp.Qualify, exp.Select, exp.Star, exp.Subquery, exp.Table,
        exp.TableAlias, exp.Tuple, exp.Union, exp.Values, exp.Var, exp.Where, exp.Window,
        exp.WindowSpec, exp.With, exp.Filter, exp.Rollup, exp.Cube,
        exp.IgnoreNulls,
    }
)  # fmt: skip
_OPERATORS: frozenset[type[exp.Expr]] = frozenset(
    {
        exp.Add, exp.And, exp.Between, exp.Case, exp.DPipe, exp.Div, exp.EQ, exp.Exists, exp.GT,
        exp.GTE, exp.ILike, exp.If, exp.In, exp.IntDiv, exp.Interval, exp.Is, exp.LT, exp.LTE,
        exp.Like, exp.Mod, exp.Mul, exp.NEQ, exp.Neg, exp.Not, exp.NullSafeEQ, exp.NullSafeNEQ,
        exp.Or, exp.Sub,
    }
)  # fmt: skip
_AGGREGATES: frozenset[type[exp.Expr]] = frozenset(
    {
        exp.ArgMax, exp.ArgMin, exp.ArrayAgg, exp.Avg, exp.Count, exp.CountIf, exp.GroupConcat,
        exp.LogicalAnd, exp.LogicalOr, exp.Max, exp.Min, exp.Stddev, exp.StddevPop,
        exp.StddevSamp, exp.Sum,
        exp.Variance, exp.VariancePop, exp.Corr, exp.CovarPop, exp.CovarSamp,
    }
)  # fmt: skip
_WINDOWS: frozenset[type[exp.Expr]] = frozenset(
    {
        exp.CumeDist, exp.DenseRank, exp.FirstValue, exp.Lag, exp.LastValue, exp.Lead,
        exp.NthValue, exp.Ntile, exp.PercentRank, exp.Rank, exp.RowNumber,
    }
)  # fmt: skip
_SCALARS: frozenset[type[exp.Expr]] = frozenset(
    {
        exp.Abs, exp.Array, exp.Cast, exp.Ceil, exp.Coalesce, exp.Concat, exp.CurrentDate,
        exp.DateDiff, exp.Day, exp.Exp, exp.Extract, exp.Floor, exp.Greatest, exp.Least, exp.Left,
        exp.Length,
        exp.Ln, exp.Lower, exp.Month, exp.Nullif, exp.Pow, exp.Quarter, exp.RegexpLike,
        exp.Replace, exp.Reverse, exp.Right, exp.Round, exp.Sign, exp.Sqrt, exp.StartsWith,
        exp.StrPosition, exp.Substring, exp.TimeToStr, exp.TimestampTrunc, exp.DateTrunc, exp.Trim,
        exp.TryCast, exp.Upper, exp.Week, exp.Year,
    }
)  # fmt: skip
KNOWN = _STRUCTURE | _OPERATORS | _AGGREGATES | _WINDOWS | _SCALARS

_T = exp.DataType.Type
WHOLE = frozenset({_T.TINYINT, _T.SMALLINT, _T.INT, _T.BIGINT})
REAL = frozenset({_T.FLOAT, _T.DOUBLE})
TEXT = frozenset({_T.VARCHAR, _T.TEXT, _T.CHAR, _T.NCHAR, _T.NVARCHAR})
INSTANTS = frozenset({_T.TIMESTAMP, _T.TIMESTAMPTZ, _T.DATETIME, _T.TIMESTAMPNTZ})
TEMPORAL = INSTANTS | {_T.DATE}
_CASTS = WHOLE | REAL | TEXT | INSTANTS | {_T.DECIMAL, _T.BOOLEAN, _T.DATE, _T.TIME}
_PARTS = frozenset({"YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND", "DOY"})
_DATE_PARTS = frozenset({"date_part", "datepart"})
_FORMATS = frozenset("YmdHMS%")
_NAMES: dict[type[exp.Expr], str] = {
    exp.Anonymous: "a function of this name",
    exp.HistoricalData: "AT",
    exp.GroupingSets: "GROUPING SETS",
    exp.TableSample: "TABLESAMPLE",
    exp.Bracket: "a list or map by its place",
    exp.Dot: "a field of a struct",
    exp.Lambda: "a function without a name",
    exp.Unnest: "UNNEST",
    exp.Pivot: "PIVOT",
}


def spelled_out(held: Survey) -> Survey:
    """The statement in words that the lists know, and what it holds then.

    `date_part` becomes EXTRACT, `$$…$$` a text, `count()` the `count(*)` that it means; a query in
    place of a column gets a name, where columns are named by their places.
    """
    for count in held.of(exp.Count):
        if count.this is None and not count.expressions:
            count.set("this", exp.Star())
    changed = False
    for node in (*held.of(exp.RawString), *held.of(exp.Anonymous)):
        new = _spelled(node)
        if new is not None:
            node.replace(new)
            changed = True
    for select in held.of(exp.Select):
        changed = _named_queries(select) or changed
    return survey(held.nodes[0]) if changed else held


def _spelled(node: exp.Expr) -> exp.Expr | None:
    if isinstance(node, exp.RawString):
        return exp.Literal.string(node.name)
    if node.name.lower() not in _DATE_PARTS:
        return None
    part, *of = node.expressions
    if len(of) != 1 or not isinstance(part, exp.Literal):
        return None
    return exp.Extract(this=exp.Var(this=part.name.upper()), expression=of[0])


def _named_queries(select: exp.Select) -> bool:
    """Whether a query among its columns got a name now: by its place it is found only with one."""
    columns = select.expressions
    if not any(map(_is_unnamed, columns)):
        return False
    if not any(isinstance(one, exp.Literal) for one in _terms(select)):
        return False
    # As it would be called at last; behind a star nobody knows at which place.
    start = "_query_" if any(one.is_star for one in columns) else "_col_"
    names = [exp.Identifier(this=f"{start}{at}", quoted=True) for at in range(len(columns))]
    select.set(
        "expressions",
        [
            exp.Alias(this=one, alias=name) if _is_unnamed(one) else one
            for one, name in zip(columns, names, strict=True)
        ],
    )
    return True


def _is_unnamed(column: exp.Expr) -> bool:
    return isinstance(column, exp.Subquery) and not column.alias


def _terms(select: exp.Select) -> list[exp.Expr]:
    """What a SELECT groups and orders by."""
    group, order = select.args.get("group"), select.args.get("order")
    ordered = [] if order is None else [one.this for one in order.expressions]
    return [*(group.expressions if group is not None else []), *ordered]


def names_all(held: Survey) -> bool:
    """Whether a statement has GROUP BY ALL or ORDER BY ALL."""
    return any(one.args.get("all") for one in held.of(exp.Group)) or any(
        _is_all(term) for one in held.of(exp.Order) for term in one.expressions
    )


def all_spelled_out(tree: exp.Expr) -> None:
    """Names the columns that GROUP BY ALL and ORDER BY ALL mean; stars are columns by now."""
    for select in tree.find_all(exp.Select):
        group = select.args.get("group")
        if group is not None and group.args.get("all"):
            keys = [one.unalias() for one in select.expressions if not _aggregates(one, select)]
            group.set("all", None)
            group.set("expressions", [key.copy() for key in keys])
            if not keys:
                select.set("group", None)
    for order in tree.find_all(exp.Order):
        if not any(map(_is_all, order.expressions)):
            continue
        query = order.parent
        if not isinstance(query, exp.Query) or len(order.expressions) > 1:
            raise apart("ORDER BY ALL beside others", "name the columns to order by")
        [how] = order.expressions
        places = range(1, len(query.selects) + 1)
        order.set("expressions", [_by_place(how, place) for place in places])


def _aggregates(one: exp.Expr, select: exp.Select) -> bool:
    """Whether a column of a SELECT is made of many rows; of windows and subqueries it is not."""
    return any(
        each.find_ancestor(exp.Window, exp.Select) is select
        or (
            isinstance(each.parent, exp.Filter)
            and each.parent.find_ancestor(exp.Window, exp.Select) is select
        )
        for each in one.find_all(exp.AggFunc)
    )


def _by_place(how: exp.Expr, place: int) -> exp.Expr:
    made = how.copy()
    made.set("this", exp.Literal.number(place))
    return made


def check(held: Survey) -> None:
    """Refuses a statement that holds what is not named here.

    Raises:
        Refused: SQL_REFUSED.
    """
    for node in held.nodes:
        kind = type(node)
        if kind not in KNOWN:
            raise apart(_shown(node))
        own = _CHECKS.get(kind)
        if own is not None:
            own(node)


def check_groups(tree: exp.Expr, held: Survey) -> None:
    """Refuses ROLLUP and CUBE that name a column twice, also where it is written in two ways.

    The engine here takes `t.port` and `port` for two there, and Athena for one.

    Args:
        tree: with all names resolved.
        held: what the statement holds.

    Raises:
        Refused: SQL_REFUSED.
    """
    if not held.of(exp.Rollup) and not held.of(exp.Cube):
        return
    for group in tree.find_all(exp.Group):
        keys = [key.sql(identify=True) for key in _keys(group.expressions)]
        if group.find(exp.Rollup, exp.Cube) and len(set(keys)) < len(keys):
            raise apart("a column that is named twice beside ROLLUP or CUBE", "name it once")


def _keys(expressions: Iterable[exp.Expr]) -> Iterator[exp.Expr]:
    """The single ones: `(a, b), ROLLUP (c)` has three."""
    for one in expressions:
        if isinstance(one, exp.Tuple | exp.Paren | exp.Rollup | exp.Cube):
            yield from _keys(one.expressions or [one.this])
        else:
            yield one


def _check_select(node: exp.Expr) -> None:
    if not node.expressions:
        raise invalid("A SELECT names no columns.")
    beside = ("order", "limit", "offset", "distinct")
    if node.args.get("qualify") is not None and any(node.args.get(name) for name in beside):
        # Athena has no QUALIFY: it becomes a WHERE around the SELECT, and these would be inside.
        raise apart(
            "QUALIFY beside DISTINCT, ORDER BY or LIMIT",
            "put the SELECT with QUALIFY into FROM (…), and these around it",
        )


def _check_distinct(node: exp.Expr) -> None:
    if node.args.get("on") is not None:
        raise apart("DISTINCT ON", "keep the first row with QUALIFY row_number() OVER (…) = 1")


def _check_with(node: exp.Expr) -> None:
    if node.args.get("recursive"):
        raise apart("WITH RECURSIVE")


def _check_join(node: exp.Expr) -> None:
    method, kind = str(node.args.get("method") or ""), str(node.args.get("kind") or "").upper()
    if method or kind == "POSITIONAL":
        raise apart(f"{method or kind} JOIN", "join with ON or USING")
    joins = node.parent.args.get("joins") or [] if node.parent is not None else []
    at = next(place for place, one in enumerate([*joins, node]) if one is node)
    if _is_filter(node) and not all(map(_is_filter, joins[at:])):
        # It becomes a condition on all of the FROM, which an outer join after it would not be.
        raise apart("SEMI or ANTI JOIN before another join", "put it last")


def _is_filter(join: exp.Expr) -> bool:
    words = {str(join.args.get("kind") or "").upper(), str(join.args.get("side") or "").upper()}
    return bool(words & {"SEMI", "ANTI"})


def _check_count(node: exp.Expr) -> None:
    if node.expressions:
        raise apart("count of several columns")


def _check_part(node: exp.Expr) -> None:
    if node.name.upper() not in _PARTS:
        raise apart(f"this part of a date ({', '.join(sorted(_PARTS)).lower()} are)")


def _check_cast(node: exp.Expr) -> None:
    if node.args["to"].this not in _CASTS:
        raise apart(f"a cast to {node.args['to'].sql('duckdb')}")


def _check_limit(node: exp.Expr) -> None:
    if node.args.get("limit_options"):
        raise apart("LIMIT with a percentage")


def _check_format(node: exp.Expr) -> None:
    pattern = node.args.get("format")
    text = pattern.name if isinstance(pattern, exp.Literal) and pattern.is_string else "%?"
    marks = {text[at + 1 : at + 2] for at, sign in enumerate(text) if sign == "%"}
    if not marks <= _FORMATS:
        raise apart("strftime with anything but %Y, %m, %d, %H, %M and %S")


def _check_table(node: exp.Expr) -> None:
    if not isinstance(node.this, exp.Identifier):
        raise apart("a function in the place of a table")


_CHECKS: dict[type[exp.Expr], Callable[[exp.Expr], None]] = {
    exp.Select: _check_select,
    exp.Distinct: _check_distinct,
    exp.With: _check_with,
    exp.Join: _check_join,
    exp.Count: _check_count,
    exp.Extract: _check_part,
    exp.Cast: _check_cast,
    exp.TryCast: _check_cast,
    exp.Limit: _check_limit,
    exp.TimeToStr: _check_format,
    exp.Table: _check_table,
}


def _is_all(term: exp.Expr) -> bool:
    """Whether a term of ORDER BY is the word ALL, and no column of that name in quotes."""
    named = term.this if isinstance(term, exp.Ordered) else term
    if isinstance(named, exp.Column):
        named = named.this
    return named.name.upper() == "ALL" and not named.args.get("quoted")


def _shown(node: exp.Expr) -> str:
    """What of the caller's own text this is."""
    named = _NAMES.get(type(node))
    if isinstance(node, exp.Anonymous) and node.name.isidentifier():
        return f"the function “{node.name.lower()}”"
    if named is not None:
        return named
    if isinstance(node, exp.Func):
        return f"the function “{node.sql_name().lower()}”"
    return f"“{type(node).__name__}”"


def apart(what: str, instead: str = "") -> MeshplaneError:
    """The refusal of what this machine's engine would take and Athena would not, or otherwise.

    Args:
        what: it is.
        instead: what to write.
    """
    told = f" Instead, {instead}." if instead else ""
    return refused(
        f"On Athena {what} is not offered, as it is not there or means something else.{told}"
    )
