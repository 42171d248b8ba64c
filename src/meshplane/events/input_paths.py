"""Paths into an event: the part of JSONPath that EventBridge takes.

`$`, names behind dots (letters, digits, dashes, underscores, slashes), indices in brackets, and `*`
for everything (EventBridge User Guide, "Input transformation"). A path with a `*` gives a list of
what it finds; another one gives one value or nothing.
"""

import re
from functools import lru_cache
from typing import Any

from meshplane.kit.errors import Invalid

LONGEST_PATH = 256

_STEP = re.compile(r"\.(?P<name>[\w\-/]+|\*)|\[(?P<index>\d{1,9}|\*)\]")
_EVERYTHING = "*"

Step = str | int


class _Nothing:
    """What a path gives that leads nowhere; JSON's null is something."""

    def __repr__(self) -> str:
        return "NOTHING"


NOTHING = _Nothing()


@lru_cache(maxsize=4096)
def parse_path(path: str) -> tuple[Step, ...]:
    """The steps of a path.

    Raises:
        ValueError: it is not of the part that EventBridge takes; the text says why.
    """
    if len(path) > LONGEST_PATH:
        raise ValueError(f"a path has at most {LONGEST_PATH} characters")
    if not path.startswith("$"):
        raise ValueError("a path begins with $, as in $.detail.status")
    steps: list[Step] = []
    place = 1
    while place < len(path):
        match = _STEP.match(path, place)
        if match is None:
            raise ValueError(
                "a path goes on with .name, .*, [0] or [*]; names have letters, digits, dashes, "
                f"underscores and slashes (look at character {place + 1})"
            )
        index = match["index"]
        steps.append(match["name"] or (_EVERYTHING if index == "*" else int(index)))
        place = match.end()
    return tuple(steps)


def check_path(path: Any, field: str) -> None:
    """Refuses what is no path.

    Raises:
        Invalid: INPUT_INVALID, with the field.
    """
    if not isinstance(path, str):
        raise Invalid("INPUT_INVALID", "A path is text, as $.detail.status.", field=field)
    try:
        parse_path(path)
    except ValueError as error:
        raise Invalid("INPUT_INVALID", f"The path is wrong: {error}.", field=field) from error


def value_at(document: Any, path: str) -> Any:
    """What stands at a path, or NOTHING.

    Args:
        document: JSON.
        path: a right one; see `check_path`.
    """
    steps = parse_path(path)
    found = [document]
    for step in steps:
        found = [inner for each in found for inner in _inside(each, step)]
    if _EVERYTHING in steps:
        return found
    return found[0] if found else NOTHING


def _inside(value: Any, step: Step) -> list[Any]:
    if step == _EVERYTHING:
        if isinstance(value, dict):
            return list(value.values())
        return value if isinstance(value, list) else []
    if isinstance(step, int):
        return [value[step]] if isinstance(value, list) and step < len(value) else []
    return [value[step]] if isinstance(value, dict) and step in value else []
