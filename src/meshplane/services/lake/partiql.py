"""A row filter in the words of Lake Formation's filter expressions. Pure.

From the Lake Formation Developer Guide, *PartiQL support in row filter expressions* and *Data
filtering limitations*: a column is compared with constants (`=`, `<>`, `<`, `<=`, `>`, `>=`,
BETWEEN, IN, LIKE, IS NULL), and comparisons are joined by AND, OR and NOT. There are no functions,
no sums, no comparisons of columns with each other, and no nested columns; fewer than 2,048
characters.

Row filters here are kept as DuckDB writes them. What the two write otherwise is written anew, and
means the same for each row, NULL included: `~~` is LIKE, a date is `DATE '…'`, a boolean column is
compared with TRUE, IS DISTINCT FROM becomes a comparison and IS NULL.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from meshplane.platform.nesting import is_endless
from meshplane.services.permissions.api import RowFilter

if TYPE_CHECKING:
    from sqlglot import exp

MOST_CHARACTERS = 2047
_NESTED = re.compile(r"STRUCT|MAP|\[|LIST|UNION", re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?")
_ASKERS = frozenset({"current_principal", "in_group"})
_COMPARED = {"EQ": "=", "NEQ": "<>", "LT": "<", "LTE": "<=", "GT": ">", "GTE": ">="}
_MIRRORED = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_DEEPEST = 80
_LARGEST = 2**63 - 1

_MORE = (
    "The row filter says more than comparisons, AND, OR, NOT, IN, BETWEEN, LIKE and IS NULL of a "
    "column with constants, which is all that filters there may say."
)


class CannotSayError(ValueError):
    """Filter expressions cannot say that; the text tells people why."""


def expression_of(row_filter: RowFilter) -> str:
    """The filter as a filter expression.

    Raises:
        CannotSayError: there is none that means the same.
    """
    types = {column.name: column.sql_type.upper() for column in row_filter.columns}
    for column in row_filter.columns:
        if _NESTED.search(column.sql_type):
            raise CannotSayError(
                f"The row filter names {column.name}, which is nested: filters there cannot."
            )
    return _written(row_filter.text, tuple(sorted(types.items())))


@lru_cache(maxsize=4096)
def _written(text: str, types: tuple[tuple[str, str], ...]) -> str:
    import sqlglot
    from sqlglot.errors import SqlglotError

    if is_endless(text):
        raise CannotSayError(_MORE)
    try:
        tree = sqlglot.parse_one(text, read="duckdb")
    except (SqlglotError, RecursionError):
        raise CannotSayError(_MORE) from None
    made = _Writer(dict(types)).condition(tree, 0)
    if len(made) > MOST_CHARACTERS:
        raise CannotSayError(
            f"The row filter is longer than the {MOST_CHARACTERS} characters of filters there."
        )
    return made


class _Writer:
    """Writes one condition."""

    def __init__(self, types: Mapping[str, str]) -> None:
        self._types = types

    def condition(self, node: Any, depth: int) -> str:
        """A condition, or a part of one."""
        from sqlglot import exp

        if depth > _DEEPEST:
            raise CannotSayError(_MORE)
        below = depth + 1
        match node:
            case exp.Paren():
                inside = self.condition(node.this, below)
                # What was written anew brings brackets of its own.
                return inside if _is_bracketed(inside) else f"({inside})"
            case exp.And():
                return f"{self.condition(node.left, below)} AND {self.condition(node.right, below)}"
            case exp.Or():
                return f"{self.condition(node.left, below)} OR {self.condition(node.right, below)}"
            case exp.Not():
                return f"NOT {self.condition(node.this, below)}"
            case exp.Boolean():
                return "TRUE" if node.this else "FALSE"
            case exp.Column():
                name, _ = self._column(node)
                return f"{name} = TRUE"
        return self._comparison(node)

    def _comparison(self, node: Any) -> str:
        from sqlglot import exp

        match node:
            case exp.Between():
                name, kind = self._column(node.this)
                low, high = (_constant(node.args[part], kind) for part in ("low", "high"))
                return f"{name} BETWEEN {low} AND {high}"
            case exp.In() if node.expressions and not node.args.get("query"):
                name, kind = self._column(node.this)
                values = ", ".join(_constant(one, kind) for one in node.expressions)
                return f"{name} IN ({values})"
            case exp.Like() if isinstance(node.expression, exp.Literal):
                name, _ = self._column(node.this)
                negated = "NOT " if node.args.get("negate") else ""
                return f"{name} {negated}LIKE {_constant(node.expression, '')}"
            case exp.Is() if isinstance(_unwrapped(node.expression), exp.Null):
                return f"{self._column(node.this)[0]} IS NULL"
            case exp.Is() if isinstance(node.expression, exp.Not) and isinstance(
                node.expression.this, exp.Null
            ):
                return f"{self._column(node.this)[0]} IS NOT NULL"
            case exp.NullSafeEQ() | exp.NullSafeNEQ():
                return self._null_safe(node)
        sign = _COMPARED.get(type(node).__name__)
        if sign is None:
            raise CannotSayError(_why_not(node))
        left, right = node.left, node.right
        if isinstance(_bare(right), exp.Column) and not isinstance(_bare(left), exp.Column):
            left, right, sign = right, left, _MIRRORED[sign]
        name, kind = self._column(left)
        return f"{name} {sign} {_constant(right, kind)}"

    def _null_safe(self, node: Any) -> str:
        from sqlglot import exp

        name, kind = self._column(node.left)
        is_same = isinstance(node, exp.NullSafeEQ)
        if isinstance(_unwrapped(node.right), exp.Null):
            return f"{name} IS {'' if is_same else 'NOT '}NULL"
        value = _constant(node.right, kind)
        if is_same:
            return f"({name} = {value} AND {name} IS NOT NULL)"
        return f"({name} <> {value} OR {name} IS NULL)"

    def _column(self, node: Any) -> tuple[str, str]:
        """A column's name as it is written, and its type."""
        from sqlglot import exp

        bare = _bare(node)
        if not isinstance(bare, exp.Column):
            raise CannotSayError(_why_not(bare))
        if bare.table:
            raise CannotSayError("The row filter names a part of a column: filters there cannot.")
        quoted = bare.name.replace('"', '""')
        return f'"{quoted}"', self._types.get(bare.name, "")


