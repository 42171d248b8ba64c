"""Which schedules are played, and what is told of them; as a program: digests of schedules."""

import hashlib
import os
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from tests.builders.simulation import BUS, WORKFLOWS, Plot, played
from tests.builders.simulation_check import complaints_of

_MOST_TOLD = 5


@dataclass
class Total:
    """What was tried in many schedules."""

    schedules: int = 0
    seconds: float = 0.0
    pauses: int = 0
    deaths: Counter[str] = field(default_factory=Counter)
    machines: Counter[str] = field(default_factory=Counter)

    def summary(self) -> str:
        """For a person."""
        return (
            f"{self.schedules} schedules, {self.seconds / 86_400:.2f} simulated days, "
            f"{self.deaths.total()} deaths, {self.pauses} pauses\n"
            f"deaths: {dict(self.deaths.most_common())}\n"
            f"executions: {dict(self.machines.most_common())}"
        )


def schedules(count: int) -> list[int]:
    """The seeds to play; the variables SIMULATION_SEED and SIMULATION_FROM choose others."""
    one = os.environ.get("SIMULATION_SEED")
    if one is not None:
        return [int(one)]
    begin = int(os.environ.get("SIMULATION_FROM", "0"))
    return list(range(begin, begin + count))


def play_all(seeds: Iterable[int], plot: Plot) -> Total:
    """Plays schedules, and fails with the seeds of those that went wrong."""
    total, wrong = Total(), []
    for seed in seeds:
        with played(seed, plot) as story:
            complaints = complaints_of(story)
            total.schedules += 1
            total.seconds += story.seconds
            total.pauses += story.pauses
            total.deaths += story.deaths.at
            total.machines.update(machine for machine, _, _ in story.started)
        if complaints:
            wrong.append(f"SIMULATION_SEED={seed}: {complaints[:_MOST_TOLD]}")
            if len(wrong) == _MOST_TOLD:
                break
    assert not wrong, "\n".join(["schedules went wrong; repeat one by its variable:", *wrong])
    return total


def found_within(count: int, plot: Plot) -> tuple[int, str] | None:
    """The first seed that finds something wrong, and what; None when none of so many does."""
    for seed in range(count):
        with played(seed, plot) as story:
            complaints = complaints_of(story)
        if complaints:
            print(f"seed {seed}: {complaints[0]}")  # noqa: T201 - shows what was found
            return seed, complaints[0]
    return None


def digest(seed: int, plot: Plot) -> str:
    """Tells whether a schedule went exactly as it did elsewhere."""
    with played(seed, plot) as story:
        path: Path = story.path
        with closing(sqlite3.connect(path)) as database:
            return hashlib.sha256("\n".join(database.iterdump()).encode()).hexdigest()


if __name__ == "__main__":
    for word in sys.argv[1:]:
        for each in (WORKFLOWS, BUS):
            sys.stdout.write(f"{digest(int(word), each)} ")
        sys.stdout.write("\n")
