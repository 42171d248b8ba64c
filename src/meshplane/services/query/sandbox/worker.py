"""The child: one job from its socket, one answer, and then it ends."""

import ctypes
import os
import resource
import select
import socket
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from meshplane.kit.errors import MeshplaneError
from meshplane.services.query.sandbox import channel, faults, results, views
from meshplane.services.query.sandbox.engine import Connection, lock, open_engine, parse
from meshplane.services.query.sandbox.filters import canonical
from meshplane.services.query.sandbox.gate import Gate
from meshplane.services.query.sandbox.job import Column, Limits, Relation, Scope, Statement
from meshplane.services.query.sandbox.running import explain, run

_OPEN_FILES = 1024
_WALK_FRAMES = 20_000  # the decoder's 1,024 levels, with some frames of the walk for each
_MEMORY_SLACK_MIB = 1024  # stacks, code and Arrow's copies, over what the engine counts
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_SIGKILL = 9


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
            statement = Statement.from_json(job["statement"])
            _budget(statement.limits)
            task = explain if job["kind"] == "explain" else run
            task(sock, connection, statement)
    except MeshplaneError as error:
        channel.send(sock, {"kind": "fault", **faults.to_json(error)})
    except channel.ChannelClosed:
        return  # the parent no longer wants the answer
    except Exception as error:  # noqa: BLE001 - nothing is above it but the end of the process
        fault = faults.to_json(faults.runtime())
        channel.send(sock, {"kind": "fault", **fault, "defect": _spot(error)})


def _warm(connection: Connection) -> None:
    """Goes once through what a statement goes through, so that the first one finds it loaded."""
    parsed = parse(connection, "SELECT a FROM t WHERE a > 1")
    if parsed is not None:
        Gate("").statement(parsed.tree)
    column = Column("a", 1, "INTEGER")
    relation = Relation("w", "t", (), (column,), (Scope("a > 1", {"a": None}),))
    views.create_view(connection, relation, "")
    rows = connection.sql("SELECT a, 'x' FROM w.t ORDER BY a")
    results.answer(rows, "json", Limits(), lambda part: None)
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
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[0]
        used = int(pages) * resource.getpagesize()
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
    found = canonical(connection, job["expression"], columns)
    named = [column.to_json() for column in found.columns]
    channel.send(sock, {"kind": "filter", "text": found.text, "columns": named})
