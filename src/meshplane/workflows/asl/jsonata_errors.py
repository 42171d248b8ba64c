"""Errors of JSONata expressions, with the codes and texts of its reference implementation."""

import json
from typing import Any

_TEXTS = {
    "D1001": "Number out of range: {value}",
    "D1002": "Cannot negate a non-numeric value: {value}",
    "D1004": "Regular expression matches zero length string",
    "D1009": "Multiple key definitions evaluate to same key: {value}",
    "D1011": (
        "Stack overflow. Check for non-terminating recursive function."
        "  Consider rewriting as tail-recursive"
    ),
    "D1012": "Evaluation exceeds the limit of {value}. Check for infinite loop",
    "D2014": (
        "The size of the sequence allocated by the range operator (..) must not exceed 1e6."
        "  Attempted to allocate {value}."
    ),
    "D3001": "Attempting to invoke string function on Infinity or NaN",
    "D3010": "Second argument of replace function cannot be an empty string",
    "D3011": "Fourth argument of replace function must evaluate to a positive number",
    "D3012": "Attempted to replace a matched string with a non-string value",
    "D3020": "Third argument of split function must evaluate to a positive number",
    "D3030": "Unable to cast value to a number: {value}",
    "D3040": "Third argument of match function must evaluate to a positive number",
    "D3050": (
        "The second argument of reduce function must be a function with at least two arguments"
    ),
    "D3060": "The sqrt function cannot be applied to a negative number: {value}",
    "D3061": (
        "The power function has resulted in a value that cannot be represented as a JSON number:"
        " base={value}, exponent={value2}"
    ),
    "D3070": (
        "The single argument form of the sort function can only be applied to an array of strings"
        " or an array of numbers.  Use the second argument to specify a comparison function"
    ),
    "D3100": "The radix of the formatBase function must be between 2 and 36.  It was given {value}",
    "D3110": (
        "The argument of the toMillis function must be an ISO 8601 formatted timestamp."
        " Given {value}"
    ),
    "D3137": "{message}",
    "D3138": (
        "The $single() function expected exactly 1 matching result.  Instead it matched more."
    ),
    "D3139": "The $single() function expected exactly 1 matching result.  Instead it matched 0.",
    "D3140": "Malformed URL passed to ${name}(): {value}",
    "D3141": "{message}",
    "D3142": "{message}",
    "T0410": "Argument {index} of function {subject} does not match function signature",
    "T0411": "Context value is not a compatible type with argument {index} of function {subject}",
    "T0412": "Argument {index} of function {subject} must be an array of {type}",
    "T1003": "Key in object structure must evaluate to a string; got: {value}",
    "T1005": "Attempted to invoke a non-function. Did you mean ${name}?",
    "T1006": "Attempted to invoke a non-function",
    "T1007": "Attempted to partially apply a non-function. Did you mean ${name}?",
    "T1008": "Attempted to partially apply a non-function",
    "T2001": "The left side of the {subject} operator must evaluate to a number",
    "T2002": "The right side of the {subject} operator must evaluate to a number",
    "T2003": "The left side of the range operator (..) must evaluate to an integer",
    "T2004": "The right side of the range operator (..) must evaluate to an integer",
    "T2006": "The right side of the function application operator ~> must be a function",
    "T2007": "Type mismatch when comparing values {value} and {value2} in order-by clause",
    "T2008": "The expressions within an order-by clause must evaluate to numeric or string values",
    "T2009": (
        "The values {value} and {value2} either side of operator {subject} must be of the same"
        " data type"
    ),
    "T2010": (
        "The expressions either side of operator {subject} must evaluate to numeric or string"
        " values"
    ),
    "T2011": (
        "The insert/update clause of the transform expression must evaluate to an object: {value}"
    ),
    "T2012": (
        "The delete clause of the transform expression must evaluate to a string or array of"
        " strings: {value}"
    ),
}
_LONGEST_VALUE_CHARACTERS = 200


class JsonataError(Exception):
    """An expression failed.

    Args:
        code: JSONata's code: `T…` for types, `D…` for what happens when it is evaluated.
        inserts: what the code's text tells: `subject`, `value`, `index` …
    """

    def __init__(self, code: str, **inserts: Any) -> None:
        texts = {
            name: value if name in ("message", "name") else _quoted(value)
            for name, value in inserts.items()
        }
        super().__init__(_TEXTS[code].format_map(texts))
        self.code = code


def _quoted(value: Any) -> str:
    """A value as the reference implementation writes it into a text: as JSON."""
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        return "{}"
    return (
        text if len(text) <= _LONGEST_VALUE_CHARACTERS else text[:_LONGEST_VALUE_CHARACTERS] + "…"
    )
