"""The five flows of a mesh on AWS that take several steps, each as people ask for it over HTTP."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Protocol

from tests.builders.aws_mesh import ADMIN, STEWARD, AwsMesh
from tests.builders.sharing_world import CONSUMER, READER
from tests.builders.small_mesh import ARROW, COLUMNS, CONTRACT, arrow

DOMAIN, OWNER_OF_ALL, READS = "harbour", "olga@tides", "otto@maps"
LINKS = "shared"
TOPIC_OF_SHARES = "Data was shared with you"


@dataclass
class Made:
    """What the flows have asked for, by id, as the API showed it last.

    Args:
        projects: ids of all.
        assets, requests, shares, deployments, promotions: documents of the API.
    """

    projects: set[str] = field(default_factory=set)
    assets: dict[str, Any] = field(default_factory=dict)
    requests: dict[str, Any] = field(default_factory=dict)
    shares: dict[str, Any] = field(default_factory=dict)
    deployments: dict[str, Any] = field(default_factory=dict)
    promotions: dict[str, Any] = field(default_factory=dict)


class World:
    """A mesh with a domain, and what flows need before they begin: it is made while nothing fails.

    Args:
        mesh: with nothing in it.
        used: whether something was published in it before.
    """

    def __init__(self, mesh: AwsMesh, *, used: bool = True) -> None:
        self.mesh, self.made = mesh, Made()
        self._numbers: Iterator[int] = count(1)
        self._unshared: list[str] = []
        for rule in mesh.all(ADMIN, "/events/rules"):
            # What fires by the clock would be counted among the calls of a flow.
            if rule["scheduleExpression"] is not None:
                mesh.ask(ADMIN, "POST", f"/events/rules/{rule['name']}/disable")
        body = {"name": DOMAIN, "members": [{"principal": f"user:{STEWARD}", "role": "steward"}]}
        self.domain = str(mesh.ask(ADMIN, "POST", "/domains", body)["domainId"])
        self.tides = self.project("tides", OWNER_OF_ALL)
        mesh.rest()
        if used:
            # What is done for the first time takes calls that no flow takes again.
            self.keep(self.asset())

    def name(self, what: str) -> str:
        """A name that nothing has."""
        return f"{what}{next(self._numbers)}"

    def project(self, name: str, owner: str) -> str:
        """The id of a new project; its set-up goes on."""
        body = {
            "domainId": self.domain,
            "name": name,
            "members": [{"principal": f"user:{owner}", "role": "owner"}],
        }
        made = str(self.mesh.ask(ADMIN, "POST", "/projects", body)["projectId"])
        self.made.projects.add(made)
        return made

    def asset(self) -> str:
        """The id of an asset that is listed and was not shared yet."""
        if not self._unshared:
            publish = Publish(self)
            publish.prepare()
            publish.play()
            self.mesh.rest()
            publish.look()
        return self._unshared.pop()

    def keep(self, asset_id: str) -> None:
        """Keeps a listed asset for a flow that needs one."""
        self._unshared.append(asset_id)


class Flow(Protocol):
    """A flow that can be played once."""

    name: str

    def prepare(self) -> None:
        """Makes what it needs, while nothing fails."""
        ...

    def play(self) -> None:
        """Asks for it, and waits until it has ended."""
        ...

    def look(self) -> str:
        """Reads what came of it, and gives its state: `done` or `undone`, or what else it is."""
        ...


class Publish:
    """A table with rows → an asset → Glue, Lake Formation, a listing in the portal."""

    name = "publish"

    def __init__(self, world: World) -> None:
        self._world, self._mesh = world, world.mesh
        self._asset = self._table = ""

    def prepare(self) -> None:
        """Nothing is there but the project."""

    def play(self) -> None:
        """Creates the table, appends rows, and publishes it."""
        ask, name = self._mesh.ask, self._world.name("readings")
        body: dict[str, Any] = {"projectId": self._world.tides, "name": name, "columns": COLUMNS}
        self._table = ask(OWNER_OF_ALL, "POST", "/tables", body)["tableId"]
        rows = arrow([{"station": "quay", "level": 3}, {"station": "pier", "level": 7}])
        path = f"/tables/{self._table}/rows"
        ask(OWNER_OF_ALL, "POST", path, content=rows, headers={"Content-Type": ARROW})
        body = {
            "projectId": self._world.tides,
            "tableId": self._table,
            "name": name,
            "description": "Water levels.",
            "classification": "internal",
            "contract": CONTRACT.replace("name: readings", f"name: {name}"),
        }
        self._asset = ask(OWNER_OF_ALL, "POST", "/assets", body)["assetId"]
        self._mesh.until("the asset is listed or turned down", self._ended)

    def look(self) -> str:
        """`done`: it is listed, with both rows. `undone`: it was turned down."""
        found = self._mesh.ask(OWNER_OF_ALL, "GET", f"/assets/{self._asset}")
        table = self._mesh.ask(OWNER_OF_ALL, "GET", f"/tables/{self._table}")
        self._world.made.assets[self._asset] = {**found, "table": table}
        if table["rows"] != len(("quay", "pier")):
            return f"{table['rows']} rows"
        if found["status"] == "published":
            self._world.keep(self._asset)
        states = {"published": "done", "rejected": "undone"}
        return states.get(found["status"], str(found["status"]))

    def _ended(self) -> bool | None:
        found = self._mesh.ask(OWNER_OF_ALL, "GET", f"/assets/{self._asset}")
        return found["status"] in {"published", "rejected"} or None


class Approve:
    """A request for an asset → its approval → a grant, Lake Formation, a subscription there."""

    name = "approve"

    def __init__(self, world: World) -> None:
        self._world, self._mesh = world, world.mesh
        self._asset = self._project = self._request = ""

    def prepare(self) -> None:
        """An asset, and a project that wants it."""
        self._asset = self._world.asset()
        self._world.keep(self._asset)
        self._project = self._world.project(self._world.name("maps"), READS)
        self._mesh.rest()

    def play(self) -> None:
        """Asks for it, and approves it for some rows."""
        body = {"assetId": self._asset, "projectId": self._project, "purpose": "To draw maps."}
        self._request = self._mesh.ask(READS, "POST", "/subscriptions", body)["requestId"]
        path = f"/subscriptions/{self._request}/approve"
        decision = {"reason": "They draw maps.", "rowFilter": "level < 5"}
        self._mesh.ask(STEWARD, "POST", path, decision)
        self._mesh.until("the request is active", self._ended)

    def look(self) -> str:
        """`done`: it is active. `undone`: it was rejected or revoked."""
        found = self._mesh.ask(READS, "GET", f"/subscriptions/{self._request}")
        self._world.made.requests[self._request] = found
        states = {"active": "done", "rejected": "undone", "revoked": "undone"}
        return states.get(found["status"], str(found["status"]))

    def _ended(self) -> bool | None:
        found = self._mesh.ask(READS, "GET", f"/subscriptions/{self._request}")
        return found["status"] in {"active", "rejected", "revoked"} or None


class Share:
    """An offer to another account → its acceptance → a link there → read there → told."""

    name = "share"

    def __init__(self, world: World) -> None:
        self._world, self._mesh = world, world.mesh
        self._asset = self._share = ""

    def prepare(self) -> None:
        """An asset that the other account has not."""
        self._asset = self._world.asset()

    def play(self) -> None:
        """Shares it."""
        body = {
            "assetId": self._asset,
            "targetAccount": CONSUMER,
            "permissions": ["SELECT", "DESCRIBE"],
            "readerRole": READER,
            "linkDatabase": LINKS,
        }
        self._share = self._mesh.ask(STEWARD, "POST", "/cross-account-share", body)["shareId"]
        self._mesh.until("the share is active or has failed", self._ended)

    def look(self) -> str:
        """`done`: it is active. `undone`: it has failed."""
        found = self._mesh.ask(STEWARD, "GET", f"/cross-account-share/{self._share}")
        self._world.made.shares[self._share] = found
        return {"ACTIVE": "done", "FAILED": "undone"}.get(found["status"], str(found["status"]))

    def _ended(self) -> bool | None:
        found = self._mesh.ask(STEWARD, "GET", f"/cross-account-share/{self._share}")
        return found["status"] in {"ACTIVE", "FAILED"} or None


def template(queue: str = "${AWS::StackName}-queue") -> str:
    """A template with one queue of that name.

    The name is the stack's, so that all deploy the same text: cfn-lint, which takes seconds of
    the processor, looks at it once.
    """
    named = {"QueueName": {"Fn::Sub": queue}}
    queues = {"Queue": {"Type": "AWS::SQS::Queue", "Properties": named}}
    return json.dumps({"AWSTemplateFormatVersion": "2010-09-09", "Resources": queues})


class Deploy:
    """A template → its change set → a stack in the project's staging."""

    name = "deploy"

    def __init__(self, world: World) -> None:
        self._world, self._mesh = world, world.mesh
        self._project = self._deployment = ""

    def prepare(self) -> None:
        """A project without stacks."""
        self._project = self._world.project(self._world.name("works"), OWNER_OF_ALL)
        self._mesh.rest()

    def play(self) -> None:
        """Deploys it."""
        body = {
            "projectId": self._project,
            "targetEnvironment": "staging",
            "cfnTemplate": template(),
        }
        made = self._mesh.ask(OWNER_OF_ALL, "POST", "/deployments", body)
        self._deployment = made["deploymentId"]
        self._mesh.until("the deployment has ended", self._ended)

    def look(self) -> str:
        """`done`: the stack is there. `undone`: it has failed."""
        found = self._mesh.ask(OWNER_OF_ALL, "GET", f"/deployments/{self._deployment}")
        self._world.made.deployments[self._deployment] = found
        return {"SUCCESS": "done", "FAILED": "undone"}.get(found["status"], str(found["status"]))

    def _ended(self) -> bool | None:
        found = self._mesh.ask(OWNER_OF_ALL, "GET", f"/deployments/{self._deployment}")
        return found["status"] in {"SUCCESS", "FAILED"} or None


