"""The tables of the assets service."""

from meshplane.boundary.portal_links import portal_table
from meshplane.platform.tables import Index, Table

ALL = "all"
"""The one partition of the index that lists every asset by name."""

ASSETS = Table(
    "Assets",
    "assetId",
    indexes=(Index("byName", "listing", "name"), Index("byProject", "projectId", "name")),
    search=("name", "description", "columnNames", "columnDescriptions", "tags"),
)
ASSET_NAMES = Table(
    "AssetNames", "domainName", "name", indexes=(Index("byName", "name", "domainName"),)
)
ASSET_TABLES = Table("AssetTables", "tableId")
ASSET_PORTAL_LINKS = portal_table("AssetPortalLinks")

TABLES = (ASSETS, ASSET_NAMES, ASSET_TABLES, ASSET_PORTAL_LINKS)
