"""The tables of the tables service."""

from meshplane.platform.tables import Index, Table

TABLES_TABLE = Table("Tables", "tableId", indexes=(Index("byProject", "projectId", "name"),))
TABLE_NAMES = Table("TableNames", "projectId", "name")

TABLES = (TABLES_TABLE, TABLE_NAMES)
