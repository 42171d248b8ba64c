"""Statements of one person leave room for those of others, and end when nobody waits for them.

What is kept of a statement has its bounds too.
"""

import io
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import orjson
import pyarrow as pa
import pytest

from tests.builders.server import Server, running_server
from tests.builders.small_mesh import ARROW, SmallMesh

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


def cancelled(mesh: SmallMesh, name: str, expected: int) -> list[str]:
    """Those of that name whose statements were ended, once there are so many, or after a while."""
    give_up = time.monotonic() + 10
    while True:
        records = mesh.ask("auditor", "GET", "/audit?limit=1000")["items"]
        found = [
            record["actor"]
            for record in records
            if record["code"] == "CANCELLED" and record["actor"].startswith(f"user:{name}")
        ]
        if len(found) >= expected or time.monotonic() > give_up:
            return sorted(found)
        time.sleep(0.1)


def new_wide_asset(mesh: SmallMesh, name: str, columns: int) -> None:
    """An asset of `tides` with one row and so many columns of numbers."""
    names = [f"c{number}" for number in range(columns)]
    body = {
        "projectId": mesh.tides,
        "name": name,
        "columns": [{"name": column, "type": "long"} for column in names],
    }
    table_id = mesh.ask("owner", "POST", "/tables", body)["tableId"]
    rows = pa.table({column: pa.array([number]) for number, column in enumerate(names)})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    answer = mesh.clients["owner"].post(
        f"/api/v1/tables/{table_id}/rows",
        content=sink.getvalue(),
        headers={"Content-Type": ARROW},
    )
    assert answer.is_success, answer.text
    publish(mesh, name, table_id, names)


def publish(mesh: SmallMesh, name: str, table_id: str, columns: list[str]) -> str:
    """The id of a new asset over a table with these columns of numbers."""
    properties = [
        {"name": column, "logicalType": "integer", "physicalType": "long"} for column in columns
    ]
    contract = {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": f"contract-{name}",
        "name": name,
        "version": "1.0.0",
        "status": "active",
        "schema": [
            {
                "name": name,
                "physicalType": "table",
                "logicalType": "object",
                "properties": properties,
            }
        ],
    }
    body = {
        "projectId": mesh.tides,
        "tableId": table_id,
        "name": name,
        "description": "Many columns.",
        "classification": "internal",
        "contract": orjson.dumps(contract).decode(),
    }
    return str(mesh.ask("owner", "POST", "/assets", body)["assetId"])


def lineage_of_copy(mesh: SmallMesh, name: str, columns: int) -> dict[str, Any]:
    """The lineage of all distinct rows of a new wide asset, once it is there."""
    new_wide_asset(mesh, name, columns)
    body = {
        "sql": f"SELECT DISTINCT * FROM harbour.{name}",
        "projectId": mesh.tides,
        "tableName": f"{name}_copy",
    }
    made = mesh.ask("owner", "POST", "/query/materialize", body)
    assert (made["rows"], len(made["columns"])) == (1, columns)
    names = [column["name"] for column in made["columns"]]
    asset_id = publish(mesh, f"{name}_copy", made["tableId"], names)
    give_up = time.monotonic() + 10
    while True:
        lineage: dict[str, Any] = mesh.ask("owner", "GET", f"/lineage/{asset_id}")
        if lineage["upstream"] or time.monotonic() > give_up:
            return lineage
        time.sleep(0.1)


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


def test_statements_that_take_every_turn__keep_no_steward_waiting(mesh: SmallMesh) -> None:
    request_id = mesh.new_subscription()
    tokens = [mesh.server.token(f"busy{number % 2}@nowhere") for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        stuck = [pool.submit(ask_and_hang_up, mesh.server, token, 6.0) for token in tokens]
        time.sleep(1.0)
        path = f"/subscriptions/{request_id}/approve"
        approved = mesh.ask("steward", "POST", path, {"reason": "Yes.", "rowFilter": "level < 3"})
        assert not any(one.done() for one in stuck)
        for one in stuck:
            one.result(timeout=30)
    assert approved["status"] == "active"
    assert len(cancelled(mesh, "busy", 4)) == 4


def test_statement_of_somebody_who_hung_up__is_ended_and_on_record(mesh: SmallMesh) -> None:
    server = mesh.server
    tokens = [server.token(f"gone{number}@nowhere") for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        for left in [pool.submit(ask_and_hang_up, server, token, 1.0) for token in tokens]:
            left.result(timeout=30)
    begun = time.monotonic()
    mesh.ask("owner", "POST", "/query", {"sql": "SELECT 1"})
    assert time.monotonic() - begun < 10
    expected = [f"user:gone{number}@nowhere" for number in range(4)]
    assert cancelled(mesh, "gone", 4) == expected


def test_statements_of_somebody_who_hung_up__leave_his_own_turns_free(mesh: SmallMesh) -> None:
    token = mesh.server.token("hasty@nowhere")
    # Two run at once; the third waits for its turn when he hangs up.
    with ThreadPoolExecutor(3) as pool:
        for left in [pool.submit(ask_and_hang_up, mesh.server, token, 1.0) for _ in range(3)]:
            left.result(timeout=30)
    begun = time.monotonic()
    with mesh.server.client("hasty@nowhere") as hasty:
        answers = [hasty.post("/api/v1/query", json={"sql": "SELECT 1"}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert time.monotonic() - begun < 10
    assert cancelled(mesh, "hasty", 3) == ["user:hasty@nowhere"] * 3
    assert mesh.server.unforeseen() == []


def test_lineage__of_all_distinct_rows_names_every_column_that_decides(mesh: SmallMesh) -> None:
    lineage = lineage_of_copy(mesh, "narrow", 5)
    assert [one["name"] for one in lineage["upstream"]] == ["narrow"]
    every = {f"c{number}" for number in range(5)}
    for column in lineage["columns"]:
        assert {source["column"] for source in column["sources"]} == every


def test_lineage__of_a_very_wide_result_is_kept_for_whole_tables_alone(mesh: SmallMesh) -> None:
    lineage = lineage_of_copy(mesh, "wide", 100)
    assert [one["name"] for one in lineage["upstream"]] == ["wide"]
    assert len(lineage["columns"]) == 100
    # Each of the 100 depends on all 100: so many pairs would be one very large commit.
    assert sum(len(column["sources"]) for column in lineage["columns"]) == 0
