"""JSONPath as Step Functions reads it: the semantics of Jayway's JsonPath.

A definite path gives the value it leads to, and fails where there is none; an indefinite one (a
wildcard, a slice, a filter, `..`) gives a list, which may be empty. A path starts at the state's
input (`$`), at the context object (`$$`) or at a workflow variable (`$name`).

Own code and not a library, for three reasons: the libraries follow RFC 9535, which differs from
Jayway in filters, functions and in what a missing value does; the causes of failures are told to
the letter; and a path must not visit more values than a budget allows.
"""

import re
from collections.abc import Mapping
from typing import Any

from meshplane.workflows.asl.errors import (
    RESULT_PATH_MATCH_FAILURE,
    RUNTIME,
    PathMissing,
    StateError,
    quote_json,
)
from meshplane.workflows.asl.json_path_functions import FunctionFailed
from meshplane.workflows.asl.json_path_reader import InvalidPath, Reader
from meshplane.workflows.asl.json_path_regex import RegexTooSlow
from meshplane.workflows.asl.json_path_steps import Indexes, Names, Step, is_definite
from meshplane.workflows.asl.json_path_walk import MOST_VISITS, BudgetSpent, Walk
from meshplane.workflows.asl.remembered import remembered
from meshplane.workflows.asl.scope import Scope

_ROOT = re.compile(r"\$\$|\$([^\W\d]\w*)?")
_MISSING: Any = object()
_NO_INPUT = "Unable to apply Path transformation to null or empty input."

__all__ = ["InvalidPath", "Path", "compile_path", "read_path", "write_reference"]


class Path:
    """A compiled path.

    Attributes:
        text: as it was written.
        kind: where it starts: "input", "context" or "variable".
        variable: the variable's name, for a path that starts at one.
        definite: whether it leads to one value; otherwise it gives a list.
        keys: names and indexes, when it is a reference path (nothing else in it); else None.
    """

    __slots__ = ("definite", "keys", "kind", "steps", "text", "variable")

    def __init__(self, text: str) -> None:
        start = _ROOT.match(text)
        if start is None:
            raise InvalidPath("A path starts with '$'", 0)
        self.text = text
        self.variable = start.group(1)
        self.kind = "context" if start.group() == "$$" else "variable" if start[1] else "input"
        self.steps: tuple[Step, ...] = Reader(text, start.end()).steps()
        self.definite = is_definite(self.steps)
        self.keys = _keys(self.steps)

    @property
    def reference(self) -> bool:
        """Whether it is a reference path: it can be written to, too."""
        return self.keys is not None

    def evaluate(self, scope: Scope) -> Any:
        """The value in a scope.

        Raises:
            PathMissing: it is definite and there is no such value.
            StateError: `States.Runtime`, when it costs too much, its variable is not there, or the
                input is null, of which Step Functions reads no path, not even `$`.
        """
        if scope.input is None and self.kind == "input":
            raise StateError(RUNTIME, _NO_INPUT)
        return self.read(self.start(scope))

    def read(self, root: Any) -> Any:
        """The value below `root`, whatever the path starts with. Raises as `evaluate`."""
        if self.keys is None:
            return self._search(root)
        value = root
        for key in self.keys:
            if isinstance(key, str):
                value = value.get(key, _MISSING) if type(value) is dict else _MISSING
            elif type(value) is list and -len(value) <= key < len(value):
                value = value[key]
            else:
                value = _MISSING
            if value is _MISSING:
                raise self._missing(root)
        return value

    def start(self, scope: Scope) -> Any:
        """The value that the path starts at. Raises as `evaluate`."""
        if self.kind == "input":
            return scope.input
        if self.kind == "context":
            return scope.context
        value = scope.variables.get(self.variable or "", _MISSING)
        if value is _MISSING:
            message = f"The variable '${self.variable}' in the JSONPath '{self.text}' has no value"
            raise StateError(RUNTIME, message)
        return value

    def _search(self, root: Any) -> Any:
        try:
            found = Walk(root).found([root], self.steps)
        except BudgetSpent:
            message = f"The JSONPath '{self.text}' visits more than {MOST_VISITS} values"
            raise StateError(RUNTIME, message) from None
        except RegexTooSlow:
            message = f"A regular expression in the JSONPath '{self.text}' takes too long"
            raise StateError(RUNTIME, message) from None
        except FunctionFailed as failure:
            raise StateError(RUNTIME, f"Invalid path '{self.text}' : {failure}") from None
        if not self.definite:
            return found
        if not found:
            raise self._missing(root)
        return found[0]

    def _missing(self, root: Any) -> PathMissing:
        return PathMissing(self.text, _why_missing(self.steps, root), root)


