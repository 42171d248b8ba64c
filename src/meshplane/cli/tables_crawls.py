"""`meshplane tables crawl` and `from-crawl`: files of a raw area, found and made tables."""

import time
from typing import Annotated, Any

import typer

from meshplane.cli import present, resolve
from meshplane.cli.session import Session, connected
from meshplane.kit.errors import Unavailable

_LONGEST_WAIT_SECONDS = 7_500.0
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.1, 2.0

_FOUND: present.Columns = (
    ("Found", "name"),
    ("Lies in", "location"),
    ("Format", "format"),
    ("Files", "files"),
    (
        "Columns",
        lambda table: ", ".join(f"{one['name']} {one['type']}" for one in table["columns"]),
    ),
    ("Problem", "problem"),
)


def declare_crawls(app: typer.Typer) -> None:
    """Adds the commands about raw areas."""
    app.command("crawl")(crawl)
    app.command("from-crawl")(from_crawl)


@connected
def crawl(
    session: Session,
    project: Annotated[str, typer.Argument(help="The project's name or id.")],
    path: Annotated[
        str, typer.Argument(help="A folder of its raw area; all of it by default.")
    ] = "",
) -> None:
    """Looks for tables in a project's raw area, and waits for what is found.

    Exit code 1 when it came to nothing. Ctrl-C ends the waiting, not the crawl.
    """
    asked = {"projectId": resolve.project_id(session.api, project), "path": path}
    found = _ended(session, session.api.post("/tables/crawls", asked, key=session.key()))
    session.show(
        found,
        lambda: present.stacked(
            present.listing(found["tables"], _FOUND, nothing="No tables were found."),
            present.facts(
                (name, found[name])
                for name in ("crawlId", "status", "statusReason", "skippedFiles")
            ),
        ),
    )
    if found["status"] != "SUCCEEDED":
        raise typer.Exit(1)


@connected
def from_crawl(
    session: Session,
    crawl_id: Annotated[str, typer.Argument(help="The crawl: crawl-….")],
    found: Annotated[str, typer.Argument(help="The name of a table that it found.")],
    name: Annotated[
        str | None, typer.Option(help="What to call it; by default as it was found.")
    ] = None,
) -> None:
    """Makes a table of what a crawl found, with all of its columns and rows."""
    asked = {"found": found, "name": name}
    table = session.api.post(f"/tables/crawls/{crawl_id}/tables", asked, key=session.key())
    session.show(
        table, lambda: present.facts((one, table[one]) for one in ("tableId", "name", "rows"))
    )


def _ended(session: Session, found: dict[str, Any]) -> dict[str, Any]:
    """The crawl once it has ended.

    Raises:
        Unavailable: CRAWL_SLOW.
    """
    give_up, pause = time.monotonic() + _LONGEST_WAIT_SECONDS, _FIRST_PAUSE_SECONDS
    while found["status"] == "RUNNING":
        if time.monotonic() > give_up:
            raise Unavailable("CRAWL_SLOW", f"{found['crawlId']} goes on; look at it again later.")
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
        found = session.api.get(f"/tables/crawls/{found['crawlId']}")
    return found
