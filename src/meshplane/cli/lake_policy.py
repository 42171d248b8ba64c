"""Commands of `meshplane lake` for what permissions decide by: tags, masks and data filters."""

from typing import Annotated
from urllib.parse import quote

import typer

from meshplane.cli import present, resolve
from meshplane.cli.masks import assigned_of
from meshplane.cli.session import Session, connected

Asset = Annotated[str, typer.Argument(help="The data product: aviation.flights, or its id.")]

_TAGS: present.Columns = (("Key", "key"), ("Values", "values"))
_ASSIGNED: present.Columns = (("Column", "column"), ("Key", "key"), ("Value", "value"))
_FILTERS: present.Columns = (
    ("Name", "name"),
    ("Rows", "rowFilter"),
    ("Columns", "includedColumns"),
    ("All but", "excludedColumns"),
)


def declare(app: typer.Typer) -> None:
    """Adds the commands."""
    for command in (tags, tag, assign, assigned, filters):
        app.command()(command)
    app.command("filter")(put_filter)


@connected
def tags(session: Session) -> None:
    """Lists the tags and the values that each may have."""
    items = list(session.api.items("/lake/lf-tags"))
    session.show({"items": items}, lambda: present.listing(items, _TAGS, nothing="No tags."))


@connected
def tag(
    session: Session,
    key: Annotated[str, typer.Argument(help="The tag's key.")],
    values: Annotated[list[str], typer.Argument(help="All values that it may have.")],
) -> None:
    """Makes a tag, or gives it other values (administrators)."""
    made = session.api.put(
        f"/lake/lf-tags/{quote(key, safe='')}", {"values": values}, key=session.key()
    )
    session.show(made, lambda: present.listing([made], _TAGS, nothing=""))


@connected
def assign(
    session: Session,
    asset: Asset,
    pairs: Annotated[list[str], typer.Argument(help="key=value; key= takes the tag away.")],
    column: Annotated[str, typer.Option(help="A column of it; all of it when left out.")] = "",
) -> None:
    """Puts tags on a data product or a column of it (its domain's stewards)."""
    found = assigned_of(pairs)
    body = {
        "resource": f"asset:{resolve.asset_id(session.api, asset)}",
        "column": column or None,
        "tags": found,
    }
    answer = session.api.post("/lake/lf-tag-assignments", body, key=session.key())
    session.show(answer, lambda: present.listing(answer["tags"], _ASSIGNED, nothing="No tags."))


@connected
def assigned(session: Session, asset: Asset) -> None:
    """Shows the tags that a data product and its columns carry themselves."""
    resource = f"asset:{resolve.asset_id(session.api, asset)}"
    answer = session.api.get("/lake/lf-tag-assignments", resource=resource)
    session.show(answer, lambda: present.listing(answer["tags"], _ASSIGNED, nothing="No tags."))


@connected
def filters(session: Session, asset: Asset) -> None:
    """Lists the data filters of a data product (its domain's stewards)."""
    path = f"/lake/data-filters/{resolve.asset_id(session.api, asset)}"
    items = list(session.api.items(path))
    session.show({"items": items}, lambda: present.listing(items, _FILTERS, nothing="No filters."))


@connected
def put_filter(
    session: Session,
    *,
    asset: Asset,
    name: Annotated[str, typer.Argument(help="The filter's name.")],
    rows: Annotated[str, typer.Option(help="A condition over the columns; all rows if none.")] = "",
    include: Annotated[list[str] | None, typer.Option(help="A column to show.")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="A column to hide.")] = None,
) -> None:
    """Makes a data filter of a data product, or changes it (its domain's stewards)."""
    path = f"/lake/data-filters/{resolve.asset_id(session.api, asset)}/{quote(name, safe='')}"
    body = {
        "rowFilter": rows or None,
        "includedColumns": include or None,
        "excludedColumns": exclude or None,
    }
    made = session.api.put(path, body, key=session.key())
    session.show(made, lambda: present.listing([made], _FILTERS, nothing=""))
