"""Use cases of publication: the steps between an asset that was handed in and one that is listed.

An asset is `submitted` when its project publishes it; `published` once it is listed in the catalog,
for everyone to find; or `rejected`, and then its name and its table are free again. Only the
mesh's own workflow lists and rejects.
"""

import asyncio
from typing import Any

from meshplane.boundary.call import Call
from meshplane.events.assets import AssetPublicationRejected, AssetPublished
from meshplane.kit.errors import BaseMoved, Conflict, FieldProblem, Invalid
from meshplane.platform.tables import Row
from meshplane.services.assets import records
from meshplane.services.assets.api import LAKE_FORMAT, PUBLISHED, REJECTED, SUBMITTED
from meshplane.services.assets.contract import column_problems, parse_contract
from meshplane.services.assets.metadata import kept, places
from meshplane.services.assets.rows import allowed
from meshplane.services.assets.schemas import (
    ApprovalView,
    AssetView,
    MetadataProblem,
    MetadataView,
    Rejection,
)
from meshplane.services.assets.store import (
    ALL,
    ASSET_NAMES,
    ASSET_TABLES,
    ASSET_TERMS,
    ASSETS,
)
from meshplane.services.tables.api import TablesApi

SENSITIVE = frozenset({"confidential", "restricted"})
"""Classifications that somebody of the domain must have looked at before all may find the data."""

APPROVER_ROLE = "steward"


class Publication:
    """Checks, lists and rejects what was submitted.

    Args:
        tables: the service below.
    """

    def __init__(self, tables: TablesApi) -> None:
        self._tables = tables

    async def validate(self, call: Call, asset_id: str) -> MetadataView:
        """What an asset still lacks to be listed: words, an owner, a contract that fits."""
        row = await allowed(call, asset_id)
        problems = [*_missing_words(row.item), *await self._contract_problems(call, row.item)]
        return MetadataView(
            asset_id=asset_id,
            valid=not problems,
            problems=[MetadataProblem(field=one.field, message=one.message) for one in problems],
        )

    async def approval(self, call: Call, asset_id: str) -> ApprovalView:
        """Whether somebody must approve the listing, and who may."""
        row = await allowed(call, asset_id)
        item = row.item
        sensitive = _sensitive_columns(item)
        return ApprovalView(
            asset_id=asset_id,
            required=needs_approval(item),
            classification=item["classification"],
            sensitive_columns=sensitive,
            approver_role=APPROVER_ROLE,
            domain_id=item["domainId"],
            requested_by=item["createdBy"],
        )

    async def list_in_catalog(self, call: Call, asset_id: str) -> AssetView:
        """Lists a submitted asset, so that everyone finds it; done before, it changes nothing.

        Raises:
            Missing: ASSET_NOT_FOUND.
            Conflict: ASSET_REJECTED.
        """
        row = await allowed(call, asset_id)
        if row.item["status"] == PUBLISHED:
            return records.view(row)
        if row.item["status"] == REJECTED:
            raise Conflict(
                "ASSET_REJECTED",
                "The asset was rejected: publish the table again, as a new asset.",
                field="assetId",
            )
        table = await self._tables.find(call.actor, row.item["tableId"])
        item = {**row.item, "status": PUBLISHED, "listedAt": call.now, "listing": ALL}
        _put(call, row, item)
        call.work.emit(
            AssetPublished(
                asset_id=asset_id,
                asset_name=item["name"],
                s3_location=table.location if table and table.source is None else "",
                format=records.format_of(item),
                glue_table=_glue_table(item),
                table_id=item["tableId"],
                project_id=item["projectId"],
                domain_id=item["domainId"],
                classification=item["classification"],
                published_by=item["createdBy"],
                published_at=call.now,
            ).event()
        )
        return records.view(Row(item, row.version + 1))

    async def reject(self, call: Call, asset_id: str, body: Rejection) -> AssetView:
        """Turns a submitted asset down; its name and its table are free again.

        Raises:
            Missing: ASSET_NOT_FOUND.
            Conflict: ASSET_LISTED.
        """
        row = await allowed(call, asset_id)
        if row.item["status"] == REJECTED:
            return records.view(row)
        if row.item["status"] != SUBMITTED:
            raise Conflict(
                "ASSET_LISTED", "The asset is listed already: it cannot be rejected any more.",
                field="assetId",
            )  # fmt: skip
        item = {
            **row.item,
            "status": REJECTED,
            "statusReason": body.reason,
            "rejectedAt": call.now,
        }
        _put(call, row, item)
        call.work.delete(ASSET_NAMES, item["domainName"], item["name"])
        call.work.delete(ASSET_TABLES, item["tableId"])
        for term_id in places(kept(item)):
            call.work.delete(ASSET_TERMS, term_id, asset_id)
        call.work.emit(
            AssetPublicationRejected(
                asset_id=asset_id,
                asset_name=item["name"],
                project_id=item["projectId"],
                domain_id=item["domainId"],
                submitted_by=item["createdBy"],
                reason=body.reason,
                rejected_at=call.now,
            ).event()
        )
        return records.view(Row(item, row.version + 1))

    async def _contract_problems(self, call: Call, item: dict[str, Any]) -> list[FieldProblem]:
        try:
            contract = await asyncio.to_thread(parse_contract, item["contract"])
        except Invalid as error:
            return list(error.fields)
        table = await self._tables.find(call.actor, item["tableId"])
        if table is None:
            return [FieldProblem("tableId", "names a table that is gone")]
        return column_problems(contract, {column.name: column.type for column in table.columns})


def needs_approval(item: dict[str, Any]) -> bool:
    """Whether an asset or a column of it is so sensitive that its listing must be approved."""
    return item["classification"] in SENSITIVE or bool(_sensitive_columns(item))


def _sensitive_columns(item: dict[str, Any]) -> list[str]:
    return [column["name"] for column in item["columns"] if column["classification"] in SENSITIVE]


def _glue_table(item: dict[str, Any]) -> str:
    """What the asset is called in Glue; one that another engine keeps is not there."""
    is_there = records.format_of(item) == LAKE_FORMAT
    return f"{item['domainName']}.{item['name']}" if is_there else ""


def _missing_words(item: dict[str, Any]) -> list[FieldProblem]:
    return [
        FieldProblem(name, "is empty: say it, so that others can judge whether it serves them")
        for name in ("description", "owner", "contractVersion")
        if not item[name].strip()
    ]


def _put(call: Call, row: Row, item: dict[str, Any]) -> None:
    call.note(status=item["status"])
    moved = BaseMoved("STALE", "The asset was changed meanwhile: try again.")
    call.work.put(ASSETS, item, expected=row.version, otherwise=moved)
