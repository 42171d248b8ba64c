"""Looks whether those whom the settings name are there: who runs as the mesh, and roles elsewhere.

IAM takes no policy that trusts somebody who is not there. Of another account it can be seen from
here only by taking its role, which it may allow to the mesh alone.
"""

import asyncio
from collections.abc import Collection, Iterator
from functools import partial

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.aws.part_roles import Identities
from meshplane.run.aws_prepare import Given, Seen

_ABSENT = "NoSuchEntity"
_PRINCIPALS, _PART_ROLES, _ACCOUNT_ROLES = "aws_principals", "aws_part_roles", "aws_account_roles"
_ALL = "all"
# Of all that are missing together: IAM may not show yet what was made just now. Needs AWS.
_PAUSES_SECONDS = (1.0, 3.0)


def principal_steps(aws: Aws, mesh: Identities) -> list[Given]:
    """Those who work as the mesh, and are not made by it.

    Args:
        aws: as who prepares the account.
        mesh: who it is.
    """
    named = [(_ALL, _PRINCIPALS, arn) for arn in mesh.processes]
    if not mesh.made:
        named += [(part, _PART_ROLES, arn) for part, arn in mesh.roles.items()]
    pauses = iter(_PAUSES_SECONDS)
    return [_given(aws, pauses, *one) for one in named]


def account_role_steps(aws: Aws, parts: Collection[str], mesh: Identities) -> list[Given]:
    """The roles that the mesh takes in other accounts; asked for last, as they trust roles of it.

    Args:
        aws: as who prepares the account.
        parts: of the setting.
        mesh: who it is.
    """
    return list(_elsewhere(aws, mesh)) if "shares" in parts else []


def _given(aws: Aws, pauses: Iterator[float], part: str, setting: str, arn: str) -> Given:
    kind, _, name = arn.split(":", 5)[5].partition("/")
    here = arn.split(":")[4] == aws.place.account
    advice = (
        "there is none of this ARN in the account. Make it first."
        if here
        else "it is of another account, which alone can tell whether it is there."
    )

    async def ask() -> Seen:
        if not here:
            return "not seen"
        while (seen := await _seen(aws, arn, kind, name)) == "missing":
            pause = next(pauses, None)
            if pause is None:
                break
            await asyncio.sleep(pause)
        return seen

    return Given(part, f"{kind} {arn}", setting, ask, advice)


async def _seen(aws: Aws, arn: str, kind: str, path: str) -> Seen:
    name = path.rpartition("/")[2]
    try:
        if kind == "role":
            held = (await aws.call("iam", "get_role", RoleName=name))["Role"]["Arn"]
        elif kind == "user":
            held = (await aws.call("iam", "get_user", UserName=name))["User"]["Arn"]
        else:
            return "was there"  # the account's own root
    except AwsRejected as error:
        if error.aws_code != _ABSENT:
            raise
        return "missing"
    return "was there" if held == arn else "missing"


def _elsewhere(aws: Aws, mesh: Identities) -> Iterator[Given]:
    for account, arn in sorted(aws.place.account_roles.items()):
        advice = (
            "who prepares this account cannot take it, which does not say that the mesh cannot. It "
            f"must be there in {account}, trust {mesh.roles.get('shares', 'the mesh')}, and demand "
            "no other sts:ExternalId than aws_external_id. Otherwise shares fail with the refusal "
            "of sts assume_role."
        )
        ask = partial(_taken, aws, mesh, account)
        yield Given("shares", f"role {arn}", _ACCOUNT_ROLES, ask, advice)


async def _taken(aws: Aws, mesh: Identities, account: str) -> Seen:
    """Whether the role is taken as the mesh takes it, by who prepares."""
    try:
        there = mesh.session(aws, "shares").in_account(account)
        await there.call("sts", "get_caller_identity")
    except AwsRejected:
        return "not seen"
    return "was there"
