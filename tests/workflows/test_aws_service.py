"""The API of executions and approvals where Step Functions runs them."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from meshplane.boundary.actor import Actor
from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Judge
from meshplane.gateway import problems
from meshplane.kit.clock import SystemClock
from meshplane.kit.errors import MeshplaneError
from meshplane.kit.ids import id_maker
from meshplane.platform.aws.calls import Aws
from meshplane.policy.engine import Engine, policy_texts
from meshplane.policy.model import Membership
from meshplane.services.workflows.approvals import Approvals
from meshplane.services.workflows.aws_executions import (
    without_token,
)
from meshplane.services.workflows.machines import StateMachines
from meshplane.services.workflows.routes import approval_routes, execution_routes, machine_routes
from tests.builders.aws_workflows import AwsWorld, aws_in_sandbox, aws_world
from tests.builders.until import until

ADA = Actor("ada@mesh", frozenset({"mesh-admins"}))
CARL, UNA = Actor("carl@tides"), Actor("una@nowhere")
WAIT = "arn:aws:states:::sqs:sendMessage.waitForTaskToken"
_numbers = count(1)


class Memberships:
    """Carl is the steward of the harbour."""

    async def of(
        self, actor: Actor, domain_id: str | None, project_id: str | None
    ) -> frozenset[Membership]:
        """See `Judge`."""
        held = actor == CARL and domain_id == "dzd-1"
        return frozenset({Membership("Domain", "dzd-1", "steward")} if held else ())


class Service:
    """The service's routes on a world of Step Functions."""

    def __init__(self, on: AwsWorld) -> None:
        self.on = on
        new_id = id_maker(SystemClock())
        judge = Judge(
            Engine(policy_texts().values()), Memberships(), {"mesh-admins": "administrator"}
        )
        boundary = Boundary(on.store, judge, SystemClock(), new_id)
        self._app = Starlette(
            routes=[
                *machine_routes(StateMachines(on.engine), boundary),
                *execution_routes(on.parts.cases, boundary),
                *approval_routes(Approvals(on.approvals, on.answers), boundary),
            ],
            exception_handlers={MeshplaneError: problems.on_error},
        )

    async def answer(
        self, actor: Actor, method: str, path: str, body: Any = None
    ) -> httpx.Response:
        """The answer to a request of somebody."""

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            scope["actor"], scope["trace_id"] = actor, "0" * 32
            await self._app(scope, receive, send)

        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://mesh/api/v1") as client:
            return await client.request(method, path, json=body)

    async def ask(self, method: str, path: str, body: Any = None, actor: Actor = ADA) -> Any:
        """The answer to a request that must succeed."""
        answer = await self.answer(actor, method, path, body)
        assert answer.is_success, f"{answer.status_code} {answer.text}"
        return answer.json() if "json" in answer.headers["content-type"] else answer.text

    async def put(self, definition: dict[str, Any]) -> str:
        """Puts a state machine; its name."""
        name = f"service-{next(_numbers)}"
        await self.ask("PUT", f"/workflows/{name}", {"definition": definition})
        return name

    async def ended(self, execution_id: str) -> dict[str, Any]:
        """An execution when it has ended."""
        found: dict[str, Any] = {}

        async def look() -> bool:
            found.update(await self.ask("GET", f"/executions/{execution_id}"))
            return found["status"] != "RUNNING"

        await until(look)
        return found


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with aws_in_sandbox() as made:
        yield made


@pytest.fixture
async def service(aws: Aws, tmp_path: Path) -> AsyncIterator[Service]:
    async with aws_world(aws, tmp_path, from_store=True) as on:
        yield Service(on)


def double() -> dict[str, Any]:
    return {"StartAt": "T", "States": {"T": {"Type": "Task", **_TASK, "End": True}}}


_TASK = {"Resource": "meshplane:double", "Parameters": {"n.$": "$.n"}}


async def test_execution__is_started_shown_listed_and_drawn(service: Service) -> None:
    async def twice(given: dict[str, Any]) -> Any:
        return {"n": given["n"] * 2}

    service.on.platform.operations["double"] = twice
    machine = await service.put(double())
    started = await service.ask(
        "POST", "/executions", {"stateMachine": machine, "name": "one", "input": {"n": 2}}
    )
    assert (started["executionId"], started["status"]) == (f"{machine}:one", "RUNNING")
    assert started["startedBy"] == "user:ada@mesh"
    end = await service.ended(f"{machine}:one")
    assert (end["status"], end["input"], end["output"]) == ("SUCCEEDED", {"n": 2}, {"n": 4})
    listed = await service.ask("GET", f"/executions?stateMachine={machine}&status=SUCCEEDED")
    assert [one["name"] for one in listed["items"]] == ["one"]
    history = await service.ask("GET", f"/executions/{machine}:one/history?limit=2")
    assert [event["type"] for event in history["items"]] == ["ExecutionStarted", "TaskStateEntered"]
    rest = await service.ask(
        "GET", f"/executions/{machine}:one/history?cursor={history['nextCursor']}"
    )
    assert rest["items"][0]["id"] == 3
    assert '"taskToken":"…"' in rest["items"][0]["taskScheduledEventDetails"]["parameters"]
    drawn = await service.ask("GET", f"/executions/{machine}:one/diagram")
    assert "ran" in drawn
    refused = await service.answer(ADA, "POST", f"/executions/{machine}:one/stop", {})
    assert refused.json()["code"] == "EXECUTION_ENDED"


