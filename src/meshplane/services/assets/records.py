"""Rows of the store as the types that leave the service."""

from collections.abc import Iterable
from typing import Any

from meshplane.platform.tables import Row
from meshplane.services.assets.api import (
    LAKE_FORMAT,
    PUBLISHED,
    AssetColumn,
    AssetMetadata,
    AssetSummary,
)
from meshplane.services.assets.metadata import kept, term_names
from meshplane.services.assets.schemas import (
    AssetColumnView,
    AssetView,
    FilledFormView,
    QualityView,
    TermOnAsset,
)


def view(row: Row) -> AssetView:
    """An asset for HTTP."""
    item = row.item
    quality, said = item["quality"], kept(item)
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
        columns=[
            AssetColumnView(**column, terms=_terms(said, said.columns.get(column["name"], ())))
            for column in item["columns"]
        ],
        terms=_terms(said, said.terms),
        forms=[
            FilledFormView(
                form_id=one.form_id,
                name=one.name,
                revision=one.revision,
                values=dict(one.values),
            )
            for one in said.forms
        ],
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
        terms=term_names(kept(item)),
        format=format_of(item),
    )


def format_of(item: dict[str, Any]) -> str:
    """What the table of an asset is; those of the time before others came are of the lake."""
    return str(item.get("format") or LAKE_FORMAT)


def _terms(said: AssetMetadata, term_ids: Iterable[str]) -> list[TermOnAsset]:
    return [TermOnAsset(term_id=one, name=said.names[one]) for one in term_ids]
