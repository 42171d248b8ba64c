"""`meshplane events`: what happened, as the services told each other, and what that starts."""

from typing import Annotated

import typer

from meshplane.cli import (
    events_archives,
    events_dead_letters,
    events_pattern,
    events_rules,
    events_tail,
    present,
)
from meshplane.cli.session import Session, connected

app = typer.Typer(no_args_is_help=True, help="Events of the mesh, and the rules on them.")

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


app.command("tail")(events_tail.tail)
app.command("test-pattern")(events_pattern.try_pattern)
app.add_typer(events_rules.app, name="rules")
app.add_typer(events_archives.app, name="archives")
app.command("replay")(events_archives.replay)
app.command("replays")(events_archives.replays)
app.add_typer(events_dead_letters.app, name="dead-letters")
app.command("redrive")(events_dead_letters.redrive)