def _bare(node: Any) -> Any:
    """Without brackets, and without a cast of a column to what it is."""
    from sqlglot import exp

    bare = _unwrapped(node)
    is_cast = isinstance(bare, exp.Cast) and isinstance(bare.this, exp.Column)
    return bare.this if is_cast and bare.to.is_type("boolean") else bare


def _unwrapped(node: Any) -> Any:
    from sqlglot import exp

    while isinstance(node, exp.Paren):
        node = node.this
    return node


def _constant(node: Any, kind: str) -> str:
    """A constant that is compared with a column of a type; "" where the type is not known."""
    from sqlglot import exp

    bare = _unwrapped(node)
    match bare:
        case exp.Null():
            return "NULL"
        case exp.Boolean():
            return "TRUE" if bare.this else "FALSE"
        case exp.Neg() if isinstance(bare.this, exp.Literal) and not bare.this.is_string:
            return f"-{_number(bare.this.name, kind)}"
        case exp.Literal() if bare.is_string:
            return _text(bare.name, kind)
        case exp.Literal():
            return _number(bare.name, kind)
        case exp.Cast() if isinstance(bare.this, exp.Literal) and bare.this.is_string:
            return _typed(bare.this.name, bare.to)
    raise CannotSayError(_why_not(bare))


def _number(text: str, kind: str) -> str:
    if kind in {"VARCHAR", "DATE", "BOOLEAN"} or kind.startswith("TIMESTAMP"):
        raise CannotSayError("The row filter compares a number with what is none.")
    if text.isdigit() and int(text) > _LARGEST:
        raise CannotSayError("The row filter names a number that is too long for filters there.")
    return text


def _text(text: str, kind: str) -> str:
    if kind == "DATE":
        return _typed_as("DATE", text, _DATE)
    if kind == "TIMESTAMP":
        return _typed_as("TIMESTAMP", text, _INSTANT)
    if kind not in {"", "VARCHAR"}:
        raise CannotSayError("The row filter compares a text with what is none.")
    return "'" + text.replace("'", "''") + "'"


def _typed(text: str, to: "exp.DataType") -> str:
    if to.is_type("date"):
        return _typed_as("DATE", text, _DATE)
    if to.is_type("timestamp", "timestampntz"):
        return _typed_as("TIMESTAMP", text, _INSTANT)
    raise CannotSayError(
        "The row filter casts: filters there take comparisons with texts, numbers, dates and times "
        "without a zone."
    )


def _typed_as(word: str, text: str, form: re.Pattern[str]) -> str:
    if word == "TIMESTAMP" and _DATE.fullmatch(text):
        text = f"{text} 00:00:00"
    if not form.fullmatch(text):
        raise CannotSayError("The row filter names a date or time that filters there do not read.")
    return f"{word} '{text}'"


def _is_bracketed(text: str) -> bool:
    """Whether one pair of brackets holds all of a text."""
    if not text.startswith("(") or not text.endswith(")"):
        return False
    depth, quote = 0, ""
    for place, sign in enumerate(text):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        elif sign in "()":
            depth += 1 if sign == "(" else -1
            if depth == 0 and place < len(text) - 1:
                return False
    return True


def _why_not(node: Any) -> str:
    from sqlglot import exp

    if isinstance(node, exp.Func) and not isinstance(node, exp.Cast | exp.Case | exp.If):
        word = node.name if isinstance(node, exp.Anonymous) else node.sql_name()
        word = word.lower().strip('"')
        if word in _ASKERS:
            return (
                f"The row filter asks who is asking ({word}()), which Lake Formation cannot: write "
                "a filter for each group, and grant each to its group."
            )
        return f"The row filter calls {word}(), and filters there have no functions."
    return _MORE
