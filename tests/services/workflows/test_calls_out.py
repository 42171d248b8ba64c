"""Tasks that call functions and addresses: `lambda:invoke`, functions by ARN, and `http:invoke`."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from meshplane.events.outbound import Outbound
from meshplane.kit.errors import Conflict
from tests.builders.workflow_service import WorkflowService, workflow_service

pytestmark = pytest.mark.anyio

PROJECT_CREATED = {"detail": {"projectId": "proj-1", "domainId": "dzd-1"}}
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:OnProjectCreate"


SLOW_SECONDS = 30.0


class _Other(BaseHTTPRequestHandler):
    """Another service: says what it was sent, or what the path asks for."""

    seen: list[tuple[str, str, dict[str, str], bytes]]
    over: threading.Event

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.seen.append((self.command, self.path, headers, body))
        if self.path.startswith("/slow"):
            self.over.wait(SLOW_SECONDS)
        status = int(self.path[1:4]) if self.path[1:4].isdigit() else 200
        text = b"x" * 300_000 if self.path == "/large" else b'{"hello": "world"}'
        self.send_response(status)
        self.send_header(
            "Content-Type", "text/plain" if "plain" in self.path else "application/json"
        )
        if status == 302:
            self.send_header("Location", "http://169.254.169.254/latest/meta-data/")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = _answer  # noqa: N815 - as http.server has it
    do_POST = _answer  # noqa: N815 - as http.server has it

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as http.server has it
        """Keeps the test's output clean."""


@pytest.fixture
def other() -> Iterator[tuple[str, list[tuple[str, str, dict[str, str], bytes]]]]:
    seen: list[tuple[str, str, dict[str, str], bytes]] = []
    over = threading.Event()
    handler = type("Handler", (_Other,), {"seen": seen, "over": over})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", seen
        over.set()
        server.shutdown()
        thread.join()


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[WorkflowService]:
    web = Outbound()
    async with workflow_service(tmp_path, web) as made:
        yield made
    await web.close()


async def run(mesh: WorkflowService, given: Any = None, **task: Any) -> Any:
    """How an execution of this one task ends."""
    await mesh.put(
        "one", {"StartAt": "Do", "States": {"Do": {"Type": "Task", "End": True, **task}}}
    )
    return await mesh.end_of(await mesh.start("one", given))


async def call(mesh: WorkflowService, url: str, method: str = "POST", **more: Any) -> Any:
    """How an execution ends that makes this request."""
    parameters = {"ApiEndpoint": url, "Method": method, **more}
    return await run(mesh, Resource="arn:aws:states:::http:invoke", Parameters=parameters)


async def test_lambda_invoke__answers_as_lambda_does(mesh: WorkflowService) -> None:
    async def set_up(given: dict[str, Any]) -> Any:
        return {"projectId": given["projectId"], "roleName": "project-role"}

    mesh.platform.operations["setupProject"] = set_up
    parameters = {"FunctionName": "OnProjectCreate", "Payload": PROJECT_CREATED}
    end = await run(mesh, Resource="arn:aws:states:::lambda:invoke", Parameters=parameters)
    assert end.status == "SUCCEEDED", (end.error, end.cause)
    assert (end.output["StatusCode"], end.output["ExecutedVersion"]) == (200, "$LATEST")
    by_arn = await run(mesh, PROJECT_CREATED, Resource=FUNCTION)
    assert by_arn.output == end.output["Payload"]


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"FunctionName": "Nonsense", "Payload": {}}, "FUNCTION_UNKNOWN"),
        ({"FunctionName": "OnProjectCreate", "Payload": {}}, "EVENT_UNFIT"),
        ({"FunctionName": "OnProjectCreate", "Payload": 7}, "EVENT_UNFIT"),
        ({"FunctionName": 7, "Payload": {}}, "States.Runtime"),
    ],
)
async def test_lambda_invoke__that_cannot_be_done_names_why(
    mesh: WorkflowService, parameters: dict[str, Any], error: str
) -> None:
    end = await run(mesh, Resource="arn:aws:states:::lambda:invoke", Parameters=parameters)
    assert (end.status, end.error) == ("FAILED", error)


async def test_own_host__is_an_operation_by_its_path(mesh: WorkflowService) -> None:
    async def valid(given: dict[str, Any]) -> Any:
        return {"valid": True, **given}

    mesh.platform.operations["POST /api/validate"] = valid
    mesh.platform.operations["GET /api/verify"] = valid
    body = {"projectId": "proj-1", "environment": "dev"}
    end = await call(mesh, "http://mesh.local/api/validate", RequestBody=body)
    assert end.output == {
        "Headers": {"content-type": ["application/json"]},
        "ResponseBody": {"valid": True, **body},
        "StatusCode": 200,
        "StatusText": "OK",
    }
    end = await call(
        mesh, "http://mesh.local/api/verify?environment=dev", "GET", RequestBody={"projectId": "p"}
    )
    assert end.output["ResponseBody"] == {"valid": True, "projectId": "p", "environment": "dev"}


