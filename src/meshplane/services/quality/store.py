"""The tables of the quality service."""

from meshplane.platform.tables import Index, Table

RULESETS = Table("Rulesets", "assetId")
RUNS = Table("QualityRuns", "runId", indexes=(Index("byAsset", "assetId", "startedAt"),))

TABLES = (RULESETS, RUNS)
