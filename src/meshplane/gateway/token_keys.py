"""The public keys that tokens are checked against: JSON Web Keys (RFC 7517), read strictly.

A key serves exactly one algorithm, which the key decides and never the token. In a set, a key that
cannot serve is passed over, as RFC 7517 section 5 asks; a set in which two keys answer to the same
name is refused.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from meshplane.gateway.token_parts import decode_base64url
from meshplane.kit.errors import Invalid, Unauthenticated

_MAX_KEYS = 100
_RSA_MIN_BITS = 2048
_RSA_MAX_BITS = 8192
_RSA_MAX_EXPONENT_BITS = 33
_RSA_ALGORITHMS = frozenset({"RS256", "PS256"})

# The curve P-256: y² = x³ - 3x + b over the integers modulo p (FIPS 186-4, D.1.2.3).
_P256_PRIME = 2**256 - 2**224 + 2**192 + 2**96 - 1
_P256_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
_P256_BYTES = 32


def load_cryptography() -> None:
    """Imports what checking a signature takes, so that the first request does not wait for it."""
    import joserfc.jwk
    import joserfc.jws  # noqa: F401


class VerificationKey:
    """One public key and the one algorithm that it serves.

    The cryptography behind it is loaded on first use, or by `load()`: it takes tens of
    milliseconds that a starting server does not have.
    """

    __slots__ = ("_check", "_jwk", "algorithm", "key_id")

    def __init__(self, key_id: str | None, algorithm: str, jwk: Mapping[str, str]) -> None:
        self.key_id = key_id
        self.algorithm = algorithm
        self._jwk = dict(jwk)
        self._check: tuple[Any, Any] | None = None

    def load(self) -> tuple[Any, Any]:
        """Prepares the algorithm and the key, once."""
        if self._check is None:
            from joserfc.jwk import ECKey, RSAKey
            from joserfc.jws import JWSRegistry

            model = JWSRegistry(algorithms=[self.algorithm]).get_alg(self.algorithm)
            key = (ECKey if self._jwk["kty"] == "EC" else RSAKey).import_key({**self._jwk})
            model.check_key(key)
            self._check = (model, key)
        return self._check

    def verify(self, signing_input: bytes, signature: bytes) -> bool:
        """Whether the signature over these bytes was made with this key."""
        model, key = self._check or self.load()
        return bool(model.verify(signing_input, signature, key))

    def same_as(self, other: "VerificationKey") -> bool:
        """Whether both are the same key under the same name."""
        return (self.key_id, self.algorithm, self._jwk) == (
            other.key_id,
            other.algorithm,
            other._jwk,
        )


class KeySet:
    """Keys by name and algorithm; it does not change."""

    def __init__(self, keys: Sequence[VerificationKey]) -> None:
        """Takes the keys of one issuer.

        Raises:
            Invalid: KEY_SET_AMBIGUOUS when two keys of one algorithm share a name.
        """
        self.keys = tuple(keys)
        self._by_name = {(key.key_id, key.algorithm): key for key in keys}
        if len(self._by_name) != len(self.keys):
            raise Invalid(
                "KEY_SET_AMBIGUOUS",
                "Two keys of the key set have the same kid and algorithm; give each its own kid.",
            )

    def find(self, key_id: str | None, algorithm: str) -> VerificationKey | None:
        """The key of that name and algorithm.

        A token without a `kid` is checked only when exactly one key serves its algorithm: keys
        are not tried one after the other.
        """
        if key_id is not None:
            return self._by_name.get((key_id, algorithm))
        fitting = [key for key in self.keys if key.algorithm == algorithm]
        return fitting[0] if len(fitting) == 1 else None

    def has_key_id(self, key_id: str) -> bool:
        """Whether some key has that name, for whatever algorithm."""
        return any(key.key_id == key_id for key in self.keys)

    def same_as(self, other: "KeySet") -> bool:
        """Whether both hold the same keys in the same order."""
        return len(self.keys) == len(other.keys) and all(
            mine.same_as(theirs) for mine, theirs in zip(self.keys, other.keys, strict=True)
        )


NO_KEYS = KeySet(())


class KeySource(Protocol):
    """Where the keys of an issuer come from."""

    def current(self, now_epoch_seconds: float) -> KeySet:
        """The keys to trust now. The same object is returned until the keys change."""
        ...

    def is_refresh_due(self, now_epoch_seconds: float) -> bool:
        """Whether `refresh` would look for new keys now, or wait for a look under way."""
        ...

    async def refresh(self) -> None:
        """Looks for new keys, if it is due. A failure leaves the keys as they are."""
        ...


class StaticKeys:
    """Keys that were given once: those of the embedded issuer, or of a configured file."""

    def __init__(self, jwks: Mapping[str, Any]) -> None:
        """Takes a JWK set.

        Raises:
            Invalid: KEY_SET_INVALID, KEY_SET_EMPTY or KEY_SET_AMBIGUOUS.
        """
        self._keys = read_key_set(jwks)

    def current(self, now_epoch_seconds: float) -> KeySet:
        """The keys that were given."""
        return self._keys

    def is_refresh_due(self, now_epoch_seconds: float) -> bool:
        """Never: there is nowhere to look."""
        return False

    async def refresh(self) -> None:
        """Does nothing: the keys do not change."""


def read_key_set(document: Mapping[str, Any]) -> KeySet:
    """Reads a JWK set, or a single JWK, and keeps the keys that can verify a signature.

    Raises:
        Invalid: KEY_SET_INVALID when it is no key set, KEY_SET_EMPTY when no key in it can serve,
            KEY_SET_AMBIGUOUS when two have the same name.
    """
    entries = document.get("keys") if "keys" in document else [document]
    if not isinstance(entries, list) or len(entries) > _MAX_KEYS:
        raise Invalid(
            "KEY_SET_INVALID", f"A key set is a JSON object with 'keys': at most {_MAX_KEYS} keys."
        )
    keys = [key for key in map(_read_key, entries) if key is not None]
    if not keys:
        raise Invalid(
            "KEY_SET_EMPTY",
            "The key set has no public key that can verify a signature with RS256, PS256 or ES256.",
        )
    return KeySet(keys)


def _read_key(jwk: object) -> VerificationKey | None:
    """The key, or nothing when it cannot serve."""
    if not isinstance(jwk, Mapping) or not _is_for_verifying(jwk):
        return None
    key_id = jwk.get("kid")
    if key_id is not None and (not isinstance(key_id, str) or not key_id):
        return None
    try:
        if jwk.get("kty") == "RSA":
            return _read_rsa(jwk, key_id)
        if jwk.get("kty") == "EC":
            return _read_p256(jwk, key_id)
    except Unauthenticated:  # a number of the key is not base64url
        return None
    return None


def _is_for_verifying(jwk: Mapping[str, Any]) -> bool:
    # A private key that was published is everybody's.
    if "d" in jwk or jwk.get("use", "sig") != "sig":
        return False
    operations = jwk.get("key_ops", ["verify"])
    return isinstance(operations, list) and "verify" in operations


def _read_rsa(jwk: Mapping[str, Any], key_id: str | None) -> VerificationKey | None:
    # PS256 only where the key says so; RS256 is what a silent RSA key means in OpenID Connect.
    algorithm = jwk.get("alg", "RS256")
    modulus_text, exponent_text = jwk.get("n"), jwk.get("e")
    if not (isinstance(modulus_text, str) and isinstance(exponent_text, str)):
        return None
    if not isinstance(algorithm, str) or algorithm not in _RSA_ALGORITHMS:
        return None
    modulus, exponent = _number(modulus_text), _number(exponent_text)
    sound = (
        _RSA_MIN_BITS <= modulus.bit_length() <= _RSA_MAX_BITS
        and modulus % 2 == 1
        and exponent >= 3
        and exponent % 2 == 1
        and exponent.bit_length() <= _RSA_MAX_EXPONENT_BITS
    )
    if not sound:
        return None
    return VerificationKey(key_id, algorithm, {"kty": "RSA", "n": modulus_text, "e": exponent_text})


def _read_p256(jwk: Mapping[str, Any], key_id: str | None) -> VerificationKey | None:
    x_text, y_text = jwk.get("x"), jwk.get("y")
    if not (isinstance(x_text, str) and isinstance(y_text, str)):
        return None
    if jwk.get("alg", "ES256") != "ES256" or jwk.get("crv") != "P-256":
        return None
    if len(decode_base64url(x_text)) != _P256_BYTES or len(decode_base64url(y_text)) != _P256_BYTES:
        return None
    x, y = _number(x_text), _number(y_text)
    on_curve = (y * y - (x * x * x - 3 * x + _P256_B)) % _P256_PRIME == 0
    if x >= _P256_PRIME or y >= _P256_PRIME or not on_curve:
        return None
    return VerificationKey(key_id, "ES256", {"kty": "EC", "crv": "P-256", "x": x_text, "y": y_text})


def _number(text: str) -> int:
    return int.from_bytes(decode_base64url(text), "big")
