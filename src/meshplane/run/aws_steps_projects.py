"""The step that bounds what roles of projects may ever do; see `boundary_policy`."""

import json
from collections.abc import Collection, Sequence
from typing import Any

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.aws.names import PROJECTS_BOUNDARY, projects_boundary_arn, role_name
from meshplane.run.aws_prepare import Step
from meshplane.run.aws_project_roles import ProjectRole, project_roles
from meshplane.services.projects.aws_boundary import boundary_policy

_MISSING = "NoSuchEntity"
_MOST_VERSIONS = 5  # "IAM and AWS STS quotas": of one managed policy


def project_steps(aws: Aws, parts: Collection[str], further_services: Sequence[str]) -> list[Step]:
    """The boundary itself, set on the roles of projects that are there.

    Args:
        aws: as who prepares the account.
        parts: of the setting.
        further_services: as in `boundary_policy`.
    """
    return [_boundary(aws, further_services)] if "tables" in parts else []


def _boundary(aws: Aws, further_services: Sequence[str]) -> Step:
    name, arn = role_name(aws.place, PROJECTS_BOUNDARY), projects_boundary_arn(aws.place)
    meant = boundary_policy(aws.place, further_services)

    async def look() -> object | None:
        try:
            policy = (await aws.call("iam", "get_policy", PolicyArn=arn))["Policy"]
            version = policy["DefaultVersionId"]
            told = await aws.call("iam", "get_policy_version", PolicyArn=arn, VersionId=version)
        except AwsRejected as error:
            if error.aws_code == _MISSING:
                return None
            raise
        found: object = told["PolicyVersion"]["Document"]
        return found

    async def lacks() -> Sequence[str]:
        told = [f"The role {role.name} is not bounded by it." for role in await _unbounded(aws)]
        if await look() != meant:
            told.insert(0, "It says otherwise than this mesh and its settings.")
        return told

    async def make() -> None:
        held, text = await look(), json.dumps(meant)
        if held is None:
            await aws.call(
                "iam",
                "create_policy",
                PolicyName=name,
                PolicyDocument=text,
                Description="The most that roles of the mesh's projects may ever do",
            )
        elif held != meant:
            await _make_room(aws, arn)
            await aws.call(
                "iam",
                "create_policy_version",
                PolicyArn=arn,
                PolicyDocument=text,
                SetAsDefault=True,
            )
        for role in await _unbounded(aws):
            await aws.call(
                "iam",
                "put_role_permissions_boundary",
                RoleName=role.name,
                PermissionsBoundary=arn,
            )

    return Step("tables", f"policy {name}", look, make, lacks)


async def _make_room(aws: Aws, arn: str) -> None:
    """Deletes the oldest versions of a policy that has as many as there can be."""
    found: list[dict[str, Any]] = []
    async for page in aws.pages("iam", "list_policy_versions", PolicyArn=arn):
        found += [one for one in page["Versions"] if not one["IsDefaultVersion"]]
    # A version's id is `v` and its number.
    found.sort(key=lambda one: int(one["VersionId"][1:]))
    for one in found[: max(0, len(found) + 2 - _MOST_VERSIONS)]:
        await aws.call("iam", "delete_policy_version", PolicyArn=arn, VersionId=one["VersionId"])


async def _unbounded(aws: Aws) -> list[ProjectRole]:
    """Roles that were made before there was a boundary, or bounded otherwise by somebody."""
    found = []
    for role in (await project_roles(aws)).values():
        told = (await aws.call("iam", "get_role", RoleName=role.name))["Role"]
        held = told.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
        if held != projects_boundary_arn(aws.place):
            found.append(role)
    return found
