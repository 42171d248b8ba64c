"""Workflows on a real server that is killed again and again, and people who decide meanwhile."""

import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from meshplane.kit.errors import Unavailable
from meshplane.workflows.asl import TaskFailed, execute
from tests.builders.minter import Minter
from tests.builders.mortal_server import MortalServer, free_port

MACHINE = "k"
_ADMIN = ("admin@mesh", ("mesh-admins",))
_DECIDERS = ("yes@mesh", "no@mesh")
_BETWEEN_SECONDS = (0.02, 1.1)
_WHILE_STARTING = 0.2
_STARTING_SECONDS = 0.6
_LONGEST_END_SECONDS = 60.0
_PAUSE_SECONDS = 0.05

_TRIES: list[dict[str, Any]] = [
    {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 60, "BackoffRate": 1.0}
]


def _call(url: str, step: str, **after: Any) -> dict[str, Any]:
    """A task that asks the service outside."""
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::http:invoke",
        "Parameters": {
            "ApiEndpoint": url,
            "Method": "POST",
            "RequestBody": {"execution.$": "$$.Execution.Name", "step": step, "n.$": "$.n"},
        },
        "ResultSelector": {"n.$": "$.ResponseBody.n"},
        "ResultPath": "$.done",
        "OutputPath": "$.done",
        "Retry": _TRIES,
        **after,
    }


_ASK: dict[str, Any] = {
    "Type": "Task",
    "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
    "TimeoutSeconds": 3600,
    "Parameters": {
        "QueueUrl": "approval-queue",
        "MessageBody": {
            "taskToken.$": "$$.Task.Token",
            "title.$": "$$.Execution.Name",
            "steps": [{"stepName": "look", "approvers": [f"user:{user}" for user in _DECIDERS]}],
        },
    },
    "ResultPath": None,
    "Catch": [{"ErrorEquals": ["APPROVAL_REJECTED"], "ResultPath": None, "Next": "Rejected"}],
    "Next": "Both",
}

_MAKE: dict[str, Any] = {
    "Type": "Task",
    "Resource": "meshplane:createDomain",
    "Parameters": {"name.$": "$$.Execution.Name"},
    "ResultSelector": {"name.$": "$.name"},
    "Retry": _TRIES,
    "End": True,
}

_TELL: dict[str, Any] = {
    "Type": "Task",
    "Resource": "arn:aws:states:::events:putEvents",
    "Parameters": {
        "Entries": [
            {
                "Source": "kills",
                "DetailType": "Told",
                "Detail": {"name.$": "$$.Execution.Name"},
            }
        ]
    },
    "ResultPath": None,
    "End": True,
}


def definition(url: str) -> dict[str, Any]:
    """Outside effects before and after an approval, an operation of the mesh, and an event."""
    nap = {"Type": "Wait", "Seconds": 1, "End": True}
    both = {"After": _call(url, "after", End=True), "Nap": nap, "Make": _MAKE}
    return {
        "StartAt": "Before",
        "States": {
            "Before": _call(url, "before", Next="Ask"),
            "Ask": _ASK,
            "Rejected": {"Type": "Pass", "Parameters": {"rejected": True}, "Next": "Tell"},
            "Both": {
                "Type": "Parallel",
                "Branches": [
                    {"StartAt": name, "States": {name: state}} for name, state in both.items()
                ],
                "Next": "Tell",
            },
            "Tell": _TELL,
        },
    }


def undisturbed(url: str, name: str, n: int, approved: bool) -> Any:
    """The output of an execution that nothing disturbs, after that decision."""

    def perform(resource: str, parameters: Any) -> Any:
        if resource.endswith("http:invoke"):
            return {"ResponseBody": {"n": parameters["RequestBody"]["n"] + 1}}
        if resource.endswith("waitForTaskToken") and not approved:
            raise TaskFailed("APPROVAL_REJECTED", "")
        return {"name": name}

    return execute(definition(url), {"n": n}, tasks=perform, name=name).output


@dataclass
class Played:
    """What was seen from outside.

    Args:
        seed: of all choices.
        home: of the server.
        kills: how many there were, by what the server was doing.
        started: the executions that were asked for, name and number; each was acknowledged.
        decided: by execution, the decisions that were acknowledged.
        refused: how often a decision was refused, by code.
        unknown: how many decisions got no answer.
        ends: the executions in the end, as the server gives them.
        histories: their histories.
    """

    seed: int
    home: Path
    kills: Counter[str] = field(default_factory=Counter)
    started: dict[str, int] = field(default_factory=dict)
    decided: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    refused: Counter[str] = field(default_factory=Counter)
    unknown: int = 0
    ends: dict[str, Any] = field(default_factory=dict)
    histories: dict[str, list[Any]] = field(default_factory=dict)


