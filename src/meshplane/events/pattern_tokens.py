"""Tokens: what is compared, made from a value of an event or of a pattern.

Two values are the same to a pattern when their tokens are equal, so that an exact match is a
look-up in a set:

- a string is itself;
- a number is its count of millionths, an `int`: 300, 300.0 and 3.0e2 are one token;
- a number that EventBridge cannot compare is a tuple of its text, and so are true, false and null;
- an IP address in a pattern is a tuple of its version and its number.

Comparison of numbers follows https://github.com/aws/event-ruler#numeric-matching: values from
-5.0e9 to 5.0e9, six digits right of the decimal point; further digits are cut off.
"""

import ipaddress
import re
from decimal import ROUND_DOWN, Context, Decimal, InvalidOperation

Token = str | int | tuple[object, ...]

TRUE: Token = ("true",)
FALSE: Token = ("false",)
NULL: Token = ("null",)

_MILLION = 1_000_000
_FARTHEST = 5_000_000_000
_EXACT = Context(prec=60, rounding=ROUND_DOWN)
_MOST_BITS_WRITTEN = 10_000

_IPV4 = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+")
_IPV6 = re.compile(r"[0-9a-fA-F:]+")
_LONGEST_IPV4, _LONGEST_IPV6 = 15, 39


def token_of_number(text: str) -> Token:
    """The token of a number from its text."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return (text,)
    if not number.is_finite():
        return (text,)
    if not number:
        return 0
    # Before any arithmetic: 1e999999 must not be written out.
    if number.adjusted() > 9 or abs(number) > _FARTHEST:
        return (text,)
    return int(_EXACT.scaleb(number, 6)) if number.adjusted() >= -6 else 0


def token_of_int(number: int) -> Token:
    """The token of an integer."""
    if -_FARTHEST <= number <= _FARTHEST:
        return number * _MILLION
    return (str(number) if number.bit_length() <= _MOST_BITS_WRITTEN else hex(number),)


def token_of_float(number: float) -> Token:
    """The token of a float, from its shortest text."""
    if number.is_integer() and -_FARTHEST <= number <= _FARTHEST:
        return int(number) * _MILLION
    return token_of_number(repr(number))


def address(text: str) -> tuple[int, int] | None:
    """The version and number of an IP address, or None when the text is none.

    An IPv6 address that maps an IPv4 one is that IPv4 address, as it is to Java.
    """
    if _IPV4.fullmatch(text):
        return _ipv4(text)
    if len(text) > _LONGEST_IPV6 or not looks_like_address(text):
        return None
    try:
        found = ipaddress.IPv6Address(text)
    except ValueError:
        return None
    if found.ipv4_mapped is not None:
        return 4, int(found.ipv4_mapped)
    return 6, int(found)


def looks_like_address(text: str) -> bool:
    """Whether the text has the characters of an address, though it may be none."""
    return bool(_IPV4.fullmatch(text)) or (":" in text and bool(_IPV6.fullmatch(text)))


def _ipv4(text: str) -> tuple[int, int] | None:
    parts = [int(part) for part in text.split(".")] if len(text) <= _LONGEST_IPV4 else [256]
    if max(parts) > 255:
        return None
    return 4, int.from_bytes(bytes(parts), "big")
