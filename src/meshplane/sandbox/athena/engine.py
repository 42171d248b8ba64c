"""Runs a query as its caller: every table replaced by what he may see of it, on DuckDB in memory.

What a caller sees of a snapshot is worked out once and kept, so the query itself runs over plain
tables: nothing in it can reach a hidden row or cell. The engine reads no files.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import duckdb
import pyarrow as pa
from sqlglot import exp

from meshplane.sandbox.athena.catalog import Context, FoundTable, find
from meshplane.sandbox.athena.metadata_tables import metadata_rows
from meshplane.sandbox.athena.refusals import QueryFailed, no_access, no_columns, of_engine
from meshplane.sandbox.athena.statements import (
    drop_databases,
    put_in_place,
    referenced,
    shown_name,
    table_nodes,
    to_duckdb,
)
from meshplane.sandbox.athena.texts import column_info, hive_type, writer
from meshplane.sandbox.athena.views import view_query
from meshplane.sandbox.athena.visible import Scope, visible_columns, visible_rows
from meshplane.sandbox.lake_state import NoObject
from meshplane.sandbox.lake_tables import LakeTables, TableData, UnreadableTable, snapshot_as_of

_LEAST_RELATIONS, _MOST_RELATIONS = 64, 512
_MOST_BYTES = 512 * 1024 * 1024
_MOST_VIEWS_DEEP = 16

Access = Callable[[FoundTable], "tuple[Scope, ...] | None"]
"""What Lake Formation says of a table: scopes, none, or None when it lets everything through."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a query gave.

    Args:
        columns: as `ColumnInfo`.
        hive_types: of the columns, as Glue writes them.
        rows: texts; None is NULL.
        arrow: the same rows, typed.
        scanned_bytes: of files, in the columns that were read.
        input_rows: of the tables that were read.
        seconds: that it took.
    """

    columns: list[dict[str, Any]]
    hive_types: list[str]
    rows: list[list[str | None]]
    arrow: Any
    scanned_bytes: int
    input_rows: int
    seconds: float


@dataclass
class _Reading:
    """What one query reads, while it is put together."""

    scanned_bytes: int = 0
    input_rows: int = 0
    types: dict[str, object] = field(default_factory=dict)


class Engine:
    """DuckDB over what callers see. Not thread-safe: the world's lock is held.

    Args:
        tables: reads the data.
    """

    def __init__(self, tables: LakeTables) -> None:
        self._tables = tables
        self._duckdb: duckdb.DuckDBPyConnection | None = None
        self._relations: OrderedDict[Hashable, tuple[str, dict[str, str], int]] = OrderedDict()
        self._made, self._held_bytes = 0, 0

    def run(self, query: exp.Expr, context: Context, access: Access) -> Result:
        """Runs a query.

        Args:
            query: Trino's, its parameters bound.
            context: from where names are looked up.
            access: what the caller may see of a table.

        Raises:
            QueryFailed: it fails, for the reason given.
        """
        start = time.monotonic()
        tree = query.copy()
        reading = _Reading()
        self._replace(tree, context, access, reading, 0)
        text = to_duckdb(tree, reading.types)
        try:
            relation = self._connection().sql(text)
            if relation is None:
                raise QueryFailed("GENERIC_INTERNAL_ERROR: the query gave no rows")
            names, kinds = list(relation.columns), list(relation.types)
            arrow = relation.to_arrow_table()
        except duckdb.Error as error:
            raise of_engine(error, query) from error
        writers = [writer(kind) for kind in kinds]
        texts = [
            [write(value) for value in column.to_pylist()]
            for write, column in zip(writers, arrow.columns, strict=True)
        ]
        shown = [shown_name(name, index) for index, name in enumerate(names)]
        return Result(
            columns=[column_info(name, kind) for name, kind in zip(shown, kinds, strict=True)],
            hive_types=[hive_type(kind) for kind in kinds],
            rows=[list(row) for row in zip(*texts, strict=True)],
            arrow=arrow.rename_columns(shown),
            scanned_bytes=reading.scanned_bytes,
            input_rows=reading.input_rows,
            seconds=time.monotonic() - start,
        )

    def explain(self, query: exp.Expr, context: Context, access: Access) -> str:
        """The plan of a query, as text. DuckDB's: of the shape of Athena's nothing is promised.

        Raises:
            QueryFailed: as `run`.
        """
        tree = query.copy()
        reading = _Reading()
        self._replace(tree, context, access, reading, 0)
        text = to_duckdb(tree, reading.types)
        try:
            return str(self._connection().sql(text).explain())
        except duckdb.Error as error:
            raise of_engine(error, query) from error

    def _connection(self) -> duckdb.DuckDBPyConnection:
        if self._duckdb is None:
            self._duckdb = duckdb.connect(":memory:", config={"enable_external_access": "false"})
            self._duckdb.execute("SET TimeZone = 'UTC'")
            self._duckdb.execute("SET python_enable_replacements = false")
            self._duckdb.execute("SET threads = 1")
            self._duckdb.execute("SET lock_configuration = true")
        return self._duckdb

    def _replace(
        self, tree: exp.Expr, context: Context, access: Access, reading: _Reading, depth: int
    ) -> None:
        if depth > _MOST_VIEWS_DEEP:
            raise QueryFailed("GENERIC_USER_ERROR: a view refers to itself")
        wanted = referenced(tree)
        names = set()
        for node in table_nodes(tree):
            names.add(((node.db or context.database or "").lower(), node.name.lower()))
            found = find(context, node)
            scopes = access(found)
            if scopes is not None and not scopes:
                raise no_access()
            stored = view_query(found.glue)
            if stored is not None:
                shown = found.columns if scopes is None else visible_columns(found.columns, scopes)
                if not shown:
                    raise no_columns(node)
                self._put_view(
                    node,
                    stored,
                    shown,
                    context=context,
                    access=access,
                    reading=reading,
                    depth=depth,
                )
                continue
            data, columns = self._data(found, node)
            relation = self._relation(found, data, columns, scopes, node)
            self._count(relation, data, wanted, reading)
            put_in_place(node, relation[0])
        drop_databases(tree, names)

    def _put_view(
        self,
        node: exp.Table,
        stored: tuple[exp.Expr, str, str],
        shown: tuple[str, ...],
        *,
        context: Context,
        access: Access,
        reading: _Reading,
        depth: int,
    ) -> None:
        """A view's query in its place: it reads with the rights of who asks."""
        query, catalog, schema = stored
        inner = Context(context.account, context.region, context.catalogs, catalog, schema)
        self._replace(query, inner, access, reading, depth + 1)
        name = exp.to_identifier(node.alias_or_name, quoted=True)
        whole = exp.Subquery(this=query, alias=exp.TableAlias(this=name))
        some = exp.select(*[exp.column(one, quoted=True) for one in shown]).from_(whole)
        node.replace(exp.Subquery(this=some, alias=exp.TableAlias(this=name.copy())))

    def _count(
        self,
        relation: tuple[str, dict[str, str], int],
        data: TableData,
        wanted: set[str] | None,
        reading: _Reading,
    ) -> None:
        name, types, _ = relation
        reading.types[name] = types
        reading.input_rows += data.arrow.num_rows
        reading.scanned_bytes += sum(
            size
            for column, size in data.column_bytes.items()
            if column in types and (wanted is None or column in wanted)
        )

    def _data(self, found: FoundTable, node: exp.Table) -> tuple[TableData, tuple[str, ...]]:
        location = found.metadata_location
        try:
            if location is None:
                data = self._tables.files(found.account, found.region, found.glue)
                return data, found.columns
            table = self._tables.iceberg(location)
            if found.suffix:
                arrow = metadata_rows(table, found.suffix)
                key = ("metadata", location, found.suffix)
                return TableData(key, arrow, {}), tuple(arrow.column_names)
            data = self._tables.snapshot(location, _version(node, table))
        except NoObject as error:
            raise QueryFailed(
                "ICEBERG_MISSING_METADATA: Metadata not found in metadata location for table "
                f"{found.database}.{found.name}"
            ) from error
        except UnreadableTable as error:
            raise QueryFailed(str(error)) from error
        # Athena shows the columns that Glue's definition lists, whatever the metadata file has.
        listed = set(found.columns)
        return data, tuple(name for name in data.arrow.column_names if name in listed)

    def _relation(
        self,
        found: FoundTable,
        data: TableData,
        columns: tuple[str, ...],
        scopes: tuple[Scope, ...] | None,
        node: exp.Table,
    ) -> tuple[str, dict[str, str], int]:
        shown = columns if scopes is None or found.suffix else visible_columns(columns, scopes)
        if not shown:
            raise no_columns(node)
        granted = (
            None
            if scopes is None or found.suffix
            else frozenset((scope.columns, scope.rows) for scope in scopes)
        )
        key = (data.key, columns, granted)
        if key in self._relations:
            self._relations.move_to_end(key)
            return self._relations[key]
        connection = self._connection()
        self._made += 1
        name = f"t{self._made}"
        arrow = data.arrow.select(list(columns))
        if granted is not None and scopes is not None:
            connection.register("whole", arrow)
            try:
                text = visible_rows("whole", columns, scopes)
                if text is not None:
                    arrow = connection.sql(text).to_arrow_table()
            except duckdb.Error as error:
                raise QueryFailed("GENERIC_USER_ERROR: a row filter cannot be used") from error
            finally:
                connection.unregister("whole")
        connection.register(name, arrow)
        relation = connection.table(name)
        types = dict(zip(relation.columns, map(str, relation.types), strict=True))
        self._relations[key] = (name, types, arrow.nbytes)
        self._held_bytes += arrow.nbytes
        self._make_room(connection)
        return self._relations[key]

    def _make_room(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Lets go of what was used longest ago, but of nothing that this query may read."""
        while len(self._relations) > _LEAST_RELATIONS and (
            len(self._relations) > _MOST_RELATIONS or self._held_bytes > _MOST_BYTES
        ):
            _, (old, _, size) = self._relations.popitem(last=False)
            self._held_bytes -= size
            connection.unregister(old)


def _version(node: exp.Table, table: Any) -> int | None:
    """The snapshot that FOR VERSION or FOR TIMESTAMP asks for; None: the current one."""
    version = node.args.get("version")
    if version is None:
        return None
    if str(version.this).upper() == "VERSION":
        wanted = version.expression
        number = int(wanted.name) if isinstance(wanted, exp.Literal) and wanted.is_int else None
        known = {one.snapshot_id for one in table.metadata.snapshots}
        named = table.metadata.refs.get(wanted.name) if number is None else None
        found = named.snapshot_id if named is not None else number
        if found not in known:
            raise QueryFailed(
                f"INVALID_ARGUMENTS: line 1:1: Iceberg snapshot ID does not exists: {wanted.name}"
            )
        return found
    found = snapshot_as_of(table, _instant(version.expression))
    if found is None:
        raise QueryFailed(
            "INVALID_ARGUMENTS: line 1:1: No version history table at or before the given instant"
        )
    return found


def _instant(node: exp.Expr | None) -> datetime:
    """A point in time: a literal, or an expression over literals and `current_timestamp`."""
    if node is None:
        raise QueryFailed("SYNTAX_ERROR: line 1:1: FOR TIMESTAMP needs an instant")
    try:
        with duckdb.connect(":memory:", config={"enable_external_access": "false"}) as once:
            once.execute("SET TimeZone = 'UTC'")
            text = f"SELECT epoch_us(CAST({node.sql('duckdb')} AS TIMESTAMPTZ))"
            row = once.execute(text).fetchone()
    except duckdb.Error as error:
        raise QueryFailed("SYNTAX_ERROR: line 1:1: FOR TIMESTAMP needs an instant") from error
    if row is None or row[0] is None:
        raise QueryFailed("INVALID_ARGUMENTS: line 1:1: the instant is NULL")
    return datetime.fromtimestamp(row[0] / 1_000_000, UTC)


def empty_result() -> Result:
    """What a statement without rows gives."""
    return Result([], [], [], pa.table({}), 0, 0, 0.0)
