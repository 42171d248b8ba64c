"""The mesh's user pool in Cognito, found by its name."""

from dataclasses import dataclass

from meshplane.kit.errors import Missing
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.aws.names import USER_POOL
from meshplane.platform.configuration_cache import ConfigurationCache

_PAGE = 60
_NOT_FOUND = "ResourceNotFoundException"


@dataclass(frozen=True, slots=True)
class UserPool:
    """A user pool, and the app client whose tokens are for the mesh."""

    pool_id: str
    client_id: str


class UserPools:
    """Finds the user pool of a mesh; its name is the prefix and `meshplane`.

    Args:
        aws: whose Cognito.
    """

    def __init__(self, aws: Aws) -> None:
        self._aws = aws
        self.name = f"{aws.place.prefix}{USER_POOL}"

    async def find(self) -> UserPool | None:
        """The pool and its client; None: one of them is not there."""
        pool_id = await self.pool_id()
        client_id = await self.client_id(pool_id) if pool_id is not None else None
        return UserPool(pool_id, client_id) if pool_id is not None and client_id else None

    async def known(self, cache: ConfigurationCache) -> UserPool:
        """The pool and its client, as they were found within the last hour if they are still there.

        Cognito finds nothing by name: it lists all pools of the account, a page at a time.

        Raises:
            Missing: POOL_NOT_FOUND, nobody has prepared the account.
        """
        key = f"user-pool:{self.name}"
        kept = await cache.get(key)
        if kept is not None:
            pool = UserPool(kept["poolId"], kept["clientId"])
            if await self._is_there(pool):
                return pool
        found = await self.find()
        if found is None:
            raise Missing(
                "POOL_NOT_FOUND",
                f"There is no user pool {self.name} with a client of this name: run `meshplane aws "
                "prepare`, or name another pool with aws_cognito_pool and aws_cognito_clients.",
                field="aws_cognito_pool",
            )
        await cache.put(key, {"poolId": found.pool_id, "clientId": found.client_id})
        return found

    async def groups(self, pool_id: str) -> list[str]:
        """The names of the pool's groups."""
        found: list[str] = []
        async for page in self._aws.pages("cognito-idp", "list_groups", UserPoolId=pool_id):
            found += [each["GroupName"] for each in page["Groups"]]
        return sorted(found)

    async def pool_id(self) -> str | None:
        """The id of the pool of the mesh's name."""
        pages = self._aws.pages("cognito-idp", "list_user_pools", MaxResults=_PAGE)
        async for page in pages:
            for each in page["UserPools"]:
                if each["Name"] == self.name:
                    return str(each["Id"])
        return None

    async def client_id(self, pool_id: str) -> str | None:
        """The id of the pool's app client of the mesh's name."""
        pages = self._aws.pages("cognito-idp", "list_user_pool_clients", UserPoolId=pool_id)
        async for page in pages:
            for each in page["UserPoolClients"]:
                if each["ClientName"] == self.name:
                    return str(each["ClientId"])
        return None

    async def _is_there(self, pool: UserPool) -> bool:
        try:
            await self._aws.call(
                "cognito-idp",
                "describe_user_pool_client",
                UserPoolId=pool.pool_id,
                ClientId=pool.client_id,
            )
        except AwsRejected as error:
            if error.aws_code == _NOT_FOUND:
                return False
            raise
        return True
