"""The sandbox's own engine in this process: the child's code without a child for each statement.

A child gets one statement and ends. Here one locked engine with the views of all tables answers
many, through the same parser, gate, views and encoder. What it says must be what a child says; the
tests that use it let children answer a share of the statements too.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from meshplane.kit.errors import MeshplaneError
from meshplane.services.query.sandbox import Limits, Relation
from meshplane.services.query.sandbox import results as sandbox_results
from meshplane.services.query.sandbox import views as sandbox_views
from meshplane.services.query.sandbox.engine import Connection, lock, open_engine, parse
from meshplane.services.query.sandbox.engine_faults import from_engine, is_binding
from meshplane.services.query.sandbox.gate import Gate
from meshplane.services.query.sandbox.text import check_text
from tests.builders.random_policy import Governed
from tests.builders.sandbox_world import KEY, Seen, columns_of, write

_NARROW = 2**31
LIMITS = Limits(threads=1, max_rows=100_000)
FAILURES = (
    duckdb.Error,
    pa.ArrowException,
    OSError,
    MemoryError,
    RecursionError,
    UnicodeDecodeError,
)


def relation_of(governed: Governed, folder: Path) -> Relation:
    """The table as files, with the caller's scopes."""
    table = governed.table
    files = write(folder / table.name, table.types, table.rows, table.files)
    for path in files[1:]:
        _age(path)
    scopes = tuple(grant.scope for grant in governed.grants)
    return Relation(table.schema, table.name, files, columns_of(table.types), scopes)


def _age(path: str) -> None:
    """Makes a file one of an earlier schema: other names, narrower numbers, fewer columns."""
    table = pq.read_table(path)
    fields = []
    for field in table.schema:
        column = table[field.name]
        if field.name != "id" and table.num_rows and column.null_count == table.num_rows:
            continue
        kind = field.type
        if kind == pa.int64() and all(abs(cell) < _NARROW for cell in _cells(column)):
            kind = pa.int32()
        fields.append(pa.field(field.name, kind, metadata=field.metadata))
    older = table.select([field.name for field in fields]).cast(pa.schema(fields))
    pq.write_table(older.rename_columns([f"old {name}" for name in older.column_names]), path)


def _cells(column: pa.ChunkedArray) -> list[int]:
    return [cell for cell in column.to_pylist() if cell is not None]


def governed_engine(relations: Sequence[Relation]) -> Connection:
    """A locked engine that holds the secure views of these relations, as a child makes them."""
    engine = open_engine()
    files = [path for relation in relations for path in relation.files]
    lock(engine, LIMITS, files)
    sandbox_views.check_files(engine, files)
    for relation in relations:
        key = sandbox_views.hash_key(KEY, relation.schema)
        sandbox_views.create_view(engine, relation, key)
    schemas = dict.fromkeys(relation.schema for relation in relations)
    engine.execute(f"SET search_path = '{','.join(schemas)}'")
    return engine


def gated_answer(engine: Connection, sql: str, output: str = "json") -> tuple[Seen, bytes]:
    """What a caller sees of a statement that goes through the gate, and the bytes of the body."""
    try:
        check_text(sql)
        parsed = parse(engine, sql)
        if parsed is None:
            return Seen("SQL_REFUSED", "several statements", (), [], False), b""
        Gate(sql).statement(parsed.tree)
    except FAILURES as error:
        return _fault(from_engine(error, sql))
    except MeshplaneError as error:
        return _fault(error)
    return answer_of(engine, parsed.statement, sql, output)


def answer_of(
    engine: Connection, statement: duckdb.Statement | str, sql: str, output: str = "json"
) -> tuple[Seen, bytes]:
    """What a caller sees of a statement that runs as it is, in the form of the sandbox."""
    body = bytearray()
    try:
        relation: Any = engine.sql(statement)
        if relation is None:
            return Seen("SQL_REFUSED", "no rows", (), [], False), b""
        found = sandbox_results.answer(relation, output, LIMITS, body.extend)  # type: ignore[arg-type]
    except MeshplaneError as error:
        return _fault(error)
    except FAILURES as error:
        if not is_binding(error):
            return _fault(from_engine(error, sql))
        bound: BaseException = error
        try:
            engine.execute(statement)
        except duckdb.Error as again:
            bound = again if is_binding(again) else bound
        return _fault(from_engine(bound, sql))
    columns = tuple((column["name"], column["type"]) for column in found.columns)
    rows = orjson.loads(body) if output == "json" else []
    return Seen(None, "", columns, rows, found.truncated), bytes(body)


def _fault(error: MeshplaneError) -> tuple[Seen, bytes]:
    return Seen(error.code, error.message, (), [], False), b""
