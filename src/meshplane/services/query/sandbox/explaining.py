"""EXPLAIN of one SELECT: the engine's plan over empty tables of the columns that the caller sees.

There are no rows, so no statistics, and no files, so no names of any. What a policy hides is not
there, and neither is the policy: which rows are left out, and how cells are masked, is told beside
the plan, from the caller's own grants.
"""

from collections.abc import Sequence
from typing import Any

from meshplane.services.query.sandbox.engine import Connection, identifier
from meshplane.services.query.sandbox.faults import refused
from meshplane.services.query.sandbox.job import Relation
from meshplane.services.query.sandbox.lexer import tokens
from meshplane.services.query.sandbox.text import check_text
from meshplane.services.query.sandbox.views import visible_columns

NOT_PLANNED = "A plan is made of one SELECT; a PIVOT needs IN (…) for it."
_OPTIONS = frozenset({"ANALYZE", "ANALYSE", "("})
_ANALYZED = "EXPLAIN ANALYZE and options of EXPLAIN may not be used here: nothing runs for a plan."


def explained_text(sql: str) -> str:
    """The SELECT of a text that may begin with EXPLAIN, each character at its old place.

    Raises:
        Refused: ANALYZE, or an option in brackets; a character that SQL may not hold.
        LimitReached: too long.
    """
    check_text(sql)
    words = tokens(sql)[:2]
    if not words or words[0].word != "EXPLAIN":
        return sql
    if words[-1].word in _OPTIONS:
        raise refused(_ANALYZED)
    first = words[0]
    return sql[: first.start] + " " * (first.end - first.start) + sql[first.end :]


def create_tables(connection: Connection, relations: Sequence[Relation]) -> None:
    """Creates an empty table of each relation's visible columns in the locked engine.

    Raises:
        Refused: the policy cannot be applied as it stands.
        duckdb.Error: a type is not one of the engine's.
    """
    for relation in _distinct(relations):
        columns = ", ".join(
            f"{identifier(seen.column.name)} {seen.sql_type}" for seen in visible_columns(relation)
        )
        schema = identifier(relation.schema)
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        connection.execute(f"CREATE TABLE {schema}.{identifier(relation.name)} ({columns})")


def column_rows(relations: Sequence[Relation]) -> list[tuple[str, str, str, str]]:
    """(schema, relation, column, type) of each visible column."""
    return [
        (relation.schema, relation.name, seen.column.name, seen.sql_type)
        for relation in _distinct(relations)
        for seen in visible_columns(relation)
    ]


def plan_text(connection: Connection, sql: str, parameters: Any) -> str:
    """The engine's plan of a statement that passed the gate.

    Raises:
        duckdb.Error: it does not bind, or a constant in it fails.
    """
    # The text passed the gate as exactly one SELECT, so that this is exactly one EXPLAIN.
    [(_, plan)] = connection.execute(f"EXPLAIN {sql}", parameters).fetchall()
    return str(plan)


def _distinct(relations: Sequence[Relation]) -> list[Relation]:
    """Each relation once, though a statement may name it with its schema and without."""
    return list({(it.schema.lower(), it.name.lower()): it for it in relations}.values())
