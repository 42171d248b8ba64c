"""Older versions of what a query reads: of an instant, of a snapshot, of each relation its own."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.builders.server import running_server
from tests.builders.small_mesh import SmallMesh

COUNT = "SELECT count(*) FROM harbour.readings"
BOTH = "SELECT (SELECT count(*) FROM harbour.readings), (SELECT count(*) FROM harbour.second)"


class Versions:
    """Two assets of which each has two snapshots: `readings` 10 rows, then 13; `second` 1, then 2.

    Attributes:
        first: snapshot of each asset's first version. now: of the second.
        between: an instant after the first version of both.
    """

    def __init__(self, mesh: SmallMesh) -> None:
        self.mesh = mesh
        table = mesh.new_table("second")
        row = [{"station": "b", "level": 1}]
        mesh.ask("owner", "POST", f"/tables/{table}/rows", rows=row)
        mesh.new_asset("second", table)
        self.tables = {"harbour.readings": mesh.readings_table, "harbour.second": table}
        self.first = {name: self.snapshots(name)[-1]["snapshotId"] for name in self.tables}
        instants = [self.snapshots(name)[-1]["committedAt"] for name in self.tables]
        self.between = max(instants)
        self.earliest = min(instants)
        rows = [{"station": "late", "level": number} for number in range(3)]
        mesh.ask("owner", "POST", f"/tables/{mesh.readings_table}/rows", rows=rows)
        mesh.ask("owner", "POST", f"/tables/{table}/rows", rows=row)
        self.now = {name: self.snapshots(name)[-1]["snapshotId"] for name in self.tables}

    def snapshots(self, name: str) -> Any:
        """An asset's snapshots, the oldest first."""
        path = f"/tables/{self.tables[name]}/snapshots?limit=200"
        found = self.mesh.ask("owner", "GET", path)["items"]
        return sorted(found, key=lambda one: one["committedAt"])

    def read(self, sql: str, role: str = "owner", **more: Any) -> Any:
        """The only row of an answer."""
        answer = self.mesh.ask(role, "POST", "/query", {"sql": sql, **more})
        return answer["rows"][0]

    def refused(self, sql: str, role: str = "owner", **more: Any) -> tuple[int, str, list[str]]:
        """Status, code and fields of a refusal."""
        answer = self.mesh.clients[role].post("/api/v1/query", json={"sql": sql, **more})
        told = answer.json()
        return answer.status_code, told["code"], [one["field"] for one in told["errors"]]


@pytest.fixture(scope="module")
def versions() -> Iterator[Versions]:
    with running_server() as server:
        mesh = SmallMesh(server)
        yield Versions(mesh)
        mesh.close()
        assert server.unforeseen() == []


def test_as_of__an_instant_reads_every_relation_as_it_was_then(versions: Versions) -> None:
    assert versions.read(BOTH) == [13, 2]
    assert versions.read(BOTH, asOf=versions.between) == [10, 1]


def test_as_of__a_snapshot_is_read_where_one_relation_is(versions: Versions) -> None:
    snapshot_id = versions.first["harbour.readings"]
    answer = versions.mesh.ask("owner", "POST", "/query", {"sql": COUNT, "asOf": snapshot_id})
    assert answer["rows"] == [[10]]
    assert answer["relations"][0]["snapshotId"] == snapshot_id
    # Named twice in a statement, and once without its domain, it is one relation all the same.
    twice = "SELECT count(*) FROM harbour.readings a JOIN readings b ON a.level = b.level"
    assert versions.read(twice, asOf=snapshot_id) == [10]
    found = versions.refused(BOTH, asOf=snapshot_id)
    assert found == (400, "AS_OF_INVALID", ["asOf"])


def test_snapshots__are_named_for_each_relation(versions: Versions) -> None:
    old = versions.first["harbour.readings"]
    assert versions.read(BOTH, snapshots={"harbour.readings": old}) == [10, 2]
    assert versions.read(BOTH, snapshots=versions.first) == [10, 1]
    # What is named goes before the instant, which holds for the rest.
    newest = {"Harbour.Readings": versions.now["harbour.readings"]}
    assert versions.read(BOTH, snapshots=newest, asOf=versions.between) == [13, 1]


def test_snapshots__wrong_ones_are_named_in_the_error(versions: Versions) -> None:
    other = versions.first["harbour.second"]
    assert versions.refused(COUNT, snapshots={"harbour.readings": other}) == (
        404,
        "SNAPSHOT_NOT_FOUND",
        ["snapshots.harbour.readings"],
    )
    assert versions.refused(COUNT, asOf="9223372036854775807") == (
        404,
        "SNAPSHOT_NOT_FOUND",
        ["asOf"],
    )
    assert versions.refused(COUNT, snapshots={"harbour.second": other}) == (
        400,
        "SNAPSHOT_UNUSED",
        ["snapshots.harbour.second"],
    )
    assert versions.refused(COUNT, snapshots={"harbour.readings": "newest"})[:2] == (
        400,
        "REQUEST_INVALID",
    )


@pytest.mark.parametrize("text", ["yesterday", "2026-01-31", "2026-01-31T12:00:00", "-5", "1e5"])
def test_as_of__anything_else_is_refused(versions: Versions, text: str) -> None:
    assert versions.refused(COUNT, asOf=text) == (400, "AS_OF_INVALID", ["asOf"])


def test_as_of__before_there_was_anything_names_the_relation(versions: Versions) -> None:
    body = {"sql": COUNT, "asOf": "2001-01-01T00:00:00Z"}
    told = versions.mesh.clients["owner"].post("/api/v1/query", json=body).json()
    assert told["code"] == "SNAPSHOT_NOT_FOUND"
    assert "harbour.readings" in told["detail"]


def test_older_versions__are_filtered_as_the_newest_is(versions: Versions) -> None:
    old = {"harbour.readings": versions.first["harbour.readings"]}
    assert versions.read(COUNT, role="other") == [8]
    assert versions.read(COUNT, role="other", snapshots=old) == [5]
    absent = versions.refused("SELECT 1 FROM harbour.second", role="other", snapshots=old)
    assert absent[1] == "ACCESS_REQUIRED"


def test_table_of_a_result__may_be_made_of_older_versions(versions: Versions) -> None:
    body = {
        "sql": "SELECT * FROM harbour.readings",
        "projectId": versions.mesh.tides,
        "tableName": "as_it_was",
        "snapshots": {"harbour.readings": versions.first["harbour.readings"]},
    }
    made = versions.mesh.ask("owner", "POST", "/query/materialize", body)
    assert (made["rows"], made["cost"]["rows"]) == (10, 10)
