"""The one place where a signature is checked."""

from collections.abc import Mapping
from typing import Any

from meshplane.gateway.token_keys import KeySet, read_key_set
from meshplane.gateway.token_parts import CompactToken, read_compact
from meshplane.kit.errors import Unauthenticated


class UnknownKey(Unauthenticated):
    """No key that we hold has the name that the token gives; the issuer may have a newer one."""

    def __init__(self) -> None:
        super().__init__(
            "TOKEN_SIGNATURE", "The token is signed with a key that its issuer is not known to use."
        )


def check_signature(token: str | CompactToken, keys: KeySet | Mapping[str, Any]) -> bytes:
    """Verifies the signature of a compact token and returns its payload.

    Args:
        token: the compact text, or what `read_compact` made of it.
        keys: the key set of the issuer, or a JWK or JWK set.

    Raises:
        Unauthenticated: TOKEN_MALFORMED; TOKEN_ALGORITHM when the named key serves another
            algorithm; TOKEN_SIGNATURE when no key has that name (`UnknownKey`) or it does not fit.
        Invalid: the JWK set cannot be used (see `read_key_set`).
    """
    parts = read_compact(token) if isinstance(token, str) else token
    key_set = keys if isinstance(keys, KeySet) else read_key_set(keys)
    key = key_set.find(parts.key_id, parts.algorithm)
    if key is None:
        if parts.key_id is not None and key_set.has_key_id(parts.key_id):
            raise Unauthenticated(
                "TOKEN_ALGORITHM", "The token names an algorithm that its key is not made for."
            )
        raise UnknownKey
    if not key.verify(parts.signing_input, parts.signature):
        raise Unauthenticated(
            "TOKEN_SIGNATURE", "The signature of the token does not fit its content."
        )
    return parts.payload
