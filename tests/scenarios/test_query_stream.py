"""A large answer in Arrow over HTTP: sent as it is made, ended only if it is whole."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import httpx
import pyarrow as pa
import pytest

from tests.builders.server import running_server
from tests.builders.small_mesh import ARROW, SmallMesh

MUCH = "SELECT i, repeat('x', 500) AS t FROM range(100000) r(i)"
FAILS_LATE = f"{MUCH} UNION ALL SELECT 1, CAST(CAST('no number' AS INTEGER) AS VARCHAR)"


@pytest.fixture(scope="module")
def mesh() -> Iterator[SmallMesh]:
    with running_server() as server:
        small = SmallMesh(server)
        yield small
        small.close()
        assert server.unforeseen() == []


def body(sql: str, query_id: str, **more: Any) -> dict[str, Any]:
    return {"sql": sql, "queryId": query_id, "maxRows": 1_000_000, **more}


def ended(mesh: SmallMesh, query_id: str) -> dict[str, Any]:
    """The entry of a query, once it has ended."""
    give_up = time.monotonic() + 10
    while True:
        answer = mesh.clients["owner"].get(f"/api/v1/query/history/{query_id}")
        if answer.is_success:
            found: dict[str, Any] = answer.json()
            return found
        assert time.monotonic() < give_up, "it does not end"
        time.sleep(0.05)


def codes(mesh: SmallMesh, query_id: str) -> list[str | None]:
    """The codes of a query's audit records."""
    records = mesh.ask("auditor", "GET", "/audit?limit=1000")["items"]
    return [one["code"] for one in records if one["detail"].get("queryId") == query_id]


def live(
    mesh: SmallMesh, user: str, groups: tuple[str, ...], sent: dict[str, Any]
) -> AbstractContextManager[httpx.Response]:
    """An answer that is read while it comes."""
    client = mesh.server.client(user, groups)
    return client.stream("POST", "/api/v1/query", json=sent, headers={"Accept": ARROW})


def read_on(answer: httpx.Response) -> None:
    """Reads until there is no more."""
    for _ in answer.iter_bytes():
        continue


def test_large_answer__is_whole_and_its_end_is_on_record(mesh: SmallMesh) -> None:
    client, accept = mesh.clients["owner"], {"Accept": ARROW}
    answer = client.post("/api/v1/query", json=body(MUCH, "large-1"), headers=accept)
    assert answer.status_code == 200
    assert "content-length" not in answer.headers
    assert pa.ipc.open_stream(answer.content).read_all().num_rows == 100_000
    entry = ended(mesh, "large-1")
    assert (entry["status"], entry["rows"]) == ("succeeded", 100_000)
    assert entry["resultBytes"] == len(answer.content)
    # What was read is on record before the first row leaves; how it ended, afterwards.
    assert codes(mesh, "large-1") == [None, None]


def test_small_answer__has_its_counts_in_its_headers(mesh: SmallMesh) -> None:
    sql = "SELECT * FROM range(20)"
    sent = {**body(sql, "small-1"), "maxRows": 5}
    client = mesh.clients["owner"]
    answer = client.post("/api/v1/query", json=sent, headers={"Accept": ARROW})
    told = {name: answer.headers[name] for name in ("query-id", "row-count", "truncated")}
    assert told == {"query-id": "small-1", "row-count": "5", "truncated": "true"}
    assert codes(mesh, "small-1") == [None]


def test_failure__after_the_first_rows_breaks_the_connection(mesh: SmallMesh) -> None:
    client, accept = mesh.clients["owner"], {"Accept": ARROW}
    with pytest.raises(httpx.RemoteProtocolError):
        client.post("/api/v1/query", json=body(FAILS_LATE, "late-1"), headers=accept)
    entry = ended(mesh, "late-1")
    assert (entry["status"], entry["code"]) == ("failed", "SQL_RUNTIME")
    assert codes(mesh, "late-1") == [None, "SQL_RUNTIME"]


def test_reader_who_stops_and_hangs_up__frees_his_turn(mesh: SmallMesh) -> None:
    endless = "SELECT i, repeat('x', 500) FROM range(10000000000) r(i)"
    sent = body(endless, "left-1", timeoutSeconds=60)
    with live(mesh, "olga@tides", ("tide-owners",), sent) as answer:
        assert answer.status_code == 200
        running = mesh.ask("owner", "GET", "/query/running")["items"]
        assert [one["queryId"] for one in running] == ["left-1"]
    entry = ended(mesh, "left-1")
    assert (entry["status"], entry["code"]) == ("cancelled", "CANCELLED")
    assert mesh.ask("owner", "GET", "/query/running")["items"] == []


def test_stream__that_is_cancelled_breaks_the_connection(mesh: SmallMesh) -> None:
    sql = "SELECT i, repeat('x', 500) FROM range(10000000000) r(i)"
    sent = body(sql, "stopped-1", timeoutSeconds=60)
    with live(mesh, "olga@tides", ("tide-owners",), sent) as answer:
        mesh.ask("owner", "POST", "/query/stopped-1/cancel", {})
        with pytest.raises(httpx.RemoteProtocolError):
            read_on(answer)
    assert ended(mesh, "stopped-1")["code"] == "SQL_CANCELLED"


def test_stream__of_what_is_revoked_breaks_within_two_seconds(mesh: SmallMesh) -> None:
    sql = "SELECT station, repeat('x', 500) FROM harbour.readings, range(10000000000)"
    sent = {"sql": sql, "maxRows": 1_000_000, "timeoutSeconds": 60}
    with live(mesh, "otto@maps", (), sent) as answer:
        assert answer.status_code == 200
        path = f"/subscriptions/{mesh.subscription}/revoke"
        mesh.ask("steward", "POST", path, {"reason": "No more."})
        time.sleep(1.5)
        with pytest.raises(httpx.RemoteProtocolError):
            read_on(answer)
