"""Bad input of every kind ends its own execution, with its reason, and harms no other.

All bombs are started at once on a real server. Meanwhile well-behaved executions start and end, and
the server says that it is healthy.
"""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from meshplane.workflows.asl import execute
from tests.builders.server import Server, running_server

pytestmark = [pytest.mark.fault, pytest.mark.serial]

_ADMINS = ("mesh-admins",)
_HEALTHY_SECONDS = 2.0
_GOOD_SECONDS = 5.0
_LONGEST_SECONDS = 60.0
_PAUSE_SECONDS = 0.05
_GOOD_AT_ONCE = 5
_MOMENT_SECONDS = 0.1


def one(**state: Any) -> dict[str, Any]:
    return {"StartAt": "A", "States": {"A": {**state, "End": True}}}


def jsonata(expression: str) -> dict[str, Any]:
    return {"QueryLanguage": "JSONata", **one(Type="Pass", Output=f"{{% {expression} %}}")}


_PASS = {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}
_LOOP = {
    "StartAt": "A",
    "States": {
        "A": {"Type": "Pass", "Next": "B"},
        "B": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.never", "IsPresent": True, "Next": "C"}],
            "Default": "A",
        },
        "C": {"Type": "Succeed"},
    },
}


def nested(depth: int) -> dict[str, Any]:
    return {"a": nested(depth - 1) if depth else {}, "b": {}}


_EVALUATION = "States.QueryEvaluationError"

BOMBS: dict[str, tuple[dict[str, Any], Any, str, str]] = {
    "payload-over-256-kilobytes": (
        one(Type="Pass", Parameters={"a.$": "States.Format('{}{}{}{}', $.t, $.t, $.t, $.t)"}),
        {"t": "x" * 70_000},
        "States.DataLimitExceeded",
        "maximum number of bytes",
    ),
    "endless-loop": (_LOOP, {}, "States.Runtime", "maximum number of history events (25000)"),
    "jsonata-recursion": (
        jsonata("($f := function($n){$f($n+1)+1}; $f(0))"),
        {},
        _EVALUATION,
        "jsonata",
    ),
    "jsonata-tail-recursion": (
        jsonata("($f := function($n){$f($n+1)}; $f(0))"),
        {},
        _EVALUATION,
        "jsonata",
    ),
    "jsonata-range": (jsonata("$sum([1..10000000])"), {}, _EVALUATION, "jsonata"),
    "jsonata-padding": (jsonata("$pad('x', 100000000)"), {}, _EVALUATION, "jsonata"),
    "jsonata-pattern": (
        jsonata("$match($states.input.r, /(a+)+b/)"),
        {"r": "a" * 5000},
        _EVALUATION,
        "jsonata",
    ),
    "jsonpath": (
        one(Type="Pass", Parameters={"a.$": "$..*..*..*..*..*"}),
        nested(60),
        "States.Runtime",
        "visits more than",
    ),
    "map-of-ten-million": (
        {
            "QueryLanguage": "JSONata",
            **one(Type="Map", Items="{% [1..10000000] %}", ItemProcessor=_PASS),
        },
        {},
        _EVALUATION,
        "jsonata",
    ),
    "map-of-thousands": (
        one(Type="Map", ItemsPath="$.items", ItemProcessor=_PASS),
        {"items": [0] * 30_000},
        "States.Runtime",
        "maximum number of history events (25000)",
    ),
    "intrinsic-range": (
        one(Type="Pass", Parameters={"a.$": "States.ArrayRange(0, 100000000, 1)"}),
        {},
        "States.IntrinsicFailure",
        "ArrayRange",
    ),
    "wait-of-a-thousand-years": (
        one(Type="Wait", SecondsPath="$.seconds"),
        {"seconds": 31_536_000_000},
        "States.Runtime",
        "99999999",
    ),
}
"""A definition, an input, the error, and a part of its cause."""

GOOD = {
    "StartAt": "A",
    "States": {
        "A": {"Type": "Pass", "Next": "Nap"},
        "Nap": {"Type": "Wait", "Seconds": 1, "Next": "B"},
        "B": {"Type": "Pass", "Result": "well", "End": True},
    },
}


@dataclass
class Seen:
    """What was seen while the bombs went off.

    Args:
        ends: how each bomb ended.
        good_seconds: how long each well-behaved execution took.
        health_seconds: how long the server took to say that it is healthy.
        slowdown: how much longer all takes on this machine, as others work on it too.
    """

    ends: dict[str, Any] = field(default_factory=dict)
    good_seconds: list[float] = field(default_factory=list)
    health_seconds: list[float] = field(default_factory=list)
    slowdown: float = 1.0


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server() as running:
        yield running
        assert running.unforeseen() == []


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx.Client]:
    with server.client("ada@mesh", _ADMINS) as made:
        yield made


@pytest.fixture(scope="module")
def seen(server: Server, client: httpx.Client) -> Seen:
    found = Seen()
    for name, (definition, _, _, _) in {**BOMBS, "good": (GOOD, {}, "", "")}.items():
        answer = client.put(f"/api/v1/workflows/{name}", json={"definition": definition})
        assert answer.is_success, answer.text
    over = threading.Event()
    threads = [
        threading.Thread(target=watch, args=(server, over, found), daemon=True)
        for watch in (_watch_health, *[_watch_good] * _GOOD_AT_ONCE)
    ]
    for thread in threads:
        thread.start()
    try:
        for name, (_, given, _, _) in BOMBS.items():
            body = {"stateMachine": name, "name": "bomb", "input": given}
            assert client.post("/api/v1/executions", json=body).status_code == 201
        found.slowdown = max(_slowdown(), _slowdown())
        _wait_for_the_ends(client, found)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    print(  # noqa: T201 - tells what was measured
        f"health at most {max(found.health_seconds):.2f} s of {len(found.health_seconds)}, "
        f"well-behaved ones at most {max(found.good_seconds):.2f} s of {len(found.good_seconds)}"
    )
    return found


