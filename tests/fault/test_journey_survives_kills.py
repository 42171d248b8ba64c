"""`kill -9` at any moment of the journey, then a new start: nothing that was answered is lost.

A real server loads the sample mesh, as `make run` has it. It is killed at random moments of every
step, and while it starts, and started again on the same home. Meanwhile a second client writes and
keeps a ledger of its own. In the end each home is looked through, with and without the server.
"""

import os
import random
import shutil
import sqlite3
from pathlib import Path

import pytest

from meshplane.sample.journey import CHAPTERS
from meshplane.sample.nycflights import ROWS, default_archive
from tests.builders.journey_again import steps
from tests.builders.journey_kills import HEAVY, START, Killer, Survived
from tests.builders.mesh_check import complaints, rows_in_table

pytestmark = [
    pytest.mark.fault,
    pytest.mark.skipif(
        not default_archive().is_file(),
        reason=f"{default_archive().name} is not in this environment: run `make setup`",
    ),
]

_KILLS = 50
_KILLS_OF_A_LONG_RUN = 400

_NUMBERS = {
    **ROWS,
    "qualityScore": 1.0,
    "completenessDepTime": 0.97549,
    "grantedFlights": 111_279,
    "arrDelaySum": 605_550,
    "windyFlights": 507,
    "originalTailNumbers": 0,
    "deletedFlights": 8_255,
    "flightsAfterDelete": 109_416,
    "flightsAsOfBefore": 111_279,
    "carriers": 10,
    "auditChainValid": True,
    "auditChainValidAfterOneByteChanged": False,
}


def _seed() -> int:
    """The variable KILLS_SEED repeats the choices of a run."""
    given = os.environ.get("KILLS_SEED")
    return int(given) if given else random.SystemRandom().getrandbits(32)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(_KILLS, id="fifty-kills"),
        pytest.param(_KILLS_OF_A_LONG_RUN, id="many-kills", marks=pytest.mark.long),
    ],
)
def survived(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Survived:
    """All journeys, killed and played to their ends."""
    seed = _seed()
    print(f"KILLS_SEED={seed}")  # noqa: T201 - repeats the run
    survived = Killer(request.param, seed, tmp_path_factory.mktemp("kills")).run()
    print(survived.summary())  # noqa: T201 - tells where the kills landed
    return survived


def test_kills__hit_the_start_and_every_chapter_and_the_long_steps(survived: Survived) -> None:
    chapter = {step.name: step.chapter for step in steps()}
    hit = {chapter[name] for name in survived.landed if name in chapter}
    assert len(survived.landed) >= _KILLS
    assert hit == set(range(1, len(CHAPTERS) + 1)), survived.summary()
    assert {START, *HEAVY} <= set(survived.landed), survived.summary()
    assert survived.decisions > 0, survived.summary()


def test_kill__leaves_no_process_behind(survived: Survived) -> None:
    assert [pids for pids in survived.left_behind if pids] == []


def test_kill__nothing_that_was_answered_is_lost_or_doubled(survived: Survived) -> None:
    found = [each for played in survived.played for each in played.ledger.complaints]
    assert found == []
    written = sum(len(played.ledger.writes) for played in survived.played)
    looks = sum(played.ledger.looks for played in survived.played)
    assert written > 3 * _KILLS
    assert sum(played.ledger.cut_off for played in survived.played) > 0
    assert looks > len(survived.landed) // 2, "the ledger was hardly ever compared"


def test_kill__rows_that_were_answered_lie_in_the_lake_once(survived: Survived) -> None:
    answered_at_all = 0
    for played in survived.played:
        if played.ledger.table_id is None:
            continue
        there = rows_in_table(played.home, played.ledger.table_id, "number")
        answered = played.ledger.rows_answered()
        answered_at_all += answered.total()
        assert {n for n in answered if there[n] != 1} == set()
        assert {n: times for n, times in there.items() if times > 1} == {}
        assert set(there) <= played.ledger.rows_asked()
    assert answered_at_all > 0


def test_journey__completes_with_every_number(survived: Survived) -> None:
    for played in survived.played:
        record = played.record
        assert record["finishedAt"] is not None
        checks = [check for step in record["steps"] for check in step["checks"]]
        assert [check for check in checks if not check["held"]] == []
        numbers = record["values"]["numbers"]
        assert {name: numbers[name] for name in _NUMBERS} == _NUMBERS


def test_journey__its_writes_repeated_in_the_end__the_same_answers(survived: Survived) -> None:
    assert survived.otherwise == []


def test_home__is_whole_in_the_end(survived: Survived) -> None:
    assert {
        played.home.name: found for played in survived.played if (found := complaints(played.home))
    } == {}


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("DELETE FROM Domains WHERE pk = (SELECT max(pk) FROM Domains)", "Domains"),
        ("DELETE FROM ProjectNames WHERE sk = 'delay-research'", "ProjectNames"),
        (
            "DELETE FROM Subscriptions WHERE pk = (SELECT max(pk) FROM Subscriptions)",
            "Subscriptions",
        ),
        (
            "UPDATE Subscriptions SET body = json_set(CAST(body AS TEXT), '$.status', 'approved')",
            "stuck",
        ),
        ("DELETE FROM Grants WHERE CAST(body AS TEXT) NOT LIKE '%revoked%'", "Grants"),
        ("DELETE FROM LineageEdges WHERE sk = (SELECT min(sk) FROM LineageEdges)", "LineageEdges"),
        (
            "UPDATE Assets SET body = json_set(CAST(body AS TEXT), '$.quality', NULL)",
            "shows the score",
        ),
        (
            "UPDATE Tables SET body = json_set(CAST(body AS TEXT), '$.rows', 7) WHERE body LIKE "
            '\'%"name":"flights"%\' OR CAST(body AS TEXT) LIKE \'%"name":"flights"%\'',
            "says 7 rows",
        ),
        ("DELETE FROM AuditTrail WHERE sequence = 3", "chain is broken"),
        (
            "DELETE FROM AuditTrail WHERE sequence > (SELECT max(sequence) - 3 FROM AuditTrail)",
            "noted head",
        ),
        ("DELETE FROM Outbox WHERE type = 'DomainCreated'", "DomainCreated"),
    ],
)
def test_the_check_itself__something_taken_away__it_is_found(
    survived: Survived, tmp_path: Path, statement: str, told: str
) -> None:
    played = survived.played[0]
    copy = tmp_path / "meshplane.db"
    for file in played.home.glob("meshplane.db*"):
        shutil.copy(file, tmp_path / file.name)
    connection = sqlite3.connect(copy)
    with connection:
        assert connection.execute(statement).rowcount > 0
    connection.close()
    found = complaints(played.home, copy)
    assert any(told in complaint for complaint in found), found
