"""Both oracles on real servers, over HTTP, with Iceberg tables that rows came to and left.

Two servers hold a data product of one name. Its subscriber may see the same in both, and they
differ in all else. What he is answered must be what a copy holds that was made by hand, and the
same on both servers: rows, columns, errors, plans, and how many rows and bytes it was.
"""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from random import Random
from typing import Any

import httpx
import pyarrow as pa
import pytest

from meshplane.services.query.sandbox import Mask
from tests.builders.governed_engine import answer_of
from tests.builders.masked_copy import arrow_of, copied, shown_types
from tests.builders.oracle_copy import alike, told
from tests.builders.other_world import other_world
from tests.builders.random_expressions import KINDS
from tests.builders.random_policy import Condition, Governed, Grant
from tests.builders.random_schema import Table, Values, row
from tests.builders.random_sql import Statements, tables_of
from tests.builders.sandbox_world import Seen
from tests.builders.server import Server, running_server

pytestmark = pytest.mark.scenario

ARROW = "application/vnd.apache.arrow.stream"
STATEMENTS = 50
SEED = 81_000
TYPES = {
    "id": "BIGINT",
    "region": "VARCHAR",
    "name": "VARCHAR",
    "code": "VARCHAR",
    "amount": "DECIMAL(10,2)",
    "day": "DATE",
    "flag": "BOOLEAN",
    "n": "BIGINT",
    "diary": "VARCHAR",
}
LAKE_TYPES = {
    "BIGINT": "long",
    "INTEGER": "int",
    "VARCHAR": "string",
    "DECIMAL(10,2)": "decimal(10,2)",
    "DATE": "date",
    "BOOLEAN": "boolean",
}
LOGICAL_TYPES = {"long": "integer", "int": "integer", "date": "date", "boolean": "boolean"}
ROW_FILTER = "region = 'EU' OR starts_with(code, 'A')"
MASKS = {
    "name": Mask("partial", keep_first=1, keep_last=2),
    "amount": Mask("round", digits=-1),
    "day": Mask("truncate", unit="month"),
    "n": Mask("null"),
}


def passes(record: Any) -> bool | None:
    """The row filter, in Python."""
    tests = [
        None if record["region"] is None else record["region"] == "EU",
        None if record["code"] is None else record["code"].startswith("A"),
    ]
    return True if True in tests else None if None in tests else False


def grant() -> Grant:
    columns = {name: MASKS.get(name) for name in TYPES if name != "diary"}
    return Grant(Condition(ROW_FILTER, passes, frozenset({"region", "code"})), columns)


def contract(table: Table) -> str:
    """A data contract for its columns."""
    lines = [
        "apiVersion: v3.1.0",
        "kind: DataContract",
        "id: 5b0b1f0c-3a54-4f0e-9e43-0c8f5f1a2b3c",
        "name: facts",
        "version: 1.0.0",
        "status: active",
        "schema:",
        "  - name: facts",
        "    physicalType: table",
        "    logicalType: object",
        "    properties:",
    ]
    for name, kind in table.types.items():
        physical = LAKE_TYPES[kind]
        logical = LOGICAL_TYPES.get(physical, "number" if "(" in physical else "string")
        lines.append(
            f'      - {{name: {name}, logicalType: {logical}, physicalType: "{physical}"}}'
        )
    return "\n".join(lines) + "\n"


@dataclass
class Mesh:
    """One server with the product, and its subscriber."""

    server: Server
    governed: Governed

    def __post_init__(self) -> None:
        people = {"admin": ("ada@mesh", ("mesh-admins",)), "olga": ("olga@sky", ())}
        people |= {"stew": ("stew@sky", ()), "rita": ("rita@sea", ())}
        self._clients = {name: self.server.client(*who) for name, who in people.items()}
        members = [{"principal": "user:stew@sky", "role": "steward"}]
        sky = self.post("admin", "/domains", {"name": "sky", "members": members})["domainId"]
        sea = self.post("admin", "/domains", {"name": "sea", "members": []})["domainId"]
        self._project = self._new_project(sky, "ops", "olga@sky")
        self._reader = self._new_project(sea, "maps", "rita@sea")
        self._fill()

    def close(self) -> None:
        for client in self._clients.values():
            client.close()

    def post(self, who: str, path: str, body: Any) -> Any:
        answer = self._clients[who].post(f"/api/v1{path}", json=body)
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def _new_project(self, domain: str, name: str, owner: str) -> str:
        members = [{"principal": f"user:{owner}", "role": "owner"}]
        body = {"domainId": domain, "name": name, "members": members}
        return str(self.post("admin", "/projects", body)["projectId"])

    def _fill(self) -> None:
        """Rows in two appends, among others that are deleted again; published and granted."""
        table = self.governed.table
        columns = [{"name": n, "type": LAKE_TYPES[kind]} for n, kind in table.types.items()]
        body = {"projectId": self._project, "name": "facts", "columns": columns}
        table_id = self.post("olga", "/tables", body)["tableId"]
        gone = [
            tuple(
                -1000 if name == "id" else cell for name, cell in zip(table.types, one, strict=True)
            )
            for one in table.rows[:7]
        ]
        middle = len(table.rows) // 2
        for part in (table.rows[:middle], [*gone, *table.rows[middle:]]):
            self._append(table_id, arrow_of(dict(table.types), part))
        deleted = self.post("olga", f"/tables/{table_id}/rows/delete", {"where": "id = -1000"})
        assert deleted["deletedRows"] == len(gone)
        asset = {
            "projectId": self._project,
            "tableId": table_id,
            "name": "facts",
            "description": "Facts.",
            "classification": "internal",
            "contract": contract(table),
        }
        asset_id = self.post("olga", "/assets", asset)["assetId"]
        wish = {"assetId": asset_id, "projectId": self._reader, "purpose": "To draw maps."}
        request = self.post("rita", "/subscriptions", wish)["requestId"]
        masks = {"n": {"kind": "null"}, "amount": {"kind": "round", "digits": -1}}
        masks |= {"name": {"kind": "partial", "keepFirst": 1, "keepLast": 2}}
        masks |= {"day": {"kind": "truncate", "unit": "month"}}
        approval = {
            "reason": "They draw maps.",
            "rowFilter": ROW_FILTER,
            "masks": masks,
            "excludedColumns": [n for n in table.types if n not in grant().columns],
        }
        self.post("stew", f"/subscriptions/{request}/approve", approval)

    def _append(self, table_id: str, rows: pa.Table) -> None:
        sink = io.BytesIO()
        with pa.ipc.new_stream(sink, rows.schema) as writer:
            writer.write_table(rows)
        answer = self._clients["olga"].post(
            f"/api/v1/tables/{table_id}/rows",
            content=sink.getvalue(),
            headers={"Content-Type": ARROW},
        )
        assert answer.is_success, answer.text

    def ask(self, path: str, sql: str) -> httpx.Response:
        """What the subscriber is answered."""
        return self._clients["rita"].post(f"/api/v1{path}", json={"sql": sql})


