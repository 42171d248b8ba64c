"""Iceberg tables that Glue itself makes and changes: their metadata files, and what Glue keeps.

The shapes are those of `IcebergInput` and `UpdateIcebergInput`: Iceberg's own names of types, and
fields with ids. Glue keeps where the newest metadata is, and the columns in Hive's types.
"""

from typing import Any
from uuid import uuid4

import pyarrow as pa
from pydantic import ValidationError
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.exceptions import ValidationError as InvalidIceberg
from pyiceberg.io.pyarrow import _pyarrow_to_schema_without_ids
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC, PartitionSpec
from pyiceberg.schema import Schema, assign_fresh_schema_ids
from pyiceberg.serializers import FromInputFile, ToOutputFile
from pyiceberg.table.metadata import TableMetadata, new_table_metadata
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER, SortOrder
from pyiceberg.table.update import (
    AddPartitionSpecUpdate,
    AddSchemaUpdate,
    AddSortOrderUpdate,
    RemovePropertiesUpdate,
    SetCurrentSchemaUpdate,
    SetDefaultSortOrderUpdate,
    SetDefaultSpecUpdate,
    SetLocationUpdate,
    SetPropertiesUpdate,
    update_table_metadata,
)
from pyiceberg.types import IcebergType, ListType, MapType, StructType

from meshplane.sandbox.fake import FakeError
from meshplane.sandbox.hive_types import arrow_type, hive_type_of_iceberg
from meshplane.sandbox.lake_state import NoObject, ObjectFileIO

_WRONG = (ValidationError, InvalidIceberg, CommitFailedException, ValueError, KeyError)
_POINTER, _BEFORE = "metadata_location", "previous_metadata_location"


def created_table_input(
    given: dict[str, Any], iceberg: dict[str, Any], database_location: str | None
) -> dict[str, Any]:
    """Writes a new Iceberg table's first metadata file, and gives its `TableInput`.

    Args:
        given: the `TableInput` that came along, with the name at least.
        iceberg: the `IcebergInput`.
        database_location: of the database, for a table that says none.

    Raises:
        FakeError: InvalidInputException, it makes no Iceberg table.
    """
    version = str(iceberg.get("Version", "2"))
    if version not in {"1", "2", "3"}:
        raise _invalid(f"Iceberg table format version {version} is not supported")
    wanted = iceberg.get("CreateIcebergTableInput")
    try:
        if wanted is not None:
            schema = _schema(wanted["Schema"])
            spec = _spec(wanted.get("PartitionSpec"))
            order = _order(wanted.get("WriteOrder"))
            location = wanted["Location"]
            properties = dict(wanted.get("Properties", {}))
        else:
            schema = _schema_of_hive(given.get("StorageDescriptor", {}).get("Columns", []))
            spec, order = UNPARTITIONED_PARTITION_SPEC, UNSORTED_SORT_ORDER
            own = given.get("StorageDescriptor", {}).get("Location")
            location = own or f"{(database_location or '').rstrip('/')}/{given['Name']}"
            properties = {}
        if not location.startswith("s3://"):
            raise _invalid("A location in S3 is required for an Iceberg table")
        metadata = new_table_metadata(
            schema, spec, order, location.rstrip("/"), {**properties, "format-version": version}
        )
        written = _write(metadata, 0)
    except NoObject as error:
        raise _invalid("The location's bucket does not exist") from error
    except _WRONG as error:
        raise _invalid(f"The Iceberg table is not valid: {type(error).__name__}") from error
    return _table_input(given, metadata, written, None)


def updated_table_input(given: dict[str, Any], updates: list[dict[str, Any]]) -> dict[str, Any]:
    """Writes an Iceberg table's next metadata file, and gives its `TableInput`.

    Args:
        given: the `TableInput` as it is.
        updates: of `UpdateIcebergTableInput`. Without an `Action`, an update sets the schema, and
            what else it carries.

    Raises:
        FakeError: InvalidInputException, it is no Iceberg table, or the update does not fit.
    """
    before = (given.get("Parameters") or {}).get(_POINTER)
    if not before:
        raise _invalid("The table is not an Iceberg table")
    try:
        metadata = FromInputFile.table_metadata(ObjectFileIO().new_input(before))
        changes = tuple(change for one in updates for change in _changes(metadata, one))
        changed = update_table_metadata(metadata, changes, metadata_location=before)
        written = _write(changed, _number_of(before) + 1)
    except NoObject as error:
        raise _invalid("The table's metadata cannot be read") from error
    except _WRONG as error:
        raise _invalid(f"The update is not valid: {type(error).__name__}") from error
    return _table_input(given, changed, written, before)


