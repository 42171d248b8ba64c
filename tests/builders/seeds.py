"""Seeds of randomised tests: every one is shown with the failure, so that it can be run again."""

import random
import sys


def shown(seed: int) -> int:
    """The seed, after telling it."""
    sys.stdout.write(f"seed {seed}\n")
    return seed


def fresh() -> int:
    """A seed that nobody has chosen, after telling it."""
    return shown(random.SystemRandom().randrange(10**6))
