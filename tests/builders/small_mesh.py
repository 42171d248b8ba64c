"""A small mesh on a real server: two domains, a project in each, one asset granted across."""

import io
import time
from collections.abc import Sequence
from typing import Any

import httpx
import pyarrow as pa

from tests.builders.server import Server

_LONGEST_WAIT_SECONDS = 30.0

ARROW = "application/vnd.apache.arrow.stream"

# Role in the mesh → who has it, and in which groups. What each may do is read from the point of
# view of the project `tides` in the domain `harbour`.
PEOPLE: dict[str, tuple[str | None, tuple[str, ...]]] = {
    "stranger": (None, ()),
    "unrelated": ("una@nowhere", ("staff",)),
    "viewer": ("vera@tides", ()),
    "contributor": ("carl@tides", ()),
    "owner": ("olga@tides", ("tide-owners",)),
    "steward": ("sam@harbour", ()),
    "domain-owner": ("dora@harbour", ()),
    "administrator": ("ada@mesh", ("mesh-admins",)),
    "auditor": ("aud@mesh", ("mesh-auditors",)),
    "other": ("otto@maps", ()),
}

CANARY = "canarybird"
"""Stands in every text of the readings' rows; where it turns up, data has come through."""

HIDDEN = "secretlogbook"
"""The name of a table that only the members of `tides` know of."""

CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: 1c7bb6a5-4b2e-4f0e-9e43-0c8f5f1a2b3c
name: readings
version: 1.0.0
status: active
schema:
  - name: readings
    physicalType: table
    logicalType: object
    properties:
      - {name: station, logicalType: string, physicalType: string}
      - {name: level, logicalType: integer, physicalType: long}
"""

COLUMNS = [{"name": "station", "type": "string"}, {"name": "level", "type": "long"}]


def arrow(rows: Sequence[dict[str, Any]]) -> bytes:
    """Rows of readings as an Arrow IPC stream."""
    schema = pa.schema([("station", pa.string()), ("level", pa.int64())])
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_table(pa.Table.from_pylist(list(rows), schema=schema))
    return sink.getvalue()


class SmallMesh:
    """The mesh's people and ids.

    Attributes:
        clients: connections by role.
        harbour, hills: domains. tides, maps: projects in them.
        readings: an asset of `tides`, with `readings_table`; granted to `maps`.
        logbook: a table of `tides` that is not published.
        subscription: the active one of `maps` to readings.
        run: a quality run of readings.
        deployment: one of `tides` to staging. promotion: a request of `tides` from dev to staging.
        share: of readings with another account, which has not accepted.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self.clients = {role: server.client(*who) for role, who in PEOPLE.items()}
        self.harbour = self._domain("harbour", {"dora@harbour": "owner", "sam@harbour": "steward"})
        self.hills = self._domain("hills", {"hal@hills": "owner"})
        self.tides = self._project(
            self.harbour,
            "tides",
            {
                "group:tide-owners": "owner",
                "carl@tides": "contributor",
                "vera@tides": "viewer",
            },
        )
        self.maps = self._project(self.hills, "maps", {"otto@maps": "owner"})
        self.readings_table = self.new_table("readings")
        self.logbook = self.new_table(HIDDEN)
        rows = [{"station": f"{CANARY}-{number}", "level": number} for number in range(10)]
        for table in (self.readings_table, self.logbook):
            self.ask("owner", "POST", f"/tables/{table}/rows", rows=rows)
        self.readings = self.new_asset("readings", self.readings_table)
        self.ask(
            "owner",
            "PUT",
            f"/data-quality/rulesets/{self.readings}",
            {"ruleset": "Rules = [ RowCount > 1 ]"},
        )
        run = self.ask("owner", "POST", "/data-quality/run", {"assetId": self.readings})
        self.run = run["runId"]
        self.subscription = self.new_subscription()
        self.ask(
            "steward",
            "POST",
            f"/subscriptions/{self.subscription}/approve",
            {"reason": "They draw maps.", "rowFilter": "level < 5"},
        )
        self._environments()

    def _environments(self) -> None:
        deployed = {"projectId": self.tides, "targetEnvironment": "staging"}
        self.deployment = self.ask("owner", "POST", "/deployments", deployed)["deploymentId"]
        wish = {
            "projectId": self.tides,
            "sourceEnvironment": "dev",
            "targetEnvironment": "staging",
        }
        self.promotion = self.ask("owner", "POST", "/promotions", wish)["requestId"]
        shared = {
            "assetId": self.readings,
            "targetAccount": "987654321098",
            "permissions": ["SELECT"],
        }
        self.share = self.ask("steward", "POST", "/cross-account-share", shared)["shareId"]
        self._wait_for_offer()

    def _wait_for_offer(self) -> None:
        """Until the share workflow has come to where the other side must accept."""
        give_up = time.monotonic() + _LONGEST_WAIT_SECONDS
        path = f"/cross-account-share/{self.share}"
        while self.ask("steward", "GET", path)["status"] != "GRANTED":
            assert time.monotonic() < give_up, "the share is not carried out"
            time.sleep(0.05)

    def close(self) -> None:
        """Closes all connections."""
        for client in self.clients.values():
            client.close()

    def ask(
        self,
        role: str,
        method: str,
        path: str,
        body: Any = None,
        *,
        rows: Sequence[dict[str, Any]] | None = None,
    ) -> Any:
        """The answer to a request that must succeed."""
        client = self.clients[role]
        if rows is not None:
            answer = client.request(
                method, f"/api/v1{path}", content=arrow(rows), headers={"Content-Type": ARROW}
            )
        else:
            answer = client.request(method, f"/api/v1{path}", json=body)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def new_table(self, name: str) -> str:
        """The id of a new table of `tides`, with the columns of readings."""
        body = {"projectId": self.tides, "name": name, "columns": COLUMNS}
        return str(self.ask("owner", "POST", "/tables", body)["tableId"])

    def new_asset(self, name: str, table_id: str) -> str:
        """The id of a new asset of `tides`."""
        body = {
            "projectId": self.tides,
            "tableId": table_id,
            "name": name,
            "description": "Water levels.",
            "classification": "internal",
            "contract": CONTRACT,
        }
        return str(self.ask("owner", "POST", "/assets", body)["assetId"])

    def new_subscription(self) -> str:
        """The id of a new request of `maps` for readings."""
        body = {"assetId": self.readings, "projectId": self.maps, "purpose": "To draw maps."}
        return str(self.ask("other", "POST", "/subscriptions", body)["requestId"])

    def tag(self, path: str) -> str:
        """The ETag of what lies at `path`."""
        answer: httpx.Response = self.clients["owner"].get(f"/api/v1{path}")
        return answer.headers["ETag"]

    def _domain(self, name: str, members: dict[str, str]) -> str:
        body = {"name": name, "members": _members(members)}
        return str(self.ask("administrator", "POST", "/domains", body)["domainId"])

    def _project(self, domain_id: str, name: str, members: dict[str, str]) -> str:
        body = {"domainId": domain_id, "name": name, "members": _members(members)}
        return str(self.ask("administrator", "POST", "/projects", body)["projectId"])


def _members(members: dict[str, str]) -> list[dict[str, str]]:
    return [
        {"principal": name if ":" in name else f"user:{name}", "role": role}
        for name, role in members.items()
    ]