def latest_metadata(table: dict[str, Any]) -> dict[str, Any] | None:
    """`IcebergTableMetadata` of a table, or None for one that is none of Iceberg's.

    Raises:
        NoObject: the metadata file is not there.
    """
    location = (table.get("Parameters") or {}).get(_POINTER)
    if not location:
        return None
    metadata = FromInputFile.table_metadata(ObjectFileIO().new_input(location))
    return {
        "FormatVersion": str(metadata.format_version),
        "TableUuid": str(metadata.table_uuid),
        "Location": metadata.location,
        "Properties": dict(metadata.properties),
        "Schemas": [_shown_schema(one) for one in metadata.schemas],
        "CurrentSchemaId": metadata.current_schema_id,
        "LastColumnId": metadata.last_column_id,
        "PartitionSpecs": [_shown_spec(one) for one in metadata.partition_specs],
        "DefaultSpecId": metadata.default_spec_id,
        "LastPartitionId": metadata.last_partition_id,
        "SortOrders": [_shown_order(one) for one in metadata.sort_orders],
        "DefaultSortOrderId": metadata.default_sort_order_id,
    }


def columns_of(schema: Schema) -> list[dict[str, str]]:
    """The columns of an Iceberg schema as Glue lists them."""
    return [
        {"Name": one.name.lower(), "Type": _hive(one.field_type), "Comment": one.doc or ""}
        for one in schema.fields
    ]


def _table_input(
    given: dict[str, Any], metadata: TableMetadata, written: str, before: str | None
) -> dict[str, Any]:
    parameters = {**(given.get("Parameters") or {}), "table_type": "ICEBERG", _POINTER: written}
    if before is not None:
        parameters[_BEFORE] = before
    descriptor = {
        **(given.get("StorageDescriptor") or {}),
        "Columns": columns_of(metadata.schema()),
        "Location": metadata.location,
    }
    return {
        **given,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": parameters,
        "StorageDescriptor": descriptor,
    }


def _write(metadata: TableMetadata, number: int) -> str:
    location = f"{metadata.location}/metadata/{number:05d}-{uuid4()}.metadata.json"
    ToOutputFile.table_metadata(metadata, ObjectFileIO().new_output(location))
    return location


def _number_of(location: str) -> int:
    head = location.rpartition("/")[2].partition("-")[0]
    return int(head) if head.isdigit() else 0


def _changes(metadata: TableMetadata, update: dict[str, Any]) -> list[Any]:
    action = update.get("Action", "")
    found: list[Any] = []
    if action in {"", "add-schema", "set-current-schema"}:
        schema = _schema(update["Schema"])
        if schema.as_struct() != metadata.schema().as_struct():
            found += [AddSchemaUpdate(schema=schema), SetCurrentSchemaUpdate()]
    if action in {"", "add-spec", "set-default-spec"} and "PartitionSpec" in update:
        spec = _spec(update["PartitionSpec"])
        found += [AddPartitionSpecUpdate(spec=spec), SetDefaultSpecUpdate()]
    if action in {"", "add-sort-order", "set-default-sort-order"} and "SortOrder" in update:
        order = _order(update["SortOrder"])
        found += [
            AddSortOrderUpdate.model_validate({"sort-order": order}),
            SetDefaultSortOrderUpdate(),
        ]
    if action in {"", "set-location"} and update["Location"] != metadata.location:
        found.append(SetLocationUpdate(location=update["Location"]))
    if action in {"", "set-properties"} and update.get("Properties"):
        found.append(SetPropertiesUpdate(updates=update["Properties"]))
    if action == "remove-properties":
        found.append(RemovePropertiesUpdate(removals=list(update.get("Properties", {}))))
    return found


