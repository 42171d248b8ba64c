"""Writes the one secure view through which a statement sees a table.

The engine evaluates nothing of the caller's below a secure view's filter, so that an expression
that fails, is slow, or tells of its input meets visible rows only.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import duckdb

from meshplane.kit.errors import MeshplaneError
from meshplane.services.query.sandbox.built import built_source
from meshplane.services.query.sandbox.engine import Connection, identifier, literal
from meshplane.services.query.sandbox.faults import FILES, POLICY, broken, refused
from meshplane.services.query.sandbox.filters import Asker, binding, checked, embedded
from meshplane.services.query.sandbox.job import Column, Relation, Scope
from meshplane.services.query.sandbox.masks import Strength, constant, shown, strength

_GLOB_CHARACTERS = frozenset("*?[]{}\0")
_KEY_LABEL = b"meshplane column mask 1"
_KEY_CHARACTERS = 22  # of base 64: 132 bits, and short enough for one block with 33 bytes of value


class Visible(NamedTuple):
    """A column as the caller sees it."""

    column: Column
    sql_type: str


def hash_key(mask_key: bytes, schema: str) -> str:
    """The text that goes in front of a value before it is hashed, derived from the tenant's key."""
    label = _KEY_LABEL + b"\0" + schema.lower().encode()
    digest = hmac.new(mask_key, label, hashlib.sha256).digest()
    return base64.b64encode(digest).decode()[:_KEY_CHARACTERS]


def standing(connection: Connection, relation: Relation) -> Relation:
    """The relation with those of its scopes whose row filter fits its columns.

    A schema that changed may leave a filter that no longer binds. Its scope is closed then; the
    others stand.

    Raises:
        Refused: `GRANT_BROKEN`, none is left.
    """
    filters = [scope.row_filter for scope in relation.scopes if scope.row_filter is not None]
    if not filters:
        return relation
    fitting = binding(connection, filters, relation.columns, _asker(relation))
    kept = tuple(it for it in relation.scopes if it.row_filter is None or it.row_filter in fitting)
    if not kept:
        raise broken(f"{relation.schema}.{relation.name}", relation.schema)
    return relation if len(kept) == len(relation.scopes) else replace(relation, scopes=kept)


def visible_columns(relation: Relation) -> list[Visible]:
    """The columns that some scope has, in the table's order, with the type that they show.

    Raises:
        Refused: there is no scope, or a scope names a column that the table does not have.
    """
    names = {column.policy_name for column in relation.columns}
    unique = len(names) == len(relation.columns)
    if not unique or not relation.scopes:
        raise refused(POLICY)
    if any(set(scope.columns) - names for scope in relation.scopes):
        raise refused(POLICY)
    found = []
    for column in relation.columns:
        name = column.policy_name
        masks = [scope.columns[name] for scope in relation.scopes if name in scope.columns]
        if masks:
            hashed = any(mask is not None and mask.kind == "hash" for mask in masks)
            found.append(Visible(column, "VARCHAR" if hashed else column.sql_type))
    if not found:
        raise refused(POLICY)
    return found


def create_view(connection: Connection, relation: Relation, key: str, database: str = "") -> None:
    """Creates the secure view of a granted table in the locked engine.

    Args:
        connection: a locked engine.
        relation: the table, whose scopes say what is seen of it.
        key: what `hash_key` derived.
        database: of the engine; its own where none is named.

    Raises:
        Refused: the policy cannot be applied as it stands; nothing is shown then.
        duckdb.Error: a file cannot be opened.
    """
    _check_constants(connection, relation)
    schema = identifier(relation.schema)
    if database:
        schema = f"{identifier(database)}.{schema}"
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    name = f"{schema}.{identifier(relation.name)}"
    connection.execute(f"CREATE SECURE VIEW {name} AS {view_sql(connection, relation, key)}")


def _check_constants(connection: Connection, relation: Relation) -> None:
    """Sees that each constant is of its column's type, before a statement meets it."""
    types = {column.policy_name: column.sql_type for column in relation.columns}
    for scope in relation.scopes:
        for name, mask in scope.columns.items():
            if mask is not None and mask.kind == "constant" and name in types:
                try:
                    connection.execute(f"SELECT {constant(mask, types[name])}").fetchall()
                except duckdb.Error as error:
                    raise refused(POLICY) from error


def check_files(connection: Connection, files: Sequence[str]) -> None:
    """Sees that the columns of each file carry field ids.

    The engine reads a file without them as if each of its cells were NULL, in silence.

    Raises:
        Refused: a file has none, or its path reads as a pattern.
        duckdb.Error: a file cannot be opened.
    """
    if any(_GLOB_CHARACTERS & set(path) for path in files):
        raise refused(FILES)  # the engine would open whatever matches
    if not files:
        return
    listed = ", ".join(literal(path) for path in files)
    query = (
        f"SELECT 1 FROM parquet_schema([{listed}]) "  # noqa: S608 - literals of our own
        "GROUP BY file_name HAVING count(field_id) = 0 LIMIT 1"
    )
    if connection.execute(query).fetchall():
        raise refused(FILES)


