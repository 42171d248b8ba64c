"""Tables: Iceberg tables, their rows and their snapshots.

A table belongs to a project; its files lie in the bucket of the project's domain. The pointer to a
table's current metadata is a row here, so that a new snapshot, its event and its audit record are
one commit; files are staged before and are orphans if the commit is not made. This service owns
the tables Tables and TableNames.
"""
