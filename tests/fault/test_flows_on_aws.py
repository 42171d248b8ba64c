"""Calls of a flow fail: it ends done or undone, nothing is there twice, nothing is forgotten.

A real mesh, all of whose parts run on the sandbox, is asked over HTTP. Each case lets one call of
AWS fail (by an error of the service, by a time-out, by an answer that is lost after the effect)
and compares what the mesh says of itself with what is there. How long things take on AWS, and what
its clients repeat by themselves, these cases do not show (needs AWS).

`FLOW_CASE="share lakeformation GrantPermissions 2 timeout"` plays one case alone;
`test_flows_on_aws_whole` plays all that there are.
"""

import os
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.builders import seeds
from tests.builders.aws_flow_cases import Case, Stand, say
from tests.builders.aws_flows import DOMAIN, FLOWS, LINKS, template
from tests.builders.aws_mesh import AwsMesh, aws_mesh
from tests.builders.aws_mesh_check import Checker
from tests.builders.sharing_world import CONSUMER, OWNER

pytestmark = [pytest.mark.fault]

CASES_OF_A_FLOW = 2
# A call that waits for something may come less often than it did: then another case is played.
MOST_TRIES = 3 * CASES_OF_A_FLOW
ONE_CASE = "FLOW_CASE"

# Of each flow, what it cannot do without, and the fewest calls that make it a flow at all.
NEEDS = {
    "publish": {"datazone", "dynamodb", "events", "glue", "lakeformation", "s3", "stepfunctions"},
    "approve": {"datazone", "dynamodb", "events", "lakeformation", "sns", "sqs", "stepfunctions"},
    "share": {"athena", "glue", "lakeformation", "ram", "sns", "sqs", "stepfunctions"},
    "deploy": {"cloudformation", "dynamodb", "events"},
    "promote": {"cloudformation", "dynamodb", "events", "sns", "sqs", "stepfunctions"},
}


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    with aws_mesh() as mesh:
        yield Stand(mesh)


@pytest.mark.parametrize("flow", FLOWS)
def test_nothing_fails__the_flow_is_done_and_its_calls_are_counted(stand: Stand, flow: str) -> None:
    calls = stand.calls(flow)
    services = Counter({service: 0 for service, _ in calls})
    for (service, _), times in calls.items():
        services[service] += times
    say(f"{flow}: {calls.total()} calls: {dict(services.most_common())}")
    stand.checker.note_told()
    assert services.keys() >= NEEDS[flow]
    assert stand.checker.problems() == []


@pytest.mark.parametrize("flow", FLOWS)
def test_some_calls_fail__the_flow_ends_done_or_undone_and_nothing_is_twice_or_forgotten(
    stand: Stand, flow: str
) -> None:
    if (given := os.environ.get(ONE_CASE)) is not None:
        cases = [Case.of(given)] if given.split()[0] == flow else []
    else:
        known = stand.cases(flow)
        cases = random.Random(seeds.fresh()).sample(known, min(MOST_TRIES, len(known)))
    came = 0
    wrong: list[str] = []
    for case in cases:
        met, found = stand.judge(case)
        came += met
        wrong += found
        if came == CASES_OF_A_FLOW:
            break
    assert wrong == []
    assert came == CASES_OF_A_FLOW or given is not None


def test_mistakes_that_are_planted__each_is_found(stand: Stand) -> None:
    checker, made = stand.checker, stand.world.made
    for flow in ("approve", "share", "deploy"):
        stand.calls(flow)
    checker.note_told()
    assert checker.problems() == []
    request = next(one for one in made.requests.values() if one["status"] == "active")
    share = next(one for one in made.shares.values() if one["status"] == "ACTIVE")
    with forgotten_grant(stand.mesh, request):
        assert_found(checker, f"right to a filter ('project-{request['projectId']}-role'")
        assert_found(checker, "drift: ")
    with link_left_behind(stand.mesh, share):
        assert_found(checker, f"resource link {share['assetName']}-old: 1 times, not 0")
    with share_doubled(stand.mesh, share):
        assert_found(checker, f"table shared in RAM {share['assetName']}: 2 times, not 1")
    with change_set_left_behind(stand.mesh, next(iter(made.deployments.values()))):
        assert_found(checker, "change set forgotten of ")
    with shown_as(made.shares, share["shareId"], status="FAILED"):
        assert_found(checker, f"grant to the account {share['assetName']}: 1 times, not 0")
        assert_found(checker, "message ('Data was shared with you'")
    assert checker.problems() == []


def assert_found(checker: Checker, begin: str) -> None:
    """The checker tells of something that begins so."""
    found = checker.problems()
    assert any(one.startswith(begin) for one in found), found


@contextmanager
def forgotten_grant(mesh: AwsMesh, request: Any) -> Iterator[None]:
    """Takes the right of a project away, and gives it back."""
    on = {
        "TableCatalogId": OWNER,
        "DatabaseName": DOMAIN,
        "TableName": request["assetName"],
        "Name": request["grantId"],
    }
    role = f"arn:aws:iam::{OWNER}:role/project-{request['projectId']}-role"
    right: dict[str, Any] = {
        "Principal": {"DataLakePrincipalIdentifier": role},
        "Resource": {"DataCellsFilter": on},
        "Permissions": ["SELECT"],
    }
    mesh.owner.run("lakeformation", "revoke_permissions", **right)
    yield
    mesh.owner.run("lakeformation", "grant_permissions", **right)


@contextmanager
def link_left_behind(mesh: AwsMesh, share: Any) -> Iterator[None]:
    """Makes a second link to what is shared, and takes it away."""
    target = {"CatalogId": OWNER, "DatabaseName": DOMAIN, "Name": share["assetName"]}
    name = f"{share['assetName']}-old"
    mesh.there.run(
        "glue", "create_table", DatabaseName=LINKS, TableInput={"Name": name, "TargetTable": target}
    )
    yield
    mesh.there.run("glue", "delete_table", DatabaseName=LINKS, Name=name)


@contextmanager
def share_doubled(mesh: AwsMesh, share: Any) -> Iterator[None]:
    """Shares a table in RAM beside Lake Formation, and takes that back."""
    arn = f"arn:aws:glue:{mesh.owner.place.region}:{OWNER}:table/{DOMAIN}/{share['assetName']}"
    made = mesh.owner.run(
        "ram", "create_resource_share", name="by-hand", resourceArns=[arn], principals=[CONSUMER]
    )
    yield
    share_arn = made["resourceShare"]["resourceShareArn"]
    mesh.owner.run("ram", "delete_resource_share", resourceShareArn=share_arn)


@contextmanager
def change_set_left_behind(mesh: AwsMesh, deployment: Any) -> Iterator[None]:
    """Makes a change set that nobody carries out, and takes it away."""
    stack = f"{deployment['projectId']}-{deployment['environment']}"
    mesh.owner.run(
        "cloudformation",
        "create_change_set",
        StackName=stack,
        ChangeSetName="forgotten",
        ChangeSetType="UPDATE",
        TemplateBody=template("another-queue"),
    )
    yield
    mesh.owner.run(
        "cloudformation", "delete_change_set", StackName=stack, ChangeSetName="forgotten"
    )


@contextmanager
def shown_as(documents: dict[str, Any], key: str, **members: Any) -> Iterator[None]:
    """Has the API say something else of a thing than it does."""
    before = documents[key]
    documents[key] = {**before, **members}
    yield
    documents[key] = before
