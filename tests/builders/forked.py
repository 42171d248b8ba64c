"""Real processes that start in milliseconds: forked from a server that has imported everything."""

import multiprocessing
import signal
from collections.abc import Callable, Sequence
from multiprocessing.context import ForkServerContext
from typing import Any

_LONGEST_SECONDS = 60.0


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
    target: Callable[..., None], arguments: tuple[Any, ...], after_seconds: float
) -> int:
    """Runs a function in a process and kills it after that time, if it has not ended by then."""
    process = _context().Process(target=target, args=arguments)
    process.start()
    process.join(after_seconds)
    if process.exitcode is None:
        process.kill()
    process.join()
    return process.exitcode or 0


def was_killed(exit_code: int) -> bool:
    """Whether that is the exit code of a killed process."""
    return exit_code == -signal.SIGKILL
