"""Choice: goes where the first rule that holds points to."""

from typing import Any

from meshplane.workflows.asl.branch import Branch
from meshplane.workflows.asl.choice_rules import Rule, compile_rule
from meshplane.workflows.asl.data_flow import (
    JSONATA,
    Assigned,
    Assignment,
    DataFlow,
    SelectedPath,
    compile_assign,
)
from meshplane.workflows.asl.errors import StateError
from meshplane.workflows.asl.jsonata import (
    Jsonata,
    JsonataTemplate,
    compile_jsonata,
    compile_jsonata_template,
    is_jsonata,
)
from meshplane.workflows.asl.scope import Scope
from meshplane.workflows.asl.state import Stage, State

NO_CHOICE_MATCHED = "States.NoChoiceMatched"


class Option:
    """One element of `Choices`."""

    __slots__ = ("_assign", "_output", "after", "holds")

    def __init__(self, document: dict[str, Any], language: str, index: int) -> None:
        where = f"Choices[{index}]/"
        self.after: str = document["Next"]
        self._assign: Assignment | None = compile_assign(document, language, where)
        self._output: JsonataTemplate | None = None
        self.holds: Rule
        if language == JSONATA:
            self.holds = _condition(document["Condition"], f"{where}Condition")
            if "Output" in document:
                self._output = compile_jsonata_template(document["Output"], f"{where}Output")
        else:
            self.holds = compile_rule(document)

    def pass_on(self, scope: Scope, selected: SelectedPath | None) -> tuple[Any, Assigned]:
        """The state's output and assignments when this option is taken."""
        value = scope.input
        assigned = None if self._assign is None else self._assign.evaluate(scope, value)
        if self._output is not None:
            return self._output.evaluate(scope), assigned
        return value if selected is None else selected.select(scope, value), assigned


def _condition(value: Any, field: str) -> Rule:
    if not is_jsonata(value):
        return lambda _: value is True
    expression: Jsonata = compile_jsonata(value)
    return lambda scope: bool(expression.evaluate(scope, field, "boolean"))


class ChoiceState(State):
    """A Choice. `Output` and `Assign` of the state itself belong to its Default."""

    kind = "Choice"
    entered_type = "ChoiceStateEntered"
    exited_type = "ChoiceStateExited"

    def __init__(self, name: str, document: dict[str, Any], language: str) -> None:
        super().__init__(name, document, language)
        self._options = [
            Option(each, language, index) for index, each in enumerate(document["Choices"])
        ]
        self._default: str | None = document.get("Default")
        self._selected = None if self.is_jsonata else SelectedPath(document, "OutputPath")

    def begin(self, stage: Stage, branch: Branch) -> None:
        """Leaves at once."""
        scope = stage.scope(branch, self, branch.data)
        flow: DataFlow = self.flow
        flow.effective(scope)
        for option in self._options:
            if option.holds(scope):
                output, assigned = option.pass_on(scope, self._selected)
                stage.leave(branch, self, output, assigned, option.after)
                return
        if self._default is None:
            raise StateError(
                NO_CHOICE_MATCHED,
                "Failed to transition out of the state. The state does not point to a next state.",
            )
        output, assigned = flow.pass_on(scope)
        stage.leave(branch, self, output, assigned, self._default)
