"""The runner's poll leaves the store alone while nothing it looks at is written or falls due."""

import time

import pytest

from meshplane.platform.stillness import Stillness
from meshplane.workflows.due import Rest

NOW = 1_000_000.0
USUAL_SECONDS, REST_SECONDS = 1.0, 30.0


@pytest.fixture
def stillness() -> Stillness:
    """Of a store in which nothing has moved for long enough."""
    made = Stillness(settled_seconds=0.02, rest_seconds=REST_SECONDS)
    made.saw(7)
    time.sleep(0.03)
    made.saw(7)
    return made


def looked(stillness: Stillness) -> Rest:
    """A rest that begins with a look that found nothing."""
    rest = Rest(stillness, USUAL_SECONDS)
    assert rest.is_over(NOW)
    rest.ends_at = rest.begin(NOW)
    return rest


def test_nothing_is_written__it_rests_until_the_end_of_the_rest(stillness: Stillness) -> None:
    rest = looked(stillness)
    assert rest.ends_at == NOW + REST_SECONDS
    assert not rest.is_over(NOW + REST_SECONDS - 1)
    assert rest.is_over(NOW + REST_SECONDS)


def test_something_falls_due__it_looks_then(stillness: Stillness) -> None:
    rest = looked(stillness)
    rest.ends_at = NOW + 5
    assert not rest.is_over(NOW + 4)
    assert rest.is_over(NOW + 5)


@pytest.mark.parametrize("whose", ["own", "others"])
def test_executions_and_answers_are_written__it_looks_again(
    stillness: Stillness, whose: str
) -> None:
    for commits, table in enumerate(("Executions", "TaskTokens"), 8):
        rest = looked(stillness)
        if whose == "own":
            stillness.wrote([(table, "exec-1")])
        else:
            stillness.saw(commits, [(table, "exec-1")])
        assert rest.is_over(NOW)
        time.sleep(0.03)


def test_something_else_is_written__it_rests_on(stillness: Stillness) -> None:
    rest = looked(stillness)
    stillness.wrote([("Messages", "jobs")])
    stillness.saw(8, [("ExecutionHistory", "run-1")])
    assert not rest.is_over(NOW + 1)


def test_a_look_fails__it_looks_again(stillness: Stillness) -> None:
    rest = looked(stillness)
    rest.begin(NOW)  # and does not come to its end
    assert rest.is_over(NOW)


def test_nobody_counts_commits__it_looks_as_often_as_ever() -> None:
    rest = Rest(Stillness(), USUAL_SECONDS)
    rest.ends_at = rest.begin(NOW)
    assert rest.ends_at == NOW + USUAL_SECONDS
    assert rest.is_over(NOW)
