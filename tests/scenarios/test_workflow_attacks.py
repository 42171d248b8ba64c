"""What somebody would try with workflows, and what comes of it."""

import gzip
import http.server
import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from meshplane.gateway.identity import TokenVerifier
from meshplane.kit.clock import SystemClock
from meshplane.run.links import issuer
from meshplane.run.settings import read_settings
from meshplane.workflows.asl import validate
from meshplane.workflows.asl.jsonata_compile import compile_expression
from tests.builders.attacks import ended, eventually, letter_codes, started
from tests.builders.server import running_server
from tests.builders.small_mesh import HIDDEN, SmallMesh, waiting_for

pytestmark = pytest.mark.scenario

CALLS = {
    "Type": "Task",
    "Resource": "arn:aws:states:::http:invoke",
    "Parameters": {
        "Method": "POST",
        "ApiEndpoint.$": "$.url",
        "Headers.$": "$.headers",
        "RequestBody": {"a": 1},
    },
    "TimeoutSeconds": 20,
    "End": True,
}


class Listener(http.server.BaseHTTPRequestHandler):
    """Another program of this machine; it answers with zeros, packed."""

    heard: ClassVar[list[dict[str, str]]] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.heard.append(dict(self.headers.items()))
        body = gzip.compress(bytes(50_000_000))
        self.send_response(200)
        self.send_header("content-encoding", "gzip")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def mesh() -> Iterator[SmallMesh]:
    with running_server() as server:
        made = SmallMesh(server)
        put(made, "calls", {"Call": CALLS})
        yield made
        made.close()
        assert server.unforeseen() == []


@pytest.fixture
def listener() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        Listener.heard.clear()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


def put(mesh: SmallMesh, name: str, states: dict[str, Any]) -> None:
    """Puts a state machine that begins with the first of these states."""
    definition = {"StartAt": next(iter(states)), "States": states}
    mesh.ask("administrator", "PUT", f"/workflows/{name}", {"definition": definition})


def called(mesh: SmallMesh, url: str, headers: dict[str, str]) -> dict[str, Any]:
    """An execution of somebody without a role that has called an address."""
    given = {"url": url, "headers": headers}
    return ended(mesh, "unrelated", started(mesh, "unrelated", "calls", given))


def test_name_of_anothers_execution__tells_nothing_of_what_it_gave(mesh: SmallMesh) -> None:
    reading = {
        "Type": "Task",
        "Resource": "meshplane:getTable",
        "Parameters": {"tableId": mesh.logbook},
        "End": True,
    }
    put(mesh, "reads", {"Read": reading})
    body = {"stateMachine": "reads", "name": "daily", "input": {}}
    path = f"/executions/{mesh.ask('owner', 'POST', '/executions', body)['executionId']}"
    assert ended(mesh, "owner", path)["output"]["name"] == HIDDEN
    answer = mesh.clients["unrelated"].post("/api/v1/executions", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "EXECUTION_EXISTS")
    assert HIDDEN not in answer.text
    assert mesh.ask("owner", "POST", "/executions", body)["output"]["name"] == HIDDEN


def test_redrive_by_who_has_lost_a_role__acts_without_it(mesh: SmallMesh) -> None:
    wait = {**waiting_for("lost-roles", {})["States"]["Wait"], "Next": "List"}
    del wait["End"]
    listing = {"Type": "Task", "Resource": "meshplane:listRules", "Parameters": {}, "End": True}
    put(mesh, "lists", {"Wait": wait, "List": listing})
    path = started(mesh, "administrator", "lists", {})
    mesh.ask("administrator", "POST", "/executions/tasks/failure", {"taskToken": token_from(mesh)})
    assert ended(mesh, "administrator", path)["status"] == "FAILED"
    with mesh.server.client("ada@mesh") as without_role:
        assert without_role.post(f"/api/v1{path}/redrive").is_success
    success = {"taskToken": token_from(mesh), "output": {}}
    mesh.ask("administrator", "POST", "/executions/tasks/success", success)
    assert ended(mesh, "administrator", path)["error"] == "FORBIDDEN"


