"""What the query service offers to others."""

from collections.abc import Sequence
from typing import Protocol

from meshplane.boundary.actor import Actor
from meshplane.services.permissions.api import FilterColumn, RowFilter
from meshplane.services.tables.api import ExternalSource

__all__ = ["FilterColumn", "QueryApi", "RowFilter"]


class QueryApi(Protocol):
    """Checks SQL that others keep."""

    async def check_row_filter(
        self,
        actor: Actor,
        expression: str,
        columns: Sequence[FilterColumn],
        source: ExternalSource | None = None,
    ) -> RowFilter:
        """A condition over these columns in its canonical text, with those that it names.

        Args:
            actor: who asks.
            expression: SQL; `current_principal()` and `in_group('name')` in it stay as they are.
            columns: all of the table.
            source: the engine that keeps the table, if it is another one: it must be able to be
                told the condition.

        Raises:
            Invalid: ROW_FILTER_INVALID.
        """
        ...
