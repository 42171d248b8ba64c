"""Values of a caller's parameters, as Athena's execution parameters: literals, never SQL."""

import math
import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from sqlglot import exp

from meshplane.services.query.sandbox.faults import invalid, limit, refused

_LONGEST_CHARACTERS = 1024  # of one execution parameter, by Athena's own model
_T = exp.DataType.Type
_TEMPORAL = frozenset({_T.DATE, _T.TIMESTAMP, _T.TIMESTAMPTZ, _T.DATETIME, _T.TIMESTAMPNTZ})
_ZONED = frozenset({_T.TIMESTAMPTZ})
_COMPARISONS = (
    exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ,
)  # fmt: skip


class Parameters:
    """The parameters of one statement, while it is translated.

    In the tree each stands as a text that nobody can guess; in the final text that becomes `?`.

    Args:
        given: as the caller gave them.
    """

    def __init__(self, given: Sequence[Any] | Mapping[str, Any] | None) -> None:
        if isinstance(given, Mapping):
            self._values = dict(given)
        else:
            self._values = {str(place): one for place, one in enumerate(given or (), 1)}
        self._mark = f"p{secrets.token_hex(12)}x"
        self._placed: list[str] = []

    def put_into(self, tree: exp.Expr) -> None:
        """Puts each in its place.

        Raises:
            Invalid: SQL_INVALID, there is not one for each, or more.
            Refused: SQL_REFUSED, one is a list or an object.
        """
        used: set[str] = set()
        for place in list(tree.find_all(exp.Placeholder)):
            name = place.name
            used.add(name)
            if name in self._values:
                place.replace(self._placed_value(self._values[name], place.parent))
        missing, extra = sorted(used - set(self._values)), sorted(set(self._values) - used)
        if missing:
            raise invalid(f"The statement has parameters without a value: {', '.join(missing)}.")
        if extra:
            raise invalid(
                f"There are values for no parameter of the statement: {', '.join(extra)}."
            )

    def _placed_value(self, value: Any, parent: exp.Expr | None) -> exp.Expr:
        if value is None:
            return exp.Null()
        text, kind = _literal(value)
        if len(text) > _LONGEST_CHARACTERS:
            raise limit(f"A parameter is longer than {_LONGEST_CHARACTERS} characters on Athena.")
        mark = exp.Literal.string(f"{self._mark}{len(self._placed)}x")
        self._placed.append(text)
        if isinstance(parent, (exp.Limit, exp.Offset)):
            return mark
        return exp.cast(mark, kind)

    def text_of(self, node: exp.Expr) -> str | None:
        """The text that stands for a parameter or is a literal; None for anything else."""
        bare = node.this if isinstance(node, (exp.Cast, exp.Paren)) else node
        if not isinstance(bare, exp.Literal) or not bare.is_string:
            return None
        return bare.name

    def compared_as(self, node: exp.Expr, kind: exp.DataType) -> exp.Expr:
        """A text that is compared with a date or an instant, as one; others as they are.

        DuckDB reads such a text by itself, and Trino does not.
        """
        text = self.text_of(node)
        if text is None or (isinstance(node, exp.Cast) and node.to.this in _TEMPORAL):
            return node
        place = self._place(text)
        value = self._placed[place][1:-1].replace("''", "'") if place is not None else text
        written = _temporal(value, kind)
        if written is None:
            return node
        if place is not None:
            self._placed[place] = _quoted(written)
            return exp.cast(exp.Literal.string(text), kind)
        return exp.cast(exp.Literal.string(written), kind)

    def _place(self, text: str) -> int | None:
        found = re.fullmatch(rf"{self._mark}(\d+)x", text)
        return int(found[1]) if found else None

    def taken_out(self, sql: str) -> tuple[str, tuple[str, ...]]:
        """The text with `?` in their places, and the literals in the order of these."""
        order: list[str] = []

        def bind(found: re.Match[str]) -> str:
            order.append(self._placed[int(found[1])])
            return "?"

        return re.sub(rf"'{self._mark}(\d+)x'", bind, sql), tuple(order)


def even_comparisons(tree: exp.Expr, parameters: Parameters) -> None:
    """Reads texts that are compared with dates and instants as such."""
    for node in tree.find_all(*_COMPARISONS, exp.Between, exp.In):
        sides = _sides(node)
        kind = next((one.type for one in sides if one.type and one.type.this in _TEMPORAL), None)
        if kind is None:
            continue
        for one in sides:
            read = parameters.compared_as(one, kind)
            if read is not one:
                one.replace(read)


def _sides(node: exp.Expr) -> list[exp.Expr]:
    if isinstance(node, exp.Between):
        return [node.this, node.args["low"], node.args["high"]]
    if isinstance(node, exp.In):
        return [node.this, *node.expressions]
    return [node.this, node.expression]


def _literal(value: Any) -> tuple[str, str]:
    """The literal and its type."""
    if isinstance(value, bool):
        return ("TRUE" if value else "FALSE"), "BOOLEAN"
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise refused("A parameter is a whole number of more than 64 bits.")
        return str(value), "BIGINT"
    if isinstance(value, float):
        if not math.isfinite(value):
            raise invalid("The value of a parameter is not a JSON value.")
        mantissa, _, exponent = repr(value).partition("e")
        return f"{mantissa}E{exponent or 0}", "DOUBLE"
    if isinstance(value, str):
        return _quoted(value), "VARCHAR"
    raise refused("On Athena a parameter is text, a number, true, false or null.")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _temporal(text: str, kind: exp.DataType) -> str | None:
    """A date or an instant as Trino writes it; None for what is none."""
    try:
        if kind.this == _T.DATE:
            return date.fromisoformat(text.strip()[:10]).isoformat() if len(text) >= 10 else None
        read = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    if kind.this in _ZONED:
        read = read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)
        return f"{read:%Y-%m-%d %H:%M:%S.%f} UTC"
    return f"{read.replace(tzinfo=None):%Y-%m-%d %H:%M:%S.%f}"
