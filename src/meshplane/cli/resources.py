"""What a grant is on, as options write it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from meshplane.cli import resolve
from meshplane.cli.masks import tags_of

if TYPE_CHECKING:
    from meshplane.client import Api


def resource_of(
    api: "Api",
    *,
    asset: str,
    domain: str,
    columns: Sequence[str],
    without: Sequence[str],
    data_filter: str,
    tags: Sequence[str],
    all_tables: bool,
) -> dict[str, Any]:
    """The resource that the options of a command name, as the API takes it.

    Args:
        api: finds ids by names.
        asset: a data product; alone, the whole of it.
        domain: a domain; alone, the database itself; beside tags, where they count.
        columns: of the product: only these.
        without: of the product: all but these.
        data_filter: of the product: a data filter of this name.
        tags: `key=value|value` each.
        all_tables: of the domain: all of its tables.

    Raises:
        typer.BadParameter: the options name nothing, or two things.
    """
    parts = [bool(columns), bool(without), bool(data_filter)]
    if tags and not (asset or any(parts) or all_tables):
        found: dict[str, Any] = {"resourceType": "TABLE", "expression": tags_of(tags)}
        if domain:
            found["domainId"] = resolve.domain_id(api, domain)
        return {"tags": found}
    if domain and not (asset or any(parts) or tags):
        name = "allTables" if all_tables else "database"
        return {name: {"domainId": resolve.domain_id(api, domain)}}
    if not asset or domain or tags or all_tables or parts.count(True) > 1:
        raise typer.BadParameter(
            "Give a product (with --column, --without or --filter), --domain, or --tag."
        )
    of_asset = {"assetId": resolve.asset_id(api, asset)}
    if columns:
        return {"columns": {**of_asset, "included": list(columns)}}
    if without:
        return {"columns": {**of_asset, "excluded": list(without)}}
    if data_filter:
        return {"filter": {**of_asset, "name": data_filter}}
    return {"table": of_asset}
