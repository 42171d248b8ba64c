"""Waiting for a coroutine where there is no `await`: while a process is put together."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """Runs it to its end, on a loop and in a thread of its own; blocks."""
    with ThreadPoolExecutor(1, thread_name_prefix="at-once") as pool:
        return pool.submit(asyncio.run, work).result()
