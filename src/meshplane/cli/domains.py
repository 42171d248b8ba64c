"""`meshplane domains`: domains and their members."""

from typing import Annotated

import typer

from meshplane.cli import present, resolve
from meshplane.cli.session import Session, connected

app = typer.Typer(no_args_is_help=True, help="Domains and their members.")

Name = Annotated[str, typer.Argument(help="Its name or id.")]

_COLUMNS: present.Columns = (
    ("Name", "name"),
    ("Description", "description"),
    ("Bucket", "bucket"),
)
MEMBERS: present.Columns = (
    ("Principal", "principal"),
    ("Role", "role"),
    ("Added by", "addedBy"),
    ("At", lambda member: present.moment(member.get("addedAt"))),
)


@app.command("list")
@connected
def list_domains(session: Session) -> None:
    """Lists the domains."""
    items = list(session.api.items("/domains"))
    session.show(
        {"items": items}, lambda: present.listing(items, _COLUMNS, nothing="No domains yet.")
    )


@app.command()
@connected
def create(
    session: Session,
    name: Annotated[str, typer.Argument(help="Lower case, with hyphens.")],
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    member: Annotated[
        list[str] | None, typer.Option(help="A member as ROLE=PRINCIPAL; may be repeated.")
    ] = None,
) -> None:
    """Creates a domain (administrators)."""
    body = {"name": name, "description": description, "members": parse_members(member or [])}
    domain = session.api.post("/domains", body, key=session.key())
    session.show(domain, lambda: f"Created the domain {name}: {domain['domainId']}")


@app.command()
@connected
def show(session: Session, name: Name) -> None:
    """Shows a domain."""
    domain = session.api.get(f"/domains/{resolve.domain_id(session.api, name)}")
    session.show(domain, lambda: present.facts(domain.items()))


@app.command()
@connected
def members(session: Session, name: Name) -> None:
    """Lists the members of a domain."""
    domain_id = resolve.domain_id(session.api, name)
    items = list(session.api.items(f"/domains/{domain_id}/members"))
    session.show(
        {"items": items}, lambda: present.listing(items, MEMBERS, nothing="No members yet.")
    )


def parse_members(texts: list[str]) -> list[dict[str, str]]:
    """Members from texts such as `steward=group:aviation-stewards`.

    Raises:
        typer.BadParameter: one is not of that form.
    """
    members = []
    for text in texts:
        role, equals, principal = text.partition("=")
        if not (role and equals and principal):
            raise typer.BadParameter(f"{text!r} is not ROLE=PRINCIPAL (steward=user:ada@mesh).")
        members.append({"principal": principal, "role": role})
    return members
