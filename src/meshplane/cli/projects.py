"""`meshplane projects`: projects and their members."""

from typing import Annotated

import typer

from meshplane.cli import present, resolve
from meshplane.cli.domains import MEMBERS, parse_members
from meshplane.cli.session import Session, connected

app = typer.Typer(no_args_is_help=True, help="Projects and their members.")

Name = Annotated[str, typer.Argument(help="Its name or id.")]

_COLUMNS: present.Columns = (
    ("Name", "name"),
    ("Description", "description"),
    ("Id", "projectId"),
)


@app.command("list")
@connected
def list_projects(session: Session) -> None:
    """Lists the projects."""
    items = list(session.api.items("/projects"))
    session.show(
        {"items": items}, lambda: present.listing(items, _COLUMNS, nothing="No projects yet.")
    )


@app.command()
@connected
def create(
    session: Session,
    name: Annotated[str, typer.Argument(help="Lower case, with hyphens.")],
    domain: Annotated[str, typer.Option(help="The domain's name or id.")],
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    member: Annotated[
        list[str] | None, typer.Option(help="A member as ROLE=PRINCIPAL; may be repeated.")
    ] = None,
) -> None:
    """Creates a project (administrators, and owners of the domain)."""
    body = {
        "domainId": resolve.domain_id(session.api, domain),
        "name": name,
        "description": description,
        "members": parse_members(member or []),
    }
    project = session.api.post("/projects", body, key=session.key())
    session.show(project, lambda: f"Created the project {name}: {project['projectId']}")


@app.command()
@connected
def show(session: Session, name: Name) -> None:
    """Shows a project."""
    project = session.api.get(f"/projects/{resolve.project_id(session.api, name)}")
    session.show(project, lambda: present.facts(project.items()))


@app.command()
@connected
def members(session: Session, name: Name) -> None:
    """Lists the members of a project."""
    project_id = resolve.project_id(session.api, name)
    items = list(session.api.items(f"/projects/{project_id}/members"))
    session.show(
        {"items": items}, lambda: present.listing(items, MEMBERS, nothing="No members yet.")
    )
