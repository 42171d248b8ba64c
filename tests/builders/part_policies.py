"""The policies of the reference, filled in for a mesh whose names begin with `mesh-`."""

import re
from functools import cache

from meshplane.cli.reference import PACKAGE
from meshplane.cli.reference_iam import policies
from meshplane.platform.aws.calls import Aws
from meshplane.sandbox.server import AwsSandbox
from tests.builders.aws_sandbox import aws_as, aws_of

ACCOUNT, REGION, PREFIX = "111122223333", "eu-central-1", "mesh-"


def filled(text: str) -> str:
    """A policy with the place of that mesh in it."""
    values = {"ACCOUNT": ACCOUNT, "REGION": REGION, "PREFIX": PREFIX}
    return re.sub(r"\$\{MESHPLANE_AWS_(\w+)\}", lambda match: values[match[1]], text)


@cache
def part_policies() -> dict[str, str]:
    """The policy of each part."""
    return {name: filled(text) for name, text in policies(PACKAGE).items()}


def acting_with(sandbox: AwsSandbox, policy: str) -> Aws:
    """AWS as a role sees it that has one policy."""
    role = aws_as(sandbox, f"arn:aws:iam::{ACCOUNT}:role/mesh-part", prefix=PREFIX)
    root = aws_of(sandbox)
    given = {"RoleName": "mesh-part", "PolicyName": "calls", "PolicyDocument": policy}
    root.run("iam", "put_role_policy", **given)
    root.close()
    return role
