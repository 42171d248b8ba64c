"""The tables of the permissions service."""

from meshplane.platform.tables import Index, Table

GRANTS = Table(
    "Grants",
    "grantId",
    indexes=(
        Index("byAsset", "assetId", "principal"),
        Index("byPrincipal", "principal", "assetId"),
    ),
)

ASSET_DOMAINS = Table("AssetDomains", "assetId")
"""Which domain answers for an asset, learnt from its publication."""

TABLES = (GRANTS, ASSET_DOMAINS)
