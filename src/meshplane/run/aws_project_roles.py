"""The roles of a mesh's projects, as they are found in its account."""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.aws.names import (
    project_role_arn,
    project_workgroup,
    projects_boundary_arn,
)
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


@dataclass(frozen=True, slots=True)
class HeldRole:
    """A role of a project, with what is to be kept as it should be.

    Args:
        project_id: the project.
        name: of the role.
        boundary: ARN of its permissions boundary; None: it has none.
        trust: who takes it, a document as botocore has it.
        policy: its policy `meshplane-query`; None: its set-up came to none.
    """

    project_id: str
    name: str
    boundary: str | None
    trust: Any
    policy: Any


async def held_roles(aws: Aws) -> list[HeldRole]:
    """The roles of `project_roles`, with what they have.

    Args:
        aws: of the mesh's account.
    """
    return [
        HeldRole(
            role.project_id,
            role.name,
            _boundary(told),
            told.get("AssumeRolePolicyDocument"),
            policy,
        )
        async for role, policy, told in _proven(aws)
    ]


async def project_roles(aws: Aws) -> dict[str, ProjectRole]:
    """The roles that act as projects of this mesh, by the project.

    Proof: the role's name is the one for a project, and its policy `meshplane-query` opens that
    project's workgroup of this mesh. Where its set-up came to no policy, its boundary is this
    mesh's. One without the tag `meshplane:project` was there before the mesh, which took it over.

    Args:
        aws: of the mesh's account.
    """
    found = {}
    async for role, _, told in _proven(aws):
        role.is_made = {"Key": TAG, "Value": role.project_id} in told.get("Tags", ())
        found[role.project_id] = role
    return found


async def _proven(aws: Aws) -> AsyncIterator[tuple[ProjectRole, Any, Mapping[str, Any]]]:
    """Roles of this mesh's projects, each with its policy and what IAM says of it."""
    async for role in _named(aws):
        policy = await _policy(aws, role)
        told = (await aws.call("iam", "get_role", RoleName=role.name))["Role"]
        is_begun = policy is None and _boundary(told) == projects_boundary_arn(aws.place)
        if is_begun or _opens(aws, role, policy):
            yield role, policy, told


async def _named(aws: Aws) -> AsyncIterator[ProjectRole]:
    pattern = re.escape(project_role_arn(aws.place, "\0").rpartition("/")[2])
    wanted = re.compile(pattern.replace(re.escape("\0"), _ANY_PROJECT))
    async for page in aws.pages("iam", "list_roles"):
        for one in page["Roles"]:
            named = wanted.fullmatch(one["RoleName"])
            if named is not None:
                yield ProjectRole(named["project"], one["RoleName"], one["Arn"])


def _boundary(told: Mapping[str, Any]) -> str | None:
    found: str | None = told.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
    return found


async def _policy(aws: Aws, role: ProjectRole) -> Any:
    """Its policy `meshplane-query`, decoded; None: it has none."""
    try:
        told = await aws.call("iam", "get_role_policy", RoleName=role.name, PolicyName=POLICY)
    except AwsRejected as error:
        if error.aws_code != _NO_ROLE:
            raise
        return None
    return told["PolicyDocument"]


def _opens(aws: Aws, role: ProjectRole, policy: Any) -> bool:
    """Whether a policy opens the project's workgroup of this mesh."""
    place = aws.place
    workgroup = (
        f"arn:aws:athena:{place.region}:{place.account}:workgroup/"
        f"{project_workgroup(place, role.project_id)}"
    )
    return workgroup in _resources(policy)


def _resources(policy: Any) -> list[str]:
    found: list[str] = []
    for statement in policy.get("Statement", ()) if isinstance(policy, dict) else ():
        named = statement.get("Resource", ())
        found += [named] if isinstance(named, str) else list(named)
    return found
