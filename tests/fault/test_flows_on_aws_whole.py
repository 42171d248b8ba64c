"""Every call of every flow fails in every way, one at a time: see `test_flows_on_aws`.

It takes hours. Each case is told as it is played, so that what was found before an end is known.
"""

import random
from collections.abc import Iterator, Sequence

import pytest

from tests.builders import seeds
from tests.builders.aws_flow_cases import Case, Stand, say
from tests.builders.aws_flows import FLOWS
from tests.builders.aws_mesh import aws_mesh

pytestmark = [pytest.mark.fault, pytest.mark.long]

# What is in a mesh is looked through after each case: the more there is, the longer that takes.
MOST_IN_A_MESH = 40
LEAST_MET = 0.8


@pytest.mark.parametrize("flow", FLOWS)
def test_every_call_fails__the_flow_ends_done_or_undone_and_nothing_is_twice_or_forgotten(
    flow: str,
) -> None:
    with aws_mesh() as mesh:
        left = Stand(mesh).cases(flow)
    random.Random(seeds.fresh()).shuffle(left)
    most, came = len(left), 0
    wrong: list[str] = []
    while left:
        for met, found in judged(left[:MOST_IN_A_MESH], used=True):
            came += met
            wrong += found
            left = left[1:]
    assert wrong == []
    assert came >= LEAST_MET * most


@pytest.mark.parametrize("flow", ["publish", "approve", "share"])
def test_a_call_that_only_the_first_flow_makes_fails__it_ends_done_or_undone_as_any_other(
    flow: str,
) -> None:
    with aws_mesh() as mesh:
        cases = Stand(mesh, used=False).first_cases(flow)
    assert cases
    came = 0
    wrong: list[str] = []
    for case in cases:
        for met, found in judged([case], used=False):
            came += met
            wrong += found
    assert wrong == []
    assert came >= LEAST_MET * len(cases)


def judged(cases: Sequence[Case], *, used: bool) -> Iterator[tuple[bool, list[str]]]:
    """What came of each case, up to the first that leaves something wrong in its mesh."""
    with aws_mesh() as mesh:
        stand = Stand(mesh, used=used)
        for case in cases:
            try:
                met, found = stand.judge(case)
            except AssertionError as error:
                # It does not end or rest, or something is refused that is to be granted.
                met, found = True, [f"{case}: {error}"]
            for problem in found:
                say(problem)
            yield met, found
            if found:
                return
