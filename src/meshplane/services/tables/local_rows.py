"""Fits the rows of an Arrow stream to a table: columns by name, values without loss."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.schema import Schema

from meshplane.kit.errors import FieldProblem, Invalid, TooLarge
from meshplane.services.tables.local_schema import type_name
from meshplane.services.tables.local_stream import StreamLimits, read_stream

_Check = Callable[[pa.DataType], bool]
_MOST_NAMED = 5
# https://arrow.apache.org/docs/format/Columnar.html#variable-size-binary-view-layout
_VIEW_BYTES = 16


def fitted_rows(path: Path, schema: Schema, limits: StreamLimits) -> Iterator[pa.RecordBatch]:
    """The rows of a stream as record batches of exactly the table's Arrow schema.

    Args:
        path: a file with an Arrow IPC stream.
        schema: the table's current schema.
        limits: what the stream may hold.

    Raises:
        Missing: see `read_stream`.
        Invalid: see `read_stream`, and `ROWS_DO_NOT_FIT`.
        TooLarge: see `read_stream`.
    """
    with read_stream(path, limits) as (arriving, batches):
        problems = _misfits(arriving, schema)
        if problems:
            raise _do_not_fit(problems)
        target = schema_to_pyarrow(schema)
        for batch in batches:
            yield _fit(batch, schema, target, limits.batch_bytes)


def fit_table(rows: pa.Table, schema: Schema) -> pa.Table:
    """Rows read from the table itself, with exactly its Arrow schema and field ids."""
    return rows.select([column.name for column in schema.fields]).cast(schema_to_pyarrow(schema))


def _misfits(arriving: pa.Schema, schema: Schema) -> list[FieldProblem]:
    """What is wrong with the columns, whatever the values."""
    problems: list[FieldProblem] = []
    known = {column.name: column for column in schema.fields}
    for name in dict.fromkeys(arriving.names):
        if arriving.names.count(name) > 1:
            problems.append(_problem(name, f"The column {name!r} comes more than once."))
        elif name not in known:
            problems.append(_problem(name, f"The table has no column {name!r}."))
    for column in schema.fields:
        position = arriving.get_field_index(column.name)
        if position < 0:
            if column.required and column.name not in arriving.names:
                problems.append(
                    _problem(column.name, f"The required column {column.name!r} is missing.")
                )
            continue
        kind = arriving.field(position).type
        wanted = schema_to_pyarrow(column.field_type)
        if not can_become(kind, wanted):
            message = (
                f"The column {column.name!r} is {type_name(column.field_type)} and comes as "
                f"{kind}, which cannot become it without loss."
            )
            problems.append(_problem(column.name, message))
    return problems


def can_become(kind: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether values of one Arrow type can be held by another with their meaning unchanged.

    Where only some values can (a large number in a narrow column), each is checked on its way.
    """
    if pa.types.is_null(kind):
        return not pa.types.is_nested(wanted)
    if pa.types.is_dictionary(kind):
        return not pa.types.is_dictionary(kind.value_type) and can_become(kind.value_type, wanted)
    return next((fits(kind) for is_it, fits in _RULES if is_it(wanted)), False) or (
        kind == wanted and not pa.types.is_nested(wanted)
    )


def _is_utc_or_zoned(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind)) and kind.tz is not None


def _is_local(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind)) and kind.tz is None


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)
    )


def _is_uuid(kind: pa.DataType) -> bool:
    return bool(kind == pa.uuid())


def _is_sound_decimal(kind: pa.DataType) -> bool:
    """Arrow 26 crashes when it rescales from a scale beyond all digits, as a stream may name it."""
    return bool(pa.types.is_decimal(kind)) and abs(kind.scale) <= kind.precision


def _is_number_of(*kinds: str) -> _Check:
    return lambda kind: str(kind) in kinds


_INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")

# What a column of the left kind takes. An instant and a wall-clock time never become each other,
# nor do fractions become whole numbers.
_RULES: tuple[tuple[_Check, _Check], ...] = (
    (_is_number_of("int32", "int64"), _is_number_of(*_INTEGERS)),
    (
        _is_number_of("float"),
        _is_number_of("float", "halffloat", "int8", "int16", "uint8", "uint16"),
    ),
    (_is_number_of("double"), _is_number_of("double", "float", "halffloat", *_INTEGERS)),
    (pa.types.is_decimal, _is_sound_decimal),
    (pa.types.is_date, pa.types.is_date),
    (pa.types.is_time, pa.types.is_time),
    (_is_utc_or_zoned, _is_utc_or_zoned),
    (_is_local, _is_local),
    (_is_text, _is_text),
    (_is_bytes, _is_bytes),
    (_is_uuid, lambda kind: _is_uuid(kind) or kind == pa.binary(16)),
)


