"""The match expressions of a pattern, `{"prefix": "a"}` and its like, and how they are refused.

Operators and refusals: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
and https://github.com/aws/event-ruler. Where the wording of a refusal looks odd, it is that of
EventBridge.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from meshplane.events.pattern_json import Members, NumberText
from meshplane.events.pattern_matchers import (
    Anything,
    AnythingBut,
    EqualsIgnoringCase,
    Matcher,
    NoneOf,
    NumberRange,
    Prefix,
    PrefixIgnoringCase,
    Suffix,
    SuffixIgnoringCase,
    Wildcard,
    address_range,
)
from meshplane.events.pattern_refusals import bad_pattern
from meshplane.events.pattern_tokens import Token, token_of_number
from meshplane.events.pattern_wildcard import pieces_of

_FARTHEST_MILLIONTHS = 5_000_000_000_000_000

_ONE_KEY = "Only one key allowed in match expression"
_TOO_MANY = "Too many elements in numeric expression"


@dataclass(slots=True)
class Conditions:
    """What the values of one field of a pattern add up to; any of them satisfies it."""

    exact: set[Token] = field(default_factory=set)
    addresses: bool = False
    absent: bool = False
    prefixes: list[str] = field(default_factory=list)
    suffixes: list[str] = field(default_factory=list)
    others: list[Matcher] = field(default_factory=list)
    wildcards: list[str] = field(default_factory=list)

    def matchers(self) -> tuple[Matcher, ...]:
        """The conditions that are no exact values; all prefixes are one, and all suffixes."""
        found: list[Matcher] = []
        if self.prefixes:
            found.append(Prefix(tuple(dict.fromkeys(self.prefixes))))
        if self.suffixes:
            found.append(Suffix(tuple(dict.fromkeys(self.suffixes))))
        return (*found, *self.others)


def add_expression(conditions: Conditions, expression: Members) -> None:
    """Adds a match expression to what a field asks for.

    Raises:
        InvalidEventPattern: it is none.
    """
    if not expression.pairs:
        raise bad_pattern("Match expression name not found")
    name, value = expression.pairs[0]
    if name not in _OPERATORS:
        raise bad_pattern(f"Unrecognized match type {name}")
    _OPERATORS[name](conditions, value)
    if len(expression.pairs) > 1:
        raise bad_pattern(_TOO_MANY if name in {"numeric", "anything-but"} else _ONE_KEY)


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise bad_pattern(f"{name} match pattern must be a string")
    return value


def _exactly(conditions: Conditions, value: Any) -> None:
    conditions.exact.add(_text("exact", value))


def _prefix(conditions: Conditions, value: Any) -> None:
    if isinstance(value, Members):
        conditions.others.append(PrefixIgnoringCase(_folded("Prefix", value)))
    else:
        conditions.prefixes.append(_text("prefix", value))


def _suffix(conditions: Conditions, value: Any) -> None:
    if isinstance(value, Members):
        conditions.others.append(SuffixIgnoringCase(_folded("Suffix", value)))
    else:
        conditions.suffixes.append(_text("suffix", value))


def _folded(operator: str, inner: Members) -> str:
    """The text of `equals-ignore-case` inside prefix or suffix."""
    if not inner.pairs:
        raise bad_pattern(f"{operator} expression name not found")
    name, value = inner.pairs[0]
    if name != "equals-ignore-case":
        raise bad_pattern(f"Unsupported {operator.lower()} pattern: {name}")
    text = _text("equals-ignore-case", value)
    if len(inner.pairs) > 1:
        raise bad_pattern(_ONE_KEY)
    return text


def _equals_ignore_case(conditions: Conditions, value: Any) -> None:
    conditions.others.append(EqualsIgnoringCase(_text("equals-ignore-case", value)))


def _wildcard(conditions: Conditions, value: Any) -> None:
    text = _text("wildcard", value)
    conditions.others.append(Wildcard(pieces_of(text)))
    conditions.wildcards.append(text)


def _exists(conditions: Conditions, value: Any) -> None:
    if not isinstance(value, bool):
        raise bad_pattern("exists match pattern must be either true or false.")
    if value:
        conditions.others.append(Anything())
    else:
        conditions.absent = True


def _cidr(conditions: Conditions, value: Any) -> None:
    if not isinstance(value, str):
        raise bad_pattern("prefix match pattern must be a string")
    conditions.others.append(address_range(value))


def _numeric(conditions: Conditions, value: Any) -> None:
    if not isinstance(value, list):
        raise bad_pattern("Value of numeric must be an array.")
    operator, operand = (*value[:2], None, None)[:2] if value else (None, None)
    if not isinstance(operator, str):
        raise bad_pattern(f"Invalid member in numeric match: {_shown(value, 0)}")
    if operator not in {"=", "<", "<=", ">", ">="}:
        raise bad_pattern(f"Unrecognized numeric range operator: {operator}")
    bound = _bound("equals" if operator == "=" else operator, operand)
    if operator in {">", ">="}:
        lowest = bound + (operator == ">")
        highest = _upper_bound(value, bound)
        conditions.others.append(NumberRange(lowest, highest))
        return
    if len(value) > 2:
        raise bad_pattern(_TOO_MANY)
    if operator == "=":
        conditions.exact.add(bound)
    else:
        conditions.others.append(NumberRange(-_FARTHEST_MILLIONTHS, bound - (operator == "<")))


def _upper_bound(value: list[Any], bottom: int) -> int:
    """The highest number, in millionths, of a range that begins with its lower bound."""
    if len(value) == 2:
        return _FARTHEST_MILLIONTHS
    operator = value[2]
    if not isinstance(operator, str):
        raise bad_pattern(f"Bad value in numeric range: {_shown(value, 2)}")
    if operator not in {"<", "<="}:
        raise bad_pattern(f"Bad numeric range operator: {operator}")
    top = _bound(operator, value[3] if len(value) > 3 else None)
    if len(value) > 4:
        raise bad_pattern("Too many terms in numeric range expression")
    if bottom >= top:
        raise bad_pattern("Bottom must be less than top")
    return top - (operator == "<")


def _bound(operator: str, operand: Any) -> int:
    if not isinstance(operand, NumberText):
        raise bad_pattern(f"Value of {operator} must be numeric")
    return _comparable(operand)


def _comparable(number: NumberText) -> int:
    token = token_of_number(number.text)
    if not isinstance(token, int):
        raise bad_pattern("Value must be between -5.0E9 and 5.0E9, inclusive")
    return token


def _shown(values: list[Any], position: int) -> str:
    """A member of an array as it begins in the pattern's text."""
    if position >= len(values):
        return "]"
    value = values[position]
    if isinstance(value, NumberText):
        return value.text
    if isinstance(value, bool) or value is None:
        return "null" if value is None else str(value).lower()
    return "{" if isinstance(value, Members) else "["


