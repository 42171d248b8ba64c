"""Compares what a mesh says of itself with what is on AWS: nothing twice, nothing forgotten."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from tests.builders.aws_flows import DOMAIN, LINKS, TOPIC_OF_SHARES, World
from tests.builders.aws_mesh import ADMIN, AwsMesh
from tests.builders.sharing_world import CONSUMER, OWNER, READER

_SENT = frozenset({"ok", "lost_answer"})
_GONE = "EntityNotFoundException"
# What an account is told of what was not shared with it.
_NOTHING = frozenset({_GONE, "AccessDeniedException"})
# State machine, what of its input says what it is for, and what was made, by those ids.
_MACHINES = (
    ("asset-publication", "assetId", "assets"),
    ("subscription", "requestId", "requests"),
    ("cross-account-share", "shareId", "shares"),
    ("promotion", "requestId", "promotions"),
)


class Checker:
    """Finds what is there twice, what was forgotten, and what nobody asked for.

    Args:
        world: a mesh at rest; every flow that was played was looked at.
    """

    def __init__(self, world: World) -> None:
        self._mesh: AwsMesh = world.mesh
        self._world, self._made = world, world.made
        self._told: Counter[tuple[str, str]] = Counter()

    def note_told(self) -> None:
        """Keeps what was sent to people, and forgets the calls that show it."""
        for call in self._mesh.sandbox.calls.all("sns", "Publish"):
            if call.outcome in _SENT:
                said = call.parameters
                self._told[said.get("Subject", ""), said["Message"]] += 1
        self._mesh.sandbox.calls.clear()

    def problems(self) -> list[str]:
        """What is wrong, for people; empty where all is as it should be."""
        return [
            *self._tables(),
            *self._portal(),
            *self._grants(),
            *self._shares(),
            *self._links(),
            *self._stacks(),
            *self._executions(),
            *self._told_once(),
            *self._ended_once(),
            *self._drift(),
        ]

    def reconcile(self) -> None:
        """Has the lake reconciled, and waits until that has ended."""
        begun = self._mesh.ask(ADMIN, "POST", "/lake/reconcile", {})["reconciliationId"]
        path = f"/lake/reconciliations/{begun}"

        def ended() -> bool | None:
            return self._mesh.ask(ADMIN, "GET", path)["status"] == "COMPLETED" or None

        self._mesh.until("the reconciliation has ended", ended)

    def _listed(self) -> list[Any]:
        return [one for one in self._made.assets.values() if one["status"] == "published"]

    def _tables(self) -> Iterator[str]:
        """Each asset has one table in Glue, which points where its own pointer does."""
        pages = self._mesh.owner.run_pages("glue", "get_tables", DatabaseName=DOMAIN)
        there = {one["Name"]: one for page in pages for one in page["TableList"]}
        yield from _differences("table in Glue", [one["name"] for one in self._listed()], there)
        for name, table in there.items():
            location = str(table["Parameters"].get("metadata_location"))
            try:
                bucket, _, key = location.removeprefix("s3://").partition("/")
                found = self._mesh.owner.run("s3", "get_object", Bucket=bucket, Key=key)
            except AwsRejected:
                yield f"{name} points to {location}, where nothing is"
                continue
            snapshot = json.loads(found["Body"].read()).get("current-snapshot-id")
            wanted = next(
                (one["table"]["snapshotId"] for one in self._listed() if one["name"] == name), None
            )
            if wanted is not None and str(snapshot) != wanted:
                yield f"{name} shows snapshot {snapshot} in Glue, and {wanted} here"

    def _shelf(self, kind: str) -> list[Any]:
        domains = self._mesh.sandbox.world.services["datazone"].state.domains.values()
        return [item for one in domains for item in one.shelf(kind).all()]

    def _portal(self) -> Iterator[str]:
        """Each asset is one asset with one listing there; each request one, with its grant."""
        assets = self._shelf("asset")
        wanted = [one["assetId"] for one in self._listed()]
        yield from _differences(
            "asset in the portal", wanted, [one["externalIdentifier"] for one in assets]
        )
        own = {one["id"]: one["externalIdentifier"] for one in assets}
        active = [one for one in self._shelf("listing") if one["status"] == "ACTIVE"]
        shown = [own.get(one["_entity"][1], one["name"]) for one in active]
        yield from _differences("listing in the portal", wanted, shown)
        requests = list(self._made.requests.values())
        listings = {one["id"]: own.get(one["_entity"][1], "") for one in active}
        asked = [
            listings.get(one["subscribedListings"][0]["id"], "?") for one in self._shelf("request")
        ]
        yield from _differences(
            "request in the portal", [one["assetId"] for one in requests], asked
        )
        granted = [
            listings.get(one["grantedEntity"]["listing"]["id"], "?") for one in self._shelf("grant")
        ]
        active_ones = [one["assetId"] for one in requests if one["status"] == "active"]
        yield from _differences("grant in the portal", active_ones, granted)

    def _rows(self, resource: dict[str, Any], aws: Aws | None = None) -> list[Any]:
        """Who holds what on something of Lake Formation."""
        found: list[Any] = []
        more: dict[str, str] = {}
        while True:
            try:
                answer = (aws or self._mesh.owner).run(
                    "lakeformation", "list_permissions", Resource=resource, **more
                )
            except AwsRejected as error:
                if error.aws_code not in _NOTHING:
                    raise
                return found
            found += answer["PrincipalResourcePermissions"]
            if not answer.get("NextToken"):
                return found
            more = {"NextToken": answer["NextToken"]}

    def _grants(self) -> Iterator[str]:
        """Each active request has one filter, which its project's role alone may read through."""
        active = [one for one in self._made.requests.values() if one["status"] == "active"]
        filters = self._filters()
        yield from _differences(
            "data filter", [one["grantId"] for one in active], [one["Name"] for one in filters]
        )
        held = [(_role(row), one["Name"]) for one in filters for row in self._rows(_cells(one))]
        wanted = [(f"project-{one['projectId']}-role", one["grantId"]) for one in active]
        yield from _differences("right to a filter", wanted, held)

    def _filters(self) -> list[Any]:
        found: list[Any] = []
        more: dict[str, str] = {}
        while True:
            answer = self._mesh.owner.run("lakeformation", "list_data_cells_filter", **more)
            found += answer["DataCellsFilters"]
            if not answer.get("NextToken"):
                return found
            more = {"NextToken": answer["NextToken"]}

    def _active_shares(self) -> list[str]:
        return [one["assetName"] for one in self._made.shares.values() if one["status"] == "ACTIVE"]

    def _shares(self) -> Iterator[str]:
        """An active share is granted to the account and lies in RAM; nothing else does."""
        wanted = self._active_shares()
        granted = [
            name
            for name in (one["name"] for one in self._listed())
            for row in self._rows({"Table": {"DatabaseName": DOMAIN, "Name": name}})
            if _role(row) == CONSUMER and "SELECT" in row["Permissions"]
        ]
        yield from _differences("grant to the account", wanted, granted)
        pages = self._mesh.owner.run_pages("ram", "list_resources", resourceOwner="SELF")
        arns = [one["arn"] for page in pages for one in page["resources"]]
        tables = [arn.rpartition("/")[2] for arn in arns if ":table/" in arn]
        yield from _differences("table shared in RAM", wanted, tables)

    def _links(self) -> Iterator[str]:
        """An active share has one link in the other account, which its reader may read through."""
        wanted, there = self._active_shares(), self._mesh.there
        try:
            pages = there.run_pages("glue", "get_tables", DatabaseName=LINKS)
            links = [one["Name"] for page in pages for one in page["TableList"]]
        except AwsRejected as error:
            if error.aws_code != _GONE:
                raise
            links = []
        yield from _differences("resource link", wanted, links)
        seen, reads = [], []
        for name in (one["name"] for one in self._listed()):
            link = {"Table": {"CatalogId": CONSUMER, "DatabaseName": LINKS, "Name": name}}
            table = {"Table": {"CatalogId": OWNER, "DatabaseName": DOMAIN, "Name": name}}
            rows = self._rows(link, there)
            seen += [name for row in rows if _role(row) == _role_of(READER)][:1]
            rows = self._rows(table, there)
            reads += [
                name
                for row in rows
                if _role(row) == _role_of(READER) and "SELECT" in row["Permissions"]
            ]
        yield from _differences("link that its reader sees", wanted, seen)
        yield from _differences("table that the reader reads", wanted, reads)

    def _stacks(self) -> Iterator[str]:
        """Each deployment with a template has one stack with its queue; no change set is left."""
        newest: dict[tuple[str, str], Any] = {}
        for one in sorted(self._made.deployments.values(), key=lambda one: one["timestamp"]):
            if one["templateSha256"] is not None:
                newest[one["projectId"], one["environment"]] = one
        well = [key for key, one in newest.items() if one["status"] == "SUCCESS"]
        wanted = [f"{project}-{environment}" for project, environment in well]
        pages = self._mesh.owner.run_pages("cloudformation", "describe_stacks")
        stacks = [one for page in pages for one in page["Stacks"]]
        complete = [one["StackName"] for one in stacks if one["StackStatus"] == "CREATE_COMPLETE"]
        yield from _differences("stack", wanted, complete)
        for one in stacks:
            if one["StackStatus"] not in {"CREATE_COMPLETE", "DELETE_COMPLETE"}:
                yield f"stack {one['StackName']} is {one['StackStatus']}"
        pages = self._mesh.owner.run_pages("sqs", "list_queues", QueueNamePrefix="proj-")
        queues = [
            url.rpartition("/")[2].removesuffix("-queue")
            for page in pages
            for url in page.get("QueueUrls", ())
        ]
        yield from _differences("queue of a stack", wanted, queues)
        for name in {one["StackName"] for one in stacks}:
            sets = self._mesh.owner.run("cloudformation", "list_change_sets", StackName=name)
            for one in sets["Summaries"]:
                if one.get("ExecutionStatus") == "AVAILABLE":
                    yield f"change set {one['ChangeSetName']} of {name} was never carried out"

    def _executions(self) -> Iterator[str]:
        """What was asked for was begun once, and has ended."""
        for machine, key, kind in _MACHINES:
            executions = self._mesh.executions(machine)
            begun = [one.input_data[key] for one in executions]
            yield from _differences(f"execution of {machine}", getattr(self._made, kind), begun)
            for one in executions:
                if one.status == "RUNNING":
                    yield f"{machine} of {one.input_data[key]} still runs"

    def _told_once(self) -> Iterator[str]:
        """Whoever waits was told once."""
        wanted = [
            (TOPIC_OF_SHARES, f"Asset {one['assetId']} is shared with account {CONSUMER}.")
            for one in self._made.shares.values()
            if one["status"] == "ACTIVE"
        ]
        wanted += [
            ("Subscription is active", f"Request {one['requestId']} was granted.")
            for one in self._made.requests.values()
            if one["status"] == "active"
        ]
        wanted += [
            ("Project Promotion Success", f"Project {one['projectId']} runs in staging.")
            for one in self._made.promotions.values()
            if one["status"] == "COMPLETED"
        ]
        subjects = {TOPIC_OF_SHARES, "Subscription is active", "Project Promotion Success"}
        told = [key for key in self._told.elements() if key[0] in subjects]
        yield from _differences("message", wanted, told)

    def _ended_once(self) -> Iterator[str]:
        """Each end is one event."""
        ends = [
            ("AssetPublished", "assetId", [one["assetId"] for one in self._listed()]),
            (
                "SubscriptionActivated",
                "requestId",
                [key for key, one in self._made.requests.items() if one["status"] == "active"],
            ),
            ("CrossAccountShareCompleted", "shareId", list(self._made.shares)),
            ("PromotionCompleted", "requestId", list(self._made.promotions)),
        ]
        for kind, key, wanted in ends:
            found = self._mesh.all(ADMIN, f"/events?type={kind}")
            yield from _differences(kind, wanted, [one["detail"][key] for one in found])
        found = self._mesh.all(ADMIN, "/events?type=DeploymentCompleted")
        told = [one["detail"]["deploymentId"] for one in found]
        told = [one for one in told if one in self._made.deployments]
        yield from _differences("DeploymentCompleted", self._made.deployments, told)

    def _drift(self) -> Iterator[str]:
        found = self._mesh.ask(ADMIN, "GET", "/lake/drift")
        for one in found["items"]:
            yield f"drift: {one['kind']} {one['described']} of {one['principal']}"


def _differences(what: str, wanted: Iterable[Any], there: Iterable[Any]) -> Iterator[str]:
    """How what is there differs from what should be."""
    # Of a mapping, its keys; not its values as how often each is there.
    meant, found = Counter(list(wanted)), Counter(list(there))
    for one in sorted(meant.keys() | found.keys(), key=str):
        if meant[one] != found[one]:
            yield f"{what} {one}: {found[one]} times, not {meant[one]}"


def _cells(one: Any) -> dict[str, Any]:
    """A data filter as Lake Formation names it."""
    named = ("TableCatalogId", "DatabaseName", "TableName", "Name")
    return {"DataCellsFilter": {name: one[name] for name in named}}


def _role_of(arn: str) -> str:
    return arn.rpartition("/")[2]


def _role(row: Any) -> str:
    """Who holds a right: an account, or the name of a role."""
    return _role_of(str(row["Principal"]["DataLakePrincipalIdentifier"]))
