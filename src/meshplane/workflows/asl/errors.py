"""Errors of a running state machine: a name that `Retry` and `Catch` can match, and a cause.

The cause is read by whoever wrote the workflow, and follows what AWS Step Functions writes.
"""

import json
import re
from typing import Any

RUNTIME = "States.Runtime"
QUERY_EVALUATION_ERROR = "States.QueryEvaluationError"
INTRINSIC_FAILURE = "States.IntrinsicFailure"
RESULT_PATH_MATCH_FAILURE = "States.ResultPathMatchFailure"
PARAMETER_PATH_FAILURE = "States.ParameterPathFailure"
DATA_LIMIT_EXCEEDED = "States.DataLimitExceeded"

_LONGEST_QUOTE_CHARACTERS = 8_192


class StateError(Exception):
    """A state failed.

    Args:
        error: the error's name, such as `States.Runtime`.
        cause: what happened, without the prefix that names the state.
    """

    def __init__(self, error: str, cause: str) -> None:
        super().__init__(f"{error}: {cause}")
        self.error = error
        self.cause = cause


class PathMissing(StateError):
    """A definite path leads nowhere. As it is, it says what a failed `InputPath` says.

    Args:
        path: the path as it was written.
        reason: where it ended, such as `No results for path: $['a']`.
        root: the value that was searched.
    """

    def __init__(self, path: str, reason: str, root: Any) -> None:
        super().__init__(RUNTIME, f"Invalid path '{path}' : {reason}")
        self.path = path
        self.reason = reason
        self.root = root

    def for_field(self, field: str) -> StateError:
        """The error of a field that needs a value there (`ErrorPath`, `Message.$`)."""
        return StateError(
            RUNTIME,
            f"The JSONPath '{self.path}' specified for the field '{field}' could not be found"
            f" in the input '{quote_json(self.root)}'",
        )


def json_text(value: Any) -> str:
    """A JSON value as Step Functions writes it: no spaces, members in their order."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return _with_java_numbers(text) if _FRACTION.search(text) else text


def number_text(value: float) -> str:
    """A number as Java writes it: `1.0E10`, where Python says `10000000000.0`."""
    if isinstance(value, int):
        return str(value)
    plain = repr(value)
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return plain
    mantissa, _, exponent = f"{value!r}".partition("e")
    if not exponent:
        digits = mantissa.lstrip("-").replace(".", "")
        point = mantissa.lstrip("-").index(".")
        first = len(digits) - len(digits.lstrip("0"))
        shift = point - first - 1
        digits = digits.strip("0")
        sign = "-" if value < 0 else ""
        return f"{sign}{digits[0]}.{digits[1:] or '0'}E{shift}"
    if "." not in mantissa:
        mantissa += ".0"
    return f"{mantissa}E{int(exponent)}"


def quote_json(value: Any) -> str:
    """A value's text for a cause, cut where it would not fit in one."""
    text = json_text(value)
    if len(text) <= _LONGEST_QUOTE_CHARACTERS:
        return text
    return text[:_LONGEST_QUOTE_CHARACTERS] + "…"


# What may be a number with a fraction; that it is one and not part of a text shows later.
_FRACTION = re.compile(r"\d[.e]")
_NUMBER_OR_STRING = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*')


def _with_java_numbers(text: str) -> str:
    def rewrite(match: re.Match[str]) -> str:
        token = match.group()
        if token[0] == '"' or not set(token) & set(".eE"):
            return token
        return number_text(float(token))

    return _NUMBER_OR_STRING.sub(rewrite, text)
