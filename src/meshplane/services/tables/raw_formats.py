"""Parquet, CSV and JSON lines: which columns a file has, and its rows as record batches.

Files come from outside. What is read of one at a time is bounded, and no error repeats what pyarrow
says, as that quotes values.
"""

import contextlib
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq

from meshplane.kit.errors import Invalid
from meshplane.services.tables.crawl_ports import Format, WantedColumn
from meshplane.services.tables.local_rows import can_become
from meshplane.services.tables.raw_area import MOST_COLUMNS, is_zipped
from meshplane.services.tables.raw_lines import CheckedLines, head_of
from meshplane.services.tables.raw_parquet import BATCH_BYTES, batches_of, rows_in, width_of

_HEAD_BYTES = 1024 * 1024
_BLOCK_BYTES = 8 * 1024 * 1024
_BATCH_ROWS = 65_536
_CELL_BYTES = 16
"""Of a value that is not there, or is a number, at most."""

_DELIMITERS = ",;\t|"
_DECIMAL = re.compile(r"decimal\((\d+),\s*(\d+)\)")
_FIXED = re.compile(r"fixed\[(\d{1,6})\]")
_OF_CSV = re.compile(r"In CSV column #(\d+)")
_OF_STORAGE = "AWS Error"
"""In what pyarrow says where S3 fails. Other errors of its own name no error of the system's: they
are about what the file holds."""

_OF_JSON = re.compile(r"Column\(/([^)/]*)\) changed")
_PLAIN: dict[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", "UTC"),
    "string": pa.string(),
    "uuid": pa.uuid(),
    "binary": pa.binary(),
}
_WORDS: tuple[tuple[Callable[[pa.DataType], bool], str], ...] = (
    (pa.types.is_boolean, "boolean"),
    (lambda kind: str(kind) in ("int8", "int16", "int32", "uint8", "uint16"), "int"),
    (pa.types.is_integer, "long"),
    (lambda kind: str(kind) in ("halffloat", "float"), "float"),
    (pa.types.is_floating, "double"),
    (pa.types.is_date, "date"),
    (pa.types.is_time, "time"),
    (lambda kind: pa.types.is_timestamp(kind) and kind.tz is None, "timestamp"),
    (pa.types.is_timestamp, "timestamptz"),
    (lambda kind: kind == pa.uuid(), "uuid"),
    (lambda kind: pa.types.is_null(kind) or "string" in str(kind), "string"),
    (lambda kind: str(kind) in ("binary", "large_binary", "binary_view"), "binary"),
)
_NESTED = (pa.types.is_nested, pa.types.is_map)

Open = Callable[[], Any]
"""Opens a file from its beginning, as pyarrow reads it."""


def columns_of(opened: Open, path: str, kind: Format) -> pa.Schema:
    """The columns of a file, of CSV and JSON as its beginning has them.

    Args:
        opened: opens it.
        path: for errors, and for whether it is compressed.
        kind: its format.

    Raises:
        Invalid: FILES_UNREADABLE.
    """
    with _told(path, kind, ()), contextlib.ExitStack() as stack:
        file = stack.enter_context(opened())
        if kind == "parquet":
            return _checked(pq.read_schema(file), path)
        stream = stack.enter_context(_unzipped(file, path))
        if kind == "csv":
            delimiter = _delimiter(opened, path)
            with _csv(stream, delimiter, _HEAD_BYTES, None) as reader:
                return _checked(reader.schema, path)
        # As many lines as fit into a block, so that all of them are looked at.
        head = CheckedLines(io.BytesIO(head_of(stream, path, _HEAD_BYTES)), path)
        options = pa.json.ReadOptions(block_size=_HEAD_BYTES)
        with pa.json.open_json(head, read_options=options) as reader:
            return _checked(reader.schema, path)


def word_of(kind: pa.DataType) -> str | None:
    """The type of a column in Iceberg's words; None of nested values and what Iceberg lacks."""
    if pa.types.is_dictionary(kind):
        return word_of(kind.value_type)
    if any(is_nested(kind) for is_nested in _NESTED):
        return None
    if pa.types.is_decimal(kind):
        is_sound = 0 <= kind.scale <= kind.precision <= 38
        return f"decimal({kind.precision},{kind.scale})" if is_sound else None
    if pa.types.is_fixed_size_binary(kind):
        return f"fixed[{kind.byte_width}]"
    return next((word for is_it, word in _WORDS if is_it(kind)), None)


def arrow_of(word: str) -> pa.DataType:
    """The Arrow type that rows have on their way into a column of an Iceberg type.

    What is no such type is refused where the table is made.
    """
    decimal = _DECIMAL.fullmatch(word.strip().lower())
    if decimal is not None and 0 < int(decimal[1]) <= 38:
        return pa.decimal128(int(decimal[1]), int(decimal[2]))
    fixed = _FIXED.fullmatch(word.strip().lower())
    if fixed is not None:
        return pa.binary(int(fixed[1]))
    return _PLAIN.get(word.strip().lower(), pa.string())


