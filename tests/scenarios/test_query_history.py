"""What is kept of a query, for whom, and what its cost tells of rows that are hidden."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.builders.server import running_server
from tests.builders.small_mesh import CANARY, SmallMesh

ALL = "SELECT station, level FROM harbour.readings ORDER BY level"


@pytest.fixture(scope="module")
def mesh() -> Iterator[SmallMesh]:
    with running_server() as server:
        small = SmallMesh(server)
        yield small
        small.close()
        assert server.unforeseen() == []


def newest(mesh: SmallMesh, role: str) -> dict[str, Any]:
    items = mesh.ask(role, "GET", "/query/history?limit=1")["items"]
    assert len(items) == 1
    found: dict[str, Any] = items[0]
    return found


def audited(mesh: SmallMesh, query_id: str) -> list[dict[str, Any]]:
    """The audit records of a query."""
    records = mesh.ask("auditor", "GET", "/audit?limit=1000")["items"]
    return [one for one in records if one["detail"].get("queryId") == query_id]


def test_entry__tells_what_was_asked_read_and_used_and_no_value_of_a_parameter(
    mesh: SmallMesh,
) -> None:
    sql = "SELECT level FROM harbour.readings WHERE station = $who"
    body = {"sql": sql, "parameters": {"who": f"{CANARY}-3"}, "projectId": mesh.tides}
    answer = mesh.ask("owner", "POST", "/query", body)
    entry = newest(mesh, "owner")
    assert entry == {
        "queryId": answer["queryId"],
        "operation": "runQuery",
        "sql": sql,
        "sqlCut": False,
        "projectId": mesh.tides,
        "startedAt": entry["startedAt"],
        "status": "succeeded",
        "code": None,
        "relations": answer["relations"],
        "rows": 1,
        "resultBytes": len("[[3]]"),
        "truncated": False,
        "seconds": answer["seconds"],
        "bytesScanned": answer["cost"]["bytesScanned"],
    }
    assert mesh.ask("owner", "GET", f"/query/history/{answer['queryId']}") == entry
    assert CANARY not in str(entry)


@pytest.mark.parametrize(
    ("sql", "status", "code"),
    [
        ("SELECT nosuch FROM harbour.readings", "failed", "SQL_INVALID"),
        ("SELECT * FROM read_text('/etc/passwd')", "refused", "SQL_REFUSED"),
        ("SELECT CAST('x' AS INTEGER)", "failed", "SQL_RUNTIME"),
    ],
)
def test_entry__of_a_query_that_failed_says_why(
    mesh: SmallMesh, sql: str, status: str, code: str
) -> None:
    answer = mesh.clients["owner"].post("/api/v1/query", json={"sql": sql})
    assert answer.json()["code"] == code
    entry = newest(mesh, "owner")
    assert (entry["sql"], entry["status"], entry["code"]) == (sql, status, code)
    assert (entry["rows"], entry["resultBytes"]) == (None, None)
    assert [one["code"] for one in audited(mesh, entry["queryId"])] == [code]


def test_history__is_each_ones_own(mesh: SmallMesh) -> None:
    mine = mesh.ask("owner", "POST", "/query", {"sql": ALL})["queryId"]
    for role in ("other", "steward", "administrator", "auditor", "unrelated"):
        listed = mesh.ask(role, "GET", "/query/history")["items"]
        assert mine not in [one["queryId"] for one in listed]
        answer = mesh.clients[role].get(f"/api/v1/query/history/{mine}")
        assert (answer.status_code, answer.json()["code"]) == (404, "QUERY_NOT_FOUND")


def test_history__pages_from_the_newest(mesh: SmallMesh) -> None:
    sent = [
        mesh.ask("viewer", "POST", "/query", {"sql": f"SELECT {number}"})["queryId"]
        for number in range(5)
    ]
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = mesh.ask("viewer", "GET", f"/query/history?limit=2{cursor and f'&cursor={cursor}'}")
        found += [one["queryId"] for one in page["items"]]
        cursor = page["nextCursor"]
    assert found[:5] == sent[::-1]


def test_long_text__is_cut_in_the_history_and_says_so(mesh: SmallMesh) -> None:
    sql = "SELECT 1 -- " + "x" * 30_000
    mesh.ask("owner", "POST", "/query", {"sql": sql})
    entry = newest(mesh, "owner")
    assert (len(entry["sql"]), entry["sqlCut"]) == (16_384, True)


def test_bytes_scanned__are_told_to_who_sees_all_and_to_the_auditor(mesh: SmallMesh) -> None:
    whole = mesh.ask("owner", "POST", "/query", {"sql": ALL})
    part = mesh.ask("other", "POST", "/query", {"sql": ALL})
    assert (whole["rowCount"], part["rowCount"]) == (10, 5)
    scanned = whole["cost"]["bytesScanned"]
    assert scanned > 0
    # `maps` sees a part of the rows: the size of the files would tell of the others.
    assert part["cost"]["bytesScanned"] is None
    assert newest(mesh, "other")["bytesScanned"] is None
    for answer in (whole, part):
        [record] = audited(mesh, answer["queryId"])
        told = {name: record["detail"][name] for name in ("bytesScanned", "rows", "resultBytes")}
        assert told == {
            "bytesScanned": scanned,
            "rows": answer["rowCount"],
            "resultBytes": answer["cost"]["resultBytes"],
        }


def test_hidden_rows__that_are_added_change_no_answer_cost_plan_or_history(
    mesh: SmallMesh,
) -> None:
    def seen() -> list[Any]:
        answer = mesh.ask("other", "POST", "/query", {"sql": ALL})
        plan = mesh.ask("other", "POST", "/query/explain", {"sql": ALL})
        entry = newest(mesh, "other")
        for told in (answer, entry, answer["cost"]):
            told.pop("seconds")
        for told in (answer, plan, entry):
            told.pop("queryId")
            for relation in told["relations"]:
                relation.pop("snapshotId")  # that there is a newer version is no secret
        entry.pop("startedAt")
        return [answer, plan, entry]

    before = seen()
    rows = [{"station": "hidden" * 50, "level": 100 + number} for number in range(500)]
    mesh.ask("owner", "POST", f"/tables/{mesh.readings_table}/rows", rows=rows)
    assert seen() == before


def test_plan__tells_how_each_relation_is_seen(mesh: SmallMesh) -> None:
    body = {"sql": "SELECT level FROM readings WHERE level > 2", "projectId": mesh.maps}
    told = mesh.ask("other", "POST", "/query/explain", body)
    assert "level > 2" in told["plan"]
    assert "level < 5" not in told["plan"]  # the row filter of the grant
    [relation] = told["relations"]
    assert (relation["name"], relation["rowsFiltered"]) == ("harbour.readings", True)
    assert relation["columns"] == [
        {"name": "station", "type": "VARCHAR", "shown": ["plain"]},
        {"name": "level", "type": "BIGINT", "shown": ["plain"]},
    ]
    own = mesh.ask("owner", "POST", "/query/explain", {"sql": body["sql"]})
    assert own["plan"] == told["plan"]
    assert own["relations"][0]["rowsFiltered"] is False


@pytest.mark.parametrize(
    ("role", "sql", "code"),
    [
        ("unrelated", "SELECT * FROM harbour.readings", "ACCESS_REQUIRED"),
        ("other", "EXPLAIN ANALYZE SELECT * FROM readings", "SQL_REFUSED"),
        ("other", "SELECT * FROM harbour.secretlogbook", "SQL_REFUSED"),
        ("other", "SELECT rowid FROM readings", "SQL_REFUSED"),
    ],
)
def test_plan__of_what_one_may_not_run_is_refused(
    mesh: SmallMesh, role: str, sql: str, code: str
) -> None:
    answer = mesh.clients[role].post("/api/v1/query/explain", json={"sql": sql})
    assert (answer.status_code, answer.json()["code"]) == (403, code)
