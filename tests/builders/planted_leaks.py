"""Mistakes that enforcement could have, to show that the oracles would find them.

The views are planted where the engine in this process makes them; the gate's lists and the encoder
where the child finds them too.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from meshplane.services.query.sandbox import (
    Mask,
    Relation,
    Scope,
    encoding,
    filters,
    functions,
    views,
)
from meshplane.services.query.sandbox.engine import Connection, identifier

Plant = Callable[[pytest.MonkeyPatch], None]
Columns = Mapping[str, Mask | None]


def _with_scopes(patch: pytest.MonkeyPatch, change: Callable[[Scope], Scope]) -> None:
    original = views.create_view

    def create_view(connection: Connection, relation: Relation, key: str) -> None:
        scopes = tuple(change(scope) for scope in relation.scopes)
        original(connection, replace(relation, scopes=scopes), key)

    patch.setattr(views, "create_view", create_view)


def mask_dropped_for_one_column(patch: pytest.MonkeyPatch) -> None:
    """A masked id is shown as it is."""

    def change(scope: Scope) -> Scope:
        columns: Columns = {
            name: None if name == "id" else mask for name, mask in scope.columns.items()
        }
        return Scope(scope.row_filter, columns)

    _with_scopes(patch, change)


def filters_joined_by_and(patch: pytest.MonkeyPatch) -> None:
    """A row must pass all scopes in place of one."""
    original = views.create_view

    def create_view(connection: Connection, relation: Relation, key: str) -> None:
        filters = [scope.row_filter for scope in relation.scopes if scope.row_filter]
        both = " AND ".join(f"({text})" for text in filters) or None
        scopes = tuple(Scope(both, scope.columns) for scope in relation.scopes)
        original(connection, replace(relation, scopes=scopes), key)

    patch.setattr(views, "create_view", create_view)


def filter_dropped(patch: pytest.MonkeyPatch) -> None:
    """A scope shows all rows."""
    _with_scopes(patch, lambda scope: Scope(None, scope.columns))


def filter_applied_to_masked_cells(patch: pytest.MonkeyPatch) -> None:
    """A row filter sees what the caller sees in place of what is there."""
    original = views.create_view

    def create_view(connection: Connection, relation: Relation, key: str) -> None:
        [first, *more] = relation.scopes
        if more or first.row_filter is None:
            original(connection, relation, key)
            return
        open_scope = Scope(None, first.columns)
        sql = views.view_sql(connection, replace(relation, scopes=(open_scope,)), key)
        try:
            _create(connection, relation, f"SELECT * FROM ({sql}) WHERE TRY({first.row_filter})")
        except Exception:  # noqa: BLE001 - it names a column that the caller does not see
            original(connection, relation, key)

    patch.setattr(views, "create_view", create_view)


def _create(connection: Connection, relation: Relation, sql: str, kind: str = "SECURE") -> None:
    schema, name = identifier(relation.schema), identifier(relation.name)
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    connection.execute(f"CREATE {kind} VIEW {schema}.{name} AS {sql}")


def europe_joined_in_plain_views(patch: pytest.MonkeyPatch) -> None:
    """A plain view leaves out the US by a join, below which it computes what the caller writes."""

    def create_view(connection: Connection, relation: Relation, key: str) -> None:
        [scope] = relation.scopes
        open_scope = Scope(None, scope.columns)
        sql = views.view_sql(connection, replace(relation, scopes=(open_scope,)), key)
        hidden = "(VALUES ('US')) AS d(region) WHERE d.region = c.region"
        joined = f"SELECT * FROM ({sql}) AS c WHERE NOT EXISTS (FROM {hidden})"
        _create(connection, relation, joined, "")

    patch.setattr(views, "create_view", create_view)


def failing_filters_fail(patch: pytest.MonkeyPatch) -> None:
    """A filter that fails on a row ends the statement."""
    patch.setattr(filters, "never_fails", lambda tree, columns: True)


def _allowed(patch: pytest.MonkeyPatch, *names: str) -> None:
    original = functions.may_call
    patch.setattr(functions, "may_call", lambda name: name in names or original(name))


def like_escape_let_through(patch: pytest.MonkeyPatch) -> None:
    """LIKE … ESCAPE is a function like any other."""
    patch.setattr(functions, "ESCAPES", frozenset())
    _allowed(patch, *functions.ESCAPES, "like_escape", "not_like_escape")


def settings_let_through(patch: pytest.MonkeyPatch) -> None:
    """A function is on the wrong list: one that tells of the engine's settings and files."""
    _allowed(patch, "current_setting")


def leftovers_sent(patch: pytest.MonkeyPatch) -> None:
    """Arrow carries along what lay in memory under each NULL."""
    patch.setattr(encoding, "cleared", lambda batch: batch)


def hidden_columns_named(patch: pytest.MonkeyPatch) -> None:
    """The columns that no grant has are there, and NULL."""
    original = views.create_view

    def create_view(connection: Connection, relation: Relation, key: str) -> None:
        null: dict[str, Any] = {column.name: Mask("null") for column in relation.columns}
        scopes = tuple(
            Scope(scope.row_filter, {**null, **scope.columns}) for scope in relation.scopes
        )
        original(connection, replace(relation, scopes=scopes), key)

    patch.setattr(views, "create_view", create_view)


WRONG_ANSWERS: tuple[Plant, ...] = (
    mask_dropped_for_one_column,
    filters_joined_by_and,
    filter_dropped,
    filter_applied_to_masked_cells,
    failing_filters_fail,
    hidden_columns_named,
)

LEAKS: tuple[Plant, ...] = (
    mask_dropped_for_one_column,
    filter_dropped,
    leftovers_sent,
    hidden_columns_named,
)
