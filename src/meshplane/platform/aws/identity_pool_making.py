"""The mesh's user pool in Cognito, made once, by who prepares the account."""

from collections.abc import Sequence
from typing import Any

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.aws.identity_pool import UserPool, UserPools

_LEAST_PASSWORD = 12
_TEMPORARY_DAYS = 3
_ACCESS_MINUTES, _REFRESH_DAYS = 60, 1


class UserPoolMaker:
    """Makes what is missing of the user pool of a mesh.

    Args:
        aws: whose Cognito.
    """

    def __init__(self, aws: Aws) -> None:
        self._aws = aws
        self._pools = UserPools(aws)
        self._name = self._pools.name

    async def ensure(self, groups: Sequence[str]) -> UserPool:
        """The pool with its client and groups, made where they are missing.

        What is there is left as it is: people may have set it otherwise.

        Args:
            groups: that people of the mesh can be put into.
        """
        pool_id = await self._pools.pool_id() or await self._make_pool()
        client_id = await self._pools.client_id(pool_id) or await self._make_client(pool_id)
        held = set(await self._pools.groups(pool_id))
        for group in groups:
            if group not in held:
                await self._make_group(pool_id, group)
        return UserPool(pool_id, client_id)

    async def _make_pool(self) -> str:
        """A pool into which administrators alone bring people."""
        made = await self._aws.call(
            "cognito-idp",
            "create_user_pool",
            PoolName=self._name,
            DeletionProtection="ACTIVE",
            AdminCreateUserConfig={"AllowAdminCreateUserOnly": True},
            UsernameConfiguration={"CaseSensitive": False},
            Policies={
                "PasswordPolicy": {
                    "MinimumLength": _LEAST_PASSWORD,
                    "RequireUppercase": True,
                    "RequireLowercase": True,
                    "RequireNumbers": True,
                    "RequireSymbols": False,
                    "TemporaryPasswordValidityDays": _TEMPORARY_DAYS,
                }
            },
            UserPoolTags={"ManagedBy": "ManagementApp"},
        )
        return str(made["UserPool"]["Id"])

    async def _make_client(self, pool_id: str) -> str:
        """A client without a secret, as the command line on people's machines can keep none."""
        made: dict[str, Any] = await self._aws.call(
            "cognito-idp",
            "create_user_pool_client",
            UserPoolId=pool_id,
            ClientName=self._name,
            GenerateSecret=False,
            ExplicitAuthFlows=[
                "ALLOW_USER_PASSWORD_AUTH",
                "ALLOW_USER_SRP_AUTH",
                "ALLOW_REFRESH_TOKEN_AUTH",
            ],
            PreventUserExistenceErrors="ENABLED",
            EnableTokenRevocation=True,
            AccessTokenValidity=_ACCESS_MINUTES,
            IdTokenValidity=_ACCESS_MINUTES,
            RefreshTokenValidity=_REFRESH_DAYS,
            TokenValidityUnits={
                "AccessToken": "minutes",
                "IdToken": "minutes",
                "RefreshToken": "days",
            },
        )
        return str(made["UserPoolClient"]["ClientId"])

    async def _make_group(self, pool_id: str, group: str) -> None:
        try:
            await self._aws.call("cognito-idp", "create_group", GroupName=group, UserPoolId=pool_id)
        except AwsRejected as error:
            if error.aws_code != "GroupExistsException":
                raise
