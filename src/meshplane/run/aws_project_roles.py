"""The roles of a mesh's projects, as they are found in its account."""

import re
from collections.abc import AsyncIterator
from typing import Any

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.aws.names import project_role_arn, project_workgroup
from meshplane.services.projects.aws import POLICY, TAG

_NO_ROLE = "NoSuchEntity"
_ANY_PROJECT = "(?P<project>[A-Za-z0-9_-]+)"


class ProjectRole:
    """A role that acts as a project.

    Attributes:
        project_id: the project.
        name, arn: of the role.
        is_made: whether the mesh made it; otherwise it was there.
    """

    def __init__(self, project_id: str, name: str, arn: str) -> None:
        self.project_id, self.name, self.arn = project_id, name, arn
        self.is_made = False


async def project_roles(aws: Aws) -> dict[str, ProjectRole]:
    """The roles that act as projects of this mesh, by the project.

    Proof: the role's name is the one for a project, and its policy `meshplane-query` opens that
    project's workgroup of this mesh. One without the tag `meshplane:project` was there before the
    mesh, which took it over.

    Args:
        aws: of the mesh's account.
    """
    return {role.project_id: role async for role in _named(aws) if await _opens(aws, role)}


async def _named(aws: Aws) -> AsyncIterator[ProjectRole]:
    pattern = re.escape(project_role_arn(aws.place, "\0").rpartition("/")[2])
    wanted = re.compile(pattern.replace(re.escape("\0"), _ANY_PROJECT))
    async for page in aws.pages("iam", "list_roles"):
        for one in page["Roles"]:
            named = wanted.fullmatch(one["RoleName"])
            if named is not None:
                yield ProjectRole(named["project"], one["RoleName"], one["Arn"])


async def _opens(aws: Aws, role: ProjectRole) -> bool:
    try:
        told = await aws.call("iam", "get_role_policy", RoleName=role.name, PolicyName=POLICY)
    except AwsRejected as error:
        if error.aws_code != _NO_ROLE:
            raise
        return False
    place = aws.place
    workgroup = (
        f"arn:aws:athena:{place.region}:{place.account}:workgroup/"
        f"{project_workgroup(place, role.project_id)}"
    )
    if workgroup not in _resources(told["PolicyDocument"]):
        return False
    tags = await aws.call("iam", "list_role_tags", RoleName=role.name)
    role.is_made = {"Key": TAG, "Value": role.project_id} in tags["Tags"]
    return True


def _resources(policy: Any) -> list[str]:
    found: list[str] = []
    for statement in policy.get("Statement", ()) if isinstance(policy, dict) else ():
        named = statement.get("Resource", ())
        found += [named] if isinstance(named, str) else list(named)
    return found
