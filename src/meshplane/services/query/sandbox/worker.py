"""The child: one job from its socket, one answer, and then it ends."""

import ctypes
import os
import resource
import select
import socket
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa

from meshplane.kit.errors import MeshplaneError
from meshplane.services.query.sandbox import channel, faults, results, views
from meshplane.services.query.sandbox.describe import described
from meshplane.services.query.sandbox.engine import Connection, lock, open_engine, parse
from meshplane.services.query.sandbox.engine_faults import from_engine, is_binding
from meshplane.services.query.sandbox.filters import canonical
from meshplane.services.query.sandbox.gate import Gate
from meshplane.services.query.sandbox.job import Column, Limits, Relation, RelationName, Scope, Statement

_OPEN_FILES = 1024
_WALK_FRAMES = 20_000  # the decoder's 1,024 levels, with some frames of the walk for each
_MEMORY_SLACK_MIB = 1024  # stacks, code and Arrow's copies, over what the engine counts
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_SIGKILL = 9
_FRAME_BYTES = 4 * 1024 * 1024


def serve(sock: socket.socket, zygote_pid: int) -> None:
    """Warms an engine, waits for the job, does it. Returns when the answer is sent."""
    _confine(zygote_pid)
    connection = open_engine()
    _warm(connection)
    channel.send(sock, {"kind": "ready", "pid": os.getpid()})
    job = channel.receive(sock)
    threading.Thread(target=_end_with_parent, args=(sock,), daemon=True).start()
    sys.setrecursionlimit(_WALK_FRAMES)
    try:
        if job["kind"] == "filter":
            _check_filter(sock, connection, job)
        else:
            _run(sock, connection, Statement.from_json(job["statement"]))
    except MeshplaneError as error:
        channel.send(sock, {"kind": "fault", **faults.to_json(error)})
    except channel.ChannelClosed:
        return  # the parent no longer wants the answer
    except Exception as error:
        channel.send(sock, {"kind": "fault", **faults.to_json(faults.runtime()), "defect": _spot(error)})


def _warm(connection: Connection) -> None:
    """Goes once through what a statement goes through, so that the first one finds it loaded."""
    parsed = parse(connection, "SELECT a FROM t WHERE a > 1")
    Gate("").statement(parsed.tree)
    column = Column("a", 1, "INTEGER")
    relation = Relation("w", "t", (), (column,), (Scope("a > 1", {"a": None}),))
    views.create_view(connection, relation, "")
    rows = connection.sql("SELECT a, 'x' FROM w.t ORDER BY a")
    results.answer(rows, "json", Limits())
    connection.execute("DROP SCHEMA w CASCADE")


def _spot(error: BaseException) -> str:
    """Where a defect of this package showed, for the log: names of code, never a message."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code.co_qualname if trace else "?"
    return f"{type(error).__name__} in {code}, line {trace.tb_lineno if trace else 0}"


def _confine(zygote_pid: int) -> None:
    """Leaves the child no way to write a file, dump its memory, or outlive the fork server."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
        libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != zygote_pid:  # it died before the signal was asked for
        os._exit(0)


def _budget(limits: Limits) -> None:
    """The kernel's own bounds on processor time and address space."""
    seconds = int(limits.timeout_seconds * limits.threads) + 2
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    if sys.platform == "linux":
        with open("/proc/self/statm", encoding="ascii") as statm:
            used = int(statm.read().split()[0]) * resource.getpagesize()
        bound = used + (limits.memory_mib + _MEMORY_SLACK_MIB) * 1024 * 1024
        resource.setrlimit(resource.RLIMIT_AS, (bound, bound))


def _end_with_parent(sock: socket.socket) -> None:
    """Ends the process when the parent is gone, even from within a long call of the engine."""
    poll = select.poll()
    poll.register(sock, 0)  # nothing is read here; a hang-up is always told
    poll.poll()
    os._exit(0)


def _check_filter(sock: socket.socket, connection: Connection, job: Mapping[str, Any]) -> None:
    lock(connection, Limits(), [])
    columns = [Column.from_json(column) for column in job["columns"]]
    text = canonical(connection, job["expression"], columns)
    channel.send(sock, {"kind": "filter", "text": text})


def _run(sock: socket.socket, connection: Connection, statement: Statement) -> None:
    started = time.monotonic()
    _budget(statement.limits)
    sql = statement.sql
    try:
        parsed = parse(connection, sql)
        target = described(parsed.tree)
        if target is None:
            gated = Gate(sql).statement(parsed.tree)
            names = gated.relations
            _match_parameters(gated.parameters, statement.parameters)
        else:
            names = (target,)
    except (duckdb.Error, RecursionError, MemoryError) as error:
        raise from_engine(error, sql) from error
    channel.send(sock, {"kind": "relations", "names": [list(name) for name in names]})
    granted = channel.receive(sock)
    resolved = time.monotonic()
    relations = [Relation.from_json(value) for value in granted["relations"]]
    key = views.hash_key(bytes.fromhex(granted["maskKey"]))
    _match_relations(names, relations)
    if target is not None:
        answer = _described(relations[0], statement)
    else:
        _prepare(connection, statement.limits, names, relations, key)
        answer = _executed(connection, parsed.statement, statement)
    channel.send(
        sock,
        {
            "kind": "answer",
            "columns": answer.columns,
            "rowCount": answer.row_count,
            "truncated": answer.truncated,
            "size": len(answer.body),
            "seconds": time.monotonic() - started,
            "preparedSeconds": time.monotonic() - resolved,
        },
    )
    for start in range(0, len(answer.body), _FRAME_BYTES):
        channel.send_bytes(sock, answer.body[start : start + _FRAME_BYTES])


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
    key: str,
) -> None:
    """Locks the engine, and builds in it the views of what the statement names."""
    path = _search_path(names, relations)
    files = sorted({file for relation in relations for file in relation.files})
    distinct = {(it.schema.lower(), it.name.lower()): it for it in relations}
    try:
        lock(connection, limits, files)
        for relation in distinct.values():
            views.create_view(connection, relation, key)
        if path:
            connection.execute(f"SET search_path = {views.literal(','.join(path))}")
    except duckdb.Error as error:
        # Whatever the engine has to say here is about files and policies, which are not shown.
        raise faults.refused(faults.FILES) from error


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
    return [views.identifier(schema) for schema in path]


def _described(relation: Relation, statement: Statement) -> results.Answer:
    seen = views.visible_columns(relation)
    table = pa.table(
        {
            "column_name": pa.array([each.column.name for each in seen], pa.string()),
            "column_type": pa.array([each.sql_type for each in seen], pa.string()),
        }
    )
    columns = [{"name": name, "type": "VARCHAR"} for name in table.column_names]
    return results.encode_batches(
        columns, table.schema, table.to_batches(), statement.output, statement.limits
    )


def _executed(
    connection: Connection, engine_statement: duckdb.Statement, statement: Statement
) -> results.Answer:
    parameters: Any = statement.parameters or None
    try:
        relation = connection.sql(engine_statement, params=parameters)
        return results.answer(relation, statement.output, statement.limits)
    except (duckdb.Error, pa.ArrowException, OSError, MemoryError, RecursionError) as error:
        if not is_binding(error):
            raise from_engine(error, statement.sql) from error
        bound = error
    try:
        # The way above tells of no place in the text; this one fails alike, and does.
        connection.execute(engine_statement, parameters)
    except duckdb.Error as error:
        bound = error if is_binding(error) else bound
    raise from_engine(bound, statement.sql) from bound
