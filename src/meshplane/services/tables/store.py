"""The tables of the tables service."""

from meshplane.platform.tables import Index, Table

TABLES_TABLE = Table("Tables", "tableId", indexes=(Index("byProject", "projectId", "name"),))
TABLE_NAMES = Table("TableNames", "projectId", "name")
TABLE_GARBAGE = Table("TableGarbage", "tableId", "garbageId")
"""Files that no version of a table has any more, until they are removed."""

TABLES = (TABLES_TABLE, TABLE_NAMES, TABLE_GARBAGE)
