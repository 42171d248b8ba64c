"""The policies of the reference let each part call what it calls, and the sandbox nothing else."""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from meshplane.cli.reference import PACKAGE
from meshplane.cli.reference_aws_calls import CallSite, call_sites, sources
from meshplane.cli.reference_iam import operation, part_of, policies
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.sandbox.iam_actions import actions_of
from meshplane.sandbox.iam_policy import Asked, decide
from meshplane.sandbox.server import AwsSandbox
from tests.builders.aws_sandbox import aws_as, aws_of, sandbox_in

ACCOUNT = "111122223333"
# "IAM and AWS STS quotas": the size of a managed policy, white space not counted.
LARGEST = 6_144


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    return {name: filled(text) for name, text in policies(PACKAGE).items()}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[AwsSandbox]:
    with sandbox_in(enforce_iam=True) as sandbox:
        yield sandbox


def filled(text: str) -> str:
    values = {"ACCOUNT": ACCOUNT, "REGION": "eu-central-1", "PREFIX": "mesh-"}
    return re.sub(r"\$\{MESHPLANE_AWS_(\w+)\}", lambda match: values[match[1]], text)


@cache
def sites() -> dict[str, list[CallSite]]:
    found: dict[str, list[CallSite]] = {}
    for path, text in sources(PACKAGE):
        found.setdefault(part_of(path), []).extend(call_sites(path, text))
    return {part: calls for part, calls in found.items() if calls}


def needed(calls: list[CallSite]) -> set[str]:
    return {action for site in calls for action in actions_of(site.service, operation(site))}


def allowed(policy: str, action: str) -> bool:
    return decide([policy], Asked(action, None)) is True


def acting_with(sandbox: AwsSandbox, policy: str) -> Aws:
    role = aws_as(sandbox, f"arn:aws:iam::{ACCOUNT}:role/mesh-part")
    root = aws_of(sandbox)
    given = {"RoleName": "mesh-part", "PolicyName": "calls", "PolicyDocument": policy}
    root.run("iam", "put_role_policy", **given)
    root.close()
    return role


def test_policies__there_is_one_for_each_part_that_calls_aws(texts: dict[str, str]) -> None:
    assert set(texts) == set(sites())
    assert {"tables", "lake", "query", "shares", "events", "workflows"} <= set(texts)


def test_policies__allow_what_is_called(texts: dict[str, str]) -> None:
    refused = [
        f"{part}: {action}"
        for part, calls in sites().items()
        for action in needed(calls)
        if not allowed(texts[part], action)
    ]
    assert refused == []


def test_policies__allow_nothing_that_only_others_call(texts: dict[str, str]) -> None:
    by_part = {part: needed(calls) for part, calls in sites().items()}
    every = set().union(*by_part.values())
    beside = {"kms:", "s3:"}  # what libraries call by themselves, for the files of tables
    for part, own in by_part.items():
        more = {action for action in every - own if allowed(texts[part], action)}
        if part == "tables":
            more = {action for action in more if not action.startswith(tuple(beside))}
        assert more == set(), part


def test_policies__have_no_wildcard_for_an_action_and_fit_into_iam(texts: dict[str, str]) -> None:
    for part, text in texts.items():
        statements: list[dict[str, Any]] = json.loads(text)["Statement"]
        assert not [action for each in statements for action in each["Action"] if "*" in action]
        assert len({each["Sid"] for each in statements}) == len(statements)
        assert len(re.sub(r"\s", "", text)) < LARGEST, part


def test_policies__name_the_prefix_of_the_mesh(texts: dict[str, str]) -> None:
    tables = f"arn:aws:dynamodb:eu-central-1:{ACCOUNT}:table/"
    asked = "dynamodb:PutItem"
    assert decide([texts["dynamodb"]], Asked(asked, f"{tables}mesh-rows")) is True
    assert decide([texts["dynamodb"]], Asked(asked, f"{tables}others-rows")) is None


def test_role_of_a_part__is_let_through_to_what_it_calls_alone(
    sandbox: AwsSandbox, texts: dict[str, str]
) -> None:
    root = aws_of(sandbox)
    root.run("glue", "create_database", DatabaseInput={"Name": "sales"})
    tables = acting_with(sandbox, texts["tables"])
    assert tables.run("glue", "get_database", Name="sales")["Database"]["Name"] == "sales"
    with pytest.raises(AwsRejected, match="AccessDenied"):
        tables.run("lakeformation", "list_permissions")
    with pytest.raises(AwsRejected, match="AccessDenied"):
        tables.run("glue", "delete_database", Name="sales")
    tables.close()
    lake = acting_with(sandbox, texts["lake"])
    lake.run("lakeformation", "list_permissions")
    with pytest.raises(AwsRejected, match="AccessDenied"):
        lake.run("sqs", "list_queues")
    lake.close()
    root.close()


def test_role_of_workflows__hands_on_roles_of_the_mesh_alone(
    sandbox: AwsSandbox, texts: dict[str, str]
) -> None:
    workflows = acting_with(sandbox, texts["workflows"])
    definition = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}})
    machine = {"name": "mesh-m", "definition": definition}
    role = f"arn:aws:iam::{ACCOUNT}:role/"
    with pytest.raises(AwsRejected, match="AccessDenied"):
        workflows.run("stepfunctions", "create_state_machine", **machine, roleArn=f"{role}admin")
    made = workflows.run(
        "stepfunctions", "create_state_machine", **machine, roleArn=f"{role}mesh-states"
    )
    assert made["stateMachineArn"].endswith(":stateMachine:mesh-m")
    workflows.close()
