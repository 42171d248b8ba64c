"""Tables and databases as Glue writes them down. Pure.

Glue holds no rows and no snapshots of an Iceberg table: it holds the pointer to the metadata file,
and copies of the columns, which Lake Formation's grants go by
(https://iceberg.apache.org/docs/latest/aws/#glue-catalog).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from meshplane.kit.errors import Invalid

TABLE_ID = "meshplane.table-id"
"""The parameter of a table in Glue that says which table of the mesh it is."""

_NAME = re.compile(r"[a-z0-9_][a-z0-9_-]{0,254}")
_LOCATION, _PREVIOUS = "metadata_location", "previous_metadata_location"
_FIELD_ID, _CURRENT = "iceberg.field.id", "iceberg.field.current"
_OPTIONAL = "iceberg.field.optional"
_LONGEST_COMMENT = 255
# Glue writes types in Hive's words.
_TYPES = {
    "long": "bigint",
    "time": "string",
    "timestamptz": "timestamp",
    "uuid": "string",
}
# What `get_table` tells and `update_table` takes; all else is Glue's own.
_WRITABLE_OF_TABLES = (
    "Name",
    "Description",
    "Owner",
    "LastAccessTime",
    "LastAnalyzedTime",
    "Retention",
    "StorageDescriptor",
    "PartitionKeys",
    "ViewOriginalText",
    "ViewExpandedText",
    "TableType",
    "Parameters",
    "TargetTable",
)
_WRITABLE_OF_DATABASES = ("Name", "Description", "LocationUri", "Parameters")


@dataclass(frozen=True, slots=True)
class GlueColumn:
    """A column as Glue is to hold it; `type` is Iceberg's."""

    name: str
    type: str
    field_id: int
    required: bool = False
    doc: str | None = None


@dataclass(frozen=True, slots=True)
class GlueEntry:
    """An Iceberg table as Glue is to hold it.

    Args:
        database, name: in lower case.
        table_id: of the mesh.
        location: the table's directory.
        metadata_location: its current metadata file.
        columns: the current ones, in order.
    """

    database: str
    name: str
    table_id: str
    location: str
    metadata_location: str
    columns: tuple[GlueColumn, ...]


@dataclass(frozen=True, slots=True)
class GlueTable:
    """A table as Glue holds it.

    Args:
        metadata_location: None of one that is no Iceberg table.
        version_id: of Glue's own row, for changing it only if nobody else did.
        table_id: of the mesh, if the mesh made it.
        columns: names and Glue's types of those that are current.
        raw: all that Glue told.
    """

    database: str
    name: str
    metadata_location: str | None
    version_id: str | None
    table_id: str | None
    columns: tuple[tuple[str, str], ...]
    raw: Mapping[str, Any]


def check_name(name: str, field: str) -> str:
    """A name that Glue, Lake Formation and Athena all take as it is; Glue folds case.

    Raises:
        Invalid: GLUE_NAME_INVALID.
    """
    if _NAME.fullmatch(name) is None:
        raise Invalid(
            "GLUE_NAME_INVALID",
            "A name in Glue has 1 to 255 of a-z, 0-9, _ and -, and does not start with -.",
            field=field,
        )
    return name


def told(raw: Mapping[str, Any]) -> GlueTable:
    """What `get_table` told."""
    parameters = raw.get("Parameters") or {}
    is_iceberg = str(parameters.get("table_type", "")).upper() == "ICEBERG"
    columns = (raw.get("StorageDescriptor") or {}).get("Columns") or ()
    return GlueTable(
        database=raw["DatabaseName"],
        name=raw["Name"],
        metadata_location=parameters.get(_LOCATION) if is_iceberg else None,
        version_id=raw.get("VersionId"),
        table_id=parameters.get(TABLE_ID),
        columns=tuple(
            (one["Name"], one.get("Type", ""))
            for one in columns
            if (one.get("Parameters") or {}).get(_CURRENT) != "false"
        ),
        raw=raw,
    )


def columns_of(entry: GlueEntry) -> tuple[tuple[str, str], ...]:
    """Names and Glue's types of the columns that Glue is to hold."""
    return tuple((one.name, glue_type(one.type)) for one in entry.columns)


def glue_type(iceberg_type: str) -> str:
    """Glue's word for an Iceberg type.

    It is for people and for grants by name: engines read types from the metadata file. So one that
    is nested is written as text rather than taken apart.
    """
    if iceberg_type.startswith("fixed"):
        return "binary"
    if "<" in iceberg_type:
        return "string"
    return _TYPES.get(iceberg_type, iceberg_type)


def table_input(entry: GlueEntry, there: GlueTable | None = None) -> dict[str, Any]:
    """What makes Glue hold the entry; what is there of others stays in it.

    `update_table` replaces the whole of a table, so all that is to stay is given again.
    """
    kept = _writable(there.raw, _WRITABLE_OF_TABLES) if there is not None else {}
    parameters = {**(kept.get("Parameters") or {}), "table_type": "ICEBERG"}
    if there is not None and there.metadata_location not in (None, entry.metadata_location):
        parameters[_PREVIOUS] = there.metadata_location
    parameters |= {_LOCATION: entry.metadata_location, TABLE_ID: entry.table_id}
    return {
        **kept,
        "Name": entry.name,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": parameters,
        "StorageDescriptor": {
            **(kept.get("StorageDescriptor") or {}),
            "Columns": [_column(one) for one in entry.columns],
            "Location": entry.location,
        },
    }


def database_input(there: Mapping[str, Any]) -> dict[str, Any]:
    """A database as it is, but without rights that IAM alone would give past Lake Formation."""
    return {**_writable(there, _WRITABLE_OF_DATABASES), "CreateTableDefaultPermissions": []}


def iceberg_input(
    location: str, columns: Sequence[GlueColumn], partition_by: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """What makes Glue write an Iceberg table's first metadata file itself.

    Args:
        location: the table's directory.
        columns: in order; their types are Iceberg's.
        partition_by: (column, transform).
    """
    ids = {one.name: one.field_id for one in columns}
    made: dict[str, Any] = {
        "Location": location,
        "Schema": {
            "Type": "struct",
            "Fields": [
                {
                    "Id": one.field_id,
                    "Name": one.name,
                    "Type": one.type,
                    "Required": one.required,
                    **({"Doc": one.doc} if one.doc else {}),
                }
                for one in columns
            ],
        },
    }
    if partition_by:
        made["PartitionSpec"] = {
            "Fields": [
                {
                    "SourceId": ids[column],
                    "Transform": transform,
                    "Name": column if transform == "identity" else _part_name(column, transform),
                }
                for column, transform in partition_by
            ]
        }
    return {
        "IcebergInput": {
            "MetadataOperation": "CREATE",
            "Version": "2",
            "CreateIcebergTableInput": made,
        }
    }


def _part_name(column: str, transform: str) -> str:
    return f"{column}_{transform.split('[', maxsplit=1)[0]}"


def _column(column: GlueColumn) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "Name": column.name,
        "Type": glue_type(column.type),
        "Parameters": {
            _FIELD_ID: str(column.field_id),
            _OPTIONAL: str(not column.required).lower(),
            _CURRENT: "true",
        },
    }
    if column.doc:
        shown["Comment"] = column.doc[:_LONGEST_COMMENT]
    return shown


def _writable(raw: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: raw[name] for name in names if raw.get(name) is not None}
