"""Rows of the store as the types that leave the service."""

from typing import Any

from meshplane.platform.tables import Row
from meshplane.services.assets.api import PUBLISHED, AssetColumn, AssetSummary
from meshplane.services.assets.schemas import AssetColumnView, AssetView, QualityView


def view(row: Row) -> AssetView:
    """An asset for HTTP."""
    item = row.item
    quality = item["quality"]
    return AssetView(
        asset_id=item["assetId"],
        name=item["name"],
        domain_id=item["domainId"],
        domain_name=item["domainName"],
        project_id=item["projectId"],
        project_name=item["projectName"],
        table_id=item["tableId"],
        description=item["description"],
        owner=item["owner"],
        classification=item["classification"],
        columns=[AssetColumnView(**column) for column in item["columns"]],
        contract_version=item["contractVersion"],
        status=item["status"],
        status_reason=item.get("statusReason"),
        listed_at=_listed_at(item),
        quality=QualityView.model_validate(quality) if quality else None,
        version=row.version,
        created_by=item["createdBy"],
        created_at=item["createdAt"],
    )


def _listed_at(item: dict[str, Any]) -> str | None:
    """When it was listed; assets of the time before listing was a step of its own were at once."""
    at: str | None = item.get("listedAt")
    return item["createdAt"] if at is None and item["status"] == PUBLISHED else at


def summary(item: dict[str, Any]) -> AssetSummary:
    """An asset for other services."""
    return AssetSummary(
        asset_id=item["assetId"],
        name=item["name"],
        domain_id=item["domainId"],
        domain_name=item["domainName"],
        project_id=item["projectId"],
        project_name=item["projectName"],
        table_id=item["tableId"],
        description=item["description"],
        classification=item["classification"],
        owner=item["owner"],
        columns=tuple(AssetColumn(**column) for column in item["columns"]),
        quality_score=item["quality"]["score"] if item["quality"] else None,
        status=item["status"],
    )
