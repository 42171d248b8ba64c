"""How an oracle plays many worlds: which seeds, and what is told of them."""

import os
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

VARIABLE = "ORACLE_SEED"
"""Set to a seed, it has each oracle play that world and no other."""

_MOST_TOLD = 5


@dataclass
class Played:
    """What was tried in some worlds, and what went wrong."""

    statements: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)

    def add(self, other: "Played") -> None:
        """Counts another world in."""
        self.statements += other.statements
        self.codes += other.codes
        self.complaints += other.complaints


Play = Callable[[int, Path, int], Played]
"""Plays the world of a seed, in a folder, with so many statements."""


def play_all(play: Play, folder: Path, count: int, *, first: int, each: int = 50) -> Played:
    """Plays worlds from the first seed on until so many statements were tried, and tells it.

    Stops at the first worlds that go wrong; the complaints name their seeds.
    """
    one = os.environ.get(VARIABLE)
    first = int(one) if one else first
    total, seed = Played(), first
    while total.statements < count and len(total.complaints) < _MOST_TOLD:
        total.add(play(seed, folder / str(seed), each))
        seed += 1
        if one:
            break
    codes = {code or "answered": number for code, number in total.codes.most_common()}
    sys.stdout.write(f"seeds {first} to {seed - 1}: {total.statements} statements, {codes}\n")
    return total


def assert_clean(total: Played) -> None:
    """Fails with what went wrong, and how to see it again."""
    told = "\n\n".join(total.complaints[:_MOST_TOLD])
    assert not total.complaints, f"play one again with {VARIABLE}=<its seed>\n{told}"