def _slowdown() -> float:
    """How long a moment of computing takes, as a multiple of itself."""
    began, used = time.monotonic(), time.thread_time()
    while time.thread_time() - used < _MOMENT_SECONDS:
        sum(range(1000))
    return (time.monotonic() - began) / _MOMENT_SECONDS


def _wait_for_the_ends(client: httpx.Client, found: Seen) -> None:
    give_up = time.monotonic() + _LONGEST_SECONDS
    while len(found.ends) < len(BOMBS) and time.monotonic() < give_up:
        for name in [name for name in BOMBS if name not in found.ends]:
            end = client.get(f"/api/v1/executions/{name}:bomb").json()
            if end["status"] != "RUNNING":
                found.ends[name] = end
        time.sleep(_PAUSE_SECONDS)


def _watch_health(server: Server, over: threading.Event, found: Seen) -> None:
    with server.client() as client:
        while not over.is_set():
            began = time.monotonic()
            assert client.get("/health").status_code == 200
            found.health_seconds.append(time.monotonic() - began)
            time.sleep(_PAUSE_SECONDS)


def _watch_good(server: Server, over: threading.Event, found: Seen) -> None:
    with server.client("grace@mesh", _ADMINS) as client:
        while not over.is_set():
            began = time.monotonic()
            body = {"stateMachine": "good", "input": {}}
            answer = client.post("/api/v1/executions", json=body)
            path = f"/api/v1/executions/{answer.json()['executionId']}"
            while (end := client.get(path).json())["status"] == "RUNNING":
                time.sleep(_PAUSE_SECONDS)
            assert end["output"] == "well"
            found.good_seconds.append(time.monotonic() - began)


@pytest.mark.parametrize("name", list(BOMBS))
def test_bomb__ends_its_own_execution_with_its_reason(seen: Seen, name: str) -> None:
    _, _, error, cause = BOMBS[name]
    assert name in seen.ends, "it goes on and on"
    end = seen.ends[name]
    assert (end["status"], end["error"]) == ("FAILED", error)
    assert cause.lower() in end["cause"].lower()


def test_bombs__do_not_hold_up_other_executions_or_the_server(seen: Seen) -> None:
    assert len(seen.health_seconds) > 5
    assert len(seen.good_seconds) >= _GOOD_AT_ONCE
    assert max(seen.health_seconds) < _HEALTHY_SECONDS * seen.slowdown
    assert max(seen.good_seconds) < _GOOD_SECONDS * seen.slowdown


def test_loop__left_a_history_that_is_whole_up_to_its_limit(
    seen: Seen, client: httpx.Client
) -> None:
    assert "endless-loop" in seen.ends
    path = "/api/v1/executions/endless-loop:bomb/history?limit=1000"
    page = client.get(path).json()
    numbers = [event["id"] for event in page["items"]]
    while page["nextCursor"] is not None:
        page = client.get(f"{path}&cursor={page['nextCursor']}").json()
        numbers += [event["id"] for event in page["items"]]
    assert numbers == list(range(1, 25_001))


@pytest.mark.parametrize(
    ("definition", "path", "reason"),
    [
        ({"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}}}, "/States/A/Next", "B"),
        (one(Type="Wait", Seconds=31_536_000_000), "/States/A/Seconds", "99999999"),
        (one(Type="Pass", InputPath="$["), "/States/A/InputPath", "$["),
        (jsonata("$sum("), "/States/A/Output", "$sum("),
        (one(Type="Map", ItemProcessor={"StartAt": "P", "States": {}}), "/States/A", "P"),
        ({"StartAt": "A"}, "/", "States"),
    ],
    ids=["next", "wait", "path", "jsonata", "map", "states"],
)
def test_definition_with_an_error__is_refused_with_its_path_and_reason(
    client: httpx.Client, definition: dict[str, Any], path: str, reason: str
) -> None:
    answer = client.put("/api/v1/workflows/wrong", json={"definition": definition})
    assert answer.status_code == 400
    problem = answer.json()
    assert problem["code"] == "STATE_MACHINE_INVALID"
    told = [(each["field"], each["message"]) for each in problem["errors"]]
    assert any(f.startswith(f"definition{path}") and reason in m for f, m in told), told
    assert client.get("/api/v1/workflows/wrong").status_code == 404


def test_input_over_256_kilobytes__is_refused_and_nothing_starts(client: httpx.Client) -> None:
    client.put("/api/v1/workflows/good", json={"definition": GOOD})
    body = {"stateMachine": "good", "name": "large", "input": "x" * 262_145}
    answer = client.post("/api/v1/executions", json=body)
    assert (answer.status_code, answer.json()["code"]) == (413, "INPUT_TOO_LARGE")
    assert client.get("/api/v1/executions/good:large").status_code == 404


def test_wait_until_the_year_3024__is_over_after_the_year_that_executions_may_last() -> None:
    definition = one(Type="Wait", Timestamp="3024-01-01T00:00:00Z")
    end = execute(definition, {})
    assert (end.status, end.error) == ("TIMED_OUT", "States.Timeout")
