"""Programs that a test interrupts as a person does, with Ctrl-C."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interruptible() -> Iterator[None]:
    """Programs that are started within it heed SIGINT.

    Whoever runs the tests in the background ignores it, and programs inherit what is ignored.
    """
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, inherited)
