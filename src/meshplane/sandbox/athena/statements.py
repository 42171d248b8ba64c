"""Athena's SQL: what a text is, its parameters bound, and the same in DuckDB's words.

Athena engine 3 is Trino. sqlglot knows both dialects; what it does not bring over by itself is done
here: the names of columns without one (`_col0`), integers divided as integers, and names qualified
by their database. Which functions exist is DuckDB's answer, so a few of Trino's are missing, and a
decimal divided by a decimal is a double here.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import OptimizeError, SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify_columns import qualify_columns
from sqlglot.optimizer.scope import traverse_scope
from sqlglot.schema import MappingSchema

from meshplane.sandbox.athena.refusals import QueryFailed
from meshplane.sandbox.fake import FakeError

_EXPLAIN = re.compile(r"\s*EXPLAIN(\s+ANALYZE)?(\s+VERBOSE)?\s+", re.IGNORECASE)
_EXECUTE = re.compile(r"\s*EXECUTE\s+(?P<name>\w+)(?:\s+USING\s+(?P<values>.+))?\s*", re.I | re.S)
_UNNAMED = "__unnamed_{}"
_WHOLE_NUMBERS = frozenset({"TINYINT", "SMALLINT", "INT", "BIGINT"})


@dataclass(frozen=True, slots=True)
class Statement:
    """What a text asks for.

    Args:
        kind: SELECT, EXPLAIN, CREATE_VIEW, DROP_VIEW or CREATE_TABLE_AS_SELECT.
        tree: parsed.
        query: the SELECT in it; None for DROP VIEW.
        text: as given.
    """

    kind: str
    tree: exp.Expr
    query: exp.Expr | None
    text: str

    @property
    def statement_type(self) -> str:
        """What `QueryExecution.StatementType` says."""
        if self.kind == "EXPLAIN":
            return "UTILITY"
        return "DDL" if self.kind in {"CREATE_VIEW", "DROP_VIEW"} else "DML"


def execute_parts(text: str) -> tuple[str, str] | None:
    """Name and values of `EXECUTE name USING value, …`, or None when the text is no EXECUTE."""
    match = _EXECUTE.fullmatch(text.rstrip().removesuffix(";"))
    return None if match is None else (match["name"], match["values"] or "")


def parse(text: str) -> Statement:
    """What a text asks for.

    Raises:
        FakeError: InvalidRequestException: no SQL (`AthenaErrorCode` MALFORMED_QUERY), or nothing
            that this fake does.
    """
    body = text.strip().rstrip(";").strip()
    explained = _EXPLAIN.match(body)
    if explained:
        body = body[explained.end() :]
    try:
        trees = [tree for tree in sqlglot.parse(body, read="trino") if tree is not None]
    except (SqlglotError, RecursionError) as error:
        raise _malformed(_place(error)) from error
    if len(trees) != 1:
        raise FakeError(
            "InvalidRequestException",
            "Only one sql statement is allowed. Got: " + text[:200],
            AthenaErrorCode="INVALID_INPUT",
        )
    tree = trees[0]
    if isinstance(tree, exp.Query) and not isinstance(tree, exp.Table):
        return Statement("EXPLAIN" if explained else "SELECT", tree, tree, text)
    if not explained:
        if isinstance(tree, exp.Create) and isinstance(tree.expression, exp.Query):
            kinds = {"VIEW": "CREATE_VIEW", "TABLE": "CREATE_TABLE_AS_SELECT"}
            if tree.kind in kinds:
                return Statement(kinds[tree.kind], tree, tree.expression, text)
        if isinstance(tree, exp.Drop) and tree.kind == "VIEW":
            return Statement("DROP_VIEW", tree, None, text)
    if isinstance(tree, (exp.Command, exp.Column, exp.Alias, exp.Identifier)):
        raise _malformed("line 1:1")
    raise FakeError(
        "InvalidRequestException",
        "Queries of this type are not supported",
        AthenaErrorCode="INVALID_INPUT",
    )


def bound(tree: exp.Expr, parameters: Sequence[str]) -> exp.Expr:
    """The tree with its `?` replaced, in their order in the text.

    Raises:
        QueryFailed: there are not as many of one as of the other, or one is not a literal.
    """
    places = _in_order(tree)
    if len(places) != len(parameters):
        raise QueryFailed(
            "INVALID_PARAMETER_USAGE: line 1:1: Incorrect number of parameters: expected "
            f"{len(places)} but found {len(parameters)}"
        )
    for place, text in zip(places, parameters, strict=True):
        place.replace(literal(text))
    return tree


def _in_order(tree: exp.Expr) -> list[exp.Expr]:
    """The `?` as they stand in the text: the tree, where LIMIT is above WHERE, does not tell."""
    places: list[exp.Expr] = list(tree.find_all(exp.Placeholder))
    for index, place in enumerate(places):
        place.set("this", f"place_{index}_")
    written = tree.sql("trino")
    return sorted(places, key=lambda place: written.index(f":{place.name}"))


def literal(text: str) -> exp.Expr:
    """A parameter as an expression: it is put into the text as it is, so it must be a literal.

    Raises:
        QueryFailed: it is something else.
    """
    try:
        value = sqlglot.parse_one(text, read="trino")
    except SqlglotError as error:
        raise QueryFailed("SYNTAX_ERROR: a parameter is no SQL literal") from error
    named = (exp.Column, exp.Subquery, exp.Query, exp.Func)
    found = value.find(*named)
    if found is not None and not isinstance(found, (exp.Cast, exp.Array, exp.Struct)):
        raise QueryFailed("INVALID_PARAMETER_USAGE: a parameter must be a literal")
    return exp.paren(value) if isinstance(value, exp.Binary) else value


def table_nodes(query: exp.Expr) -> list[exp.Table]:
    """The tables of a catalogue that a query names: not its own WITH names.

    Raises:
        QueryFailed: an alias stands twice in one FROM, or a function is in the place of a table.
    """
    try:
        scopes = traverse_scope(query)
    except OptimizeError as error:
        raise QueryFailed(f"SYNTAX_ERROR: line 1:1: {error}") from error
    nodes = {
        id(source): source
        for scope in scopes
        for source in scope.sources.values()
        if isinstance(source, exp.Table)
    }
    for node in nodes.values():
        if not isinstance(node.this, exp.Identifier):
            raise QueryFailed("FUNCTION_NOT_FOUND: line 1:1: Table function not registered")
    return list(nodes.values())


def put_in_place(node: exp.Table, relation: str) -> None:
    """Lets a table node mean a relation of DuckDB's, under the name it had."""
    name = node.name
    if not node.alias:
        node.set("alias", exp.TableAlias(this=exp.to_identifier(name, quoted=True)))
    node.set("this", exp.to_identifier(relation, quoted=True))
    for part in ("db", "catalog", "version", "when"):
        node.set(part, None)


