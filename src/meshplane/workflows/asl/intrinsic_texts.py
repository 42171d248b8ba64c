"""Intrinsic functions of texts, and of JSON written as text."""

import base64
import binascii
import hashlib
import json
import re
from typing import Any

from meshplane.workflows.asl.errors import json_text
from meshplane.workflows.asl.intrinsic_arguments import IntrinsicFailed, text

LONGEST_CODED_CHARACTERS = 10_000
LONGEST_RESULT_CHARACTERS = 1_000_000

_HASHES = {
    "MD5": "md5",
    "SHA-1": "sha1",
    "SHA-256": "sha256",
    "SHA-384": "sha384",
    "SHA-512": "sha512",
}
_PIECE = re.compile(r"\\(.)|(\{\})|[^\\{]+|.", re.DOTALL)


def format_text(raw: str, values: list[Any]) -> str:
    r"""`States.Format`: a text with `{}` replaced by values in their order.

    Args:
        raw: the text; `\{`, `\}`, `\'` and `\\` stand for the characters themselves.
        values: what comes in the places.
    """
    raw = text(raw, "first")
    parts: list[str] = []
    used = 0
    for match in _PIECE.finditer(raw):
        escaped, place = match.groups()
        if place is not None:
            if used < len(values):
                parts.append(_shown(values[used]))
            used += 1
        elif escaped is not None:
            parts.append(escaped if escaped in "'\\{}" else match.group())
        else:
            parts.append(match.group())
    if used != len(values):
        raise IntrinsicFailed(
            f"The template has {used} placeholders, but {len(values)} arguments were given"
        )
    if sum(map(len, parts)) > LONGEST_RESULT_CHARACTERS:
        raise IntrinsicFailed(f"The result exceeds {LONGEST_RESULT_CHARACTERS} characters")
    return "".join(parts)


def parse_json(value: Any) -> Any:
    """`States.StringToJson`, and `$parse`. A blank text is null."""
    source = text(value, "first")
    if not source.strip():
        return None
    try:
        return json.loads(source, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise IntrinsicFailed("The string is not valid JSON") from None


def to_json(value: Any) -> str:
    """`States.JsonToString`."""
    return json_text(value)


def encode(value: Any) -> str:
    """`States.Base64Encode`."""
    source = text(value, "first", LONGEST_CODED_CHARACTERS)
    return base64.b64encode(source.encode("utf-8", "replace")).decode("ascii")


def decode(value: Any) -> str:
    """`States.Base64Decode`."""
    source = text(value, "first", LONGEST_CODED_CHARACTERS)
    padded = source + "=" * (-len(source) % 4)
    try:
        return base64.b64decode(padded, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        raise IntrinsicFailed("The string is not valid Base64") from None


def digest(value: Any, algorithm: Any) -> str:
    """`States.Hash`, and `$hash`: the digest of a text (of other values, of their JSON)."""
    name = _HASHES.get(text(algorithm, "second"))
    if name is None:
        raise IntrinsicFailed(f"The algorithm must be one of {', '.join(_HASHES)}")
    source = value if isinstance(value, str) else json_text(value)
    source = text(source, "first", LONGEST_CODED_CHARACTERS)
    # MD5 and SHA-1 are of the language; nobody's safety rests on them here.
    found = hashlib.new(name, source.encode("utf-8", "replace"), usedforsecurity=False)
    return found.hexdigest()


def split(value: Any, separators: Any) -> list[str]:
    """`States.StringSplit`: the parts between any of the separators' characters; no empty ones."""
    source = text(value, "first")
    marks = set(text(separators, "second"))
    if not marks:
        return [source]
    pattern = "[" + "".join(re.escape(mark) for mark in sorted(marks)) + "]"
    return [part for part in re.split(pattern, source) if part]


def merge(first: Any, second: Any, deep: Any) -> dict[str, Any]:
    """`States.JsonMerge`: members of two objects; those of the second win."""
    if not isinstance(first, dict) or not isinstance(second, dict):
        raise IntrinsicFailed("The first two arguments must be objects")
    if deep is not False:
        raise IntrinsicFailed("Only the shallow mode is supported: the third argument is false")
    return {**first, **second}


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json_text(value)


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)
