"""DuckDB's SQL for Athena: parsed, gated, its relations resolved, and written in Athena's words.

Callers write the same SQL whatever engine runs it. sqlglot parses it as DuckDB's; what is on the
lists of `aws_grammar` is qualified over the columns that the caller sees, so that `*` and names
mean what they do on this machine, and written for Athena. A mistake in the translation gives a
wrong answer or an error, and never a row too many: which rows there are, Lake Formation says to
the role that asks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import OptimizeError, ParseError, SqlglotError, TokenError
from sqlglot.errors import UnsupportedError as Unsaid
from sqlglot.optimizer.qualify_columns import quote_identifiers
from sqlglot.optimizer.scope import traverse_scope

from meshplane.platform.nesting import is_endless
from meshplane.services.query.aws_dialect import evened, written
from meshplane.services.query.aws_flat import is_flat
from meshplane.services.query.aws_grammar import (
    all_spelled_out,
    check,
    check_groups,
    names_all,
    spelled_out,
)
from meshplane.services.query.aws_growth import check_growth, check_stars
from meshplane.services.query.aws_names import (
    DIALECT,
    Columns,
    asks_for_types,
    folded,
    has_text,
    qualified,
    typed,
)
from meshplane.services.query.aws_survey import Survey, survey
from meshplane.services.query.aws_values import Blanks, Parameters, even_comparisons
from meshplane.services.query.sandbox.faults import DEEP, invalid, limit, refused
from meshplane.services.query.sandbox.job import Column, Relation, RelationName

_MOST_BYTES = 262_144  # of a query string, by Athena's own model
_ONLY_SELECT = "On Athena only one SELECT may be run at a time."


@dataclass(frozen=True, slots=True)
class Parsed:
    """A statement that may go on.

    Args:
        tree: what was parsed.
        names: the tables that it names, each once.
        tables: their places in the tree, all of them.
        held: what else is in the tree.
    """

    tree: exp.Expr
    names: tuple[RelationName, ...]
    tables: tuple[exp.Table, ...]
    held: Survey


@dataclass(frozen=True)
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

    @cached_property
    def columns(self) -> list[Column]:
        """The columns that the lake shows."""
        return shown_columns(self.relation)


@dataclass(frozen=True, slots=True)
class Translated:
    """What Athena is told: a query string, and the values of its `?` in their order.

    `lists` says of what the columns are lists that are, by their place: Athena's answer does not.
    `blanks` is where other values go.
    """

    sql: str
    parameters: tuple[str, ...]
    lists: Mapping[int, str]
    blanks: Blanks

    def given(self, values: Sequence[Any] | Mapping[str, Any] | None) -> "Translated | None":
        """The same with other values of the same kinds; None where they change the query string.

        Raises:
            Refused, Invalid, LimitReached: SQL_REFUSED, SQL_INVALID, SQL_LIMIT.
        """
        parameters = self.blanks.filled(values)
        return None if parameters is None else replace(self, parameters=parameters)


def parse(sql: str) -> Parsed:
    """Parses a statement, and refuses what does not go to Athena.

    Raises:
        Refused, Invalid, LimitReached: SQL_REFUSED, SQL_INVALID, SQL_LIMIT.
    """
    if is_endless(sql):
        raise limit(DEEP)
    try:
        trees = [tree for tree in sqlglot.parse(_numbered(sql), read=DIALECT) if tree is not None]
    except (ParseError, TokenError) as error:
        raise invalid(f"The statement cannot be read{_place(error)}.") from error
    except RecursionError as error:
        raise limit(DEEP) from error
    if len(trees) != 1 or not isinstance(trees[0], exp.Query) or isinstance(trees[0], exp.Table):
        raise refused(_ONLY_SELECT)
    tree: exp.Expr = trees[0].unnest() if isinstance(trees[0], exp.Subquery) else trees[0]
    try:
        held = spelled_out(survey(tree))
        check(held)
        check_growth(held)
        tables = _tables(tree, held)
        names = [_name_of(node) for node in tables]
    except RecursionError as error:
        raise limit(DEEP) from error
    return Parsed(tree, tuple(dict.fromkeys(names)), tuple(tables), held)


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
    tree, held, parameters = parsed.tree, parsed.held, Parameters(given)
    parameters.put_into(held.of(exp.Placeholder))
    put_relations(parsed, seen)
    columns = schema_of(seen)
    lists: Mapping[int, str] = {}
    try:
        tree = qualified(tree, held, columns)
        check_groups(tree, held)
        if names_all(held):
            all_spelled_out(quote_identifiers(tree, DIALECT))
        if asks_for_types(held, columns):
            tree = typed(tree, columns)
            lists = _lists(tree)
            if has_text(held):
                even_comparisons(tree, parameters)
            tree = evened(tree, held)
        text = written(tree, held)
    except Unsaid as error:
        raise refused("A part of the statement cannot be said in Athena's SQL.") from error
    except OptimizeError as error:
        raise unresolved(seen) from error
    except SqlglotError as error:
        raise invalid("A name or a type of the statement cannot be resolved.") from error
    except RecursionError as error:
        raise limit(DEEP) from error
    sql, values, blanks = parameters.taken_out(text)
    if len(sql.encode()) > _MOST_BYTES:
        raise limit(f"In Athena's words the statement is longer than {_MOST_BYTES} bytes.")
    return Translated(sql, values, lists, blanks)


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
    for token in sqlglot.tokenize(sql, read=DIALECT):
        if token.token_type.name == "PLACEHOLDER" and token.text == "?":
            number += 1
            parts += [sql[end : token.start], f"${number}"]
            end = token.end + 1
    return "".join([*parts, sql[end:]])


def _tables(tree: exp.Expr, held: Survey) -> list[exp.Table]:
    """The tables that the statement names, without its own WITH names."""
    if is_flat(tree, held):
        begin, joins = tree.args.get("from_"), tree.args.get("joins") or []
        return [part.this for part in ([] if begin is None else [begin]) + joins]
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
    databases: set[str] = set()
    widths: dict[int, int] = {}
    for node in parsed.tables:
        one = by_name[_name_of(node)]
        if not node.alias:
            node.set("alias", exp.TableAlias(this=_name(node.name)))
        databases.add(node.db.lower())
        node.set("db", _name(one.relation.schema))
        node.set("this", _name(one.relation.name))
        node.set("version", _version(one))
        widths[id(node)] = len(one.columns)
    check_stars(parsed.held, widths)
    # `sea.crew.name` is the column of the alias `crew`.
    for column in parsed.held.of(exp.Column):
        if column.db and column.db.lower() in databases:
            column.set("db", None)


def _name(text: str) -> exp.Identifier:
    return exp.Identifier(this=folded(text), quoted=True)


def _lists(tree: exp.Expr) -> dict[int, str]:
    """Of the columns that are lists, what they are lists of."""
    kinds = [one.type for one in tree.selects] if isinstance(tree, exp.Query) else []
    return {
        place: kind.expressions[0].sql(DIALECT)
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


def schema_of(seen: Sequence[Seen]) -> Columns:
    """The columns that are shown, to qualify names by.

    Raises:
        Invalid: SQL_INVALID, of a relation no column is shown.
    """
    tables = {}
    for one in seen:
        if not one.columns:
            raise unresolved(seen)
        key = folded(one.relation.schema), folded(one.relation.name)
        tables[key] = {folded(column.name): column.sql_type for column in one.columns}
    return Columns(tables)


def unresolved(seen: Sequence[Seen]) -> Exception:
    """The error where a column is not there, or two are: what it may be, and what is left out."""
    hidden = sorted(
        {
            column.name
            for one in seen
            for column in one.relation.columns
            if column not in one.columns
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
