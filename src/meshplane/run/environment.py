"""The environment of programs that this one starts, or speaks for."""

import contextlib
import os
from collections.abc import Iterator, Mapping

Variables = Mapping[str, str | None]
"""Of the environment of a program; None takes away one that this process has."""


def environment(variables: Variables) -> dict[str, str]:
    """The environment of this process, changed so."""
    merged = {**os.environ, **variables}
    return {name: value for name, value in merged.items() if value is not None}


@contextlib.contextmanager
def in_environment(variables: Variables) -> Iterator[None]:
    """Changes the environment of this process for as long as the block runs; for one thread."""
    before = {name: os.environ.get(name) for name in variables}
    _set(variables)
    try:
        yield
    finally:
        _set(before)


def _set(variables: Variables) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