def rows_of(
    opened: Open, path: str, kind: Format, columns: Sequence[WantedColumn], *, known: bool
) -> Iterator[pa.RecordBatch]:
    """The rows of a file with just these columns, in Arrow's types for theirs.

    Columns are found by their `source`, where none is called so by one that differs in case alone;
    one that the file lacks is null.

    Args:
        opened: opens it.
        path: as in `columns_of`.
        kind: as in `columns_of`.
        columns: what to read.
        known: whether a column that is none of these is an error; it is left out otherwise.

    Raises:
        Invalid: FILES_UNREADABLE, FILES_DO_NOT_FIT.
        TooLarge: FILES_TOO_LARGE.
    """
    schema = columns_of(opened, path, kind)
    there = schema.names
    # What a file of JSON does not have at its beginning may come further down.
    sources = [
        _source(column, there) or (column.source if kind == "json" else None) for column in columns
    ]
    others = sorted(set(there).difference(one for one in sources if one is not None))
    if known and others:
        raise unfit(
            path,
            f"It has a column {others[0]!r} that the crawl did not find. Name the columns to take.",
        )
    target = pa.schema([(column.name, arrow_of(column.type)) for column in columns])
    if kind == "parquet":
        _demand_flat(schema, sources, target, path)
    most = _rows_at_once(columns)
    with _told(path, kind, there):
        for batch in _batches(opened, path, kind, columns, sources, known=known):
            for begin in range(0, batch.num_rows, most):
                yield _as(batch.slice(begin, most), sources, target, path)


