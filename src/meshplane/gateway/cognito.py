"""A user pool of Amazon Cognito as an issuer whose tokens are trusted.

Cognito's access tokens have no `aud`: `client_id` says whom they are for, and `token_use` that they
are access tokens. An ID token has the client as its `aud`; it is refused unless it is asked for.
Groups stand in `cognito:groups` of both. The subject is `sub`, which is never given twice, or the
user's name, which is easier to read and given again once a user is deleted. Tokens of programs
(client credentials) have no name and no groups, and the client's id as their `sub`.
https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-tokens-verifying-a-jwt.html
"""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from meshplane.gateway.token_claims import TrustedIssuer
from meshplane.gateway.token_remote_keys import RemoteKeys
from meshplane.kit.clock import Clock
from meshplane.kit.errors import Invalid

if TYPE_CHECKING:
    import httpx

_POOL = re.compile(r"([a-z]{2}(?:-[a-z]+)+-\d)_[0-9A-Za-z]{1,45}")
GROUPS_CLAIM = "cognito:groups"


def issuer_url(pool_id: str) -> str:
    """The `iss` of a user pool's tokens.

    Raises:
        Invalid: POOL_INVALID, it is not the id of a user pool, such as `eu-central-1_Ab12Cd34E`.
    """
    found = _POOL.fullmatch(pool_id)
    if found is None:
        raise Invalid(
            "POOL_INVALID",
            "The id of a user pool is its region, '_', and letters or digits.",
            field="pool_id",
        )
    region = found[1]
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"https://cognito-idp.{region}.{domain}/{pool_id}"


def cognito_issuer(
    pool_id: str,
    client_ids: Iterable[str],
    client: "httpx.AsyncClient",
    clock: Clock,
    *,
    endpoint_url: str | None = None,
    takes_id_tokens: bool = False,
    by_name: bool = False,
) -> TrustedIssuer:
    """A user pool as an issuer for `TokenVerifier`.

    Args:
        pool_id: such as `eu-central-1_Ab12Cd34E`.
        client_ids: the app clients whose tokens are accepted.
        client: makes the requests for the pool's keys.
        clock: tells the present.
        endpoint_url: where a sandbox plays Cognito; it has the keys, but no discovery document.
        takes_id_tokens: whether ID tokens are accepted beside access tokens.
        by_name: whether people are known by their user names, instead of `sub`.

    Raises:
        Invalid: POOL_INVALID, ISSUER_INVALID without a client id.
    """
    url = issuer_url(pool_id)
    keys_url = f"{(endpoint_url or url.removesuffix('/' + pool_id)).rstrip('/')}/{pool_id}"
    return TrustedIssuer(
        issuer=url,
        keys=RemoteKeys(url, client, clock, keys_url=f"{keys_url}/.well-known/jwks.json"),
        client_ids=frozenset(client_ids),
        groups_claim=GROUPS_CLAIM,
        # Cognito's tokens do not say `at+jwt`.
        requires_access_token_type=False,
        takes_id_tokens=takes_id_tokens,
        subject_claim="username" if by_name else "sub",
        id_subject_claim="cognito:username" if by_name else "sub",
    )
