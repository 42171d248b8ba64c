"""Rules over HTTP: what is written is what acts, and what cannot work is refused with its place."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.builders.bus import rule
from tests.builders.events_app import AUDITOR, SOMEBODY, EventsApp, running_events

QUEUE = {"id": "q", "type": "queue", "name": "jobs"}
MINE = {"eventPattern": {"source": ["mine"]}, "targets": [QUEUE]}


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[EventsApp]:
    async with running_events(
        tmp_path, built_in_rules=[rule("meshplane.audit", built_in=True)]
    ) as app:
        yield app


@pytest.fixture
async def http(app: EventsApp) -> AsyncIterator[httpx.AsyncClient]:
    async with app.client() as client:
        yield client


async def emit(http: httpx.AsyncClient, *said: str) -> None:
    entries = [
        {"source": "mine", "detailType": "Said", "detail": {"said": word}, "resources": [word]}
        for word in said
    ]
    answer = await http.post("/events", json={"entries": entries})
    assert answer.status_code == 201, answer.text


async def received(http: httpx.AsyncClient, count: int, queue: str = "jobs") -> list[str]:
    """What messages say, once there are so many; they are acknowledged."""
    said: list[str] = []
    while len(said) < count:
        answer = await http.post(
            f"/events/queues/{queue}/receive", json={"maxMessages": 10, "waitSeconds": 5}
        )
        items = answer.json()["items"]
        assert items, said
        said += [item["body"]["detail"]["said"] for item in items]
        handles = [item["receiptHandle"] for item in items]
        done = await http.post(
            f"/events/queues/{queue}/acknowledge", json={"receiptHandles": handles}
        )
        assert done.json() == {"acknowledged": len(items)}
    return sorted(said)


async def test_rule__brings_events_to_its_queue_until_it_is_disabled(
    http: httpx.AsyncClient,
) -> None:
    made = await http.put("/events/rules/mine", json=MINE)
    assert made.status_code == 200
    body = made.json()
    assert (body["name"], body["state"], body["version"]) == ("mine", "ENABLED", 1)
    assert body["targets"][0]["retryPolicy"] == {
        "maximumRetryAttempts": 185,
        "maximumEventAgeSeconds": 86_400,
    }
    await emit(http, "a", "b")
    assert await received(http, 2) == ["a", "b"]
    off = await http.post("/events/rules/mine/disable")
    assert off.json()["state"] == "DISABLED"
    await emit(http, "c")
    await asyncio.sleep(0.1)
    await http.post("/events/rules/mine/enable")
    await emit(http, "d")
    assert await received(http, 1) == ["d"]
    assert (await http.get("/events/rules/mine")).json()["version"] == 3


async def test_rules__are_listed_and_deleted(http: httpx.AsyncClient) -> None:
    for name in ("b", "a"):
        await http.put(f"/events/rules/{name}", json=MINE)
    listed = (await http.get("/events/rules", params={"limit": 2})).json()
    assert [item["name"] for item in listed["items"]] == ["a", "b"]
    rest = (await http.get("/events/rules", params={"cursor": listed["nextCursor"]})).json()
    assert [(item["name"], item["builtIn"]) for item in rest["items"]] == [
        ("meshplane.audit", True)
    ]
    assert (await http.delete("/events/rules/a")).status_code == 204
    assert (await http.get("/events/rules/a")).json()["code"] == "RULE_NOT_FOUND"


async def test_built_in_rule__can_be_disabled_and_nothing_else(http: httpx.AsyncClient) -> None:
    path = "/events/rules/meshplane.audit"
    assert (await http.put(path, json=MINE)).json()["code"] == "RULE_RESERVED"
    assert (await http.put("/events/rules/meshplane.x", json=MINE)).json()[
        "code"
    ] == "RULE_RESERVED"
    assert (await http.delete(path)).json()["code"] == "RULE_BUILT_IN"
    assert (await http.post(f"{path}/disable")).json()["state"] == "DISABLED"
    assert (await http.get(path)).json()["state"] == "DISABLED"
    assert (await http.post(f"{path}/enable")).json()["state"] == "ENABLED"


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"eventPattern": None}, "RULE_INVALID", "eventPattern"),
        ({"scheduleExpression": "rate(1 hour)"}, "RULE_INVALID", "eventPattern"),
        ({"eventPattern": {"source": "x"}}, "InvalidEventPatternException", None),
        (
            {"eventPattern": None, "scheduleExpression": "rate(0 hours)"},
            "SCHEDULE_INVALID",
            None,
        ),
        ({"targets": []}, "REQUEST_INVALID", "targets"),
        ({"targets": [QUEUE] * 2}, "RULE_INVALID", "targets"),
        ({"targets": [{**QUEUE, "id": str(n)} for n in range(6)]}, "REQUEST_INVALID", "targets"),
        ({"targets": [{**QUEUE, "name": "webhooks"}]}, "QUEUE_RESERVED", "targets.0.name"),
        ({"targets": [{**QUEUE, "name": "a b"}]}, "QUEUE_INVALID", "targets.0.name"),
        ({"targets": [{**QUEUE, "url": "http://x"}]}, "TARGET_INVALID", "targets.0.name"),
        ({"targets": [{**QUEUE, "input": "{"}]}, "INPUT_INVALID", "targets.0.input"),
        (
            {"targets": [{"id": "w", "type": "workflow", "name": "nothing"}]},
            "TARGET_INVALID",
            "targets.0.name",
        ),
        (
            {"targets": [{"id": "f", "type": "function", "name": "nothing"}]},
            "TARGET_INVALID",
            "targets.0.name",
        ),
        (
            {"targets": [{"id": "w", "type": "webhook", "url": "http://example.org/x"}]},
            "HOST_NOT_ALLOWED",
            "targets.0.url",
        ),
        (
            {"targets": [{"id": "w", "type": "webhook", "url": "file:///etc/passwd"}]},
            "URL_INVALID",
            "targets.0.url",
        ),
    ],
)
async def test_rule_that_cannot_work__is_refused_with_its_place(
    http: httpx.AsyncClient, change: dict[str, Any], code: str, field: str | None
) -> None:
    answer = await http.put("/events/rules/mine", json={**MINE, **change})
    problem = answer.json()
    assert problem["code"] == code, problem
    if field is not None:
        assert problem["errors"][0]["field"] == field
    assert (await http.get("/events/rules/mine")).status_code == 404


async def test_others__may_try_patterns_and_nothing_else(app: EventsApp) -> None:
    async with app.client(SOMEBODY) as somebody, app.client(AUDITOR) as auditor:
        tried = await somebody.post(
            "/events/test-pattern",
            json={
                "eventPattern": {"source": ["mine"]},
                "event": {
                    "id": "1",
                    "account": "0",
                    "source": "mine",
                    "time": "2024-05-01T12:00:00Z",
                    "region": "local",
                    "resources": [],
                    "detail-type": "Said",
                    "detail": {},
                },
            },
        )
        assert tried.json() == {"result": True}
        assert (await somebody.put("/events/rules/mine", json=MINE)).status_code == 403
        assert (await somebody.get("/events/rules")).status_code == 403
        assert (await auditor.get("/events/rules")).status_code == 200
        assert (await auditor.put("/events/rules/mine", json=MINE)).status_code == 403


@pytest.mark.parametrize("source", ["aws.s3", "meshplane.scheduler", "management-app.x", "AWS"])
async def test_source_of_the_mesh_itself__is_refused(http: httpx.AsyncClient, source: str) -> None:
    entry = {"source": source, "detailType": "Said", "detail": {}}
    answer = await http.post("/events", json={"entries": [{**entry, "source": "fine"}, entry]})
    assert (answer.status_code, answer.json()["code"]) == (403, "SOURCE_RESERVED")
    assert (await http.get("/events")).json()["items"] == []


async def test_events_that_are_sent__are_stored_under_the_ids_of_the_answer(
    http: httpx.AsyncClient,
) -> None:
    entries = [{"source": "mine", "detailType": "Said", "detail": {"n": n}} for n in range(10)]
    answer = (await http.post("/events", json={"entries": entries})).json()
    listed = (await http.get("/events")).json()["items"]
    assert [item["eventId"] for item in listed] == [one["eventId"] for one in answer["entries"]]
    too_many = await http.post("/events", json={"entries": entries * 2})
    assert too_many.json()["code"] == "REQUEST_INVALID"
    large = [{"source": "mine", "detailType": "Said", "detail": {"x": "y" * 262_144}}]
    assert (await http.post("/events", json={"entries": large})).json()["code"] == "EVENT_TOO_LARGE"