def token_from(mesh: SmallMesh) -> str:
    """The token that came with a message."""
    path, wait = "/events/queues/lost-roles/receive", {"waitSeconds": 20}
    message = mesh.ask("administrator", "POST", path, wait)["items"][0]
    handles = {"receiptHandles": [message["receiptHandle"]]}
    mesh.ask("administrator", "POST", "/events/queues/lost-roles/acknowledge", handles)
    return str(message["body"]["taskToken"])


@pytest.mark.parametrize("queue", ["meshplane-tasks", "approval-queue"])
def test_token_of_another_execution__is_answered_by_no_part_of_the_mesh(
    mesh: SmallMesh, queue: str
) -> None:
    token = mesh.new_job(f"stolen-{queue}")[1]
    body = {"taskToken.$": "$.token", "operation": "listDomains", "steps": [{"stepName": "yes"}]}
    sending = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage",
        "Parameters": {"QueueUrl": queue, "MessageBody": body},
        "End": True,
    }
    put(mesh, f"steals-{queue}", {"Send": sending})
    path = started(mesh, "unrelated", f"steals-{queue}", {"token": token})
    assert ended(mesh, "unrelated", path)["status"] == "SUCCEEDED"
    assert eventually(lambda: "TASK_TOKEN_UNKNOWN" in letter_codes(mesh))
    success = {"taskToken": token, "output": {}}
    mesh.ask("administrator", "POST", "/executions/tasks/success", success)


@pytest.mark.parametrize(
    "headers",
    [{name: "1"} for name in ("Content-Length", "transfer-encoding", "Host", "Connection", "TE")]
    + [{"X": "a\r\nInjected: 1"}, {"X\r\nY": "a"}, {"X": "\u00e9"}, {"": "a"}, {"X": "a" * 20_000}],
)
def test_headers_that_change_where_a_request_goes_or_ends__are_not_sent(
    mesh: SmallMesh, listener: str, headers: dict[str, str]
) -> None:
    execution = called(mesh, listener, headers)
    assert (execution["status"], execution["error"]) == ("FAILED", "States.Runtime")
    assert Listener.heard == []


def test_packed_answer__is_not_unpacked(mesh: SmallMesh, listener: str) -> None:
    execution = called(mesh, listener, {"X-Mine": "a"})
    assert execution["status"] == "SUCCEEDED"
    assert len(execution["output"]["ResponseBody"]) < 100_000
    [heard] = Listener.heard
    assert (heard["Accept-Encoding"], heard["x-mine"]) == ("identity", "a")


@pytest.mark.parametrize("path", ["/internal/v1/domains/roles", "/api/v1/domains", "/metrics"])
def test_call_back_into_the_mesh__needs_a_token_like_any_other(mesh: SmallMesh, path: str) -> None:
    execution = called(mesh, f"{mesh.server.url}{path}", {})
    assert execution["error"] == "States.Http.StatusCode.401"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.1/",
        "http://2130706433/",
        "http://[::ffff:127.0.0.1]/",
        "http://0.0.0.0/",
        "http://localhost@evil.example/",
        "http://evil.example#@127.0.0.1/",
        "http://localhost\\@x/",
        "http://169.254.169.254/latest/meta-data",
        "http://127.0.0.1%2eevil.example/",
        "http://[",
    ],
)
def test_address_written_to_look_allowed__is_not_called(mesh: SmallMesh, url: str) -> None:
    execution = called(mesh, url, {})
    assert (execution["status"], execution["error"]) == ("FAILED", "States.Runtime")


def test_history_of_large_events__comes_in_pages_that_fit_into_memory(mesh: SmallMesh) -> None:
    """Each entry and exit of a state holds all of its data."""
    count = {"total.$": "States.MathAdd($.total, 1)", "text.$": "$.text"}
    put(
        mesh,
        "turns-large",
        {
            "Count": {"Type": "Pass", "Parameters": count, "Next": "Enough"},
            "Enough": {
                "Type": "Choice",
                "Choices": [{"Variable": "$.total", "NumericEquals": 30, "Next": "Done"}],
                "Default": "Count",
            },
            "Done": {"Type": "Succeed"},
        },
    )
    given = {"total": 0, "text": "x" * 200_000}
    path = started(mesh, "unrelated", "turns-large", given)
    assert ended(mesh, "unrelated", path)["status"] == "SUCCEEDED"
    cursor: str | None = ""
    ids: list[int] = []
    while cursor is not None:
        more = f"&cursor={cursor}" if cursor else ""
        answer = mesh.clients["unrelated"].get(f"/api/v1{path}/history?limit=1000{more}")
        assert len(answer.content) < 3_000_000
        ids += [event["id"] for event in answer.json()["items"]]
        cursor = answer.json()["nextCursor"]
    assert ids == list(range(1, 2 + 30 * 4 + 2 + 1))
    drawing = mesh.clients["unrelated"].get(f"/api/v1{path}/diagram").text
    assert "Count ×30" in drawing


