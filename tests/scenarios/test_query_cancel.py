"""A statement under way: its sender sees it and ends it, an administrator may, nobody else can."""

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson
import pytest

from tests.builders.server import Server, running_server
from tests.builders.small_mesh import SmallMesh

ENDLESS = "SELECT count(*) FROM range(100000000000) a(x) WHERE x % 7 = 3"
OVER_READINGS = (
    "SELECT count(*) FROM harbour.readings, range(100000000000) a(x) WHERE (x + level) % 7 = 3"
)


@pytest.fixture(scope="module")
def mesh() -> Iterator[SmallMesh]:
    with running_server() as server:
        small = SmallMesh(server)
        yield small
        small.close()
        assert server.unforeseen() == []


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(6) as pool:
        yield pool


def until(found: Callable[[], Any], seconds: float = 10.0) -> Any:
    """What is found once there is something."""
    give_up = time.monotonic() + seconds
    while not (it := found()):
        assert time.monotonic() < give_up, "it does not come"
        time.sleep(0.02)
    return it


def running(mesh: SmallMesh, role: str) -> dict[str, Any]:
    """A person's statements under way, by id."""
    return {one["queryId"]: one for one in mesh.ask(role, "GET", "/query/running")["items"]}


def send(
    mesh: SmallMesh, pool: ThreadPoolExecutor, role: str, query_id: str, sql: str = ENDLESS
) -> Future[httpx.Response]:
    """Sends a statement that does not end by itself; returns once it runs or waits for its turn."""
    body = {"sql": sql, "queryId": query_id, "timeoutSeconds": 60}
    sent = pool.submit(mesh.clients[role].post, "/api/v1/query", json=body)
    until(lambda: query_id in running(mesh, role) or sent.done())
    return sent


def cancel(mesh: SmallMesh, role: str, query_id: str, **body: str) -> tuple[int, str]:
    """Status and code of an attempt to end a statement."""
    answer = mesh.clients[role].post(f"/api/v1/query/{query_id}/cancel", json=body)
    return answer.status_code, answer.json().get("code", "")


def told(sent: Future[httpx.Response]) -> tuple[int, str]:
    answer = sent.result(timeout=20)
    return answer.status_code, answer.json().get("code", "")


def test_sender__sees_his_statement_and_ends_it_by_the_id_that_he_chose(
    mesh: SmallMesh, pool: ThreadPoolExecutor
) -> None:
    sent = send(mesh, pool, "owner", "mine-1")
    shown = until(lambda: (one := running(mesh, "owner")["mine-1"])["state"] == "running" and one)
    assert (shown["sql"], shown["principal"]) == (ENDLESS, "user:olga@tides")
    begun = time.monotonic()
    assert cancel(mesh, "owner", "mine-1") == (200, "")
    assert told(sent) == (409, "SQL_CANCELLED")
    assert time.monotonic() - begun < 1.0
    assert running(mesh, "owner") == {}
    kept = mesh.ask("owner", "GET", "/query/history/mine-1")
    assert (kept["status"], kept["code"], kept["rows"]) == ("cancelled", "SQL_CANCELLED", None)
    assert cancel(mesh, "owner", "mine-1") == (409, "QUERY_ENDED")
    assert cancel(mesh, "owner", "never-sent") == (404, "QUERY_NOT_FOUND")


def test_statement_that_waits_for_its_turn__is_cancelled_too(
    mesh: SmallMesh, pool: ThreadPoolExecutor
) -> None:
    sent = {name: send(mesh, pool, "owner", name) for name in ("one-1", "one-2", "one-3")}
    waiting = until(
        lambda: (
            [name for name, it in running(mesh, "owner").items() if it["state"] == "waiting"]
            if len(running(mesh, "owner")) == 3
            else []
        )
    )
    assert len(waiting) == 1
    for name in sorted(sent, key=lambda name: name not in waiting):
        assert cancel(mesh, "owner", name) == (200, "")
        assert told(sent[name]) == (409, "SQL_CANCELLED")


