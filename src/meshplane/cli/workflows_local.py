"""`meshplane workflows validate` and `test`: a definition, looked at and tried without a server."""

import json
from collections.abc import Callable
from dataclasses import asdict
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meshplane.cli import present, workflows_history
from meshplane.cli.documents import read_json, read_object, read_text
from meshplane.cli.offline import Voice, offline
from meshplane.kit.errors import Invalid

if TYPE_CHECKING:
    from rich.console import RenderableType

    from meshplane.workflows.asl import ExecutionResult

File = Annotated[str, typer.Argument(help="The definition: a JSON file, JSON, or -.")]

_PROBLEMS: present.Columns = (
    ("Severity", lambda problem: problem["severity"].lower()),
    ("Where", "path"),
    ("Code", "code"),
    ("What", "message"),
)
_FAILS = ({"error"}, {"error", "cause"})
_PENDS = {"pending"}
_IN_TURN = {"inTurn"}


@offline
def validate(voice: Voice, file: File) -> None:
    """Says what is wrong with a definition: errors, which are refused, and traps.

    Exit code 1 when there is an error.
    """
    from meshplane.workflows.asl import validate as problems_of

    problems = [asdict(problem) for problem in problems_of(read_text(file, "file"))]
    errors = sum(problem["severity"] == "ERROR" for problem in problems)
    voice.show(
        {"valid": not errors, "problems": problems},
        lambda: present.stacked(problems_table(problems), *_counted(problems)),
    )
    if errors:
        raise typer.Exit(1)


@offline
def try_out(
    voice: Voice,
    *,
    file: File,
    given: Annotated[str, typer.Option("--input", help="A JSON file, JSON, or -.")] = "{}",
    tasks: Annotated[
        str,
        typer.Option(
            help="What tasks answer: a JSON object by the state's name or its resource. An answer "
            'is any JSON; {"error": …, "cause": …} fails, {"pending": true} never comes, '
            '{"inTurn": […]} is one answer after the other.'
        ),
    ] = "{}",
    mermaid: Annotated[bool, typer.Option("--mermaid", help="Draw it as a diagram.")] = False,
) -> None:
    """Runs a definition in memory: no server, no waiting, and nothing is really done.

    Exit code 1 when the execution does not succeed.
    """
    from meshplane.workflows.asl import execute

    definition = read_object(file, "file")
    answers = {name: _handler(value, name) for name, value in read_object(tasks, "tasks").items()}
    result = execute(definition, read_json(given, "input"), answers)
    _refuse_unknown(answers, definition)
    if mermaid:
        from meshplane.workflows.diagram import diagram

        events = chain(result.events, *result.child_events.values())
        print(diagram(definition, events, result.status), end="")
    else:
        voice.show(_document(result), lambda: _drawn(result))
    if result.status != "SUCCEEDED":
        raise typer.Exit(1)


def problems_table(problems: list[dict[str, Any]]) -> "RenderableType":
    """Problems of a definition, one a line."""
    return present.listing(problems, _PROBLEMS, nothing="No problems.")


def _handler(answer: Any, name: str) -> Callable[[Any], Any]:
    """What performs a task in the test.

    Raises:
        Invalid: ANSWERS_INVALID.
    """
    from meshplane.workflows.asl import PENDING, TaskFailed

    members = set(answer) if isinstance(answer, dict) else set()
    if members == _IN_TURN:
        turns = answer["inTurn"]
        if not isinstance(turns, list) or not turns:
            raise Invalid(
                "ANSWERS_INVALID", "inTurn is a list of answers, at least one.", field=name
            )
        handlers = [_handler(turn, name) for turn in turns]

        def next_one(parameters: Any) -> Any:
            handler = handlers.pop(0) if len(handlers) > 1 else handlers[0]
            return handler(parameters)

        return next_one
    if members == _PENDS:
        return lambda _: PENDING
    if members in _FAILS:

        def fails(_: Any) -> Any:
            raise TaskFailed(str(answer["error"]), str(answer.get("cause", "")))

        return fails
    return lambda _: answer


def _refuse_unknown(answers: dict[str, Any], definition: Any) -> None:
    """An answer that nothing can ask for is a misspelt one.

    Raises:
        Invalid: ANSWERS_INVALID.
    """
    known: set[str] = set()
    waiting = [definition]
    while waiting:
        machine = waiting.pop()
        for name, state in machine["States"].items():
            known |= {name, state.get("Resource", name)}
            waiting += state.get("Branches", ())
            waiting += [state[key] for key in ("ItemProcessor", "Iterator") if key in state]
    unknown = sorted(answers.keys() - known)
    if unknown:
        raise Invalid(
            "ANSWERS_INVALID",
            f"No state and no resource of the definition is named {unknown[0]}.",
            field="tasks",
        )


def _document(result: "ExecutionResult") -> dict[str, Any]:
    return {
        "status": result.status,
        "output": result.output,
        "error": result.error,
        "cause": result.cause,
        "events": result.events,
        "childEvents": result.child_events,
    }


def _drawn(result: "ExecutionResult") -> "RenderableType":
    succeeded = result.status == "SUCCEEDED"
    output = json.dumps(result.output, indent=2, ensure_ascii=False) if succeeded else None
    return present.stacked(
        workflows_history.drawn(result.events),
        present.facts(
            [
                ("status", result.status),
                ("output", output),
                ("error", result.error),
                ("cause", result.cause),
            ]
        ),
    )


def _counted(problems: list[dict[str, Any]]) -> list[str]:
    """How many there are of each severity; nothing where there are none."""
    counts = [
        f"{count:,} {word}{'s' if count != 1 else ''}"
        for word, severity in (("error", "ERROR"), ("warning", "WARNING"))
        if (count := sum(problem["severity"] == severity for problem in problems))
    ]
    return [", ".join(counts)] if counts else []
