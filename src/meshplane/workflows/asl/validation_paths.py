"""Whether a string is a JSONPath or a call of an intrinsic function."""

from typing import Any

from meshplane.workflows.asl.intrinsics import InvalidIntrinsic, compile_intrinsic
from meshplane.workflows.asl.json_path import InvalidPath, compile_path

# A path or call is compiled by recursion over its parts; none that people write comes near this.
LONGEST_EXPRESSION_CHARACTERS = 10_000


def is_path(value: Any, *, reference: bool = False, into_input: bool = False) -> bool:
    """Whether a value is a JSONPath.

    Args:
        value: any JSON value.
        reference: it must also be a reference path, that is name exactly one place.
        into_input: it must also start at the input, not at the context object or a variable.
    """
    if not isinstance(value, str) or len(value) > LONGEST_EXPRESSION_CHARACTERS:
        return False
    try:
        compiled = compile_path(value)
    except (InvalidPath, RecursionError):
        return False
    if reference and not compiled.reference:
        return False
    return not into_input or compiled.kind == "input"


def is_intrinsic(value: Any) -> bool:
    """Whether a value is a string that calls an intrinsic function."""
    if not isinstance(value, str) or not value.startswith("States."):
        return False
    if len(value) > LONGEST_EXPRESSION_CHARACTERS:
        return False
    try:
        compile_intrinsic(value)
    except (InvalidIntrinsic, InvalidPath, RecursionError):
        return False
    return True
