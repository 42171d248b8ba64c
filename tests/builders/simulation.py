"""A mesh that lives through what its seed draws: work, delays, repetitions, deaths and pauses."""

import asyncio
import atexit
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from meshplane.events import rule_relay, scheduler
from meshplane.events.queues import Message, QueueHandler
from meshplane.events.rule_book import change_rules
from meshplane.events.rules import EVENT_RULES, Rule, Target, rule_item
from meshplane.kit.clock import to_text
from meshplane.kit.ids import id_maker
from meshplane.platform.local.sqlite import SqliteStore
from meshplane.services.workflows.starts import Starts
from meshplane.services.workflows.task_answers import EngineAnswers
from meshplane.services.workflows.task_worker import TaskWorker
from meshplane.workflows.engine import Workflows
from meshplane.workflows.owners import Owners
from tests.builders.graveyard import Graveyard
from tests.builders.manual_clock import ManualClock
from tests.builders.simulated_loop import SimulatedLoop, drawn_from
from tests.builders.simulated_machines import DEFINITIONS, outcomes_of
from tests.builders.simulated_people import Api, Calls, OutsideSystem, People, Tasks
from tests.builders.simulated_process import POINTS, POLL_SECONDS, SEEN, TABLES, Deaths, Process
from tests.builders.stores import NOON

_BUSY_SECONDS = 40.0
_PEACE_AFTER_SECONDS = 70.0
_LOOK_EVERY_SECONDS = 15.0
_LONGEST_SECONDS = 4000.0
_FASTEST = Path("/dev/shm")


def _queue(name: str, *queues: str, **more: Any) -> Rule:
    targets = more.pop("targets", tuple(Target(queue, "queue", queue) for queue in queues))
    return Rule(name, targets, created_by="user:ada@aviation", **more)


RULES = (
    _queue("told", "jobs", "calls", event_pattern={"source": ["sim"], "detail-type": ["Told"]}),
    _queue(
        "told-large",
        event_pattern={"source": ["sim"], "detail": {"n": [{"numeric": [">", 3]}]}},
        targets=(Target("line", "workflow", "line", input_path="$.detail"),),
    ),
    _queue("ended", "jobs", event_pattern={"detail-type": [{"prefix": "Execution"}]}),
    _queue(
        "clock",
        "ticks",
        schedule_expression="rate(1 minute)",
        on_missed="all",
        enabled_at=to_text(NOON),
        created_at=to_text(NOON),
    ),
)


@dataclass(frozen=True)
class Plot:
    """How much of what a simulation is about.

    Args:
        executions, events: how many clients start and put: at least, and at most.
        processes: how many there may be.
    """

    executions: tuple[int, int]
    events: tuple[int, int]
    processes: tuple[int, ...]


WORKFLOWS = Plot((1, 4), (0, 3), (1, 1, 2))
BUS = Plot((0, 1), (4, 12), (1, 2, 3))


@dataclass
class Story:
    """What happened in one simulation.

    Args:
        seed: replays it.
        path: the database that is left.
        started: the executions that clients started: machine, name, input.
        outside, people: what they saw.
        deaths: where processes died.
        pauses: how often a process stood still for longer than its leases last.
        seconds: of virtual time.
        settled: whether everything came to its end.
    """

    seed: int
    path: Path
    started: list[tuple[str, str, Any]]
    outside: OutsideSystem
    people: People
    deaths: Deaths
    pauses: int = 0
    seconds: float = 0.0
    settled: bool = False
    broken: list[str] = field(default_factory=list)


