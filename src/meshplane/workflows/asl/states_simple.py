"""States that need nobody else: Pass, Succeed, Fail and Wait."""

from typing import Any

from meshplane.workflows.asl.branch import Branch
from meshplane.workflows.asl.errors import QUERY_EVALUATION_ERROR, RUNTIME, PathMissing, StateError
from meshplane.workflows.asl.jsonata import compile_jsonata, is_jsonata
from meshplane.workflows.asl.limits import LONGEST_WAIT_SECONDS
from meshplane.workflows.asl.quantity import Seconds, plain_text
from meshplane.workflows.asl.scope import Scope
from meshplane.workflows.asl.state import Stage, State
from meshplane.workflows.asl.templates import compile_expression
from meshplane.workflows.asl.timestamps import Instant, epoch_seconds, read_instant


class PassState(State):
    """Gives its input on, changed or not."""

    kind = "Pass"
    entered_type = "PassStateEntered"
    exited_type = "PassStateExited"

    def __init__(self, name: str, document: dict[str, Any], language: str) -> None:
        super().__init__(name, document, language)
        self._has_result = "Result" in document
        self._result = document.get("Result")

    def begin(self, stage: Stage, branch: Branch) -> None:
        """Leaves at once."""
        raw = branch.data
        scope = stage.scope(branch, self, raw)
        flow = self.flow
        if self.is_jsonata:
            output, assigned = flow.pass_on(scope)
        else:
            flow.effective(scope)
            result = flow.arguments(scope)
            if self._has_result:
                result = self._result
            output, assigned = flow.conclude(scope, raw, result)
        stage.leave(branch, self, output, assigned, self.after)


class SucceedState(State):
    """Ends its branch."""

    kind = "Succeed"
    entered_type = "SucceedStateEntered"
    exited_type = "SucceedStateExited"

    def begin(self, stage: Stage, branch: Branch) -> None:
        """Leaves at once."""
        scope = stage.scope(branch, self, branch.data)
        self.flow.effective(scope)
        output, assigned = self.flow.pass_on(scope)
        stage.leave(branch, self, output, assigned, None)


class FailState(State):
    """Fails its branch, with an error and a cause that are told or computed."""

    kind = "Fail"
    entered_type = "FailStateEntered"

    def __init__(self, name: str, document: dict[str, Any], language: str) -> None:
        super().__init__(name, document, language)
        self._error = _text_field(document, "Error")
        self._cause = _text_field(document, "Cause")

    def begin(self, stage: Stage, branch: Branch) -> None:
        """Fails."""
        scope = stage.scope(branch, self, branch.data)
        error = self._error(scope)
        cause = self._cause(scope)
        stage.give_up(branch, error, cause)


def _text_field(document: dict[str, Any], name: str) -> Any:
    """Reads `Error` or `Cause`: a literal, a path or intrinsic, or JSONata."""
    path = document.get(f"{name}Path")
    value = document.get(name)
    if isinstance(path, str):
        expression = compile_expression(path, f"{name}Path")

        def from_path(scope: Scope) -> Any:
            found = expression.evaluate(scope)
            if not isinstance(found, str):
                raise StateError(
                    RUNTIME,
                    f"The {name}Path field does not reference a string: {path} =="
                    f" {plain_text(found)}",
                )
            return found

        return from_path
    if is_jsonata(value):
        jsonata = compile_jsonata(value)
        return lambda scope: jsonata.evaluate(scope, name, "string")
    return lambda _: value


class WaitState(State):
    """Waits for some seconds, or until a moment."""

    kind = "Wait"
    entered_type = "WaitStateEntered"
    exited_type = "WaitStateExited"

    def __init__(self, name: str, document: dict[str, Any], language: str) -> None:
        super().__init__(name, document, language)
        self._seconds = Seconds(document, "Seconds", LONGEST_WAIT_SECONDS)
        self._until = _moment_field(document)

    def begin(self, stage: Stage, branch: Branch) -> None:
        """Waits, or leaves at once when there is nothing to wait for."""
        scope = stage.scope(branch, self, branch.data)
        self.flow.effective(scope)
        seconds = self._seconds.evaluate(scope)
        until = epoch_seconds(self._until(scope)) if seconds is None else stage.now + seconds
        if until <= stage.now:
            self.finish(stage, branch, None)
        else:
            stage.sleep(branch, until)

    def finish(self, stage: Stage, branch: Branch, result: Any) -> None:
        """Leaves, once it has waited."""
        scope = stage.scope(branch, self, branch.data)
        self.flow.effective(scope)
        output, assigned = self.flow.pass_on(scope)
        stage.leave(branch, self, output, assigned, self.after)


def _moment_field(document: dict[str, Any]) -> Any:
    """Reads `Timestamp`: a literal, a path, or JSONata."""
    path = document.get("TimestampPath")
    value = document.get("Timestamp")
    if isinstance(path, str):
        expression = compile_expression(path, "TimestampPath")

        def from_path(scope: Scope) -> Instant:
            try:
                found = expression.source.evaluate(scope)
            except PathMissing:
                raise StateError(
                    RUNTIME,
                    f"The TimestampPath parameter does not reference an input value: {path}",
                ) from None
            return _instant(
                found,
                RUNTIME,
                "The TimestampPath parameter does not reference a valid ISO-8601 extended offset"
                f" date-time format string: {path} == {plain_text(found)}",
            )

        return from_path
    if is_jsonata(value):
        jsonata = compile_jsonata(value)

        def from_jsonata(scope: Scope) -> Instant:
            found = jsonata.evaluate(scope, "Timestamp", "string")
            return _instant(found, QUERY_EVALUATION_ERROR, _unreadable(found))

        return from_jsonata
    return lambda _: _instant(value, RUNTIME, _unreadable(value))


def _unreadable(value: Any) -> str:
    return (
        "The Timestamp field cannot be parsed as an ISO-8601 extended offset date-time format"
        f" string: {plain_text(value)}"
    )


def _instant(value: Any, error: str, cause: str) -> Instant:
    instant = read_instant(value)
    if instant is None:
        raise StateError(error, cause)
    return instant
