"""Row filters in Redshift's words, for its row-level security. Pure.

Only what means the same in both: a column compared with constants, IN, BETWEEN, LIKE, IS NULL, a
boolean column, joined by AND, OR and NOT. All else is refused, and so are constants with a
backslash, which Redshift takes for an escape, and CHAR columns, whose trailing blanks it ignores.

Needs AWS: a database whose collation is case-insensitive compares texts otherwise than the mesh.
"""

import re
from collections.abc import Mapping

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from meshplane.platform.nesting import is_endless
from meshplane.services.query.aws_redshift_words import CannotSay, Said, literal, quoted

_COMPARED: Mapping[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_NUMBER = re.compile(r"[0-9]{1,38}(\.[0-9]{1,38})?")
_TYPE = re.compile(r"[a-z][a-z0-9]*(\([0-9]+(,[0-9]+)?\))?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIMESTAMP = re.compile(rf"{_DATE.pattern}[ T][0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}(\.[0-9]{{1,6}})?")
_OFFSET = re.compile(rf"{_TIMESTAMP.pattern}(\+|-)[0-9]{{2}}(:?[0-9]{{2}})?")
_NUMBERS = ("int", "numeric", "float")
_TIMES = {"date": (_DATE, "DATE"), "timestamp": (_TIMESTAMP, "TIMESTAMP")}


def said(texts: tuple[str, ...], types: Mapping[str, str]) -> Said:
    """The rows that any of some filters lets through.

    Args:
        texts: filters as the mesh keeps them, at least one.
        types: Redshift's type of each column of the table, by name: `int8`, `varchar(20)`.

    Raises:
        CannotSay: one of them uses what does not mean the same there.
    """
    filters = _Filters(types)
    parts = []
    for text in texts:
        if is_endless(text):
            raise CannotSay("a row filter is nested too deeply")
        try:
            tree = sqlglot.parse_one(text, read="duckdb")
        except (SqlglotError, RecursionError) as error:
            raise CannotSay("a row filter cannot be read") from error
        parts.append(filters.said(tree))
    used = tuple((name, types[name]) for name in sorted(filters.used))
    if not all(_TYPE.fullmatch(kind) for _, kind in used):
        raise CannotSay("a row filter names a column of a type that is not known here")
    return Said(f"({' OR '.join(parts)})", used)


class _Filters:
    def __init__(self, types: Mapping[str, str]) -> None:
        self._types = types
        self.used: set[str] = set()

    def said(self, node: exp.Expr) -> str:
        match node:
            case exp.Paren():
                return self.said(node.this)
            case exp.And():
                return f"({self.said(node.this)} AND {self.said(node.expression)})"
            case exp.Or():
                return f"({self.said(node.this)} OR {self.said(node.expression)})"
            case exp.Not():
                return f"(NOT {self.said(node.this)})"
            case exp.Column():
                name, kind = self._column(node)
                if kind != "bool":
                    raise CannotSay("a row filter takes a column for a condition")
                return f"({name} = TRUE)"
            case exp.Boolean():
                return "(TRUE)" if node.this else "(FALSE)"
        return self._compared(node)

    def _compared(self, node: exp.Expr) -> str:
        sign = _COMPARED.get(type(node))
        if sign is not None:
            left, right = _plain(node.this), _plain(node.expression)
            if isinstance(right, exp.Column):
                left, right, sign = right, left, _TURNED.get(sign, sign)
            name, kind = self._column(left)
            return f"({name} {sign} {_constant(right, kind)})"
        match node:
            case exp.In() if set(_given(node)) <= {"this", "expressions"} and node.expressions:
                name, kind = self._column(node.this)
                listed = ", ".join(_constant(one, kind) for one in node.expressions)
                return f"({name} IN ({listed}))"
            case exp.Between() if set(_given(node)) <= {"this", "low", "high"}:
                name, kind = self._column(node.this)
                low, high = (_constant(node.args[one], kind) for one in ("low", "high"))
                return f"({name} BETWEEN {low} AND {high})"
            case exp.Like() if set(_given(node)) <= {"this", "expression"}:
                name, kind = self._column(node.this)
                if not kind.startswith("varchar"):
                    raise CannotSay("a row filter has LIKE on what is no text")
                return f"({name} LIKE {_constant(node.expression, kind)})"
            case exp.Is() if isinstance(node.expression, exp.Null):
                name, _ = self._column(node.this)
                return f"({name} IS NULL)"
        raise CannotSay("a row filter uses more than comparisons of a column with constants")

    def _column(self, node: exp.Expr) -> tuple[str, str]:
        node = _plain(node)
        if not isinstance(node, exp.Column) or set(_given(node)) != {"this"}:
            raise CannotSay("a row filter compares what is no column of the table")
        kind = self._types.get(node.name)
        if kind is None:
            raise CannotSay("a row filter names a column that the table does not have")
        if kind.startswith(("char", "bpchar")):
            raise CannotSay("a row filter names a CHAR column, whose blanks Redshift ignores")
        self.used.add(node.name)
        return quoted(node.name), kind


def _plain(node: exp.Expr) -> exp.Expr:
    while isinstance(node, exp.Paren):
        node = node.this
    return node


def _given(node: exp.Expr) -> list[str]:
    return [name for name, value in node.args.items() if value not in (None, False, [])]


def _constant(node: exp.Expr, kind: str) -> str:
    """A constant that a column of that type may be compared with."""
    node = _plain(node)
    sign = ""
    if isinstance(node, exp.Neg):
        sign, node = "-", _plain(node.this)
    cast: str | None = None
    if isinstance(node, exp.Cast) and set(_given(node)) <= {"this", "to"}:
        cast, node = str(node.to.this.value).lower(), _plain(node.this)
    if isinstance(node, exp.Boolean) and kind == "bool" and not sign and cast is None:
        return "TRUE" if node.this else "FALSE"
    if not isinstance(node, exp.Literal):
        raise CannotSay("a row filter compares a column with what is no constant")
    text = str(node.this)
    if not node.is_string:
        if kind.startswith(_NUMBERS) and _NUMBER.fullmatch(text) and cast is None:
            return sign + text
        raise CannotSay("a row filter compares a column with a constant of another type")
    return _text(text, kind, cast) if not sign else _misfit()


def _text(text: str, kind: str, cast: str | None) -> str:
    if kind.startswith("varchar") and cast in (None, "varchar", "text"):
        return literal(text)
    form = _TIMES.get(kind)
    if form is not None and cast in (None, kind) and form[0].fullmatch(text):
        return f"{form[1]} {literal(text.replace('T', ' '))}"
    if kind == "timestamptz" and cast in (None, kind) and _OFFSET.fullmatch(text):
        return f"TIMESTAMPTZ {literal(text.replace('T', ' '))}"
    return _misfit()


def _misfit() -> str:
    raise CannotSay("a row filter compares a column with a constant of another type")
