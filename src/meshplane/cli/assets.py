"""`meshplane assets`: published data products and their contracts."""

from typing import Annotated

import typer

from meshplane.cli import present, resolve
from meshplane.cli.session import Session, connected

app = typer.Typer(no_args_is_help=True, help="Published data products and their contracts.")

Name = Annotated[str, typer.Argument(help="Its name (aviation.flights) or id.")]

_COLUMNS: present.Columns = (
    ("Column", "name"),
    ("Type", "type"),
    ("Classification", "classification"),
    ("Meaning", "description"),
)


def quality_score(asset: present.Item) -> float | None:
    """The score that stands on an asset, where there is one."""
    return asset["quality"]["score"] if asset.get("quality") else None


_ASSETS: present.Columns = (
    ("Name", lambda asset: f"{asset['domainName']}.{asset['name']}"),
    ("Owner", lambda asset: present.person(asset["owner"])),
    ("Classification", "classification"),
    ("Quality", quality_score),
)


@app.command("list")
@connected
def list_assets(
    session: Session,
    project: Annotated[str, typer.Option(help="Only this project's (name or id).")] = "",
) -> None:
    """Lists the data products."""
    project_id = resolve.project_id(session.api, project) if project else None
    items = list(session.api.items("/assets", projectId=project_id))
    session.show(
        {"items": items}, lambda: present.listing(items, _ASSETS, nothing="Nothing published yet.")
    )


@app.command()
@connected
def show(session: Session, name: Name) -> None:
    """Shows a data product and its columns."""
    asset = session.api.get(f"/assets/{resolve.asset_id(session.api, name)}")
    session.show(
        asset,
        lambda: present.stacked(
            present.facts((k, v) for k, v in asset.items() if k != "columns"),
            present.listing(asset["columns"], _COLUMNS, nothing="No columns."),
        ),
    )


@app.command()
@connected
def contract(session: Session, name: Name) -> None:
    """Prints the contract of a data product (Open Data Contract Standard, YAML)."""
    from rich.syntax import Syntax

    asset_id = resolve.asset_id(session.api, name)
    text = session.api.get_text(f"/assets/{asset_id}/contract")
    session.show(
        {"assetId": asset_id, "contract": text},
        lambda: Syntax(text, "yaml", background_color="default"),
    )
