"""The table of the subscriptions service."""

from meshplane.platform.tables import Index, Table

SUBSCRIPTIONS = Table(
    "Subscriptions",
    "requestId",
    indexes=(
        Index("byAsset", "assetId", "requestId"),
        Index("byProject", "projectId", "requestId"),
        Index("byDomain", "domainId", "requestId"),
    ),
)

TABLES = (SUBSCRIPTIONS,)
