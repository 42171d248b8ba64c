"""Who sent a request: honest tokens, and every forgery that we know of."""

import base64
import hashlib
import hmac
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from meshplane.gateway.identity import StaticKeys, TokenVerifier, TrustedIssuer
from meshplane.gateway.issuer import EmbeddedIssuer, IssuerKeys
from meshplane.gateway.token_keys import NO_KEYS, KeySet, read_key_set
from meshplane.kit.clock import FixedClock
from meshplane.kit.errors import Invalid, Unauthenticated

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NOW_SECONDS = int(NOW.timestamp())
OURS = "https://mesh.example"
PARTNER = "https://login.partner.example/tenant-a"
POOL = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Example"
LEEWAY_SECONDS = 60.0

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | bytes | None


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@cache
def rsa_key(name: str) -> rsa.RSAPrivateKey:
    """One key for each name; making one is slow."""
    return rsa.generate_private_key(65537, 2048)


@cache
def ec_key(name: str) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP384R1() if name == "p384" else ec.SECP256R1())


def ec_jwk(key: ec.EllipticCurvePrivateKey, kid: str) -> dict[str, str]:
    numbers = key.public_key().public_numbers()
    x, y = (b64(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": kid}


def rsa_jwk(key: rsa.RSAPrivateKey, kid: str, **more: Any) -> dict[str, Any]:
    numbers = key.public_key().public_numbers()
    modulus = numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big")
    return {"kty": "RSA", "n": b64(modulus), "e": "AQAB", "kid": kid, **more}


def sign(key: Key, algorithm: str, message: bytes) -> bytes:
    if isinstance(key, bytes):
        return hmac.digest(key, message, hashlib.sha256)
    if isinstance(key, rsa.RSAPrivateKey) and algorithm == "PS256":
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=32)
        return key.sign(message, pss, hashes.SHA256())
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(message, padding.PKCS1v15(), hashes.SHA256())
    if isinstance(key, ec.EllipticCurvePrivateKey):
        size = (key.key_size + 7) // 8
        pair = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
        return b"".join(number.to_bytes(size, "big") for number in pair)
    return b""


def token_of(header: dict[str, Any] | str, payload: dict[str, Any] | str, key: Key) -> str:
    """A token of any content, honest or not; text goes in as it stands."""
    header_text = header if isinstance(header, str) else json.dumps(header)
    payload_text = payload if isinstance(payload, str) else json.dumps(payload)
    message = f"{b64(header_text.encode())}.{b64(payload_text.encode())}"
    algorithm = header.get("alg", "RS256") if isinstance(header, dict) else "RS256"
    return f"{message}.{b64(sign(key, str(algorithm), message.encode()))}"


@dataclass
class World:
    """A server that trusts its own issuer, a partner's, and a Cognito pool."""

    clock: FixedClock = field(default_factory=lambda: FixedClock(NOW))
    ours: EmbeddedIssuer = field(init=False)
    verifier: TokenVerifier = field(init=False)
    kid: str = field(init=False)

    def __post_init__(self) -> None:
        keys = IssuerKeys(rsa_key("ours"))
        self.kid = keys.kid
        self.ours = EmbeddedIssuer(keys, OURS, "meshplane", self.clock)
        partner_keys = {
            "keys": [
                ec_jwk(ec_key("partner"), "partner-ec"),
                rsa_jwk(rsa_key("partner"), "partner-pss", alg="PS256"),
                rsa_jwk(rsa_key("partner"), "partner-rsa", use="sig"),
            ]
        }
        partner = TrustedIssuer(
            issuer=PARTNER,
            keys=StaticKeys(partner_keys),
            audiences=frozenset({"meshplane"}),
            companion_audiences=frozenset({"account"}),
            requires_access_token_type=False,
        )
        pool = TrustedIssuer(
            issuer=POOL,
            keys=StaticKeys({"keys": [rsa_jwk(rsa_key("pool"), "pool-1", alg="RS256", use="sig")]}),
            client_ids=frozenset({"app-client"}),
            groups_claim="cognito:groups",
            requires_access_token_type=False,
        )
        self.verifier = TokenVerifier(
            [self.ours.trusted(), partner, pool], self.clock, leeway_seconds=LEEWAY_SECONDS
        )

    def header(self, **changes: Any) -> dict[str, Any]:
        return without_none({"alg": "RS256", "typ": "at+jwt", "kid": self.kid, **changes})

    def claims(self, **changes: Any) -> dict[str, Any]:
        honest = {
            "iss": OURS,
            "aud": "meshplane",
            "sub": "steward@aviation",
            "groups": ["stewards"],
            "iat": NOW_SECONDS,
            "nbf": NOW_SECONDS,
            "exp": NOW_SECONDS + 3600,
            "jti": "1",
        }
        return without_none({**honest, **changes})

    def token(self, header: dict[str, Any] | None = None, key: Key = None, **claims: Any) -> str:
        """An honest token of our issuer, changed as told; a claim or header of None is left out."""
        return token_of(
            self.header(**(header or {})), self.claims(**claims), key or rsa_key("ours")
        )

    def pool_token(self, **claims: Any) -> str:
        """An access token as Cognito writes them: no `typ`, no `aud`, groups under another name."""
        access = {"aud": None, "token_use": "access", "client_id": "app-client", "iss": POOL}
        return self.token({"typ": None, "kid": "pool-1"}, rsa_key("pool"), **{**access, **claims})

    def partner_token(self, kid: str = "partner-rsa", **claims: Any) -> str:
        return self.token({"kid": kid}, rsa_key("partner"), **{"iss": PARTNER, **claims})

    def honest(self) -> str:
        return self.ours.mint("steward@aviation", ["stewards"])


def without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def public_pem(name: str) -> bytes:
    return (
        rsa_key(name)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def swapped(token: str, index: int, text: str) -> str:
    parts = token.split(".")
    parts[index] = text
    return ".".join(parts)


def respelled(token: str) -> str:
    """The same bytes of signature, spelled with a bit beyond the last byte set."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + alphabet[alphabet.index(token[-1]) + 1]


def raw_claims(w: World, text: str) -> str:
    """Correctly signed claims that are written as the text says, before the honest ones end."""
    return token_of(w.header(), json.dumps(w.claims())[:-1] + text + "}", rsa_key("ours"))


Attack = Callable[[World], str]


def attacker_key_header(**header: Any) -> Attack:
    return lambda w: w.token(header, rsa_key("attacker"))


def unsigned(**header: Any) -> Attack:
    return lambda w: token_of(w.header(**header), w.claims(), None)


def claiming(**claims: Any) -> Attack:
    """A token of ours, correctly signed, with these claims."""
    return lambda w: w.token(**claims)


def partner_says(token_type: str = "JWT", **claims: Any) -> Attack:
    """A token of the partner, correctly signed, of that type and with these claims."""
    header = {"typ": token_type, "kid": "partner-rsa"}
    return lambda w: w.token(header, rsa_key("partner"), iss=PARTNER, **claims)


def shortened(token: str) -> str:
    """The signature without its last three bytes, correctly spelled."""
    message, _, signature = token.rpartition(".")
    return f"{message}.{b64(base64.urlsafe_b64decode(signature + '==')[:-3])}"


ATTACKER_JWK = {"kty": "RSA", "n": "AQAB", "e": "AQAB"}
TOO_BIG = "9" * 400
# fmt: off
ATTACKS: dict[str, tuple[Attack, str]] = {
    **{f"N1 algorithm {name!r}, no signature": (unsigned(alg=name), "TOKEN_ALGORITHM")
       for name in ("none", "None", "NONE", "nOnE", "", "RS256 ", "rs256")},
    "N1 algorithm none, signature kept": (
        lambda w: swapped(w.honest(), 0, b64(b'{"alg":"none"}')), "TOKEN_ALGORITHM"),
    "N1 algorithm missing": (lambda w: w.token({"alg": None}), "TOKEN_ALGORITHM"),
    "N1 algorithm a list": (lambda w: w.token({"alg": ["RS256"]}), "TOKEN_ALGORITHM"),
    "N2 public key (PEM) as HMAC secret": (
        lambda w: w.token({"alg": "HS256"}, public_pem("ours")), "TOKEN_ALGORITHM"),
    "N2 public key (modulus) as HMAC secret": (
        lambda w: w.token({"alg": "HS256"}, w.ours.jwks()["keys"][0]["n"].encode()),
        "TOKEN_ALGORITHM"),
    "N3 HMAC with an empty secret": (
        lambda w: token_of(w.header(alg="HS256"), w.claims(), b""), "TOKEN_ALGORITHM"),
    "N3 HMAC with a weak secret": (
        lambda w: w.token({"alg": "HS256"}, b"secret"), "TOKEN_ALGORITHM"),
    "N4 ECDSA signature of zeros": (
        lambda w: swapped(w.token({"alg": "ES256", "kid": "partner-ec"}, iss=PARTNER), 2,
                          b64(bytes(64))), "TOKEN_SIGNATURE"),
    "N4 ECDSA signature of zeros for an RSA key": (
        lambda w: swapped(w.token({"alg": "ES256"}), 2, b64(bytes(64))), "TOKEN_ALGORITHM"),
    "N5 ES256 named, RSA key": (lambda w: w.token({"alg": "ES256"}), "TOKEN_ALGORITHM"),
    "N5 PS256 named, key made for RS256": (
        lambda w: w.token({"alg": "PS256"}), "TOKEN_ALGORITHM"),
    "N5 RS256 named, key made for PS256": (
        lambda w: w.partner_token("partner-pss"), "TOKEN_ALGORITHM"),
    "N5 RS256 named, elliptic key": (
        lambda w: w.partner_token("partner-ec"), "TOKEN_ALGORITHM"),
    "N5 another curve": (
        lambda w: w.token({"alg": "ES256", "kid": "partner-ec"}, ec_key("p384"), iss=PARTNER),
        "TOKEN_SIGNATURE"),
    "N5 a longer hash": (lambda w: w.token({"alg": "RS512"}), "TOKEN_ALGORITHM"),
    "N6 the attacker's key in the header": (
        attacker_key_header(jwk=ATTACKER_JWK), "TOKEN_MALFORMED"),
    "N6 our own key in the header": (
        lambda w: w.token({"jwk": w.ours.jwks()["keys"][0]}), "TOKEN_MALFORMED"),
    **{f"N7 {name} {url}": (attacker_key_header(**{name: url}), "TOKEN_MALFORMED")
       for name in ("jku", "x5u")
       for url in ("https://evil.example/jwks", "https://mesh.example.evil.example/jwks",
                   "https://mesh.example@evil.example/jwks",
                   "https://mesh.example/redirect?to=https://evil.example")},
    "N7 x5c": (attacker_key_header(x5c=["MIIB"]), "TOKEN_MALFORMED"),
    "N8 kid a path": (attacker_key_header(kid="../../../../dev/null"), "TOKEN_SIGNATURE"),
    "N8 kid SQL": (attacker_key_header(kid="x' UNION SELECT 'key' --"), "TOKEN_SIGNATURE"),
    "N8 kid with NUL": (attacker_key_header(kid="a\x00b"), "TOKEN_MALFORMED"),
    "N8 kid of 10 kB": (attacker_key_header(kid="k" * 10_000), "TOKEN_MALFORMED"),
    "N8 kid of 1 kB": (attacker_key_header(kid="k" * 1000), "TOKEN_MALFORMED"),
    "N8 kid a number": (attacker_key_header(kid=1), "TOKEN_MALFORMED"),
    "N8 kid an object": (attacker_key_header(kid={"$ne": ""}), "TOKEN_MALFORMED"),
    "N8 kid empty": (attacker_key_header(kid=""), "TOKEN_MALFORMED"),
    "N8 kid of another tenant's key, signed with that key": (
        lambda w: w.token({"kid": "partner-rsa"}, rsa_key("partner")), "TOKEN_SIGNATURE"),
    "N8 our kid, signed with another key": (attacker_key_header(), "TOKEN_SIGNATURE"),
    "N9 crit names an unknown extension": (
        lambda w: w.token({"crit": ["x"], "x": 1}), "TOKEN_MALFORMED"),
    "N9 crit empty": (lambda w: w.token({"crit": []}), "TOKEN_MALFORMED"),
    "N9 crit with b64": (
        lambda w: w.token({"crit": ["b64"], "b64": False}), "TOKEN_MALFORMED"),
    "N9 b64 without crit": (lambda w: w.token({"b64": False}), "TOKEN_MALFORMED"),
    "N10 expired 61 seconds ago": (lambda w: w.token(exp=NOW_SECONDS - 61), "TOKEN_EXPIRED"),
    "N10 expired as long ago as the leeway": (
        lambda w: w.token(exp=NOW_SECONDS - 60), "TOKEN_EXPIRED"),
    "N10 valid in 61 seconds": (lambda w: w.token(nbf=NOW_SECONDS + 61), "TOKEN_NOT_YET_VALID"),
    "N10 issued in the future": (lambda w: w.token(iat=NOW_SECONDS + 61), "TOKEN_NOT_YET_VALID"),
    "N10 exp missing": (lambda w: w.token(exp=None), "TOKEN_CLAIMS"),
    "N10 exp null": (
        lambda w: token_of(w.header(), {**w.claims(), "exp": None}, rsa_key("ours")),
        "TOKEN_CLAIMS"),
    "N10 exp a text": (lambda w: w.token(exp=str(NOW_SECONDS + 60)), "TOKEN_CLAIMS"),
    "N10 exp 1e308": (lambda w: w.token(exp=1e308), "TOKEN_CLAIMS"),
    "N10 exp true": (lambda w: w.token(exp=True), "TOKEN_CLAIMS"),
    "N10 exp a list": (lambda w: w.token(exp=[NOW_SECONDS + 60]), "TOKEN_CLAIMS"),
    "N10 exp negative": (lambda w: w.token(exp=-1), "TOKEN_CLAIMS"),
    "N10 exp of 400 digits": (lambda w: w.token(exp=int(TOO_BIG)), "TOKEN_CLAIMS"),
    "N10 exp overflows to infinity": (
        lambda w: token_of(w.header(), f'{{"iss":"{OURS}","exp":1e999}}', rsa_key("ours")),
        "TOKEN_CLAIMS"),
    "N10 exp Infinity": (lambda w: w.token(exp=float("inf")), "TOKEN_MALFORMED"),
    "N10 exp NaN": (lambda w: w.token(exp=float("nan")), "TOKEN_MALFORMED"),
    "N10 exp of 5000 digits": (
        lambda w: token_of(w.header(), f'{{"exp":{"9" * 5000}}}', rsa_key("ours")),
        "TOKEN_MALFORMED"),
    "N10 nbf a text": (lambda w: w.token(nbf="soon"), "TOKEN_CLAIMS"),
    "N10 iat a text": (lambda w: w.token(iat="today"), "TOKEN_CLAIMS"),
    "N11 audience another": (lambda w: w.token(aud="billing"), "TOKEN_AUDIENCE"),
    "N11 audience ours with an extra one": (
        lambda w: w.token(aud=["meshplane", "billing"]), "TOKEN_AUDIENCE"),
    "N11 audience missing": (lambda w: w.token(aud=None), "TOKEN_AUDIENCE"),
    "N11 audience missing, client id ours": (
        lambda w: w.token(aud=None, client_id="meshplane"), "TOKEN_AUDIENCE"),
    "N11 audience empty": (lambda w: w.token(aud=[]), "TOKEN_AUDIENCE"),
    "N11 audience begins like ours": (lambda w: w.token(aud="meshplane-dev"), "TOKEN_AUDIENCE"),
    "N11 audience in other case": (lambda w: w.token(aud="Meshplane"), "TOKEN_AUDIENCE"),
    "N11 audience an object": (lambda w: w.token(aud={"meshplane": 1}), "TOKEN_AUDIENCE"),
    "N11 audience with a number": (lambda w: w.token(aud=["meshplane", 1]), "TOKEN_AUDIENCE"),
    "N11 companion without ours": (
        lambda w: w.partner_token(aud=["account"]), "TOKEN_AUDIENCE"),
    "N11 client id of another app": (
        lambda w: w.pool_token(client_id="other-client"), "TOKEN_AUDIENCE"),
    "N11 client id ours, audience another": (
        lambda w: w.pool_token(aud="app-client"), "TOKEN_AUDIENCE"),
    **{f"N12 issuer {name!r}": (claiming(iss=name), "TOKEN_ISSUER")
       for name in ("https://evil.example", "https://mesh", "mesh.example", "",
                    "https://mesh.example/", "https://MESH.example", "https://mesh.example.evil",
                    " https://mesh.example", ["https://mesh.example"], {"a": 1}, 1, True)},
    "N12 issuer missing": (lambda w: w.token(iss=None), "TOKEN_ISSUER"),
    "N13 our issuer, key of a partner": (
        lambda w: w.token({"kid": "partner-rsa"}, rsa_key("partner")), "TOKEN_SIGNATURE"),
    "N13 the partner as issuer, our key": (lambda w: w.token(iss=PARTNER), "TOKEN_SIGNATURE"),
    "N13 an issuer that is not configured": (
        lambda w: w.token({}, rsa_key("attacker"), iss="https://evil.example"), "TOKEN_ISSUER"),
    "N14 ID token of our issuer": (lambda w: w.token({"typ": "JWT"}), "TOKEN_CLAIMS"),
    "N14 type missing": (lambda w: w.token({"typ": None}), "TOKEN_CLAIMS"),
    "N14 type a number": (lambda w: w.token({"typ": 1}), "TOKEN_MALFORMED"),
    **{f"N14 type {name}": (partner_says(name), "TOKEN_CLAIMS")
       for name in ("logout+jwt", "secevent+jwt", "dpop+jwt", "rt+jwt", "application/jwt+x")},
    "N14 ID token of Cognito": (lambda w: w.pool_token(token_use="id"), "TOKEN_CLAIMS"),
    "N14 ID token of Cognito, as it is": (
        lambda w: w.pool_token(token_use="id", aud="app-client", client_id=None), "TOKEN_CLAIMS"),
    "N14 token of Cognito that does not say its use": (
        lambda w: w.pool_token(token_use=None), "TOKEN_CLAIMS"),
    **{f"N14 Keycloak's {kind} token": (partner_says(typ=kind), "TOKEN_CLAIMS")
       for kind in ("ID", "Refresh", "Offline", "Logout")},
    **{f"N14 a token with {mark}": (partner_says(**{mark: "x"}), "TOKEN_CLAIMS")
       for mark in ("nonce", "at_hash", "events")},
    "N14 token of a service from outside": (
        lambda w: w.ours.mint("service:lake", [], service="lake"), "TOKEN_CLAIMS"),
    "N14 a partner vouches for a service of ours": (
        lambda w: w.partner_token(meshplane_service="lake"), "TOKEN_CLAIMS"),
    "N14 acting for somebody without being a service": (
        lambda w: w.token(meshplane_on_behalf_of="root"), "TOKEN_CLAIMS"),
    "N15 another tenant of the same partner": (
        lambda w: w.partner_token(iss="https://login.partner.example/tenant-b"), "TOKEN_ISSUER"),
    "N15 another environment": (lambda w: w.token(aud="meshplane-staging"), "TOKEN_AUDIENCE"),
    "N16 encrypted token with a compression bomb": (
        lambda w: ".".join([b64(b'{"alg":"dir","enc":"A256GCM","zip":"DEF"}'), "", b64(bytes(12)),
                            b64(bytes(4000)), b64(bytes(16))]), "TOKEN_MALFORMED"),
    "N16 compressed claims": (lambda w: w.token({"zip": "DEF"}), "TOKEN_MALFORMED"),
    "N17 signature stripped": (lambda w: swapped(w.honest(), 2, ""), "TOKEN_SIGNATURE"),
    "N17 signature and dot stripped": (
        lambda w: w.honest().rpartition(".")[0], "TOKEN_MALFORMED"),
    "N17 signature truncated": (lambda w: shortened(w.honest()), "TOKEN_SIGNATURE"),
    "N17 signature twice": (
        lambda w: w.honest() + "." + w.honest().rpartition(".")[2], "TOKEN_MALFORMED"),
    "N17 signature with other trailing bits": (
        lambda w: respelled(w.honest()), "TOKEN_MALFORMED"),
    "N17 signature padded": (lambda w: w.honest() + "==", "TOKEN_MALFORMED"),
    "N17 line break at the end": (lambda w: w.honest() + "\n", "TOKEN_MALFORMED"),
    "N17 space inside": (lambda w: w.honest().replace(".", ". ", 1), "TOKEN_MALFORMED"),
    "N17 JSON serialisation": (
        lambda w: json.dumps(dict(zip(("protected", "payload", "signature"),
                                      w.honest().split("."), strict=True))), "TOKEN_MALFORMED"),
    "N17 claims of one token, signature of another": (
        lambda w: swapped(w.honest(), 1, w.token(sub="root").split(".")[1]), "TOKEN_SIGNATURE"),
    "N17 two tokens": (lambda w: f"{w.honest()}, Bearer {w.honest()}", "TOKEN_MALFORMED"),
    "N17 empty payload": (lambda w: token_of(w.header(), "", rsa_key("ours")), "TOKEN_MALFORMED"),
    "N17 nine kilobytes": (lambda w: w.token(x="x" * 9000), "TOKEN_MALFORMED"),
    "N18 a claim twice": (lambda w: raw_claims(w, ',"sub":"root"'), "TOKEN_MALFORMED"),
    "N18 a claim twice, spelled with an escape": (
        lambda w: raw_claims(w, ',"s\\u0075b":"root"'), "TOKEN_MALFORMED"),
    "N18 a name twice, deeper": (
        lambda w: raw_claims(w, ',"x":{"a":1,"a":2}'), "TOKEN_MALFORMED"),
    "N18 a header twice": (
        lambda w: token_of('{"alg":"RS256","alg":"none","typ":"at+jwt"}', w.claims(), None),
        "TOKEN_MALFORMED"),
    "N18 JSON of depth 10,000": (
        lambda w: token_of(w.header(), "[" * 10_000, None), "TOKEN_MALFORMED"),
    "N18 JSON of depth 2,500 within 8 KiB": (
        lambda w: token_of(w.header(), "[" * 2500 + "]" * 2500, None), "TOKEN_MALFORMED"),
    "N18 JSON of depth 34 behind a quoted bracket": (
        lambda w: raw_claims(w, ',"x":"]]]]\\"]]","y":' + "[" * 34 + "]" * 34),
        "TOKEN_MALFORMED"),
    "N18 header not JSON": (lambda w: token_of("alg=RS256", w.claims(), None), "TOKEN_MALFORMED"),
    "N18 header a list": (lambda w: token_of("[]", w.claims(), None), "TOKEN_MALFORMED"),
    "N18 claims a list": (lambda w: token_of(w.header(), "[]", None), "TOKEN_MALFORMED"),
    "N18 claims not UTF-8": (
        lambda w: swapped(w.honest(), 1, b64(b'{"iss":"\xff"}')), "TOKEN_MALFORMED"),
    "subject missing": (lambda w: w.token(sub=None), "TOKEN_CLAIMS"),
    **{f"subject {value!r:.40}": (claiming(sub=value), "TOKEN_CLAIMS")
       for value in ("", " ", " root", "root\x00", "ro\not", "\ud800", "\u202eroot", "ro\u200bot",
                     "x" * 257, 1, ["root"], {"sub": "root"})},
    **{f"groups {value!r:.40}": (claiming(groups=value), "TOKEN_CLAIMS")
       for value in ("admins", {"admins": 1}, [1], [""], ["a\x00"], ["\udfff"], [["admins"]],
                     [f"g{number}" for number in range(201)])},
    "groups left out because there are too many": (
        lambda w: w.token(groups=None, _claim_names={"groups": "src1"}), "TOKEN_CLAIMS"),
}
# fmt: on


@pytest.fixture
def world() -> World:
    return World()


def refusal_of(world: World, header: str | None) -> Unauthenticated:
    with pytest.raises(Unauthenticated) as refusal:
        world.verifier.verify(header)
    return refusal.value


def is_refused(world: World, token: str) -> bool:
    try:
        world.verifier.verify("Bearer " + token)
    except Unauthenticated:
        return True
    return False


@pytest.mark.parametrize("name", ATTACKS)
def test_verify__a_forged_or_unfit_token_is_refused(world: World, name: str) -> None:
    make, code = ATTACKS[name]
    world.verifier.verify("Bearer " + world.honest())  # what was verified before helps nobody
    token = make(world)
    for _ in range(2):  # what was refused once is refused again
        refusal = refusal_of(world, "Bearer " + token)
        assert refusal.code == code
        assert token[:60] not in refusal.message


@pytest.mark.serial
def test_verify__refusing_takes_less_than_20_ms_at_the_99th_percentile(world: World) -> None:
    world.verifier.warm()
    headers = ["Bearer " + make(world) for make, _ in ATTACKS.values()]
    # Texts made to keep a careless reader busy.
    headers += [
        "Bearer " + token_of({"alg": "RS256"}, text, None)
        for text in ('"' + '\\"' * 2300, "[" * 40 + '"' * 4000, '{"a":' * 900, "1" * 5000)
    ]
    took = []
    for header in headers * 5:
        start = time.perf_counter()
        refusal_of(world, header)
        took.append(time.perf_counter() - start)
    assert sorted(took)[int(len(took) * 0.99)] < 0.020


def test_verify__an_honest_token_says_who_sent_it(world: World) -> None:
    identity = world.verifier.verify("Bearer " + world.honest())
    assert identity.subject == "steward@aviation"
    assert identity.groups == frozenset({"stewards"})
    assert (identity.issuer, identity.service, identity.on_behalf_of) == (OURS, None, None)
    assert identity.expires_at_epoch_seconds == NOW_SECONDS + 3600
    assert identity.token_id


@pytest.mark.parametrize("header", [None, ""])
def test_verify__without_a_header_it_asks_for_a_token(world: World, header: str | None) -> None:
    refusal = refusal_of(world, header)
    assert refusal.code == "TOKEN_MISSING"
    assert "Bearer" in refusal.message


@pytest.mark.parametrize(
    "header",
    ["Basic YTpi", "Bearer", "Bearer ", "Bearer  a.b.c", "token", "Bearer é.a.b", "\ud800"],
)
def test_verify__another_scheme_is_not_a_token(world: World, header: str) -> None:
    assert refusal_of(world, header).code == "TOKEN_MALFORMED"


def test_verify__the_scheme_has_no_case(world: World) -> None:
    assert world.verifier.verify("bEARER " + world.honest()).subject == "steward@aviation"


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": NOW_SECONDS - 59},
        {"nbf": NOW_SECONDS + 60},
        {"iat": NOW_SECONDS + 60, "nbf": None},
        {"exp": NOW_SECONDS + 0.5},
        {"iat": None, "nbf": None, "jti": None, "groups": None},
        {"aud": ["meshplane"]},
        {"sub": "Žofie Müller 王"},
        {"x": json.loads("[" * 31 + "]" * 31)},
        {"x": "[" * 100},
        {"x": [[number] for number in range(50)]},
        {"groups": [f"group {number}" for number in range(200)]},
    ],
)
def test_verify__what_is_unusual_but_right_is_accepted(
    world: World, claims: dict[str, Any]
) -> None:
    assert world.verifier.verify("Bearer " + world.token(**claims)).issuer == OURS


@pytest.mark.parametrize("token_type", ["AT+JWT", "application/at+jwt"])
def test_verify__the_type_may_be_spelled_in_full(world: World, token_type: str) -> None:
    assert world.verifier.verify("Bearer " + world.token({"typ": token_type})).issuer == OURS


def test_verify__a_cognito_access_token_is_known_by_its_client_id(world: World) -> None:
    token = world.pool_token(**{"cognito:groups": ["stewards", "eu"], "groups": ["root"]})
    identity = world.verifier.verify("Bearer " + token)
    assert identity.groups == frozenset({"stewards", "eu"})
    assert identity.issuer == POOL


@pytest.mark.parametrize(("algorithm", "kid"), [("ES256", "partner-ec"), ("PS256", "partner-pss")])
def test_verify__a_partner_may_sign_with_what_its_keys_are_for(
    world: World, algorithm: str, kid: str
) -> None:
    key = ec_key("partner") if algorithm == "ES256" else rsa_key("partner")
    token = world.token({"alg": algorithm, "kid": kid}, key, iss=PARTNER)
    assert world.verifier.verify("Bearer " + token).issuer == PARTNER


def test_verify__a_keycloak_access_token_with_its_usual_companion_is_accepted(
    world: World,
) -> None:
    token = world.token(
        {"typ": "JWT", "kid": "partner-rsa"},
        rsa_key("partner"),
        iss=PARTNER,
        typ="Bearer",
        nonce="n",
        aud=["meshplane", "account"],
    )
    assert world.verifier.verify("Bearer " + token).issuer == PARTNER


def test_verify__a_token_without_kid_needs_a_key_that_cannot_be_mistaken(world: World) -> None:
    assert world.verifier.verify("Bearer " + world.token({"kid": None})).issuer == OURS
    keys = [rsa_jwk(rsa_key("ours"), "1"), rsa_jwk(rsa_key("partner"), "2")]
    trusted = TrustedIssuer(OURS, StaticKeys({"keys": keys}), frozenset({"meshplane"}))
    two_keys = TokenVerifier([trusted], world.clock)
    with pytest.raises(Unauthenticated) as refusal:
        two_keys.verify("Bearer " + world.token({"kid": None}))
    assert refusal.value.code == "TOKEN_SIGNATURE"


def test_verify__no_change_of_one_character_makes_another_token(world: World) -> None:
    seed = random.randrange(2**32)
    chooser = random.Random(seed)
    honest = world.honest()
    alphabet = "ABCXYZabcxyz0189-_.= \n\x00é"
    for _ in range(1500):
        at = chooser.randrange(len(honest))
        kind = chooser.choice(["change", "insert", "drop", "swap"])
        letter = chooser.choice(alphabet)
        changed = {
            "change": honest[:at] + letter + honest[at + 1 :],
            "insert": honest[:at] + letter + honest[at:],
            "drop": honest[:at] + honest[at + 1 :],
            "swap": honest[:at] + honest[at + 1 : at + 2] + honest[at : at + 1] + honest[at + 2 :],
        }[kind]
        assert changed == honest or is_refused(world, changed), f"seed {seed}"


def test_verify__a_remembered_token_still_expires(world: World) -> None:
    header = "Bearer " + world.honest()
    first = world.verifier.verify(header)
    assert world.verifier.verify(header) is first
    world.clock.advance(3600 + LEEWAY_SECONDS)
    assert refusal_of(world, header).code == "TOKEN_EXPIRED"


def test_verify__a_remembered_token_is_not_valid_before_its_time(world: World) -> None:
    header = "Bearer " + world.honest()
    world.verifier.verify(header)
    world.clock.advance(-61)
    assert refusal_of(world, header).code == "TOKEN_NOT_YET_VALID"


class ChangingKeys:
    """Keys that a test takes away."""

    def __init__(self, keys: KeySet) -> None:
        self.keys = keys

    def current(self, now_epoch_seconds: float) -> KeySet:
        return self.keys

    def is_refresh_due(self, now_epoch_seconds: float) -> bool:
        return False

    async def refresh(self) -> None:
        """There is nothing to look for."""


def test_verify__a_remembered_token_is_forgotten_with_the_key_that_signed_it(
    world: World,
) -> None:
    source = ChangingKeys(read_key_set(world.ours.jwks()))
    trusted = TrustedIssuer(OURS, source, frozenset({"meshplane"}))
    verifier = TokenVerifier([trusted], world.clock)
    header = "Bearer " + world.honest()
    verifier.verify(header)
    source.keys = NO_KEYS
    with pytest.raises(Unauthenticated) as refusal:
        verifier.verify(header)
    assert refusal.value.code == "TOKEN_SIGNATURE"


def test_verify__remembers_no_more_tokens_than_it_may(world: World) -> None:
    verifier = TokenVerifier([world.ours.trusted()], world.clock, cache_capacity=2)
    headers = ["Bearer " + world.honest() for _ in range(3)]
    first, second, _ = (verifier.verify(header) for header in headers)
    assert verifier.verify(headers[1]) is second
    assert verifier.verify(headers[0]) is not first  # it had left to make room, and came again
    assert verifier.verify(headers[1]) is second


@pytest.mark.serial
def test_verify__a_remembered_token_costs_less_than_5_microseconds(world: World) -> None:
    header = "Bearer " + world.honest()
    world.verifier.verify(header)
    best = float("inf")
    for _ in range(20):
        start = time.perf_counter()
        for _ in range(1000):
            world.verifier.verify(header)
        best = min(best, (time.perf_counter() - start) / 1000)
    assert best < 5e-6


def test_verify__services_are_told_apart_only_where_they_call_each_other(world: World) -> None:
    inside = TokenVerifier([world.ours.trusted(may_name_services=True)], world.clock)
    token = world.ours.mint("service:lake", [], service="lake", on_behalf_of="steward@aviation")
    assert inside.verify("Bearer " + token).service == "lake"
    assert inside.verify("Bearer " + world.honest()).service is None
    forged = world.token(meshplane_on_behalf_of="root")
    with pytest.raises(Unauthenticated, match="Only a service"):
        inside.verify("Bearer " + forged)


@pytest.mark.parametrize("leeway_seconds", [-1, 61, float("nan")])
def test_verifier__a_leeway_beyond_a_minute_is_refused(world: World, leeway_seconds: float) -> None:
    with pytest.raises(Invalid) as refusal:
        TokenVerifier([world.ours.trusted()], world.clock, leeway_seconds=leeway_seconds)
    assert refusal.value.code == "TOKEN_SETTINGS"


def test_verifier__one_issuer_is_configured_once(world: World) -> None:
    for issuers in ([], [world.ours.trusted(), world.ours.trusted()]):
        with pytest.raises(Invalid, match="trusted issuer"):
            TokenVerifier(issuers, world.clock)


def test_trusted_issuer__without_audience_everybodys_tokens_would_do(world: World) -> None:
    with pytest.raises(Invalid) as refusal:
        TrustedIssuer(PARTNER, StaticKeys(world.ours.jwks()))
    assert refusal.value.code == "ISSUER_INVALID"


UNFIT_KEYS: dict[str, dict[str, Any]] = {
    "symmetric": {"kty": "oct", "k": "AAAA"},
    "private": {"d": "AQAB"},
    "for encryption": {"use": "enc"},
    "for signing only": {"key_ops": ["sign"]},
    "for another algorithm": {"alg": "RS512"},
    "too short": {"n": b64(b"\xff" * 128)},
    "too long": {"n": b64(b"\xff" * 2048)},
    "even": {"n": b64(b"\xff" * 255 + b"\xfe")},
    "exponent 1": {"e": "AQ"},
    "exponent too long": {"e": b64(b"\x01" * 200)},
    "not base64url": {"n": "!" * 342},
    "modulus missing": {"n": None},
    "name a number": {"kid": 7},
    "Edwards curve": {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"},
    "another curve": {"kty": "EC", "crv": "P-384", "x": "AAAA", "y": "AAAA"},
    "not on its curve": {"kty": "EC", "crv": "P-256", "x": b64(bytes(32)), "y": b64(bytes(32))},
}


@pytest.mark.parametrize("name", UNFIT_KEYS)
def test_keys__one_that_cannot_serve_is_passed_over(name: str) -> None:
    unfit = without_none({**rsa_jwk(rsa_key("ours"), "1"), **UNFIT_KEYS[name]})
    with pytest.raises(Invalid) as refusal:
        read_key_set({"keys": [unfit]})
    assert refusal.value.code == "KEY_SET_EMPTY"
    beside = rsa_jwk(rsa_key("partner"), "2")
    assert [key.key_id for key in read_key_set({"keys": [unfit, beside]}).keys] == ["2"]


def test_keys__every_key_that_is_read_can_be_loaded() -> None:
    jwks = [ec_jwk(ec_key(f"load-{number}"), str(number)) for number in range(10)]
    keys = read_key_set({"keys": [*jwks, rsa_jwk(rsa_key("ours"), "rsa")]}).keys
    assert len([key.load() for key in keys]) == 11


@pytest.mark.parametrize("keys", [{}, "keys", [{}] * 101, None])
def test_keys__what_is_no_key_set_is_refused(keys: object) -> None:
    with pytest.raises(Invalid) as refusal:
        read_key_set({"keys": keys})
    assert refusal.value.code == "KEY_SET_INVALID"


def test_keys__two_of_one_name_are_refused() -> None:
    with pytest.raises(Invalid) as refusal:
        read_key_set({"keys": [rsa_jwk(rsa_key(name), "1") for name in ("ours", "partner")]})
    assert refusal.value.code == "KEY_SET_AMBIGUOUS"


def test_import__brings_no_cryptography_until_it_is_warmed() -> None:
    program = (
        "import sys, meshplane.gateway.identity, meshplane.gateway.issuer\n"
        "print(sorted({'joserfc', 'cryptography', 'httpx', 'structlog'} & set(sys.modules)))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert answer.stdout.strip() == "[]"
