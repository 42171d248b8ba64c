"""The policies of the reference let each part call what it calls, and the sandbox nothing else."""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from meshplane.cli.reference import PACKAGE
from meshplane.cli.reference_aws_calls import CallSite, call_sites, sources
from meshplane.cli.reference_iam import SHIPPED, operation, shipped
from meshplane.cli.reference_iam_parts import MORE, parts_of
from meshplane.platform.aws.errors import AwsRejected
from meshplane.run.aws_settings import PARTS
from meshplane.sandbox.iam_actions import actions_of, tagging
from meshplane.sandbox.iam_policy import Asked, decide
from meshplane.sandbox.server import AwsSandbox
from tests.builders.aws_sandbox import aws_of, sandbox_in
from tests.builders.part_policies import ACCOUNT, acting_with, part_policies

# "IAM and AWS STS quotas", white space not counted: a managed policy, and all that is inline in one
# role. A role takes 10 managed policies, 20 where that is asked for.
LARGEST, LARGEST_INLINE, MOST_MANAGED = 6_144, 10_240, 20


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    return part_policies()


@pytest.fixture(scope="module")
def sandbox() -> Iterator[AwsSandbox]:
    with sandbox_in(enforce_iam=True) as sandbox:
        yield sandbox


@cache
def sites() -> dict[str, list[CallSite]]:
    found: dict[str, list[CallSite]] = {}
    for path, text in sources(PACKAGE):
        for part in parts_of(path):
            found.setdefault(part, []).extend(call_sites(path, text))
    return {part: calls for part, calls in found.items() if calls}


def needed(calls: list[CallSite]) -> set[str]:
    tags = {
        (site.service, tag)
        for site in calls
        if (tag := tagging(site.service, operation(site), site.arguments.keys())) is not None
    }
    named = {(site.service, operation(site)) for site in calls} | tags
    return {action for service, name in named for action in actions_of(service, name)}


def size_of(policy: str) -> int:
    return len(re.sub(r"\s", "", policy))


def allowed(policy: str, action: str) -> bool:
    """Whether it is allowed on something, under some condition."""
    statements = json.loads(policy)["Statement"]
    for one in statements:
        one.pop("Condition", None)
    return decide([json.dumps({"Statement": statements})], Asked(action, None)) is True


def test_policies__there_is_one_for_each_part_that_calls_aws(texts: dict[str, str]) -> None:
    assert set(texts) == set(sites())
    # What is not a part is for who runs `meshplane aws`.
    assert set(texts) >= set(PARTS)
    assert {"prepare", "remove"} <= set(texts) - set(PARTS)


def test_policies__the_package_ships_them_as_they_are() -> None:
    there = (PACKAGE / SHIPPED).read_text(encoding="utf-8")
    same = there == shipped(PACKAGE)
    assert same, f"src/meshplane/{SHIPPED} is behind the code: run `make reference`"


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
        checked_besides = {action for each in MORE.get(part, ()) for action in each["Action"]}
        more = {action for action in every - own if allowed(texts[part], action)} - checked_besides
        if part == "tables":
            more = {action for action in more if not action.startswith(tuple(beside))}
        assert more == set(), part


def test_policies__have_no_wildcard_for_an_action_and_fit_into_iam(texts: dict[str, str]) -> None:
    for part, text in texts.items():
        statements: list[dict[str, Any]] = json.loads(text)["Statement"]
        assert not [action for each in statements for action in each["Action"] if "*" in action]
        assert len({each["Sid"] for each in statements}) == len(statements)
        # What removes a mesh may touch all of it: an administrator's, in two policies if it must.
        assert size_of(text) < (LARGEST if part in PARTS else LARGEST_INLINE), part


def test_policies__of_all_parts_fit_into_one_role_as_managed_policies(
    texts: dict[str, str],
) -> None:
    assert max(size_of(texts[part]) for part in PARTS) < LARGEST
    assert len(PARTS) <= MOST_MANAGED


@pytest.mark.parametrize("part", PARTS)
def test_policies__hand_on_roles_by_their_names_and_to_services_by_theirs(
    part: str, texts: dict[str, str]
) -> None:
    for statement in json.loads(texts[part])["Statement"]:
        if statement["Action"] != ["iam:PassRole"]:
            assert "iam:PassRole" not in statement["Action"]
            continue
        services = statement["Condition"]["StringEquals"]["iam:PassedToService"]
        assert services
        assert [each for each in services if not each.endswith(".amazonaws.com")] == []
        own = ("role/mesh-meshplane-", "role/project-proj-*-role", "role/aws-service-role/")
        assert [
            each for each in statement["Resource"] if not each.split(":")[5].startswith(own)
        ] == []


def test_policies__no_part_writes_into_buckets_of_others(texts: dict[str, str]) -> None:
    own = f"arn:aws:s3:::mesh-data-lake-sea-{ACCOUNT}-eu-central-1/projects/f"
    others = [
        "arn:aws:s3:::mesh-data-lake-sea-999999999999-eu-central-1/projects/f",
        "arn:aws:s3:::data-lake-sea/projects/f",
        f"arn:aws:s3:::somebody-{ACCOUNT}/projects/f",
    ]
    assert decide([texts["tables"]], Asked("s3:PutObject", own)) is True
    for part in PARTS:
        for arn in others:
            assert decide([texts[part]], Asked("s3:PutObject", arn)) is None, (part, arn)


def test_policies__no_part_says_who_takes_a_role_that_is_there(texts: dict[str, str]) -> None:
    """IAM binds that to no condition, so whoever may do it may have anybody take the role."""
    saying = [name for name, text in texts.items() if allowed(text, "iam:UpdateAssumeRolePolicy")]
    assert saying == ["prepare"]


def test_policies__name_the_prefix_of_the_mesh(texts: dict[str, str]) -> None:
    tables = f"arn:aws:dynamodb:eu-central-1:{ACCOUNT}:table/"
    asked = "dynamodb:PutItem"
    assert decide([texts["store"]], Asked(asked, f"{tables}mesh-rows")) is True
    assert decide([texts["store"]], Asked(asked, f"{tables}others-rows")) is None


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
    for service, method, given in (
        ("sqs", "list_queues", {}),
        ("dynamodb", "scan", {"TableName": "mesh-Domains"}),
        ("iam", "list_roles", {}),
    ):
        with pytest.raises(AwsRejected, match="AccessDenied"):
            lake.run(service, method, **given)
    lake.close()
    root.close()


def test_role_of_workflows__hands_on_roles_of_the_mesh_alone(
    sandbox: AwsSandbox, texts: dict[str, str]
) -> None:
    workflows = acting_with(sandbox, texts["workflows"])
    definition = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}})
    machine = {"name": "mesh-m", "definition": definition}
    role = f"arn:aws:iam::{ACCOUNT}:role/"
    for other in ("admin", "mesh-meshplane-part-store", "mesh-admin"):
        with pytest.raises(AwsRejected, match="AccessDenied"):
            workflows.run(
                "stepfunctions", "create_state_machine", **machine, roleArn=f"{role}{other}"
            )
    made = workflows.run(
        "stepfunctions",
        "create_state_machine",
        **machine,
        roleArn=f"{role}mesh-meshplane-workflows",
    )
    assert made["stateMachineArn"].endswith(":stateMachine:mesh-m")
    workflows.close()
