"""The tables of the permissions service: all of the policy's state.

A grant's row is the grant as `model.Grant.to_json` writes it, and what its indexes need: `holder`,
`listing`, `ending`. What stays of a revoked grant is in no index. Rows of the version that had
grants on assets only lack these; `earlier_grants` adds them.
"""

from meshplane.platform.tables import Index, Table

ALL = "all"
"""The partition of the indexes that list everything."""

ENDING = "grants"
"""The partition of the grants that have an end which has not been noted yet."""

GRANTS = Table(
    "Grants",
    "grantId",
    indexes=(
        Index("byAsset", "assetId", "principal"),
        Index("byPrincipal", "principal", "assetId"),
        # What the grant is found by: "asset:…", "domain:…", "tags", "location:…".
        Index("byHolder", "principal", "holder"),
        Index("onHolder", "holder", "grantId"),
        Index("byDomain", "domainId", "grantId"),
        Index("all", "listing", "grantId"),
        Index("byEnd", "ending", "expiresAt"),
    ),
)

ASSET_DOMAINS = Table(
    "AssetDomains",
    "assetId",
    indexes=(
        Index("byTable", "tableId", "assetId"),
        Index("byDomain", "domainId", "assetId"),
        Index("all", "listing", "assetId"),
    ),
)
"""Which domain answers for an asset, and of which table it is, learnt when it is handed in."""

LF_TAGS = Table("LfTags", "key", indexes=(Index("all", "listing", "key"),))
"""Tags and the values that each may have."""

TAG_ASSIGNMENTS = Table(
    "TagAssignments",
    "resource",
    "place",
    indexes=(Index("byTag", "key", "resource"), Index("byValue", "keyValue", "resource")),
)
"""By resource, "domain:…" or "asset:…"; `place` is "<column or nothing>#<key>"."""

TAG_MASKS = Table("TagMasks", "scope", "keyValue", indexes=(Index("all", "listing", "keyValue"),))
"""By scope, "mesh" or a domain's id; `keyValue` is "key=value"."""

TAG_EXPRESSIONS = Table("TagExpressions", "name", indexes=(Index("all", "listing", "name"),))

DATA_FILTERS = Table("DataFilters", "assetId", "name")

ACCESS_HISTORY = Table("AccessHistory", "scope", "entryId")
"""What changed who may do what, by the resource; `entryId` is "<time>#<id>", so that it sorts."""

TABLES = (
    GRANTS,
    ASSET_DOMAINS,
    LF_TAGS,
    TAG_ASSIGNMENTS,
    TAG_MASKS,
    TAG_EXPRESSIONS,
    DATA_FILTERS,
    ACCESS_HISTORY,
)
