"""`meshplane permissions`: what a principal may see of a data product."""

from typing import Annotated, Any

import typer

from meshplane.cli import present, resolve
from meshplane.cli.session import Session, connected

app = typer.Typer(no_args_is_help=True, help="What a principal may see of a data product.")

_COLUMNS: present.Columns = (("Column", "name"), ("Access", "access"), ("Mask", "mask"))


@app.command()
@connected
def effective(
    session: Session,
    asset: Annotated[str, typer.Argument(help="The data product: aviation.flights, or its id.")],
    project: Annotated[str, typer.Option(help="A project's name or id.")] = "",
    principal: Annotated[str, typer.Option(help="Another principal: user:ada@mesh")] = "",
) -> None:
    """Shows which columns and rows come of all grants together."""
    if bool(project) == bool(principal):
        raise typer.BadParameter("Give either --project or --principal.")
    whose = principal or f"project:{resolve.project_id(session.api, project)}"
    answer = session.api.get(
        "/permissions/effective",
        principal=whose,
        assetId=resolve.asset_id(session.api, asset),
    )
    session.show(
        answer,
        lambda: present.stacked(
            present.listing(answer["columns"], _COLUMNS, nothing="No columns."),
            f"Rows: {_rows(answer)}",
        ),
    )


def _rows(answer: dict[str, Any]) -> str:
    if not answer["grants"]:
        return "none, as there is no grant"
    return "all" if answer["allRows"] else " or ".join(answer["rowFilters"])


@app.callback()
def permissions() -> None:
    """Keeps `effective` a subcommand of its own."""
