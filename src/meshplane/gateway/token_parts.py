"""Takes a token apart: compact serialisation (RFC 7515 section 7.1), read strictly.

Nothing here is trusted yet. What two readers could understand differently is refused: a name that
stands twice in one object, base64url that has more than one spelling, deep nesting, and headers
that tell the reader where to find the key.
"""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from meshplane.kit.errors import Unauthenticated

MAX_TOKEN_BYTES = 8 * 1024
SUPPORTED_ALGORITHMS = frozenset({"RS256", "ES256", "PS256"})

_MAX_HEADER_CHARACTERS = 2048
_MAX_KEY_ID_CHARACTERS = 256
_MAX_DEPTH = 32

_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)\.([A-Za-z0-9_-]*)")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")
# An unterminated string matches to the end of the text: the scan stays linear for any input.
_JSON_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")

# A key, or the place of a key, that the sender chose proves nothing (RFC 8725 sections 3.10,
# 3.11). `crit` and `b64` change how the token is to be read (RFC 7515 section 4.1.11, RFC 7797);
# no extension is supported here. `zip` belongs to encrypted tokens.
_REFUSED_HEADERS = frozenset({"jwk", "jku", "x5u", "x5c", "crit", "b64", "zip"})


@dataclass(frozen=True, slots=True)
class CompactToken:
    """A token taken apart, not yet verified.

    `key_id` is the `kid` header, `token_type` the `typ` header in lower case without the
    `application/` that RFC 7515 section 4.1.9 lets a sender leave out.
    """

    algorithm: str
    key_id: str | None
    token_type: str | None
    payload: bytes
    signing_input: bytes
    signature: bytes


def malformed(message: str) -> Unauthenticated:
    """The error for a token that cannot be read as one."""
    return Unauthenticated("TOKEN_MALFORMED", message)


def read_compact(token: str) -> CompactToken:
    """Takes a compact token apart and checks its header.

    Raises:
        Unauthenticated: TOKEN_MALFORMED, or TOKEN_ALGORITHM for one that is not supported.
    """
    if len(token) > MAX_TOKEN_BYTES:
        raise malformed("The token is longer than 8 KiB.")
    match = _COMPACT.fullmatch(token)
    if match is None:
        raise malformed(
            "The token is not a signed token in compact form: three base64url parts joined by dots."
        )
    header_text, payload_text, signature_text = match.groups()
    if len(header_text) > _MAX_HEADER_CHARACTERS:
        raise malformed("The header of the token is too long.")
    header = read_json_object(decode_base64url(header_text))
    algorithm = _algorithm(header)
    refused = _REFUSED_HEADERS.intersection(header)
    if refused:
        raise malformed(
            f"The header of the token carries '{min(refused)}', which is never accepted here."
        )
    return CompactToken(
        algorithm=algorithm,
        key_id=_key_id(header),
        token_type=_token_type(header),
        payload=decode_base64url(payload_text),
        signing_input=f"{header_text}.{payload_text}".encode("ascii"),
        signature=decode_base64url(signature_text),
    )


def _algorithm(header: Mapping[str, Any]) -> str:
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in SUPPORTED_ALGORITHMS:
        supported = ", ".join(sorted(SUPPORTED_ALGORITHMS))
        raise Unauthenticated(
            "TOKEN_ALGORITHM", f"The token is not signed with a supported algorithm ({supported})."
        )
    return algorithm


def _key_id(header: Mapping[str, Any]) -> str | None:
    if "kid" not in header:
        return None
    key_id = header["kid"]
    # It is only ever compared with the ids of configured keys, never used as a path or a query.
    if not isinstance(key_id, str) or not key_id or len(key_id) > _MAX_KEY_ID_CHARACTERS:
        raise malformed("The key id (kid) of the token is not a text of 1 to 256 characters.")
    if not key_id.isprintable():
        raise malformed("The key id (kid) of the token holds characters that cannot be printed.")
    return key_id


def _token_type(header: Mapping[str, Any]) -> str | None:
    if "typ" not in header:
        return None
    token_type = header["typ"]
    if not isinstance(token_type, str):
        raise malformed("The type (typ) of the token is not a text.")
    return token_type.lower().removeprefix("application/")


def decode_base64url(text: str) -> bytes:
    """Decodes unpadded base64url (RFC 7515 section 2) that is spelled in the one canonical way.

    Raises:
        Unauthenticated: TOKEN_MALFORMED.
    """
    if _BASE64URL.fullmatch(text) is None or len(text) % 4 == 1:
        raise malformed("A part of the token is not base64url.")
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    # Bits after the last whole byte must be zero, or one token would have several spellings.
    if encode_base64url(raw)[-1:] != text[-1:]:
        raise malformed("A part of the token is not base64url in its canonical spelling.")
    return raw


def encode_base64url(raw: bytes) -> str:
    """Encodes as base64url without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def read_json_object(raw: bytes) -> dict[str, Any]:
    """Reads a JSON object: UTF-8, bounded depth, no name twice, no NaN or Infinity.

    Raises:
        Unauthenticated: TOKEN_MALFORMED.
    """
    _check_depth(raw)
    try:
        value = json.loads(
            raw.decode("utf-8"), object_pairs_hook=_object, parse_constant=_no_constant
        )
    except ValueError:  # not UTF-8, not JSON, or a number with thousands of digits
        raise malformed("The header or the claims of the token are not JSON.") from None
    if not isinstance(value, dict):
        raise malformed("The header or the claims of the token are not a JSON object.")
    return value


def _check_depth(raw: bytes) -> None:
    # With so few brackets it cannot be deep; nearly every honest token ends here.
    if raw.count(b"[") + raw.count(b"{") <= _MAX_DEPTH:
        return
    depth = 0
    for bracket in _BRACKET.findall(_JSON_STRING.sub(b"", raw)):
        depth += 1 if bracket in b"[{" else -1
        if depth > _MAX_DEPTH:
            raise malformed(f"The token nests deeper than {_MAX_DEPTH} levels.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise malformed("The token says the same thing twice: a name is repeated in one object.")
    return result


def _no_constant(_name: str) -> None:
    raise ValueError("not a JSON number")
