"""Reads the text of an intrinsic function call, `States.Format('{} at {}', $.name, $$.Now)`."""

import json
import re
from dataclasses import dataclass
from typing import Any

from meshplane.workflows.asl.json_path import InvalidPath, Path, compile_path

DEEPEST_NESTING = 10
MOST_ARGUMENTS = 1_000
LONGEST_CALL_CHARACTERS = 100_000

_CALL = re.compile(r"(States\.\w+)\s*\(")
_CONSTANT = re.compile(r"(?:true|false|null|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?=\s*[,)])")
_SPACE = re.compile(r"\s*")


class InvalidIntrinsic(ValueError):
    """The text is no call of an intrinsic function.

    Args:
        message: what is wrong with it.
        position: at which character, counted from 0.
    """

    def __init__(self, message: str, position: int) -> None:
        super().__init__(f"{message} at character {position + 1}")
        self.position = position


@dataclass(frozen=True, slots=True)
class Text:
    r"""A text in single quotes, with its escapes: only `States.Format` tells `\{` from `{`."""

    raw: str

    @property
    def value(self) -> str:
        """The text with its escapes resolved."""
        return re.sub(r"\\(['\\{}])", r"\1", self.raw)


@dataclass(frozen=True, slots=True)
class Constant:
    """A number, true, false or null."""

    value: Any


@dataclass(frozen=True, slots=True)
class Call:
    """A call: the function's name, its arguments, and how it is written."""

    name: str
    arguments: "tuple[Argument, ...]"
    text: str


Argument = Text | Constant | Path | Call


def read_call(text: str) -> Call:
    """Reads a call that takes up the whole text.

    Raises:
        InvalidIntrinsic: it is none, or is nested more than ten deep.
    """
    if len(text) > LONGEST_CALL_CHARACTERS:
        message = f"A call may have {LONGEST_CALL_CHARACTERS} characters; it is cut"
        raise InvalidIntrinsic(message, LONGEST_CALL_CHARACTERS)
    reader = _Reader(text)
    call = reader.call(1)
    reader.skip_space()
    if reader.at != len(text):
        raise InvalidIntrinsic("The call has ended, but the text goes on", reader.at)
    return call


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def call(self, depth: int) -> Call:
        self.skip_space()
        start = self.at
        match = _CALL.match(self.text, start)
        if match is None:
            raise InvalidIntrinsic("'States.<function>(' is expected", start)
        if depth > DEEPEST_NESTING:
            raise InvalidIntrinsic(f"Calls are nested more than {DEEPEST_NESTING} deep", start)
        self.at = match.end()
        arguments: list[Argument] = []
        self.skip_space()
        while self._peek() != ")" or arguments:
            arguments.append(self._argument(depth))
            if len(arguments) > MOST_ARGUMENTS:
                raise InvalidIntrinsic(f"A call takes {MOST_ARGUMENTS} arguments", start)
            self.skip_space()
            if self._peek() == ")":
                break
            if self._peek() != ",":
                raise InvalidIntrinsic("A ',' or ')' is expected", self.at)
            self.at += 1
        self.at += 1
        return Call(match.group(1), tuple(arguments), self.text[start : self.at])

    def _argument(self, depth: int) -> Argument:
        self.skip_space()
        start = self._peek()
        if start == "'":
            return self._quoted()
        if start == "$":
            return self._path()
        constant = _CONSTANT.match(self.text, self.at)
        if constant is not None:
            self.at = constant.end()
            return Constant(json.loads(constant.group()))
        return self.call(depth + 1)

    def _quoted(self) -> Text:
        start = self.at + 1
        at = start
        while at < len(self.text):
            if self.text[at] == "\\":
                at += 2
                continue
            if self.text[at] == "'":
                self.at = at + 1
                return Text(self.text[start:at])
            at += 1
        raise InvalidIntrinsic("A text in single quotes does not end", start - 1)

    def _path(self) -> Path:
        start = self.at
        end = self._path_end(start)
        self.at = end
        try:
            return compile_path(self.text[start:end].rstrip())
        except InvalidPath as invalid:
            raise InvalidIntrinsic(f"{invalid} of the path", start) from None

    def _path_end(self, at: int) -> int:
        """Where a path ends: at the comma or bracket that is not its own."""
        depth = 0
        quote = ""
        while at < len(self.text):
            character = self.text[at]
            if quote:
                if character == "\\":
                    at += 1
                elif character == quote:
                    quote = ""
            elif character in "'\"":
                quote = character
            elif character in "([":
                depth += 1
            elif depth == 0 and character in ",)":
                return at
            elif character in ")]":
                depth -= 1
            at += 1
        return at

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def skip_space(self) -> None:
        match = _SPACE.match(self.text, self.at)
        self.at = match.end() if match is not None else self.at
