"""The query service has no tables of its own."""

from meshplane.platform.tables import Table

TABLES: tuple[Table, ...] = ()
