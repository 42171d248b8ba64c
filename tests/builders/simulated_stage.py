"""One simulated process on a store of its own, for a story that a test tells itself."""

import asyncio
import random
import shutil
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from meshplane.services.workflows.task_answers import EngineAnswers
from meshplane.services.workflows.task_worker import TaskWorker
from meshplane.workflows.executions import Execution
from tests.builders.graveyard import Graveyard
from tests.builders.simulated_loop import SimulatedLoop, drawn_from
from tests.builders.simulated_people import ADA, Api, OutsideSystem, Tasks
from tests.builders.simulated_process import Deaths, Process
from tests.builders.simulation import template

T = TypeVar("T")


class DeathAt(Deaths):
    """A process dies at the nth point that is reached while `left` is not 0, and never again.

    Args:
        chance: whether what was on its way to the disk is kept.
        number: which one; 0 for never.

    Attributes:
        on_point: called at each point.
    """

    def __init__(self, chance: random.Random, number: int) -> None:
        super().__init__(chance, 1, 1.0)
        self.reached = 0
        self.on_point: Callable[[], None] = lambda: None
        self._number = number

    def strikes(self, point: str) -> bool:
        """See `Deaths.strikes`."""
        if self.left == 0:
            return False
        self.reached += 1
        self.on_point()
        if self.reached != self._number:
            return False
        self.left = 0
        self.at[point] += 1
        return True


class Stage:
    """Where one process at a time works on a store.

    Args:
        path: of the database.
        chance: of the world around the product.
        die_at: the point at which the first process dies; 0 for never.
    """

    def __init__(self, path: Path, chance: random.Random, die_at: int = 0) -> None:
        self.outside = OutsideSystem(chance)
        self.deaths = DeathAt(chance, die_at)
        self.lives: list[Process] = []
        self._path = path
        self._owners = Graveyard()

    @property
    def process(self) -> Process:
        """The one that works now, or worked last."""
        return self.lives[-1]

    def open(self) -> Process:
        """Starts a process; the one before it, if there is one, has died."""
        if self.lives:
            self._owners.bury(self.process.workflows.runner.name)
        process = Process(
            f"p{len(self.lives)}",
            self._path,
            self.deaths,
            self._owners,
            performers=lambda process: {"meshplane": Tasks(process, self.outside)},
            handlers=lambda process: (
                TaskWorker(Api(process, self.outside), EngineAnswers(process.workflows)).queues
            ),
        )
        if self.lives:
            process.clock.ahead = self.process.clock.ahead
        self.lives.append(process)
        process.start()
        return process

    async def put(self, name: str, definition: dict[str, Any]) -> None:
        """Puts a state machine."""
        work = self.process.store.begin()
        await self.process.workflows.put_machine(work, name, definition, created_by="user:ada")
        await work.commit()

    async def start(self, machine: str, given: Any, name: str) -> str:
        """Starts an execution; its id."""

        async def begin() -> str:
            work = self.process.store.begin()
            started = await self.process.workflows.start(
                work, machine, given, run_as=ADA, name=name
            )
            await work.commit()
            return started.execution_id

        return str(await self.ask(begin()))

    async def ask(self, what: Coroutine[Any, Any, T]) -> T | None:
        """Has the process do something; None when it dies of it."""
        process = self.process
        task = process.life.begin(lambda: asyncio.ensure_future(what))
        death = asyncio.ensure_future(process.death.wait())
        await asyncio.wait([task, death], return_when=asyncio.FIRST_COMPLETED)
        death.cancel()
        return task.result() if task.done() and not process.life.is_over else None

    async def look(self, execution_id: str) -> Execution:
        """An execution as it is in the store."""
        process = self.process
        return await process.workflows.executions.describe(process.store.begin(), execution_id)

    async def history(self, execution_id: str) -> list[dict[str, Any]]:
        """Its events."""
        process = self.process
        page = await process.workflows.executions.history(
            process.store.begin(), execution_id, limit=25_000
        )
        return list(page.events)


def on_stage(seed: int, story: Callable[[Stage], Coroutine[Any, Any, T]], *, die_at: int = 0) -> T:
    """Plays a story in virtual time, and gives what it gave."""
    with tempfile.TemporaryDirectory(dir=template().parent) as folder, drawn_from(str(seed)) as by:
        path = Path(folder, "meshplane.db")
        shutil.copy(template(), path)
        loop = SimulatedLoop(by)
        asyncio.set_event_loop(loop)
        stage = Stage(path, by, die_at)
        try:
            return loop.run_until_complete(story(stage))
        finally:
            for process in stage.lives:
                if not process.life.is_over:
                    process.die()
            loop.clear(process.life for process in stage.lives)
            asyncio.set_event_loop(None)
            loop.close()
