"""DuckDB's SQL for Redshift: one SELECT, its parameters by name.

The Data API binds texts to `:name`, and neither NULL nor an empty text; those two stand in the
statement themselves, as literals. No other value of a caller's ever becomes SQL.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import sqlglot
from sqlglot import TokenType, exp
from sqlglot.errors import ErrorLevel, OptimizeError, SqlglotError, UnsupportedError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify

from meshplane.platform.nesting import is_endless
from meshplane.services.query.aws_grammar import all_spelled_out
from meshplane.services.query.aws_sql import Parsed, Seen, put_relations, schema_of, unresolved
from meshplane.services.query.sandbox import RelationName
from meshplane.services.query.sandbox.faults import DEEP, invalid, limit, refused

_DIALECT, _TARGET = "duckdb", "redshift"
_PARAMETER = re.compile(r"[A-Za-z0-9_]{1,64}")
_UNSAID = "A part of the statement cannot be said in Redshift's SQL."


@dataclass(frozen=True, slots=True)
class Translated:
    """What Redshift is told.

    Args:
        sql: the query string.
        parameters: as `SqlParameters`.
        names: the tables that it names, each once.
    """

    sql: str
    parameters: list[dict[str, str]]
    names: tuple[RelationName, ...]


def translate(sql: str, given: Sequence[Any] | Mapping[str, Any] | None) -> Translated:
    """A statement in Redshift's words.

    Args:
        sql: in DuckDB's.
        given: the values of its parameters.

    Raises:
        Refused, Invalid, LimitReached: SQL_REFUSED, SQL_INVALID, SQL_LIMIT.
    """
    if is_endless(sql):
        raise limit(DEEP)
    try:
        trees = [tree for tree in sqlglot.parse(_numbered(sql), read=_DIALECT) if tree is not None]
        if len(trees) != 1 or not isinstance(trees[0], exp.Query) or trees[0].find(exp.Into):
            raise refused("On Redshift only one SELECT may be run at a time.")
        tree = trees[0]
        parameters = _bound(tree, given)
        text = tree.sql(_TARGET, unsupported_level=ErrorLevel.RAISE)
    except UnsupportedError as error:
        raise refused(_UNSAID) from error
    except SqlglotError as error:
        raise invalid("The statement cannot be read.") from error
    except RecursionError as error:
        raise limit(DEEP) from error
    return Translated(text, parameters, _names(tree))


def translate_over(
    parsed: Parsed, seen: Sequence[Seen], given: Sequence[Any] | Mapping[str, Any] | None
) -> Translated:
    """A statement over tables of the mesh in Redshift's words: only what is shown is named.

    Args:
        parsed: what `aws_sql.parse` gave; it is used up.
        seen: its relations, in the order of its names, each with schema and name of Redshift's.
        given: the values of its parameters.

    Raises:
        Refused, Invalid, LimitReached: SQL_REFUSED, SQL_INVALID, SQL_LIMIT.
    """
    tree = parsed.tree
    parameters = _bound(tree, given)
    put_relations(parsed, seen)
    schema = schema_of(seen)
    try:
        tree = qualify(tree, dialect=_DIALECT, schema=schema, identify=True)
        all_spelled_out(tree)
        tree = annotate_types(tree, schema=schema, dialect=_DIALECT)
        text = tree.sql(_TARGET, unsupported_level=ErrorLevel.RAISE)
    except UnsupportedError as error:
        raise refused(_UNSAID) from error
    except OptimizeError as error:
        raise unresolved(seen) from error
    except SqlglotError as error:
        raise invalid("A name or a type of the statement cannot be resolved.") from error
    except RecursionError as error:
        raise limit(DEEP) from error
    return Translated(text, parameters, parsed.names)


def _numbered(sql: str) -> str:
    """The text with `$1`, `$2`, … for its `?`, as only the text tells their order."""
    parts, end, number = [], 0, 0
    for token in sqlglot.tokenize(sql, read=_DIALECT):
        if token.token_type == TokenType.PLACEHOLDER:
            number += 1
            parts += [sql[end : token.start], f"${number}"]
            end = token.end + 1
    return "".join([*parts, sql[end:]])


def _names(tree: exp.Expr) -> tuple[RelationName, ...]:
    own = {one.alias_or_name for one in tree.find_all(exp.CTE)}
    named = [
        RelationName(node.db or None, node.name)
        for node in tree.find_all(exp.Table)
        if node.db or node.name not in own
    ]
    return tuple(dict.fromkeys(named))


def _bound(tree: exp.Expr, given: Sequence[Any] | Mapping[str, Any] | None) -> list[dict[str, str]]:
    values = (
        {str(name): value for name, value in given.items()}
        if isinstance(given, Mapping)
        else {str(place): value for place, value in enumerate(given or (), 1)}
    )
    used: dict[str, str] = {}
    known: set[str] = set()
    for node in list(tree.find_all(exp.Placeholder, exp.Parameter)):
        name = node.name
        if not _PARAMETER.fullmatch(name):
            raise invalid("A parameter's name is of letters, digits and underscores.")
        known.add(name)
        if name not in values:
            raise invalid(f"The statement has a parameter without a value: {name}.")
        text = _text(values[name])
        if not text:
            node.replace(exp.null() if text is None else exp.Literal.string(""))
            continue
        bound = f"p_{name}"
        used[bound] = text
        # As the Data API names them; a placeholder of the parser's would be written `%(name)s`.
        node.replace(exp.Var(this=f":{bound}"))
    extra = sorted(set(values) - known)
    if extra:
        raise invalid(f"There are values for no parameter of the statement: {', '.join(extra)}.")
    return [{"name": name, "value": text} for name, text in used.items()]


def _text(value: Any) -> str | None:
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case int() | float() | Decimal():
            return str(value)
        case datetime() | date():
            return value.isoformat()
        case _:
            raise refused("On Redshift a parameter is a text, a number, a boolean or a time.")
