"""Whether a service answers at all. Pure, but for the clock.

A circuit is closed while a service answers, however bad its answers are. It opens when for some
seconds nothing could be connected to, or when request after request was sent and nothing came
back. While it is open, calls fail at once, and take no thread; every half a minute one attempt is
let through, and any answer closes the circuit.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from meshplane.platform.aws.budget import Budget
from meshplane.platform.aws.place import AwsPlace

PROBE_SECONDS = 30.0
"""How long an open circuit waits between two attempts that it lets through."""
SILENT_SECONDS = 6.0
"""For how long nothing must have been heard before a circuit opens. Two attempts to connect take
as long, and three addresses of a service that are tried one after another take less than 10 s."""
MOST_LOST = 6
"""How many requests in a row may stay without an answer; always more than one call makes."""


@dataclass(frozen=True, slots=True)
class Silence:
    """Why a call is not made: nothing has answered `for_seconds`; look again in `again_seconds`."""

    for_seconds: float
    again_seconds: float


class Circuit:
    """What is known of one service at one address. Thread-safe.

    Args:
        probe_seconds: between two attempts that are let through while it is open.
        now: a clock that only goes forward, in seconds.
        most_lost: how many requests in a row may stay without an answer.
    """

    def __init__(
        self,
        probe_seconds: float = PROBE_SECONDS,
        now: Callable[[], float] = time.monotonic,
        most_lost: int = MOST_LOST,
    ) -> None:
        self._probe_seconds, self._now, self._most_lost = probe_seconds, now, most_lost
        self._lock = threading.Lock()
        # When it was last heard of; what began before that says nothing of what came after.
        self._answered_at = now()
        self._probe_at: float | None = None
        # The present silence: its last failure, its begin, and since when nothing was connected to.
        self._failed_at = self._silent_since = self._apart_since = inf
        self._lost = 0

    def silence(self) -> Silence | None:
        """Why a call should not even be begun; None: it may be, and `admit` decides."""
        with self._lock:
            return self._silence()

    def admit(self) -> Silence | None:
        """Whether an attempt may be made now: None if so. It counts as the probe if one is due."""
        with self._lock:
            refused = self._silence()
            if refused is None and self._probe_at is not None:
                # A probe that is never heard of again holds nobody up: the next is due in time.
                self._probe_at = self._now() + self._probe_seconds
            return refused

    @property
    def probe_at(self) -> float | None:
        """When the next probe is due, by the circuit's clock; None: the circuit is closed."""
        return self._probe_at

    def unsent(self, probe_at: float | None) -> None:
        """An attempt that was admitted was not made after all: it was no probe.

        Args:
            probe_at: as it was just after the attempt had been admitted. Where it is another by
                now, a later attempt is the probe, or the circuit opened only afterwards.
        """
        with self._lock:
            if probe_at is not None and probe_at == self._probe_at:
                self._probe_at = min(probe_at, self._now())

    def answered(self) -> bool:
        """An answer came, of whatever kind; whether that has closed the circuit."""
        with self._lock:
            was_open = self._probe_at is not None
            self._answered_at, self._probe_at = self._now(), None
            self._forget()
            return was_open

    def failed(self, began: float, *, sent: bool) -> bool:
        """An attempt got no answer; whether that has opened the circuit.

        Args:
            began: when it was made, by the circuit's clock.
            sent: whether the request went out; False: nothing could be connected to.
        """
        with self._lock:
            now = self._now()
            if self._probe_at is not None:
                return False
            began = max(began, self._answered_at)
            if began - self._failed_at > self._probe_seconds:
                # Nobody has called for long: these failures are not one silence.
                self._forget()
            self._failed_at = now
            self._silent_since = min(self._silent_since, began)
            if sent:
                self._lost += 1
                self._apart_since = inf  # something was connected to
                opens = self._lost >= self._most_lost and now - self._silent_since >= SILENT_SECONDS
            else:
                self._apart_since = min(self._apart_since, began)
                opens = now - self._apart_since >= SILENT_SECONDS
            if opens:
                self._probe_at = now + self._probe_seconds
            return opens

    def _silence(self) -> Silence | None:
        now = self._now()
        if self._probe_at is None or now >= self._probe_at:
            return None
        return Silence(now - self._silent_since, self._probe_at - now)

    def _forget(self) -> None:
        self._lost = 0
        self._failed_at = self._silent_since = self._apart_since = inf


class Circuits:
    """Circuits and budgets of the services at one place, for all who call there. Thread-safe.

    Args:
        probe_seconds, now, most_lost: as `Circuit` has them.
    """

    def __init__(
        self,
        probe_seconds: float = PROBE_SECONDS,
        now: Callable[[], float] = time.monotonic,
        most_lost: int = MOST_LOST,
    ) -> None:
        self.now = now
        self._probe_seconds, self._most_lost = probe_seconds, most_lost
        self._lock = threading.Lock()
        self._known: dict[str, Circuit] = {}
        self._budgets: dict[str, Budget] = {}

    @classmethod
    def of_place(cls, place: AwsPlace) -> "Circuits":
        """Those for a place: no one call opens a circuit by its own attempts."""
        return cls(most_lost=max(MOST_LOST, place.most_attempts + 1))

    def of(self, service: str) -> Circuit:
        """The circuit of a service by botocore's name."""
        with self._lock:
            if service not in self._known:
                self._known[service] = Circuit(self._probe_seconds, self.now, self._most_lost)
            return self._known[service]

    def budget(self, service: str) -> Budget:
        """The repetitions that are left for a service."""
        with self._lock:
            return self._budgets.setdefault(service, Budget())
