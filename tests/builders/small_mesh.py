"""A small mesh on a real server: two domains, a project in each, one asset granted across."""

import hashlib
import io
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import httpx
import pyarrow as pa

from tests.builders.server import Server

_LONGEST_WAIT_SECONDS = 30.0

T = TypeVar("T")

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
        subscription: the active one of `maps` to readings. grant: what it gave.
        run: a quality run of readings. query: one of the owner's that has ended.
        view: one of `tides` over readings, which is not published.
        deployment: one of `tides` to staging. promotion: a request of `tides` from dev to staging.
        crawl: one of the raw area of `tides`, which has found `gauges`.
        share: of readings with another account, which has not accepted.
        reconciliation: one of the harbour's lake, which has ended.
        shown_reconciliations: one of the portal, and one of the lake's catalogue.
        execution: one of the contributor, which waits for `approval` by a steward of the harbour.
        dead_letter: a message that nobody could read. replay: one that has ended.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self.clients = {role: server.client(*who) for role, who in PEOPLE.items()}
        self._rest_schedules()
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
        path = f"/subscriptions/{self.subscription}"
        self.grant = self.ask("steward", "GET", path)["grantId"]
        self.query = "counting-tides"
        counting = {"sql": "SELECT count(*) FROM harbour.readings", "queryId": self.query}
        self.ask("owner", "POST", "/query", counting)
        high = {
            "projectId": self.tides,
            "name": "high",
            "sql": "SELECT station FROM readings WHERE level > 2",
            "runsAs": "reader",
        }
        self.view = self.ask("owner", "POST", "/query/views", high)["viewId"]
        mended = {"domainId": self.harbour}
        begun = self.ask("administrator", "POST", "/lake/reconcile", mended)
        self.reconciliation = begun["reconciliationId"]
        self.shown_reconciliations = [
            self.ask("administrator", "POST", f"{path}/reconcile", {})["reconciliationId"]
            for path in ("/catalog/portal", "/tables/projection")
        ]
        self._crawl()
        self._words()
        self._environments()
        self._workflows()
        self._bus()

    def _rest_schedules(self) -> None:
        """What fires by the clock would write while a test looks whether a request has written."""
        for rule in self.ask("administrator", "GET", "/events/rules?limit=200")["items"]:
            if rule["scheduleExpression"] is not None:
                self.ask("administrator", "POST", f"/events/rules/{rule['name']}/disable")

    def _crawl(self) -> None:
        bucket = self.ask("domain-owner", "GET", f"/domains/{self.harbour}")["bucket"]
        area = self.server.home / "lake" / bucket / "projects" / self.tides / "raw"
        (area / "gauges").mkdir(parents=True, exist_ok=True)
        (area / "gauges" / "a.csv").write_text("gauge,level\nnorth,3\n")
        begun = self.ask("owner", "POST", "/tables/crawls", {"projectId": self.tides})
        self.crawl = begun["crawlId"]
        path = f"/tables/crawls/{self.crawl}"
        _wait_for(lambda: self.ask("owner", "GET", path)["status"] == "SUCCEEDED")

    def _words(self) -> None:
        words = {"domainId": self.harbour, "name": "Words of the sea"}
        self.glossary = self.ask("steward", "POST", "/catalog/glossaries", words)["glossaryId"]
        path = f"/catalog/glossaries/{self.glossary}/terms"
        self.term = self.ask("steward", "POST", path, {"name": "Tide"})["termId"]
        fields = [
            {"name": "days", "type": "integer", "required": True},
            {"name": "why", "type": "string"},
        ]
        asking = {"domainId": self.harbour, "name": "Keeping", "fields": fields}
        self.form = self.ask("steward", "POST", "/catalog/forms", asking)["formId"]

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

    def new_deployment(self, how: str, environment: str) -> str:
        """A deployment of a template to an environment of `tides`; or a plan for one."""
        wish = {
            "projectId": self.tides,
            "targetEnvironment": environment,
            "cfnTemplate": '{"Resources": {"Bucket": {"Type": "AWS::S3::Bucket"}}}',
        }
        path = "/deployments/plan" if how == "plan" else "/deployments"
        return str(self.ask("owner", "POST", path, wish)["deploymentId"])

    def _wait_for_offer(self) -> None:
        """Until the share workflow has come to where the other side must accept."""
        path = f"/cross-account-share/{self.share}"
        _wait_for(lambda: self.ask("steward", "GET", path)["status"] == "GRANTED")
        # Its workflow would look once a minute whether the share was accepted.
        found = self.ask("administrator", "GET", "/executions?stateMachine=cross-account-share")
        path = f"/executions/{found['items'][0]['executionId']}/stop"
        self.ask("administrator", "POST", path, {"cause": "The tests take the steps themselves."})

    def _workflows(self) -> None:
        steps = [{"stepName": "look", "approverRole": "steward"}]
        asking = {"title": "May they?", "domainId": self.harbour, "steps": steps}
        rest = {"StartAt": "Rest", "States": {"Rest": {"Type": "Succeed"}}}
        loses = {
            "Type": "Task",
            "Resource": "arn:aws:states:::sqs:sendMessage",
            "Parameters": {"QueueUrl": "meshplane-tasks", "MessageBody": "no task"},
            "End": True,
        }
        for name, definition in (
            ("asks", waiting_for("approval-queue", asking)),
            ("hands-over", waiting_for(None, {"what": "a job"})),
            ("loses", {"StartAt": "Lose", "States": {"Lose": loses}}),
            ("rests", rest),
        ):
            self.ask("administrator", "PUT", f"/workflows/{name}", {"definition": definition})
        self.execution, self.approval = self.new_approval()

    def _bus(self) -> None:
        self.dead_letter = self.new_dead_letter()
        self.ask("administrator", "PUT", "/events/archives/kept", {})
        wanted = {
            "name": "first",
            "archive": "kept",
            "from": "2001-01-01T00:00:00Z",
            "to": "2001-01-02T00:00:00Z",
        }
        self.replay = self.ask("administrator", "POST", "/events/replays", wanted)["replayId"]
        path = f"/events/replays/{self.replay}"
        _wait_for(lambda: self.ask("administrator", "GET", path)["state"] == "COMPLETED")

    def new_execution(self) -> str:
        """The id of a new execution of the contributor, which waits for an approval."""
        body = {"stateMachine": "asks"}
        return str(self.ask("contributor", "POST", "/executions", body)["executionId"])

    def new_approval(self) -> tuple[str, str]:
        """The ids of a new execution of the contributor and of the approval that it waits for."""
        execution_id = self.new_execution()

        def found() -> str | None:
            items = self.ask("steward", "GET", "/approvals?limit=200")["items"]
            ids = [one["workflowId"] for one in items if one["executionId"] == execution_id]
            return ids[0] if ids else None

        return execution_id, _wait_for(found)

    def queue_of(self, tag: str) -> str:
        """The queue to which `new_job` hands over."""
        return "jobs-" + hashlib.sha256(tag.encode()).hexdigest()[:16]

    def new_job(self, tag: str) -> tuple[str, str]:
        """The receipt of a message that an execution sent, and the token that it waits for."""
        queue = self.queue_of(tag)
        body = {"stateMachine": "hands-over", "input": {"queue": queue}}
        self.ask("administrator", "POST", "/executions", body)
        path, wait = f"/events/queues/{queue}/receive", {"waitSeconds": 20}
        message = self.ask("administrator", "POST", path, wait)["items"][0]
        return message["receiptHandle"], message["body"]["taskToken"]

    def new_dead_letter(self) -> str:
        """The id of a new dead letter."""
        known = self._dead_letters()
        self.ask("contributor", "POST", "/executions", {"stateMachine": "loses"})
        return _wait_for(lambda: next(iter(self._dead_letters() - known), None))

    def _dead_letters(self) -> set[str]:
        found: set[str] = set()
        cursor: str | None = ""
        while cursor is not None:
            more = f"&cursor={cursor}" if cursor else ""
            page = self.ask("administrator", "GET", f"/events/dead-letters?limit=200{more}")
            found |= {one["deadLetterId"] for one in page["items"]}
            cursor = page["nextCursor"]
        return found

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


def waiting_for(queue: str | None, body: dict[str, Any]) -> dict[str, Any]:
    """A state machine that sends `body` with its token and waits; by default to `$.queue`."""
    place = {"QueueUrl.$": "$.queue"} if queue is None else {"QueueUrl": queue}
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "Parameters": {**place, "MessageBody": {"taskToken.$": "$$.Task.Token", **body}},
        "TimeoutSeconds": 86_400,
        "End": True,
    }
    return {"StartAt": "Wait", "States": {"Wait": task}}


def _wait_for(found: Callable[[], T | None]) -> T:
    give_up = time.monotonic() + _LONGEST_WAIT_SECONDS
    while not (it := found()):
        assert time.monotonic() < give_up, "it does not come"
        time.sleep(0.01)
    return it


def _members(members: dict[str, str]) -> list[dict[str, str]]:
    return [
        {"principal": name if ":" in name else f"user:{name}", "role": role}
        for name, role in members.items()
    ]
