"""Matchers: each says whether it accepts a token of an event. None of them tries anything twice.

What they mean: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
"""

import re
from dataclasses import dataclass
from typing import Protocol

from meshplane.events.pattern_refusals import bad_pattern
from meshplane.events.pattern_tokens import Token, address, looks_like_address
from meshplane.events.pattern_wildcard import matches_pieces


class Matcher(Protocol):
    """A condition on the value of one field."""

    def accepts(self, token: Token) -> bool:
        """Whether the value with this token satisfies it."""
        ...


class Anything:
    """Any value, null too: the field is there."""

    def accepts(self, token: Token) -> bool:
        """Always."""
        return True


@dataclass(frozen=True, slots=True)
class Prefix:
    """A string that begins with one of these."""

    texts: tuple[str, ...]

    def accepts(self, token: Token) -> bool:
        """Whether it is a string with such a beginning."""
        return isinstance(token, str) and token.startswith(self.texts)


@dataclass(frozen=True, slots=True)
class Suffix:
    """A string that ends with one of these."""

    texts: tuple[str, ...]

    def accepts(self, token: Token) -> bool:
        """Whether it is a string with such an end."""
        return isinstance(token, str) and token.endswith(self.texts)


def _cases(character: str) -> list[str]:
    """A character in lower and in upper case; either may be several characters.

    Characters beyond the first plane stay as they are, as they do to Java.
    """
    if ord(character) > 0xFFFF:
        return [character]
    return sorted({character.lower(), character.upper()})


def _one_after_another(forms: list[list[str]]) -> re.Pattern[str]:
    return re.compile("".join(f"(?:{'|'.join(map(re.escape, either))})" for either in forms))


class EqualsIgnoringCase:
    """A string that equals this one but for upper and lower case."""

    def __init__(self, text: str) -> None:
        self._form = _one_after_another([_cases(character) for character in text])

    def accepts(self, token: Token) -> bool:
        """Whether it is such a string."""
        return isinstance(token, str) and self._form.fullmatch(token) is not None


class PrefixIgnoringCase:
    """A string that begins with this one but for upper and lower case."""

    def __init__(self, text: str) -> None:
        self._form = _one_after_another([_cases(character) for character in text])

    def accepts(self, token: Token) -> bool:
        """Whether it is a string with such a beginning."""
        return isinstance(token, str) and self._form.match(token) is not None


class SuffixIgnoringCase:
    """A string that ends with this one but for upper and lower case."""

    def __init__(self, text: str) -> None:
        forms = [_cases(character) for character in reversed(text)]
        self._longest = sum(max(map(len, either)) for either in forms)
        self._form = _one_after_another([[form[::-1] for form in either] for either in forms])

    def accepts(self, token: Token) -> bool:
        """Whether it is a string with such an end; read backwards, so that it is read once."""
        if not isinstance(token, str):
            return False
        start = max(0, len(token) - self._longest)
        return self._form.match(token[start:][::-1]) is not None


@dataclass(frozen=True, slots=True)
class Wildcard:
    """A string of these pieces with anything between them."""

    pieces: tuple[str, ...]

    def accepts(self, token: Token) -> bool:
        """Whether it is such a string."""
        return isinstance(token, str) and matches_pieces(self.pieces, token)


@dataclass(frozen=True, slots=True)
class NumberRange:
    """A number between two others, in millionths; the ends belong to it."""

    lowest: int
    highest: int

    def accepts(self, token: Token) -> bool:
        """Whether it is a number in the range."""
        return isinstance(token, int) and self.lowest <= token <= self.highest


@dataclass(frozen=True, slots=True)
class AddressRange:
    """An IP address between two others of the same version; the ends belong to it."""

    version: int
    lowest: int
    highest: int

    def accepts(self, token: Token) -> bool:
        """Whether it is the text of an address in the range."""
        found = address(token) if isinstance(token, str) else None
        return (
            found is not None
            and found[0] == self.version
            and self.lowest <= found[1] <= self.highest
        )


@dataclass(frozen=True, slots=True)
class AnythingBut:
    """Any value whose token is none of these."""

    tokens: frozenset[Token]

    def accepts(self, token: Token) -> bool:
        """Whether it is another value."""
        return token not in self.tokens


@dataclass(frozen=True, slots=True)
class NoneOf:
    """Any value that none of these accepts; a value of another type is one."""

    excluded: tuple[Matcher, ...]

    def accepts(self, token: Token) -> bool:
        """Whether none of them accepts it."""
        return not any(matcher.accepts(token) for matcher in self.excluded)


def address_range(text: str) -> AddressRange:
    """The addresses of a CIDR block, from the address that is given to the end of its block.

    Raises:
        InvalidEventPattern: it is no block of IPv4 or IPv6.
    """
    parts = text.rstrip("/").split("/")
    if len(parts) != 2:
        raise bad_pattern("Malformed CIDR, one '/' required")
    if not re.fullmatch(r"[+-]?[0-9]{1,10}", parts[1]) or not -(2**31) <= int(parts[1]) < 2**31:
        raise bad_pattern("Malformed CIDR, mask bits must be an integer")
    mask_bits = int(parts[1])
    if mask_bits < 0:
        raise bad_pattern("Malformed CIDR, mask bits must not be negative")
    found = address(parts[0])
    if found is None:
        kind = "Invalid" if looks_like_address(parts[0]) else "Nonstandard"
        raise bad_pattern(f"{kind} IP address: {parts[0]}")
    version, number = found
    width = 32 if version == 4 else 128
    if mask_bits >= width:
        raise bad_pattern(f"IPv{version} mask bits must be < {width}")
    return AddressRange(version, number, number | (1 << width - mask_bits) - 1)