def seen(answer: httpx.Response) -> Seen:
    """An answer as the oracles compare it."""
    body = answer.json()
    if not answer.is_success:
        return Seen(body["code"], body["detail"], (), [], False)
    columns = tuple((column["name"], column["type"]) for column in body["columns"])
    assert body["rowCount"] == body["cost"]["rows"] == len(body["rows"])
    assert body["cost"]["bytesScanned"] is None
    return Seen(None, "", columns, body["rows"], body["truncated"])


@pytest.fixture(scope="module")
def meshes() -> Iterator[tuple[Mesh, Mesh]]:
    random = Random(int(os.environ.get("ORACLE_SEED", SEED)))
    values = Values(random, nasty=0.15)
    table = Table("sky", "facts", TYPES, tuple(row(values, TYPES) for _ in range(60)))
    first = Governed(table, (grant(),))
    second = other_world(random, first)
    with ExitStack() as stack:
        found = []
        for governed in (first, second):
            assert set(governed.table.types.values()) <= set(LAKE_TYPES)
            mesh = Mesh(stack.enter_context(running_server()), governed)
            stack.callback(mesh.close)
            found.append(mesh)
        yield found[0], found[1]


def test_random_statements__over_http_answer_as_the_copy_on_both_servers(
    meshes: tuple[Mesh, Mesh],
) -> None:
    seed = int(os.environ.get("ORACLE_SEED", SEED))
    governed = meshes[0].governed
    tables = tables_of({"facts": shown_types(governed), "sky.facts": shown_types(governed)}, KINDS)
    made = Statements(Random(seed), tables, hidden=("diary", "secret", "pay"))
    copy = copied([governed])
    answered = 0
    for number in range(STATEMENTS):
        each = made.statement()
        first, second = (seen(mesh.ask("/query", each.sql)) for mesh in meshes)
        plain, _ = answer_of(copy, each.sql, each.sql)
        assert alike(first, second, each.ordered), told(seed, number, each.sql, first, second)
        if first.code is None or plain.code is None:
            assert alike(first, plain, each.ordered), told(seed, number, each.sql, first, plain)
        answered += first.code is None
    sys.stdout.write(f"seed {seed}: {STATEMENTS} statements, {answered} answered\n")
    assert answered > STATEMENTS * 0.8


PRYING = [
    "FROM facts",
    "SELECT diary FROM facts",
    "SELECT secret FROM facts",
    "SELECT count(*) FROM facts WHERE CAST(code AS INTEGER) > 0",
    "SELECT id FROM facts WHERE 1 // (id - 3) > 0 ORDER BY id",
    "SELECT min(id), max(n), max(amount), min(day) FROM facts",
    "DESCRIBE facts",
    "SELECT * FROM facts TABLESAMPLE 10%",
    "PIVOT facts ON region USING count(*)",
    "FROM facts JOIN sky.facts AS b USING (id) ORDER BY ALL",
    "FROM hidden_table",
    "FROM 'facts.parquet'",
]


@pytest.mark.parametrize("sql", PRYING)
def test_prying_statement__is_answered_alike_on_both_servers(
    meshes: tuple[Mesh, Mesh], sql: str
) -> None:
    first, second = (seen(mesh.ask("/query", sql)) for mesh in meshes)
    assert first.unordered() == second.unordered()


@pytest.mark.parametrize("sql", [sql for sql in PRYING if "DESCRIBE" not in sql])
def test_explained_statement__has_one_plan_on_both_servers(
    meshes: tuple[Mesh, Mesh], sql: str
) -> None:
    plans = []
    for mesh in meshes:
        answer = mesh.ask("/query/explain", sql)
        body = answer.json()
        for relation in body.get("relations", ()):
            del relation["assetId"], relation["snapshotId"]
        kept = ("plan", "relations", "code", "detail")
        plans.append((answer.status_code, {name: body.get(name) for name in kept}))
    assert plans[0] == plans[1]
