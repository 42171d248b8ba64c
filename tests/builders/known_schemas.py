"""What assets are, told beforehand: `Schemas` without the services above permissions."""

import re
from typing import Any

from meshplane.boundary.actor import Actor
from meshplane.kit.errors import Missing
from meshplane.services.permissions.model import (
    FilterColumn,
    GovernedAsset,
    GovernedColumn,
    Grant,
    RowFilter,
)
from meshplane.services.permissions.ports import DescribedAsset


class KnownSchemas:
    """Knows the assets and domains that it was given; a filter names the columns in its text."""

    def __init__(self, *assets: GovernedAsset) -> None:
        self.assets = {asset.asset_id: asset for asset in assets}

    async def asset(self, actor: Actor, asset_id: str) -> DescribedAsset | None:
        """See `Schemas.asset`."""
        found = self.assets.get(asset_id)
        return DescribedAsset(found, is_published=True) if found else None

    async def domain_name(self, actor: Actor, domain_id: str) -> str | None:
        """See `Schemas.domain_name`."""
        names = {asset.domain_id: asset.domain_name for asset in self.assets.values()}
        return names.get(domain_id)

    async def project_name(self, actor: Actor, project_id: str) -> str | None:
        """See `Schemas.project_name`; every project is there but `proj-none`."""
        return None if project_id == "proj-none" else project_id

    async def check_row_filter(self, actor: Actor, asset_id: str, expression: str) -> RowFilter:
        """See `Schemas.check_row_filter`; it takes any text for a condition."""
        words = set(re.findall(r"\w+", expression))
        columns = self.assets[asset_id].columns
        named = (FilterColumn(c.name, c.field_id, c.sql_type) for c in columns if c.name in words)
        return RowFilter(expression, tuple(named))

    async def preview_approval(
        self, actor: Actor, request_id: str, approval: dict[str, Any]
    ) -> Grant:
        """See `Schemas.preview_approval`; there are no requests here."""
        raise Missing("SUBSCRIPTION_NOT_FOUND", "There is no subscription with this id.")


def flights(asset_id: str = "asset-1", domain_id: str = "dzd-1") -> GovernedAsset:
    """An asset with a few columns; `tail` is confidential, the others are internal."""
    columns = (
        GovernedColumn("carrier", 1, "VARCHAR", "internal"),
        GovernedColumn("delay", 2, "INTEGER", "internal"),
        GovernedColumn("tail", 3, "VARCHAR", "confidential"),
        GovernedColumn("day", 4, "DATE", "internal"),
    )
    return GovernedAsset(
        asset_id,
        f"flights_{asset_id.rpartition('-')[2]}",
        domain_id,
        "aviation",
        "proj-9",
        f"tbl-{asset_id}",
        "internal",
        columns,
    )