def _fit(
    batch: pa.RecordBatch, schema: Schema, target: pa.Schema, most_bytes: int
) -> pa.RecordBatch:
    arrays = []
    for column, field in zip(schema.fields, target, strict=True):
        position = batch.schema.get_field_index(column.name)
        if position < 0:
            arrays.append(pa.nulls(batch.num_rows, field.type))
            continue
        values = batch.column(position)
        _check_unfolded_size(values, column.name, most_bytes)
        try:
            arrays.append(_cast(values, field.type))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            message = (
                f"The column {column.name!r} is {type_name(column.field_type)} and comes as "
                f"{values.type} with a value that does not fit into it."
            )
            raise _do_not_fit([_problem(column.name, message)]) from error
        if column.required and arrays[-1].null_count:
            message = f"The column {column.name!r} is required and comes with nulls."
            raise _do_not_fit([_problem(column.name, message)])
    return pa.RecordBatch.from_arrays(arrays, schema=target)


def _cast(values: pa.Array, kind: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(values.type):
        return _cast(values.dictionary, kind).take(values.indices)
    if values.type == kind:
        return values
    if _is_view(values.type) and values.null_count:
        return _cast_views(values, kind)
    if _is_uuid(kind):
        return pa.ExtensionArray.from_storage(kind, values.cast(kind.storage_type))
    return values.cast(kind, safe=True)


def _is_view(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string_view(kind) or pa.types.is_binary_view(kind))


def _cast_views(values: pa.Array, kind: pa.DataType) -> pa.Array:
    """Casts views, those behind a null emptied first.

    A view behind a null may point anywhere: Arrow 26 does not check it, and its cast follows it.
    """
    validity, views, *texts = values.buffers()
    raw = pa.binary(_VIEW_BYTES)
    as_they_are = pa.Array.from_buffers(raw, len(values), [validity, views], offset=values.offset)
    emptied = as_they_are.fill_null(bytes(_VIEW_BYTES))
    sound = pa.Array.from_buffers(
        values.type, len(values), [None, emptied.buffers()[1], *texts], offset=emptied.offset
    )
    return pc.if_else(values.is_valid(), sound.cast(kind, safe=True), pa.scalar(None, kind))


def _check_unfolded_size(values: pa.Array, name: str, most_bytes: int) -> None:
    """Refuses values that are few bytes as they come and very many once they stand each alone.

    Entries of a dictionary, and views, may share one long text a million times.
    """
    if pa.types.is_dictionary(values.type):
        entries = values.dictionary
        if not (_is_text(entries.type) or _is_bytes(entries.type)):
            return
        lengths = _lengths(entries).take(values.indices)
    elif _is_view(values.type):
        lengths = _lengths(values)
    else:
        return
    if (pc.sum(lengths).as_py() or 0) > most_bytes:
        raise TooLarge(
            "ROWS_BATCH_TOO_LARGE",
            f"The column {name!r} of a record batch takes more than {most_bytes:,} bytes when it "
            "is unpacked; send smaller batches.",
            field="rows",
        )


def _lengths(values: pa.Array) -> pa.Array:
    if not _is_view(values.type):
        return pc.binary_length(values).cast(pa.int64())
    # A view is 16 bytes, of which the first 4 are the length, whatever follows:
    # https://arrow.apache.org/docs/format/Columnar.html#variable-size-binary-view-layout
    count = len(values)
    words = pa.Array.from_buffers(
        pa.int32(), 4 * count, [None, values.buffers()[1]], offset=4 * values.offset
    )
    lengths = pc.list_element(pa.FixedSizeListArray.from_arrays(words, 4), 0)
    return pc.if_else(values.is_valid(), lengths, 0).cast(pa.int64())


def _problem(column: str, message: str) -> FieldProblem:
    return FieldProblem(f"rows.{column}", message)


def _do_not_fit(problems: list[FieldProblem]) -> Invalid:
    named = " ".join(problem.message for problem in problems[:_MOST_NAMED])
    more = len(problems) - _MOST_NAMED
    rest = f" And {more} more." if more > 0 else ""
    return Invalid(
        "ROWS_DO_NOT_FIT", f"The rows do not fit the table. {named}{rest}", fields=problems
    )
