"""The tables of the lake service."""

from meshplane.platform.tables import Index, Table

ALL = "all"
"""The partition of the indexes that list everything."""

LAKE_ENTRIES = Table(
    "LakeEntries",
    "key",
    indexes=(
        Index("byGrant", "grantId", "key"),
        Index("byHolder", "holder", "key"),
        Index("byPrincipal", "principal", "key"),
    ),
)
"""What this mesh has put into the lake, or was about to: the entry's key, and for which grant."""

LAKE_ENDED = Table("LakeEnded", "principal", "place")
"""Rights that were revoked or have ended, by principal; `place` is "<domain>#<what it was on>"."""

DRIFT_POLICIES = Table("DriftPolicies", "domainId")

DRIFT_CHECKS = Table("DriftChecks", "scope")
"""What the last look for drift found, so that the same drift is told once."""

RECONCILIATIONS = Table(
    "Reconciliations", "reconciliationId", indexes=(Index("byTime", "listing", "startedAt"),)
)

RECONCILIATION_BATCHES = Table(
    "ReconciliationBatches", "reconciliationId", "number", numbers=("number",)
)
"""What a reconciliation is to do, in batches; which of them are done stands in its own row."""

LAKE_LOCATIONS = Table(
    "LakeLocations", "locationId", indexes=(Index("byDomain", "domainId", "path"),)
)

LAKE_SHARES = Table(
    "LakeShares",
    "shareId",
    indexes=(Index("byListing", "listing", "shareId"), Index("byAsset", "assetId", "shareId")),
)
"""Shares with other accounts that were begun and have not failed: the lake must hold their grants,
which the shares service makes."""

TABLES = (
    LAKE_ENTRIES,
    LAKE_ENDED,
    DRIFT_POLICIES,
    DRIFT_CHECKS,
    RECONCILIATIONS,
    RECONCILIATION_BATCHES,
    LAKE_LOCATIONS,
    LAKE_SHARES,
)