def drop_databases(query: exp.Expr, names: set[tuple[str, str]]) -> None:
    """Takes the database off columns such as `db.t.c`, when `db.t` is a table of the query.

    Args:
        query: to change.
        names: database and table of those that it names.
    """
    for column in query.find_all(exp.Column):
        if column.db and (column.db.lower(), column.table.lower()) in names:
            column.set("db", None)
            column.set("catalog", None)


def to_duckdb(query: exp.Expr, relations: dict[str, object]) -> str:
    """The query in DuckDB's words, its unnamed columns marked.

    Args:
        query: with DuckDB's relations in it; it is changed.
        relations: by name, types of columns by name.
    """
    query = _typed_as_trino(query, relations)
    _mark_unnamed(query)
    return query.sql("duckdb")


def shown_name(name: str, position: int) -> str:
    """The name of a column of the result: an unnamed one is called by its position."""
    return f"_col{position}" if name.startswith("__unnamed_") else name


def referenced(query: exp.Expr) -> set[str] | None:
    """The names of all columns that a query reads; None when it has a star."""
    for star in query.find_all(exp.Star):
        if not isinstance(star.parent, exp.Count):
            return None
    return {column.name.lower() for column in query.find_all(exp.Column)}


def _mark_unnamed(query: exp.Expr) -> None:
    first: Any = query
    while isinstance(first, (exp.SetOperation, exp.Subquery)):
        first = first.this
    if not isinstance(first, exp.Select):
        return
    shown = []
    for index, one in enumerate(first.expressions):
        bare = one.unalias() if isinstance(one, exp.Paren) else one
        named = isinstance(bare, (exp.Alias, exp.Column, exp.Star, exp.Dot, exp.Aliases))
        shown.append(one if named else exp.alias_(one, _UNNAMED.format(index)))
    first.set("expressions", shown)


def _typed_as_trino(query: exp.Expr, relations: dict[str, object]) -> exp.Expr:
    """Divides whole numbers as whole numbers and keeps a truncated date a date, unlike DuckDB."""
    concerned = (exp.Div, exp.DateTrunc, exp.TimestampTrunc)
    if query.find(*concerned) is None:
        return query
    schema = MappingSchema(relations, dialect="duckdb", normalize=False)
    typed = query.copy()
    try:
        qualify_columns(typed, schema, expand_stars=False, expand_alias_refs=False)
        annotate_types(typed, schema=schema, dialect="duckdb")
    except SqlglotError:
        return query  # an unknown column: DuckDB will say so
    pairs = list(zip(query.find_all(*concerned), typed.find_all(*concerned), strict=False))
    for original, known in pairs:
        if not isinstance(original, exp.Div):
            if known.this.is_type("date"):
                original.replace(exp.cast(original.copy(), "date"))
        elif _is_whole(known.this) and _is_whole(known.expression):
            original.replace(exp.IntDiv(this=original.this, expression=original.expression))
        else:
            original.set("typed", False)
    return query


def _is_whole(node: exp.Expr) -> bool:
    if isinstance(node, exp.Paren):
        return _is_whole(node.this)
    if isinstance(node, (exp.Div, exp.Add, exp.Sub, exp.Mul, exp.Mod)):
        return _is_whole(node.left) and _is_whole(node.right)
    return node.type is not None and node.type.this.value in _WHOLE_NUMBERS


def _place(error: Exception) -> str:
    details = getattr(error, "errors", None) or [{}]
    return f"line {details[0].get('line') or 1}:{details[0].get('col') or 1}"


def _malformed(place: str) -> FakeError:
    return FakeError(
        "InvalidRequestException",
        f"{place}: mismatched input",
        AthenaErrorCode="MALFORMED_QUERY",
    )
