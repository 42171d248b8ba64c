"""Iceberg tables: their files, snapshots and the pointer to the metadata that is current."""
