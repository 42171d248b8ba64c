"""What goes wrong again and again is told when it begins, once a minute, and when it is over."""

import time
from collections.abc import Callable
from logging import ERROR, WARNING
from typing import Any

from meshplane.kit.errors import MeshplaneError
from meshplane.platform.telemetry import log

EVERY_SECONDS = 60.0
"""How often the same trouble is told at the most, also where it comes and goes."""


class Trouble:
    """Of one piece of work that is tried again until it goes well.

    Args:
        event: the word for it in the log: `events_not_polled`.
        ended: the word for its end: `events_polled_again`.
        now: a clock that only goes forward, in seconds.
        told: what every line tells besides.
    """

    def __init__(
        self,
        event: str,
        ended: str,
        now: Callable[[], float] = time.monotonic,
        **told: Any,
    ) -> None:
        self._event, self._ended, self._now, self._told = event, ended, now, told
        self._told_at: dict[str, float] = {}
        self._untold: dict[str, int] = {}
        self._began: float | None = None
        self._times = 0
        self._is_told = False

    def met(self, error: Exception) -> None:
        """It went wrong once more. Told with `times`, how often it did since the last line."""
        now = self._now()
        self._began = now if self._began is None else self._began
        self._times += 1
        code = error.code if isinstance(error, MeshplaneError) else type(error).__name__
        self._untold[code] = self._untold.get(code, 0) + 1
        if code in self._told_at and now - self._told_at[code] < EVERY_SECONDS:
            return
        self._told_at[code], self._is_told = now, True
        told = {**self._told, "times": self._untold.pop(code)}
        if isinstance(error, MeshplaneError):
            log(WARNING, self._event, code=code, **told)
        else:
            log(ERROR, self._event, exc_info=error, **told)

    def over(self) -> None:
        """It went well."""
        if self._began is None:
            return
        if self._is_told:
            lasted = round(self._now() - self._began, 1)
            log(WARNING, self._ended, times=self._times, lasted_seconds=lasted, **self._told)
        self._began, self._times, self._is_told = None, 0, False
