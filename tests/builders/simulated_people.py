"""Those around a simulated mesh: an outside system with a book of its own, clients, and people.

They do what makes life hard: they answer late and twice, repeat what got no answer, and keep
messages that they have answered already.
"""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import orjson

from meshplane.events.queues import MESSAGES, Message, finish, message_of
from meshplane.kit.errors import Conflict, MeshplaneError, Unavailable
from meshplane.platform.events import NewEvent
from meshplane.workflows.asl import PENDING, TaskFailed, TaskRequest
from meshplane.workflows.performers import ExecutionInfo
from meshplane.workflows.run_as import RunAs
from tests.builders.simulated_machines import NEVER, result
from tests.builders.simulated_process import Process

ADA = RunAs("ada@aviation", ("aviation-stewards",))
_SLOWEST_SECONDS = 3.0
_LEASE_SECONDS = 30.0


@dataclass
class Performance:
    """One time that the outside system was asked for something."""

    process: Process
    begun_at: float
    is_over: bool = False


@dataclass
class OutsideSystem:
    """Does what tasks and messages ask for, once for each key, and writes down what it was asked.

    Args:
        chance: how long it takes.
    """

    chance: random.Random
    complaints: list[str] = field(default_factory=list)
    asked: dict[str, list[Performance]] = field(default_factory=dict)
    about: dict[str, str] = field(default_factory=dict)
    called: set[str] = field(default_factory=set)

    async def do(self, process: Process, key: str, arguments: Any, owner: str) -> Any:
        """Does it; the answer.

        Raises:
            TaskFailed: it was told to fail.
        """
        now = asyncio.get_running_loop().time
        before = self.asked.setdefault(key, [])
        for other in before:
            alive = not (other.is_over or other.process.life.is_over)
            # Who stood still for longer than a lease may go on with what another has taken over.
            awake_since = other.process.life.held_until
            if alive and awake_since < max(1.0, other.begun_at - _LEASE_SECONDS):
                self.complaints.append(f"{owner}: a task runs twice at the same time")
        told = orjson.dumps({**arguments, "try": 0}).decode()
        if self.about.setdefault(key, told) != told:
            self.complaints.append(f"{owner}: one key is used for {told} and {self.about[key]}")
        performance = Performance(process, now())
        before.append(performance)
        try:
            await asyncio.sleep(self.chance.random() * _SLOWEST_SECONDS)
            process.reached("task before its effect")
            answer = result(arguments)
            if answer is PENDING:
                await asyncio.Event().wait()
            self.called.add(owner)
            process.reached("task after its effect")
            await asyncio.sleep(self.chance.random() * _SLOWEST_SECONDS)
            return answer
        finally:
            performance.is_over = True


class Tasks:
    """Tasks outside the store; see `Outside`."""

    def __init__(self, process: Process, outside: OutsideSystem) -> None:
        self._process = process
        self._outside = outside

    async def perform(self, request: TaskRequest, execution: ExecutionInfo) -> Any:
        """See `Outside.perform`."""
        key, owner = request.key, execution.execution_id
        return await self._outside.do(self._process, f"{owner} {key}", request.parameters, owner)


class Api:
    """Operations for the task worker; see `PlatformApi`."""

    def __init__(self, process: Process, outside: OutsideSystem) -> None:
        self._process = process
        self._outside = outside

    async def call(self, operation_id: str, arguments: Any, *, actor: Any, key: str) -> Any:
        """See `PlatformApi.call`."""
        try:
            return await self._outside.do(
                self._process, f"{actor.via} {key}", arguments, str(actor.via)
            )
        except TaskFailed as failure:
            raise Conflict(failure.error, failure.cause) from failure

    async def invoke(
        self, method: str, path: str, arguments: Any, *, actor: Any, key: str
    ) -> tuple[int, Any]:
        """See `PlatformApi.invoke`: nobody here asks for it."""
        raise Unavailable("NOT_HERE", "Operations are called by their ids here.")


@dataclass
class Calls:
    """A function that a rule calls: outside the store, and not always to be reached."""

    process: Process
    outside: OutsideSystem

    async def handle(self, work: Any, message: Message) -> None:
        """Calls the outside system under the message's key."""
        if self.outside.chance.random() < 0.2:
            raise Unavailable("AWAY", "It does not answer.")
        detail = {**message.body["detail"], "try": 0}
        await self.outside.do(self.process, f"call {message.key}", detail, message.message_id)


class People:
    """Clients that start executions, put events and answer tokens.

    Args:
        chance: decides what they do.
        alive: the processes that answer now.
    """

    def __init__(self, chance: random.Random, alive: list[Process]) -> None:
        self.complaints: list[str] = []
        self.accepted: Counter[str] = Counter()
        self.is_done = asyncio.Event()
        self._chance = chance
        self._alive = alive

    async def start(self, machine: str, given: Any, name: str) -> None:
        """Starts an execution, again and again until somebody says that it was."""

        async def start(process: Process) -> None:
            work = process.store.begin()
            await process.workflows.start(work, machine, given, run_as=ADA, name=name)
            await work.commit()

        times = 2 if self._chance.random() < 0.2 else 1
        while times:
            times -= await self._asks(start)
            await asyncio.sleep(self._chance.random() * 2)

    async def put_event(self, n: int, how: list[str]) -> None:
        """Puts an event; if nobody answers, it may be there or not."""

        async def put(process: Process) -> None:
            work = process.store.begin()
            work.emit(NewEvent("Told", "sim", f"thing-{n}", {"n": n, "how": how}))
            await work.commit()

        await self._asks(put)

    async def answer_for_ever(self) -> None:
        """Answers what lies in the people's queue."""
        while not self.is_done.is_set():
            await asyncio.sleep(self._chance.expovariate(1 / 4))
            await self._asks(self._answer_some)

    async def _asks(self, what: Any) -> bool:
        """Asks a process for something; whether it was done."""
        if not self._alive:
            return False
        process = self._chance.choice(self._alive)
        task = process.life.begin(lambda: asyncio.ensure_future(what(process)))
        death = asyncio.ensure_future(process.death.wait())
        await asyncio.wait([task, death], return_when=asyncio.FIRST_COMPLETED)
        death.cancel()
        if not task.done():
            return False
        error = task.exception()
        if isinstance(error, Exception) and not isinstance(error, MeshplaneError):
            raise error
        return error is None

    async def _answer_some(self, process: Process) -> None:
        page = await process.store.begin().query(MESSAGES, "people")
        for row in page.rows:
            if self._chance.random() < 0.5:
                continue
            message = message_of(row)
            times = 2 if self._chance.random() < 0.3 else 1
            answers = [self._answer(process, message.body) for _ in range(times)]
            await asyncio.gather(*answers)
            if self._chance.random() < 0.6:
                work = process.store.begin()
                finish(work, message)
                await work.commit()

    async def _answer(self, process: Process, body: Any) -> None:
        token, arguments = body["taskToken"], body["arguments"]
        if arguments["how"] == [NEVER]:
            return
        work = process.store.begin()
        try:
            try:
                output = result(arguments)
                if self.accepted[token]:
                    output = "an answer that comes too late"
                await process.workflows.answer_success(work, token, output)
            except TaskFailed as failure:
                await process.workflows.answer_failure(work, token, failure.error, failure.cause)
            await work.commit()
        except MeshplaneError:
            return  # answered before, or at this moment, or its task is over
        self.accepted[token] += 1
        if self.accepted[token] > 1:
            self.complaints.append("a token took two answers")
