"""The embedded issuer: signs access tokens where no identity provider is at hand.

Its key is made on first start and never leaves the state folder. There is no default key and no
key derived from a password.
"""

import hashlib
import json
import os
import secrets
import stat
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from meshplane.gateway.token_claims import (
    ACCESS_TYPE,
    HOPS_CLAIM,
    MAX_GROUPS,
    ON_BEHALF_OF_CLAIM,
    SERVICE_CLAIM,
    VIA_CLAIM,
    TrustedIssuer,
    is_clean_name,
)
from meshplane.gateway.token_keys import KeySource, StaticKeys
from meshplane.gateway.token_parts import MAX_TOKEN_BYTES, encode_base64url
from meshplane.kit.clock import Clock
from meshplane.kit.errors import Invalid, TooLarge, Unavailable

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

KEY_FILE = "issuer.pem"
DISCOVERY_PATH = "/.well-known/openid-configuration"  # OpenID Connect Discovery 1.0 section 4
KEYS_PATH = "/.well-known/jwks.json"

_ALGORITHM = "RS256"
_KEY_BITS = 2048
_MAX_KEY_FILE_BYTES = 16 * 1024
_MAX_LIFETIME_SECONDS = 24 * 3600


class SigningKeys(Protocol):
    """What the embedded issuer signs with."""

    def sign(self, header: dict[str, Any], claims: dict[str, Any]) -> str:
        """Signs claims as a compact token; the header gets `alg` and `kid`."""
        ...

    def jwks(self) -> dict[str, Any]:
        """The public keys as a JWK set (RFC 7517)."""
        ...

    def source(self) -> KeySource:
        """The public keys, for whom the issuer is trusted by."""
        ...


class IssuerKeys:
    """The signing key of the embedded issuer."""

    def __init__(self, private_key: "RSAPrivateKey") -> None:
        """Takes an RSA key.

        Raises:
            Invalid: ISSUER_KEY_WEAK when it has fewer than 2048 bits.
        """
        if private_key.key_size < _KEY_BITS:
            raise Invalid("ISSUER_KEY_WEAK", "The issuer's key has fewer than 2048 bits.")
        numbers = private_key.public_key().public_numbers()
        self._private_key = private_key
        self._public = {
            "e": _encode_number(numbers.e),
            "kty": "RSA",
            "n": _encode_number(numbers.n),
        }
        self.kid = thumbprint(self._public)

    @classmethod
    def load_or_create(cls, folder: Path) -> "IssuerKeys":
        """Reads the key of that folder; makes the folder and the key when there is none.

        Several processes may start at once: all end with the same key.

        Raises:
            Invalid: ISSUER_KEY_EXPOSED when others may read or own the file, ISSUER_KEY_DAMAGED
                when it holds no RSA key, ISSUER_KEY_WEAK.
            Unavailable: ISSUER_KEY_STORAGE when the file cannot be read or written.
        """
        path = folder / KEY_FILE
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not path.exists():
                _create_key_file(path)
            pem = _read_key_file(path)
        except OSError as error:
            raise Unavailable(
                "ISSUER_KEY_STORAGE",
                f"The issuer's key {path} cannot be read or written ({error.strerror}).",
            ) from error
        return cls(_parse_key(pem, f"The file {path}"))

    @classmethod
    def parse(cls, pem: str, where: str) -> "IssuerKeys":
        """The key of a PEM text.

        Args:
            pem: the text.
            where: what holds it, for errors: `The secret …`.

        Raises:
            Invalid: ISSUER_KEY_DAMAGED, ISSUER_KEY_WEAK.
        """
        return cls(_parse_key(pem.encode(), where))

    def jwks(self) -> dict[str, Any]:
        """The public key as a JWK set (RFC 7517)."""
        return {"keys": [{**self._public, "kid": self.kid, "use": "sig", "alg": _ALGORITHM}]}

    def source(self) -> KeySource:
        """The public key, which does not change."""
        return StaticKeys(self.jwks())

    def sign(self, header: dict[str, Any], claims: dict[str, Any]) -> str:
        """Signs claims as a compact token; the header gets `alg` and `kid`."""
        from joserfc import jws
        from joserfc.jwk import RSAKey

        payload = json.dumps(claims, separators=(",", ":"), ensure_ascii=True)
        return jws.serialize_compact(
            {"alg": _ALGORITHM, "kid": self.kid, **header},
            payload,
            RSAKey.import_key(self._private_key),
            algorithms=[_ALGORITHM],
        )

    def __repr__(self) -> str:
        return f"IssuerKeys(kid={self.kid!r})"


