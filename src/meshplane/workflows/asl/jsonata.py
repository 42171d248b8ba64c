"""The JSONata flavour: strings `{% … %}`, templates of them, and the `$states` that they see.

An expression comes to an end within a budget of steps, memory and time (see `jsonata_values`);
what goes beyond it fails its state with `States.QueryEvaluationError`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from meshplane.workflows.asl.errors import QUERY_EVALUATION_ERROR, StateError, json_text
from meshplane.workflows.asl.json_path_weight import json_weight
from meshplane.workflows.asl.jsonata_syntax import InvalidJsonata
from meshplane.workflows.asl.remembered import remembered
from meshplane.workflows.asl.scope import NOTHING, Scope

LARGEST_RESULT_CHARACTERS = 4_000_000
_LONGEST_QUOTE_CHARACTERS = 1_000
_MOST_EXPRESSIONS_UNWEIGHED = 16

__all__ = [
    "InvalidJsonata",
    "Jsonata",
    "JsonataTemplate",
    "compile_jsonata",
    "compile_jsonata_template",
    "is_jsonata",
    "states_of",
]


def is_jsonata(value: Any) -> bool:
    """Whether a JSON value is an expression: a string that begins with `{%` and ends with `%}`."""
    return isinstance(value, str) and value.startswith("{%") and value.endswith("%}")


def states_of(scope: Scope) -> dict[str, Any]:
    """The value of `$states` in a scope: only what there is, is a member."""
    states = {"input": scope.input, "context": scope.context}
    if scope.result is not NOTHING:
        states["result"] = scope.result
    if scope.error_output is not NOTHING:
        states["errorOutput"] = scope.error_output
    return states


class Jsonata:
    """A compiled expression.

    Attributes:
        text: the expression, without the marks around it and the blanks at its ends.
        unknown_reference: a name in it that never has a value, for which Step Functions refuses
            it; None: there is none.
    """

    __slots__ = ("_evaluate", "text", "unknown_reference")

    def __init__(self, text: str) -> None:
        # The engine is imported with the first expression: a server that has none starts sooner.
        from meshplane.workflows.asl.jsonata_engine import compile_text

        self.text = text
        self._evaluate, self.unknown_reference = compile_text(text)

    def evaluate(self, scope: Scope, field: str, *expected: str) -> Any:
        """The expression's value.

        Args:
            scope: what it sees.
            field: where it stands, for causes: `Output`, `Assign/total`.
            expected: the types that it may have: array, object, string, number, boolean, null; any,
                if none is given.

        Raises:
            StateError: `States.QueryEvaluationError`; it fails, is undefined, too large, or of
                another type.
        """
        from meshplane.workflows.asl.jsonata_engine import UNDEFINED, EvaluationFailed

        try:
            value = self._evaluate(scope, {**scope.variables, "states": states_of(scope)})
        except EvaluationFailed as failure:
            raise self._error(field, f"threw an error during evaluation. {failure}") from None
        if value is UNDEFINED:
            raise self._error(field, "returned nothing (undefined).")
        if expected and type_name(value) not in expected:
            text = json_text(value)[:_LONGEST_QUOTE_CHARACTERS]
            wanted = "' or '".join(expected)
            raise self._error(
                field,
                f"returned an unexpected result type. Expected '{wanted}',"
                f" but was '{type_name(value)}' for value: {text}",
            )
        return value

    def _error(self, field: str, what: str) -> StateError:
        cause = f"The JSONata expression '{self.text}' specified for the field '{field}' {what}"
        return StateError(QUERY_EVALUATION_ERROR, cause)


def type_name(value: Any) -> str:
    """A JSON value's type, in the words of Step Functions."""
    if value is None:
        return "null"
    kinds: list[tuple[type, str]] = [
        (bool, "boolean"),
        (str, "string"),
        (int, "number"),
        (float, "number"),
        (list, "array"),
    ]
    return next((name for kind, name in kinds if isinstance(value, kind)), "object")


@remembered(2_048)
def compile_jsonata(text: str) -> Jsonata:
    """Compiles an expression; the 2,048 short ones used last are kept.

    Args:
        text: with its marks, `{% $states.input.name %}`.

    Raises:
        InvalidJsonata: it cannot be read.
    """
    return Jsonata(text[2:-2].strip())


Builder = Callable[[Scope], Any]


class JsonataTemplate:
    """A JSON value in which strings can be expressions: `Arguments`, `Output`, `Assign`, `Items`.

    Attributes:
        source: the value that it was made from.
        constant: it has no expression: its value is its source.
    """

    __slots__ = ("_build", "_expressions", "_single", "constant", "field", "source")

    def __init__(self, source: Any, field: str) -> None:
        self.source = source
        self.field = field
        self._expressions = 0
        self._single = compile_jsonata(source) if is_jsonata(source) else None
        self._build = self._compiled(source, field)
        self.constant = self._build is None

    def evaluate(self, scope: Scope) -> Any:
        """The template's value.

        Args:
            scope: what its expressions see.

        Raises:
            StateError: `States.QueryEvaluationError`, as `Jsonata.evaluate`.
        """
        if self._single is not None:
            return self._single.evaluate(scope, self.field)
        if self._build is None:
            return self.source
        value = self._build(scope)
        if self._expressions > _MOST_EXPRESSIONS_UNWEIGHED:
            self._check_size(value)
        return value

    def _compiled(self, node: Any, field: str) -> Builder | None:
        if is_jsonata(node):
            self._expressions += 1
            expression = compile_jsonata(node)
            return lambda scope: expression.evaluate(scope, field)
        if isinstance(node, dict):
            return self._object(node, field)
        if isinstance(node, list):
            return self._list(node, field)
        return None

    def _object(self, node: Mapping[str, Any], field: str) -> Builder | None:
        found = ((name, self._compiled(part, f"{field}/{name}")) for name, part in node.items())
        builders = [(name, build) for name, build in found if build is not None]
        if not builders:
            return None

        def make(scope: Scope) -> dict[str, Any]:
            made = dict(node)
            for name, build in builders:
                made[name] = build(scope)
            return made

        return make

    def _list(self, node: list[Any], field: str) -> Builder | None:
        found = ((at, self._compiled(part, f"{field}[{at}]")) for at, part in enumerate(node))
        builders = [(at, build) for at, build in found if build is not None]
        if not builders:
            return None

        def make(scope: Scope) -> list[Any]:
            made = list(node)
            for at, build in builders:
                made[at] = build(scope)
            return made

        return make

    def _check_size(self, value: Any) -> None:
        try:
            fits = json_weight(value) <= LARGEST_RESULT_CHARACTERS
        except RecursionError:
            fits = False
        if not fits:
            cause = (
                f"The value of the field '{self.field}' exceeds {LARGEST_RESULT_CHARACTERS} bytes"
            )
            raise StateError(QUERY_EVALUATION_ERROR, cause)


def compile_jsonata_template(source: Any, field: str) -> JsonataTemplate:
    """Compiles a template once, for any number of evaluations.

    Args:
        source: the JSON value.
        field: its name, for causes.

    Raises:
        InvalidJsonata: one of its expressions cannot be read.
    """
    return JsonataTemplate(source, field)
