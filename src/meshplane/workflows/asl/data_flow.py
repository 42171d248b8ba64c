"""How data goes into and out of a state, in each query language.

JSONPath: InputPath, Parameters, ResultSelector, ResultPath, OutputPath, Assign. JSONata: Arguments,
Output, Assign. Source: the Amazon States Language, "Input and Output Processing".

Assignments see the variables as they were when the state was entered; none of them is seen by the
output.
"""

from typing import Any, Protocol

from meshplane.workflows.asl.json_path import Path, compile_path, write_reference
from meshplane.workflows.asl.jsonata import JsonataTemplate, compile_jsonata_template
from meshplane.workflows.asl.scope import NOTHING, Scope
from meshplane.workflows.asl.templates import Template, compile_template

JSONATA = "JSONata"
JSONPATH = "JSONPath"

Assigned = dict[str, Any] | None
"""The variables that a state sets; None: none."""


class DataFlow(Protocol):
    """The data of one state. `scope.input` is the raw input when a method is called."""

    def effective(self, scope: Scope) -> Any:
        """The effective input before Parameters; it becomes `scope.input`."""
        ...

    def arguments(self, scope: Scope) -> Any:
        """What the state's work is given, of the effective input."""
        ...

    def conclude(self, scope: Scope, raw: Any, result: Any) -> tuple[Any, Assigned]:
        """The state's output and assignments, once there is a result."""
        ...

    def pass_on(self, scope: Scope) -> tuple[Any, Assigned]:
        """The output and assignments of a state without a result; `scope.input` is effective."""
        ...


class Assignment:
    """An `Assign` of either language, and the `$` that it sees."""

    __slots__ = ("_jsonata", "_template")

    def __init__(self, source: Any, language: str, field: str = "Assign") -> None:
        self._jsonata: JsonataTemplate | None = None
        self._template: Template | None = None
        if language == JSONATA:
            self._jsonata = compile_jsonata_template(source, field)
        else:
            self._template = compile_template(source)

    def evaluate(self, scope: Scope, dollar: Any) -> dict[str, Any]:
        """The variables' values.

        Args:
            scope: what is in reach.
            dollar: what `$` means in a JSONPath.
        """
        if self._jsonata is not None:
            values: dict[str, Any] = self._jsonata.evaluate(scope)
            return values
        if self._template is None:
            return {}
        before, scope.input = scope.input, dollar
        try:
            values = self._template.evaluate(scope)
            return values
        finally:
            scope.input = before


def compile_assign(document: dict[str, Any], language: str, where: str = "") -> Assignment | None:
    """The `Assign` of a state, a rule or a catcher, if it has one.

    Args:
        document: of the state, rule or catcher.
        language: the state's query language.
        where: the place of a rule or catcher in its state, for causes: `Choices[0]/`.
    """
    source = document.get("Assign")
    return Assignment(source, language, f"{where}Assign") if source else None


class SelectedPath:
    """InputPath or OutputPath: absent, null (an empty object), or a path."""

    __slots__ = ("_null", "_path", "changes")

    def __init__(self, document: dict[str, Any], name: str) -> None:
        text = document.get(name, "$")
        self._null = text is None
        self._path: Path | None = None
        if text is not None and text != "$":
            self._path = compile_path(text)
        self.changes = self._null or self._path is not None

    def select(self, scope: Scope, value: Any) -> Any:
        """The selected part of a value."""
        if self._null:
            return {}
        if self._path is None:
            return value
        before, scope.input = scope.input, value
        try:
            return self._path.evaluate(scope)
        finally:
            scope.input = before


class PathFlow:
    """Data of a JSONPath state."""

    __slots__ = ("_assign", "_input", "_output", "_parameters", "_result_path", "_selector")

    def __init__(self, document: dict[str, Any]) -> None:
        self._input = SelectedPath(document, "InputPath")
        self._output = SelectedPath(document, "OutputPath")
        self._parameters = _template(document, "Parameters")
        self._selector = _template(document, "ResultSelector")
        self._assign = compile_assign(document, JSONPATH)
        place = document.get("ResultPath", "$")
        self._result_path = place if place in (None, "$") else compile_path(place)

    def effective(self, scope: Scope) -> Any:
        """The raw input through InputPath."""
        if self._input.changes:
            scope.input = self._input.select(scope, scope.input)
        return scope.input

    def arguments(self, scope: Scope) -> Any:
        """The effective input through Parameters."""
        return scope.input if self._parameters is None else self._parameters.evaluate(scope)

    def conclude(self, scope: Scope, raw: Any, result: Any) -> tuple[Any, Assigned]:
        """Through ResultSelector, ResultPath and OutputPath; `$` of Assign is the result."""
        assigned = None if self._assign is None else self._assign.evaluate(scope, result)
        if self._selector is not None:
            scope.input = result
            result = self._selector.evaluate(scope)
        place = self._result_path
        if place is None:
            result = raw
        elif place != "$":
            result = write_reference(place, raw, result)
        if self._output.changes:
            result = self._output.select(scope, result)
        return result, assigned

    def pass_on(self, scope: Scope) -> tuple[Any, Assigned]:
        """Through OutputPath; `$` of Assign is the effective input."""
        value = scope.input
        assigned = None if self._assign is None else self._assign.evaluate(scope, value)
        if self._output.changes:
            value = self._output.select(scope, value)
        return value, assigned


class JsonataFlow:
    """Data of a JSONata state."""

    __slots__ = ("_arguments", "_assign", "_output")

    def __init__(self, document: dict[str, Any]) -> None:
        self._arguments = _jsonata(document, "Arguments")
        self._output = _jsonata(document, "Output")
        self._assign = compile_assign(document, JSONATA)

    def effective(self, scope: Scope) -> Any:
        """The raw input: nothing is selected in this language."""
        return scope.input

    def arguments(self, scope: Scope) -> Any:
        """What Arguments gives, or else the input."""
        return scope.input if self._arguments is None else self._arguments.evaluate(scope)

    def conclude(self, scope: Scope, raw: Any, result: Any) -> tuple[Any, Assigned]:
        """What Output gives, or else the result."""
        scope.result = result
        assigned = None if self._assign is None else self._assign.evaluate(scope, None)
        return (result if self._output is None else self._output.evaluate(scope)), assigned

    def pass_on(self, scope: Scope) -> tuple[Any, Assigned]:
        """What Output gives, or else the input."""
        assigned = None if self._assign is None else self._assign.evaluate(scope, None)
        return (scope.input if self._output is None else self._output.evaluate(scope)), assigned


def compile_flow(document: dict[str, Any], language: str) -> DataFlow:
    """The data flow of a state's document."""
    return JsonataFlow(document) if language == JSONATA else PathFlow(document)


def _template(document: dict[str, Any], name: str) -> Template | None:
    return compile_template(document[name]) if name in document else None


def _jsonata(document: dict[str, Any], name: str) -> JsonataTemplate | None:
    return compile_jsonata_template(document[name], name) if name in document else None


__all__ = [
    "JSONATA",
    "JSONPATH",
    "NOTHING",
    "Assigned",
    "Assignment",
    "DataFlow",
    "JsonataFlow",
    "PathFlow",
    "SelectedPath",
    "compile_assign",
    "compile_flow",
]
