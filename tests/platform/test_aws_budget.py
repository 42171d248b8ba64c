"""How many repetitions a service's budget allows."""

import random

from meshplane.platform.aws.budget import RESERVE, SHARE, Budget
from tests.builders import seeds


def test_calls_are_refused_for_long__at_most_the_reserve_and_a_fifth_are_repeated() -> None:
    chance = random.Random(seeds.fresh())
    for refused in (0.05, 0.3, 0.5, 0.9, 1.0):
        budget, calls, repeated = Budget(), 10_000, 0
        for _ in range(calls):
            budget.earn()
            while chance.random() < refused and budget.spend():
                repeated += 1
        assert repeated <= RESERVE + SHARE * calls
        if refused >= 0.3:
            assert repeated >= SHARE * calls * 0.99


def test_few_calls_are_refused__each_is_repeated() -> None:
    chance = random.Random(seeds.fresh())
    budget = Budget()
    for _ in range(10_000):
        budget.earn()
        if chance.random() < 0.1:
            assert budget.spend()


def test_reserve__does_not_grow_in_quiet_times() -> None:
    budget = Budget()
    for _ in range(10_000):
        budget.earn()
    assert sum(budget.spend() for _ in range(10 * RESERVE)) == RESERVE
