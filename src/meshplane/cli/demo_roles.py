"""The mesh of a demo as it should run on AWS: its process may do nothing but work as its parts.

The sandbox's keys are those of an account's root, as an administrator has them. With them a role
for the process is made, which may take the roles of the parts, and no other. Each of those may call
what its code calls: so the whole journey shows that the policies are enough.
"""

import asyncio
import contextlib
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from meshplane.kit.errors import Invalid
from meshplane.platform.aws.part_roles import MADE
from meshplane.run.environment import Variables, environment, in_environment

if TYPE_CHECKING:  # it loads boto3
    from meshplane.platform.aws.calls import Aws

_SESSION, _PROFILE = "meshplane-demo", "meshplane-process"
# Sessions last an hour at least.
_RENEW_SECONDS = 2_700.0

WHO = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
)
"""The variables by which boto3 finds who one is."""

KEPT = "ADMINISTRATOR_"
"""What the names of these variables begin with where they are kept for who renews a session."""


def with_roles(variables: Variables) -> Variables:
    """Makes the role of the process.

    Args:
        variables: of an administrator's environment.

    Returns:
        They, with the settings by which each part has a role, for preparing the account.
    """
    from meshplane.platform.aws.errors import AwsRejected
    from meshplane.platform.aws.names import PROCESS_ROLE, role_arn, role_name
    from meshplane.platform.aws.part_roles import identities
    from meshplane.run.aws_part_roles import part_trust, process_policy
    from meshplane.run.aws_roles import POLICY
    from meshplane.run.aws_settings import PARTS

    aws = _caller(variables)
    try:
        place = aws.place
        name = role_name(place, PROCESS_ROLE)
        roles = identities(place, PARTS, {MADE: ""}, ()).roles.values()
        trust = json.dumps(part_trust(place, ()))
        try:
            aws.run("iam", "create_role", RoleName=name, AssumeRolePolicyDocument=trust)
        except AwsRejected as error:
            if error.aws_code != "EntityAlreadyExists":
                raise
        aws.run(
            "iam",
            "put_role_policy",
            RoleName=name,
            PolicyName=POLICY,
            PolicyDocument=json.dumps(process_policy(roles)),
        )
        own = {
            "MESHPLANE_AWS_PART_ROLES": MADE,
            "MESHPLANE_AWS_PRINCIPALS": role_arn(place, PROCESS_ROLE),
        }
        return {**variables, **own}
    finally:
        aws.close()


def as_process(variables: Variables) -> Variables:
    """The variables of the mesh's process: with a session of its role in place of the keys.

    It lasts an hour.

    Args:
        variables: of an administrator's environment, as `with_roles` gave them.
    """
    from meshplane.platform.aws.identity import caller_arn
    from meshplane.platform.aws.names import PROCESS_ROLE, role_arn
    from meshplane.run.aws_part_steps import once_known

    aws = _caller(variables)
    try:
        process = aws.as_role(role_arn(aws.place, PROCESS_ROLE), _SESSION)
        # A role that was made just now cannot be taken at once.
        asyncio.run(once_known(lambda: caller_arn(process), {"AccessDenied"}))
        session = process.frozen_credentials()
        return {
            **variables,
            "AWS_ACCESS_KEY_ID": session.access_key,
            "AWS_SECRET_ACCESS_KEY": session.secret_key,
            "AWS_SESSION_TOKEN": session.token,
        }
    finally:
        aws.close()


def renewed_process(variables: Variables, folder: Path) -> Variables:
    """As `as_process`, for longer than a session lasts: boto3 renews it.

    It asks `demo_session`, which takes the role with the credentials that are found here. Those
    must last, or be renewed by boto3 themselves, as those of a profile are.

    Args:
        variables: of an administrator's environment, as `with_roles` gave them.
        folder: for a file of boto3's, which names no keys.
    """
    as_process(variables)
    config, known = folder / "aws-config", environment(variables)
    asking = f'"{sys.executable}" -m meshplane.cli.demo_session'
    config.write_text(f"[profile {_PROFILE}]\ncredential_process = {asking}\n", encoding="utf-8")
    return {
        **variables,
        **{f"{KEPT}{name}": known.get(name) for name in WHO},
        **dict.fromkeys(WHO),
        "AWS_CONFIG_FILE": str(config),
        "AWS_PROFILE": _PROFILE,
    }


def process_session() -> dict[str, str]:
    """Keys of a new session of the process's role, as boto3 takes them from a program.

    Source: AWS SDKs and Tools Reference Guide, "Process credential provider".
    """
    from meshplane.platform.aws.names import PROCESS_ROLE, role_arn

    known = environment({})
    kept = {name: known.get(f"{KEPT}{name}") for name in WHO}
    # A client looks at the environment when it is first used.
    with in_environment(kept), contextlib.closing(_caller(kept)) as aws:
        process = aws.as_role(role_arn(aws.place, PROCESS_ROLE), _SESSION)
        session = process.frozen_credentials()
    ends = datetime.now(UTC) + timedelta(seconds=_RENEW_SECONDS)
    return {
        "AccessKeyId": session.access_key,
        "SecretAccessKey": session.secret_key,
        "SessionToken": session.token,
        "Expiration": ends.isoformat(),
    }


def _caller(variables: Variables) -> "Aws":
    from meshplane.run.aws import aws_of
    from meshplane.run.settings import read_settings

    with in_environment(variables):
        aws = aws_of(read_settings())
        if aws is None:
            raise Invalid(
                "AWS_PARTS_MISSING", "Nothing of this mesh runs on AWS.", field="aws_parts"
            )
        # Keys are found when they are first needed: here, not after the block.
        aws.frozen_credentials()
        return aws
