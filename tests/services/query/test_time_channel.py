"""Time: a hidden row or a masked cell does not decide how long a statement takes.

Each statement does heavy work where a value is as the caller guesses. In one world a hidden or
masked value is so, in the other it is not. Both run in turns, and the time is the processor's, so
that a busy machine does not decide.
"""

import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from meshplane.services.query.sandbox import Mask, Relation, Scope
from meshplane.services.query.sandbox.engine import Connection
from tests.builders.governed_engine import gated_answer, governed_engine
from tests.builders.sandbox_world import columns_of, write

pytestmark = pytest.mark.long

TYPES = {"id": "INTEGER", "region": "VARCHAR", "ssn": "VARCHAR", "pay": "INTEGER"}
SHOWN = {"id": None, "region": None, "ssn": Mask("constant", "***"), "pay": Mask("null")}
ROWS = 2_000
RUNS = 50
MOST_APART = 0.10
HEAVY = "length(sha256(repeat(id::VARCHAR, 200000))) > 0"
GUESSES = {
    "masked cell": f"SELECT id FROM t WHERE CASE WHEN ssn = '007' THEN {HEAVY} ELSE false END",
    "nulled cell": f"SELECT count(*) FROM t WHERE CASE WHEN pay > 5 THEN {HEAVY} ELSE id > 0 END",
    "hidden row": f"SELECT id FROM t WHERE CASE WHEN region = 'US' THEN {HEAVY} ELSE true END",
    "sorted": f"SELECT id FROM t ORDER BY CASE WHEN pay > 5 THEN {HEAVY} ELSE true END, id LIMIT 1",
}


def world(folder: Path, guessed: bool) -> Connection:
    ssn, pay = ("007", 10) if guessed else ("001", 1)
    visible = [(number, "EU", ssn, pay) for number in range(20)]
    hidden = [(number, "US" if guessed else "APAC", ssn, pay) for number in range(20, ROWS)]
    files = write(folder, TYPES, [*visible, *hidden])
    scope = Scope("lower(region) = 'eu'", SHOWN)
    return governed_engine([Relation("s", "t", files, columns_of(TYPES), (scope,))])


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Connection]]:
    engines = [world(tmp_path_factory.mktemp("time"), guessed) for guessed in (True, False)]
    yield engines
    for engine in engines:
        engine.close()


def seconds_of(engine: Connection, sql: str) -> float:
    started = time.process_time()
    found, _ = gated_answer(engine, sql)
    assert found.code is None, found.message
    return time.process_time() - started


@pytest.mark.parametrize("guess", sorted(GUESSES))
def test_statement__takes_no_longer_where_a_hidden_value_is_as_guessed(
    worlds: list[Connection], guess: str
) -> None:
    taken: list[list[float]] = [[], []]
    for _ in range(RUNS):
        for engine, seconds in zip(worlds, taken, strict=True):
            seconds.append(seconds_of(engine, GUESSES[guess]))
    first, second = (statistics.median(each) for each in taken)
    sys.stdout.write(f"{guess}: {first * 1000:.2f} and {second * 1000:.2f} ms\n")
    assert abs(first - second) <= MOST_APART * max(first, second) + 0.0005


def test_heavy_work__is_felt_where_it_is_done(worlds: list[Connection]) -> None:
    """Or the medians above would prove nothing."""
    light = seconds_of(worlds[0], "SELECT count(*) FROM t WHERE id >= 0")
    heavy = seconds_of(worlds[0], f"SELECT count(*) FROM t WHERE {HEAVY}")
    assert heavy > 3 * light
