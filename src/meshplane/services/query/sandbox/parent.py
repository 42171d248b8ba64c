"""The sandbox as a service sees it: give it a statement, get an answer. Loads no engine."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson

from meshplane.kit.errors import MeshplaneError
from meshplane.services.query.sandbox import faults
from meshplane.services.query.sandbox.channel import ChannelClosed
from meshplane.services.query.sandbox.forkserver import Child, ForkServer
from meshplane.services.query.sandbox.job import (
    PARAMETER_BYTES,
    CheckedFilter,
    Column,
    Outcome,
    Relation,
    RelationName,
    Statement,
)
from meshplane.services.query.sandbox.text import check_text

Resolve = Callable[[Sequence[RelationName]], Awaitable[Sequence[Relation]]]
Sink = Callable[[bytes], Awaitable[None]]
"""Takes the next bytes of an answer's body; the statement waits until it returns."""

_T = TypeVar("_T")

_FILTER_SECONDS = 5.0
_TURN_SECONDS = 30.0
_CONTROL_BYTES = 1024 * 1024
_KEY_BYTES = 16
_ATTEMPTS = 3
_READY_FRAMES = 1


class Sandbox:
    """Runs statements, each in a process of its own that is forked before it is needed.

    Args:
        pool_size: how many children wait for a job.
        max_running: how many statements run at once; more wait for their turn, up to their own
            timeout.
    """

    def __init__(self, *, pool_size: int = 2, max_running: int = 4) -> None:
        self._pool_size = pool_size
        self._turns = asyncio.Semaphore(max_running)
        # A filter is checked in a moment; it does not wait behind statements that run for minutes.
        self._filter_turns = asyncio.Semaphore(max_running)
        self._starting = asyncio.Lock()
        self._server: ForkServer | None = None
        self._gone: list[ForkServer] = []
        self._warm: deque[asyncio.Task[Child]] = deque()
        self._stopped = False

    async def start(self) -> None:
        """Starts the fork server and fills the pool.

        Raises:
            Unavailable: `SANDBOX_UNAVAILABLE`, it cannot be started.
        """
        self._stopped = False
        await self._running()

    async def stop(self) -> None:
        """Ends every child and the fork server."""
        self._stopped = True
        server, self._server = self._server, None
        waiting = list(self._warm)
        if server is not None:
            await server.stop()
        while self._gone:
            await self._gone.pop().stop()
        # With the fork server gone, a child that was on its way answers with a closed socket.
        await asyncio.gather(*waiting, return_exceptions=True)

    @property
    def zygote_pid(self) -> int | None:
        """The process id of the fork server, if there is one; for those who watch it."""
        return self._server.pid if self._server else None

    async def run(
        self,
        statement: Statement,
        resolve: Resolve,
        mask_key: bytes,
        sink: Sink | None = None,
    ) -> Outcome:
        """Runs one statement.

        Args:
            statement: text, parameters, form of the answer, and limits.
            resolve: given the tables that the statement names (each once, common table expressions
                left out), gives their relations in the same order. What it raises goes to the
                caller unchanged, and ends the statement.
            mask_key: the tenant's secret for hash masks, 16 bytes or more. Equal values give equal
                hashes under one key.
            sink: takes the body piece by piece, within the time of the statement; then `body` of
                the outcome is empty. What it got before an error is raised is no answer.

        Raises:
            Refused: `SQL_REFUSED`, it uses what no statement may use.
            Invalid: `SQL_INVALID`, it is wrong as written; `SQL_RUNTIME`, it failed on a value.
            LimitReached: `SQL_LIMIT`, it used up its time, memory, nesting or size.
            Unavailable: `SANDBOX_UNAVAILABLE`, there is no process to run it in.
        """
        return await self._answered("run", statement, resolve, mask_key, sink)

    async def explain(self, statement: Statement, resolve: Resolve) -> Outcome:
        """Plans one SELECT, which may have EXPLAIN in front, and does not run it.

        Args:
            statement: as for `run`.
            resolve: as for `run`; of the relations, the names and types of visible columns are
                used and nothing else.

        Returns:
            One row with one column: the engine's plan over empty tables, as text.

        Raises:
            MeshplaneError: as `run`.
        """
        return await self._answered("explain", statement, resolve, bytes(_KEY_BYTES), None)

    async def _answered(
        self,
        kind: str,
        statement: Statement,
        resolve: Resolve,
        mask_key: bytes,
        sink: Sink | None,
    ) -> Outcome:
        if len(mask_key) < _KEY_BYTES:
            raise ValueError(f"a mask key has at least {_KEY_BYTES} bytes")
        _check(statement)
        started = time.monotonic()
        talk = _Talk(kind, statement, resolve, mask_key, started, sink)
        return await self._in_child(talk.hold, statement.limits.timeout_seconds, self._turns)

    async def check_row_filter(self, expression: str, columns: Sequence[Column]) -> str:
        """The text of what `read_row_filter` gives."""
        return (await self.read_row_filter(expression, columns)).text

    async def read_row_filter(self, expression: str, columns: Sequence[Column]) -> CheckedFilter:
        """Checks a row filter against its table's columns, in a child.

        Args:
            expression: SQL for one condition over the table's own columns; it may ask about the
                caller by `current_principal()` and `in_group('name')`.
            columns: all columns of the table.

        Returns:
            The expression as the engine writes it, for `Scope.row_filter`, and those of the
            columns that it names.

        Raises:
            Invalid: `ROW_FILTER_INVALID`, with what to change.
            Unavailable: `SANDBOX_UNAVAILABLE`, there is no process to check it in.
        """
        job = {
            "kind": "filter",
            "expression": expression,
            "columns": [column.to_json() for column in columns],
        }

        async def exchange(child: Child) -> CheckedFilter:
            await child.channel.send(job)
            found = _received(await child.channel.receive(_CONTROL_BYTES))
            named = tuple(Column.from_json(column) for column in found["columns"])
            return CheckedFilter(found["text"], named)

        try:
            return await self._in_child(exchange, _FILTER_SECONDS, self._filter_turns)
        except MeshplaneError as error:
            if error.code == "SQL_LIMIT":
                raise faults.fault(
                    "ROW_FILTER_INVALID", "The row filter takes too long to check; simplify it."
                ) from error
            raise

    async def _in_child(
        self,
        exchange: Callable[[Child], Awaitable[_T]],
        seconds: float,
        turns: asyncio.Semaphore,
    ) -> _T:
        """Does an exchange with a child of its own, when its turn has come.

        Time spent waiting for the turn is not the statement's.
        """
        try:
            async with asyncio.timeout(_TURN_SECONDS):
                await turns.acquire()
        except TimeoutError as error:
            raise faults.fault(
                "SANDBOX_BUSY", "Too many statements run at this moment. Try again."
            ) from error
        try:
            return await self._in_child_now(exchange, seconds)
        finally:
            turns.release()

    async def _in_child_now(self, exchange: Callable[[Child], Awaitable[_T]], seconds: float) -> _T:
        """Does an exchange with a child of its own, and ends the child whatever happens."""
        deadline = asyncio.timeout(seconds)
        try:
            async with deadline:
                for _ in range(_ATTEMPTS):
                    child, server = await self._take()
                    try:
                        return await exchange(child)
                    except ChannelClosed as error:
                        # One that was gone before it said a word may have died while it waited;
                        # one that dies with the fork server did not die of its statement.
                        if server.alive and child.channel.frames_received > _READY_FRAMES:
                            raise faults.limit(faults.GONE) from error
                    finally:
                        child.channel.close()
                        server.kill(child.number)
                        self._refill()
                raise faults.limit(faults.GONE)
        except TimeoutError as error:
            if not deadline.expired():
                raise  # the resolver's own
            raise faults.limit(
                f"The statement took longer than its {seconds:g} seconds, and was stopped."
            ) from error

    async def _take(self) -> tuple[Child, ForkServer]:
        """The next waiting child."""
        for _ in range(_ATTEMPTS):
            server = await self._running()
            if not self._warm:
                self._add(server)
            task = self._warm.popleft()
            try:
                child = await asyncio.shield(task)
            except ChannelClosed:
                continue
            except asyncio.CancelledError:
                self._warm.appendleft(task)  # our wait is over, not the child's life
                raise
            if server.alive:
                return child, server
            child.channel.close()
        raise _unavailable()

    async def _running(self) -> ForkServer:
        async with self._starting:
            if self._stopped:
                raise _unavailable()
            if self._server is None or not self._server.alive:
                self._server = await self._started()
                self._refill()
            return self._server

    async def _started(self) -> ForkServer:
        server = ForkServer(self._lost)
        try:
            await server.start()
        except BaseException as error:
            await asyncio.shield(server.stop())
            if isinstance(error, ChannelClosed | TimeoutError | OSError):
                raise _unavailable() from error
            raise
        return server

    def _lost(self) -> None:
        """A fork server is gone, and its waiting children with it."""
        if self._server is not None and not self._server.alive:
            self._gone.append(self._server)
        while self._warm:
            self._warm.popleft().add_done_callback(_close)

    def _refill(self) -> None:
        server = self._server
        while server and server.alive and not self._stopped and len(self._warm) < self._pool_size:
            self._add(server)

    def _add(self, server: ForkServer) -> None:
        self._warm.append(asyncio.get_running_loop().create_task(server.fork()))


