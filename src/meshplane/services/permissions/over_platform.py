"""`Schemas` over the operations of the platform, as workflows reach them."""

from typing import Any

from meshplane.boundary.actor import Actor, service_actor
from meshplane.boundary.platform_api import PlatformApi
from meshplane.kit.errors import Missing
from meshplane.kit.ids import IdMaker
from meshplane.services.permissions.model import (
    FilterColumn,
    GovernedAsset,
    GovernedColumn,
    Grant,
    RowFilter,
)
from meshplane.services.permissions.ports import DescribedAsset


class PlatformSchemas:
    """Asks by operationId, in the name of the permissions service.

    Args:
        platform: every operation of the mesh.
        new_id: names each question, so that none is given an answer of before.
    """

    def __init__(self, platform: PlatformApi, new_id: IdMaker) -> None:
        self._platform = platform
        self._new_id = new_id

    async def asset(self, actor: Actor, asset_id: str) -> DescribedAsset | None:
        """See `Schemas.asset`."""
        try:
            asset = await self._read(actor, "getAsset", {"assetId": asset_id})
            table = await self._read(actor, "getTable", {"tableId": asset["tableId"]})
        except Missing:
            return None
        classes = {column["name"]: column["classification"] for column in asset["columns"]}
        columns = tuple(
            GovernedColumn(
                column["name"],
                column["fieldId"],
                column["sqlType"],
                classes.get(column["name"], asset["classification"]),
            )
            for column in table["columns"]
        )
        governed = GovernedAsset(
            asset_id,
            asset["name"],
            asset["domainId"],
            asset["domainName"],
            asset["projectId"],
            asset["tableId"],
            asset["classification"],
            columns,
            (table["source"] or {}).get("kind", ""),
        )
        return DescribedAsset(governed, asset["status"] == "published")

    async def domain_name(self, actor: Actor, domain_id: str) -> str | None:
        """See `Schemas.domain_name`."""
        try:
            domain = await self._read(actor, "getDomain", {"domainId": domain_id})
        except Missing:
            return None
        return str(domain["name"])

    async def project_name(self, actor: Actor, project_id: str) -> str | None:
        """See `Schemas.project_name`."""
        try:
            project = await self._read(actor, "getProject", {"projectId": project_id})
        except Missing:
            return None
        return str(project["name"])

    async def check_row_filter(self, actor: Actor, asset_id: str, expression: str) -> RowFilter:
        """See `Schemas.check_row_filter`."""
        arguments = {"assetId": asset_id, "expression": expression}
        checked = await self._read(actor, "checkRowFilter", arguments)
        return RowFilter(
            checked["expression"],
            tuple(
                FilterColumn(column["name"], column["fieldId"], column["sqlType"])
                for column in checked["columns"]
            ),
        )

    async def preview_approval(
        self, actor: Actor, request_id: str, approval: dict[str, Any]
    ) -> Grant:
        """See `Schemas.preview_approval`; asked in the caller's own name, whose right it needs."""
        arguments = {**approval, "requestId": request_id}
        answer = await self._platform.call(
            "previewApproval", arguments, actor=actor, key=self._new_id("look")
        )
        return Grant.from_json(answer)

    async def _read(self, actor: Actor, operation: str, arguments: dict[str, Any]) -> Any:
        behalf = actor.on_behalf_of or (None if actor.is_service else actor.name)
        itself = service_actor("permissions", behalf, actor.trace_id)
        return await self._platform.call(
            operation, arguments, actor=itself, key=self._new_id("look")
        )
