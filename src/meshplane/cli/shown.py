"""Drift in the portal and in the lake's own catalogue, and its repair, on the command line."""

import time
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from meshplane.cli import present, resolve
from meshplane.cli.session import Session, connected
from meshplane.kit.errors import Unavailable

_LONGEST_WAIT_SECONDS = 3600.0
_PAUSE_SECONDS = 0.5
_PAGE_LIMIT = 200
_NO_PORTAL = "This mesh shows nothing in a portal."
_NO_CATALOGUE = "This mesh keeps its tables in its own catalogue, and in no other."

_PORTAL_DRIFT: present.Columns = (
    ("Kind", "kind"),
    ("Id", "ownId"),
    ("Field", lambda one: one["field"] or "(all of it)"),
    ("Ours", lambda one: present.shortened(one["ours"])),
    ("Theirs", lambda one: present.shortened(one["theirs"])),
)
_TABLE_DRIFT: present.Columns = (
    ("Table", lambda one: f"{one['database']}.{one['name']}"),
    ("Standing", "standing"),
    ("Points to", lambda one: one["metadataLocation"] or ""),
    ("Id", "tableId"),
)
_FAILURES: present.Columns = (("Id", "id"), ("Code", "code"))


@connected
def portal_drift(session: Session) -> None:
    """Shows what others have changed in the portal (administrators). Exit code 1 when they have."""
    nothing = "Nobody has changed anything in the portal."
    _show_drift(session, "/catalog/portal/drift", _PORTAL_DRIFT, nothing, _NO_PORTAL)


@connected
def portal_reconcile(
    session: Session,
    mend: Annotated[
        bool, typer.Option("--mend", help="Overwrite what others wrote there, too.")
    ] = False,
) -> None:
    """Brings the portal to what the mesh has. Exit code 1 when something could not be brought."""
    begun = session.api.post("/catalog/portal/reconcile", {"mend": mend}, key=session.key())
    done = _awaited(session, "/catalog/portal", begun)
    told = f"{done['brought']} brought, {done['failed']} failed"
    if not done["kinds"]:
        told = _NO_PORTAL
    _show(session, done, told)


@connected
def projection_drift(session: Session) -> None:
    """Shows which published tables differ in the lake's catalogue. Exit code 1 when any does."""
    nothing = "All published tables are in step."
    _show_drift(session, "/tables/projection/drift", _TABLE_DRIFT, nothing, _NO_CATALOGUE)


@connected
def projection_reconcile(
    session: Session,
    table: Annotated[str, typer.Option(help="One table: its project and name, or its id.")] = "",
    keep: Annotated[
        str, typer.Option(help="ours or theirs: of diverged versions, whose to keep.")
    ] = "",
) -> None:
    """Brings tables in step in the lake's catalogue. Exit code 1 when that fails for any."""
    body = {"tableId": resolve.table_id(session.api, table)} if table else {}
    if keep:
        body["keep"] = keep
    begun = session.api.post("/tables/projection/reconcile", body, key=session.key())
    done = _awaited(session, "/tables/projection", begun)
    counts = (("inStep", "in step"), ("mended", "mended"), ("adopted", "adopted"), ("left", "left"))
    told = ", ".join(f"{done[name]} {word}" for name, word in counts)
    told = f"{told}, {done['failed']} failed" if done["compared"] else _NO_CATALOGUE
    _show(session, done, told)


def _show_drift(
    session: Session, path: str, columns: present.Columns, in_step: str, not_compared: str
) -> None:
    """Shows all pages of a drift; exit code 1 where there is any.

    Args:
        session: of the command.
        path: of the list.
        columns: of the listing.
        in_step: what to say where nothing differs.
        not_compared: what to say where there is nothing to compare with.
    """
    items: list[Any] = []
    cursor: str | None = None
    while True:
        page = session.api.get(path, limit=_PAGE_LIMIT, cursor=cursor)
        items += page["items"]
        cursor = page["nextCursor"]
        if cursor is None:
            break
    nothing = in_step if page["compared"] else not_compared
    session.show(
        {"items": items, "compared": page["compared"]},
        lambda: present.listing(items, columns, nothing=nothing),
    )
    if items:
        raise typer.Exit(1)


def _show(session: Session, done: Mapping[str, Any], told: str) -> None:
    session.show(
        done,
        lambda: present.stacked(told, present.listing(done["failures"], _FAILURES, nothing="")),
    )
    if done["failed"]:
        raise typer.Exit(1)


def _awaited(session: Session, path: str, begun: Mapping[str, Any]) -> Mapping[str, Any]:
    """A reconciliation once it has ended.

    Raises:
        Unavailable: RECONCILIATION_SLOW.
    """
    found, give_up = begun, time.monotonic() + _LONGEST_WAIT_SECONDS
    while found["status"] != "COMPLETED":
        if time.monotonic() >= give_up:
            raise Unavailable(
                "RECONCILIATION_SLOW",
                f"{begun['reconciliationId']} goes on; look at it again later.",
            )
        time.sleep(_PAUSE_SECONDS)
        found = session.api.get(f"{path}/reconciliations/{begun['reconciliationId']}")
    return found


def declare_portal(app: typer.Typer) -> None:
    """Adds the commands about the portal."""
    app.command("portal-drift")(portal_drift)
    app.command("portal-reconcile")(portal_reconcile)


def declare_projection(app: typer.Typer) -> None:
    """Adds the commands about the lake's own catalogue."""
    app.command("drift")(projection_drift)
    app.command("reconcile")(projection_reconcile)
