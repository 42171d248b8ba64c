"""Intrinsic functions of the JSONPath flavour: `States.Format('…', $.name)`.

Specified by the Amazon States Language (Intrinsic Functions) and the developer guide of AWS Step
Functions, which sets the limits.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from meshplane.workflows.asl import intrinsic_arrays as arrays
from meshplane.workflows.asl import intrinsic_numbers as numbers
from meshplane.workflows.asl import intrinsic_texts as texts
from meshplane.workflows.asl.errors import (
    INTRINSIC_FAILURE,
    RUNTIME,
    PathMissing,
    StateError,
    quote_json,
)
from meshplane.workflows.asl.intrinsic_arguments import IntrinsicFailed
from meshplane.workflows.asl.intrinsic_reader import (
    Argument,
    Call,
    InvalidIntrinsic,
    Text,
    read_call,
)
from meshplane.workflows.asl.json_path import Path
from meshplane.workflows.asl.scope import Scope

__all__ = ["FUNCTIONS", "Intrinsic", "InvalidIntrinsic", "compile_intrinsic"]

Function = Callable[[list[Any], Scope], Any]

# Each function with the least and the greatest number of its arguments.
FUNCTIONS: dict[str, tuple[int, int, Function]] = {
    "States.Format": (1, 1_000, lambda given, scope: texts.format_text(given[0], given[1:])),
    "States.StringToJson": (1, 1, lambda given, scope: texts.parse_json(given[0])),
    "States.JsonToString": (1, 1, lambda given, scope: texts.to_json(given[0])),
    "States.Array": (0, 1_000, lambda given, scope: given),
    "States.ArrayPartition": (2, 2, lambda given, scope: arrays.partition(*given)),
    "States.ArrayContains": (2, 2, lambda given, scope: arrays.contains(*given)),
    "States.ArrayRange": (3, 3, lambda given, scope: arrays.number_range(*given)),
    "States.ArrayGetItem": (2, 2, lambda given, scope: arrays.item_at(*given)),
    "States.ArrayLength": (1, 1, lambda given, scope: arrays.length(given[0])),
    "States.ArrayUnique": (1, 1, lambda given, scope: arrays.unique(given[0])),
    "States.Base64Encode": (1, 1, lambda given, scope: texts.encode(given[0])),
    "States.Base64Decode": (1, 1, lambda given, scope: texts.decode(given[0])),
    "States.Hash": (2, 2, lambda given, scope: texts.digest(*given)),
    "States.JsonMerge": (3, 3, lambda given, scope: texts.merge(*given)),
    "States.MathRandom": (2, 3, lambda given, scope: numbers.draw(scope.random, *given)),
    "States.MathAdd": (2, 2, lambda given, scope: numbers.add(*given)),
    "States.StringSplit": (2, 2, lambda given, scope: texts.split(*given)),
    "States.UUID": (0, 0, lambda given, scope: scope.new_uuid()),
}


class Intrinsic:
    """A compiled call.

    Attributes:
        text: as it was written.
        paths: the paths among its arguments, at any depth.
    """

    __slots__ = ("_call", "paths", "text")

    def __init__(self, source: str) -> None:
        self.text = source
        self._call = read_call(source)
        _check(self._call)
        self.paths: tuple[Path, ...] = tuple(_paths(self._call))

    def evaluate(self, scope: Scope) -> Any:
        """The call's value.

        Raises:
            StateError: `States.IntrinsicFailure`; `States.Runtime` when a path leads nowhere.
        """
        return _value(self._call, scope)


@lru_cache(maxsize=4_096)
def compile_intrinsic(source: str) -> Intrinsic:
    """Compiles a call; the 4,096 used last are kept.

    Raises:
        InvalidIntrinsic: it is not one of the functions, with its number of arguments.
    """
    return Intrinsic(source)


def _check(call: Call) -> None:
    if call.name not in FUNCTIONS:
        raise InvalidIntrinsic(f"There is no intrinsic function '{call.name}'", 0)
    least, most, _ = FUNCTIONS[call.name]
    if not least <= len(call.arguments) <= most:
        wanted = str(least) if least == most else f"{least} to {most}"
        message = f"'{call.name}' takes {wanted} arguments, not {len(call.arguments)}; it is"
        raise InvalidIntrinsic(message, 0)
    for argument in call.arguments:
        if isinstance(argument, Call):
            _check(argument)


def _paths(call: Call) -> list[Path]:
    found: list[Path] = []
    for argument in call.arguments:
        if isinstance(argument, Path):
            found.append(argument)
        elif isinstance(argument, Call):
            found += _paths(argument)
    return found


def _value(argument: Argument, scope: Scope) -> Any:
    if isinstance(argument, Path):
        return argument.evaluate(scope)
    if not isinstance(argument, Call):
        return argument.value
    try:
        given = [_value(inner, scope) for inner in argument.arguments]
        if argument.name == "States.Format" and isinstance(argument.arguments[0], Text):
            given[0] = argument.arguments[0].raw
        return FUNCTIONS[argument.name][2](given, scope)
    except IntrinsicFailed as failure:
        raise StateError(INTRINSIC_FAILURE, _cause(argument, str(failure))) from None
    except PathMissing as missing:
        cause = (
            f"The JsonPath argument for the field '{missing.path}' could not be found"
            f" in the input '{quote_json(missing.root)}'"
        )
        raise StateError(RUNTIME, _cause(argument, cause)) from None


def _cause(call: Call, failure: str) -> str:
    return f"The function '{call.text}' had the following error: {failure}"
