"""Several people decide at the same moment, while time runs out or somebody stops the execution.

Of all decisions one wins; everybody else is told so with 409, and the audit trail has one record of
the decision. What the workflow does is what the winner said.
"""

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from threading import Barrier
from typing import Any

import httpx
import pytest

from tests.builders.server import Server, running_server

pytestmark = pytest.mark.fault

_RACES = 40
_TIMED_RACES = 30
_ADMINS = ("mesh-admins",)
_PEOPLE = [f"p{number}@mesh" for number in range(6)]
_TOO_LATE = {"ALREADY_DECIDED", "APPROVAL_CLOSED", "EXECUTION_ENDED"}
_LONGEST_SECONDS = 20.0


def asking(timeout_seconds: int) -> dict[str, Any]:
    steps = [{"stepName": "look", "approvers": [f"user:{user}" for user in _PEOPLE]}]
    body = {"taskToken.$": "$$.Task.Token", "title.$": "$$.Execution.Name", "steps": steps}
    return {
        "StartAt": "Ask",
        "States": {
            "Ask": {
                "Type": "Task",
                "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
                "Parameters": {"QueueUrl": "approval-queue", "MessageBody": body},
                "TimeoutSeconds": timeout_seconds,
                "End": True,
            }
        },
    }


@dataclass
class Race:
    """What came of one race.

    Args:
        workflow_id: of the approval.
        answers: who did what: the verb, the status and the code of its answer.
        end: the execution, once it has ended.
    """

    workflow_id: str
    answers: list[tuple[str, int, str | None]]
    end: dict[str, Any]

    @property
    def winners(self) -> list[str]:
        """What was answered with success."""
        return [verb for verb, status, _ in self.answers if status == 200]

    @property
    def decisions(self) -> list[str]:
        """The decisions among them."""
        return [verb for verb in self.winners if verb != "stop"]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server() as running:
        with running.client("ada@mesh", _ADMINS) as client:
            for name, seconds in (("ask", 3600), ("hurry", 2)):
                body = {"definition": asking(seconds)}
                assert client.put(f"/api/v1/workflows/{name}", json=body).is_success
        yield running
        assert running.unforeseen() == []


class Racers:
    """People with connections of their own, who go off together.

    Args:
        server: where they race.
        verbs: what each of them does.
    """

    def __init__(self, server: Server, verbs: list[str]) -> None:
        self._verbs = verbs
        self._admin = server.client("ada@mesh", _ADMINS)
        people = iter(_PEOPLE)
        self._clients = [
            server.client("ada@mesh", _ADMINS) if verb == "stop" else server.client(next(people))
            for verb in verbs
        ]
        self._pool = ThreadPoolExecutor(len(verbs))

    def close(self) -> None:
        for client in (self._admin, *self._clients):
            client.close()
        self._pool.shutdown()

    def race(self, machine: str, name: str, after_seconds: float = 0.0) -> Race:
        began = time.monotonic()
        body = {"stateMachine": machine, "name": name, "input": {}}
        assert self._admin.post("/api/v1/executions", json=body).status_code == 201
        workflow_id = self._approval_of(name)
        execution = f"/api/v1/executions/{machine}:{name}"
        time.sleep(max(0.0, began + after_seconds - time.monotonic()))
        barrier = Barrier(len(self._verbs))

        def go(verb: str, client: httpx.Client) -> tuple[str, int, str | None]:
            path = f"/api/v1/approvals/{workflow_id}/{verb}"
            barrier.wait()
            answer = client.post(f"{execution}/stop" if verb == "stop" else path, json={})
            return verb, answer.status_code, answer.json().get("code")

        answers = list(self._pool.map(go, self._verbs, self._clients))
        return Race(workflow_id, answers, self._end_of(execution))

    def _approval_of(self, name: str) -> str:
        give_up = time.monotonic() + _LONGEST_SECONDS
        while time.monotonic() < give_up:
            page = self._clients[0].get("/api/v1/approvals?limit=200").json()
            for step in page["items"]:
                if step["title"] == name:
                    return str(step["workflowId"])
        raise AssertionError("nobody was asked")

    def _end_of(self, execution: str) -> dict[str, Any]:
        give_up = time.monotonic() + _LONGEST_SECONDS
        while time.monotonic() < give_up:
            end: dict[str, Any] = self._admin.get(execution).json()
            if end["status"] != "RUNNING":
                return end
        raise AssertionError("it does not end")


