"""Whom the settings name is looked for before anything is made in an account."""

import asyncio
import json

import pytest

from meshplane.kit.errors import Invalid, Refused
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.part_roles import Identities
from meshplane.run.aws_part_roles import part_policy
from meshplane.run.aws_prepare import Done, prepare
from meshplane.run.aws_steps import steps_of
from meshplane.sandbox.server import AwsSandbox
from tests.builders.aws_sandbox import aws_as, aws_of, aws_with
from tests.builders.part_roles import PROCESS, by_account, make_process_role, mesh_of
from tests.builders.terminal import type_offline

ACCOUNT = "111122223333"
PARTS = ("tables", "query")
USER, NOBODY = f"arn:aws:iam::{ACCOUNT}:user/operators/ada", f"arn:aws:iam::{ACCOUNT}:role/nobody"


def prepared(
    aws: Aws, mesh: Identities, *parts: str, plan: bool = False
) -> tuple[list[Done], Invalid | None]:
    """What is told when an account is prepared, and the error that it ends with."""
    done: list[Done] = []

    async def run() -> None:
        async for one in prepare(steps_of(aws, parts or PARTS, identities=mesh), plan=plan):
            done.append(one)

    try:
        asyncio.run(run())
    except Invalid as error:
        return done, error
    return done, None


def told(done: list[Done]) -> dict[str, str]:
    return {one.what: one.told for one in done}


def test_prepare__a_process_role_that_is_not_there__nothing_is_made(root: Aws) -> None:
    done, error = prepared(root, mesh_of(root.place, PARTS))
    assert told(done) == {f"role {PROCESS}": "missing"}
    assert error is not None
    assert error.code == "PRINCIPAL_MISSING"
    assert f"aws_principals names the role {PROCESS}" in error.message
    assert [one.field for one in error.fields] == ["aws_principals"]
    assert root.run("iam", "list_roles")["Roles"] == []
    assert root.run("iam", "list_policies", Scope="Local")["Policies"] == []


def test_plan__what_is_missing_is_told_with_its_setting_beside_all_else(root: Aws) -> None:
    mesh = Identities((PROCESS, USER), {"query": NOBODY})
    done, error = prepared(root, mesh, plan=True)
    states = told(done)
    assert [states[f"{one}"] for one in (f"role {PROCESS}", f"user {USER}")] == ["missing"] * 2
    assert states[f"role {NOBODY}"] == "missing"
    assert states["policy blue-meshplane-projects"] == "would be made"
    assert [one.details for one in done if one.part == "query"] == [
        ("Setting aws_part_roles: there is none of this ARN in the account. Make it first.",)
    ]
    assert error is not None
    assert [one.field for one in error.fields] == [
        "aws_principals",
        "aws_principals",
        "aws_part_roles",
    ]


def test_prepare__roles_and_users_that_are_there__goes_on(root: Aws) -> None:
    make_process_role(root, by_account(ACCOUNT))
    root.run("iam", "create_user", UserName="ada", Path="/operators/")
    owner = f"arn:aws:iam::{ACCOUNT}:root"
    done, error = prepared(root, Identities((PROCESS, USER, owner), made=False))
    assert error is None
    assert list(told(done).items())[:3] == [
        (f"role {PROCESS}", "was there"),
        (f"user {USER}", "was there"),
        (f"root {owner}", "was there"),
    ]


def test_prepare__an_arn_without_the_path_of_its_role__is_missing(root: Aws) -> None:
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **by_account(ACCOUNT)}]}
    document = json.dumps(trust)
    root.run(
        "iam", "create_role", RoleName="nobody", Path="/apps/", AssumeRolePolicyDocument=document
    )
    done, error = prepared(root, Identities((NOBODY,)))
    assert told(done) == {f"role {NOBODY}": "missing"}
    assert error is not None
    assert "path" in error.message
    done, error = prepared(root, Identities((NOBODY.replace("role/", "role/apps/"),)))
    assert error is None


def test_prepare__somebody_of_another_account__is_not_looked_for(root: Aws) -> None:
    there = "arn:aws:iam::999988887777:role/process"
    done, error = prepared(root, Identities((there,), {"query": there}), "notices")
    assert error is None
    assert [(one.told, one.details) for one in done[:1]] == [
        (
            "not seen",
            (
                "Setting aws_principals: it is of another account, which alone can tell whether "
                "it is there.",
            ),
        )
    ]


def test_prepare__roles_in_other_accounts__are_taken_as_the_mesh_does_or_not_seen(
    sandbox: AwsSandbox, root: Aws
) -> None:
    other = sandbox.accounts[1]
    theirs = f"arn:aws:iam::{other}:role/mesh-there"
    parts = ("tables", "lake", "shares")
    aws = aws_of(sandbox, prefix="blue-", account_roles={other: theirs})
    mesh = mesh_of(aws.place, parts)
    make_process_role(aws, by_account(ACCOUNT))
    done, error = prepared(aws, mesh, *parts)
    assert error is None
    last = done[-1]
    assert (last.part, last.what, last.told) == ("shares", f"role {theirs}", "not seen")
    assert f"trust {mesh.roles['shares']}" in last.details[0]
    assert last.details[0].startswith("Setting aws_account_roles: ")
    aws.close()
    # One who may take the role of the part sees it.
    aws_as(sandbox, theirs).close()
    aws = aws_of(sandbox, prefix="blue-", account_roles={other: theirs})
    open_to_all = Identities((), mesh.roles, made=True)
    done, _ = prepared(aws, open_to_all, *parts)
    assert done[-1].told == "was there"
    aws.close()


def test_prepare__who_may_not_look_for_users__is_told_the_action(
    sandbox: AwsSandbox, root: Aws
) -> None:
    root.run("iam", "create_user", UserName="ada", Path="/operators/")
    root.run("iam", "create_user", UserName="preparer")
    keys = root.run("iam", "create_access_key", UserName="preparer")["AccessKey"]
    preparer = aws_with(sandbox, keys["AccessKeyId"], keys["SecretAccessKey"], prefix="blue-")
    with pytest.raises(Refused, match="iam:GetUser"):
        prepared(preparer, Identities((USER,)))
    # What the documented policy of `prepare` allows.
    policy = json.dumps(part_policy(root.place, "prepare"))
    given = {"UserName": "preparer", "PolicyName": "prepare", "PolicyDocument": policy}
    root.run("iam", "put_user_policy", **given)
    done, _ = prepared(preparer, Identities((USER,)), "notices", plan=True)
    assert told(done)[f"user {USER}"] == "was there"
    preparer.close()


def test_command__plan__prints_what_is_missing_and_ends_with_the_error(
    sandbox: AwsSandbox, root: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, secret = sandbox.keys(ACCOUNT)
    given = {
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "MESHPLANE_AWS_REGION": root.place.region,
        "MESHPLANE_AWS_ACCOUNT": ACCOUNT,
        "MESHPLANE_AWS_ENDPOINT_URL": sandbox.url,
        "MESHPLANE_AWS_PARTS": "tables",
        "MESHPLANE_AWS_PREFIX": "blue-",
        "MESHPLANE_AWS_PRINCIPALS": NOBODY,
        "COLUMNS": "200",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    planned = type_offline("aws", "prepare", "--plan")
    assert planned.exit_code == 1
    assert "missing" in planned.stdout
    assert "would be made" in planned.stdout
    assert "PRINCIPAL_MISSING" in planned.output
    assert f"aws_principals names the role {NOBODY}" in planned.output
