"""What every test shares: an event loop library, steady limits on a busy machine, an order."""

import fcntl
import gc
from collections.abc import Generator

import pytest
from hypothesis import settings

from tests.longest_first import LONGEST_FIRST

# A test on a busy machine may take long without being wrong; a failure names what repeats it.
settings.register_profile("meshplane", deadline=None, print_blob=True)
settings.load_profile("meshplane")

_GARBAGE_THRESHOLD = 50_000


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The event loop that async tests run on: the one that the server uses."""
    return "asyncio"


def pytest_configure(config: pytest.Config) -> None:
    """Lets pytest-xdist hand files out in our order; its own begins with those of most tests."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keeps the collector of garbage from looking again and again at what stays until the end.

    That is all modules and tests: a third of a process's work went into it.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(_GARBAGE_THRESHOLD, 20, 20)
        gc.enable()


def pytest_unconfigure() -> None:
    """Lets the end of the process clean up: DuckDB tells of what it finds left."""
    gc.unfreeze()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts long files first, so that no worker begins one when the others are done."""
    rank = {path: number for number, path in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: rank.get(item.nodeid.partition("::")[0], len(rank)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Lets no two serial tests run at the same time, in whatever process they are.

    A lock does it, as pytest-xdist 3.8 does not see its groups under pytest 9.2.
    """
    if not item.get_closest_marker("serial"):
        return (yield)
    folder = item.config.cache.mkdir("serial")
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return (yield)
