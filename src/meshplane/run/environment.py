"""The environment of programs that this one starts."""

import os
from collections.abc import Mapping

Variables = Mapping[str, str | None]
"""Of the environment of a program; None takes away one that this process has."""


def environment(variables: Variables) -> dict[str, str]:
    """The environment of this process, changed so."""
    merged = {**os.environ, **variables}
    return {name: value for name, value in merged.items() if value is not None}
