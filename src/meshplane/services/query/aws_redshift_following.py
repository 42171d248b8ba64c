"""Takes what grants no longer give away from projects in Redshift, and gives them what is new."""

from logging import WARNING

from meshplane.boundary.actor import service_actor
from meshplane.events.consumer import Consumer
from meshplane.kit.errors import Unavailable
from meshplane.platform.events import StoredEvent
from meshplane.platform.store import UnitOfWork
from meshplane.platform.telemetry import log
from meshplane.services.assets.api import AssetsApi
from meshplane.services.query.access import governed_asset
from meshplane.services.query.aws_redshift_rights import RedshiftRights
from meshplane.services.query.store import REDSHIFT_RIGHTS
from meshplane.services.tables.api import TablesApi

_SOURCE = "management-app.permissions"
_GRANTS = frozenset(
    {"PermissionGranted", "PermissionChanged", "PermissionRevoked", "PermissionExpired"}
)
_BESIDE = frozenset({"TagAssigned", "TagRemoved", "TagMaskChanged", "DataFilterChanged"})
_PAGE = 200
_PROJECT = "project:"
ITSELF = service_actor("query", None)


class FollowingRedshift:
    """Keeps Redshift in step with grants.

    Args:
        rights: carries them.
        assets, tables: the services below.
    """

    def __init__(self, rights: RedshiftRights, assets: AssetsApi, tables: TablesApi) -> None:
        self._rights = rights
        self._assets = assets
        self._tables = tables

    @property
    def consumers(self) -> tuple[Consumer, ...]:
        """The events that it follows."""
        return (Consumer("query.redshift", _GRANTS | _BESIDE, self._on_change, _SOURCE),)

    async def _on_change(self, work: UnitOfWork, event: StoredEvent) -> None:
        """Looks at what was carried for the project of a grant, or at all that was carried.

        A grant to a project may reach a table by tags, or by its domain. One to a person or a group
        reaches nothing there, as statements run as projects.
        """
        only: str | None = None
        if event.type in _GRANTS:
            principal = str(event.detail.get("principal", ""))
            if not principal.startswith(_PROJECT):
                return
            only = principal.removeprefix(_PROJECT)
            await self._settle(str(event.detail.get("resource", "")), only)
        cursor: str | None = None
        unfinished: Unavailable | None = None
        while True:
            page = await work.query(REDSHIFT_RIGHTS, "all", index="all", limit=_PAGE, cursor=cursor)
            for row in page.rows:
                if only not in (None, row.item["projectId"]):
                    continue
                try:
                    await self._settle(row.item["assetId"], row.item["projectId"])
                except Unavailable as error:
                    unfinished = error  # the others need not wait for this one
            cursor = page.cursor
            if cursor is None:
                break
        if unfinished is not None:
            raise unfinished

    async def _settle(self, asset_id: str, project_id: str) -> None:
        asset = await self._assets.find(ITSELF, asset_id)
        if asset is None or asset.project_id == project_id:
            return
        table = await self._tables.find(ITSELF, asset.table_id)
        if table is None or table.source is None:
            return
        governed = await governed_asset(ITSELF, asset, self._tables)
        why = await self._rights.settle(ITSELF, project_id, governed, table.source, trusting=True)
        if why is not None:
            log(WARNING, "redshift_grant_closed", assetId=asset_id, projectId=project_id)
