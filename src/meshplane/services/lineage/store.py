"""The table of the lineage service.

A dataset is a table of the mesh (`tbl-…`) or a dataset from outside (`namespace/name`).
"""

from meshplane.boundary.portal_links import portal_table
from meshplane.platform.tables import Index, Table

EDGES = Table("LineageEdges", "target", "edge", indexes=(Index("bySource", "source", "edge"),))
LINEAGE_PORTAL_LINKS = portal_table("LineagePortalLinks")

TABLES = (EDGES, LINEAGE_PORTAL_LINKS)
