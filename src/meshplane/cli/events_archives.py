"""`meshplane events archives`, `replay` and `replays`: what happened, once more."""

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from meshplane.cli import present
from meshplane.cli.documents import read_object
from meshplane.cli.moments import instant
from meshplane.cli.session import Session, connected

if TYPE_CHECKING:
    from rich.console import RenderableType

app = typer.Typer(no_args_is_help=True, help="Archives: which events may be replayed.")

Name = Annotated[str, typer.Argument(help="The archive's name.")]

_LOOK_AGAIN_SECONDS = 0.2
_UNDER_WAY = frozenset({"STARTING", "RUNNING"})

_ARCHIVES: present.Columns = (
    ("Name", "name"),
    (
        "Holds",
        lambda archive: (
            present.shortened(json.dumps(archive["eventPattern"], ensure_ascii=False))
            if archive["eventPattern"]
            else "every event"
        ),
    ),
    ("Days", lambda archive: archive["retentionDays"] or "for ever"),
    ("Description", "description"),
)
_REPLAYS: present.Columns = (
    ("Started", lambda replay: present.moment(replay["startedAt"])),
    ("Name", "name"),
    ("Archive", "archive"),
    ("Status", lambda replay: replay["state"].lower()),
    ("Events", "events"),
    ("Id", "replayId"),
)


@app.command("list")
@connected
def list_archives(session: Session) -> None:
    """Lists the archives."""
    items = list(session.api.items("/events/archives"))
    session.show(
        {"items": items}, lambda: present.listing(items, _ARCHIVES, nothing="No archives yet.")
    )


@app.command()
@connected
def put(
    session: Session,
    name: Name,
    pattern: Annotated[
        str, typer.Option(help="Of the events that it holds: a file or JSON; all without it.")
    ] = "",
    days: Annotated[int, typer.Option(min=0, help="How long it holds them; 0 for ever.")] = 0,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
) -> None:
    """Creates or replaces an archive; it holds what happened before as well."""
    body: dict[str, Any] = {"description": description, "retentionDays": days}
    if pattern:
        body["eventPattern"] = read_object(pattern, "pattern")
    archive = session.api.put(_path(name), body, key=session.key())
    session.show(archive, lambda: present.facts(archive.items()))


@app.command()
@connected
def delete(session: Session, name: Name) -> None:
    """Deletes an archive; the events stay."""
    session.api.delete(_path(name), key=session.key())
    session.show({"deleted": name}, lambda: f"Deleted the archive {present.escaped(name)}.")


@connected
def replay(
    session: Session,
    *,
    archive: Annotated[str, typer.Argument(help="The archive's name.")],
    begin: Annotated[
        str, typer.Option("--from", help="From: 2026-11-01T08:00:00Z, or 2h for two hours ago.")
    ],
    end: Annotated[str, typer.Option("--to", help="And before; now by default.")] = "",
    rule: Annotated[
        list[str] | None, typer.Option(help="Only to this rule; may be repeated.")
    ] = None,
    name: Annotated[
        str, typer.Option(help="The replay-name that the events carry; made up by default.")
    ] = "",
    wait: Annotated[bool, typer.Option("--wait", help="Until it is over.")] = False,
) -> None:
    """Gives an archive's events to the rules once more.

    With --wait, exit code 1 when it did not come to its end.
    """
    now = datetime.now(UTC)
    body: dict[str, Any] = {
        "name": name or f"replay-{now:%Y%m%d-%H%M%S}",
        "archive": archive,
        "from": instant(begin, "from", now),
        "to": instant(end or "0s", "to", now),
    }
    if rule:
        body["rules"] = rule
    found = session.api.post("/events/replays", body, key=session.key())
    while wait and found["state"] in _UNDER_WAY:
        time.sleep(_LOOK_AGAIN_SECONDS)
        found = session.api.get(f"/events/replays/{found['replayId']}")
    session.show(found, lambda: _drawn(found))
    if wait and found["state"] != "COMPLETED":
        raise typer.Exit(1)


@connected
def replays(session: Session) -> None:
    """Lists the replays, the latest first."""
    items = list(session.api.items("/events/replays"))
    session.show(
        {"items": items}, lambda: present.listing(items, _REPLAYS, nothing="No replays yet.")
    )


def _path(name: str) -> str:
    return f"/events/archives/{quote(name, safe='')}"


def _drawn(found: dict[str, Any]) -> "RenderableType":
    return present.facts(
        (member, value) for member, value in found.items() if member not in {"version"}
    )
