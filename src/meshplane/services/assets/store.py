"""The tables of the assets service."""

from meshplane.boundary.portal_links import portal_table
from meshplane.platform.tables import Index, Table

ALL = "all"
"""The one partition of the index that lists every asset by name."""

ASSETS = Table(
    "Assets",
    "assetId",
    indexes=(Index("byName", "listing", "name"), Index("byProject", "projectId", "name")),
    # `tags` holds the contract's tags, and the words of the glossary and of forms (`metadata.py`).
    search=("name", "description", "columnNames", "columnDescriptions", "tags"),
)
ASSET_NAMES = Table(
    "AssetNames", "domainName", "name", indexes=(Index("byName", "name", "domainName"),)
)
ASSET_TABLES = Table("AssetTables", "tableId")
ASSET_PORTAL_LINKS = portal_table("AssetPortalLinks")
ASSET_TERMS = Table("AssetTerms", "termId", "assetId")
"""Which assets a glossary term is on; and the term's guards: one that an asset writes when it gets
the term, and all that whoever retires or renames the term writes, so that none misses another."""
ASSET_WORDS_IN_PORTAL = Table("AssetWordsInPortal", "ownId")

GUARDS = tuple(f"-{number:02}" for number in range(16))
"""The sort keys of a term's guards; those of its uses begin with `asset-`. They are several, so
that many assets can get one term at once."""

TABLES = (
    ASSETS,
    ASSET_NAMES,
    ASSET_TABLES,
    ASSET_PORTAL_LINKS,
    ASSET_TERMS,
    ASSET_WORDS_IN_PORTAL,
)
