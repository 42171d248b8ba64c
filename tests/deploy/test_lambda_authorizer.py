"""The authorizer in its zip: lets in whom the issuer vouches for, and nobody by his own word."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from tests.builders.lambda_zips import Asked, Ran, http_server, packaged, run, unzipped

CLIENT = "client-1"


class Issuer:
    """An OIDC provider whose tokens look like Cognito's."""

    def __init__(self) -> None:
        self.url = ""
        self.key = RSAKey.generate_key(2048, {"kid": "k1"})
        self.curve = ECKey.generate_key("P-256", {"kid": "k2"})
        self.published: list[Any] = [self.key, self.curve]
        self.fetched = 0

    def __call__(self, asked: Asked) -> tuple[int, Any]:
        """The discovery document, and the keys."""
        if asked.path == "/.well-known/openid-configuration":
            return 200, {"issuer": self.url, "jwks_uri": f"{self.url}/jwks.json"}
        self.fetched += 1
        return 200, {"keys": [key.as_dict(private=False) for key in self.published]}

    def claims(self, **more: Any) -> dict[str, Any]:
        """Those of a good access token."""
        now = int(time.time())
        return {
            "iss": self.url,
            "sub": "ada",
            "client_id": CLIENT,
            "token_use": "access",
            "cognito:groups": ["stewards", "analysts"],
            "iat": now,
            "exp": now + 600,
            **more,
        }

    def token(self, key: Any = None, alg: str = "RS256", **more: Any) -> str:
        """A token."""
        key = key or self.key
        header = {"alg": alg, "kid": key.kid}
        claims = json.dumps(self.claims(**more))
        return jws.serialize_compact(header, claims, key, algorithms=[alg])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("authorizer")
    packaged(out, "authorizer")
    return unzipped(out / "authorizer.zip", out / "content")


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    made = Issuer()
    with http_server(made) as url:
        made.url = url
        yield made


def decide(folder: Path, issuer: Issuer, *tokens: str | None, **settings: str) -> Ran:
    events = [
        {
            "version": "2.0",
            "type": "REQUEST",
            "routeArn": "arn:aws:execute-api:eu-central-1:111122223333:api/prod/GET/api/v1/assets",
            "identitySource": None if token is None else [token],
            "headers": {"authorization": str(token)},
        }
        for token in tokens
    ]
    known = {
        "MESHPLANE_OIDC_ISSUER": issuer.url,
        "MESHPLANE_OIDC_CLIENT_IDS": CLIENT,
        **settings,
    }
    return run(folder, "authorizer_handler", events, known)


def codes(ran: Ran) -> list[str]:
    """Why each was not let in; `in` for those who were."""
    answers = [one["answer"] for one in ran.answers]
    return ["in" if one["isAuthorized"] else one["context"]["code"] for one in answers]


def test_good_token__is_let_in_with_who_it_is(folder: Path, issuer: Issuer) -> None:
    ran = decide(folder, issuer, f"Bearer {issuer.token()}", f"Bearer {issuer.token()}")
    answer = ran.answers[0]["answer"]
    assert answer["isAuthorized"] is True
    context = answer["context"]
    assert context["subject"] == "ada"
    assert context["groups"] == "analysts,stewards"
    assert context["issuer"] == issuer.url
    assert issuer.fetched == 1
    assert ran.loaded.isdisjoint({"boto3", "httpx", "pydantic", "starlette", "structlog"})


def unsigned(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def test_algorithm__is_never_the_tokens_choice(folder: Path, issuer: Issuer) -> None:
    body = unsigned(json.dumps(issuer.claims()))
    none = f"{unsigned(json.dumps({'alg': 'none', 'kid': 'k1'}))}.{body}."
    signed = f"{unsigned(json.dumps({'alg': 'HS256', 'kid': 'k1'}))}.{body}"
    public = issuer.key.as_pem(private=False)
    digest = hmac.new(public, signed.encode(), hashlib.sha256).digest()
    confused = f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"
    other_padding = issuer.token(alg="PS256")
    other_kind = issuer.token(issuer.curve, alg="ES256")
    ran = decide(
        folder,
        issuer,
        *(f"Bearer {token}" for token in (none, confused, other_padding, other_kind)),
    )
    assert all(code in ("TOKEN_ALGORITHM", "TOKEN_SIGNATURE") for code in codes(ran))


def test_token_for_somebody_else_or_of_another_time__is_not_let_in(
    folder: Path, issuer: Issuer
) -> None:
    now = int(time.time())
    tokens = {
        issuer.token(exp=now - 120, iat=now - 600): "TOKEN_EXPIRED",
        issuer.token(nbf=now + 600): "TOKEN_NOT_YET_VALID",
        issuer.token(iss="https://elsewhere.example.org"): "TOKEN_ISSUER",
        issuer.token(client_id="client-2"): "TOKEN_AUDIENCE",
        issuer.token(aud="somebody"): "TOKEN_AUDIENCE",
        issuer.token(token_use="id"): "TOKEN_CLAIMS",
        issuer.token(RSAKey.generate_key(2048, {"kid": "k1"})): "TOKEN_SIGNATURE",
    }
    ran = decide(folder, issuer, *(f"Bearer {token}" for token in tokens))
    assert codes(ran) == list(tokens.values())


def test_what_is_no_token__is_not_let_in(folder: Path, issuer: Issuer) -> None:
    good = issuer.token()
    ran = decide(
        folder, issuer, None, "", "Bearer", "Bearer x.y.z", f"Basic {good}", f"Bearer {good}x"
    )
    assert "in" not in codes(ran)


def test_key_that_is_new__is_fetched_and_one_that_nobody_knows_is_not_fetched_again(
    folder: Path, issuer: Issuer
) -> None:
    stranger = RSAKey.generate_key(2048, {"kid": "k9"})
    tokens = [issuer.token(), *(issuer.token(stranger) for _ in range(3))]
    ran = decide(folder, issuer, *(f"Bearer {token}" for token in tokens))
    assert codes(ran) == ["in", *["TOKEN_SIGNATURE"] * 3]
    assert issuer.fetched == 1


def test_issuer_that_does_not_answer__lets_nobody_in(folder: Path, issuer: Issuer) -> None:
    token = issuer.token(iss="http://127.0.0.1:9")
    ran = decide(folder, issuer, f"Bearer {token}", MESHPLANE_OIDC_ISSUER="http://127.0.0.1:9")
    assert codes(ran) == ["TOKEN_SIGNATURE"]


def test_token_with_an_audience__is_let_in_where_that_is_configured(
    folder: Path, issuer: Issuer
) -> None:
    token = issuer.token(aud="meshplane")
    ran = decide(folder, issuer, f"Bearer {token}", MESHPLANE_OIDC_AUDIENCE="meshplane,other")
    assert codes(ran) == ["in"]


def test_cold_start__takes_no_time_for_what_is_not_needed(folder: Path, issuer: Issuer) -> None:
    ran = decide(folder, issuer)
    assert ran.cold_start_seconds < 1.0
    assert "cryptography" not in ran.loaded