def view_sql(connection: Connection, relation: Relation, key: str) -> str:
    """The SELECT of the view: rows that some scope lets through, each cell as it may be seen."""
    columns = visible_columns(relation)
    filters = [_filter(connection, scope, relation) for scope in relation.scopes]
    if len(filters) == 1:
        cells = ", ".join(_cell(relation, seen, [None], key) for seen in columns)
        rows = (
            _source(relation) if filters[0] is None else f"{_source(relation)} WHERE {filters[0]}"
        )
        # A level of its own for the filter: it must see the raw columns, not the masked ones.
        return f"SELECT {cells} FROM (SELECT * {rows})"  # noqa: S608 - names are quoted
    flags = [
        None if text is None else identifier(f" scope {number}")
        for number, text in enumerate(filters)
    ]
    tested = "".join(
        f", ({text}) IS TRUE AS {flag}" for text, flag in zip(filters, flags, strict=True) if flag
    )
    cells = ", ".join(_cell(relation, seen, flags, key) for seen in columns)
    anyone = "" if None in flags else " WHERE " + " OR ".join(flag for flag in flags if flag)
    # Names are quoted, and filters went through their gate.
    return f"SELECT {cells} FROM (SELECT *{tested} {_source(relation)}){anyone}"  # noqa: S608


def _filter(connection: Connection, scope: Scope, relation: Relation) -> str | None:
    """The scope's filter, ready to embed.

    A row on which it fails is a row that it does not pass: a failure would tell of the row.
    """
    if scope.row_filter is None:
        return None
    try:
        found = checked(connection, scope.row_filter, relation.columns)
        return embedded(connection, found, relation.columns, _asker(relation))
    except MeshplaneError as error:
        raise refused(POLICY) from error


def _asker(relation: Relation) -> Asker:
    return Asker(relation.principal, frozenset(relation.groups))


def _source(relation: Relation) -> str:
    """FROM the planned files, their columns found by field id, as Iceberg asks."""
    if relation.body is not None:
        return built_source(relation, relation.body)
    if not relation.files:
        nulls = ", ".join(
            f"CAST(NULL AS {column.sql_type}) AS {identifier(column.policy_name)}"
            for column in relation.columns
        )
        return f"FROM (SELECT {nulls} WHERE false)"
    files = ", ".join(literal(path) for path in relation.files)
    schema = ", ".join(
        f"{int(column.field_id)}: {{name: {literal(column.policy_name)}, "
        f"type: {literal(column.sql_type)}, default_value: NULL}}"
        for column in relation.columns
    )
    read = f"FROM read_parquet([{files}], hive_partitioning=false, schema=MAP {{{schema}}})"
    whole = ", ".join(_whole(column) for column in relation.columns if _is_struct(column))
    return f"FROM (SELECT * REPLACE ({whole}) {read})" if whole else read


def _is_struct(column: Column) -> bool:
    return column.sql_type.upper().startswith("STRUCT(") and column.sql_type.endswith(")")


def _whole(column: Column) -> str:
    """A column of fields, in a form from which the engine does not read single fields.

    It would, and fails where a file is from before the column was added.
    """
    name = identifier(column.policy_name)
    return f"CASE WHEN {name} IS NOT NULL THEN {name} END AS {name}"


def _cell(relation: Relation, seen: Visible, flags: list[str | None], key: str) -> str:
    """One column of the view: the weakest treatment among the scopes that pass the row.

    `flags` names each scope's test in the inner SELECT; None where every row passes.
    """
    name = seen.column.policy_name
    inner = replace(seen.column, name=name)
    ways: dict[str, list[str | None]] = {}
    strengths: dict[str, Strength] = {}
    for scope, flag in zip(relation.scopes, flags, strict=True):
        if name not in scope.columns:
            continue
        mask = scope.columns[name]
        text = shown(inner, seen.sql_type, mask, key)
        ways.setdefault(text, []).append(flag)
        strengths[text] = min(strength(mask), strengths.get(text, strength(mask)))
    cases, otherwise = "", f"CAST(NULL AS {seen.sql_type})"
    for text in sorted(ways, key=lambda way: strengths[way]):
        tests = [flag for flag in ways[text] if flag]
        if len(tests) < len(ways[text]) or len(ways[text]) == len(relation.scopes):
            otherwise = text  # some scope of this treatment passes whatever row is visible
            break
        cases += f" WHEN {' OR '.join(tests)} THEN {text}"
    value = f"CASE{cases} ELSE {otherwise} END" if cases else otherwise
    return f"{value} AS {identifier(seen.column.name)}"
