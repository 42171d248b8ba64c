"""The tables of the query service."""

from meshplane.platform.tables import Index, Table

HISTORY = Table(
    "QueryHistory",
    "principal",
    "place",
    indexes=(
        Index("byQuery", "principal", "queryId"),
        Index("byNumber", "principal", "number"),
    ),
    expires="expiresEpoch",
)
"""Queries that have ended, by who sent them; `place` is `startedAt#queryId`, `number` counts those
of one principal, as text of twelve digits."""

VIEWS = Table("QueryViews", "tableId")
"""Views, by the table that stands for each."""

TABLES = (HISTORY, VIEWS)
