"""What people's sign-in and the keys of domains need once in an account."""

from collections.abc import Collection, Sequence

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.aws.identity_pool import UserPools
from meshplane.platform.aws.identity_pool_making import UserPoolMaker
from meshplane.platform.aws.names import LAKE_SERVICE_ROLE
from meshplane.run.aws_prepare import Step

_THERE = frozenset({"InvalidInput", "EntityAlreadyExists"})
_LAKE_FORMATION = "lakeformation.amazonaws.com"


def identity_steps(
    aws: Aws, parts: Collection[str], user_groups: Sequence[str] | None
) -> list[Step]:
    """The steps for people and for keys; see `steps_of`."""
    steps = []
    if "identity" in parts and user_groups is not None:
        steps.append(_pool(aws, user_groups))
    if "keys" in parts and "lake" in parts:
        steps.append(_lake_role(aws))
    return steps


def _pool(aws: Aws, groups: Sequence[str]) -> Step:
    """The user pool, its app client, and the groups that mean something to the mesh."""
    pools = UserPools(aws)

    async def look() -> object | None:
        found = await pools.find()
        return (
            [found.pool_id, found.client_id, await pools.groups(found.pool_id)] if found else None
        )

    async def lacks() -> Sequence[str]:
        found = await pools.find()
        held = set(await pools.groups(found.pool_id)) if found else set()
        return [f"There is no group {one}." for one in groups if one not in held]

    async def make() -> object:
        return await UserPoolMaker(aws).ensure(groups)

    async def settings() -> dict[str, str]:
        found = await pools.find()
        if found is None:
            return {}
        return {
            "MESHPLANE_AWS_COGNITO_POOL": found.pool_id,
            "MESHPLANE_AWS_COGNITO_CLIENTS": found.client_id,
        }

    return Step("identity", f"user pool {pools.name} of Cognito", look, make, lacks, settings)


def _lake_role(aws: Aws) -> Step:
    """The role as which Lake Formation reads buckets: policies of keys name it from the start."""

    async def look() -> object | None:
        try:
            told = await aws.call("iam", "get_role", RoleName=LAKE_SERVICE_ROLE)
        except AwsRejected as error:
            if error.aws_code == "NoSuchEntity":
                return None
            raise
        return [told["Role"]["Arn"]]

    async def make() -> None:
        if await look() is None:
            try:
                await aws.call("iam", "create_service_linked_role", AWSServiceName=_LAKE_FORMATION)
            except AwsRejected as error:
                # Lake Formation makes it with the first place that is registered.
                if error.aws_code not in _THERE or await look() is None:
                    raise

    return Step("keys", f"role {LAKE_SERVICE_ROLE}", look, make)
