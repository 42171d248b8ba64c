"""The audit service reads the store's audit chain and has no tables of its own."""

from meshplane.platform.tables import Table

TABLES: tuple[Table, ...] = ()
