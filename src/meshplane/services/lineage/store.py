"""The table of the lineage service.

A dataset is a table of the mesh (`tbl-…`) or a dataset from outside (`namespace/name`).
"""

from meshplane.platform.tables import Index, Table

EDGES = Table("LineageEdges", "target", "edge", indexes=(Index("bySource", "source", "edge"),))

TABLES = (EDGES,)
