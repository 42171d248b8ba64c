"""`meshplane events`: what happened, as the services told each other."""

from typing import Annotated

import typer

from meshplane.cli import present
from meshplane.cli.session import Session, connected

app = typer.Typer(no_args_is_help=True, help="Events of the mesh.")

_EVENTS: present.Columns = (
    ("Time", lambda event: present.moment(event["time"])),
    ("Type", "type"),
    ("Entity", "entity"),
)


@app.command("list")
@connected
def list_events(
    session: Session,
    type_: Annotated[str, typer.Option("--type", help="Only of this type.")] = "",
    entity: Annotated[str, typer.Option(help="Only about this entity (id).")] = "",
) -> None:
    """Lists events, oldest first."""
    items = list(session.api.items("/events", type=type_ or None, entity=entity or None))
    session.show(
        {"items": items}, lambda: present.listing(items, _EVENTS, nothing="No events yet.")
    )


@app.callback()
def events() -> None:
    """Keeps `list` a subcommand of its own."""
