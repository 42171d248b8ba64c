"""DuckDB's SQL for Athena: parsed, gated, its relations resolved, and written in Athena's words.

Callers write the same SQL whatever engine runs it. sqlglot parses it as DuckDB's; what is on the
lists of `aws_grammar` is qualified over the columns that the caller sees, so that `*` and names
mean what they do on this machine, and written for Athena. A mistake in the translation gives a
wrong answer or an error, and never a row too many: which rows there are, Lake Formation says to
the role that asks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ErrorLevel, OptimizeError, ParseError, SqlglotError, TokenError
from sqlglot.errors import UnsupportedError as Unsaid
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import traverse_scope
from sqlglot.schema import MappingSchema

from meshplane.platform.nesting import is_endless
from meshplane.services.query.aws_dialect import evened
from meshplane.services.query.aws_grammar import all_spelled_out, check, spelled_out
from meshplane.services.query.aws_growth import check_growth, check_stars
from meshplane.services.query.aws_values import Parameters, even_comparisons
from meshplane.services.query.sandbox.faults import DEEP, invalid, limit, refused
from meshplane.services.query.sandbox.job import Column, Relation, RelationName

# By their names they would be looked up some forty times for each statement.
_DIALECT, _TARGET = Dialect.get_or_raise("duckdb"), Dialect.get_or_raise("athena")
_MOST_BYTES = 262_144  # of a query string, by Athena's own model
_ONLY_SELECT = "On Athena only one SELECT may be run at a time."


@dataclass(frozen=True, slots=True)
class Parsed:
    """A statement that may go on.

    Args:
        tree: what was parsed.
        names: the tables that it names, each once.
        tables: their places in the tree, all of them.
    """

    tree: exp.Expr
    names: tuple[RelationName, ...]
    tables: tuple[exp.Table, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """A relation as the statement is to read it.

    Args:
        relation: with the caller's scopes.
        snapshot_id: the snapshot that was asked for.
        instant: the instant that was asked for.
    """

    relation: Relation
    snapshot_id: str | None = None
    instant: datetime | None = None


@dataclass(frozen=True, slots=True)
class Translated:
    """What Athena is told: a query string, and the values of its `?` in their order.

    `lists` says of what the columns are lists that are, by their place: Athena's answer does not.
    """

    sql: str
    parameters: tuple[str, ...]
    lists: Mapping[int, str]


def parse(sql: str) -> Parsed:
    """Parses a statement, and refuses what does not go to Athena.

    Raises:
        Refused, Invalid, LimitReached: SQL_REFUSED, SQL_INVALID, SQL_LIMIT.
    """
    if is_endless(sql):
        raise limit(DEEP)
    try:
        trees = [tree for tree in sqlglot.parse(_numbered(sql), read=_DIALECT) if tree is not None]
    except (ParseError, TokenError) as error:
        raise invalid(f"The statement cannot be read{_place(error)}.") from error
    except RecursionError as error:
        raise limit(DEEP) from error
    if len(trees) != 1 or not isinstance(trees[0], exp.Query) or isinstance(trees[0], exp.Table):
        raise refused(_ONLY_SELECT)
    tree: exp.Expr = trees[0].unnest() if isinstance(trees[0], exp.Subquery) else trees[0]
    try:
        tree = spelled_out(tree)
        check(tree)
        check_growth(tree)
        tables = _tables(tree)
        names = [_name_of(node) for node in tables]
    except RecursionError as error:
        raise limit(DEEP) from error
    return Parsed(tree, tuple(dict.fromkeys(names)), tuple(tables))


def translate(
    parsed: Parsed,
    seen: Sequence[Seen],
    given: Sequence[Any] | Mapping[str, Any] | None,
) -> Translated:
    """The statement in Athena's words.

    Args:
        parsed: what `parse` gave; it is used up.
        seen: its relations, in the order of its names.
        given: the values of its parameters.

    Raises:
        Refused, Invalid, LimitReached: SQL_REFUSED, SQL_INVALID, SQL_LIMIT.
    """
    tree, parameters = parsed.tree, Parameters(given)
    parameters.put_into(tree)
    put_relations(parsed, seen)
    schema = schema_of(seen)
    try:
        tree = qualify(tree, dialect=_DIALECT, schema=schema, identify=True)
        all_spelled_out(tree)
        tree = annotate_types(tree, schema=schema, dialect=_DIALECT)
        lists = _lists(tree)
        even_comparisons(tree, parameters)
        # The tree is used up, so the writer may change it and need not copy it first.
        text = evened(tree).sql(_TARGET, copy=False, unsupported_level=ErrorLevel.RAISE)
    except Unsaid as error:
        raise refused("A part of the statement cannot be said in Athena's SQL.") from error
    except OptimizeError as error:
        raise unresolved(seen) from error
    except SqlglotError as error:
        raise invalid("A name or a type of the statement cannot be resolved.") from error
    except RecursionError as error:
        raise limit(DEEP) from error
    sql, values = parameters.taken_out(text)
    if len(sql.encode()) > _MOST_BYTES:
        raise limit(f"In Athena's words the statement is longer than {_MOST_BYTES} bytes.")
    return Translated(sql, values, lists)


def shown_columns(relation: Relation) -> list[Column]:
    """The columns that the lake shows: those that some scope shows as they are.

    Lake Formation cannot mask, so a column that is only ever masked is left out there.
    """
    plain = {
        name
        for scope in relation.scopes
        for name, mask in scope.columns.items()
        if mask is None or mask.kind == "none"
    }
    return [column for column in relation.columns if column.policy_name in plain]


def _numbered(sql: str) -> str:
    """The text with `$1`, `$2`, … for its `?`, as only the text tells their order."""
    if "?" not in sql:
        return sql
    parts, end, number = [], 0, 0
    for token in sqlglot.tokenize(sql, read=_DIALECT):
        if token.token_type.name == "PLACEHOLDER" and token.text == "?":
            number += 1
            parts += [sql[end : token.start], f"${number}"]
            end = token.end + 1
    return "".join([*parts, sql[end:]])


def _tables(tree: exp.Expr) -> list[exp.Table]:
    """The tables that the statement names, without its own WITH names."""
    try:
        scopes = traverse_scope(tree)
    except OptimizeError as error:
        raise invalid("The same name stands for two tables of one FROM.") from error
    found = {
        id(source): source
        for scope in scopes
        for source in scope.sources.values()
        if isinstance(source, exp.Table)
    }
    return list(found.values())


def _name_of(node: exp.Table) -> RelationName:
    if node.catalog:
        raise refused("A table name of more than schema and table may not be used here.")
    return RelationName(node.db or None, node.name)


def put_relations(parsed: Parsed, seen: Sequence[Seen]) -> None:
    """Puts database and table of Glue in the place of each name, and which version is read.

    Args:
        parsed: the statement.
        seen: its relations, in the order of its names.

    Raises:
        LimitReached: SQL_LIMIT, its stars stand for too many columns.
    """
    by_name = dict(zip(parsed.names, seen, strict=True))
    written: set[str] = set()
    widths: dict[int, int] = {}
    for node in parsed.tables:
        one = by_name[_name_of(node)]
        if not node.alias:
            node.set("alias", exp.TableAlias(this=exp.to_identifier(node.name, quoted=True)))
        written.add(node.db.lower())
        node.set("db", exp.to_identifier(one.relation.schema, quoted=True))
        node.set("this", exp.to_identifier(one.relation.name, quoted=True))
        node.set("version", _version(one))
        widths[id(node)] = len(shown_columns(one.relation))
    check_stars(parsed.tree, widths)
    # `sea.crew.name` is the column of the alias `crew`.
    for column in parsed.tree.find_all(exp.Column):
        if column.db and column.db.lower() in written:
            column.set("db", None)


def _lists(tree: exp.Expr) -> dict[int, str]:
    """Of the columns that are lists, what they are lists of."""
    kinds = [one.type for one in tree.selects] if isinstance(tree, exp.Query) else []
    return {
        place: kind.expressions[0].sql(_DIALECT)
        for place, kind in enumerate(kinds)
        if kind is not None and kind.this == exp.DataType.Type.ARRAY and kind.expressions
    }


def _version(one: Seen) -> exp.Version | None:
    if one.snapshot_id is not None:
        return exp.Version(
            this="VERSION", kind="AS OF", expression=exp.Literal.number(one.snapshot_id)
        )
    if one.instant is None:
        return None
    # To the millisecond, as Iceberg has its instants.
    at = one.instant.astimezone(UTC)
    text = f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d} UTC"
    return exp.Version(
        this="TIMESTAMP", kind="AS OF", expression=exp.Var(this=f"TIMESTAMP '{text}'")
    )


def schema_of(seen: Sequence[Seen]) -> MappingSchema:
    """The columns that are shown, as a schema to qualify names by.

    Raises:
        Invalid: SQL_INVALID, of a relation no column is shown.
    """
    found: dict[str, Any] = {}
    types: dict[str, exp.DataType] = {}
    for one in seen:
        columns = {}
        for column in shown_columns(one.relation):
            kind = column.sql_type
            if kind not in types:
                # A node of a tree belongs to one statement.
                types[kind] = _type(kind).copy()
            columns[_folded(column.name)] = types[kind]
        if not columns:
            raise unresolved(seen)
        database = found.setdefault(_folded(one.relation.schema), {})
        database[_folded(one.relation.name)] = columns
    return MappingSchema(found, dialect=_DIALECT, normalize=False)


@lru_cache(4096)
def _folded(name: str) -> str:
    """A name as it is compared."""
    return str(_DIALECT.normalize_identifier(exp.to_identifier(name, quoted=True)).name)


@lru_cache(1024)
def _type(text: str) -> exp.DataType:
    return exp.DataType.from_str(text, dialect=_DIALECT, udt=True)


def unresolved(seen: Sequence[Seen]) -> Exception:
    """The error where a column is not there, or two are: what it may be, and what is left out."""
    hidden = sorted(
        {
            column.name
            for one in seen
            for column in one.relation.columns
            if column not in shown_columns(one.relation)
            and any(column.policy_name in scope.columns for scope in one.relation.scopes)
        }
    )
    left_out = (
        f" Lake Formation cannot mask, so these are left out: {', '.join(hidden)}."
        if hidden
        else ""
    )
    return invalid(
        "A column that the statement names is not there for you, or its name stands for several: "
        f"write it as table.column.{left_out}"
    )


def _place(error: Exception) -> str:
    details: Any = getattr(error, "errors", None) or [{}]
    line, column = details[0].get("line"), details[0].get("col")
    return f" (line {line}, column {column})" if line and column else ""
