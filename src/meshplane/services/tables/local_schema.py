"""Columns and partitions, between the words of the port and those of pyiceberg."""

import re
from collections.abc import Sequence

from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema, make_compatible_name
from pyiceberg.transforms import Transform, parse_transform
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FixedType,
    FloatType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    MapType,
    NestedField,
    PrimitiveType,
    StringType,
    StructType,
    TimestampType,
    TimestamptzType,
    TimeType,
    UUIDType,
)

from meshplane.kit.errors import Invalid
from meshplane.services.tables.ports import ColumnSpec, PartitionBy, TableColumn

# The primitive types of format version 2, https://iceberg.apache.org/spec/#primitive-types, and
# what DuckDB calls them.
_TYPES: dict[str, tuple[PrimitiveType, str]] = {
    "boolean": (BooleanType(), "BOOLEAN"),
    "int": (IntegerType(), "INTEGER"),
    "long": (LongType(), "BIGINT"),
    "float": (FloatType(), "FLOAT"),
    "double": (DoubleType(), "DOUBLE"),
    "date": (DateType(), "DATE"),
    "time": (TimeType(), "TIME"),
    "timestamp": (TimestampType(), "TIMESTAMP"),
    "timestamptz": (TimestamptzType(), "TIMESTAMP WITH TIME ZONE"),
    "string": (StringType(), "VARCHAR"),
    "uuid": (UUIDType(), "UUID"),
    "binary": (BinaryType(), "BLOB"),
}
_DECIMAL = re.compile(r"decimal\(\s*(\d{1,2})\s*,\s*(\d{1,2})\s*\)")
_FIXED = re.compile(r"fixed\[\s*(\d{1,9})\s*\]")
_TRANSFORM = re.compile(
    r"identity|year|month|day|hour|bucket\[[1-9]\d{0,8}\]|truncate\[[1-9]\d{0,8}\]"
)
_FIRST_PARTITION_FIELD_ID = 1000  # https://iceberg.apache.org/spec/#partition-specs
_LONGEST_NAME_CHARACTERS = 255
_GREATEST_PRECISION = 38


def to_schema(columns: Sequence[ColumnSpec]) -> Schema:
    """The Iceberg schema of columns to create.

    Raises:
        Invalid: `COLUMNS_MISSING`, `COLUMN_NAME_INVALID`, `COLUMN_NAME_TAKEN`,
            `COLUMN_TYPE_UNKNOWN`.
    """
    if not columns:
        raise Invalid(
            "COLUMNS_MISSING", "A table needs at least one column; name some.", field="columns"
        )
    fields = []
    for position, column in enumerate(columns):
        _check_name(column.name, f"columns.{position}.name")
        fields.append(
            NestedField(
                field_id=position + 1,
                name=column.name,
                field_type=_to_type(column, f"columns.{position}.type"),
                required=column.required,
                doc=column.doc,
            )
        )
    _check_taken([column.name for column in columns])
    return Schema(*fields)


def to_partition_spec(schema: Schema, partition_by: Sequence[PartitionBy]) -> PartitionSpec:
    """The Iceberg partition spec.

    Raises:
        Invalid: `PARTITION_INVALID`.
    """
    fields: list[PartitionField] = []
    names = {column.name for column in schema.fields}
    for position, part in enumerate(partition_by):
        where = f"partitionBy.{position}"
        source = next((column for column in schema.fields if column.name == part.column), None)
        if source is None:
            raise Invalid(
                "PARTITION_INVALID",
                f"There is no column {part.column!r} to partition by; name one of the columns.",
                field=f"{where}.column",
            )
        transform = _to_transform(part, source, f"{where}.transform")
        if any(one.source_id == source.field_id and one.transform == transform for one in fields):
            raise Invalid(
                "PARTITION_INVALID",
                f"{part.transform} of {part.column!r} is named twice; name it once.",
                field=where,
            )
        name = _partition_name(part, names)
        names.add(name)
        field_id = _FIRST_PARTITION_FIELD_ID + position
        fields.append(PartitionField(source.field_id, field_id, transform, name))
    return PartitionSpec(*fields)


def to_columns(schema: Schema) -> tuple[TableColumn, ...]:
    """A schema's columns as the port tells them."""
    return tuple(
        TableColumn(
            name=column.name,
            field_id=column.field_id,
            iceberg_type=type_name(column.field_type),
            sql_type=sql_type(column.field_type),
            required=column.required,
            doc=column.doc,
        )
        for column in schema.fields
    )


