"""The tables of the tables service."""

from meshplane.boundary.mending import mending_table
from meshplane.platform.tables import Index, Table

TABLES_TABLE = Table("Tables", "tableId", indexes=(Index("byProject", "projectId", "name"),))
TABLE_NAMES = Table("TableNames", "projectId", "name")
TABLE_GARBAGE = Table("TableGarbage", "tableId", "garbageId")
"""Files that no version of a table has any more, until they are removed."""

GLUE_ALL = "all"
"""The one partition of the index that lists every table that is to be in Glue."""

GLUE_TABLES = Table("GlueTables", "tableId", indexes=(Index("all", "listing", "tableId"),))
"""Published tables that are to be in Glue, and what was last seen of each there."""

PROJECTION_RECONCILIATIONS = mending_table("ProjectionReconciliations")

EXTERNAL_PLACES = Table("ExternalPlaces", "location")
"""Where external tables lie: one stands for each place, and one project answers for it."""

CRAWLS = Table("Crawls", "crawlId", indexes=(Index("byProject", "projectId", "startedAt"),))
"""Crawls of raw areas."""

CRAWLED_TABLES = Table("CrawledTables", "crawlId")
"""What crawls found, a row each."""

CRAWL_TURNS = Table("CrawlTurns", "projectId")
"""The last crawl of each project: while it goes on, no other one begins."""

TABLES = (
    TABLES_TABLE,
    TABLE_NAMES,
    TABLE_GARBAGE,
    GLUE_TABLES,
    PROJECTION_RECONCILIATIONS,
    EXTERNAL_PLACES,
    CRAWLS,
    CRAWLED_TABLES,
    CRAWL_TURNS,
)
