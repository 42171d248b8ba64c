"""Looks into the files of a raw area: the columns of the tables that they make, and their rows.

Loads pyarrow; its calls block.
"""

import contextlib
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from meshplane.kit.errors import Invalid, Missing, TooLarge
from meshplane.services.tables.crawl_ports import (
    FoundColumn,
    FoundTable,
    RawArea,
    RawFiles,
    ToRead,
)
from meshplane.services.tables.lake_files import storage_failed
from meshplane.services.tables.raw_area import (
    MOST_COLUMNS,
    RawTable,
    partition_values,
    sql_name,
    unlike,
)
from meshplane.services.tables.raw_formats import arrow_of, columns_of, rows_of, unfit, word_of

MOST_UNPACKED_BYTES = 8 * 1024**3
"""Of the rows of one import, as Arrow holds them."""

_MOST_LOOKED_AT = 50
_ORDER = ("int", "long", "float", "double")


def found(files: RawFiles, area: RawArea, name: str, table: RawTable) -> FoundTable:
    """A table with its columns, as the first files of it have them.

    Args:
        files: reads the area.
        area: of the project.
        name: for the table.
        table: which files they are.
    """
    problem = table.problem
    columns: list[FoundColumn] = []
    if not problem:
        try:
            columns = _columns(files, area, table)
        except (Invalid, Missing) as error:
            problem = error.message
    return described(name, table, columns, problem)


def described(
    name: str, table: RawTable, columns: Sequence[FoundColumn], problem: str
) -> FoundTable:
    """A found table, its columns followed by those that folders say; or what is wrong with it.

    Args:
        name: for the table.
        table: its files.
        columns: in the files.
        problem: what is wrong, if something is.
    """
    sources = [(one.source, one.type) for one in columns]
    sources += [(one, "string") for one in table.partitions]
    if len(sources) > MOST_COLUMNS:
        sources, problem = [], f"It has {len(sources):,} columns, and at most {MOST_COLUMNS:,} go."
    if len({source.casefold() for source, _ in sources}) < len(sources):
        problem = problem or "A folder such as year=2024 says a column that is in the files, too."
    names = unlike([sql_name(source, "c") for source, _ in sources])
    named = tuple(
        FoundColumn(one, source, kind) for one, (source, kind) in zip(names, sources, strict=True)
    )
    return FoundTable(
        name=name,
        location=table.location,
        format=table.format,
        columns=() if problem else named,
        partition_columns=() if problem else tuple(names[len(names) - len(table.partitions) :]),
        files=len(table.files),
        size_bytes=table.size_bytes,
        problem=problem,
    )


def head(files: RawFiles, area: RawArea, table: RawTable, position: int = 0) -> pa.Schema:
    """The columns of one of a table's files.

    Raises:
        Invalid: FILES_UNREADABLE, CRAWL_PATH_INVALID.
        Missing: RAW_FILE_NOT_FOUND.
        Unavailable: LAKE_UNAVAILABLE.
    """
    path, kind = table.files[position].path, table.format
    if kind is None:
        raise Invalid("FILES_UNREADABLE", table.problem)
    with _storage():
        return columns_of(_opener(files, area, path), path, kind)


def typed(schema: pa.Schema) -> list[FoundColumn]:
    """Columns of a file in Iceberg's words; of nested ones, what Arrow calls them."""
    return [
        FoundColumn(field.name, field.name, word_of(field.type) or str(field.type)[:200])
        for field in schema
    ]


def written(files: RawFiles, asked: ToRead, scratch: Path) -> Path:
    """The rows of files as an Arrow IPC stream on this machine; whoever asked removes it.

    Args:
        files: reads the area.
        asked: what to read.
        scratch: a directory for the stream.

    Raises:
        Invalid: FILES_UNREADABLE, FILES_DO_NOT_FIT, CRAWL_PATH_INVALID.
        Missing: RAW_FILE_NOT_FOUND.
        TooLarge: FILES_TOO_LARGE.
        Unavailable: LAKE_UNAVAILABLE.
    """
    scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = scratch / f"{uuid.uuid4()}.arrows"
    schema = pa.schema([(one.name, arrow_of(one.type)) for one in asked.columns])
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with _storage(), os.fdopen(handle, "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
            size = 0
            for batch in _rows(files, asked, schema):
                size += batch.nbytes
                if size > MOST_UNPACKED_BYTES:
                    raise TooLarge(
                        "FILES_TOO_LARGE",
                        f"The rows take more than {MOST_UNPACKED_BYTES:,} bytes when they are "
                        "unpacked: make the table of some of the files, and append the others.",
                        field="found",
                    )
                writer.write_batch(batch)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


def _rows(files: RawFiles, asked: ToRead, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    said = set(asked.partition_columns)
    inside = [one for one in asked.columns if one.source not in said]
    for file in asked.files:
        values = partition_values(asked.location, file.path)
        opened = _opener(files, asked.area, file.path)
        for batch in rows_of(opened, file.path, asked.format, inside, known=asked.known):
            arrays = []
            for column, field in zip(asked.columns, schema, strict=True):
                if column.source in said:
                    value = values.get(column.source)
                    arrays.append(_repeated(value, batch.num_rows, field, file.path))
                else:
                    arrays.append(batch.column(column.name))
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _repeated(value: str | None, rows: int, field: pa.Field, path: str) -> pa.Array:
    if value is None:
        return pa.nulls(rows, field.type)
    try:
        one = pa.array([value], pa.string()).cast(field.type)
    except (pa.ArrowException, TypeError) as error:
        raise unfit(
            path, f"What its folders say of {field.name!r} is no {field.type}. Take it as a string."
        ) from error
    return one.take(pa.array([0] * rows, pa.int32()))


def _columns(files: RawFiles, area: RawArea, table: RawTable) -> list[FoundColumn]:
    known: dict[str, FoundColumn] = {}
    for position in range(min(len(table.files), _MOST_LOOKED_AT)):
        for column in typed(head(files, area, table, position)):
            before = known.setdefault(column.source, column)
            kind = _both(before.type, column.type, is_text=table.format == "csv")
            if kind is None:
                raise Invalid(
                    "FILES_DO_NOT_FIT",
                    f"The column {column.source!r} is {before.type} in some files and "
                    f"{column.type} in {table.files[position].path}: keep them in folders of "
                    "their own.",
                )
            known[column.source] = FoundColumn(before.name, before.source, kind)
    return list(known.values())


def _both(one: str, other: str, *, is_text: bool) -> str | None:
    """A type that holds the values of two; None if there is none."""
    if one == other:
        return one
    if one in _ORDER and other in _ORDER:
        wider = max(one, other, key=_ORDER.index)
        return "double" if wider == "float" else wider
    return "string" if is_text else None


def _opener(files: RawFiles, area: RawArea, path: str) -> Callable[[], Any]:
    return lambda: files.open(area, path)


@contextlib.contextmanager
def _storage() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise storage_failed() from error
