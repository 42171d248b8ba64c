"""How often and how long a delivery is tried again.

Specification: EventBridge API Reference, `RetryPolicy`: up to 185 times within 24 hours. AWS does
not publish its waits; these are exponential with full jitter, and rise to 16 minutes. On average
185 of them take 23.5 hours, so that by default both limits are reached at about the same time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from meshplane.kit.errors import Invalid

MOST_ATTEMPTS = 185
MOST_AGE_SECONDS = 86_400
LEAST_AGE_SECONDS = 60

FIRST_DELAY_SECONDS = 1.0
LONGEST_DELAY_SECONDS = 960.0

# 2 to this power is past the longest delay; a larger one only costs time.
_LARGEST_POWER = 20


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When a target's deliveries are given up, whichever limit is reached first.

    Args:
        maximum_attempts: how often it is tried again after the first time, 0 to 185; AWS's
            MaximumRetryAttempts.
        maximum_age_seconds: how long after it was first sent, 60 to 86400; AWS's
            MaximumEventAgeInSeconds.

    Raises:
        Invalid: RETRY_POLICY_INVALID, with the field.
    """

    maximum_attempts: int = MOST_ATTEMPTS
    maximum_age_seconds: int = MOST_AGE_SECONDS

    def __post_init__(self) -> None:
        if not 0 <= self.maximum_attempts <= MOST_ATTEMPTS:
            raise Invalid(
                "RETRY_POLICY_INVALID",
                f"A delivery is tried again 0 to {MOST_ATTEMPTS} times.",
                field="retryPolicy.maximumAttempts",
            )
        if not LEAST_AGE_SECONDS <= self.maximum_age_seconds <= MOST_AGE_SECONDS:
            raise Invalid(
                "RETRY_POLICY_INVALID",
                f"A delivery is tried for {LEAST_AGE_SECONDS} to {MOST_AGE_SECONDS} seconds.",
                field="retryPolicy.maximumAgeSeconds",
            )

    def exhausted(
        self, attempts: int, first_sent: datetime, now: datetime
    ) -> Literal["attempts", "age"] | None:
        """Which limit is reached, so that it is not tried again; None if none is.

        Args:
            attempts: how often it was tried, the first time included; all failed.
            first_sent: when it was first to be delivered.
            now: the present.
        """
        if attempts > self.maximum_attempts:
            return "attempts"
        if (now - first_sent).total_seconds() >= self.maximum_age_seconds:
            return "age"
        return None


def delay_seconds(attempt: int, random: Callable[[], float]) -> float:
    """How long to wait after a try that failed.

    Full jitter: any time up to a limit that doubles from 1 second to 16 minutes, so that what
    failed together is not tried together.

    Args:
        attempt: how often it was tried, from 1.
        random: gives a number from 0 to less than 1.
    """
    limit: float = FIRST_DELAY_SECONDS * 2 ** min(max(attempt, 1) - 1, _LARGEST_POWER)
    return random() * min(limit, LONGEST_DELAY_SECONDS)
