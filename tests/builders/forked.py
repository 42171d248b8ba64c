"""Real processes that start in milliseconds: forked from a server that has imported everything."""

import multiprocessing
import signal
import time
from collections.abc import Callable, Sequence
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

_LONGEST_SECONDS, _LOOK_SECONDS = 60.0, 0.002


def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.builders.crash_world", "tests.builders.stores"])
    return context


def run_together(target: Callable[..., None], arguments: Sequence[tuple[Any, ...]]) -> list[int]:
    """Runs a function of a module in a process for each of the argument tuples, all at once.

    Gives each one's exit code: 0, 1 after an exception, `-signal.SIGKILL` when it was killed.
    """
    context = _context()
    processes = [context.Process(target=target, args=each) for each in arguments]
    for process in processes:
        process.start()
    for process in processes:
        process.join(_LONGEST_SECONDS)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise TimeoutError(f"{target.__name__} did not end in {_LONGEST_SECONDS} seconds")
    return [process.exitcode or 0 for process in processes]


def run_and_kill(
    target: Callable[..., None],
    arguments: tuple[Any, ...],
    after_seconds: float,
    begun: Path | None = None,
) -> int:
    """Runs a function in a process and kills it after that time, if it has not ended by then.

    Args:
        target, arguments: what runs.
        after_seconds: counted from the start, or from the moment that `begun` is there.
        begun: a file that the process makes; one of an earlier process is taken away before.
    """
    if begun is not None:
        begun.unlink(missing_ok=True)
    process = _context().Process(target=target, args=arguments)
    process.start()
    give_up = time.monotonic() + _LONGEST_SECONDS
    while begun is not None and not begun.exists() and process.is_alive():
        assert time.monotonic() < give_up, f"{target.__name__} never began"
        time.sleep(_LOOK_SECONDS)
    process.join(after_seconds)
    if process.exitcode is None:
        process.kill()
    process.join()
    return process.exitcode or 0


def was_killed(exit_code: int) -> bool:
    """Whether that is the exit code of a killed process."""
    return exit_code == -signal.SIGKILL
