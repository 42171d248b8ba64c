"""One statement in a warm child: parse, pass the gate, learn what is granted, lock, run, answer."""

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import duckdb
import pyarrow as pa

from meshplane.kit.errors import MeshplaneError
from meshplane.services.query.sandbox import bodies, channel, explaining, faults, results, views
from meshplane.services.query.sandbox.describe import described
from meshplane.services.query.sandbox.engine import (
    Connection,
    Parsed,
    identifier,
    literal,
    lock,
    parse,
)
from meshplane.services.query.sandbox.engine_faults import from_engine, is_binding
from meshplane.services.query.sandbox.gate import Gate, Gated
from meshplane.services.query.sandbox.job import Limits, Relation, RelationName, Statement
from meshplane.services.query.sandbox.pivot import MAX_VALUES, Pivot, pivot
from meshplane.services.query.sandbox.text import check_text

# UnicodeDecodeError: the engine's client could not read a message of the engine.
_FAILURES = (
    duckdb.Error,
    pa.ArrowException,
    OSError,
    MemoryError,
    RecursionError,
    UnicodeDecodeError,
)


@dataclass(frozen=True, slots=True)
class Plan:
    """A statement that passed the gate.

    Attributes:
        names: the tables that it reads.
        parsed: what the engine will run; None for DESCRIBE, which it will not.
        pivot: a PIVOT whose values `probes` read first; `parsed` is then its form without values.
    """

    names: tuple[RelationName, ...]
    parsed: Parsed | None
    pivot: Pivot | None = None
    probes: tuple[Parsed, ...] = ()


def run(sock: socket.socket, connection: Connection, statement: Statement) -> None:
    """Answers one statement over the socket: its rows in frames of bytes, then what they are.

    Raises:
        MeshplaneError: one of the four codes of governed SQL, also when frames were sent already.
    """
    plan = _plan(connection, statement)
    relations, mask_key = _granted(sock, connection, plan)

    def send(part: bytes) -> None:
        channel.send_bytes(sock, part)

    if plan.parsed is None:
        answer = _described(relations[0], statement, send)
    else:
        _prepare(connection, statement.limits, plan.names, relations, mask_key)
        answer = _executed(connection, plan, plan.parsed, statement, send)
    _tell(sock, answer)


def explain(sock: socket.socket, connection: Connection, statement: Statement) -> None:
    """Answers with the engine's plan of one SELECT over empty tables of what its caller may see.

    Neither a file is opened nor a policy applied: the plan is of the caller's text, and of the
    names and types of the columns that he sees, and of nothing else.

    Raises:
        MeshplaneError: SQL_REFUSED, SQL_INVALID, SQL_LIMIT; SQL_RUNTIME for a constant that fails.
    """
    statement = replace(statement, sql=explaining.explained_text(statement.sql))
    plan = _plan(connection, statement)
    if plan.parsed is None or plan.pivot is not None:
        raise faults.refused(explaining.NOT_PLANNED)
    relations, _ = _granted(sock, connection, plan)
    path = _search_path(plan.names, relations)
    try:
        lock(connection, statement.limits, [])
        explaining.create_tables(connection, relations)
        _look_in(connection, path)
    except duckdb.Error as error:
        raise faults.refused(faults.POLICY) from error
    parameters: Any = statement.parameters or None
    try:
        text = explaining.plan_text(connection, statement.sql, parameters)
    except _FAILURES as error:
        raise _told(connection, plan.parsed, parameters, statement.sql, error) from error
    rows = [*explaining.column_rows(relations), ("", "", "", text)]
    names = ("schema", "relation", "name", "text")
    table = pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows])
    columns = [{"name": name, "type": "VARCHAR"} for name in names]
    answer = results.encode_batches(
        columns,
        table.schema,
        table.to_batches(),
        "json",
        statement.limits,
        send=lambda part: channel.send_bytes(sock, part),
    )
    _tell(sock, answer)


def _granted(
    sock: socket.socket, connection: Connection, plan: Plan
) -> tuple[list[Relation], bytes]:
    """What the caller may read of the tables that his statement names, and the key of masks."""
    channel.send(sock, {"kind": "relations", "names": [list(name) for name in plan.names]})
    granted = channel.receive(sock)
    relations = [Relation.from_json(value) for value in granted["relations"]]
    _match_relations(plan.names, relations)
    relations = [views.standing(connection, relation) for relation in relations]
    return relations, bytes.fromhex(granted["maskKey"])


def _tell(sock: socket.socket, answer: results.Answer) -> None:
    channel.send(
        sock,
        {
            "kind": "answer",
            "columns": answer.columns,
            "rowCount": answer.row_count,
            "truncated": answer.truncated,
        },
    )


def _plan(connection: Connection, statement: Statement) -> Plan:
    sql = statement.sql
    check_text(sql)
    try:
        parsed = parse(connection, sql)
        if parsed is None:
            return _pivot_plan(connection, sql)
        target = described(parsed.tree)
        if target is not None:
            return Plan((target,), None)
        gated = Gate(sql).statement(parsed.tree)
        _match_parameters(gated.parameters, statement.parameters)
        return Plan(gated.relations, parsed)
    except _FAILURES as error:
        raise from_engine(error, sql) from error


def _pivot_plan(connection: Connection, sql: str) -> Plan:
    # No places in the text here: what the engine parses is not what the caller wrote.
    taken = pivot(sql)
    texts = [*taken.probes(), taken.statement([["x"]] * len(taken.elements))]
    try:
        passed = [_gated(connection, text) for text in texts]
    except _FAILURES as error:
        raise from_engine(error, "") from error
    names = dict.fromkeys(name for _, gated in passed for name in gated.relations)
    *probes, last = [parsed for parsed, _ in passed]
    return Plan(tuple(names), last, taken, tuple(probes))


