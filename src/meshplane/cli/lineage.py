"""`meshplane lineage`: what a data product came from, column by column."""

from typing import Annotated

import typer

from meshplane.cli import present, resolve
from meshplane.cli.session import Session, connected

app = typer.Typer(no_args_is_help=True, help="Where data came from.")


def _sources(column: present.Item) -> str:
    return ", ".join(
        f"{source['assetName']}.{source['column']}"
        + ("" if source["type"] == "DIRECT" else f" ({source['subtype'].lower()})")
        for source in column["sources"]
    )


def _full_name(dataset: present.Item) -> str:
    domain = dataset["domainName"]
    return f"{domain}.{dataset['name']}" if domain else str(dataset["name"])


_COLUMNS: present.Columns = (("Column", "column"), ("Came from", _sources))


@app.command()
@connected
def show(
    session: Session,
    asset: Annotated[str, typer.Argument(help="The data product: its name or id.")],
) -> None:
    """Shows the products and columns that a data product came from."""
    lineage = session.api.get(f"/lineage/{resolve.asset_id(session.api, asset)}")
    upstream = ", ".join(_full_name(up) for up in lineage["upstream"])
    session.show(
        lineage,
        lambda: present.stacked(
            f"Made of {upstream or 'nothing else in the mesh'}",
            present.listing(lineage["columns"], _COLUMNS, nothing="No columns recorded."),
        ),
    )


@app.callback()
def lineage() -> None:
    """Keeps `show` a subcommand of its own."""
