"""A user pool of Cognito as an issuer: its access tokens are accepted, and nothing else of it."""

import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest

pytest.importorskip("moto", reason="Cognito is played by moto, which is not here")

from meshplane.gateway.cognito import cognito_issuer, issuer_url
from meshplane.gateway.identity import TokenVerifier
from meshplane.kit.clock import SystemClock
from meshplane.kit.errors import Invalid, Unauthenticated
from meshplane.platform.aws.calls import Aws
from tests.builders.dynamodb_place import aws_of, server_url

_numbers = itertools.count(1)
PASSWORD = "Kitty-Hawk-1903"


@dataclass
class Pool:
    """A user pool with an app client and one user, who is in two groups."""

    aws: Aws
    pool_id: str
    client_id: str

    def tokens(self) -> tuple[str, str]:
        """An access token and an ID token of the user."""
        answer = self.aws.run(
            "cognito-idp",
            "admin_initiate_auth",
            UserPoolId=self.pool_id,
            ClientId=self.client_id,
            AuthFlow="ADMIN_USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": "wilbur", "PASSWORD": PASSWORD},
        )
        found = answer["AuthenticationResult"]
        return found["AccessToken"], found["IdToken"]


@pytest.fixture
def pool() -> Pool:
    aws = aws_of("")
    made = aws.run("cognito-idp", "create_user_pool", PoolName=f"people{next(_numbers)}")
    pool_id = made["UserPool"]["Id"]
    client = aws.run(
        "cognito-idp",
        "create_user_pool_client",
        UserPoolId=pool_id,
        ClientName="portal",
        ExplicitAuthFlows=["ALLOW_ADMIN_USER_PASSWORD_AUTH"],
    )
    own = {"UserPoolId": pool_id, "Username": "wilbur"}
    aws.run("cognito-idp", "admin_create_user", **own, MessageAction="SUPPRESS")
    aws.run("cognito-idp", "admin_set_user_password", **own, Password=PASSWORD, Permanent=True)
    for group in ("aviation-stewards", "pilots"):
        aws.run("cognito-idp", "create_group", UserPoolId=pool_id, GroupName=group)
        aws.run("cognito-idp", "admin_add_user_to_group", **own, GroupName=group)
    return Pool(aws, pool_id, client["UserPoolClient"]["ClientId"])


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as client:
        yield client


def verifier(pool: Pool, http: httpx.AsyncClient, *client_ids: str) -> TokenVerifier:
    clock = SystemClock()
    trusted = cognito_issuer(pool.pool_id, client_ids, http, clock, endpoint_url=server_url())
    return TokenVerifier([trusted], clock)


async def test_access_token__says_who_and_in_which_groups(
    pool: Pool, http: httpx.AsyncClient
) -> None:
    access, _ = pool.tokens()
    found = await verifier(pool, http, pool.client_id).authenticate(f"Bearer {access}")
    assert found.issuer == issuer_url(pool.pool_id)
    assert found.groups == {"aviation-stewards", "pilots"}
    user = pool.aws.run("cognito-idp", "admin_get_user", UserPoolId=pool.pool_id, Username="wilbur")
    attributes = {each["Name"]: each["Value"] for each in user["UserAttributes"]}
    assert found.subject == attributes["sub"]
    assert found.service is None


async def test_id_token__is_not_an_access_token(pool: Pool, http: httpx.AsyncClient) -> None:
    _, identity = pool.tokens()
    with pytest.raises(Unauthenticated) as caught:
        await verifier(pool, http, pool.client_id).authenticate(f"Bearer {identity}")
    assert caught.value.code == "TOKEN_CLAIMS"


async def test_access_token__of_another_app_client__is_not_for_us(
    pool: Pool, http: httpx.AsyncClient
) -> None:
    access, _ = pool.tokens()
    with pytest.raises(Unauthenticated) as caught:
        await verifier(pool, http, "another-client").authenticate(f"Bearer {access}")
    assert caught.value.code == "TOKEN_AUDIENCE"


async def test_access_token__of_another_pool__is_of_nobody_we_trust(
    pool: Pool, http: httpx.AsyncClient
) -> None:
    access, _ = pool.tokens()
    other = Pool(pool.aws, "eu-central-1_Other123", pool.client_id)
    with pytest.raises(Unauthenticated) as caught:
        await verifier(other, http, pool.client_id).authenticate(f"Bearer {access}")
    assert caught.value.code == "TOKEN_ISSUER"


@pytest.mark.parametrize(
    ("pool_id", "url"),
    [
        ("eu-central-1_Ab12", "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Ab12"),
        ("cn-north-1_Ab12", "https://cognito-idp.cn-north-1.amazonaws.com.cn/cn-north-1_Ab12"),
        (
            "us-gov-west-1_Ab12",
            "https://cognito-idp.us-gov-west-1.amazonaws.com/us-gov-west-1_Ab12",
        ),
    ],
)
def test_issuer__follows_from_the_id_of_the_pool(pool_id: str, url: str) -> None:
    assert issuer_url(pool_id) == url


@pytest.mark.parametrize("pool_id", ["", "pool", "eu-central-1_", "evil.com/eu-central-1_a", "_a"])
def test_pool_id__that_is_none__is_refused(pool_id: str) -> None:
    with pytest.raises(Invalid) as caught:
        issuer_url(pool_id)
    assert caught.value.code == "POOL_INVALID"
