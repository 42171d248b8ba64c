"""`meshplane queries`: your queries under way and in the past, and plans of those to come."""

from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from meshplane.cli import present
from meshplane.cli.query import AsOf, Snapshots, asked
from meshplane.cli.session import Session, connected

if TYPE_CHECKING:
    from rich.console import RenderableType

app = typer.Typer(no_args_is_help=True, help="Your queries: under way, past, and their plans.")

Id = Annotated[str, typer.Argument(help="The query's id: qry-…, or the one that you chose.")]

_RUNNING: present.Columns = (
    ("Started", lambda one: present.moment(one["startedAt"])),
    ("State", "state"),
    ("By", lambda one: present.person(one["principal"])),
    ("Statement", lambda one: present.shortened(one["sql"] or "", 60)),
    ("Id", "queryId"),
)
_PAST: present.Columns = (
    ("Started", lambda one: present.moment(one["startedAt"])),
    ("Status", "status"),
    ("Rows", "rows"),
    ("Seconds", "seconds"),
    ("Statement", lambda one: present.shortened(one["sql"], 60)),
    ("Id", "queryId"),
)
_COLUMNS: present.Columns = (
    ("Column", "name"),
    ("Type", "type"),
    ("Shown", lambda column: ", ".join(column["shown"])),
)


@app.command()
@connected
def running(
    session: Session,
    everyone: Annotated[
        bool, typer.Option("--everyone", help="Those of all, for an administrator.")
    ] = False,
) -> None:
    """Lists the queries under way."""
    found = session.api.get("/query/running", everyone="true" if everyone else None)
    session.show(
        found, lambda: present.listing(found["items"], _RUNNING, nothing="No query is under way.")
    )


@app.command()
@connected
def cancel(
    session: Session,
    query_id: Id,
    principal: Annotated[
        str, typer.Option(help="Whose it is, for an administrator: user:NAME.")
    ] = "",
) -> None:
    """Ends a query; whoever waits for it gets SQL_CANCELLED."""
    body = {"principal": principal} if principal else {}
    path = f"/query/{quote(query_id, safe='')}/cancel"
    ended = session.api.post(path, body, key=session.key())
    session.show(
        ended, lambda: f"Cancelled {ended['queryId']} of {present.person(ended['principal'])}."
    )


@app.command()
@connected
def history(
    session: Session,
    count: Annotated[int, typer.Option(min=1, max=10_000, help="At most this many.")] = 20,
) -> None:
    """Lists your queries that have ended, the newest first."""
    items = list(islice(session.api.items("/query/history"), count))
    session.show(
        {"items": items}, lambda: present.listing(items, _PAST, nothing="You have sent none.")
    )


@app.command()
@connected
def show(session: Session, query_id: Id) -> None:
    """Shows one of your queries that has ended, with what it read and what it cost."""
    entry = session.api.get(f"/query/history/{quote(query_id, safe='')}")
    session.show(entry, lambda: _entry(entry))


@app.command()
@connected
def explain(
    session: Session,
    sql: Annotated[str, typer.Argument(help="One SELECT over domain.product names.")],
    project: Annotated[
        str, typer.Option(help="The project on whose behalf you ask (name or id).")
    ] = "",
    as_of: AsOf = "",
    snapshot: Snapshots = None,
) -> None:
    """Shows how a query would be run, and how you see what it reads; reads nothing."""
    body = asked(session, sql, project, as_of, snapshot or [])
    told = session.api.post("/query/explain", body)
    session.show(told, lambda: _plan(told))


def _entry(entry: dict[str, Any]) -> "RenderableType":
    relations = ", ".join(
        f"{one['name']} at {one['snapshotId'] or 'no snapshot'}" for one in entry["relations"]
    )
    return present.stacked(
        present.facts(
            (
                ("Started", present.moment(entry["startedAt"])),
                ("Status", entry["status"]),
                ("Code", entry["code"]),
                ("Read", relations),
                ("Rows", entry["rows"]),
                ("Bytes sent", entry["resultBytes"]),
                ("Bytes scanned", entry["bytesScanned"]),
                ("Seconds", entry["seconds"]),
            )
        ),
        present.escaped(entry["sql"] + (" …" if entry["sqlCut"] else "")),
    )


def _plan(told: dict[str, Any]) -> "RenderableType":
    parts: list[RenderableType] = [present.escaped(told["plan"])]
    for relation in told["relations"]:
        rows = "some rows, by your grants" if relation["rowsFiltered"] else "all rows"
        parts += [
            f"{relation['name']}: {rows}",
            present.listing(relation["columns"], _COLUMNS, nothing="No columns."),
        ]
    return present.stacked(*parts)
