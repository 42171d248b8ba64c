"""Dynamic values: payload templates with `.$` in JSONPath states, `{% … %}` in JSONata states."""

import re
from collections.abc import Iterator
from typing import Any

from meshplane.workflows.asl.jsonata import InvalidJsonata, compile_jsonata, is_jsonata
from meshplane.workflows.asl.validation_paths import is_intrinsic, is_path
from meshplane.workflows.asl.validation_report import (
    INVALID_JSONATA,
    TOO_MANY_EXPRESSIONS,
    UNSUPPORTED_JSONATA,
    Place,
    quoted,
)

LONGEST_JSONATA_CHARACTERS = 32_768
# Each takes up to a millisecond to compile, long ones more; a large machine has some hundred.
MOST_EXPRESSIONS = 5_000
_CHARACTERS_AS_LONG_AS_AN_EXPRESSION = 64
_SHOULD_HAVE_DOLLAR = re.compile(r"\$\$?[.\[]|States\.[A-Z]\w*\(")
# What is never closed goes on to the end, so that a search never starts over within it.
_JSONATA_TEXT = re.compile(
    r"""\"(?:[^"\\]|\\.)*(?:"|\\?\Z)|'(?:[^'\\]|\\.)*(?:'|\\?\Z)|/\*.*?(?:\*/|\Z)""", re.DOTALL
)
_STATES_MEMBER = re.compile(r"\$states\s*\.\s*(result|errorOutput)\b")


def strings_in(place: Place, value: Any) -> Iterator[tuple[Place, str, Any]]:
    """Every member that is no object or array below a value: its place, its key, itself."""
    waiting: list[tuple[Place, str, Any]] = [(place, "", value)]
    while waiting:
        where, key, each = waiting.pop()
        if isinstance(each, dict):
            waiting += [(where.at(name), name, each[name]) for name in reversed(each)]
        elif isinstance(each, list):
            waiting += [(where.at(i), "", each[i]) for i in reversed(range(len(each)))]
        else:
            yield where, key, each


def expression(place: Place, value: Any, language: str) -> None:
    """A path, or a call of an intrinsic function (`ErrorPath`, the value of a `.$` field)."""
    if not is_path(value) and not is_intrinsic(value):
        place.error(
            f"is {quoted(value)}, not a JSONPath or intrinsic function expression; write a path"
            " such as $.order.id, or a call such as States.Format('{}', $.name)."
        )


def template(place: Place, value: Any, language: str) -> None:
    """A payload template: fields whose name ends in `.$` hold a path or an intrinsic call."""
    waiting: list[tuple[Place, Any]] = [(place, value)]
    while waiting:
        where, each = waiting.pop()
        if isinstance(each, list):
            waiting += [(where.at(i), each[i]) for i in reversed(range(len(each)))]
        if not isinstance(each, dict):
            continue
        for name in reversed(each):
            if not name.endswith(".$"):
                _warn_of_forgotten_marks(where.at(name), name, each[name])
                waiting.append((where.at(name), each[name]))
            else:
                expression(where.at(name), each[name], language)


def template_object(place: Place, value: Any, language: str) -> None:
    """A payload template that is an object."""
    if isinstance(value, dict):
        template(place, value, language)
    else:
        place.error(f"must be a JSON object, and is {quoted(value)}.")


def _warn_of_forgotten_marks(place: Place, name: str, value: Any) -> None:
    if not isinstance(value, str):
        return
    if _SHOULD_HAVE_DOLLAR.match(value):
        place.warn(
            "NO_DOLLAR",
            f"{quoted(value)} looks like a path or an intrinsic function, but is passed on as"
            f" text. Name the field {quoted(name + '.$')} to have it evaluated.",
        )
    elif is_jsonata(value):
        place.warn(
            "JSONATA_NOT_ENABLED",
            f"{quoted(value)} looks like JSONata, but is passed on as text. Set"
            ' "QueryLanguage": "JSONata" in this state to have it evaluated.',
        )


