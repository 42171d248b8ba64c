"""Reads the text of a JSONPath: the grammar of Jayway's JsonPath, which Step Functions uses."""

import json
import re
from typing import Any

from meshplane.workflows.asl.json_path_regex import InvalidRegex, compile_regex
from meshplane.workflows.asl.json_path_steps import (
    Call,
    Comparison,
    Condition,
    Descendants,
    Indexes,
    Logical,
    Names,
    Operand,
    Slice,
    Step,
    Where,
    Wildcard,
)

LONGEST_PATH_CHARACTERS = 4_000
_MOST_NESTED_CONDITIONS = 32

_NAME = re.compile(r"[^.\[\]\s()]+")
_NAME_IN_CONDITION = re.compile(r"[^.\[\]\s()=!<>&|,~]+")
_CALL = re.compile(r"(\w+)\(")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_SLICE = re.compile(r"\[\s*(-?\d+)?\s*:\s*(-?\d+)?\s*\]")
_INDEXES = re.compile(r"\[\s*-?\d+\s*(?:,\s*-?\d+\s*)*\]")
_STAR = re.compile(r"\[\s*\*\s*\]")
_SPACE = re.compile(r"\s*")
_SYMBOL = re.compile(r"===|!==|==|!=|<=|>=|=~|<|>")
_WORD = re.compile(
    r"(?i:nin|in|contains|all|size|exists|type|matches|empty|subsetof|anyof|noneof)(?![\w.])"
)
_LITERAL = re.compile(r"(?:true|false|null)(?![\w.])")
_REGEX = re.compile(r"/((?:[^/\\]|\\.)*)/([a-zA-Z]*)")
_FUNCTIONS = frozenset(
    [
        *("length", "size", "keys", "first", "last", "index"),
        *("min", "max", "avg", "sum", "stddev", "concat", "append"),
    ]
)


class InvalidPath(ValueError):
    """The text is no JSONPath.

    Args:
        message: what is wrong with it.
        position: at which character, counted from 0.
    """

    def __init__(self, message: str, position: int) -> None:
        super().__init__(f"{message} at character {position + 1}")
        self.position = position


