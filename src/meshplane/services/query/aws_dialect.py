"""How DuckDB's SQL is said to Athena so that it means the same.

Two engines agree about less than their parsers do. What they disagree about was tried on DuckDB
2.0 and read in Trino's documentation; each rewriting below says what it evens out.
"""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from functools import cache
from typing import Any

from sqlglot import exp, transforms
from sqlglot.dialects.trino import Trino
from sqlglot.errors import ErrorLevel, UnsupportedError
from sqlglot.generators.athena import AthenaTrinoGenerator

from meshplane.services.query.aws_grammar import INSTANTS, REAL, TEXT, WHOLE, apart
from meshplane.services.query.aws_survey import Survey

Rewriting = Callable[[exp.Expr], exp.Expr]

_T = exp.DataType.Type
_SAME_AS_TEXT = WHOLE | TEXT | {_T.BOOLEAN, _T.DATE, _T.DECIMAL, _T.UUID}
_WHOLE_GIVING = (exp.Round, exp.Ceil, exp.Floor)


_TARGET = Trino()
# Of the steps that lead to Trino's SELECT, those for what the grammar lets through.
_SELECT = transforms.preprocess(
    [transforms.eliminate_qualify, transforms.eliminate_semi_and_anti_joins]
)


def written(tree: exp.Expr, held: Survey) -> str:
    """The statement as Athena reads it.

    Args:
        tree: the statement, which is used up.
        held: what it held before its names were resolved.

    Raises:
        UnsupportedError: a part cannot be said.
    """
    writer = AthenaTrinoGenerator(
        dialect=_TARGET, identify=True, unsupported_level=ErrorLevel.RAISE
    )
    writer._dispatch = _writings()
    if exp.With in held.by_kind:
        return writer.generate(tree, copy=False)
    # What is done first moves what WITH names outwards.
    text = writer.sql(tree)
    if writer.unsupported_messages:
        raise UnsupportedError(writer.unsupported_messages[0])
    return text.strip()


@cache
def _writings() -> dict[type[exp.Expr], Callable[..., str]]:
    """How each part is written. A class of our own could not inherit from a compiled sqlglot's."""
    return {**AthenaTrinoGenerator(dialect=_TARGET)._dispatch, exp.Select: _SELECT}


def evened(tree: exp.Expr, held: Survey) -> exp.Expr:
    """The statement as Athena is to be told it; its types are known, as far as they can be.

    Args:
        tree: the statement, which is used up.
        held: what it held before its names were resolved.
    """
    if held.by_kind.keys().isdisjoint(REWRITTEN):
        return tree
    return tree.transform(_evened, copy=False)


def _evened(node: exp.Expr) -> exp.Expr:
    rewriting = _REWRITINGS.get(type(node))
    return node if rewriting is None or node.meta.get("evened") else rewriting(node)


def _divided(node: exp.Expr) -> exp.Expr:
    """`/` gives a DOUBLE, of whole numbers and decimals too; Trino's stays in its types."""
    made = exp.Div(this=_double(node.this), expression=_double(node.expression), typed=True)
    return _done(made)


def _whole_divided(node: exp.Expr) -> exp.Expr:
    """`//` of whole numbers is Trino's `/` of them."""
    if not (_is(node.this, WHOLE) and _is(node.expression, WHOLE)):
        raise apart("// of anything but whole numbers")
    return _done(exp.Div(this=node.this, expression=node.expression, typed=True))


def _averaged(node: exp.Expr) -> exp.Expr:
    """The mean is a DOUBLE; Trino's of decimals is a decimal."""
    inner = node.this
    if isinstance(inner, exp.Distinct):
        inner.set("expressions", [_double(one) for one in inner.expressions])
    else:
        node.set("this", _double(inner))
    return _done(node)


def _truncated(node: exp.Expr) -> exp.Expr:
    """A truncated date is a timestamp."""
    node.set("this", _instant(node.this))
    return _done(node)


def _added(node: exp.Expr) -> exp.Expr:
    """A date and an interval make a timestamp; a date less a date is a number of days."""
    left, right = node.this, node.expression
    if isinstance(right, exp.Interval):
        node.set("this", _instant(left))
        return _done(node)
    if isinstance(left, exp.Interval) and isinstance(node, exp.Add):
        node.set("expression", _instant(right))
        return _done(node)
    if isinstance(node, exp.Sub) and _is(left, {_T.DATE}) and _is(right, {_T.DATE}):
        return _done(exp.DateDiff(this=left, expression=right, unit=exp.Literal.string("DAY")))
    temporal = INSTANTS | {_T.DATE, _T.TIME}
    if _is(left, temporal) or _is(right, temporal):
        raise apart("this arithmetic with dates or times", "add an INTERVAL, or use date_diff")
    return node


