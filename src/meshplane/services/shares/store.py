"""The table of the shares service."""

from meshplane.platform.tables import Index, Table

SHARES = Table("Shares", "shareId", indexes=(Index("byAsset", "assetId", "shareId"),))

TABLES = (SHARES,)
