"""The data of Glue's tables as Arrow: Iceberg snapshots, and files under a location.

Snapshots never change, so what was read once is kept, by metadata file and snapshot; files under a
location are kept by their names and ETags. The sandbox holds whole tables in memory: it is for
tables that fit there.
"""

import json
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet
from pyiceberg.table import StaticTable

from meshplane.sandbox.hive_types import arrow_type
from meshplane.sandbox.lake_state import (
    StoredObject,
    list_objects,
    partitions_of,
    read_object,
)

_MOST_BYTES = 512 * 1024 * 1024
_MOST_METADATA = 512
_FILE_IO = "meshplane.sandbox.lake_state.ObjectFileIO"
_NO_PARTITION = "__HIVE_DEFAULT_PARTITION__"

T = TypeVar("T")


class UnreadableTable(Exception):
    """The table's files cannot be read. The text says why, in Athena's error names."""


@dataclass(frozen=True, slots=True)
class TableData:
    """What a table holds at one moment.

    Args:
        key: of this content; the same key is the same content.
        arrow: the rows, of which column names are in lower case, as Glue has them.
        column_bytes: how many bytes of files a column takes.
    """

    key: Hashable
    arrow: Any
    column_bytes: dict[str, int]


class _Kept:
    """Keeps what was used last, up to a number of bytes."""

    def __init__(self, most: int) -> None:
        self._most, self._held = most, 0
        self._entries: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], T], size: Callable[[T], int]) -> T:
        if key in self._entries:
            self._entries.move_to_end(key)
            found: T = self._entries[key][0]
            return found
        made = make()
        self._entries[key] = (made, size(made))
        self._held += self._entries[key][1]
        while self._held > self._most and len(self._entries) > 1:
            _, (_, freed) = self._entries.popitem(last=False)
            self._held -= freed
        return made


class LakeTables:
    """Reads tables, and keeps what it read. Not thread-safe."""

    def __init__(self) -> None:
        self._metadata = _Kept(_MOST_METADATA)
        self._data = _Kept(_MOST_BYTES)

    def iceberg(self, metadata_location: str) -> StaticTable:
        """An Iceberg table as its metadata file has it.

        Raises:
            NoObject: the file is not there.
        """
        stored = read_object(metadata_location)
        return self._metadata.get(
            (stored.location, stored.etag),
            lambda: StaticTable.from_metadata(metadata_location, {"py-io-impl": _FILE_IO}),
            lambda _: 1,
        )

    def snapshot(self, metadata_location: str, snapshot_id: int | None = None) -> TableData:
        """The rows of a snapshot, deletes applied; of the current one by default.

        Raises:
            NoObject: a file of the table is not there.
        """
        table = self.iceberg(metadata_location)
        current = table.metadata.current_snapshot_id
        wanted = snapshot_id if snapshot_id is not None else current
        schema = table.metadata.current_schema_id if snapshot_id is None else None
        key = ("iceberg", metadata_location, wanted, schema)
        return self._data.get(
            key, lambda: _read_snapshot(table, key, snapshot_id), lambda data: data.arrow.nbytes
        )

    def files(self, account: str, region: str, table: dict[str, Any]) -> TableData:
        """The rows of the files that a table of Hive's kind is made of.

        Args:
            account: whose Glue the table is in.
            region: likewise.
            table: as `get_table` gives it.

        Raises:
            UnreadableTable: the format is not known, or a file does not fit it.
            NoObject: there is no such bucket.
        """
        folders = _folders(account, region, table)
        found = [(list(list_objects(place)), values) for place, values in folders]
        etags = tuple((one.location, one.etag) for objects, _ in found for one in objects)
        key = ("files", account, region, table["DatabaseName"], table["Name"], etags, repr(table))
        return self._data.get(
            key, lambda: _read_files(table, found, key), lambda data: data.arrow.nbytes
        )


def snapshot_as_of(table: StaticTable, instant: datetime) -> int | None:
    """The snapshot that was current at an instant, or None when there was none yet."""
    moment = int(instant.astimezone(UTC).timestamp() * 1000)
    entries = [one for one in table.metadata.snapshot_log if one.timestamp_ms <= moment]
    return entries[-1].snapshot_id if entries else None


def _read_snapshot(table: StaticTable, key: Hashable, snapshot_id: int | None) -> TableData:
    scan = table.scan(snapshot_id=snapshot_id)
    arrow = scan.to_arrow()
    names = [name.lower() for name in arrow.column_names]
    schema = scan.projection()
    fields = {field.field_id: field.name.lower() for field in schema.fields}
    sizes = dict.fromkeys(names, 0)
    if table.metadata.current_snapshot_id is not None or snapshot_id is not None:
        for task in scan.plan_files():
            known = task.file.column_sizes or {}
            for field_id, size in known.items():
                top = fields.get(field_id)
                if top is not None:
                    sizes[top] += size
            if not known and names:
                for name in names:
                    sizes[name] += task.file.file_size_in_bytes // len(names)
    return TableData(key, arrow.rename_columns(names), sizes)


