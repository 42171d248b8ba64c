"""A user pool of Cognito as an issuer: its access tokens are accepted; ID tokens if asked for."""

import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

pytest.importorskip("moto", reason="Cognito is played by moto, which is not here")

from meshplane.gateway.cognito import cognito_issuer, issuer_url
from meshplane.gateway.identity import TokenVerifier
from meshplane.gateway.token_claims import check_claims
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


def verifier(
    pool: Pool, http: httpx.AsyncClient, *client_ids: str, **options: Any
) -> TokenVerifier:
    clock = SystemClock()
    trusted = cognito_issuer(
        pool.pool_id, client_ids, http, clock, endpoint_url=server_url(), **options
    )
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


@pytest.mark.parametrize(("by_name", "subject"), [(True, "wilbur"), (False, None)])
async def test_id_token__where_they_are_taken__says_the_same_as_the_access_token(
    pool: Pool, http: httpx.AsyncClient, *, by_name: bool, subject: str | None
) -> None:
    takes = verifier(pool, http, pool.client_id, takes_id_tokens=True, by_name=by_name)
    found = [await takes.authenticate(f"Bearer {token}") for token in pool.tokens()]
    assert found[0].subject == found[1].subject
    assert subject in (None, found[0].subject)
    assert found[0].groups == found[1].groups == {"aviation-stewards", "pilots"}


async def test_id_token__for_another_app_client__is_not_for_us(
    pool: Pool, http: httpx.AsyncClient
) -> None:
    _, identity = pool.tokens()
    takes = verifier(pool, http, "another-client", takes_id_tokens=True)
    with pytest.raises(Unauthenticated) as caught:
        await takes.authenticate(f"Bearer {identity}")
    assert caught.value.code == "TOKEN_AUDIENCE"


def check(claims: dict[str, Any], **options: Any) -> str:
    """The subject, or the code of the refusal, of claims as Cognito writes them."""
    trusted = cognito_issuer(
        "eu-central-1_Ab12", ["portal"], httpx.AsyncClient(), SystemClock(), **options
    )
    whole = {"sub": "8f5e", "exp": 200, "iat": 100, "token_use": "access", **claims}
    try:
        return check_claims(whole, None, trusted, 150, 0).identity.subject
    except Unauthenticated as refusal:
        return refusal.code


@pytest.mark.parametrize(
    ("claims", "options", "found"),
    [
        # A person's access token, and a program's (client credentials), which has no name.
        ({"client_id": "portal", "username": "ada"}, {}, "8f5e"),
        ({"client_id": "portal", "username": "ada"}, {"by_name": True}, "ada"),
        ({"client_id": "portal", "sub": "portal"}, {}, "portal"),
        ({"client_id": "portal", "sub": "portal"}, {"by_name": True}, "TOKEN_CLAIMS"),
        # With resource binding an access token names another system as its audience.
        ({"client_id": "portal", "aud": "https://other.example.org"}, {}, "TOKEN_AUDIENCE"),
        ({"client_id": "portal", "aud": "portal"}, {}, "TOKEN_AUDIENCE"),
        ({"client_id": "stranger"}, {}, "TOKEN_AUDIENCE"),
        ({}, {}, "TOKEN_AUDIENCE"),
        # ID tokens, where they are taken.
        ({"token_use": "id", "aud": "portal"}, {}, "TOKEN_CLAIMS"),
        ({"token_use": "id", "aud": "portal"}, {"takes_id_tokens": True}, "8f5e"),
        ({"token_use": "id", "aud": "stranger"}, {"takes_id_tokens": True}, "TOKEN_AUDIENCE"),
        (
            {"token_use": "id", "aud": ["portal", "stranger"]},
            {"takes_id_tokens": True},
            "TOKEN_AUDIENCE",
        ),
        (
            {"token_use": "id", "client_id": "portal"},
            {"takes_id_tokens": True},
            "TOKEN_AUDIENCE",
        ),
        (
            {"token_use": "id", "aud": "portal", "username": "eve"},
            {"takes_id_tokens": True, "by_name": True},
            "TOKEN_CLAIMS",
        ),
        # Neither one nor the other.
        (
            {"token_use": "refresh", "client_id": "portal"},
            {"takes_id_tokens": True},
            "TOKEN_CLAIMS",
        ),
        ({"client_id": "portal", "meshplane_service": "lake"}, {}, "TOKEN_CLAIMS"),
    ],
)
def test_claims__as_cognito_writes_them(
    claims: dict[str, Any], options: dict[str, Any], found: str
) -> None:
    assert check(claims, **options) == found