def check(races: list[Race]) -> None:
    """What holds for every race."""
    for race in races:
        assert len(race.decisions) <= 1, race
        losers = [(status, code) for _, status, code in race.answers if status != 200]
        assert {status for status, _ in losers} <= {409}, race
        assert {code for _, code in losers} <= _TOO_LATE, race
        if "stop" in race.winners:
            assert race.end["status"] == "ABORTED", race
        elif race.decisions == ["approve"]:
            assert (race.end["status"], race.end["output"]["approved"]) == ("SUCCEEDED", True), race
        elif race.decisions == ["reject"]:
            assert (race.end["status"], race.end["error"]) == ("FAILED", "APPROVAL_REJECTED"), race
        else:
            assert (race.end["status"], race.end["error"]) == ("FAILED", "States.Timeout"), race


def decisions_in(server: Server) -> tuple[Counter[str], Counter[str]]:
    """By approval: decisions in the audit trail, and on the bus."""
    with closing(sqlite3.connect(server.home / "meshplane.db")) as database:
        records = [json.loads(body) for (body,) in database.execute("SELECT body FROM AuditTrail")]
        events = database.execute("SELECT detail FROM Outbox WHERE type = 'ApprovalDecided'")
        told = Counter(json.loads(detail)["workflowId"] for (detail,) in events)
    audited = Counter(
        record["detail"]["workflow"]
        for record in records
        if record["operation"] in ("approveStep", "rejectStep") and record["outcome"] == "allowed"
    )
    return audited, told


def test_people_who_decide_at_once__one_wins_and_the_others_learn_it(server: Server) -> None:
    racers = Racers(server, ["approve", "reject", "approve", "reject", "approve", "reject"])
    races = [racers.race("ask", f"d{number}") for number in range(_RACES)]
    racers.close()
    check(races)
    assert all(len(race.winners) == 1 for race in races)
    assert {race.winners[0] for race in races} == {"approve", "reject"}
    audited, told = decisions_in(server)
    assert all(audited[race.workflow_id] == told[race.workflow_id] == 1 for race in races)


def test_stop_against_decisions__the_end_is_what_the_last_winner_said(server: Server) -> None:
    racers = Racers(server, ["approve", "stop", "reject", "approve", "stop", "reject"])
    races = [racers.race("ask", f"s{number}") for number in range(_RACES)]
    racers.close()
    check(races)
    assert all(race.winners.count("stop") <= 1 for race in races)
    audited, told = decisions_in(server)
    for race in races:
        decided = len(race.decisions)
        assert audited[race.workflow_id] == told[race.workflow_id] == decided, race
    assert {race.end["status"] for race in races} >= {"ABORTED"}


def test_timeout_against_decisions__either_all_are_too_late_or_one_wins(server: Server) -> None:
    lanes = [Racers(server, ["approve", "reject"]) for _ in range(6)]

    def run(number: int) -> list[Race]:
        lane = lanes[number]
        return [
            lane.race("hurry", f"t{number}-{turn}", 1.96 + 0.02 * turn)
            for turn in range(_TIMED_RACES // len(lanes))
        ]

    with ThreadPoolExecutor(len(lanes)) as pool:
        races = [race for some in pool.map(run, range(len(lanes))) for race in some]
    for lane in lanes:
        lane.close()
    check(races)
    audited, told = decisions_in(server)
    for race in races:
        assert audited[race.workflow_id] == told[race.workflow_id] == len(race.decisions), race
    assert {bool(race.decisions) for race in races} == {True, False}