def type_name(kind: IcebergType) -> str:
    """A type as the specification writes it, without spaces: `decimal(9,2)`."""
    return str(kind).replace(", ", ",")


def sql_type(kind: IcebergType) -> str:
    """The DuckDB type that holds an Iceberg type.

    Raises:
        Invalid: `TABLE_UNSUPPORTED` for a type that DuckDB cannot be given.
    """
    if isinstance(kind, DecimalType):
        return f"DECIMAL({kind.precision},{kind.scale})"
    if isinstance(kind, FixedType):
        return "BLOB"
    if isinstance(kind, ListType):
        return f"{sql_type(kind.element_type)}[]"
    if isinstance(kind, MapType):
        return f"MAP({sql_type(kind.key_type)}, {sql_type(kind.value_type)})"
    if isinstance(kind, StructType):
        members = ", ".join(
            f"{_quoted(one.name)} {sql_type(one.field_type)}" for one in kind.fields
        )
        return f"STRUCT({members})"
    known = _TYPES.get(str(kind))
    if known is None:
        raise Invalid(
            "TABLE_UNSUPPORTED",
            f"The table has a column of type {type_name(kind)}, which cannot be read here.",
        )
    return known[1]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _check_name(name: str, field: str) -> None:
    if not name.strip() or len(name) > _LONGEST_NAME_CHARACTERS or not name.isprintable():
        message = (
            f"A column's name has 1 to {_LONGEST_NAME_CHARACTERS} printable characters and is not "
            "blank."
        )
        raise Invalid("COLUMN_NAME_INVALID", message, field=field)
    if "." in name:
        message = f"The column name {name!r} has a dot, which stands for nesting; use another sign."
        raise Invalid("COLUMN_NAME_INVALID", message, field=field)


def _check_taken(names: Sequence[str]) -> None:
    """SQL does not tell `Id` from `id`, and data files hold names in a reduced alphabet."""
    seen: dict[str, str] = {}
    for position, name in enumerate(names):
        keys = {name.casefold(), make_compatible_name(name).casefold()}
        first = next((seen[key] for key in keys if key in seen), None)
        if first is not None:
            raise Invalid(
                "COLUMN_NAME_TAKEN",
                f"The columns {first!r} and {name!r} cannot be told apart; rename one.",
                field=f"columns.{position}.name",
            )
        seen.update(dict.fromkeys(keys, name))


def _to_type(column: ColumnSpec, field: str) -> IcebergType:
    text = column.type.strip().lower()
    if text in _TYPES:
        return _TYPES[text][0]
    if found := _DECIMAL.fullmatch(text):
        precision, scale = int(found[1]), int(found[2])
        if 1 <= precision <= _GREATEST_PRECISION and scale <= precision:
            return DecimalType(precision, scale)
    elif (found := _FIXED.fullmatch(text)) and int(found[1]) > 0:
        return FixedType(int(found[1]))
    raise Invalid(
        "COLUMN_TYPE_UNKNOWN",
        f"The column {column.name!r} has a type that is none of: "
        f"{', '.join(_TYPES)}, decimal(p,s) with s ≤ p ≤ {_GREATEST_PRECISION}, fixed[n].",
        field=field,
    )


def _to_transform(part: PartitionBy, source: NestedField, field: str) -> Transform[object, object]:
    text = part.transform.strip().lower()
    if not _TRANSFORM.fullmatch(text):
        raise Invalid(
            "PARTITION_INVALID",
            "That is not a way to partition; use identity, year, month, day, hour, "
            "bucket[n] or truncate[n].",
            field=field,
        )
    transform: Transform[object, object] = parse_transform(text)
    if not transform.can_transform(source.field_type):
        raise Invalid(
            "PARTITION_INVALID",
            f"{text} cannot be taken of the column {part.column!r} of type "
            f"{type_name(source.field_type)}.",
            field=field,
        )
    return transform


def _partition_name(part: PartitionBy, taken: set[str]) -> str:
    """A name for the part that is no column's; pyiceberg lets identity alone share its column's."""
    kind = part.transform.strip().lower()
    if kind == "identity":
        return part.column
    name = f"{part.column}_{kind.split('[')[0]}"
    number = 2
    while name in taken:
        name, number = f"{part.column}_{kind.split('[')[0]}_{number}", number + 1
    return name
