"""Signatures of JSONata functions, such as `<s-nn?:s>`: what they take, and what context may give.

The letters are those of JSONata's documentation: s n b l a o f, j for any JSON value, x for any;
`-` takes the context for an argument left out, `?` makes one optional, `+` repeats it.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from meshplane.workflows.asl.jsonata_errors import JsonataError
from meshplane.workflows.asl.jsonata_values import MISSING, is_function

# What an array is of, in the words of the reference implementation.
_MANY = {
    "a": "arrays",
    "b": "booleans",
    "f": "functions",
    "n": "numbers",
    "o": "objects",
    "s": "strings",
}
_CLASSES = {"a": "[asnblfom]", "f": "f", "j": "[asnblom]", "x": "[asnblfom]"}


@dataclass(slots=True)
class Parameter:
    """One parameter: its letter, what its argument's letter matches, and what context gives it."""

    kind: str
    pattern: str
    context: re.Pattern[str] | None = None
    items: str | None = None


@dataclass(slots=True)
class Signature:
    """A signature that was read.

    Attributes:
        name: the function's name, for errors.
    """

    name: str
    _parameters: list[Parameter]
    _whole: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        self._whole = re.compile("".join(f"({one.pattern})" for one in self._parameters))

    @property
    def size(self) -> int:
        """How many arguments it takes."""
        return len(self._parameters)

    def validate(self, arguments: list[Any], context: Any) -> list[Any]:
        """The arguments as the function gets them: context for what is left out, lists of one.

        Raises:
            JsonataError: T0410, T0411 or T0412.
        """
        given = "".join(map(symbol_of, arguments))
        match = self._whole.fullmatch(given)
        if match is None:
            raise JsonataError("T0410", index=self._first_wrong(given), subject=self.name)
        validated: list[Any] = []
        at = 0
        for parameter, matched in zip(self._parameters, match.groups(), strict=True):
            if not matched:
                if parameter.context is None:
                    validated.append(arguments[at] if at < len(arguments) else MISSING)
                    at += 1
                elif parameter.context.fullmatch(symbol_of(context)):
                    validated.append(context)
                else:
                    raise JsonataError("T0411", index=at + 1, subject=self.name)
                continue
            for letter in matched:
                validated.append(self._taken(parameter, letter, arguments[at], at))
                at += 1
        return validated

    def _taken(self, parameter: Parameter, letter: str, argument: Any, at: int) -> Any:
        if parameter.kind != "a" or letter == "m":
            return argument
        wanted = parameter.items
        if wanted is not None:
            fits = letter == wanted
            if letter == "a":
                fits = all(symbol_of(item) == wanted[0] for item in argument)
            if not fits:
                raise JsonataError(
                    "T0412", index=at + 1, subject=self.name, type=_MANY.get(wanted[0], wanted)
                )
        return argument if letter == "a" else [argument]

    def _first_wrong(self, given: str) -> int:
        good = 0
        pattern = ""
        for parameter in self._parameters:
            pattern += parameter.pattern
            match = re.match(pattern, given)
            if match is None:
                return good + 1
            good = match.end()
        return good + 1


def symbol_of(value: Any) -> str:
    """A value's letter; `m` is undefined."""
    if value is MISSING:
        return "m"
    if value is None:
        return "l"
    for kind, letter in ((bool, "b"), (str, "s"), (list, "a"), (dict, "o")):
        if isinstance(value, kind):
            return letter
    if isinstance(value, int | float):
        return "n"
    return "f" if is_function(value) else "m"


@lru_cache(maxsize=1_024)
def read_signature(text: str, name: str) -> Signature:
    """Reads a signature.

    Raises:
        ValueError: it is none.
    """
    parameters: list[Parameter] = []
    at = 1
    while at < len(text) and text[at] not in ":>":
        letter = text[at]
        if letter in "snbloafjx":
            parameters.append(Parameter(letter, _CLASSES.get(letter, f"[{letter}m]")))
        elif letter == "(":
            end = _closing(text, at, "()")
            choice = text[at + 1 : end]
            if not choice.isalpha():
                raise ValueError(text)
            parameters.append(Parameter(f"({choice})", f"[{choice}m]"))
            at = end
        elif not parameters:
            raise ValueError(text)
        elif letter == "-":
            parameters[-1].context = re.compile(parameters[-1].pattern)
            parameters[-1].pattern += "?"
        elif letter in "?+":
            parameters[-1].pattern += letter
        elif letter == "<" and parameters[-1].kind in "af":
            end = _closing(text, at, "<>")
            parameters[-1].items = text[at + 1 : end]
            at = end
        else:
            raise ValueError(text)
        at += 1
    return Signature(name, parameters)


def _closing(text: str, at: int, pair: str) -> int:
    depth = 0
    for place in range(at, len(text)):
        depth += {pair[0]: 1, pair[1]: -1}.get(text[place], 0)
        if depth == 0:
            return place
    raise ValueError(text)