@remembered(4_096)
def compile_path(text: str) -> Path:
    """Compiles a path; the 4,096 short ones used last are kept.

    Raises:
        InvalidPath: the text is no JSONPath.
    """
    return Path(text)


def read_path(
    text: str, value: Any, context: Any = None, variables: Mapping[str, Any] | None = None
) -> Any:
    """Reads one path, of null too. Raises InvalidPath, and what `Path.evaluate` raises."""
    path = compile_path(text)
    return path.read(path.start(Scope(value, context, variables or {})))


def write_reference(path: str | Path, target: Any, value: Any) -> Any:
    """The target with a value put at a reference path. The target itself is not changed.

    Objects that are missing on the way are made; an item of a list must be there.

    Raises:
        InvalidPath: the path is no reference path.
        StateError: `States.ResultPathMatchFailure`, when the target has no room for it.
    """
    compiled = compile_path(path) if isinstance(path, str) else path
    if compiled.keys is None:
        raise InvalidPath(f"'{compiled.text}' is not a reference path", 0)
    try:
        return _written(target, compiled.keys, value)
    except _NoRoom:
        raise StateError(
            RESULT_PATH_MATCH_FAILURE,
            f"Unable to apply ReferencePath {compiled.text} to input {quote_json(target)}",
        ) from None


class _NoRoom(Exception):
    """There is something else where the path needs an object or a list."""


def _written(node: Any, keys: tuple[str | int, ...], value: Any) -> Any:
    if not keys:
        return value
    key, rest = keys[0], keys[1:]
    if isinstance(key, str):
        if node is _MISSING:
            return {key: _written(_MISSING, rest, value)}
        if not isinstance(node, dict):
            raise _NoRoom
        return {**node, key: _written(node.get(key, _MISSING), rest, value)}
    if not isinstance(node, list) or not -len(node) <= key < len(node):
        raise _NoRoom
    copy = list(node)
    copy[key] = _written(node[key], rest, value)
    return copy


def _keys(steps: tuple[Step, ...]) -> tuple[str | int, ...] | None:
    keys: list[str | int] = []
    for step in steps:
        if isinstance(step, Names) and len(step.names) == 1:
            keys.append(step.names[0])
        elif isinstance(step, Indexes) and len(step.indexes) == 1:
            keys.append(step.indexes[0])
        else:
            return None
    return tuple(keys)


def _why_missing(steps: tuple[Step, ...], root: Any) -> str:
    """In the words of JsonPath: where the path came to its end."""
    value = root
    where = "$"
    for at, step in enumerate(steps):
        if isinstance(step, Names) and len(step.names) == 1:
            name = step.names[0]
            if not isinstance(value, dict):
                return f"Expected to find an object with property ['{name}'] in path {where}"
            where += f"['{name}']"
            if name not in value:
                last = at == len(steps) - 1
                return f"{'No results for path:' if last else 'Missing property in path'} {where}"
            value = value[name]
        elif isinstance(step, Indexes):
            index = step.indexes[0]
            where += f"[{index}]"
            if not isinstance(value, list):
                return f"Filter: [{index}] can only be applied to arrays in path {where}"
            if not -len(value) <= index < len(value):
                return f"No results for path: {where}"
            value = value[index]
        else:
            break
    return f"No results for path: {where}"
