"""`meshplane workflows`: state machines, and what runs of them."""

import json
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from meshplane.cli import present, workflows_executions, workflows_local
from meshplane.cli.documents import read_object
from meshplane.cli.session import Session, connected

if TYPE_CHECKING:
    from rich.console import RenderableType

app = typer.Typer(
    no_args_is_help=True, help="Workflows in the Amazon States Language, and their executions."
)

Name = Annotated[str, typer.Argument(help="The state machine's name.")]

_MACHINES: present.Columns = (
    ("Name", "name"),
    ("Revision", "revision"),
    ("Put by", lambda machine: present.person(machine["createdBy"])),
    ("Updated", lambda machine: present.moment(machine["updatedAt"])),
    ("Comes with the product", "builtIn"),
)


@app.command("list")
@connected
def list_machines(session: Session) -> None:
    """Lists the state machines."""
    items = list(session.api.items("/workflows"))
    session.show(
        {"items": items}, lambda: present.listing(items, _MACHINES, nothing="No state machines.")
    )


@app.command()
@connected
def show(session: Session, name: Name) -> None:
    """Shows a state machine with its definition."""
    machine = session.api.get(_path(name))
    session.show(machine, lambda: _drawn(machine))


@app.command()
@connected
def put(
    session: Session,
    *,
    name: Name,
    file: Annotated[str, typer.Argument(help="The definition: a JSON file, JSON, or -.")],
) -> None:
    """Creates a state machine, or puts its next revision (administrators).

    Executions under way keep the revision that they began with.
    """
    body = {"definition": read_object(file, "file")}
    machine = session.api.put(_path(name), body, key=session.key())
    session.show(machine, lambda: _put(machine))


app.command("validate")(workflows_local.validate)
app.command("test")(workflows_local.try_out)
app.command("start")(workflows_executions.start)
app.command("executions")(workflows_executions.executions)
app.command("describe")(workflows_executions.describe)
app.command("history")(workflows_executions.history)
app.command("stop")(workflows_executions.stop)
app.command("redrive")(workflows_executions.redrive)


def _path(name: str) -> str:
    return f"/workflows/{quote(name, safe='')}"


def _drawn(machine: dict[str, Any]) -> "RenderableType":
    return present.facts(
        [
            ("name", machine["name"]),
            ("revision", machine["revision"]),
            ("put by", present.person(machine["createdBy"])),
            ("updated", present.moment(machine["updatedAt"])),
            ("definition", json.dumps(machine["definition"], indent=2, ensure_ascii=False)),
        ]
    )


def _put(machine: dict[str, Any]) -> "RenderableType":
    said = f"The state machine {present.escaped(machine['name'])} is at revision "
    said += f"{machine['revision']}."
    if not machine["problems"]:
        return said
    return present.stacked(workflows_local.problems_table(machine["problems"]), said)
