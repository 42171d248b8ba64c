"""Lineage: which columns of which tables a table's columns were made from.

Edges come from two sides: from the mesh itself, with the snapshot that a query made, and as
OpenLineage 2-0-2 events from outside. This service owns the table LineageEdges.
"""
