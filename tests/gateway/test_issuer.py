"""The embedded issuer: its key, its tokens and what it publishes."""

import base64
import json
import multiprocessing
import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc.jwk import RSAKey

from meshplane.gateway.identity import TokenVerifier
from meshplane.gateway.issuer import (
    DISCOVERY_PATH,
    KEY_FILE,
    KEYS_PATH,
    EmbeddedIssuer,
    IssuerKeys,
    thumbprint,
)
from meshplane.kit.clock import FixedClock
from meshplane.kit.errors import Invalid, TooLarge, Unauthenticated, Unavailable

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
URL = "http://localhost:8000"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> IssuerKeys:
    return IssuerKeys.load_or_create(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def issuer(keys: IssuerKeys, clock: FixedClock) -> EmbeddedIssuer:
    return EmbeddedIssuer(keys, URL, "meshplane", clock)


def part(token: str, index: int) -> dict[str, Any]:
    text = token.split(".")[index]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return found


def write_pem(folder: Path, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    write_file(folder, pem)


def write_file(folder: Path, content: bytes) -> None:
    (folder / KEY_FILE).write_bytes(content)
    (folder / KEY_FILE).chmod(0o600)


def kid_of_folder(folder: str) -> str:
    return IssuerKeys.load_or_create(Path(folder)).kid


def test_key__is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "identity"
    first = IssuerKeys.load_or_create(folder)
    assert IssuerKeys.load_or_create(folder).kid == first.kid
    assert stat.S_IMODE((folder / KEY_FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [file.name for file in folder.iterdir()] == [KEY_FILE]


def test_key__two_installations_have_different_ones(tmp_path: Path) -> None:
    kids = {IssuerKeys.load_or_create(tmp_path / name).kid for name in ("here", "there")}
    assert len(kids) == 2


def test_key__processes_that_start_at_once_end_with_the_same_one(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        kids = pool.map(kid_of_folder, [str(tmp_path)] * 8, chunksize=1)
    assert len(set(kids)) == 1
    assert [file.name for file in tmp_path.iterdir()] == [KEY_FILE]


def test_key__the_one_that_came_first_is_never_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loser of the race: it looked before the file was there and writes after."""
    first = IssuerKeys.load_or_create(tmp_path)
    monkeypatch.setattr(Path, "exists", lambda _path: False)
    assert IssuerKeys.load_or_create(tmp_path).kid == first.kid


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_key__that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    IssuerKeys.load_or_create(tmp_path)
    (tmp_path / KEY_FILE).chmod(mode)
    with pytest.raises(Invalid) as refusal:
        IssuerKeys.load_or_create(tmp_path)
    assert refusal.value.code == "ISSUER_KEY_EXPOSED"
    assert "chmod 600" in refusal.value.message


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
def test_key__that_belongs_to_another_user_is_refused(tmp_path: Path) -> None:
    IssuerKeys.load_or_create(tmp_path)
    os.chown(tmp_path / KEY_FILE, 12345, -1)
    with pytest.raises(Invalid) as refusal:
        IssuerKeys.load_or_create(tmp_path)
    assert refusal.value.code == "ISSUER_KEY_EXPOSED"


@pytest.mark.parametrize("content", [b"", b"not a key", b"\x00" * 2000, b"-----BEGIN " * 3000])
def test_key__that_is_damaged_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    write_file(tmp_path, content)
    with pytest.raises(Invalid) as refusal:
        IssuerKeys.load_or_create(tmp_path)
    assert refusal.value.code == "ISSUER_KEY_DAMAGED"
    assert (tmp_path / KEY_FILE).read_bytes() == content


def test_key__of_another_kind_is_refused(tmp_path: Path) -> None:
    write_pem(tmp_path, ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(Invalid, match="no RSA private key"):
        IssuerKeys.load_or_create(tmp_path)


def test_key__of_1024_bits_is_refused(tmp_path: Path) -> None:
    write_pem(tmp_path, rsa.generate_private_key(65537, 1024))
    with pytest.raises(Invalid) as refusal:
        IssuerKeys.load_or_create(tmp_path)
    assert refusal.value.code == "ISSUER_KEY_WEAK"


def test_key__in_a_place_that_cannot_be_written_says_where(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Unavailable) as refusal:
        IssuerKeys.load_or_create(tmp_path / "file")
    assert refusal.value.code == "ISSUER_KEY_STORAGE"


def test_thumbprint__is_that_of_the_specification() -> None:
    """The example of RFC 7638 section 3.1."""
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJEC"
        "PebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2Qvz"
        "qY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZ"
        "u0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    jwk = {"kty": "RSA", "n": modulus, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"}
    assert thumbprint(jwk) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


def test_jwks__holds_the_public_key_and_nothing_private(keys: IssuerKeys) -> None:
    (jwk,) = keys.jwks()["keys"]
    assert set(jwk) == {"kty", "n", "e", "kid", "use", "alg"}
    assert jwk["kid"] == keys.kid == RSAKey.import_key(jwk).thumbprint()
    assert not RSAKey.import_key(jwk).is_private
    assert jwk["n"] not in repr(keys)


def test_mint__makes_an_access_token_with_the_claims_of_rfc_9068(
    issuer: EmbeddedIssuer, keys: IssuerKeys
) -> None:
    token = issuer.mint("steward@aviation", ["stewards", "aviation", "stewards"])
    assert part(token, 0) == {"alg": "RS256", "typ": "at+jwt", "kid": keys.kid}
    claims = part(token, 1)
    now = int(NOW.timestamp())
    assert len(claims.pop("jti")) == 32
    assert claims == {
        "iss": URL,
        "aud": "meshplane",
        "sub": "steward@aviation",
        "client_id": "meshplane",
        "groups": ["aviation", "stewards"],
        "iat": now,
        "nbf": now,
        "exp": now + 3600,
    }


def test_mint__two_tokens_never_have_the_same_id(issuer: EmbeddedIssuer) -> None:
    assert part(issuer.mint("a", []), 1)["jti"] != part(issuer.mint("a", []), 1)["jti"]


def test_mint__what_it_makes_is_accepted_until_it_expires(
    issuer: EmbeddedIssuer, clock: FixedClock
) -> None:
    verifier = TokenVerifier([issuer.trusted()], clock, leeway_seconds=0)
    header = "Bearer " + issuer.mint("steward@aviation", ["stewards"], lifetime_seconds=60)
    identity = verifier.verify(header)
    assert (identity.subject, identity.groups) == ("steward@aviation", frozenset({"stewards"}))
    assert (identity.issuer, identity.service, identity.on_behalf_of) == (URL, None, None)
    assert identity.expires_at_epoch_seconds == NOW.timestamp() + 60
    clock.advance(60)
    with pytest.raises(Unauthenticated) as refusal:
        verifier.verify(header)
    assert refusal.value.code == "TOKEN_EXPIRED"


def test_mint__a_service_calls_on_behalf_of_somebody(
    issuer: EmbeddedIssuer, clock: FixedClock
) -> None:
    token = issuer.mint("service:lake", [], service="lake", on_behalf_of="steward@aviation")
    verifier = TokenVerifier([issuer.trusted(may_name_services=True)], clock)
    identity = verifier.verify("Bearer " + token)
    assert (identity.service, identity.on_behalf_of) == ("lake", "steward@aviation")
    assert part(token, 1)["client_id"] == "lake"


@pytest.mark.parametrize(
    ("field", "request_"),
    [
        ("subject", {"subject": ""}),
        ("subject", {"subject": "a\x00b"}),
        ("subject", {"subject": "a\ud800"}),
        ("subject", {"subject": " alice"}),
        ("subject", {"subject": "x" * 257}),
        ("groups", {"groups": "admins"}),
        ("groups", {"groups": ["ok", "line\nbreak"]}),
        ("groups", {"groups": [f"g{number}" for number in range(201)]}),
        ("lifetime_seconds", {"lifetime_seconds": 0}),
        ("lifetime_seconds", {"lifetime_seconds": 86_401}),
        ("service", {"service": ""}),
        ("on_behalf_of", {"on_behalf_of": "alice"}),
    ],
)
def test_mint__a_request_that_makes_no_sense_names_the_field(
    issuer: EmbeddedIssuer, field: str, request_: dict[str, Any]
) -> None:
    with pytest.raises(Invalid) as refusal:
        issuer.mint(**{"subject": "alice", "groups": [], **request_})
    assert refusal.value.code == "TOKEN_REQUEST"
    assert [problem.field for problem in refusal.value.fields] == [field]


def test_mint__a_token_that_no_server_would_accept_is_not_made(issuer: EmbeddedIssuer) -> None:
    with pytest.raises(TooLarge) as refusal:
        issuer.mint("alice", [f"{number:0>200}" for number in range(100)])
    assert refusal.value.code == "TOKEN_REQUEST"


def test_discovery__names_the_keys_and_no_endpoint_that_does_not_exist(
    issuer: EmbeddedIssuer,
) -> None:
    document = issuer.discovery()
    assert document["issuer"] == URL
    assert document["jwks_uri"] == URL + KEYS_PATH
    assert document["id_token_signing_alg_values_supported"] == ["RS256"]
    assert not [name for name in document if name.endswith("_endpoint")]
    assert all(value for value in document.values())  # no empty list (section 4.2)
    assert set(part(issuer.mint("a", []), 1)) == set(document["claims_supported"])
    assert DISCOVERY_PATH == "/.well-known/openid-configuration"
    json.dumps(document)


@pytest.mark.parametrize(
    "url",
    [
        *("", "localhost:8000", "ftp://mesh.example", "https://", "https://mesh.example/"),
        *("https://u:p@mesh.example", "https://mesh.example?x=1", "https://mesh.example#x"),
        *("https://mesh.example/a\nb", "https://mesh.example ?"),
    ],
)
def test_issuer__an_url_that_others_would_spell_differently_is_refused(
    keys: IssuerKeys, clock: FixedClock, url: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        EmbeddedIssuer(keys, url, "meshplane", clock)
    assert refusal.value.code == "ISSUER_INVALID"