class EmbeddedIssuer:
    """Mints access tokens (RFC 9068) and describes itself (OpenID Connect Discovery 1.0).

    Args:
        keys: the signing key.
        issuer_url: its `iss`, an absolute URL without a slash at its end; the documents of
            `discovery()` and `jwks()` are to be served below it.
        audience: the `aud` of its tokens.
        clock: tells the present.
        new_token_id: makes a `jti`.

    Raises:
        Invalid: ISSUER_INVALID.
    """

    def __init__(
        self,
        keys: SigningKeys,
        issuer_url: str,
        audience: str,
        clock: Clock,
        new_token_id: Callable[[], str] = lambda: secrets.token_hex(16),
    ) -> None:
        _check_issuer_url(issuer_url)
        if not is_clean_name(audience):
            raise Invalid(
                "ISSUER_INVALID", "The audience is 1 to 256 characters.", field="audience"
            )
        self.issuer_url = issuer_url
        self.audience = audience
        self._keys = keys
        self._clock = clock
        self._new_token_id = new_token_id

    def mint(
        self,
        subject: str,
        groups: Collection[str],
        lifetime_seconds: int = 3600,
        service: str | None = None,
        on_behalf_of: str | None = None,
        *,
        via: str | None = None,
        hops: int = 0,
    ) -> str:
        """Makes a signed access token.

        Args:
            subject: whose token it is.
            groups: the groups they are in, at most 200.
            lifetime_seconds: 1 second to 24 hours.
            service: the Meshplane service that will send it, for calls between services.
            on_behalf_of: the subject for whom that service calls.
            via: the execution that acts, where a process calls another for it.
            hops: how many rules and workflows led to that call.

        Raises:
            Invalid: TOKEN_REQUEST, naming the field.
            TooLarge: TOKEN_REQUEST when the token would be longer than 8 KiB.
        """
        _check_mint(subject, groups, lifetime_seconds, service, on_behalf_of)
        now = int(self._clock.now().timestamp())
        claims: dict[str, Any] = {
            "iss": self.issuer_url,
            "aud": self.audience,
            "sub": subject,
            "client_id": service or "meshplane",
            "groups": sorted(set(groups)),
            "iat": now,
            "nbf": now,
            "exp": now + lifetime_seconds,
            "jti": self._new_token_id(),
        }
        if service is not None:
            claims[SERVICE_CLAIM] = service
        if on_behalf_of is not None:
            claims[ON_BEHALF_OF_CLAIM] = on_behalf_of
        if via is not None:
            claims[VIA_CLAIM] = via
        if hops:
            claims[HOPS_CLAIM] = hops
        token = self._keys.sign({"typ": ACCESS_TYPE}, claims)
        if len(token) > MAX_TOKEN_BYTES:
            raise TooLarge(
                "TOKEN_REQUEST",
                "The token would be longer than 8 KiB; name fewer or shorter groups.",
                field="groups",
            )
        return token

    def discovery(self) -> dict[str, Any]:
        """The document for `DISCOVERY_PATH` below the issuer URL.

        It is what a verifier needs to find the keys. OpenID Connect Discovery 1.0 section 3 also
        requires `authorization_endpoint`, `token_endpoint` and `response_types_supported`. They
        are left out: nobody logs in here, tokens come from the command line, and an endpoint that
        does not exist must not be announced; section 4.2 forbids a member with an empty list.
        `id_token_signing_alg_values_supported` stands because the section requires it, and
        verifiers read from it which algorithm to expect; no ID tokens are issued.
        """
        return {
            "issuer": self.issuer_url,
            "jwks_uri": self.issuer_url + KEYS_PATH,
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [_ALGORITHM],
            "claims_supported": [
                "iss",
                "aud",
                "sub",
                "client_id",
                "groups",
                "iat",
                "nbf",
                "exp",
                "jti",
            ],
        }

    def jwks(self) -> dict[str, Any]:
        """The document for `KEYS_PATH` below the issuer URL: public keys only."""
        return self._keys.jwks()

    def trusted(self, *, may_name_services: bool = False) -> TrustedIssuer:
        """This issuer as one that a `TokenVerifier` trusts.

        Args:
            may_name_services: True only where services call each other. At the door to the
                outside it stays False, and a token of a service is refused there.
        """
        return TrustedIssuer(
            issuer=self.issuer_url,
            keys=self._keys.source(),
            audiences=frozenset({self.audience}),
            may_name_services=may_name_services,
        )


