"""The values that stand in a ruleset: texts, numbers, times and sizes."""

from typing import TYPE_CHECKING

from meshplane.services.quality.dqdl.model import (
    Arithmetic,
    Call,
    Duration,
    Keyword,
    Now,
    Number,
    Numeric,
    Operand,
    Size,
    Text,
)

if TYPE_CHECKING:
    from lark import Token, Tree

SECONDS = {"minutes": 60, "hours": 3600, "days": 86400}
MAX_DIGITS = 40
MAX_DURATION_SECONDS = 1000 * 366 * 86400  # a thousand years


class BadLiteral(Exception):
    """A value that the language does not have."""


def text_of(token: "Token") -> Text:
    r"""A quoted text without its quotes.

    `\"`, `\'` and `\\` stand for the second character in a value; a regular expression keeps its
    backslashes, but for `\"`.
    """
    raw = str(token)[1:-1]
    value, position = [], 0
    while position < len(raw):
        pair = raw[position : position + 2]
        if pair in ('\\"', "\\'", "\\\\"):
            value.append(pair[1])
            position += 2
        else:
            value.append(raw[position])
            position += 1
    return Text("".join(value), raw.replace('\\"', '"'))


def operand(node: "Tree[Token] | Token") -> Operand:
    """The operand that a piece of the parse tree stands for.

    Raises:
        BadLiteral: a number or duration out of bounds, or without a fitting unit.
    """
    from lark import Token

    if isinstance(node, Token):
        if node.type == "STRING":
            return text_of(node)
        if node.type == "KEYWORD":
            return Keyword(str(node))
        return _number(node)
    if node.data == "now":
        return _now(node)
    if node.data == "quantity":
        amount, unit = (str(child) for child in node.children)
        return _duration(amount, unit) if unit in SECONDS else Size(_whole(amount), unit)
    return _numeric(node)


def _number(token: "Token") -> Number:
    if len(token) > MAX_DIGITS:
        raise BadLiteral(f"a number has at most {MAX_DIGITS} digits")
    return Number(str(token))


def _whole(amount: str) -> int:
    if not amount.isascii() or not amount.isdigit() or len(amount) > MAX_DIGITS:
        raise BadLiteral("before a unit stands a whole number")
    return int(amount)


def _duration(amount: str, unit: str) -> Duration:
    seconds = _whole(amount) * SECONDS[unit]
    if seconds > MAX_DURATION_SECONDS:
        raise BadLiteral("a duration is at most a thousand years")
    return Duration(seconds)


def _now(node: "Tree[Token]") -> Now:
    words = [str(child) for child in node.children]
    if len(words) == 1:
        return Now(0)
    _, sign, amount, unit = words
    if unit not in SECONDS:
        raise BadLiteral("after now() + or - stands a number of minutes, hours or days")
    seconds = _duration(amount, unit).seconds
    return Now(seconds if sign == "+" else -seconds)


def _numeric(node: "Tree[Token] | Token") -> Numeric:
    from lark import Token

    if isinstance(node, Token):
        return _number(node)
    if node.data == "negative":
        return Arithmetic(Number("0"), (("-", _numeric(node.children[-1])),))
    if node.data == "call":
        name, *arguments = node.children
        return Call(str(name), tuple(_numeric(argument) for argument in arguments))
    first, *others = node.children
    pairs = zip(others[::2], others[1::2], strict=True)
    return Arithmetic(_numeric(first), tuple((str(sign), _numeric(term)) for sign, term in pairs))
