"""`meshplane audit`: who did what and when, and proof that nothing of it was changed."""

from pathlib import Path
from typing import Annotated, Any

import typer

from meshplane.cli import present, resolve
from meshplane.cli.session import Session, connected

app = typer.Typer(no_args_is_help=True, help="The audit trail and its proof.")

_RECORDS: present.Columns = (
    ("No.", "sequence"),
    ("Time", lambda record: present.moment(record["time"])),
    ("Who", lambda record: present.person(record["actor"])),
    ("Did", "operation"),
    ("Outcome", lambda record: record["code"] or record["outcome"]),
)


def _on(target: str) -> str:
    """What a grant was on; of the product itself, only which part."""
    if not target.startswith("asset:"):
        return target
    return target.partition("#")[2] or "all of it"


def _rows(held: present.Item) -> str:
    if held["lakeState"] in ("missing", "changed", "failed"):
        return "none: the lake did not hold it"
    if held["resource"]["kind"] == "filter":
        return "those of the filter"
    return held["rowFilter"] or "all"


_HELD: present.Columns = (
    ("Holder", "principal"),
    ("On", lambda held: _on(held["target"])),
    ("Permitted", "permissions"),
    ("Rows", _rows),
    ("Masked", lambda held: ", ".join(held["masks"])),
    ("By", lambda held: present.person(held["by"])),
    ("At", lambda held: present.moment(held["at"])),
    ("Why", "reason"),
    ("Id", "grantId"),
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
def access(
    session: Session,
    *,
    asset: Annotated[str, typer.Option(help="A data product: aviation.flights, or its id.")] = "",
    domain: Annotated[str, typer.Option(help="A domain's name or id.")] = "",
    at: Annotated[str, typer.Option(help="On which date: 2026-01-31T00:00:00Z; or now.")] = "",
) -> None:
    """Tells who had what on a data product or a domain, on a date."""
    if bool(asset) == bool(domain):
        raise typer.BadParameter("Give either --asset or --domain.")
    if asset:
        resource = f"asset:{resolve.asset_id(session.api, asset)}"
    else:
        resource = f"domain:{resolve.domain_id(session.api, domain)}"
    found = session.api.get("/audit/access", resource=resource, at=at or None)
    nothing = f"Nobody had anything on {present.moment(found['at'])}."
    session.show(found, lambda: present.listing(found["grants"], _HELD, nothing=nothing))


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
