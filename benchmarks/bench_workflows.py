"""Workflows of five states: durable ones beside DBOS, ones in memory beside moto's engine.

Durable, on SQLite (WAL) in the same folder, one after another and 64 at once. DBOS: a workflow of
five steps, each of which adds one. Ours, twice: five Pass states that add one (States.MathAdd), all
of which our engine does itself; and five Task states, each performed by a function of this process,
whose answer is durable before the next one begins.

In memory: five Pass states, by `execute` and by moto's Step Functions.

Waiting, in a process of its own, so that no earlier measurement has left memory to be used again:
memory that 10,000 executions in a Wait state add to it, and how long one more execution of five
Pass states takes, beside one before the first that waits.
"""

import asyncio
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from report import Ratio, publish
from servers import HERE, environment

from meshplane.events.queues import DEAD_LETTERS, MESSAGES
from meshplane.kit.clock import SystemClock
from meshplane.kit.ids import id_maker
from meshplane.platform.local.sqlite import SqliteStore
from meshplane.workflows.asl import Machine, execute
from meshplane.workflows.due import rows_until
from meshplane.workflows.engine import Workflows
from meshplane.workflows.owners import LockedFiles
from meshplane.workflows.run_as import WORKFLOWS_SERVICE
from meshplane.workflows.tables import WORKFLOW_TABLES

PEERS = HERE.parent / ".venv" / "peers" / "bin" / "python"
ROUNDS = 3
RUNS = 300
MOTO_RUNS = 60
IN_MEMORY_RUNS = 5000
WAITING = 10_000
STARTS = 200
NAMES = "ABCDE"


def _machine(state: dict[str, Any]) -> dict[str, Any]:
    """Five states of that form, one after another."""
    states: dict[str, Any] = {}
    for name, following in zip(NAMES, [*NAMES[1:], None], strict=True):
        states[name] = {**state, **({"Next": following} if following else {"End": True})}
    return {"StartAt": NAMES[0], "States": states}


PLAIN = _machine({"Type": "Pass"})
PASSES = _machine({"Type": "Pass", "Parameters": {"number.$": "States.MathAdd($.number, 1)"}})
TASKS = _machine({"Type": "Task", "Resource": "meshplane:addOne"})
WAIT = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 86_400, "End": True}}}


class AddOne:
    """Performs the task."""

    async def perform(self, request: Any, execution: Any) -> Any:
        return {"number": request.parameters["number"] + 1}


class Ours:
    """Our engine on a new database."""

    def __init__(self, folder: Path) -> None:
        clock = SystemClock()
        new_id = id_maker(clock)
        tables = [*WORKFLOW_TABLES, MESSAGES, DEAD_LETTERS]
        self.store = SqliteStore(folder / "ours.db", tables, clock, new_id)
        owners = LockedFiles(folder / "owners")
        self.engine = Workflows(self.store, {"meshplane": AddOne()}, new_id, owners=owners)

    async def open(self) -> None:
        work = self.store.begin()
        for name, definition in (("passes", PASSES), ("tasks", TASKS), ("wait", WAIT)):
            await self.engine.put_machine(work, name, definition, created_by="user:bench")
        await work.commit()
        self.engine.open()

    async def close(self) -> None:
        await self.engine.close()
        await self.store.close()

    async def start(self, machine: str) -> str:
        work = self.store.begin()
        started = await self.engine.start(work, machine, {"number": 0}, run_as=WORKFLOWS_SERVICE)
        await work.commit()
        return started.execution_id

    async def run(self, machine: str) -> None:
        found = await self.engine.end_of(await self.start(machine), timeout_seconds=60)
        assert found.output == {"number": 5}, found


async def per_second(count: int, at_once: int, run: Callable[[], Awaitable[None]]) -> float:
    """Runs in a second, `at_once` of them at the same time."""
    left = iter(range(count))

    async def one_after_another() -> None:
        for _ in left:
            await run()

    begun = time.perf_counter()
    await asyncio.gather(*(one_after_another() for _ in range(at_once)))
    return count / (time.perf_counter() - begun)


