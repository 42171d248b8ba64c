"""Several statements at once in real processes: one that takes too much ends, and it alone."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meshplane.services.query.sandbox import Limits, Sandbox
from meshplane.services.query.turns import Turns
from tests.builders.sandbox_world import Grants, Seen, see, whole, write

# Neither of these can be interrupted by the engine from within.
STUCK = "SELECT levenshtein(repeat('ab', 100000), repeat('ba', 100000))"
GREEDY = "SELECT count(DISTINCT repeat(CAST(i AS VARCHAR), 50)) FROM range(100000000) r(i)"
ROWS = 200_000
TYPES = {"id": "INTEGER", "name": "VARCHAR"}
SUM = "SELECT sum(id), count(DISTINCT name) FROM tides.readings WHERE name LIKE 'n%'"
RIGHT = [[ROWS * (ROWS - 1) // 2, 97]]


@pytest.fixture(scope="module")
async def sandbox(anyio_backend: str) -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(pool_size=2)
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


@pytest.fixture(scope="module")
def grants(tmp_path_factory: pytest.TempPathFactory) -> Grants:
    rows = [(number, f"n{number % 97}") for number in range(ROWS)]
    files = write(tmp_path_factory.mktemp("lake"), TYPES, rows, files=2)
    return Grants({("tides", "readings"): whole("tides", "readings", files, TYPES)})


class People:
    """Those who send statements, each in his turn."""

    def __init__(self, sandbox: Sandbox, grants: Grants) -> None:
        self._turns = Turns()
        self._sandbox = sandbox
        self._grants = grants

    async def send(self, who: str, sql: str, limits: Limits | None = None) -> tuple[Seen, float]:
        """What somebody sees of his statement, and after how long."""
        begun = time.monotonic()
        async with self._turns.of(who):
            plenty = Limits(timeout_seconds=60)
            found = await see(self._sandbox, self._grants, sql, limits or plenty)
        return found, time.monotonic() - begun


@pytest.fixture
def people(sandbox: Sandbox, grants: Grants) -> People:
    return People(sandbox, grants)


async def test_one_that_is_stuck__ends_a_second_after_its_time_while_others_run(
    people: People,
) -> None:
    stuck = asyncio.create_task(people.send("stuck", STUCK, Limits(timeout_seconds=1.5)))
    await asyncio.sleep(0.2)
    answers = await asyncio.gather(*(people.send(f"p{number}", SUM) for number in range(3)))
    assert [found.rows for found, _ in answers] == [RIGHT] * 3
    found, seconds = await stuck
    assert (found.code, seconds < 2.5) == ("SQL_LIMIT", True)


async def test_one_that_needs_too_much_memory__ends_alone(people: People) -> None:
    small = Limits(timeout_seconds=30, memory_mib=64)
    greedy = asyncio.create_task(people.send("greedy", GREEDY, small))
    answers = []
    while not greedy.done():
        answers.append(await people.send("ann", SUM))
    assert (await greedy)[0].code == "SQL_LIMIT"
    assert len(answers) >= 1
    assert all(found.rows == RIGHT for found, _ in answers)


async def test_flood_of_one__costs_another_no_more_than_his_share_of_the_machine(
    people: People,
) -> None:
    alone = min([(await people.send("ann", SUM))[1] for _ in range(3)])
    slow = "SELECT count(*) FROM range(60000000) WHERE hash(range) % 7 = 1"
    flood = [asyncio.create_task(people.send("flood", slow)) for _ in range(12)]
    await asyncio.sleep(0.3)
    waits = [(await people.send("ann", SUM))[1] for _ in range(3)]
    ended = sum(task.done() for task in flood)
    for task in flood:
        task.cancel()
    await asyncio.gather(*flood, return_exceptions=True)
    # Behind the whole flood he would wait for all twelve.
    assert ended < 12
    assert min(waits) < 10 * alone + 1.0


async def test_child_killed_by_the_kernel__takes_nobody_along_and_the_next_one_is_ready(
    sandbox: Sandbox, grants: Grants
) -> None:
    limits = Limits(timeout_seconds=20)
    await nobody_busy(sandbox)
    busy = asyncio.create_task(see(sandbox, grants, STUCK, limits))
    pid = await busy_child(sandbox)
    others = [asyncio.create_task(see(sandbox, grants, SUM, limits)) for _ in range(2)]
    await asyncio.sleep(0.05)
    os.kill(pid, signal.SIGKILL)  # as the kernel does with one that takes too much memory
    begun = time.monotonic()
    assert (await busy).code == "SQL_LIMIT"
    assert [(await one).rows for one in others] == [RIGHT] * 2
    assert (await see(sandbox, grants, "SELECT 1")).rows == [[1]]
    assert time.monotonic() - begun < 10


async def nobody_busy(sandbox: Sandbox) -> None:
    """Returns when what earlier tests had run has ended."""
    for _ in range(400):
        if not any(is_busy(pid) for pid in children(sandbox.zygote_pid)):
            return
        await asyncio.sleep(0.05)
    raise AssertionError("an earlier statement does not end")


async def busy_child(sandbox: Sandbox) -> int:
    """The process of the one statement that runs."""
    for _ in range(400):
        for pid in children(sandbox.zygote_pid):
            if is_busy(pid):
                return pid
        await asyncio.sleep(0.05)
    raise AssertionError("no process is at work")


def children(pid: int | None) -> list[int]:
    """The living children of a process."""
    listed = subprocess.run(
        ["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False
    ).stdout
    return [int(found) for found in listed.split()]


def is_busy(pid: int) -> bool:
    """Whether it lives, and has used some processor time since it was forked."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    except FileNotFoundError:
        return False  # it has ended since it was listed
    is_alive = stat[0] not in "ZX"
    return is_alive and (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK") > 0.2