def test_history__shows_no_token_however_it_is_wrapped(mesh: SmallMesh) -> None:
    wrapped = {
        "taskToken.$": "$$.Task.Token",
        "glued.$": "States.Format('a{}f{}0', $$.Task.Token, $$.Task.Token)",
        "arn.$": "$$.Execution.Id",
    }
    state = waiting_for("wrapped", wrapped)["States"]["Wait"]
    put(mesh, "wraps", {"Wait": state})
    path = started(mesh, "contributor", "wraps", {})
    queue, wait = "/events/queues/wrapped/receive", {"waitSeconds": 20}
    message = mesh.ask("administrator", "POST", queue, wait)["items"][0]
    secret = message["body"]["taskToken"].rpartition(":")[2]
    shown = mesh.clients["contributor"].get(f"/api/v1{path}/history").text
    assert secret not in shown
    assert message["body"]["arn"] in shown
    success = {"taskToken": message["body"]["taskToken"], "output": {}}
    mesh.ask("administrator", "POST", "/executions/tasks/success", success)


def test_long_expressions__are_forgotten_after_they_were_checked() -> None:
    long = " + ".join(f"$states.input.a{number}" for number in range(100))
    assert compile_expression(long) is not compile_expression(long)
    assert compile_expression("$states.input.a") is compile_expression("$states.input.a")
    state = {"Type": "Pass", "Output": f"{{% {long} %}}", "End": True}
    definition = {"QueryLanguage": "JSONata", "StartAt": "Add", "States": {"Add": state}}
    assert validate(definition) == []


def test_call_of_another_process__says_which_workflow_acts_and_how_far_it_has_come(
    mesh: SmallMesh,
) -> None:
    ours = issuer(read_settings(home=mesh.server.home))
    token = f"Bearer {ours.mint('ada', ('staff',), via='loops:x-1', hops=7)}"
    clock = SystemClock()
    inside = TokenVerifier([ours.trusted(may_name_services=True)], clock).verify(token)
    assert (inside.via, inside.hops) == ("loops:x-1", 7)
    outside = TokenVerifier([ours.trusted()], clock).verify(token)
    assert (outside.via, outside.hops) == (None, 0)
    with mesh.server.client() as client:
        body = {"stateMachine": "rests"}
        headers = {"authorization": token}
        made = client.post("/api/v1/executions", json=body, headers=headers).json()
    assert made["hops"] == 7
    records = mesh.ask("administrator", "GET", "/audit?limit=1000")["items"]
    [record] = [one for one in records if one["resource"] == f"Execution:{made['executionId']}"]
    assert (record["actor"], record["detail"]["via"]) == ("user:ada", "loops:x-1")


def test_value_that_no_row_can_hold__ends_its_own_execution_and_says_why(mesh: SmallMesh) -> None:
    large = {"large.$": "States.StringToJson('18446744073709551616')"}
    make = {"Type": "Pass", "Parameters": large, "End": True}
    put(mesh, "makes-large-numbers", {"Make": make})
    body = {"stateMachine": "makes-large-numbers"}
    answer = mesh.clients["unrelated"].post("/api/v1/executions", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "VALUE_UNSUITABLE")
    wait = {"Type": "Wait", "Seconds": 1, "Next": "Make"}
    put(mesh, "makes-them-later", {"Wait": wait, "Make": make})
    path = started(mesh, "unrelated", "makes-them-later", {})
    execution = ended(mesh, "unrelated", path)
    assert (execution["status"], execution["error"]) == ("ABORTED", "States.Runtime")
    assert "64 bits" in execution["cause"]
