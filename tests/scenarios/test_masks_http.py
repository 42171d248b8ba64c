"""Masks and row filters that know who asks, over HTTP: granted, approved, queried, checked."""

import io
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import httpx
import pyarrow as pa
import pytest

from tests.builders.server import running_server

pytestmark = pytest.mark.scenario

ARROW = "application/vnd.apache.arrow.stream"
CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: 7d1c5b1e-3a54-4f0e-9e43-0c8f5f1a2b3c
name: crew
version: 1.0.0
status: active
schema:
  - name: crew
    physicalType: table
    logicalType: object
    properties:
      - {name: pilot, logicalType: string, physicalType: string}
      - {name: licence, logicalType: string, physicalType: string}
      - {name: born, logicalType: date, physicalType: date}
      - {name: seen, logicalType: timestamp, physicalType: timestamptz}
      - {name: pay, logicalType: number, physicalType: "decimal(10,2)"}
      - {name: hours, logicalType: integer, physicalType: long}
"""
COLUMNS = {
    "pilot": ("string", pa.string()),
    "licence": ("string", pa.string()),
    "born": ("date", pa.date32()),
    "seen": ("timestamptz", pa.timestamp("us", "UTC")),
    "pay": ("decimal(10,2)", pa.decimal128(10, 2)),
    "hours": ("long", pa.int64()),
}
ROWS: list[dict[str, Any]] = [
    {
        "pilot": f"user:{name}@sky",
        "licence": licence,
        "born": date(1980 + number, 5, 17),
        "seen": datetime(2026, 3, 31, 12, 34, 56, tzinfo=UTC),
        "pay": Decimal("5249.51") - number,
        "hours": 12_345 + number,
    }
    for number, (name, licence) in enumerate([("ana", "DE-4711-0815"), ("ben", "X1")])
]
MASKS = {
    "licence": {"kind": "partial", "keepLast": 4},
    "born": {"kind": "truncate", "unit": "year"},
    "seen": {"kind": "truncate", "unit": "hour"},
    "pay": {"kind": "round", "digits": -2},
    "hours": {"kind": "round", "digits": -3},
}
MASKED = [
    ["****0815", "1980-01-01", "2026-03-31 12:00:00+00", "5200.00", 12000],
    ["****", "1981-01-01", "2026-03-31 12:00:00+00", "5200.00", 12000],
]
SQL = "SELECT licence, born, CAST(seen AS VARCHAR), pay, hours FROM sky.crew ORDER BY pilot"


class Sky:
    """A domain with one asset, and people."""

    def __init__(self, clients: dict[str, httpx.Client]) -> None:
        self.clients = clients
        members = [{"principal": "user:stew@sky", "role": "steward"}]
        domain = self.ask("admin", "/domains", {"name": "sky", "members": members})
        self.domain = domain["domainId"]
        owners = [{"principal": "user:olga@sky", "role": "owner"}]
        project = {"domainId": self.domain, "name": "ops", "members": owners}
        self.project = self.ask("admin", "/projects", project)["projectId"]
        columns = [{"name": name, "type": kind} for name, (kind, _) in COLUMNS.items()]
        table = {"projectId": self.project, "name": "crew", "columns": columns}
        self.table = self.ask("owner", "/tables", table)["tableId"]
        self.append(ROWS)
        asset = {
            "projectId": self.project,
            "tableId": self.table,
            "name": "crew",
            "description": "Who flies.",
            "classification": "internal",
            "contract": CONTRACT,
        }
        self.asset = self.ask("owner", "/assets", asset)["assetId"]

    def append(self, rows: list[dict[str, Any]]) -> None:
        schema = pa.schema([(name, kind) for name, (_, kind) in COLUMNS.items()])
        sink = io.BytesIO()
        with pa.ipc.new_stream(sink, schema) as writer:
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
        path = f"/api/v1/tables/{self.table}/rows"
        headers = {"Content-Type": ARROW}
        answer = self.clients["owner"].post(path, content=sink.getvalue(), headers=headers)
        assert answer.is_success, answer.text

    def ask(self, who: str, path: str, body: Any) -> Any:
        answer = self.clients[who].post(f"/api/v1{path}", json=body)
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def query(self, who: str, sql: str) -> Any:
        return self.clients[who].post("/api/v1/query", json={"sql": sql}).json()

    def subscribe(self, who: str, **approval: Any) -> None:
        """A person asks for himself, and a steward says yes to this much."""
        body = {"assetId": self.asset, "purpose": "To plan."}
        request = self.ask(who, "/subscriptions", body)["requestId"]
        path = f"/subscriptions/{request}/approve"
        self.ask("steward", path, {"reason": "They plan.", **approval})


@pytest.fixture(scope="module")
def sky() -> Iterator[Sky]:
    with running_server() as server:
        people = {
            "admin": ("ada@mesh", ("mesh-admins",)),
            "steward": ("stew@sky", ()),
            "owner": ("olga@sky", ()),
            "ana": ("ana@sky", ("pilots",)),
            "ben": ("ben@sky", ()),
            "cai": ("cai@sky", ("planners",)),
            "dee": ("dee@sky", ("pilots",)),
            "eve": ("eve@sky", ()),
        }
        clients = {role: server.client(*who) for role, who in people.items()}
        try:
            yield Sky(clients)
        finally:
            for client in clients.values():
                client.close()


def test_masks__of_a_subscription_are_shown_over_http(sky: Sky) -> None:
    sky.subscribe("cai", masks=MASKS)
    found = sky.query("cai", SQL)
    assert found["rows"] == MASKED
    types = {column["name"]: column["type"] for column in found["columns"]}
    assert (types["licence"], types["born"], types["pay"]) == ("VARCHAR", "DATE", "DECIMAL(10,2)")
    described = sky.query("cai", "DESCRIBE sky.crew")["rows"]
    assert ["seen", "TIMESTAMP WITH TIME ZONE"] in described
    assert sky.query("owner", "SELECT licence FROM crew ORDER BY 1")["rows"][0] == ["DE-4711-0815"]


def test_masks__of_a_grant_are_shown_over_http(sky: Sky) -> None:
    grant = {
        "principal": "user:eve@sky",
        "resource": {"table": {"assetId": sky.asset}},
        "permissions": ["SELECT"],
        "masks": MASKS,
        "reason": "She audits.",
    }
    sky.ask("steward", "/permissions/grant", grant)
    assert sky.query("eve", SQL)["rows"] == MASKED


def test_row_filter__knows_who_asks_and_his_groups(sky: Sky) -> None:
    row_filter = "pilot = current_principal() OR in_group('pilots')"
    counting = "SELECT count(*), min(pilot) FROM sky.crew"
    for who, expected in (("ben", [[1, "user:ben@sky"]]), ("dee", [[2, "user:ana@sky"]])):
        sky.subscribe(who, rowFilter=row_filter)
        assert sky.query(who, counting)["rows"] == expected
    refused = sky.query("ben", "SELECT current_principal() FROM sky.crew")
    assert refused["code"] == "SQL_REFUSED"


def test_check_filter__gives_the_kept_text_and_the_columns_that_it_names(sky: Sky) -> None:
    body = {"assetId": sky.asset, "expression": "PILOT=current_principal() and hours>1 -- x"}
    found = sky.ask("steward", "/query/check-filter", body)
    assert found["expression"] == '((PILOT = current_principal()) AND ("hours" > 1))'
    assert [(it["name"], it["fieldId"], it["sqlType"]) for it in found["columns"]] == [
        ("pilot", 1, "VARCHAR"),
        ("hours", 6, "BIGINT"),
    ]


@pytest.mark.parametrize(
    ("who", "asset", "expression", "status", "code"),
    [
        ("steward", None, "nosuch = 1", 400, "ROW_FILTER_INVALID"),
        ("steward", None, "hours = current_principal()", 400, "ROW_FILTER_INVALID"),
        ("steward", None, "hours IN (SELECT 1)", 400, "ROW_FILTER_INVALID"),
        ("steward", "asset-nosuch", "hours = 1", 404, "ASSET_NOT_FOUND"),
        ("cai", None, "hours = 1", 403, "FORBIDDEN"),
        ("owner", None, "hours = 1", 403, "FORBIDDEN"),
    ],
)
def test_check_filter__says_what_is_wrong(  # noqa: PLR0917 - who, what, and what comes of it
    sky: Sky, who: str, asset: str | None, expression: str, status: int, code: str
) -> None:
    body = {"assetId": asset or sky.asset, "expression": expression}
    answer = sky.clients[who].post("/api/v1/query/check-filter", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_masks__stay_when_the_version_is_an_older_one(sky: Sky) -> None:
    sky.subscribe("ana", masks=MASKS, rowFilter="pilot = current_principal()")
    before = datetime.now(UTC).isoformat()
    sky.append([{**ROWS[0], "licence": "DE-4711-9999"}])
    older = {"sql": SQL, "asOf": before}
    then = sky.clients["ana"].post("/api/v1/query", json=older).json()
    assert then["rows"] == MASKED[:1]
    now = sky.query("ana", SQL)["rows"]
    assert sorted(row[0] for row in now) == ["****0815", "****9999"]