def _folders(account: str, region: str, table: dict[str, Any]) -> list[tuple[str, list[str]]]:
    location = table.get("StorageDescriptor", {}).get("Location", "")
    if not table.get("PartitionKeys"):
        return [(location, [])]
    return [
        (one.get("StorageDescriptor", {}).get("Location", location), list(one["Values"]))
        for one in partitions_of(account, region, table["DatabaseName"], table["Name"])
    ]


def _read_files(
    table: dict[str, Any], found: list[tuple[list[StoredObject], list[str]]], key: Hashable
) -> TableData:
    descriptor = table.get("StorageDescriptor", {})
    columns = [(one["Name"].lower(), one["Type"]) for one in descriptor.get("Columns", [])]
    keys = [(one["Name"].lower(), one["Type"]) for one in table.get("PartitionKeys", [])]
    schema = pa.schema([(name, arrow_type(kind)) for name, kind in [*columns, *keys]])
    read = _reader(descriptor, table.get("Parameters") or {}, columns)
    pieces, total = [], 0
    for objects, values in found:
        for one in objects:
            total += len(one.body)
            try:
                piece = read(one.body)
                pieces.append(
                    _fitted(piece, schema, dict(zip([n for n, _ in keys], values, strict=True)))
                )
            except (pa.ArrowException, ValueError) as error:
                raise UnreadableTable(
                    f"HIVE_BAD_DATA: Error reading {one.location}: {type(error).__name__}"
                ) from error
    arrow = pa.concat_tables(pieces) if pieces else schema.empty_table()
    share = total // max(1, len(columns))
    return TableData(key, arrow, {name: share for name, _ in columns})


def _fitted(piece: Any, schema: Any, values: dict[str, str]) -> Any:
    """The piece with the table's columns: by name, in its types, a missing one NULL."""
    there = {name.lower(): index for index, name in enumerate(piece.column_names)}
    arrays = []
    for field in schema:
        if field.name in values:
            text = None if values[field.name] == _NO_PARTITION else values[field.name]
            arrays.append(pa.array([text] * piece.num_rows, pa.string()).cast(field.type))
        elif field.name in there:
            arrays.append(piece.column(there[field.name]).cast(field.type))
        else:
            arrays.append(pa.nulls(piece.num_rows, field.type))
    return pa.Table.from_arrays(arrays, schema=schema)


def _reader(
    descriptor: dict[str, Any], options: dict[str, str], columns: list[tuple[str, str]]
) -> Callable[[bytes], Any]:
    serde = descriptor.get("SerdeInfo", {})
    library = serde.get("SerializationLibrary", "").lower()
    formats = library + descriptor.get("InputFormat", "").lower()
    if "parquet" in formats:
        return lambda body: pyarrow.parquet.read_table(BytesIO(body))
    if "json" in formats:
        return _json
    if "opencsv" in formats or "lazysimple" in formats or "text" in formats:
        return _csv_reader(
            "opencsv" in formats, {**options, **serde.get("Parameters", {})}, columns
        )
    raise UnreadableTable(
        "HIVE_UNSUPPORTED_FORMAT: Unable to create input format "
        f"{descriptor.get('InputFormat') or 'of a table without one'}"
    )


def _json(body: bytes) -> Any:
    # What is no object in a line of its own ends pyarrow's reader, and the process with it.
    for line in body.splitlines():
        if line.strip() and not isinstance(json.loads(line), dict):
            raise ValueError
    return pyarrow.json.read_json(BytesIO(body))


def _csv_reader(
    quoted: bool, options: dict[str, str], columns: list[tuple[str, str]]
) -> Callable[[bytes], Any]:
    name, usual = ("separatorChar", ",") if quoted else ("field.delim", "\x01")
    delimiter = options.get(name, usual)
    skipped = int(options.get("skip.header.line.count", 0))
    null_text = options.get("serialization.null.format", "\\N")
    names = [name for name, _ in columns]

    def read(body: bytes) -> Any:
        text = b"".join(body.splitlines(keepends=True)[skipped:])
        if not text:
            return pa.table({name: pa.array([], pa.string()) for name in names})
        return pyarrow.csv.read_csv(
            BytesIO(text),
            read_options=pyarrow.csv.ReadOptions(column_names=names),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=delimiter, quote_char='"' if quoted else False
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types={name: pa.string() for name in names},
                null_values=[null_text],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )

    return read