def _rows_at_once(columns: Sequence[WantedColumn]) -> int:
    """How many rows go together, so that columns which a file lacks take no more than others."""
    width = sum(max(_CELL_BYTES, width_of(arrow_of(column.type))) for column in columns)
    return max(1, min(_BATCH_ROWS, BATCH_BYTES // max(1, width)))


def _demand_flat(
    schema: pa.Schema, sources: Sequence[str | None], target: pa.Schema, path: str
) -> None:
    """Refuses nested columns before they are read, which may take any memory.

    Raises:
        Invalid: FILES_DO_NOT_FIT.
    """
    for source, field in zip(sources, target, strict=True):
        if source is not None and any(
            is_nested(schema.field(source).type) for is_nested in _NESTED
        ):
            raise _lossy(path, source, schema.field(source).type, field.type)


def _batches(
    opened: Open,
    path: str,
    kind: Format,
    columns: Sequence[WantedColumn],
    sources: Sequence[str | None],
    *,
    known: bool,
) -> Iterator[pa.RecordBatch]:
    pairs = zip(sources, columns, strict=True)
    types = {source: arrow_of(column.type) for source, column in pairs if source is not None}
    if kind == "parquet":
        if types:
            yield from batches_of(opened, path, list(types))
        else:
            yield from _counted(rows_in(opened))
        return
    with contextlib.ExitStack() as stack:
        if kind == "csv":
            delimiter = _delimiter(opened, path)
            stream = stack.enter_context(_unzipped(opened(), path))
            reader = stack.enter_context(_csv(stream, delimiter, _BLOCK_BYTES, types))
        else:
            stream = stack.enter_context(_unzipped(opened(), path))
            lines = CheckedLines(stream, path, _rows_at_once(columns))
            reader = stack.enter_context(_json(lines, types, known=known))
        yield from reader


def _counted(rows: int) -> Iterator[pa.RecordBatch]:
    """Rows of which nothing is read, as all that is wanted of them the folders say."""
    for begin in range(0, rows, _BATCH_ROWS):
        yield pa.record_batch({"": pa.nulls(min(_BATCH_ROWS, rows - begin))})


def _csv(stream: Any, delimiter: str, block: int, types: dict[str, pa.DataType] | None) -> Any:
    """A reader of CSV; without `types`, they are what the first block looks like."""
    return pa.csv.open_csv(
        stream,
        read_options=pa.csv.ReadOptions(block_size=block, use_threads=False),
        parse_options=pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=pa.csv.ConvertOptions(
            column_types=types, include_columns=list(types) if types else None
        ),
    )


def _json(stream: Any, types: dict[str, pa.DataType], *, known: bool) -> Any:
    # It reads neither dates nor times: they come as texts, and are read as such.
    types = {name: pa.string() if _is_of_clock(one) else one for name, one in types.items()}
    return pa.json.open_json(
        stream,
        read_options=pa.json.ReadOptions(block_size=_BLOCK_BYTES, use_threads=False),
        parse_options=pa.json.ParseOptions(
            explicit_schema=pa.schema(list(types.items())),
            unexpected_field_behavior="error" if known else "ignore",
        ),
    )


def _is_of_clock(kind: pa.DataType) -> bool:
    return bool(pa.types.is_date(kind) or pa.types.is_time(kind))


def _delimiter(opened: Open, path: str) -> str:
    """What separates the names in the first line of a file of CSV."""
    with _unzipped(opened(), path) as stream:
        line = stream.read(64 * 1024).partition(b"\n")[0]
    return max(_DELIMITERS, key=lambda sign: line.count(sign.encode()))


def _unzipped(file: Any, path: str) -> Any:
    return pa.CompressedInputStream(file, "gzip") if is_zipped(path) else file


def _source(column: WantedColumn, there: Sequence[str]) -> str | None:
    if column.source in there:
        return column.source
    alike = [name for name in there if name.casefold() == column.source.casefold()]
    return alike[0] if len(alike) == 1 else None


def _as(
    batch: pa.RecordBatch, sources: Sequence[str | None], target: pa.Schema, path: str
) -> pa.RecordBatch:
    arrays = []
    for source, field in zip(sources, target, strict=True):
        position = batch.schema.get_field_index(source) if source is not None else -1
        if position < 0:
            arrays.append(pa.nulls(batch.num_rows, field.type))
            continue
        values = batch.column(position)
        if values.type != field.type:
            values = _cast(values, field, str(source), path)
        arrays.append(values)
    return pa.RecordBatch.from_arrays(arrays, schema=target)


def _cast(values: pa.Array, field: pa.Field, source: str, path: str) -> pa.Array:
    held = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    is_text = word_of(held) == "string"
    try:
        if not (is_text or can_become(values.type, field.type)):
            raise pa.ArrowInvalid
        if pa.types.is_dictionary(values.type):
            values = values.dictionary.take(values.indices)
        if is_text and pa.types.is_time(field.type):
            # Arrow reads texts as instants and not as times.
            days = pc.binary_join_element_wise("1970-01-01T", values.cast(pa.string()), "")
            values = days.cast(pa.timestamp("us"))
        storage = getattr(field.type, "storage_type", field.type)
        values = values.cast(storage, safe=True)
        if storage == field.type:
            return values
        return pa.ExtensionArray.from_storage(field.type, values)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        raise _lossy(path, source, held, field.type) from error


def _lossy(path: str, source: str, held: pa.DataType, wanted: pa.DataType) -> Invalid:
    return unfit(
        path,
        f"Its column {source!r} is {held}, and not all of it becomes {wanted} without loss. Take "
        "the column with another type.",
    )


def _checked(schema: pa.Schema, path: str) -> pa.Schema:
    """The columns of a file, each of which comes once, and no more than go.

    Raises:
        Invalid: FILES_UNREADABLE, FILES_DO_NOT_FIT.
    """
    if len(schema) > MOST_COLUMNS:
        raise unfit(path, f"It has {len(schema):,} columns, and at most {MOST_COLUMNS:,} go.")
    times = Counter(schema.names)
    double = next((name for name, number in times.items() if number > 1), None)
    if double is not None:
        raise _unreadable(path, f"the column {double!r} comes twice")
    return schema


@contextlib.contextmanager
def _told(path: str, kind: Format, names: Sequence[str]) -> Iterator[None]:
    """Says of what pyarrow refuses which file it is, and which column if that is known."""
    try:
        yield
    except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
        said = str(error)
        if isinstance(error, OSError) and (error.errno is not None or _OF_STORAGE in said):
            raise
        by_number, by_name = _OF_CSV.search(said), _OF_JSON.search(said)
        column = by_name[1] if by_name is not None else None
        if by_number is not None and int(by_number[1]) < len(names):
            column = names[int(by_number[1])]
        if column is not None:
            raise unfit(
                path,
                f"Its column {column!r} has values of another type further down. Take the column "
                "with a type that holds all of them, such as string.",
            ) from error
        if "unexpected field" in said:
            raise unfit(
                path,
                "Further down it has a column that the crawl did not find. Name the columns to "
                "take.",
            ) from error
        words = {"csv": "CSV in UTF-8", "json": "JSON with one object a line"}
        raise _unreadable(path, f"this is not {words.get(kind, 'Parquet')}") from error


def unfit(path: str, why: str) -> Invalid:
    """The error for rows that are not as they were found."""
    return Invalid("FILES_DO_NOT_FIT", f"{path}: {why}", field="columns")


def _unreadable(path: str, why: str) -> Invalid:
    return Invalid(
        "FILES_UNREADABLE",
        f"{path}: {why}, or it is damaged. Write it anew, or take it out of the folder.",
        field="found",
    )
