"""Logs: one JSON object a line on standard error.

structlog is loaded with the first line that is written, not before: loading it takes longer than
most of what a start does, and a healthy start writes nothing.
"""

import logging
import sys
from functools import cache
from typing import Any

_level = logging.WARNING


def set_level(name: str) -> None:
    """Sets which lines are written: `debug`, `info`, `warning` or `error` and above."""
    global _level  # noqa: PLW0603 - a process has one log
    _level = logging.getLevelNamesMapping()[name.upper()]


def log(level: int, event: str, **told: Any) -> None:
    """Writes a line, if its level is written.

    Args:
        level: of `logging`: `logging.WARNING`.
        event: what happened, as a word such as `event_parked`.
        told: JSON values; never values from data, never secrets.
    """
    if level >= _level:
        _logger().log(level, event, **told)


@cache
def _logger() -> Any:
    import structlog

    return structlog.wrap_logger(
        structlog.PrintLogger(sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
    )
