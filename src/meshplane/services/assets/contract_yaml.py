"""The text of a contract, read into plain JSON values, whatever the text tries.

YAML is taken event by event and built here, so no constructor of a YAML library ever runs: a tag
cannot name a Python object, and what an alias would unfold into is counted before it is unfolded.
Plain words mean what the core schema of YAML 1.2.2 (section 10.3) says: `2024-01-31`, `no` and
`1:30` are text. Text that is a JSON object is read as JSON, whose pairs of surrogate escapes YAML
does not know.
"""

import copy
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from meshplane.services.assets.contract_json import read_json
from meshplane.services.assets.contract_limits import (
    MAX_ALIASES,
    MAX_DEPTH,
    MAX_NODES,
    MAX_TOTAL_CHARS,
    Place,
    Where,
    check_text,
    check_value,
    read_number,
    refuse,
)

_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
# A fragment of the scanner's complaint, and what a person should look for.
_SYNTAX_HINTS = (
    ("mapping values are not allowed", "a colon stands where none can; quote text that has one"),
    ("unexpected end of stream", "the text ends inside a quoted value"),
    ("escape", "a backslash escape is not one that YAML knows"),
    ("cannot start any token", "a tab, @, ` or % cannot start a value; indent with spaces"),
    ("expected ',' or", "a [ or { is not closed, or a comma is missing"),
    ("block", "the indentation does not line up with the lines above"),
)


def read_document(text: str) -> Any:
    """Read a contract's text as JSON values: dict, list, str, int, float, bool and None.

    Args:
        text: YAML or JSON, at most 512 KiB as UTF-8.

    Raises:
        Invalid: `CONTRACT_INVALID`. The text is too large or nested too deep, is not YAML, has
            more than one document, names a key twice, uses tags, merge keys, too many aliases,
            a number that JSON cannot hold, or a character that text cannot hold.
    """
    check_text(text)
    if text.lstrip("\ufeff \t\r\n")[:1] == "{":
        # Flow-style YAML starts with the same brace; then the YAML reader has the last word.
        with suppress(json.JSONDecodeError):
            return read_json(text.lstrip("\ufeff"))
    return _read_yaml(text)


@dataclass(slots=True)
class _Measured:
    """A finished value and what it weighs once unfolded."""

    value: Any
    nodes: int
    chars: int
    height: int


@dataclass(slots=True)
class _Open:
    """A collection whose end has not come yet."""

    into: dict[str, Any] | list[Any]
    anchor: str | None
    key: str | None = None
    nodes: int = 1
    chars: int = 0
    height: int = 0

    def step(self) -> str | int | None:
        return self.key if isinstance(self.into, dict) else len(self.into)