async def test_new_revision__is_what_the_next_start_runs(service: Service) -> None:
    machine = await service.put(
        {"StartAt": "A", "States": {"A": {"Type": "Pass", "Result": 1, "End": True}}}
    )
    for number in (1, 2):
        definition = {
            "StartAt": "A",
            "States": {"A": {"Type": "Pass", "Result": number, "End": True}},
        }
        await service.ask("PUT", f"/workflows/{machine}", {"definition": definition})
        name = f"run-{number}"
        await service.ask("POST", "/executions", {"stateMachine": machine, "name": name})
        assert (await service.ended(f"{machine}:{name}"))["output"] == number


async def test_execution_of_somebody_else__is_not_there(service: Service) -> None:
    machine = await service.put(double())
    await service.ask(
        "POST", "/executions", {"stateMachine": machine, "name": "one", "input": {"n": 1}}
    )
    for path in (f"/executions/{machine}:one", f"/executions/{machine}:none"):
        answer = await service.answer(UNA, "GET", path)
        assert (answer.status_code, answer.json()["code"]) == (404, "EXECUTION_UNKNOWN")


async def test_machine_that_aws_does_not_take__fails_its_executions_with_the_reason(
    service: Service,
) -> None:
    chosen = {"QueueUrl.$": "$.queue", "MessageBody": "x"}
    send = {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "End": True}
    machine = await service.put({"StartAt": "T", "States": {"T": {**send, "Parameters": chosen}}})
    await service.ask("POST", "/executions", {"stateMachine": machine, "name": "one"})
    end = await service.ended(f"{machine}:one")
    assert (end["status"], end["error"]) == ("FAILED", "DEFINITION_NOT_FOR_AWS")
    assert "write the queue out" in end["cause"]
    assert end["endedAt"] is not None


async def test_name_of_somebody_elses_execution__is_refused(service: Service) -> None:
    machine = await service.put({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}})
    body = {"stateMachine": machine, "name": "one"}
    await service.ask("POST", "/executions", body)
    other = Actor("eve@mesh", frozenset({"mesh-admins"}))
    answer = await service.answer(other, "POST", "/executions", body)
    assert answer.json()["code"] == "EXECUTION_EXISTS"
    again = await service.ask("POST", "/executions", body)
    assert again["executionId"] == f"{machine}:one"


async def test_unknown_machine__is_refused_at_once(service: Service) -> None:
    answer = await service.answer(ADA, "POST", "/executions", {"stateMachine": "nowhere"})
    assert answer.json()["code"] == "STATE_MACHINE_UNKNOWN"


async def test_approval__is_decided_over_the_api_and_the_workflow_goes_on(
    service: Service,
) -> None:
    body = {"taskToken.$": "$$.Task.Token", "title": "May it?", "domainId": "dzd-1"}
    steps = [{"stepName": "steward", "approverRole": "steward"}]
    state = {
        "Type": "Task",
        "Resource": WAIT,
        "Parameters": {"QueueUrl": "approval-queue", "MessageBody": {**body, "steps": steps}},
        "TimeoutSeconds": 60,
        "End": True,
    }
    machine = await service.put({"StartAt": "T", "States": {"T": state}})
    await service.ask("POST", "/executions", {"stateMachine": machine, "name": "one"})
    inbox: list[dict[str, Any]] = []

    async def is_asked() -> bool:
        inbox[:] = (await service.ask("GET", "/approvals", actor=CARL))["items"]
        return bool(inbox)

    await until(is_asked)
    workflow = inbox[0]["workflowId"]
    first, second = await asyncio.gather(
        *(
            service.answer(CARL, "POST", f"/approvals/{workflow}/approve", {"comment": "Yes."})
            for _ in range(2)
        )
    )
    assert sorted((first.status_code, second.status_code)) == [200, 409]
    end = await service.ended(f"{machine}:one")
    assert end["status"] == "SUCCEEDED"
    assert end["output"]["approvedBy"] == "user:carl@tides"


def test_without_token__blots_what_looks_like_one() -> None:
    told = '{"a":{"token":"x"},"b":"' + "A" * 120 + '","c":"plain"}'
    event = {
        "id": 3,
        "taskScheduledEventDetails": {
            "resource": "sendMessage.waitForTaskToken",
            "parameters": told,
        },
    }
    shown = without_token(event)["taskScheduledEventDetails"]["parameters"]
    assert shown == '{"a":{"token":"…"},"b":"…","c":"plain"}'
    assert without_token({"id": 1}) == {"id": 1}
