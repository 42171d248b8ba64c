"""The step that brings roles of projects to what they should be: bounded, trusted, entitled.

The mesh bounds its projects' roles (see `boundary_policy`) and gives them their rights when it sets
a project up. Whom a role trusts it says once, when it makes it; afterwards this step alone does.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.aws.names import (
    PROJECTS_BOUNDARY,
    is_domain_bucket,
    projects_boundary_arn,
    role_name,
)
from meshplane.platform.aws.part_roles import Identities
from meshplane.platform.aws.policy_documents import principals_of, same_policy
from meshplane.run.aws_part_steps import once_known
from meshplane.run.aws_prepare import Step
from meshplane.run.aws_project_roles import HeldRole, held_roles
from meshplane.services.projects.aws import POLICY
from meshplane.services.projects.aws_boundary import boundary_policy
from meshplane.services.projects.aws_policies import (
    project_policy,
    results_bucket,
    trust_policy,
)

_MISSING = "NoSuchEntity"
_MOST_VERSIONS = 5  # "IAM and AWS STS quotas": of one managed policy


def project_steps(
    aws: Aws, parts: Collection[str], further_services: Sequence[str], mesh: Identities
) -> list[Step]:
    """The boundary itself, and the roles of projects that are there, each brought up to date.

    Args:
        aws: as who prepares the account.
        parts: of the setting.
        further_services: as in `boundary_policy`.
        mesh: who it is.
    """
    trust = trust_policy(aws.place.account, mesh.acting(parts))
    return [_boundary(aws, further_services, trust)] if "tables" in parts else []


def _boundary(aws: Aws, further_services: Sequence[str], trust: Mapping[str, Any]) -> Step:
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
        told = [one for role in await held_roles(aws) for one in _lacking(aws, role, trust)]
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
        for role in await held_roles(aws):
            await _keep(aws, role, trust)

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


def _lacking(aws: Aws, role: HeldRole, trust: Mapping[str, Any]) -> list[str]:
    """What of a role is not as it should be, for people."""
    told = []
    if role.boundary != projects_boundary_arn(aws.place):
        told.append(f"The role {role.name} is not bounded by it.")
    if not same_policy(role.trust, trust):
        told.append(_mistrust(role, trust))
    if _rights(aws, role) is not None:
        told.append(f"The role {role.name} has other rights than roles of projects have now.")
    return told


def _mistrust(role: HeldRole, trust: Mapping[str, Any]) -> str:
    strangers = sorted(principals_of(role.trust) - principals_of(trust))
    if strangers:
        return f"The role {role.name} trusts others than it should: {', '.join(strangers)}."
    return f"The role {role.name} does not trust whom it should, or on other conditions."


def _rights(aws: Aws, role: HeldRole) -> dict[str, Any] | None:
    """The rights that a role is to get; None: it has them, or gets them at its set-up.

    The project's bucket is told by the rights that it has. One that is no domain's of this mesh
    does not get into a policy; the set-up of the project knows the bucket by itself.
    """
    bucket = results_bucket(role.policy, role.project_id)
    if bucket is None or not is_domain_bucket(aws.place, bucket):
        return None
    wanted = project_policy(aws.place, bucket, role.project_id)
    return None if same_policy(role.policy, wanted) else wanted


async def _keep(aws: Aws, role: HeldRole, trust: Mapping[str, Any]) -> None:
    """Brings a role to what it should be; its boundary first, so that nothing comes before it."""
    if role.boundary != projects_boundary_arn(aws.place):
        await aws.call(
            "iam",
            "put_role_permissions_boundary",
            RoleName=role.name,
            PermissionsBoundary=projects_boundary_arn(aws.place),
        )
    if not same_policy(role.trust, trust):
        await once_known(lambda: _trust(aws, role, trust))
    wanted = _rights(aws, role)
    if wanted is not None:
        await aws.call(
            "iam",
            "put_role_policy",
            RoleName=role.name,
            PolicyName=POLICY,
            PolicyDocument=json.dumps(wanted),
        )


async def _trust(aws: Aws, role: HeldRole, trust: Mapping[str, Any]) -> None:
    await aws.call(
        "iam", "update_assume_role_policy", RoleName=role.name, PolicyDocument=json.dumps(trust)
    )