class Simulation:
    """One simulated mesh.

    Args:
        seed: everything follows from it.
        path: of its database, which holds the state machines and rules.
        chance: of the world around the product.
        plot: what it is about.
    """

    def __init__(self, seed: int, path: Path, chance: random.Random, plot: Plot) -> None:
        deaths = Deaths(chance, chance.choice((0, 1, 2, 3, 5)), chance.choice((0.01, 0.03, 0.1)))
        if chance.random() < 0.5:
            deaths.only, deaths.each_point = chance.choice(POINTS), 0.3
        self._chance = chance
        self._plot = plot
        self._owners: Owners | None = Graveyard() if chance.random() < 0.7 else None
        self._alive: list[Process] = []
        self.every: list[Process] = []
        outside = OutsideSystem(chance)
        self.story = Story(seed, path, [], outside, People(chance, self._alive), deaths)

    async def play(self) -> Story:
        """Plays it to its end."""
        chance, story = self._chance, self.story
        lives = [
            asyncio.ensure_future(self._live(f"p{number}"))
            for number in range(chance.choice(self._plot.processes))
        ]
        others = [asyncio.ensure_future(each) for each in self._events_of_this_world()]
        people = asyncio.ensure_future(story.people.answer_for_ever())
        loop = asyncio.get_running_loop()
        await asyncio.wait(others)
        await asyncio.sleep(max(0.0, _PEACE_AFTER_SECONDS - loop.time()))
        story.deaths.left = 0
        quiet = 0
        while quiet < 2 and loop.time() < _LONGEST_SECONDS:
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
            quiet = quiet + 1 if self._alive and self._is_quiet() else 0
        story.settled, story.seconds = quiet == 2, loop.time()
        for task in (*others, *lives, people):
            if task.done() and (error := task.exception()):
                story.broken.append(f"the test's own world broke: {error!r}")
        return story

    def end(self) -> None:
        """Every process dies for good."""
        for process in self._alive:
            process.on_death = lambda _: None
            if not process.life.is_over:
                process.die()

    async def _live(self, name: str) -> None:
        """One life after the other."""
        for number in range(1000):
            while any(other.store.is_writing for other in self._alive):  # noqa: ASYNC110
                # To open a store waits for who writes, and on this loop he would wait for us.
                await asyncio.sleep(0.002)
            process = Process(
                f"{name}.{number}",
                self.story.path,
                self.story.deaths,
                self._owners,
                performers=lambda process: {"meshplane": Tasks(process, self.story.outside)},
                handlers=self._handlers,
            )
            self.every.append(process)
            self._alive.append(process)
            process.on_death = self._alive.remove
            process.start()
            await process.death.wait()
            if isinstance(self._owners, Graveyard):
                self._owners.bury(process.workflows.runner.name)
            await asyncio.sleep(self._chance.choice((0.1, 1.0, 10.0, 60.0)) * self._chance.random())

    def _handlers(self, process: Process) -> Sequence[QueueHandler]:
        engine, outside = process.workflows, self.story.outside
        return (
            *Starts(engine).queues,
            *TaskWorker(Api(process, outside), EngineAnswers(engine)).queues,
            QueueHandler("jobs", _note),
            QueueHandler("ticks", _note_tick),
            QueueHandler("calls", Calls(process, outside).handle, exclusive=True),
        )

    def _events_of_this_world(self) -> Iterator[Any]:
        chance = self._chance
        for number in range(chance.randint(*self._plot.executions)):
            machine = chance.choice(list(DEFINITIONS))
            given = {
                "how": chance.choice(outcomes_of(machine)),
                "n": chance.randint(1, 5),
                "items": list(range(chance.randint(0, 4))),
            }
            self.story.started.append((machine, f"x{number}", given))
            yield self._later(self.story.people.start(machine, given, f"x{number}"))
        for _ in range(chance.randint(*self._plot.events)):
            yield self._later(self.story.people.put_event(chance.randint(1, 6), ["ok"]))
        for _ in range(chance.choice((0, 0, 1, 2))):
            yield self._later(self._pause())

    async def _later(self, what: Any) -> None:
        await asyncio.sleep(self._chance.random() * _BUSY_SECONDS)
        await what

    async def _pause(self) -> None:
        """A process stands still, as after SIGSTOP, for longer than its leases last."""
        if self._alive:
            process = self._chance.choice(self._alive)
            loop = asyncio.get_running_loop()
            assert isinstance(loop, SimulatedLoop)
            loop.hold(process.life, 45.0)
            self.story.pauses += 1

    def _is_quiet(self) -> bool:
        """Whether all that was started has ended, and no message waits."""
        with _reading(self.story.path) as database:
            messages = database.execute("SELECT count(*) FROM Messages").fetchone()[0]
            ended = {item["executionId"] for item in items(database, "Executions") if _over(item)}
            running = [each for each in items(database, "Executions") if not _over(each)]
        wanted = {f"{machine}:{name}" for machine, name, _ in self.story.started}
        return not messages and not running and wanted <= ended


async def _note(work: Any, message: Message) -> None:
    await _count(work, f"{message.queue} {message.message_id}")


async def _note_tick(work: Any, message: Message) -> None:
    await _count(work, f"tick {message.body['time']}")


async def _count(work: Any, name: str) -> None:
    row = await work.get(SEEN, name)
    work.put(SEEN, {"id": name, "count": row.item["count"] + 1 if row else 1})


def _over(item: Any) -> bool:
    return "endedAt" in item


def items(database: sqlite3.Connection, table: str) -> list[Any]:
    """All items of a table."""
    found = database.execute(f'SELECT body FROM "{table}"')
    return [orjson.loads(body) for (body,) in found]


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    database = sqlite3.connect(path)
    try:
        yield database
    finally:
        database.close()


@cache
def template() -> Path:
    """A database that holds the state machines and rules, made once for all simulations."""
    home = _FASTEST if _FASTEST.is_dir() else None
    folder = tempfile.mkdtemp(prefix="meshplane-simulation-", dir=home)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = Path(folder, "template.db")

    async def make() -> None:
        clock = ManualClock()
        store = SqliteStore(path, TABLES, clock, id_maker(clock))
        performers: Any = {"meshplane": None}
        engine = Workflows(store, performers, id_maker(clock), clock)
        work = store.begin()
        for name, definition in DEFINITIONS.items():
            await engine.put_machine(work, name, definition, created_by="user:ada")
        for rule in RULES:
            work.put(EVENT_RULES, rule_item(rule))
        change_rules(work)
        await work.commit()
        await store.close()

    asyncio.run(make())
    return path


@contextmanager
def played(seed: int, plot: Plot = WORKFLOWS) -> Iterator[Story]:
    """Plays the simulation of a seed; what it leaves is there until the block ends."""
    original = template()
    with (
        tempfile.TemporaryDirectory(dir=original.parent) as folder,
        _slow_polls(),
        drawn_from(str(seed)) as chance,
    ):
        path = Path(folder, "meshplane.db")
        shutil.copy(original, path)
        loop = SimulatedLoop(chance)
        asyncio.set_event_loop(loop)
        try:
            simulation = loop.run_until_complete(_made(seed, path, chance, plot))
            story = loop.run_until_complete(simulation.play())
            simulation.end()
            loop.clear(process.life for process in simulation.every)
        finally:
            asyncio.set_event_loop(None)
            loop.close()
        yield story


async def _made(seed: int, path: Path, chance: random.Random, plot: Plot) -> Simulation:
    return Simulation(seed, path, chance, plot)


@contextmanager
def _slow_polls() -> Iterator[None]:
    """Those who look again from time to time do so seldom: it is most of what a second costs."""
    before = rule_relay._IDLE_SECONDS, scheduler._POLL_SECONDS
    rule_relay._IDLE_SECONDS = scheduler._POLL_SECONDS = POLL_SECONDS
    try:
        yield
    finally:
        rule_relay._IDLE_SECONDS, scheduler._POLL_SECONDS = before