async def test_own_host__what_is_not_there_or_refused_fails_with_its_status(
    mesh: WorkflowService,
) -> None:
    end = await call(mesh, "https://mesh.local/api/nowhere")
    assert (end.error, "PATH_NOT_FOUND" in end.cause) == ("States.Http.StatusCode.404", True)

    async def refuse(given: dict[str, Any]) -> Any:
        raise Conflict("ASSET_LISTED", "It is listed.")

    mesh.platform.operations["POST /api/validate"] = refuse
    end = await call(mesh, "http://mesh.local/api/validate")
    assert end.error == "States.Runtime"


async def test_other_host__is_asked_and_its_answer_comes_back(
    mesh: WorkflowService, other: Any
) -> None:
    url, seen = other
    end = await call(
        mesh,
        f"{url}/things?a=1",
        RequestBody={"n": 1},
        QueryParameters={"b": 2},
        Headers={"X-Kind": "test"},
    )
    assert end.output["ResponseBody"] == {"hello": "world"}
    assert (end.output["StatusCode"], end.output["StatusText"]) == (200, "OK")
    assert end.output["Headers"]["content-type"] == ["application/json"]
    ((method, path, headers, body),) = seen
    assert (method, path, body) == ("POST", "/things?a=1&b=2", b'{"n":1}')
    assert (headers["x-kind"], headers["content-type"]) == ("test", "application/json")
    assert headers["idempotency-key"]
    assert "authorization" not in headers
    assert (await call(mesh, f"{url}/plain", "GET")).output["ResponseBody"] == '{"hello": "world"}'
    assert (await call(mesh, f"{url}/299", "GET")).output["StatusText"] == ""


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/404", "States.Http.StatusCode.404"),
        ("/503", "States.Http.StatusCode.503"),
        ("/302", "States.Http.StatusCode.302"),
        ("/large", "States.DataLimitExceeded"),
    ],
)
async def test_other_host__that_does_not_answer_well_fails_the_task(
    mesh: WorkflowService, other: Any, path: str, error: str
) -> None:
    url, seen = other
    end = await call(mesh, f"{url}{path}", "GET")
    assert (end.status, end.error) == ("FAILED", error)
    assert len(seen) == 1, "a redirect is not followed"


async def test_other_host__that_is_slow_fails_the_task_after_its_time(
    mesh: WorkflowService, other: Any
) -> None:
    url, _ = other
    began = asyncio.get_running_loop().time()
    end = await run(
        mesh,
        Resource="arn:aws:states:::http:invoke",
        Parameters={"ApiEndpoint": f"{url}/slow", "Method": "GET"},
        TimeoutSeconds=1,
    )
    assert end.error in {"States.Http.Socket", "States.Timeout"}
    assert asyncio.get_running_loop().time() - began < SLOW_SECONDS / 2


async def test_other_host__that_is_not_there_fails_the_task(mesh: WorkflowService) -> None:
    end = await call(mesh, "http://127.0.0.1:1/", "GET")
    assert end.error == "States.Http.Socket"


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/",
        "https://example.org/",
        "http://mesh.local@169.254.169.254/",
        "http://mesh.local.example.org/",
        "http://127.0.0.1.example.org/",
    ],
)
async def test_other_host__that_is_not_allowed_is_never_asked(
    mesh: WorkflowService, url: str
) -> None:
    end = await call(mesh, url, "GET")
    assert (end.status, end.error) == ("FAILED", "States.Runtime")
    assert "MESHPLANE_OUTBOUND_HOSTS" in end.cause or "user name" in end.cause


@pytest.mark.parametrize(
    "wrong",
    [
        {"Method": "BREW"},
        {"Method": None},
        {"ApiEndpoint": "file:///etc/passwd"},
        {"ApiEndpoint": "http://[::1"},
        {"ApiEndpoint": 7},
        {"QueryParameters": [1]},
        {"Headers": "x"},
    ],
)
async def test_request__that_is_none_fails_the_task(
    mesh: WorkflowService, wrong: dict[str, Any]
) -> None:
    parameters = {"ApiEndpoint": "http://mesh.local/api/validate", "Method": "POST", **wrong}
    # Given as input, so that it is a definition without fault that comes upon them.
    template = {f"{name}.$": f"$.{name}" for name in parameters}
    end = await run(mesh, parameters, Resource="arn:aws:states:::http:invoke", Parameters=template)
    assert (end.status, end.error) == ("FAILED", "States.Runtime")
    assert mesh.platform.invoked == []
