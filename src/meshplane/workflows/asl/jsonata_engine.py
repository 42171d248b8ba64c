"""Evaluates compiled JSONata within its bounds, and makes JSON of what comes out."""

import operator
import sys
from collections.abc import Callable
from typing import Any

from meshplane.workflows.asl.json_path_regex import RegexTooSlow
from meshplane.workflows.asl.jsonata_compile import compile_expression
from meshplane.workflows.asl.jsonata_errors import JsonataError
from meshplane.workflows.asl.jsonata_functions import FUNCTIONS
from meshplane.workflows.asl.jsonata_values import (
    MISSING,
    Frame,
    Run,
    is_function,
    written_number,
)
from meshplane.workflows.asl.scope import Scope

DEEPEST_RESULT = 512
# A call of a function takes about twenty frames of Python, and calls go 256 deep. They are Python
# frames only, on the heap: the stack of the thread stays shallow.
_FRAMES_NEEDED = 8_000

UNDEFINED = MISSING


class EvaluationFailed(Exception):
    """The expression failed; the text has JSONata's code and message."""


def compile_text(text: str) -> tuple[Callable[[Scope, dict[str, Any]], Any], str | None]:
    """An evaluator of an expression: of a scope and the variables' values.

    With it comes a name in the expression that never has a value, if there is one.

    Raises:
        InvalidJsonata: it cannot be read.
    """
    evaluate, unknown = compile_expression(text)

    def run(scope: Scope, names: dict[str, Any]) -> Any:
        if sys.getrecursionlimit() < _FRAMES_NEEDED:
            sys.setrecursionlimit(_FRAMES_NEEDED)
        budget = Run(scope)
        base = Frame(None, budget, FUNCTIONS)
        try:
            return _json(budget, evaluate(MISSING, Frame(base, budget, names)), 0)
        except JsonataError as failure:
            raise EvaluationFailed(f"{failure.code}: {failure}") from None
        except RecursionError:
            raise EvaluationFailed(f"D1011: {JsonataError('D1011')}") from None
        except RegexTooSlow:
            raise EvaluationFailed("D1012: A regular expression takes too long") from None
        except MemoryError:
            raise EvaluationFailed("D1012: The expression needs too much memory") from None

    return run, unknown


def _json(run: Run, value: Any, depth: int) -> Any:
    """Plain JSON of a value. What is JSON already is looked through, but not copied.

    All numbers are those of JavaScript, also the ones that came in: `1.0` comes out as 1.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        if depth:
            run.spend(1 + len(value) // 16)
        return value
    if isinstance(value, int | float):
        return written_number(value)
    if value is MISSING:
        return MISSING if depth == 0 else None
    if depth > DEEPEST_RESULT:
        raise JsonataError("D1011")
    if isinstance(value, dict):
        run.spend(1 + 2 * len(value))
        made = {name: _json(run, item, depth + 1) for name, item in value.items()}
        return value if all(made[name] is value[name] for name in made) else made
    if isinstance(value, list):
        run.spend(1 + len(value))
        items = [_json(run, item, depth + 1) for item in value]
        same = type(value) is list and all(map(operator.is_, items, value))
        return value if same else items
    if is_function(value):
        raise JsonataError("D3137", message="The expression evaluates to a function")
    raise JsonataError("D3137", message="The expression evaluates to no JSON value")