class Reader:
    """Goes once from left to right over a path's text."""

    def __init__(self, text: str, at: int) -> None:
        if len(text) > LONGEST_PATH_CHARACTERS:
            raise InvalidPath(f"A path may have {LONGEST_PATH_CHARACTERS} characters; it ends", at)
        self.text = text
        self.at = at
        self._depth = 0

    def steps(self, in_condition: bool = False) -> tuple[Step, ...]:
        """The steps from here to the end, or to where the condition goes on.

        Raises:
            InvalidPath: it cannot be read.
        """
        steps: list[Step] = []
        while self.at < len(self.text):
            if self.text.startswith("..", self.at):
                self.at += 2
                steps.append(Descendants())
                if self._peek() != "[":
                    steps.append(self._after_dot(in_condition))
            elif self._peek() == ".":
                self.at += 1
                steps.append(self._after_dot(in_condition))
            elif self._peek() == "[":
                steps.append(self._bracket())
            elif in_condition:
                break
            else:
                raise InvalidPath("A '.' or '[' is expected", self.at)
        if steps and isinstance(steps[-1], Descendants):
            raise InvalidPath("A path cannot end with '..'", self.at)
        return tuple(steps)

    def _after_dot(self, in_condition: bool) -> Step:
        if self._peek() == "*":
            self.at += 1
            return Wildcard()
        call = _CALL.match(self.text, self.at)
        if call is not None:
            return self._call(call)
        name = (_NAME_IN_CONDITION if in_condition else _NAME).match(self.text, self.at)
        if name is None:
            raise InvalidPath("A name is expected", self.at)
        self.at = name.end()
        return Names((name.group(),))

    def _call(self, match: re.Match[str]) -> Step:
        name = match.group(1)
        if name not in _FUNCTIONS:
            raise InvalidPath(f"There is no function '{name}'", self.at)
        self.at = match.end()
        arguments: list[Operand] = []
        self._skip_space()
        while self._peek() != ")":
            arguments.append(self._operand())
            self._skip_space()
            if self._peek() == ",":
                self.at += 1
                self._skip_space()
            elif self._peek() != ")":
                raise InvalidPath("A ')' is expected", self.at)
        self.at += 1
        return Call(name, tuple(arguments))

    def _bracket(self) -> Step:
        for pattern in (_STAR, _SLICE, _INDEXES):
            match = pattern.match(self.text, self.at)
            if match is not None:
                self.at = match.end()
                if pattern is _STAR:
                    return Wildcard()
                if pattern is _SLICE:
                    start, stop = match.groups()
                    return Slice(_integer(start), _integer(stop))
                return Indexes(tuple(int(part) for part in match.group()[1:-1].split(",")))
        self.at += 1
        self._skip_space()
        if self._peek() == "?":
            return self._where()
        names: list[str] = []
        while True:
            names.append(self._quoted())
            self._skip_space()
            if self._peek() == "]":
                self.at += 1
                return Names(tuple(names))
            if self._peek() != ",":
                raise InvalidPath("A ',' or ']' is expected", self.at)
            self.at += 1
            self._skip_space()

    def _quoted(self) -> str:
        quote = self._peek()
        if quote not in ("'", '"'):
            raise InvalidPath("A quoted name, an index, '*' or '?' is expected", self.at)
        self.at += 1
        parts: list[str] = []
        while self.at < len(self.text):
            character = self.text[self.at]
            if character == quote:
                self.at += 1
                return "".join(parts)
            if character == "\\" and self.text[self.at + 1 : self.at + 2] in (quote, "\\"):
                self.at += 1
                character = self.text[self.at]
            parts.append(character)
            self.at += 1
        raise InvalidPath("A quoted name does not end", self.at)

    def _where(self) -> Step:
        self.at += 1
        self._skip_space()
        condition = self._any_of()
        self._expect("]")
        return Where(condition)

    def _any_of(self) -> Condition:
        parts = [self._all_of()]
        while self._take("||"):
            parts.append(self._all_of())
        return parts[0] if len(parts) == 1 else Logical("or", tuple(parts))

    def _all_of(self) -> Condition:
        parts = [self._one_of()]
        while self._take("&&"):
            parts.append(self._one_of())
        return parts[0] if len(parts) == 1 else Logical("and", tuple(parts))

    def _one_of(self) -> Condition:
        self._skip_space()
        if self._peek() == "!" and self.text[self.at + 1 : self.at + 2] != "=":
            self.at += 1
            return Logical("not", (self._one_of(),))
        if self._peek() != "(":
            return self._comparison()
        self._depth += 1
        if self._depth > _MOST_NESTED_CONDITIONS:
            raise InvalidPath("The condition is nested too deeply", self.at)
        self.at += 1
        condition = self._any_of()
        self._expect(")")
        self._depth -= 1
        return condition

    def _comparison(self) -> Condition:
        left = self._operand()
        self._skip_space()
        operator = _SYMBOL.match(self.text, self.at) or _WORD.match(self.text, self.at)
        if operator is None:
            return Comparison(left, "exists")
        self.at = operator.end()
        return Comparison(left, operator.group().lower(), self._operand())

    def _operand(self) -> Operand:
        self._skip_space()
        start = self._peek()
        if start in ("@", "$"):
            self.at += 1
            return Operand("current" if start == "@" else "root", steps=self.steps(True))
        if start in ("'", '"'):
            return Operand("literal", self._quoted())
        if start in ("[", "{"):
            return Operand("literal", self._json())
        if start == "/":
            return self._regex()
        for pattern in (_LITERAL, _NUMBER):
            match = pattern.match(self.text, self.at)
            if match is not None:
                self.at = match.end()
                return Operand("literal", json.loads(match.group()))
        raise InvalidPath("A value or a path is expected", self.at)

    def _regex(self) -> Operand:
        match = _REGEX.match(self.text, self.at)
        if match is None:
            raise InvalidPath("A regular expression does not end", self.at)
        try:
            regex = compile_regex(match.group(1).replace("\\/", "/"), match.group(2))
        except InvalidRegex:
            raise InvalidPath("It is not a regular expression", self.at) from None
        self.at = match.end()
        return Operand("regex", regex)

    def _json(self) -> Any:
        """A list or an object; names and texts may stand in single quotes."""
        opening = self._peek()
        self.at += 1
        found: list[Any] = []
        self._skip_space()
        closing = "]" if opening == "[" else "}"
        while self._peek() != closing:
            value = self._operand()
            if opening == "{":
                self._expect(":")
                found.append((value.value, self._operand().value))
            else:
                found.append(value.value)
            self._skip_space()
            if self._peek() == ",":
                self.at += 1
                self._skip_space()
            elif self._peek() != closing:
                raise InvalidPath(f"A '{closing}' is expected", self.at)
        self.at += 1
        return found if opening == "[" else dict(found)

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def _take(self, token: str) -> bool:
        self._skip_space()
        if not self.text.startswith(token, self.at):
            return False
        self.at += len(token)
        return True

    def _expect(self, token: str) -> None:
        if not self._take(token):
            raise InvalidPath(f"A '{token}' is expected", self.at)

    def _skip_space(self) -> None:
        match = _SPACE.match(self.text, self.at)
        self.at = match.end() if match is not None else self.at


def _integer(text: str | None) -> int | None:
    return None if text is None else int(text)
