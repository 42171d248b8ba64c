"""Archives and replays over HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.builders.events_app import AUDITOR, EventsApp, running_events
from tests.builders.until import until

RULE = {
    "eventPattern": {"source": ["mine"]},
    "targets": [{"id": "q", "type": "queue", "name": "jobs"}],
}
SPAN = {"from": "2000-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"}


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[EventsApp]:
    async with running_events(tmp_path) as app:
        yield app


@pytest.fixture
async def http(app: EventsApp) -> AsyncIterator[httpx.AsyncClient]:
    async with app.client() as client:
        yield client


async def ended(http: httpx.AsyncClient, replay_id: str) -> dict[str, Any]:
    found: dict[str, Any] = {}

    async def has_ended() -> bool:
        found.update((await http.get(f"/events/replays/{replay_id}")).json())
        return found["endedAt"] is not None

    await until(has_ended)
    return found


async def test_replay_of_an_archive__gives_its_events_to_a_rule_that_came_later(
    http: httpx.AsyncClient,
) -> None:
    entries = [
        {"source": "mine", "detailType": "Said", "detail": {"said": word}} for word in ("a", "b")
    ]
    await http.post("/events", json={"entries": entries})
    archive = {"eventPattern": {"detail": {"said": ["a"]}}, "description": "All of a."}
    made = (await http.put("/events/archives/of-a", json=archive)).json()
    assert (made["version"], made["retentionDays"]) == (1, 0)
    await http.put("/events/rules/mine", json=RULE)
    body = {"name": "again", "archive": "of-a", "rules": ["mine"], **SPAN}
    started = await http.post("/events/replays", json=body)
    assert started.status_code == 201, started.text
    assert started.json()["state"] == "STARTING"
    replay = await ended(http, started.json()["replayId"])
    assert (replay["state"], replay["events"], replay["from"][:4]) == ("COMPLETED", 1, "2000")
    received = await http.post("/events/queues/jobs/receive", json={"maxMessages": 10})
    (item,) = received.json()["items"]
    assert item["body"]["replay-name"] == "again"
    late = await http.post(f"/events/replays/{replay['replayId']}/cancel")
    assert (late.status_code, late.json()["code"]) == (409, "REPLAY_ENDED")
    (listed,) = (await http.get("/events/replays")).json()["items"]
    assert listed["replayId"] == replay["replayId"]


async def test_archives__are_listed_replaced_and_deleted(
    app: EventsApp, http: httpx.AsyncClient
) -> None:
    for name in ("b", "a", "a"):
        assert (await http.put(f"/events/archives/{name}", json={})).status_code == 200
    async with app.client(AUDITOR) as auditor:
        listed = (await auditor.get("/events/archives")).json()["items"]
        assert (await auditor.delete("/events/archives/a")).status_code == 403
    assert [(item["name"], item["version"]) for item in listed] == [("a", 2), ("b", 1)]
    assert (await http.delete("/events/archives/a")).status_code == 204
    assert (await http.delete("/events/archives/a")).json()["code"] == "ARCHIVE_NOT_FOUND"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"archive": "nothing"}, "ARCHIVE_NOT_FOUND"),
        ({"from": "2100-01-01T00:00:00Z"}, "REPLAY_INVALID"),
        ({"to": "tomorrow"}, "REPLAY_INVALID"),
        ({"rules": []}, "REQUEST_INVALID"),
        ({"name": "a b"}, "REQUEST_INVALID"),
    ],
)
async def test_replay_that_cannot_be__is_refused(
    http: httpx.AsyncClient, change: dict[str, Any], code: str
) -> None:
    await http.put("/events/archives/all", json={})
    body = {"name": "again", "archive": "all", **SPAN, **change}
    assert (await http.post("/events/replays", json=body)).json()["code"] == code


async def test_archive_with_a_bad_pattern__is_refused(http: httpx.AsyncClient) -> None:
    answer = await http.put("/events/archives/all", json={"eventPattern": {"source": "x"}})
    assert (answer.status_code, answer.json()["code"]) == (400, "InvalidEventPatternException")