def _greatest(node: exp.Expr) -> exp.Expr:
    """Nulls are passed over; Trino's whole answer is null then."""
    others = [node.this, *node.expressions]
    if len(others) != 2:
        raise apart("greatest and least of more than two values", "nest them")
    return exp.Coalesce(this=_done(node), expressions=[one.copy() for one in others])


def _trimmed(node: exp.Expr) -> exp.Expr:
    """Only blanks go, unless other characters are named; Trino takes all white space."""
    if node.args.get("expression") is None:
        node.set("expression", exp.Literal.string(" "))
    return _done(node)


def _cast(node: exp.Expr) -> exp.Expr:
    """What would be written or rounded in another way is refused."""
    source, to = node.this, node.args["to"].this
    if to in TEXT and not _is(source, _SAME_AS_TEXT) and not _is_bare(source):
        raise apart(
            "a cast of this type to text, which each engine writes in its own way",
            "use strftime for times, and round to a DECIMAL for numbers",
        )
    if to in WHOLE and _is(source, REAL) and not isinstance(source.unnest(), _WHOLE_GIVING):
        raise apart(
            "a cast of a DOUBLE to a whole number, which each engine rounds in its own way",
            "round it first",
        )
    return node


def _joined_text(node: exp.Expr) -> exp.Expr:
    """Values become text on the way; see `_cast`."""
    parts = node.expressions if isinstance(node, exp.Concat) else [node.this, node.expression]
    for part in parts:
        if not _is(part, _SAME_AS_TEXT) and not _is_bare(part):
            raise apart("this type in a text that is put together", "cast it first")
    return node


def _listed_text(node: exp.Expr) -> exp.Expr:
    """Without an order the engines would put the texts together in any."""
    if node.find(exp.Order) is None:
        raise apart("string_agg without ORDER BY in it")
    return node


def _listed(node: exp.Expr) -> exp.Expr:
    """Without an order the engines would put the values together in any."""
    if node.find(exp.Order) is None:
        raise apart("list without ORDER BY in it")
    return node


def _sized(node: exp.Expr) -> exp.Expr:
    """Only text has the same length in both."""
    if not _is(node.this, TEXT):
        raise apart("the length of anything but text")
    return node


_REWRITINGS: dict[type[exp.Expr], Rewriting] = {
    exp.Div: _divided,
    exp.IntDiv: _whole_divided,
    exp.Avg: _averaged,
    exp.TimestampTrunc: _truncated,
    exp.DateTrunc: _truncated,
    exp.Add: _added,
    exp.Sub: _added,
    exp.Greatest: _greatest,
    exp.Least: _greatest,
    exp.Trim: _trimmed,
    exp.Cast: _cast,
    exp.TryCast: _cast,
    exp.Concat: _joined_text,
    exp.DPipe: _joined_text,
    exp.GroupConcat: _listed_text,
    exp.ArrayAgg: _listed,
    exp.Length: _sized,
}
REWRITTEN = frozenset(_REWRITINGS)


def _done(node: exp.Expr) -> exp.Expr:
    node.meta["evened"] = True
    return node


def _double(node: exp.Expr) -> exp.Expr:
    return node if _is(node, {_T.DOUBLE}) else _done(_as(node, _T.DOUBLE))


def _instant(node: exp.Expr) -> exp.Expr:
    if _is(node, INSTANTS):
        return node
    if _is(node, {_T.DATE}):
        return _done(_as(node, _T.TIMESTAMP))
    raise apart("arithmetic with what may be no date", "cast it to DATE or TIMESTAMP")


def _as(node: exp.Expr, kind: exp.DType) -> exp.Expr:
    made = exp.Cast(this=node, to=kind.into_expr())
    made.type = kind
    return made


def _is(node: exp.Expr, kinds: AbstractSet[Any]) -> bool:
    return node.type is not None and node.type.this in kinds


def _is_bare(node: exp.Expr) -> bool:
    return isinstance(node, (exp.Null, exp.Literal)) and not (
        isinstance(node, exp.Literal) and "." in node.name and not node.is_string
    )
