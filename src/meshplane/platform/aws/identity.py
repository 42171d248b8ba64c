"""Who calls."""

from meshplane.platform.aws.calls import Aws


async def caller_arn(aws: Aws) -> str:
    """The ARN of who calls; of an assumed role, its session's.

    Raises:
        AwsRejected, AwsUnavailable: as `Aws.call`.
    """
    return str((await aws.call("sts", "get_caller_identity"))["Arn"])


async def own_arn(aws: Aws) -> str:
    """The ARN of the role or user that calls; of an assumed role, the role's.

    Raises:
        AwsRejected, AwsUnavailable: as `Aws.call`.
    """
    arn = await caller_arn(aws)
    if ":assumed-role/" not in arn:
        return arn
    account, name = arn.split(":")[4], arn.split("/")[1]
    # The ARN of a session has no path, and that of its role may have one.
    role = await aws.call("iam", "get_role", RoleName=name)
    return str(role["Role"].get("Arn") or f"arn:aws:iam::{account}:role/{name}")