def _close(task: asyncio.Task[Child]) -> None:
    """Closes our end of a child that nobody will use; one that never came has none."""
    if not task.cancelled() and task.exception() is None:
        task.result().channel.close()


def _unavailable() -> MeshplaneError:
    return faults.fault(
        "SANDBOX_UNAVAILABLE", "There is no process to run the statement in. Try again."
    )


def _check(statement: Statement) -> None:
    """Refuses what need not reach a child."""
    check_text(statement.sql)
    parameters = statement.parameters
    if parameters is None:
        return
    if isinstance(parameters, str | bytes) or not isinstance(parameters, Sequence | Mapping):
        raise faults.invalid("Parameters are a list, or an object by name.")
    try:
        size = len(orjson.dumps(statement.to_json()["parameters"]))
    except TypeError as error:
        raise faults.invalid("The value of a parameter is not a JSON value.") from error
    if size > PARAMETER_BYTES:
        raise faults.limit(f"The parameters take more than {PARAMETER_BYTES} bytes.")


def _received(frame: Any) -> dict[str, Any]:
    """A JSON frame of a child; its fault is raised."""
    if not isinstance(frame, dict):
        raise ChannelClosed
    if frame["kind"] == "fault":
        error = faults.from_json(frame)
        if "defect" in frame:
            raise error from RuntimeError(f"defect in the sandbox's child: {frame['defect']}")
        raise error
    return frame


