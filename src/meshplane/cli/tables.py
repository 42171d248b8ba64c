"""`meshplane tables`: Iceberg tables and their snapshots."""

from typing import Annotated

import typer

from meshplane.cli import present, resolve, shown
from meshplane.cli.session import Session, connected
from meshplane.cli.tables_crawls import declare_crawls

app = typer.Typer(no_args_is_help=True, help="Iceberg tables and their snapshots.")
declare_crawls(app)
shown.declare_projection(app)

Name = Annotated[str, typer.Argument(help="Its project and name (weather-desk.weather), or id.")]

_TABLES: present.Columns = (
    ("Name", "name"),
    ("Domain", "domainName"),
    ("Rows", "rows"),
    ("Columns", lambda table: len(table["columns"])),
    ("Id", "tableId"),
)
_COLUMNS: present.Columns = (
    ("Column", "name"),
    ("Type", "type"),
    ("Required", "required"),
    ("Meaning", "doc"),
)
_SNAPSHOTS: present.Columns = (
    ("Committed", lambda snapshot: present.moment(snapshot["committedAt"])),
    ("Operation", "operation"),
    ("Added", "addedRows"),
    ("Deleted", "deletedRows"),
    ("Rows", "totalRows"),
    ("Snapshot", "snapshotId"),
)


@app.command("list")
@connected
def list_tables(
    session: Session,
    project: Annotated[str, typer.Argument(help="The project's name or id.")],
) -> None:
    """Lists the tables of a project."""
    project_id = resolve.project_id(session.api, project)
    items = list(session.api.items("/tables", projectId=project_id))
    session.show(
        {"items": items}, lambda: present.listing(items, _TABLES, nothing="No tables yet.")
    )


@app.command()
@connected
def show(session: Session, name: Name) -> None:
    """Shows a table and its columns."""
    table = session.api.get(f"/tables/{resolve.table_id(session.api, name)}")
    session.show(
        table,
        lambda: present.stacked(
            present.facts((k, v) for k, v in table.items() if k != "columns"),
            present.listing(table["columns"], _COLUMNS, nothing="No columns."),
        ),
    )


@app.command()
@connected
def snapshots(session: Session, name: Name) -> None:
    """Lists the commits to a table."""
    table_id = resolve.table_id(session.api, name)
    items = list(session.api.items(f"/tables/{table_id}/snapshots"))
    session.show(
        {"items": items}, lambda: present.listing(items, _SNAPSHOTS, nothing="No commits yet.")
    )
