"""`kill -9` of a real server, again and again, while it runs workflows with approvals and retries.

A hundred executions call a service outside that often fails, wait for the decision of two people
who never agree, and make something in the mesh. The variable KILLS_SEED repeats a run's choices.
"""

import json
import os
import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.builders.flaky_outside import Book, flaky_outside
from tests.builders.workflow_kills import MACHINE, Played, WorkflowKiller, undisturbed

pytestmark = pytest.mark.fault

_EXECUTIONS = 100
_KILLS = 50
_KILLS_OF_A_LONG_RUN = 500
_LAST = {"ExecutionSucceeded", "ExecutionFailed", "ExecutionAborted", "ExecutionTimedOut"}

Run = tuple[Played, Book, str]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(_KILLS, id="fifty-kills"),
        pytest.param(_KILLS_OF_A_LONG_RUN, id="many-kills", marks=pytest.mark.long),
    ],
)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Everything is played to its end once, and looked at by each test."""
    given = os.environ.get("KILLS_SEED")
    seed = int(given) if given else random.SystemRandom().getrandbits(32)
    print(f"KILLS_SEED={seed}")  # noqa: T201 - repeats the run
    with flaky_outside(seed) as (url, book):
        count = _EXECUTIONS * request.param // _KILLS
        folder = tmp_path_factory.mktemp("kills")
        played = WorkflowKiller(seed, folder, url, count, request.param).run()
        print(  # noqa: T201 - tells what was tried
            f"{played.kills.total()} kills {dict(played.kills)}, {len(played.ends)} executions, "
            f"{book.attempts.total()} calls outside under {len(book.asked)} keys, "
            f"decisions refused: {dict(played.refused)}, without an answer: {played.unknown}"
        )
        yield played, book, url


def rows(played: Played, statement: str) -> list[Any]:
    with closing(sqlite3.connect(played.home / "meshplane.db")) as database:
        return [json.loads(body) for (body,) in database.execute(statement)]


def approved(played: Played, name: str) -> bool:
    """What was decided, as its history tells."""
    types = {event["type"] for event in played.histories[name]}
    return "ParallelStateEntered" in types


def test_kills__every_execution_ends_once_with_the_result_that_it_would_have_had(run: Run) -> None:
    played, _, url = run
    assert played.kills.total() >= _KILLS
    assert len(played.ends) == len(played.started) >= _EXECUTIONS
    for name, number in played.started.items():
        end = played.ends[name]
        assert end["status"] == "SUCCEEDED", end
        assert end["output"] == undisturbed(url, name, number, approved(played, name)), end


def test_kills__every_history_is_whole_and_has_one_end(run: Run) -> None:
    played, _, _ = run
    for name, events in played.histories.items():
        assert [event["id"] for event in events] == list(range(1, len(events) + 1)), name
        assert sum(event["type"] in _LAST for event in events) == 1, name
        entered = Counter(
            event["stateEnteredEventDetails"]["name"]
            for event in events
            if "stateEnteredEventDetails" in event
        )
        assert set(entered.values()) == {1}, name


def test_kills__each_approval_is_decided_once_and_as_somebody_was_told(run: Run) -> None:
    played, _, _ = run
    decisions = Counter(
        each["resource"] if each["resource"] else each["detail"]["workflow"]
        for each in rows(played, "SELECT body FROM AuditTrail")
        if each["operation"] in ("approveStep", "rejectStep") and each["outcome"] == "allowed"
    )
    assert len(decisions) == len(played.started)
    assert set(decisions.values()) == {1}
    told = rows(played, "SELECT detail FROM Outbox WHERE type = 'ApprovalDecided'")
    assert Counter(each["workflowId"] for each in told) == Counter(
        {each["workflowId"]: 1 for each in told}
    )
    assert len(told) == len(played.started)
    for name in played.started:
        acknowledged = played.decided.get(name, [])
        assert len(acknowledged) <= 1, name
        if acknowledged:
            assert (acknowledged == ["approve"]) == approved(played, name), name
    verdicts = {approved(played, name) for name in played.started}
    assert verdicts == {True, False}, "both people decided something"


def test_kills__each_effect_outside_has_one_key_and_is_there_once(run: Run) -> None:
    played, book, _ = run
    for name in played.started:
        keys = book.keys_of(name)
        assert len(keys) == (2 if approved(played, name) else 1), name
        assert all(key in book.answered for key in keys), name
    assert {len(bodies) for bodies in book.asked.values()} == {1}
    assert book.attempts.total() > len(book.asked), "nothing was ever tried again"


def test_kills__each_effect_in_the_mesh_is_there_once(run: Run) -> None:
    played, _, _ = run
    yes = sorted(name for name in played.started if approved(played, name))
    domains = rows(played, "SELECT body FROM Domains")
    assert sorted(each["name"] for each in domains if each["name"][0] == "x") == yes
    told = rows(played, "SELECT detail FROM Outbox WHERE type = 'Told'")
    assert sorted(each["name"] for each in told) == sorted(played.started)
    ended = rows(played, "SELECT detail FROM Outbox WHERE type LIKE 'Execution%'")
    own = [each["name"] for each in ended if each["stateMachine"] == MACHINE]
    assert sorted(own) == sorted(played.started)
    assert rows(played, "SELECT body FROM DeadLetters") == []
