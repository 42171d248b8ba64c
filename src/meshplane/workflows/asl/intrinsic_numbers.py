"""Intrinsic functions of numbers."""

from random import Random
from typing import Any

from meshplane.workflows.asl.intrinsic_arguments import IntrinsicFailed, integer

LEAST = -(2**31)
MOST = 2**31 - 1

_MULTIPLIER = 0x5DEECE66D
_MASK = (1 << 48) - 1


def add(first: Any, second: Any) -> int:
    """`States.MathAdd`: the sum of two numbers, each rounded to an integer."""
    return _bounded(integer(first, "first"), "first") + _bounded(
        integer(second, "second"), "second"
    )


def draw(randomness: Random, first: Any, last: Any, seed: Any = None) -> int:
    """`States.MathRandom`: an integer from the first (included) to the last (excluded).

    Args:
        randomness: where the number comes from, without a seed.
        first: the least number.
        last: one more than the greatest.
        seed: equal seeds give equal numbers.
    """
    start = _bounded(integer(first, "first"), "first")
    end = _bounded(integer(last, "second"), "second")
    if start >= end:
        raise IntrinsicFailed("The start number must be less than the end number")
    if seed is None:
        return randomness.randrange(start, end)
    return start + seeded_below(integer(seed, "third"), end - start)


def seeded_below(seed: int, bound: int) -> int:
    """A number from 0 to before `bound`, always the same for a seed.

    It is the linear congruential generator of `java.util.Random`, documented there: its numbers
    do not change with a release of Python.
    """
    state = (seed ^ _MULTIPLIER) & _MASK
    while True:
        state = (state * _MULTIPLIER + 0xB) & _MASK
        bits = state >> 17
        value = bits % bound
        if bound > MOST or bits - value + bound - 1 <= MOST:
            return value


def _bounded(value: int, which: str) -> int:
    if not LEAST <= value <= MOST:
        raise IntrinsicFailed(f"The {which} argument must be between {LEAST} and {MOST}")
    return value


def seeded_fraction(seed: int) -> float:
    """A number from 0 to before 1, always the same for a seed; of the same generator."""
    first = (((seed ^ _MULTIPLIER) & _MASK) * _MULTIPLIER + 0xB) & _MASK
    second = (first * _MULTIPLIER + 0xB) & _MASK
    return float(((first >> 22) << 27) + (second >> 21)) / float(1 << 53)
