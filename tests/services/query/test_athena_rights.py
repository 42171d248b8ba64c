"""The role that acts as a project may query by its own policy, and by nothing more."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from meshplane.kit.clock import SystemClock
from meshplane.kit.errors import MeshplaneError
from meshplane.platform.aws.errors import AwsRejected
from meshplane.sandbox.server import AwsSandbox
from meshplane.services.projects.aws import AwsWorkspaces, role_name
from meshplane.services.projects.aws_policies import trust_policy
from meshplane.services.projects.repositories import Repositories
from tests.builders.aws_sandbox import sandbox_in
from tests.builders.two_engines import BUCKET, PROJECT, Engines


@pytest.fixture
def strict() -> Iterator[AwsSandbox]:
    with sandbox_in(enforce_iam=True) as running:
        yield running


async def test_role__queries_by_the_policy_that_its_workspace_gave_it(
    strict: AwsSandbox, tmp_path: Path
) -> None:
    engines = Engines(strict, tmp_path)
    await engines.prepare()
    without = await engines.ask("athena", "SELECT n FROM own")
    engines.aws.run(
        "iam",
        "update_assume_role_policy",
        RoleName=role_name(PROJECT),
        PolicyDocument=json.dumps(trust_policy(engines.aws.place.account)),
    )
    workspaces = AwsWorkspaces(engines.aws, Repositories(tmp_path / "code", SystemClock()))
    workspaces.prepare(BUCKET, PROJECT)
    told = await engines.ask("athena", "SELECT n FROM own ORDER BY n")
    assert without.code is not None, "a role without a policy may not even start"
    assert (told.code, told.rows) == (None, [[1], [2], [None]]), told.message
    with pytest.raises(AwsRejected):
        await engines.as_role.call("s3", "list_objects_v2", Bucket=BUCKET)
    with pytest.raises(AwsRejected):
        await engines.as_role.call(
            "athena", "start_query_execution", QueryString="SELECT 1", WorkGroup="primary"
        )
    engines.aws.run(
        "iam",
        "delete_role_policy",
        RoleName=role_name(PROJECT),
        PolicyName="meshplane-query",
    )
    after = await engines.ask("athena", "SELECT n FROM own")
    assert after.code is not None


async def test_role__that_cannot_be_taken_is_told(strict: AwsSandbox, tmp_path: Path) -> None:
    engines = Engines(strict, tmp_path)
    await engines.prepare()
    engines.aws.run("iam", "delete_role", RoleName=role_name(PROJECT))
    with pytest.raises(MeshplaneError):
        engines.aws.as_role(engines.role, "again").run("sts", "get_caller_identity")