def _anything_but(conditions: Conditions, value: Any) -> None:
    if isinstance(value, Members):
        _anything_but_form(conditions, value)
        return
    values = value if isinstance(value, list) else [value]
    if not isinstance(value, list | str | NumberText):
        raise bad_pattern(_NOT_EXCLUDABLE)
    tokens: set[Token] = set()
    for one in values:
        if isinstance(one, NumberText):
            tokens.add(_comparable(one))
        elif isinstance(one, str):
            tokens.add(one)
        else:
            raise bad_pattern("Inside anything but list, start|null|boolean is not supported.")
    if len({type(token) for token in tokens}) != 1:
        raise bad_pattern(
            "Inside anything but list, either all values are number or string, "
            "mixed type is not supported"
        )
    conditions.others.append(AnythingBut(frozenset(tokens)))


_NOT_EXCLUDABLE = "Value of anything-but must be an array or single string/number value."

_NOT_TEXT = {
    "equals-ignore-case": (
        "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported."
    ),
    "prefix": "prefix/suffix match pattern must be a string",
    "suffix": "prefix/suffix match pattern must be a string",
    "wildcard": "wildcard match pattern must be a string",
}


def _anything_but_form(conditions: Conditions, inner: Members) -> None:
    """`anything-but` of one or several prefixes, suffixes, wildcards, or texts in any case."""
    if not inner.pairs:
        raise bad_pattern("Anything-But expression name not found")
    name, value = inner.pairs[0]
    if name not in _NOT_TEXT:
        raise bad_pattern(f"Unsupported anything-but pattern: {name}")
    if not isinstance(value, list | str | NumberText):
        raise bad_pattern(_NOT_EXCLUDABLE)
    texts: list[str] = []
    for text in value if isinstance(value, list) else [value]:
        if not isinstance(text, str):
            raise bad_pattern(_NOT_TEXT[name])
        if not text and name in {"prefix", "suffix"}:
            raise bad_pattern("Null prefix/suffix not allowed")
        texts.append(text)
    if not texts:
        raise bad_pattern("Empty arrays are not allowed")
    conditions.others.append(NoneOf(_excluded(conditions, name, texts)))
    if len(inner.pairs) > 1:
        raise bad_pattern(_TOO_MANY)


def _excluded(conditions: Conditions, name: str, texts: list[str]) -> tuple[Matcher, ...]:
    if name == "prefix":
        return (Prefix(tuple(texts)),)
    if name == "suffix":
        return (Suffix(tuple(texts)),)
    if name == "equals-ignore-case":
        return tuple(EqualsIgnoringCase(text) for text in texts)
    conditions.wildcards += texts
    return tuple(Wildcard(pieces_of(text)) for text in texts)


_OPERATORS: dict[str, Callable[[Conditions, Any], None]] = {
    "exactly": _exactly,
    "prefix": _prefix,
    "suffix": _suffix,
    "equals-ignore-case": _equals_ignore_case,
    "wildcard": _wildcard,
    "exists": _exists,
    "cidr": _cidr,
    "numeric": _numeric,
    "anything-but": _anything_but,
}