async def durable() -> dict[str, float]:
    """Our durable executions in a second."""
    with tempfile.TemporaryDirectory(dir=HERE) as folder:
        ours = Ours(Path(folder))
        await ours.open()
        found = {}
        for machine in ("passes", "tasks"):
            await ours.run(machine)
            found[f"{machine} sequential"] = await per_second(
                RUNS, 1, lambda machine=machine: ours.run(machine)
            )
            found[f"{machine} 64 at once"] = await per_second(
                RUNS * 4, 64, lambda machine=machine: ours.run(machine)
            )
        await ours.close()
        return found


def dbos() -> dict[str, float]:
    """DBOS's workflows in a second."""
    with tempfile.TemporaryDirectory(dir=HERE) as folder:
        told = _peer("peer_dbos.py", folder, str(RUNS))
    return {"DBOS sequential": told["sequential"], "DBOS 64 at once": told["at_once"]}


def _peer(script: str, *arguments: str) -> dict[str, float]:
    done = subprocess.run(
        [PEERS, HERE / script, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")},
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def in_memory() -> float:
    """Executions in memory in a second."""
    machine = Machine(PLAIN)
    begun = time.perf_counter()
    for _ in range(IN_MEMORY_RUNS):
        assert execute(machine, {"number": 0}).status == "SUCCEEDED"
    return IN_MEMORY_RUNS / (time.perf_counter() - begun)


def waiting() -> dict[str, float]:
    """What 10,000 waiting executions cost, told by a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "waiting"], stdout=subprocess.PIPE, check=True, env=environment()
    )
    return dict(json.loads(done.stdout))


async def wait() -> dict[str, float]:
    """What that process does."""
    with tempfile.TemporaryDirectory(dir=HERE) as folder:
        ours = Ours(Path(folder))
        await ours.open()
        await ours.run("passes")
        first = statistics.median([await _start_seconds(ours) for _ in range(STARTS)])
        gc.collect()
        before = _resident_mib()
        await per_second(WAITING, 64, lambda: _waits(ours))
        gc.collect()
        after, peak = _resident_mib(), _resident_mib("VmHWM")
        waits = await rows_until(ours.store.begin(), time.time() + 100_000, WAITING + 1)
        assert len(waits) == WAITING
        last = statistics.median([await _start_seconds(ours) for _ in range(STARTS)])
        await ours.close()
        return {
            "MiB added": after - before,
            "MiB before": before,
            "MiB at the peak": peak,
            "start of the first, ms": first * 1000,
            "start of one more, ms": last * 1000,
        }


async def _waits(ours: Ours) -> None:
    await ours.start("wait")


async def _start_seconds(ours: Ours) -> float:
    begun = time.perf_counter()
    await ours.run("passes")
    return time.perf_counter() - begun


def _resident_mib(figure: str = "VmRSS") -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{figure}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"no {figure} in status")


def main() -> None:
    """Measures and publishes."""
    rounds = []
    for _ in range(ROUNDS):
        moto = _peer("peer_moto.py", "-", str(MOTO_RUNS), json.dumps(PLAIN))["sequential"]
        rounds.append({**dbos(), **asyncio.run(durable()), "moto": moto, "in memory": in_memory()})
    median = {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
    ratios = []
    for kind in ("passes", "tasks"):
        for how in ("sequential", "64 at once"):
            pair = {f"{kind}, {how}": median[f"{kind} {how}"], "DBOS": median[f"DBOS {how}"]}
            ours, theirs = pair.values()
            ratios.append(Ratio(f"durable {kind}, {how}, to DBOS", ours / theirs, 5, True, pair))
    pair = {"in memory a second": median["in memory"], "moto a second": median["moto"]}
    ratios.append(Ratio("in memory to moto", median["in memory"] / median["moto"], 100, True, pair))
    cost = waiting()
    ratios.append(Ratio("MiB for 10,000 waiting", cost["MiB added"], 200, False, cost))
    later = cost["start of one more, ms"] / cost["start of the first, ms"]
    ratios.append(Ratio("the 10,001st start to the first", later, 1.2, False, cost))
    publish("workflows", ratios)


if __name__ == "__main__":
    if sys.argv[1:] == ["waiting"]:
        print(json.dumps(asyncio.run(wait())))
    else:
        main()
