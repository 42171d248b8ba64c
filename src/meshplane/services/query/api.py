"""What the query service offers to others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from meshplane.boundary.actor import Actor


@dataclass(frozen=True, slots=True)
class FilterColumn:
    """A column that a row filter may speak of; `sql_type` is DuckDB's."""

    name: str
    field_id: int
    sql_type: str


class QueryApi(Protocol):
    """Checks SQL that others keep."""

    async def check_row_filter(
        self, actor: Actor, expression: str, columns: Sequence[FilterColumn]
    ) -> str:
        """The canonical text of a condition over these columns.

        Raises:
            Invalid: ROW_FILTER_INVALID.
        """
        ...
