"""Statements of one person leave room for those of others, and end when nobody waits for them."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import orjson
import pytest

from tests.builders.server import Server, running_server
from tests.builders.small_mesh import SmallMesh

ENDLESS = "SELECT count(*) FROM range(100000000000) a(x) WHERE x % 7 = 3"


@pytest.fixture(scope="module")
def mesh() -> Iterator[SmallMesh]:
    with running_server() as server:
        small = SmallMesh(server)
        small.ask("owner", "POST", "/query", {"sql": "SELECT 1"})
        yield small
        small.close()


def ask_and_hang_up(server: Server, token: str, seconds: float) -> None:
    """Sends an endless statement, and closes the connection before it can end."""
    body = orjson.dumps({"sql": ENDLESS, "timeoutSeconds": 60})
    where = urlsplit(server.url)
    with socket.create_connection((where.hostname or "", where.port or 0)) as connection:
        head = (
            "POST /api/v1/query HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        connection.sendall(head.encode() + body)
        time.sleep(seconds)


def test_endless_statements_of_one_person__keep_nobody_else_waiting(mesh: SmallMesh) -> None:
    slow = {"sql": ENDLESS, "timeoutSeconds": 6}
    request_id = mesh.new_subscription()
    with ThreadPoolExecutor(4) as pool:
        stuck = [
            pool.submit(mesh.clients["unrelated"].post, "/api/v1/query", json=slow)
            for _ in range(4)
        ]
        time.sleep(0.5)
        begun = time.monotonic()
        mesh.ask("owner", "POST", "/query", {"sql": "SELECT 1"})
        path = f"/subscriptions/{request_id}/approve"
        mesh.ask("steward", "POST", path, {"reason": "Yes.", "rowFilter": "level < 3"})
        waited_seconds = time.monotonic() - begun
        assert not all(one.done() for one in stuck)
        codes = {one.result(timeout=60).json()["code"] for one in stuck}
    assert codes == {"SQL_LIMIT"}
    assert waited_seconds < 5


def test_statement_of_somebody_who_hung_up__is_ended_and_on_record(mesh: SmallMesh) -> None:
    server = mesh.server
    tokens = [server.token(f"gone{number}@nowhere") for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        for left in [pool.submit(ask_and_hang_up, server, token, 1.0) for token in tokens]:
            left.result(timeout=30)
    begun = time.monotonic()
    mesh.ask("owner", "POST", "/query", {"sql": "SELECT 1"})
    assert time.monotonic() - begun < 10
    records = mesh.ask("auditor", "GET", "/audit?limit=1000")["items"]
    cancelled = [record["actor"] for record in records if record["code"] == "CANCELLED"]
    assert sorted(cancelled) == [f"user:gone{number}@nowhere" for number in range(4)]