class Promote:
    """From dev to staging: a stack there, its tests, an approval, and the outcome."""

    name = "promote"

    def __init__(self, world: World) -> None:
        self._world, self._mesh = world, world.mesh
        self._project = self._promotion = ""

    def prepare(self) -> None:
        """A project that has nothing but its dev."""
        self._project = self._world.project(self._world.name("pilots"), OWNER_OF_ALL)
        self._mesh.rest()

    def play(self) -> None:
        """Asks for it, and approves it when asked."""
        body = {
            "projectId": self._project,
            "sourceEnvironment": "dev",
            "targetEnvironment": "staging",
            "cfnTemplate": template(),
        }
        made = self._mesh.ask(OWNER_OF_ALL, "POST", "/promotions", body)
        self._promotion = made["requestId"]
        if self._mesh.until("somebody is asked, or it has ended", self._asked_or_ended) != "ended":
            path = f"/approvals/{self._approval()}/approve"
            self._mesh.ask(STEWARD, "POST", path, {"comment": "Its tests passed."})
            self._mesh.until("the promotion has ended", lambda: self._ended() or None)

    def look(self) -> str:
        """`done`: it is completed. `undone`: it has failed."""
        found = self._mesh.ask(OWNER_OF_ALL, "GET", f"/promotions/{self._promotion}")
        self._world.made.promotions[self._promotion] = found
        path = f"/deployments?projectId={self._project}"
        for one in self._mesh.all(OWNER_OF_ALL, path):
            self._world.made.deployments[one["deploymentId"]] = one
        states = {"COMPLETED": "done", "FAILED": "undone", "REJECTED": "undone"}
        return states.get(found["status"], str(found["status"]))

    def _ended(self) -> bool:
        found = self._mesh.ask(OWNER_OF_ALL, "GET", f"/promotions/{self._promotion}")
        return found["status"] in {"COMPLETED", "FAILED", "REJECTED"}

    def _approval(self) -> str | None:
        found = [
            one["workflowId"]
            for one in self._mesh.all(STEWARD, "/approvals")
            if one["projectId"] == self._project
        ]
        return found[0] if found else None

    def _asked_or_ended(self) -> str | None:
        return "ended" if self._ended() else self._approval()


FLOWS: dict[str, type[Publish | Approve | Share | Deploy | Promote]] = {
    one.name: one for one in (Publish, Approve, Share, Deploy, Promote)
}