def _schema(given: dict[str, Any]) -> Schema:
    fields = [
        {
            "id": one["Id"],
            "name": one["Name"],
            "type": one["Type"],
            "required": one["Required"],
            **({"doc": one["Doc"]} if one.get("Doc") else {}),
        }
        for one in given["Fields"]
    ]
    return Schema.model_validate(
        {
            "type": "struct",
            "schema-id": given.get("SchemaId", 0),
            "identifier-field-ids": given.get("IdentifierFieldIds", []),
            "fields": fields,
        }
    )


def _schema_of_hive(columns: list[dict[str, str]]) -> Schema:
    if not columns:
        raise _invalid("Columns are required for an Iceberg table")
    fields = [pa.field(one["Name"].lower(), _exact(one["Type"])) for one in columns]
    return assign_fresh_schema_ids(_pyarrow_to_schema_without_ids(pa.schema(fields)))


def _exact(hive: str) -> Any:
    """A type of Hive's as Iceberg would keep it: instants of microseconds, no small numbers."""
    plain = {"timestamp": pa.timestamp("us"), "tinyint": pa.int32(), "smallint": pa.int32()}
    return plain.get(hive.strip().lower()) or arrow_type(hive)


def _spec(given: dict[str, Any] | None) -> PartitionSpec:
    if not given or not given.get("Fields"):
        return UNPARTITIONED_PARTITION_SPEC
    fields = [
        {
            "source-id": one["SourceId"],
            "transform": one["Transform"],
            "name": one["Name"],
            "field-id": one.get("FieldId", 1000 + number),
        }
        for number, one in enumerate(given["Fields"])
    ]
    return PartitionSpec.model_validate({"spec-id": given.get("SpecId", 0), "fields": fields})


def _order(given: dict[str, Any] | None) -> SortOrder:
    if not given or not given.get("Fields"):
        return UNSORTED_SORT_ORDER
    fields = [
        {
            "source-id": one["SourceId"],
            "transform": one["Transform"],
            "direction": one["Direction"],
            "null-order": one["NullOrder"],
        }
        for one in given["Fields"]
    ]
    return SortOrder.model_validate({"order-id": given.get("OrderId", 1), "fields": fields})


def _shown_schema(schema: Schema) -> dict[str, Any]:
    dumped = schema.model_dump(by_alias=True, mode="json")
    return {
        "SchemaId": schema.schema_id,
        "Type": "struct",
        "IdentifierFieldIds": list(schema.identifier_field_ids),
        "Fields": [
            {
                "Id": one["id"],
                "Name": one["name"],
                "Type": one["type"],
                "Required": one["required"],
                **({"Doc": one["doc"]} if one.get("doc") else {}),
            }
            for one in dumped["fields"]
        ],
    }


def _shown_spec(spec: PartitionSpec) -> dict[str, Any]:
    fields = [
        {
            "SourceId": one.source_id,
            "Transform": str(one.transform),
            "Name": one.name,
            "FieldId": one.field_id,
        }
        for one in spec.fields
    ]
    return {"SpecId": spec.spec_id, "Fields": fields}


def _shown_order(order: SortOrder) -> dict[str, Any]:
    fields = [
        {
            "SourceId": one.source_id,
            "Transform": str(one.transform),
            "Direction": one.direction.value,
            "NullOrder": one.null_order.value,
        }
        for one in order.fields
    ]
    return {"OrderId": order.order_id, "Fields": fields}


def _hive(kind: IcebergType) -> str:
    match kind:
        case ListType():
            return f"array<{_hive(kind.element_type)}>"
        case MapType():
            return f"map<{_hive(kind.key_type)},{_hive(kind.value_type)}>"
        case StructType():
            inner = ",".join(f"{one.name}:{_hive(one.field_type)}" for one in kind.fields)
            return f"struct<{inner}>"
        case _:
            return hive_type_of_iceberg(str(kind))


def _invalid(message: str) -> FakeError:
    return FakeError("InvalidInputException", message)