def test_others__learn_nothing_of_a_statement_and_cannot_end_it(
    mesh: SmallMesh, pool: ThreadPoolExecutor
) -> None:
    sent = send(mesh, pool, "other", "quiet-1")
    for role in ("steward", "domain-owner", "unrelated", "auditor", "owner"):
        assert running(mesh, role) == {}
        there = mesh.clients[role].post("/api/v1/query/quiet-1/cancel", json={}).json()
        absent = mesh.clients[role].post("/api/v1/query/quiet-2/cancel", json={}).json()
        assert {**there, "traceId": ""} == {**absent, "traceId": ""}
        assert there["code"] == "QUERY_NOT_FOUND"
        named = cancel(mesh, role, "quiet-1", principal="user:otto@maps")
        assert named == (404, "QUERY_NOT_FOUND")
    assert not sent.done()
    assert cancel(mesh, "other", "quiet-1") == (200, "")
    assert told(sent)[1] == "SQL_CANCELLED"


def test_administrator__sees_that_queries_run_without_their_text_and_ends_any(
    mesh: SmallMesh, pool: ThreadPoolExecutor
) -> None:
    sent = [send(mesh, pool, role, "same-id") for role in ("owner", "other")]
    listed = mesh.ask("administrator", "GET", "/query/running?everyone=true")["items"]
    assert {(one["principal"], one["sql"]) for one in listed} == {
        ("user:olga@tides", None),
        ("user:otto@maps", None),
    }
    for role in ("steward", "auditor", "owner"):
        answer = mesh.clients[role].get("/api/v1/query/running?everyone=true")
        assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")
    assert cancel(mesh, "administrator", "same-id") == (400, "QUERY_AMBIGUOUS")
    for principal in ("user:otto@maps", "user:olga@tides"):
        assert cancel(mesh, "administrator", "same-id", principal=principal) == (200, "")
    assert [told(one) for one in sent] == [(409, "SQL_CANCELLED")] * 2


def test_id__is_taken_once_by_each_person(mesh: SmallMesh, pool: ThreadPoolExecutor) -> None:
    sent = send(mesh, pool, "owner", "once-1")
    again = {"sql": "SELECT 1", "queryId": "once-1"}
    while_it_runs = mesh.clients["owner"].post("/api/v1/query", json=again)
    assert while_it_runs.json()["code"] == "QUERY_ID_TAKEN"
    assert mesh.ask("other", "POST", "/query", again)["queryId"] == "once-1"
    cancel(mesh, "owner", "once-1")
    assert told(sent)[1] == "SQL_CANCELLED"
    afterwards = mesh.clients["owner"].post("/api/v1/query", json=again)
    assert (afterwards.status_code, afterwards.json()["code"]) == (409, "QUERY_ID_TAKEN")


def test_table_of_a_result__is_not_made_when_its_statement_is_cancelled(
    mesh: SmallMesh, pool: ThreadPoolExecutor
) -> None:
    body = {
        "sql": ENDLESS,
        "projectId": mesh.tides,
        "tableName": "never_made",
        "queryId": "making-1",
    }
    sent = pool.submit(mesh.clients["owner"].post, "/api/v1/query/materialize", json=body)
    until(lambda: "making-1" in running(mesh, "owner"))
    assert cancel(mesh, "owner", "making-1") == (200, "")
    assert told(sent) == (409, "SQL_CANCELLED")
    tables = mesh.ask("owner", "GET", f"/tables?projectId={mesh.tides}")["items"]
    assert "never_made" not in [one["name"] for one in tables]


def hang_up(server: Server, token: str, path: str, body: dict[str, Any], seconds: float) -> None:
    """Sends a request and closes the connection after a while, whatever came until then."""
    raw, where = orjson.dumps(body), urlsplit(server.url)
    with socket.create_connection((where.hostname or "", where.port or 0)) as connection:
        head = (
            f"POST /api/v1{path} HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {token}\r\nContent-Length: {len(raw)}\r\n\r\n"
        )
        connection.sendall(head.encode() + raw)
        time.sleep(seconds)


