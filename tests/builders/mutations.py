"""Small and large damage to requests that are good, drawn from a seeded source of chance."""

import copy
import json
from collections.abc import Callable
from random import Random
from typing import Any

from tests.builders.request import Request

# Written with escapes, so that none of them is lost between an editor and a terminal.
STRINGS = (
    "",
    " ",
    "a",
    "null",
    "undefined",
    "\0",
    "\r\n",
    "\x1b[31m",
    "\u202etxt",
    "\ufeff",
    "\u0661\u0662",
    "\U0001f642" * 40,
    "x" * 201,
    "x" * 5000,
    "%00",
    "%s%n{0}",
    "../../x",
    "C:\\x",
    "'; DROP TABLE x; --",
    '" OR 1=1',
    "${jndi:ldap://x}",
    "{{7*7}}",
    "<script>",
    "=1+1",
    "user:",
    "group:*",
    "user:a@b",
    "project:proj-1",
    "proj-1",
    "2026-13-45T99:99:99Z",
    "9999-12-31T23:59:59-14:00",
    "-1",
    "1e309",
    "SELECT 1",
    "SELECT * FROM readings",
    "level > 1",
    "Rules = [ RowCount > 1 ]",
    "a: &a [*a]",
    "decimal(38,38)",
    "bucket[2147483648]",
    "restricted",
)
NUMBERS: tuple[Any, ...] = (0, -1, 1, 2**31, 2**53, 2**63, 2**64, 10**40, 0.1, -0.0, 1e308, 5e-324)
OTHERS: tuple[Any, ...] = (
    None,
    True,
    False,
    [],
    {},
    [[]],
    [None],
    {"": ""},
    [1, "a", None],
    {"a": {}},
)
RAW = (
    b"{",
    b"}",
    b'"',
    b"\\",
    b"\x00",
    b"\xff",
    b"\\ud800",
    b"1e999",
    b"NaN",
    b",",
    b"[[[[",
    b"//",
)


def mutated(request: Request, chance: Random) -> Request:
    """A copy of the request with one to three things changed."""
    changed = copy.deepcopy(request)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        changed = chance.choice(_WAYS)(changed, chance)
    return changed


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    parts: Any = ()
    if isinstance(value, dict):
        parts = value.items()
    elif isinstance(value, list):
        parts = enumerate(value)
    for key, part in parts:
        found += _places(part, (*path, key))
    return found


def _anything(chance: Random) -> Any:
    return copy.deepcopy(chance.choice(chance.choice((STRINGS, NUMBERS, OTHERS))))


def _replace(request: Request, chance: Random) -> Request:
    places = _places(request.json)
    if places:
        *way, last = chance.choice(places)
        part = request.json
        for step in way:
            part = part[step]
        part[last] = _anything(chance)
    return request


def _bend_text(request: Request, chance: Random) -> Request:
    """Puts something into a text, or cuts it."""
    places = _places(request.json)
    if not places:
        return request
    *way, last = chance.choice(places)
    part = request.json
    for step in way:
        part = part[step]
    if isinstance(part[last], str):
        text = part[last]
        at = chance.randint(0, len(text))
        part[last] = chance.choice(
            (text[:at] + chance.choice(STRINGS) + text[at:], text[:at], text * 2, text.swapcase())
        )
    return request


def _drop_or_add(request: Request, chance: Random) -> Request:
    if isinstance(request.json, dict) and request.json:
        if chance.random() < 0.5:
            del request.json[chance.choice(list(request.json))]
        else:
            request.json[chance.choice(STRINGS)] = _anything(chance)
    return request


def _deepen(request: Request, chance: Random) -> Request:
    if isinstance(request.json, dict) and request.json:
        value: Any = _anything(chance)
        for _ in range(chance.choice((3, 60, 98, 120))):
            value = [value] if chance.random() < 0.5 else {"a": value}
        request.json[chance.choice(list(request.json))] = value
    return request


def _damage_bytes(request: Request, chance: Random) -> Request:
    """Changes, removes or adds bytes of the body as it will be sent."""
    if request.content is None:
        if request.json is None:
            return request
        request.content = json.dumps(request.json).encode()
        request.headers["Content-Type"] = "application/json"
    body = bytearray(request.content)
    for _ in range(chance.randint(1, 4)):
        at = chance.randint(0, len(body))
        way = chance.randint(0, 3)
        if way == 0:
            body[at:at] = chance.choice(RAW)
        elif way == 1:
            del body[at : at + chance.randint(1, 30)]
        elif way == 2 and at < len(body):
            body[at] = chance.randrange(256)
        else:
            body[at:at] = body[at : at + 60]
    request.content = bytes(body)
    return request


def _change_headers(request: Request, chance: Random) -> Request:
    name = chance.choice(
        ("If-Match", "Idempotency-Key", "Content-Type", "Accept", "Content-Encoding", "traceparent")
    )
    text = chance.choice((*STRINGS, '"1"', "gzip", "application/json; charset=utf-16", "*/*"))
    if text.isascii() and text.isprintable():
        request.headers[name] = text[:4000].strip()
    return request


def _change_path(request: Request, chance: Random) -> Request:
    parts = request.path.split("/")
    at = chance.randrange(1, len(parts))
    quoted = "".join(f"%{byte:02x}" for byte in chance.choice(STRINGS).encode())
    parts[at] = chance.choice((quoted, parts[at] + quoted[:60], parts[at][:-1] or "x"))
    request.path = "/".join(parts)
    if chance.random() < 0.3:
        request.path += f"?{chance.choice(('limit', 'cursor', 'x', ''))}={quoted[:60]}"
    return request


_WAYS: tuple[Callable[[Request, Random], Request], ...] = (
    _replace,
    _replace,
    _replace,
    _bend_text,
    _bend_text,
    _drop_or_add,
    _deepen,
    _damage_bytes,
    _change_headers,
    _change_path,
)
