"""Row filter expressions: what may be said in one.

From the Developer Guide, *PartiQL support in row filter expressions*: comparisons of a column with
a constant (`=`, `<`, `<=`, `>`, `>=`, `<>`, `!=`), BETWEEN, IN, LIKE, IS [NOT] NULL, joined by NOT,
AND, OR; no functions; no comparison of columns with columns; fewer than 2,048 characters; texts in
single quotes. From *Data filtering limitations*: no arrays or maps. AWS lets fields of structures
be named too; this sandbox does not.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from meshplane.sandbox.lakeformation.atoms import invalid

_MOST_CHARACTERS = 2048
_NESTED = re.compile(r"\s*(array|map|struct|row|uniontype)\s*[<(]", re.IGNORECASE)
_DEEPEST = 100
_TEXT = re.compile(r"'(?:[^']|'')*'")
_CAST = re.compile(r"\b(try_)?cast\s*\(|::", re.IGNORECASE)


def check_predicate(text: str, columns: Mapping[str, str]) -> None:
    """Refuses what is no predicate over the table's columns.

    Args:
        text: the expression.
        columns: the types of the table's columns by name.

    Raises:
        FakeError: InvalidInputException.
    """
    if not text.strip():
        raise invalid("The filter expression is empty; for all rows use AllRowsWildcard.")
    if len(text) >= _MOST_CHARACTERS:
        raise invalid(f"The filter expression must be shorter than {_MOST_CHARACTERS} characters.")
    tree = _parsed(text)
    # The parser makes one thing of a typed constant and of a cast, and only the first may be here.
    if _CAST.search(_TEXT.sub("''", text)):
        raise invalid("A filter expression has no casts; write DATE '2024-01-31'.")
    _condition(tree, 0)
    for name in columns_named(text):
        if name not in columns:
            raise invalid("The filter expression names a column that the table has not.")
        if _NESTED.match(columns[name]):
            raise invalid("The filter expression names a column of a nested type.")


@lru_cache(maxsize=4096)
def columns_named(text: str) -> frozenset[str]:
    """The columns that an expression names, in lower case."""
    from sqlglot import exp

    return frozenset(one.name.lower() for one in _parsed(text).find_all(exp.Column))


def _parsed(text: str) -> Any:
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    try:
        # It is only parsed, by nothing that could run it.
        tree = sqlglot.parse_one("SELECT 1 FROM t WHERE " + text, read="trino")  # noqa: S608
    except (SqlglotError, RecursionError) as error:
        raise invalid("The filter expression is not valid PartiQL.") from error
    parts = {key for key, value in tree.args.items() if value}
    where = tree.args.get("where") if isinstance(tree, exp.Select) else None
    # What follows a WHERE, and a comment that swallows the rest, is no part of a predicate.
    sources = {"from", "from_", "where", "expressions", "kind"}
    if where is None or not parts <= sources or any(one.comments for one in tree.walk()):
        raise invalid("The filter expression is not a single predicate.")
    return where.this


def _condition(node: Any, depth: int) -> None:
    from sqlglot import exp

    if depth > _DEEPEST:
        raise invalid("The filter expression is nested too deeply.")
    if isinstance(node, exp.Paren | exp.Not):
        _condition(node.this, depth + 1)
    elif isinstance(node, exp.And | exp.Or):
        _condition(node.left, depth + 1)
        _condition(node.right, depth + 1)
    elif isinstance(node, exp.EQ | exp.NEQ | exp.LT | exp.LTE | exp.GT | exp.GTE):
        _column_and_constant(node.left, node.right)
    elif isinstance(node, exp.Like):
        _column(node.this)
        _constant(node.expression)
    elif isinstance(node, exp.Between):
        _column(node.this)
        _constant(node.args["low"])
        _constant(node.args["high"])
    elif isinstance(node, exp.In) and not node.args.get("query") and node.expressions:
        _column(node.this)
        for one in node.expressions:
            _constant(one)
    elif isinstance(node, exp.Is):
        _column(node.this)
        if not isinstance(_bare(node.expression), exp.Null):
            raise invalid("IS in a filter expression is followed by NULL or NOT NULL.")
    elif not isinstance(node, exp.Boolean):
        raise invalid(
            "A filter expression has comparisons of columns with constants, BETWEEN, IN, LIKE and "
            "IS NULL, joined by AND, OR and NOT; no functions."
        )


def _column_and_constant(left: Any, right: Any) -> None:
    from sqlglot import exp

    if isinstance(_unwrapped(left), exp.Column):
        _column(left)
        _constant(right)
    else:
        _constant(left)
        _column(right)


def _column(node: Any) -> None:
    from sqlglot import exp

    bare = _unwrapped(node)
    if not isinstance(bare, exp.Column) or bare.table:
        raise invalid("A filter expression compares top-level columns with constants.")


def _constant(node: Any) -> None:
    from sqlglot import exp

    bare = _unwrapped(node)
    if isinstance(bare, exp.Neg):
        bare = bare.this
    # A typed literal, DATE '2024-01-01', is parsed as the cast of a text.
    if isinstance(bare, exp.Cast) and isinstance(bare.this, exp.Literal) and bare.this.is_string:
        return
    if not isinstance(bare, exp.Literal | exp.Boolean | exp.Null):
        raise invalid("A filter expression compares columns with constants, and nothing else.")


def _bare(node: Any) -> Any:
    from sqlglot import exp

    return node.this if isinstance(node, exp.Not) else node


def _unwrapped(node: Any) -> Any:
    from sqlglot import exp

    while isinstance(node, exp.Paren):
        node = node.this
    return node
