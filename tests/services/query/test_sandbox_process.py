"""The processes behind the sandbox: killed in time, never left behind, nothing shared."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meshplane.kit.errors import LimitReached, MeshplaneError, Unavailable
from meshplane.services.query.sandbox import Column, Limits, Sandbox, Statement
from tests.builders.sandbox_world import KEY, Grants, see, whole, write

NOTHING = Grants({})
# Far less than a stuck statement may take by itself.
GONE_SECONDS = 5.0
STUCK = "SELECT levenshtein(repeat('ab', 200000), repeat('ba', 200000))"
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc, which Linux has")


@pytest.fixture
async def sandbox(anyio_backend: str) -> AsyncIterator[Sandbox]:
    sandbox = Sandbox()
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


def children(pid: int | None) -> set[int]:
    """The living children of a process."""
    return {
        int(found)
        for found in subprocess.run(
            ["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False
        ).stdout.split()
    }


def state(pid: int) -> str:
    """What a process does, as ps tells it: `R` runs, `Z` has ended; empty: there is none."""
    shown = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return shown.stdout.strip()


def alive(pid: int) -> bool:
    """Does it run? One that has ended and that nobody has reaped does not."""
    return bool(state(pid)) and not state(pid).startswith("Z")


async def until_gone(pids: set[int], seconds: float) -> set[int]:
    """Those that still live after so many seconds."""
    left = pids
    for _ in range(int(seconds / 0.02)):
        left = {pid for pid in left if alive(pid)}
        if not left:
            break
        await asyncio.sleep(0.02)
    return left


async def until_running(pids: set[int], most: int, least: int = 0) -> set[int]:
    """Those of the processes that run, once they are no more and no fewer than said."""
    for _ in range(500):
        running = {pid for pid in pids if state(pid).startswith("R")}
        if least <= len(running) <= most:
            return running
        await asyncio.sleep(0.02)
    raise AssertionError(f"of {len(pids)} processes, never {least} to {most} run")


def opened(pid: int | str | None) -> int:
    """How many descriptors a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def kernel_limits(pid: int) -> str:
    return " ".join(Path(f"/proc/{pid}/limits").read_text().split())


def environment(pid: int | None) -> set[bytes]:
    """The names of a process's environment variables."""
    raw = Path(f"/proc/{pid}/environ").read_bytes()
    return {entry.split(b"=")[0] for entry in raw.split(b"\0") if entry}


def threads(pid: int | None) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


async def warm(sandbox: Sandbox, count: int = 2) -> set[int]:
    """The waiting children, once there are that many."""
    for _ in range(500):
        found = children(sandbox.zygote_pid)
        if len(found) >= count:
            return found
        await asyncio.sleep(0.01)
    raise AssertionError("the pool did not fill")


async def test_deadline__a_statement_stuck_in_one_call_is_killed(sandbox: Sandbox) -> None:
    waiting = await warm(sandbox)
    started = time.monotonic()
    with pytest.raises(LimitReached) as raised:
        await sandbox.run(
            Statement(STUCK, limits=Limits(timeout_seconds=0.5)), NOTHING.resolve(), KEY
        )
    assert raised.value.code == "SQL_LIMIT"
    assert time.monotonic() - started < 1.0
    # Two waited and one of them was used; that one is gone a second after the deadline.
    used = waiting - (waiting & children(sandbox.zygote_pid)) or waiting
    left = await until_gone(used, 1.0)
    assert len(left) < len(waiting)


async def test_deadline__holds_while_the_resolver_takes_its_time(sandbox: Sandbox) -> None:
    async def resolve(names: object) -> list[object]:
        await asyncio.sleep(30)
        return []

    statement = Statement("SELECT * FROM t", limits=Limits(timeout_seconds=0.3))
    with pytest.raises(LimitReached):
        await sandbox.run(statement, resolve, KEY)  # type: ignore[arg-type]


