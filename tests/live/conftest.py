"""One account for all of the live suite: named by the environment, and cleaned up at the end."""

import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.builders.live_account import LiveAccount, NotMeant, live_account


@pytest.fixture(scope="session")
def account() -> Iterator[LiveAccount]:
    """The account; what the mesh made there is removed however the suite ends, killed apart."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    try:
        found = live_account()
    except NotMeant as error:
        pytest.exit(str(error), returncode=4)
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield found
    finally:
        signal.signal(signal.SIGTERM, before)
        found.close()


@pytest.fixture(scope="session")
def demo(account: LiveAccount) -> tuple[int, dict[str, Any]]:
    """The exit code and the document of the journey, played once."""
    return account.demo()