def jsonata_value(place: Place, value: Any, language: str) -> None:
    """Any JSON value, in which strings `{% … %}` are expressions over the input and context."""
    _check_values(place, value, frozenset())


def jsonata_after_task(place: Place, value: Any, language: str) -> None:
    """The same where the result of the state is known too (`$states.result`)."""
    _check_values(place, value, frozenset({"result"}))


def jsonata_after_error(place: Place, value: Any, language: str) -> None:
    """The same where an error was caught (`$states.errorOutput`)."""
    _check_values(place, value, frozenset({"errorOutput"}))


def jsonata_object(place: Place, value: Any, language: str) -> None:
    """An object with expressions in it, or an expression that gives one."""
    if isinstance(value, dict) or is_jsonata(value):
        jsonata_value(place, value, language)
    else:
        place.error(f"must be an object or a JSONata expression, and is {quoted(value)}.")


def jsonata_items(place: Place, value: Any, language: str) -> None:
    """What a Map goes over: an array, an object, or an expression that gives one."""
    if isinstance(value, dict | list) or is_jsonata(value):
        jsonata_value(place, value, language)
    else:
        place.error(f"must be an array, an object or a JSONata expression, and is {quoted(value)}.")


def _check_values(place: Place, value: Any, known: frozenset[str]) -> None:
    for where, _, each in strings_in(place, value):
        if isinstance(each, str):
            check_jsonata(where, each, required=False, known=known)


def check_jsonata(
    place: Place, value: str, *, required: bool = True, known: frozenset[str] = frozenset()
) -> None:
    """Tells what is wrong with a string of a JSONata state.

    Args:
        place: where it stands.
        value: the string.
        required: plain text is wrong here, it must be an expression.
        known: the members of `$states` that exist here beside `input` and `context`.
    """
    opened, closed = value.startswith("{%"), value.endswith("%}")
    if opened != closed or (opened and len(value) < 4):
        place.error(
            f"{quoted(value)} is an expression only when it starts with {{% and ends with %}},"
            " with nothing before or after."
        )
    elif not opened:
        if required:
            place.error(f"must be a JSONata expression {{% … %}}, and is {quoted(value)}.")
    else:
        _check_expression(place, value, known)


def _check_expression(place: Place, value: str, known: frozenset[str]) -> None:
    if len(value) > LONGEST_JSONATA_CHARACTERS:
        place.error(
            f"The expression has more than {LONGEST_JSONATA_CHARACTERS} characters; split it with"
            " Assign."
        )
        return
    if place.report.expressions >= MOST_EXPRESSIONS:
        return  # and it was told
    place.report.expressions += 1 + len(value) // _CHARACTERS_AS_LONG_AS_AN_EXPRESSION
    if place.report.expressions >= MOST_EXPRESSIONS:
        place.error(
            f"Up to here the definition has more than {MOST_EXPRESSIONS} JSONata expressions, long"
            " ones counted more than once. Move parts into state machines of their own.",
            TOO_MANY_EXPRESSIONS,
        )
        return
    try:
        unknown = compile_jsonata(value).unknown_reference
    except InvalidJsonata as error:
        place.error(f"{quoted(value)} is no JSONata: {error}", INVALID_JSONATA)
        return
    except RecursionError:
        place.error("The expression is nested too deeply; split it with Assign.")
        return
    if unknown is not None:
        place.error(
            f"Reference to {quoted(unknown)} at the top level is not supported; the state's input"
            " is $states.input, and a variable has a $ before its name.",
            UNSUPPORTED_JSONATA,
        )
    for member in _STATES_MEMBER.findall(_JSONATA_TEXT.sub('""', value)):
        if member not in known:
            place.error(f"$states.{member} does not exist here; {_WHERE_IT_EXISTS[member]}")


_WHERE_IT_EXISTS = {
    "result": "only Output and Assign of a Task, Parallel or Map see the result.",
    "errorOutput": "only Output and Assign of a Catch see the error.",
}
