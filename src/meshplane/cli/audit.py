"""`meshplane audit`: who did what and when, and proof that nothing of it was changed."""

from pathlib import Path
from typing import Annotated, Any

import typer

from meshplane.cli import present
from meshplane.cli.session import Session, connected

app = typer.Typer(no_args_is_help=True, help="The audit trail and its proof.")

_RECORDS: present.Columns = (
    ("No.", "sequence"),
    ("Time", lambda record: present.moment(record["time"])),
    ("Who", lambda record: present.person(record["actor"])),
    ("Did", "operation"),
    ("Outcome", lambda record: record["code"] or record["outcome"]),
)


@app.command("list")
@connected
def list_records(
    session: Session,
    first: Annotated[
        int, typer.Option("--from", min=1, help="From the record of this number on.")
    ] = 1,
) -> None:
    """Lists the audit records, oldest first (administrators and auditors).

    With --json it tells what each was done to, and for whom.
    """
    items = list(session.api.items("/audit", cursor=str(first - 1) if first > 1 else None))
    session.show(
        {"items": items}, lambda: present.listing(items, _RECORDS, nothing="No records yet.")
    )


@app.command()
@connected
def verify(
    session: Session,
    file: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="An exported trail (NDJSON) instead of the server's."
        ),
    ] = None,
) -> None:
    """Verifies the hash chain. Exit code 1 when it is broken."""
    verdict = _of_file(file) if file is not None else session.api.get("/audit/verify")
    session.show(verdict, lambda: _told(verdict))
    if not verdict["valid"]:
        raise typer.Exit(1)


def _of_file(path: Path) -> dict[str, Any]:
    from meshplane.services.audit.chain import verify_export

    with path.open("rb") as lines:
        found = verify_export(line.rstrip(b"\n") for line in lines)
    return {
        "valid": found.valid,
        "records": found.records,
        "head": found.head,
        "firstBroken": found.first_broken,
    }


def _told(verdict: dict[str, Any]) -> str:
    if verdict["valid"]:
        return f"The chain of {verdict['records']:,} records verifies. Head: {verdict['head']}"
    return f"[bold red]The chain is broken at record {verdict['firstBroken']}.[/]"
