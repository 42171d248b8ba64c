"""The tables of the quality service."""

from meshplane.boundary.portal_links import portal_table
from meshplane.platform.tables import Index, Table

RULESETS = Table("Rulesets", "assetId")
RUNS = Table("QualityRuns", "runId", indexes=(Index("byAsset", "assetId", "startedAt"),))
QUALITY_PORTAL_LINKS = portal_table("QualityPortalLinks")

TABLES = (RULESETS, RUNS, QUALITY_PORTAL_LINKS)
