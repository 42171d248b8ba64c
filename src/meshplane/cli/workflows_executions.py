"""`meshplane workflows start`, `executions`, `describe`, `history`, `stop`, `redrive`."""

import json
import time
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from meshplane.cli import present, workflows_history
from meshplane.cli.documents import read_json
from meshplane.cli.session import Session, connected

if TYPE_CHECKING:
    from rich.console import RenderableType

Execution = Annotated[str, typer.Argument(help="The execution's id: MACHINE:NAME.")]
Wait = Annotated[bool, typer.Option("--wait", help="Until it has ended.")]

_LOOK_AGAIN_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 2.0
_RUNNING = "RUNNING"

_EXECUTIONS: present.Columns = (
    ("Started", lambda execution: present.moment(execution["startedAt"])),
    ("Ended", lambda execution: present.moment(execution["endedAt"])),
    ("Status", "status"),
    ("Id", "executionId"),
)


@connected
def start(
    session: Session,
    *,
    machine: Annotated[str, typer.Argument(metavar="NAME", help="The state machine's name.")],
    given: Annotated[
        str, typer.Option("--input", help="The input: a JSON file, JSON, or -.")
    ] = "{}",
    name: Annotated[
        str,
        typer.Option(help="Names the execution; the same name and input start it once."),
    ] = "",
    wait: Wait = False,
) -> None:
    """Starts an execution, whose tasks act in your name.

    With --wait, exit code 1 when it does not succeed.
    """
    body: dict[str, Any] = {"stateMachine": machine, "input": read_json(given, "input")}
    if name:
        body["name"] = name
    execution = session.api.post("/executions", body, key=session.key())
    if wait:
        execution = _ended(session, execution["executionId"])
    _show(session, execution)
    _judge(execution, wait)


@connected
def executions(
    session: Session,
    machine: Annotated[str, typer.Option(help="Only of this state machine.")] = "",
    status: Annotated[
        str,
        typer.Option(help="Only in this status: running, succeeded, failed, timed_out, aborted."),
    ] = "",
) -> None:
    """Lists executions, the newest first."""
    items = list(
        session.api.items(
            "/executions", stateMachine=machine or None, status=status.upper() or None
        )
    )
    session.show(
        {"items": items}, lambda: present.listing(items, _EXECUTIONS, nothing="No executions.")
    )


@connected
def describe(session: Session, execution: Execution, wait: Wait = False) -> None:
    """Shows an execution: its status, input, and output or error.

    With --wait, exit code 1 when it does not succeed.
    """
    found = _ended(session, execution) if wait else session.api.get(_path(execution))
    _show(session, found)
    _judge(found, wait)


@connected
def history(
    session: Session,
    *,
    execution: Execution,
    child: Annotated[
        str, typer.Option(help="Of this child of a distributed Map (its branch).")
    ] = "",
    mermaid: Annotated[
        bool, typer.Option("--mermaid", help="Draw it: what ran, what waits, what failed.")
    ] = False,
) -> None:
    """Tells what happened in an execution, step by step."""
    if mermaid:
        print(session.api.get_text(f"{_path(execution)}/diagram"), end="")
        return
    events = list(session.api.items(f"{_path(execution)}/history", child=child or None))
    session.show({"items": events}, lambda: workflows_history.drawn(events))


@connected
def stop(
    session: Session,
    *,
    execution: Execution,
    error: Annotated[str, typer.Option(help="The error's name to end it with.")] = "",
    cause: Annotated[str, typer.Option(help="Why; it stands on record.")] = "",
) -> None:
    """Stops an execution where it is; it ends as ABORTED."""
    body = {name: value for name, value in (("error", error), ("cause", cause)) if value}
    _show(session, session.api.post(f"{_path(execution)}/stop", body, key=session.key()))


@connected
def redrive(session: Session, execution: Execution, wait: Wait = False) -> None:
    """Has an execution that did not succeed go on from where it failed.

    With --wait, exit code 1 when it does not succeed this time.
    """
    found = session.api.post(f"{_path(execution)}/redrive", key=session.key())
    if wait:
        found = _ended(session, execution)
    _show(session, found)
    _judge(found, wait)


def _path(execution: str) -> str:
    return f"/executions/{quote(execution, safe='')}"


def _ended(session: Session, execution: str) -> dict[str, Any]:
    """The execution once it has ended; Ctrl-C ends the waiting, not the execution."""
    pause_seconds = _LOOK_AGAIN_SECONDS
    while True:
        found: dict[str, Any] = session.api.get(_path(execution))
        if found["status"] != _RUNNING:
            return found
        time.sleep(pause_seconds)
        pause_seconds = min(pause_seconds * 1.5, _LONGEST_PAUSE_SECONDS)


def _judge(execution: dict[str, Any], waited: bool) -> None:
    if waited and execution["status"] != "SUCCEEDED":
        raise typer.Exit(1)


def _show(session: Session, execution: dict[str, Any]) -> None:
    session.show(execution, lambda: _drawn(execution))


def _drawn(execution: dict[str, Any]) -> "RenderableType":
    written = {
        member: json.dumps(execution[member], indent=2, ensure_ascii=False)
        for member in ("input", "output")
        if execution.get(member) is not None
    }
    return present.facts({**execution, **written}.items())
