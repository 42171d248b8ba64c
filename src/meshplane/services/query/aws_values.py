"""Values of a caller's parameters, as Athena's execution parameters: literals, never SQL."""

import math
import re
import secrets
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from sqlglot import exp

from meshplane.services.query.aws_grammar import TEMPORAL
from meshplane.services.query.sandbox.faults import invalid, limit, refused

_MARK = re.compile(r"(p[0-9a-f]{24}x)(\d+)x", re.ASCII)
_QUOTED_MARK = re.compile(rf"'{_MARK.pattern}'", re.ASCII)
_LONGEST_CHARACTERS = 1024  # of one execution parameter, by Athena's own model
_T = exp.DataType.Type
_KINDS = {  # a truth value is a whole number as well, to Python
    bool: "BOOLEAN", int: "BIGINT", float: "DOUBLE", str: "VARCHAR", type(None): "NULL"
}  # fmt: skip
_ZONED = frozenset({_T.TIMESTAMPTZ})
_COMPARISONS = (
    exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ,
)  # fmt: skip


def kinds_of(given: Sequence[Any] | Mapping[str, Any] | None) -> Hashable:
    """What a translation depends on, of the values of a statement's parameters."""
    return tuple((name, _kind(one)) for name, one in _named(given).items())


def _named(given: Sequence[Any] | Mapping[str, Any] | None) -> dict[str, Any]:
    if isinstance(given, Mapping):
        return dict(given)
    return {str(place): one for place, one in enumerate(given or (), 1)}


@dataclass(frozen=True, slots=True)
class Blanks:
    """Where a translated statement takes values.

    Args:
        names: the parameters that stand in it, by their places.
        order: their places, in the order of its `?`.
        readings: those that are compared with a date or an instant, with its type, and whether
            they were read as one.
    """

    names: tuple[str, ...] = ()
    order: tuple[int, ...] = ()
    readings: tuple[tuple[int, exp.DType, bool], ...] = ()

    def filled(self, given: Sequence[Any] | Mapping[str, Any] | None) -> tuple[str, ...] | None:
        """The literals of other values of the same kinds; None where they change the statement.

        Args:
            given: as a caller gives them, with the `kinds_of` those that it was translated for.

        Raises:
            Invalid, Refused, LimitReached: as `Parameters.put_into`.
        """
        if not self.names:
            return ()
        values = _named(given)
        placed = [_literal(values[name]) for name in self.names]
        for place, kind, was_read in self.readings:
            read = _read(placed[place], kind)
            if (read is not None) is not was_read:
                return None
            placed[place] = read if read is not None else placed[place]
        return tuple(placed[place] for place in self.order)


class Parameters:
    """The parameters of one statement, while it is translated.

    In the tree each stands as a text that nobody can guess; in the final text that becomes `?`.

    Args:
        given: as the caller gave them.
    """

    def __init__(self, given: Sequence[Any] | Mapping[str, Any] | None) -> None:
        self._values = _named(given)
        self._mark = f"p{secrets.token_hex(12)}x" if self._values else ""
        self._names: list[str] = []
        self._placed: list[str] = []
        self._readings: list[tuple[int, exp.DType, bool]] = []

    def put_into(self, places: Sequence[exp.Placeholder]) -> None:
        """Puts each in its place.

        Args:
            places: all that the statement has.

        Raises:
            Invalid: SQL_INVALID, there is not one for each, or more.
            Refused: SQL_REFUSED, one is a list or an object.
        """
        if not places and not self._values:
            return
        used: set[str] = set()
        for place in places:
            name = place.name
            used.add(name)
            if name in self._values:
                place.replace(self._placed_value(name, place.parent))
        missing, extra = sorted(used - set(self._values)), sorted(set(self._values) - used)
        if missing:
            raise invalid(f"The statement has parameters without a value: {', '.join(missing)}.")
        if extra:
            raise invalid(
                f"There are values for no parameter of the statement: {', '.join(extra)}."
            )

    def _placed_value(self, name: str, parent: exp.Expr | None) -> exp.Expr:
        value = self._values[name]
        if value is None:
            return exp.Null()
        text = _literal(value)
        mark = exp.Literal.string(f"{self._mark}{len(self._placed)}x")
        self._names.append(name)
        self._placed.append(text)
        if isinstance(parent, (exp.Limit, exp.Offset)):
            return mark
        return exp.cast(mark, _kind(value))

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
        if text is None or (isinstance(node, exp.Cast) and node.to.this in TEMPORAL):
            return node
        place = self._place(text)
        if place is None:
            written = _temporal(text, kind.this)
            return node if written is None else exp.cast(exp.Literal.string(written), kind)
        read = _read(self._placed[place], kind.this)
        self._readings.append((place, kind.this, read is not None))
        if read is None:
            return node
        self._placed[place] = read
        return exp.cast(exp.Literal.string(text), kind)

    def _place(self, text: str) -> int | None:
        found = _MARK.fullmatch(text)
        return int(found[2]) if found and found[1] == self._mark else None

    def taken_out(self, sql: str) -> tuple[str, tuple[str, ...], Blanks]:
        """The text with `?` in their places, the literals in the order of these, and what to fill.

        Args:
            sql: the statement as it is written for Athena.
        """
        order: list[int] = []

        def bind(found: re.Match[str]) -> str:
            if found[1] != self._mark:
                return found[0]
            order.append(int(found[2]))
            return "?"

        if not self._placed:
            return sql, (), Blanks()
        text = _QUOTED_MARK.sub(bind, sql)
        blanks = Blanks(tuple(self._names), tuple(order), tuple(self._readings))
        return text, tuple(self._placed[place] for place in order), blanks


def even_comparisons(tree: exp.Expr, parameters: Parameters) -> None:
    """Reads texts that are compared with dates and instants as such."""
    for node in tree.find_all(*_COMPARISONS, exp.Between, exp.In):
        sides = _sides(node)
        kind = next((one.type for one in sides if one.type and one.type.this in TEMPORAL), None)
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


def _kind(value: Any) -> str:
    return next((name for kind, name in _KINDS.items() if isinstance(value, kind)), "")


def _literal(value: Any) -> str:
    text = _written(value)
    if len(text) > _LONGEST_CHARACTERS:
        raise limit(f"A parameter is longer than {_LONGEST_CHARACTERS} characters on Athena.")
    return text


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise refused("A parameter is a whole number of more than 64 bits.")
        return str(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise invalid("The value of a parameter is not a JSON value.")
        mantissa, _, exponent = repr(value).partition("e")
        return f"{mantissa}E{exponent or 0}"
    if isinstance(value, str):
        return _quoted(value)
    raise refused("On Athena a parameter is text, a number, true, false or null.")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _read(literal: str, kind: exp.DType) -> str | None:
    """The literal of a text as that of the date or instant that it is; None for what is none."""
    if not literal.startswith("'"):
        return None
    written = _temporal(literal[1:-1].replace("''", "'"), kind)
    return None if written is None else _quoted(written)


def _temporal(text: str, kind: exp.DType) -> str | None:
    """A date or an instant as Trino writes it; None for what is none."""
    try:
        if kind == _T.DATE:
            return date.fromisoformat(text.strip()[:10]).isoformat() if len(text) >= 10 else None
        read = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    if kind in _ZONED:
        read = read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)
        return f"{read:%Y-%m-%d %H:%M:%S.%f} UTC"
    return f"{read.replace(tzinfo=None):%Y-%m-%d %H:%M:%S.%f}"