def _gated(connection: Connection, text: str) -> tuple[Parsed, Gated]:
    parsed = parse(connection, text)
    if parsed is None:
        raise faults.refused("PIVOT within PIVOT needs IN (…).")
    gated = Gate("").statement(parsed.tree)
    _match_parameters(gated.parameters, None)
    return parsed, gated


def _match_parameters(
    wanted: frozenset[str], given: Sequence[Any] | Mapping[str, Any] | None
) -> None:
    if isinstance(given, Mapping):
        names = set(given)
    else:
        names = {str(number + 1) for number in range(len(given or ()))}
    missing, extra = sorted(wanted - names), sorted(names - wanted)
    if missing:
        raise faults.invalid(f"The statement has parameters without a value: {_list(missing)}.")
    if extra:
        raise faults.invalid(f"There are values for no parameter of the statement: {_list(extra)}.")


def _list(names: Sequence[str]) -> str:
    return ", ".join(f"${name}" for name in names[:10])


def _match_relations(names: Sequence[RelationName], relations: Sequence[Relation]) -> None:
    """A table that was not asked for is no table to read, whoever hands it over."""
    fits = len(names) == len(relations) and all(
        relation.name.lower() == name.lower()
        and (schema is None or relation.schema.lower() == schema.lower())
        for (schema, name), relation in zip(names, relations, strict=True)
    )
    if not fits:
        raise faults.refused(faults.POLICY)


def _prepare(
    connection: Connection,
    limits: Limits,
    names: Sequence[RelationName],
    relations: Sequence[Relation],
    mask_key: bytes,
) -> None:
    """Locks the engine, and builds in it the views of what the statement names."""
    path = _search_path(names, relations)
    files = sorted(bodies.files(relations))
    distinct = {(it.schema.lower(), it.name.lower()): it for it in relations}
    try:
        lock(connection, limits, files)
        views.check_files(connection, files)
        for relation in distinct.values():
            whole = bodies.with_body_built(connection, relation, mask_key)
            views.create_view(connection, whole, views.hash_key(mask_key, relation.schema))
        _look_in(connection, path)
    except duckdb.Error as error:
        # Whatever the engine has to say here is about files and policies, which are not shown.
        raise faults.refused(faults.FILES) from error


def _look_in(connection: Connection, path: Sequence[str]) -> None:
    """Has names without a schema found in these."""
    if path:
        connection.execute(f"SET search_path = {literal(','.join(path))}")


def _search_path(names: Sequence[RelationName], relations: Sequence[Relation]) -> list[str]:
    """The schemas of the tables that stand without one, so that each name finds its own table."""
    bare = {
        relation.name.lower(): relation
        for (schema, _), relation in zip(names, relations, strict=True)
        if schema is None
    }
    path = list(dict.fromkeys(relation.schema for relation in bare.values()))
    built = {(relation.schema.lower(), relation.name.lower()) for relation in relations}
    for name, relation in bare.items():
        first = next(schema for schema in path if (schema.lower(), name) in built)
        if first != relation.schema:
            raise faults.invalid(
                f"Write the schema of “{relation.name}”: tables of that name in two schemas are "
                "read here."
            )
    return [identifier(schema) for schema in path]


def _described(relation: Relation, statement: Statement, send: results.Send) -> results.Answer:
    seen = views.visible_columns(relation)
    table = pa.table(
        {
            "column_name": pa.array([each.column.name for each in seen], pa.string()),
            "column_type": pa.array([each.sql_type for each in seen], pa.string()),
        }
    )
    columns = [{"name": name, "type": "VARCHAR"} for name in table.column_names]
    return results.encode_batches(
        columns, table.schema, table.to_batches(), statement.output, statement.limits, send=send
    )


def _executed(
    connection: Connection, plan: Plan, parsed: Parsed, statement: Statement, send: results.Send
) -> results.Answer:
    if plan.pivot is None:
        return _answer(connection, parsed, statement, statement.sql, send)
    try:
        values = [_values(connection, probe) for probe in plan.probes]
        parsed, gated = _gated(connection, plan.pivot.statement(values))
    except _FAILURES as error:
        raise from_engine(error, "") from error
    if not set(gated.relations) <= set(plan.names):
        raise faults.refused("This PIVOT needs IN (…).")
    return _answer(connection, parsed, statement, "", send)


def _values(connection: Connection, probe: Parsed) -> list[str]:
    rows = connection.sql(probe.statement).fetchall()
    if len(rows) > MAX_VALUES:
        raise faults.limit(f"PIVOT would make more than {MAX_VALUES} columns; write IN (…).")
    return [value for (value,) in rows]


def _answer(
    connection: Connection, parsed: Parsed, statement: Statement, sql: str, send: results.Send
) -> results.Answer:
    """Runs what passed the gate; `sql` is its text if the caller wrote it, for places in it."""
    parameters: Any = statement.parameters or None
    try:
        relation = connection.sql(parsed.statement, params=parameters)
        return results.answer(relation, statement.output, statement.limits, send)
    except _FAILURES as error:
        raise _told(connection, parsed, parameters, sql, error) from error


def _told(
    connection: Connection, parsed: Parsed, parameters: Any, sql: str, error: BaseException
) -> MeshplaneError:
    """What to say of a failure of the engine, with its place in the text where it has one."""
    if not is_binding(error):
        return from_engine(error, sql)
    try:
        # The way on which it failed tells of no place in the text; this one fails alike, and does.
        connection.execute(parsed.statement, parameters)
    except duckdb.Error as again:
        error = again if is_binding(again) else error
    return from_engine(error, sql)
