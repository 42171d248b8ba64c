"""A deployment as the one who asks for it sees it, with stacks recorded on this machine."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from meshplane.boundary.actor import Actor
from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Judge
from meshplane.boundary.idempotency import IDEMPOTENCY_KEYS
from meshplane.events.queue_worker import QueueWorker
from meshplane.events.queues import DEAD_LETTERS, MESSAGES
from meshplane.gateway import problems
from meshplane.kit.clock import FixedClock
from meshplane.kit.errors import FieldProblem, MeshplaneError
from meshplane.kit.ids import id_maker
from meshplane.platform.local.sqlite import SqliteStore
from meshplane.policy.engine import Engine, policy_texts
from meshplane.policy.model import Membership
from meshplane.services.blueprints.deploying import StackDeployments
from meshplane.services.blueprints.local_stacks import LocalStacks
from meshplane.services.blueprints.routes import routes
from meshplane.services.blueprints.store import TABLES
from meshplane.services.blueprints.stream import Hanging
from meshplane.services.projects.api import ProjectSummary
from tests.builders.stores import NOON

OWNER, VIEWER = Actor("olga@harbour"), Actor("vera@harbour")
TEMPLATE = """
Parameters:
  Name: {Type: String}
Resources:
  Inbox: {Type: "AWS::SQS::Queue", Properties: {QueueName: !Ref Name}}
Outputs:
  Name: {Value: !Ref Name}
"""
ROLE = 'Resources:\n  Reader: {Type: "AWS::IAM::Role"}\n'


class _OneProject:
    """A project with an owner and a viewer; also what tells their roles."""

    async def find(self, _actor: Actor, project_id: str) -> ProjectSummary | None:
        if project_id != "proj-1":
            return None
        return ProjectSummary(project_id, "Tides", "dom-1", "harbour", "data-lake-harbour")

    async def of(
        self, actor: Actor, _domain_id: str | None, project_id: str | None
    ) -> frozenset[Membership]:
        roles = {"olga@harbour": "owner", "carl@harbour": "contributor"}
        role = roles.get(actor.subject, "viewer")
        return frozenset({Membership("Project", project_id or "", role)})


class Office:
    """The service behind its routes, and the worker that carries deployments out."""

    def __init__(self, folder: Path, patience_seconds: float = 0.0) -> None:
        clock = FixedClock(NOON)
        new_id = id_maker(clock)
        tables = (IDEMPOTENCY_KEYS, *TABLES, MESSAGES, DEAD_LETTERS)
        self.store = SqliteStore(folder / "meshplane.db", tables, clock, new_id)
        self.clock = clock
        self.linted: list[str] = []
        projects: Any = _OneProject()
        self.stacks = LocalStacks(self.store, clock)
        deployments = StackDeployments(
            self.stacks,
            clock,
            lint=self._lint,
            first_look_seconds=0.0,
            patience_seconds=patience_seconds,
        )
        judge = Judge(Engine(policy_texts().values()), projects, {})
        boundary = Boundary(self.store, judge, clock, new_id)
        self.worker = QueueWorker(self.store, deployments.queues, clock)
        self.hanging = Hanging()
        made = routes(
            projects, deployments, boundary=boundary, store=self.store, hanging=self.hanging
        )
        self._app = Starlette(
            routes=list(made),
            exception_handlers={MeshplaneError: problems.on_error},
        )

    async def _lint(self, template: str) -> tuple[FieldProblem, ...]:
        self.linted.append(template)
        return (FieldProblem("cfnTemplate.Resources.Inbox", "W1234, line 5: it is odd"),)

    async def ask(self, actor: Actor, method: str, path: str, body: Any = None) -> httpx.Response:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            scope["actor"], scope["trace_id"] = actor, "0" * 32
            await self._app(scope, receive, send)

        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://mesh") as client:
            return await client.request(method, f"/api/v1{path}", json=body)

    async def deploy(self, actor: Actor = OWNER, **changed: Any) -> httpx.Response:
        body = {
            "projectId": "proj-1",
            "targetEnvironment": "staging",
            "cfnTemplate": TEMPLATE,
            "parameters": {"Name": "tides"},
        }
        self.clock.advance(1)
        return await self.ask(actor, "POST", "/deployments", {**body, **changed})

    async def carry_out(self) -> None:
        for _ in range(5):
            await self.worker.run_due()
            self.clock.advance(20)


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    office = Office(tmp_path)
    yield office
    await office.store.close()


async def test_deployment__is_in_progress_until_its_stack_has_ended(office: Office) -> None:
    begun = (await office.deploy()).json()
    assert (begun["status"], begun["endTime"], begun["cfnStackId"]) == ("IN_PROGRESS", None, None)
    assert begun["warnings"] == ["cfnTemplate.Resources.Inbox: W1234, line 5: it is odd"]
    await office.carry_out()
    path = f"/deployments/{begun['deploymentId']}"
    ended = (await office.ask(VIEWER, "GET", path)).json()
    assert (ended["status"], ended["statusReason"]) == ("SUCCESS", None)
    assert ended["cfnStackId"] == "local:stack/proj-1-staging/00000001"
    assert ended["outputs"] == {"Name": "tides"}
    assert [(each["action"], each["logicalId"]) for each in ended["changes"]] == [("Add", "Inbox")]
    assert [each["status"] for each in ended["stackEvents"]] == [
        "CREATE_IN_PROGRESS",
        "CREATE_COMPLETE",
        "CREATE_COMPLETE",
    ]


async def test_environment__counts_as_deployed_once_the_stack_is_there(office: Office) -> None:
    await office.deploy()
    where = "/verify?projectId=proj-1&environment=staging"
    assert (await office.ask(VIEWER, "GET", where)).status_code == 409
    await office.carry_out()
    assert (await office.ask(VIEWER, "GET", where)).json()["verified"] is True


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"parameters": {}}, "PARAMETERS_INVALID"),
        ({"cfnTemplate": ROLE, "parameters": {}}, "CAPABILITY_MISSING"),
        ({"capabilities": ["CAPABILITY_IAM"]}, "CAPABILITY_NOT_NEEDED"),
        ({"capabilities": ["CAPABILITY_ALL"]}, "REQUEST_INVALID"),
        ({"cfnTemplate": "a: ["}, "TEMPLATE_INVALID"),
    ],
)
async def test_deployment__that_cannot_be_is_refused_before_anything_is_recorded(
    office: Office, changed: dict[str, Any], code: str
) -> None:
    answer = await office.deploy(**changed)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert office.linted == []
    listed = (await office.ask(OWNER, "GET", "/deployments?projectId=proj-1")).json()
    assert listed["items"] == []


async def test_deployment__by_one_who_may_not_is_not_even_looked_at(office: Office) -> None:
    assert (await office.deploy(VIEWER)).status_code == 403
    assert office.linted == []


async def test_deployments_at_once__are_each_carried_out_or_told_why_not(office: Office) -> None:
    names = [f"tides-{number}" for number in range(5)]
    await asyncio.gather(*(office.deploy(parameters={"Name": name}) for name in names))
    await office.carry_out()
    listed = (await office.ask(OWNER, "GET", "/deployments?projectId=proj-1")).json()["items"]
    assert len(listed) == 5
    assert {each["cfnStackId"] for each in listed} == {"local:stack/proj-1-staging/00000001"}
    for each in listed:
        assert each["status"] == "SUCCESS" or each["statusReason"].startswith("PLAN_OUTDATED")
    assert any(each["status"] == "SUCCESS" for each in listed)
