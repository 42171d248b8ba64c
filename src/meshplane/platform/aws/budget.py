"""How often a throttled call is tried again at once. Pure.

While a service refuses half of all calls, calls that are repeated at once make it worse for all.
So that only one repetition is made for five calls; beyond that the refusal goes to who asked, and
what is durable comes again later, after pauses that grow.
"""

import threading

SHARE = 0.2
"""How many repetitions each call earns."""
RESERVE = 50
"""How many are at hand after a time without refusals: a short rush is overcome unnoticed."""

THROTTLES = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottledException",
        "TooManyRequestsException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "BandwidthLimitExceeded",
        "RequestThrottled",
        "SlowDown",
        "EC2ThrottledException",
    }
)
"""What AWS's services say when there were too many calls."""


class Budget:
    """The repetitions that are left for one service: at most RESERVE, and SHARE of all calls more.

    Thread-safe.
    """

    def __init__(self) -> None:
        self._left = float(RESERVE)
        self._lock = threading.Lock()

    def earn(self) -> None:
        """A call was made for the first time."""
        with self._lock:
            self._left = min(self._left + SHARE, float(RESERVE))

    def spend(self) -> bool:
        """Takes a repetition; False: there is none."""
        with self._lock:
            if self._left < 1:
                return False
            self._left -= 1
            return True