class _Tree:
    """Builds one document from its events, within the limits."""

    def __init__(self) -> None:
        self.root: _Measured | None = None
        self._open: list[_Open] = []
        self._anchored: dict[str, _Measured] = {}
        self._aliases = 0
        self._nodes = 0
        self._chars = 0

    def path(self) -> Place:
        """Where the next value goes."""
        return tuple(step for frame in self._open if (step := frame.step()) is not None)

    def begin(self, into: dict[str, Any] | list[Any], anchor: str | None) -> None:
        """A collection starts."""
        if self._awaits_key():
            refuse("a key must be text, not a list or a mapping", self.path())
        if len(self._open) >= MAX_DEPTH:
            refuse(f"it nests deeper than {MAX_DEPTH} levels")
        self._count(1, 0)
        self._open.append(_Open(into, anchor))

    def end(self) -> None:
        """The innermost collection ends."""
        done = self._open.pop()
        self._place(_Measured(done.into, done.nodes, done.chars, done.height + 1), done.anchor)

    def scalar(self, text: str, plain: bool, anchor: str | None) -> None:
        """A key or a single value comes."""
        check_value(text, self.path)
        self._count(1, len(text))
        if self._awaits_key():
            self._name_key(text, plain)
            return
        value = _plain_value(text, self.path) if plain else text
        self._place(_Measured(value, 1, len(text), 0), anchor)

    def alias(self, anchor: str) -> None:
        """A value that stands elsewhere too is repeated here, as a copy."""
        if self._awaits_key():
            refuse("a key must be text, not an alias", self.path())
        self._aliases += 1
        if self._aliases > MAX_ALIASES:
            refuse(f"it uses more than {MAX_ALIASES} aliases; write the values out")
        target = self._anchored.get(anchor)
        if target is None:
            refuse("an alias names an anchor that is not complete before it", self.path())
        if len(self._open) + target.height > MAX_DEPTH:
            refuse(f"it nests deeper than {MAX_DEPTH} levels")
        self._count(target.nodes, target.chars)
        value = copy.deepcopy(target.value)
        self._place(_Measured(value, target.nodes, target.chars, target.height), None)

    def _awaits_key(self) -> bool:
        return (
            bool(self._open)
            and isinstance(self._open[-1].into, dict)
            and (self._open[-1].key is None)
        )

    def _name_key(self, key: str, plain: bool) -> None:
        frame = self._open[-1]
        if plain and key == "<<":
            refuse("merge keys (<<) are not accepted; write the keys out", self.path())
        if key in frame.into:
            refuse("the key stands twice", (*self.path(), key))
        frame.key = key
        frame.chars += len(key)
        frame.nodes += 1

    def _place(self, done: _Measured, anchor: str | None) -> None:
        if anchor is not None:
            self._anchored[anchor] = done
        if not self._open:
            self.root = done
            return
        frame = self._open[-1]
        frame.nodes += done.nodes
        frame.chars += done.chars
        frame.height = max(frame.height, done.height)
        if isinstance(frame.into, list):
            frame.into.append(done.value)
        elif frame.key is not None:
            frame.into[frame.key] = done.value
            frame.key = None

    def _count(self, nodes: int, chars: int) -> None:
        self._nodes += nodes
        self._chars += chars
        if self._nodes > MAX_NODES:
            refuse(f"it has more than {MAX_NODES} values")
        if self._chars > MAX_TOTAL_CHARS:
            refuse("its aliases unfold into too much text; write the values out")


def _read_yaml(text: str) -> Any:
    import yaml

    tree = _Tree()
    syntax: str | None = None
    try:
        for event in _one_document(text):
            _feed(tree, event)
    except yaml.YAMLError as error:
        syntax = _syntax_message(error)
    # Raised out here, so that the scanner's own error does not hang on to ours.
    if syntax is not None:
        refuse(syntax)
    if tree.root is None:
        refuse("it is empty")
    return tree.root.value


def _feed(tree: _Tree, event: Any) -> None:
    import yaml

    match event:
        case yaml.ScalarEvent():
            _check_tag(event.tag, "str", tree)
            plain = event.tag is None and bool(event.implicit[0])
            tree.scalar(event.value, plain, event.anchor)
        case yaml.MappingStartEvent():
            _check_tag(event.tag, "map", tree)
            tree.begin({}, event.anchor)
        case yaml.SequenceStartEvent():
            _check_tag(event.tag, "seq", tree)
            tree.begin([], event.anchor)
        case yaml.CollectionEndEvent():
            tree.end()
        case yaml.AliasEvent():
            tree.alias(str(event.anchor))


def _one_document(text: str) -> Iterator[Any]:
    import yaml

    # The scanner in C is some twenty times as fast; wheels of PyYAML carry it.
    loader = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
    documents = 0
    for event in yaml.parse(text, Loader=loader):
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                refuse("it holds more than one YAML document; send one contract")
        yield event


def _check_tag(tag: str | None, accepted: str, tree: _Tree) -> None:
    if tag not in (None, "!", f"tag:yaml.org,2002:{accepted}"):
        message = "tags (words that start with !) are not accepted; write the plain value"
        refuse(message, tree.path())


def _syntax_message(error: Any) -> str:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        return "it has a character that YAML does not allow, such as a control character"
    complaint = f"{error.context} {error.problem}"
    hint = next(
        (hint for fragment, hint in _SYNTAX_HINTS if fragment in complaint),
        "check indentation, quotes and colons",
    )
    return f"it is not YAML at line {mark.line + 1}, column {mark.column + 1}: {hint}"


def _plain_value(text: str, where: Where) -> str | int | float | bool | None:
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return read_number(text, 0 if text[:2] in ("0x", "0o") else 10, where)
    if _FLOAT.fullmatch(text):
        return read_number(text, None, where)
    if _NOT_FINITE.fullmatch(text):
        refuse("the number is not finite", where())
    return text
