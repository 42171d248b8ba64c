"""A mesh whose process may do nothing but take the roles of its parts."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.aws.part_roles import MADE, Identities, identities
from meshplane.platform.aws.place import AwsPlace
from meshplane.run.aws import zone_of
from meshplane.run.aws_part_roles import process_policy
from meshplane.run.aws_prepare import Done, prepare
from meshplane.run.aws_settings import PARTS
from meshplane.run.aws_steps import steps_of

PROCESS = "arn:aws:iam::111122223333:role/blue-process"
"""What the process runs as."""


def mesh_of(place: AwsPlace, parts: Sequence[str]) -> Identities:
    """Who the mesh is, of which these parts are on AWS."""
    return identities(place, parts, {MADE: ""}, (PROCESS,))


def make_process_role(root: Aws, trust: dict[str, Any]) -> None:
    """Makes the role of the process.

    Args:
        root: as the account's administrator.
        trust: who takes it, as a statement without its effect.
    """
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **trust}]}
    name = PROCESS.rpartition("/")[2]
    root.run("iam", "create_role", RoleName=name, AssumeRolePolicyDocument=json.dumps(document))
    policy = json.dumps(process_policy(mesh_of(root.place, PARTS).roles.values()))
    root.run("iam", "put_role_policy", RoleName=name, PolicyName="p", PolicyDocument=policy)


def by_account(account: str) -> dict[str, Any]:
    """The trust in whoever of an account may assume roles."""
    return {"Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "sts:AssumeRole"}


def prepared(
    root: Aws,
    parts: Sequence[str],
    mesh: Identities,
    *,
    plan: bool = False,
    template_services: Sequence[str] = (),
) -> list[Done]:
    """What is told when an account is prepared for some parts of such a mesh."""

    async def run() -> list[Done]:
        steps = steps_of(
            root, parts, zone_of(root), identities=mesh, template_services=template_services
        )
        return [done async for done in prepare(steps, plan=plan)]

    return asyncio.run(run())


def refused(aws: Aws, service: str, operation: str, **given: Any) -> bool:
    """Whether IAM does not let a call through."""
    try:
        aws.run(service, operation, **given)
    except AwsRejected as error:
        return error.aws_code.startswith("AccessDenied")
    return False