class WorkflowKiller:
    """Plays executions on a server that is killed.

    Args:
        seed: of all choices.
        folder: where the home goes.
        url: of the service outside.
        executions, kills: how many.
    """

    def __init__(self, seed: int, folder: Path, url: str, executions: int, kills: int) -> None:
        self._chance = random.Random(seed)
        self._executions, self._kills, self._url = executions, kills, url
        self._home = folder / "home"
        self._server = MortalServer(self._home, free_port())
        self._minter = Minter(self._home)
        self._over = threading.Event()
        self._may_start = 0
        self.played = Played(seed, self._home)

    def run(self) -> Played:
        """Plays it to its end."""
        actors: list[Callable[[], None]] = [
            self._start_all,
            lambda: self._decide_for_ever(_DECIDERS[0], "approve"),
            lambda: self._decide_for_ever(_DECIDERS[1], "reject"),
        ]
        threads = [threading.Thread(target=actor, daemon=True) for actor in actors]
        try:
            self._server.start()
            self._server.wait_until_ready()
            self._put_machine()
            for thread in threads:
                thread.start()
            for number in range(self._kills):
                self._may_start = (number + 1) * self._executions // self._kills
                self._kill_once()
            self._server.wait_until_ready()
            self._wait_for_the_ends()
        finally:
            self._over.set()
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
            self._server.stop()
        return self.played

    def _kill_once(self) -> None:
        if self._chance.random() < _WHILE_STARTING:
            time.sleep(self._chance.uniform(0, _STARTING_SECONDS))
        else:
            self._server.wait_until_ready()
            time.sleep(self._chance.uniform(*_BETWEEN_SECONDS))
        self.played.kills["ready" if self._server.is_ready else "starting"] += 1
        self._server.kill()
        self._server.start()

    def _put_machine(self) -> None:
        body = {"definition": definition(self._url)}
        while (answer := self._ask(_ADMIN, "PUT", f"/workflows/{MACHINE}", body)) is None:
            time.sleep(_PAUSE_SECONDS)
        assert answer.is_success, answer.text

    def _start_all(self) -> None:
        number = 0
        while number < self._executions and not self._over.is_set():
            if number >= self._may_start:
                time.sleep(_PAUSE_SECONDS)
                continue
            name = f"x{number:03d}"
            body = {"stateMachine": MACHINE, "name": name, "input": {"n": number}}
            answer = self._ask(_ADMIN, "POST", "/executions", body)
            if answer is not None and answer.is_success:
                self.played.started[name] = number
                number += 1

    def _decide_for_ever(self, user: str, verb: str) -> None:
        while not self._over.is_set():
            page = self._ask((user, ()), "GET", "/approvals?limit=20", None)
            for step in page.json()["items"] if page is not None and page.is_success else []:
                path = f"/approvals/{step['workflowId']}/{verb}"
                answer = self._ask((user, ()), "POST", path, {"comment": user})
                name = step["title"]
                if answer is None:
                    self.played.unknown += 1
                elif answer.is_success:
                    self.played.decided[name].append(verb)
                else:
                    self.played.refused[answer.json()["code"]] += 1
            time.sleep(_PAUSE_SECONDS)

    def _wait_for_the_ends(self) -> None:
        give_up = time.monotonic() + _LONGEST_END_SECONDS
        while len(self.played.started) < self._executions or self._running():
            assert time.monotonic() < give_up, f"still running: {self._running()}"
            time.sleep(0.2)
        for name in self.played.started:
            path = f"/executions/{MACHINE}:{name}"
            for part, into in (("", self.played.ends), ("/history?limit=1000", None)):
                answer = self._ask(_ADMIN, "GET", path + part, None)
                assert answer is not None, "the server lives now"
                assert answer.is_success, answer.text
                if into is not None:
                    into[name] = answer.json()
                else:
                    self.played.histories[name] = answer.json()["items"]

    def _running(self) -> list[str]:
        answer = self._ask(_ADMIN, "GET", "/executions?status=RUNNING&limit=200", None)
        assert answer is not None, "the server lives now"
        return [each["executionId"] for each in answer.json()["items"]]

    def _ask(
        self, who: tuple[str, tuple[str, ...]], method: str, path: str, body: Any
    ) -> httpx.Response | None:
        """The answer; None when none came."""
        try:
            headers = {"Authorization": f"Bearer {self._minter.mint(*who)}"}
            return httpx.request(
                method,
                f"{self._server.url}/api/v1{path}",
                json=body,
                headers=headers,
                timeout=20.0,
                trust_env=False,
                verify=False,  # no TLS here, and no certificates to read for each request
            )
        except (httpx.TransportError, Unavailable):
            return None