def test_table_of_a_result__whose_client_hung_up_frees_its_turn_and_is_not_made(
    mesh: SmallMesh, pool: ThreadPoolExecutor
) -> None:
    token = mesh.server.token("olga@tides", ("tide-owners",))
    bodies = [
        {"sql": ENDLESS, "projectId": mesh.tides, "tableName": f"left_{number}"}
        for number in range(3)
    ]
    left = [
        pool.submit(hang_up, mesh.server, token, "/query/materialize", body, 1.0) for body in bodies
    ]
    for one in left:
        one.result(timeout=20)
    begun = time.monotonic()
    mesh.ask("owner", "POST", "/query", {"sql": "SELECT 1"})
    assert time.monotonic() - begun < 5
    records = mesh.ask("auditor", "GET", "/audit?limit=1000")["items"]
    ended = [one for one in records if one["operation"] == "materializeQuery"]
    assert [one["code"] for one in ended][-3:] == ["CANCELLED"] * 3
    tables = mesh.ask("owner", "GET", f"/tables?projectId={mesh.tides}")["items"]
    assert not [one["name"] for one in tables if one["name"].startswith("left_")]


def test_revoked__what_a_running_statement_reads_ends_it_within_two_seconds(
    mesh: SmallMesh, pool: ThreadPoolExecutor
) -> None:
    request_id = mesh.subscription
    unharmed = send(mesh, pool, "owner", "unharmed-1", OVER_READINGS)
    sent = send(mesh, pool, "other", "revoked-1", OVER_READINGS)
    until(lambda: running(mesh, "other")["revoked-1"]["state"] == "running")
    time.sleep(1.2)
    assert not sent.done()
    mesh.ask("steward", "POST", f"/subscriptions/{request_id}/revoke", {"reason": "No more."})
    begun = time.monotonic()
    answer = sent.result(timeout=20)
    assert time.monotonic() - begun < 2.0
    assert (answer.status_code, answer.json()["code"]) == (409, "SQL_CANCELLED")
    assert "taken from you" in answer.json()["detail"]
    after = mesh.clients["other"].post("/api/v1/query", json={"sql": OVER_READINGS})
    assert after.json()["code"] == "ACCESS_REQUIRED"
    assert not unharmed.done()
    cancel(mesh, "owner", "unharmed-1")
    assert told(unharmed) == (409, "SQL_CANCELLED")


def test_revoked__no_statement_that_starts_afterwards_succeeds(mesh: SmallMesh) -> None:
    counted, late = {"sql": "SELECT count(*) FROM harbour.readings"}, 0
    for _ in range(15):
        request_id = mesh.new_subscription()
        path = f"/subscriptions/{request_id}"
        mesh.ask("steward", "POST", f"{path}/approve", {"reason": "They draw maps."})
        assert mesh.ask("other", "POST", "/query", counted)["rows"] == [[10]]
        mesh.ask("steward", "POST", f"{path}/revoke", {"reason": "No more."})
        late += mesh.clients["other"].post("/api/v1/query", json=counted).is_success
    assert late == 0


def test_expired__what_a_running_statement_reads_ends_it(
    mesh: SmallMesh, pool: ThreadPoolExecutor
) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=3)
    path = f"/subscriptions/{mesh.new_subscription()}/approve"
    body = {"reason": "For a moment.", "expiresAt": soon.isoformat().replace("+00:00", "Z")}
    mesh.ask("steward", "POST", path, body)
    sent = send(mesh, pool, "other", "expired-1", OVER_READINGS)
    assert told(sent) == (409, "SQL_CANCELLED")
    assert datetime.now(UTC) - soon < timedelta(seconds=2)