async def test_cancelled__a_statement_that_nobody_waits_for_ends(sandbox: Sandbox) -> None:
    waiting = await warm(sandbox)
    await until_running(waiting, most=0)
    task = asyncio.create_task(sandbox.run(Statement(STUCK), NOTHING.resolve(), KEY))
    busy = await until_running(waiting, least=1, most=1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await until_gone(busy, GONE_SECONDS) == set()


async def test_fork_server__killed_while_idle_is_started_anew(sandbox: Sandbox) -> None:
    before = sandbox.zygote_pid
    assert before is not None
    waiting = await warm(sandbox)
    os.kill(before, signal.SIGKILL)
    found = await see(sandbox, NOTHING, "SELECT 1")
    assert found.rows == [[1]]
    assert sandbox.zygote_pid != before
    assert await until_gone(waiting, GONE_SECONDS) == set()


async def test_fork_server__killed_under_a_statement_runs_it_again(sandbox: Sandbox) -> None:
    slow = "SELECT count(*) FROM range(300000000) WHERE hash(range) % 7 = 1"
    task = asyncio.create_task(see(sandbox, NOTHING, slow))
    await asyncio.sleep(0.2)
    assert sandbox.zygote_pid is not None
    os.kill(sandbox.zygote_pid, signal.SIGKILL)
    found = await task
    assert (found.code, len(found.rows)) == (None, 1)


async def test_child__killed_under_a_statement_ends_only_that(sandbox: Sandbox) -> None:
    task = asyncio.create_task(see(sandbox, NOTHING, STUCK, Limits(timeout_seconds=5)))
    await asyncio.sleep(0.5)
    for pid in children(sandbox.zygote_pid):
        os.kill(pid, signal.SIGKILL)
    assert (await task).code == "SQL_LIMIT"
    assert (await see(sandbox, NOTHING, "SELECT 1")).rows == [[1]]


async def test_stop__leaves_no_process(anyio_backend: str) -> None:
    sandbox = Sandbox()
    await sandbox.start()
    pids = await warm(sandbox) | {sandbox.zygote_pid or 0}
    await sandbox.stop()
    assert await until_gone(pids, GONE_SECONDS) == set()
    with pytest.raises(Unavailable):
        await sandbox.run(Statement("SELECT 1"), NOTHING.resolve(), KEY)


@pytest.mark.fault
async def test_parent__killed_leaves_no_process_even_under_a_statement() -> None:
    program = f"""
import asyncio
from meshplane.services.query.sandbox import Sandbox, Statement
async def main():
    sandbox = Sandbox()
    await sandbox.start()
    async def resolve(names): return []
    task = asyncio.create_task(sandbox.run(Statement({STUCK!r}), resolve, b"k" * 32))
    await asyncio.sleep(0.5)
    print(sandbox.zygote_pid, flush=True)
    await task
asyncio.run(main())
"""
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    zygote = int(await parent.stdout.readline())
    pids = children(zygote) | {zygote}
    assert len(pids) >= 2
    parent.kill()
    await parent.wait()
    assert await until_gone(pids, 2.0) == set()


@LINUX
async def test_child__has_no_environment_and_cannot_write(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = await warm(sandbox)
    for _ in range(200):  # the first thing that a child does, and yet it takes a moment
        if all("Max file size 0 0 bytes" in kernel_limits(pid) for pid in waiting):
            break
        await asyncio.sleep(0.02)
    for pid in waiting:
        assert "Max file size 0 0 bytes" in kernel_limits(pid)
        assert "Max core file size 0 0 bytes" in kernel_limits(pid)
    monkeypatch.setenv("CANARY", "1")
    other = Sandbox()
    await other.start()
    names = environment(other.zygote_pid)
    await other.stop()
    assert names == {b"TZ", b"ARROW_DEFAULT_MEMORY_POOL", b"JE_ARROW_MALLOC_CONF"}


@LINUX
async def test_fork_server__has_one_thread_when_it_forks(sandbox: Sandbox) -> None:
    await warm(sandbox)
    assert threads(sandbox.zygote_pid) == 1


@LINUX
async def test_descriptors__none_is_left_by_statements(sandbox: Sandbox) -> None:
    async def once() -> None:
        await see(sandbox, NOTHING, "SELECT 1")
        with pytest.raises(MeshplaneError):
            await sandbox.run(Statement("SELECT nope("), NOTHING.resolve(), KEY)

    await once()
    await warm(sandbox)
    before = opened("self"), opened(sandbox.zygote_pid)
    for _ in range(15):
        await once()
    await warm(sandbox)
    await asyncio.sleep(0.2)
    after = opened("self"), opened(sandbox.zygote_pid)
    assert max(a - b for a, b in zip(after, before, strict=True)) <= 1
    assert len(children(sandbox.zygote_pid)) <= 3


async def test_statements__run_at_once_and_see_their_own_tables_only(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    types = {"owner": "VARCHAR"}

    def mine(owner: str) -> Grants:
        files = write(tmp_path / owner, types, [(owner,)] * 5)
        return Grants({("s", "t"): whole("s", "t", files, types)})

    owners = [f"tenant {number}" for number in range(8)]
    found = await asyncio.gather(
        *(see(sandbox, mine(owner), "SELECT DISTINCT owner FROM t") for owner in owners)
    )
    assert [seen.rows for seen in found] == [[[owner]] for owner in owners]


async def test_turns__time_spent_waiting_is_not_the_statements_own() -> None:
    sandbox = Sandbox(max_running=1)
    await sandbox.start()
    try:
        stuck = asyncio.create_task(see(sandbox, NOTHING, STUCK, Limits(timeout_seconds=0.9)))
        await asyncio.sleep(0.1)
        waited = await see(sandbox, NOTHING, "SELECT 1", Limits(timeout_seconds=0.5))
        assert (waited.rows, (await stuck).code) == ([[1]], "SQL_LIMIT")
    finally:
        await sandbox.stop()


async def test_filter__is_checked_while_statements_take_every_turn() -> None:
    sandbox = Sandbox(max_running=1)
    await sandbox.start()
    try:
        stuck = asyncio.create_task(see(sandbox, NOTHING, STUCK, Limits(timeout_seconds=2)))
        await asyncio.sleep(0.1)
        assert await sandbox.check_row_filter("a = 1", [Column("a", 1, "BIGINT")]) == "(a = 1)"
        assert not stuck.done()
        await stuck
    finally:
        await sandbox.stop()