def thumbprint(jwk: dict[str, str]) -> str:
    """The thumbprint of an RSA key (RFC 7638 section 3): SHA-256 over its required members."""
    required = {name: jwk[name] for name in ("e", "kty", "n")}
    canonical = json.dumps(required, separators=(",", ":"), sort_keys=True)
    return encode_base64url(hashlib.sha256(canonical.encode("utf-8")).digest())


def _encode_number(number: int) -> str:
    return encode_base64url(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def _check_issuer_url(issuer_url: str) -> None:
    parts = urlsplit(issuer_url)
    sound = (
        parts.scheme in ("http", "https")
        and parts.hostname
        and parts.username is None
        and not (parts.query or parts.fragment or issuer_url.endswith(("/", "?", "#")))
        and is_clean_name(issuer_url)
    )
    if not sound:
        raise Invalid(
            "ISSUER_INVALID",
            "The issuer is an http or https URL without user, query, fragment or final slash.",
            field="issuer_url",
        )


def _check_mint(
    subject: str,
    groups: Collection[str],
    lifetime_seconds: int,
    service: str | None,
    on_behalf_of: str | None,
) -> None:
    names = {"subject": subject, "service": service, "on_behalf_of": on_behalf_of}
    for field, name in names.items():
        if (name is not None or field == "subject") and not is_clean_name(name):
            raise Invalid(
                "TOKEN_REQUEST", f"The {field} is 1 to 256 printable characters.", field=field
            )
    if isinstance(groups, str) or len(groups) > MAX_GROUPS or not all(map(is_clean_name, groups)):
        raise Invalid(
            "TOKEN_REQUEST",
            f"The groups are at most {MAX_GROUPS} names of 1 to 256 printable characters.",
            field="groups",
        )
    if not 1 <= lifetime_seconds <= _MAX_LIFETIME_SECONDS:
        raise Invalid(
            "TOKEN_REQUEST", "A token lives 1 second to 24 hours.", field="lifetime_seconds"
        )
    if on_behalf_of is not None and service is None:
        raise Invalid(
            "TOKEN_REQUEST", "Only a service acts on behalf of somebody.", field="on_behalf_of"
        )


def new_key_pem() -> str:
    """A new signing key in PEM."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def _create_key_file(path: Path) -> None:
    pem = new_key_pem().encode()
    temporary = path.with_name(f".{KEY_FILE}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        try:
            # A rename would replace the key of a process that came first; a link never does.
            os.link(temporary, path)
        except FileExistsError:
            return
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read_key_file(path: Path) -> bytes:
    with path.open("rb") as file:
        # The open file is asked, not the path: it cannot be exchanged in between.
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_KEY_FILE_BYTES:
            raise _damaged(f"The file {path}")
        if status.st_uid not in (0, os.geteuid()):
            raise Invalid(
                "ISSUER_KEY_EXPOSED",
                f"The issuer's key {path} belongs to another user of this machine, who can sign "
                "tokens with it; delete it, or `chown` it if that user is you.",
            )
        if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise Invalid(
                "ISSUER_KEY_EXPOSED",
                f"Others may read the issuer's key {path}. Whoever read it can sign tokens: "
                "delete it, so that a new one is made, or run `chmod 600` if nobody did.",
            )
        return file.read()


def _parse_key(pem: bytes, where: str) -> "RSAPrivateKey":
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _damaged(where) from None
    if not isinstance(key, RSAPrivateKey):
        raise _damaged(where)
    return key


def _damaged(where: str) -> Invalid:
    return Invalid(
        "ISSUER_KEY_DAMAGED",
        f"{where} holds no RSA private key in PEM form; restore it from a backup, or "
        "delete it, so that a new key is made and all tokens become invalid.",
    )
