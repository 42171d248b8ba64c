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

REDSHIFT_RIGHTS = Table(
    "RedshiftRights", "tableId", "projectId", indexes=(Index("all", "all", "tableId"),)
)
"""Tables in Redshift and the projects that the mesh may have let read them there."""

TABLES = (HISTORY, VIEWS, REDSHIFT_RIGHTS)