@dataclass(slots=True)
class _Talk:
    """What is said with a child about one statement."""

    kind: str
    statement: Statement
    resolve: Resolve
    mask_key: bytes
    started: float
    sink: Sink | None

    async def hold(self, child: Child) -> Outcome:
        """The statement's outcome."""
        channel = child.channel
        await channel.send({"kind": self.kind, "statement": self.statement.to_json()})
        asked = _received(await channel.receive(_CONTROL_BYTES))
        names = tuple(RelationName(schema, name) for schema, name in asked["names"])
        before = time.monotonic()
        relations = await self.resolve(names)
        resolve_seconds = time.monotonic() - before
        await channel.send(
            {
                "relations": [relation.to_json() for relation in relations],
                "maskKey": self.mask_key.hex(),
            }
        )
        body = bytearray()
        answer = await self._answer(child, body)
        return Outcome(
            columns=tuple(answer["columns"]),
            row_count=answer["rowCount"],
            truncated=answer["truncated"],
            body=bytes(body),
            relations=names,
            seconds=time.monotonic() - self.started,
            resolve_seconds=resolve_seconds,
        )

    async def _answer(self, child: Child, body: bytearray) -> dict[str, Any]:
        """What the child tells at the end; its rows go to the sink, or into `body`."""
        size = 0
        while True:
            try:
                frame = await child.channel.receive(_CONTROL_BYTES)
            except ChannelClosed as error:
                if size and self.sink is not None:
                    # Its reader has some of the rows already: it cannot be run again.
                    raise faults.limit(faults.GONE) from error
                raise
            if not isinstance(frame, bytes):
                return _received(frame)
            size += len(frame)
            if size > self.statement.limits.max_bytes + _CONTROL_BYTES:
                raise ChannelClosed
            if self.sink is None:
                body += frame
            else:
                await self.sink(frame)
