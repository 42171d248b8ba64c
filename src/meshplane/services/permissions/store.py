"""The table of the permissions service."""

from meshplane.platform.tables import Index, Table

GRANTS = Table(
    "Grants",
    "grantId",
    indexes=(Index("byAsset", "assetId", "principal"), Index("byPrincipal", "principal", "assetId")),
)

TABLES = (GRANTS,)
