"""Use cases of asking: a project or a person asks to read an asset."""

from meshplane.boundary.call import Call
from meshplane.kit.errors import Conflict, Invalid
from meshplane.platform.tables import Row
from meshplane.policy.model import MESH, Resource
from meshplane.services.assets.api import LAKE_FORMAT, AssetsApi, AssetSummary, no_such_asset
from meshplane.services.projects.api import ProjectsApi, ProjectSummary, no_such_project
from meshplane.services.subscriptions.opening import Opening
from meshplane.services.subscriptions.records import new_item, noted, view
from meshplane.services.subscriptions.schemas import NewSubscription, SubscriptionView
from meshplane.services.subscriptions.scope import demand_columns, expiry


class Requesting:
    """Takes requests.

    Args:
        projects, assets: the services below.
        opening: sends a request on its way.
    """

    def __init__(self, projects: ProjectsApi, assets: AssetsApi, opening: Opening) -> None:
        self._projects = projects
        self._assets = assets
        self._opening = opening

    async def request(self, call: Call, body: NewSubscription) -> SubscriptionView:
        """Asks to read an asset.

        Raises:
            Missing: PROJECT_NOT_FOUND, ASSET_NOT_FOUND.
            Conflict: OWN_ASSET.
            Invalid: COLUMN_UNKNOWN, ROW_FILTER_INVALID, EXPIRY_INVALID; PROJECT_REQUIRED, nobody
                reads the asset by himself.
        """
        project = await self.subscriber(call, body.project_id)
        asset = await self._assets.find(call.actor, body.asset_id)
        if asset is None or not asset.is_published:
            raise no_such_asset()
        if await self.owns(call, asset, project):
            raise own_asset()
        if project is None and asset.format != LAKE_FORMAT:
            raise Invalid(
                "PROJECT_REQUIRED",
                "The asset is kept by Redshift, where statements run as a project: ask for one of "
                "your projects.",
                field="projectId",
            )
        row = await self.open(call, body, asset, project)
        call.resource = f"Subscription:{row.item['requestId']}"
        call.note(**noted(row.item), purpose=body.purpose, level=row.item["level"])
        return view(row, call.clock)

    async def subscriber(self, call: Call, project_id: str | None) -> ProjectSummary | None:
        """The project for which the caller may ask; None if he asks for himself.

        Raises:
            Missing: PROJECT_NOT_FOUND.
            Refused: FORBIDDEN.
        """
        if project_id is None:
            await call.allow(MESH)
            return None
        project = await self._projects.find(call.actor, project_id)
        if project is None:
            raise no_such_project()
        await call.allow(
            Resource("Project", project.project_id, project.domain_id, project.project_id)
        )
        return project

    async def owns(self, call: Call, asset: AssetSummary, project: ProjectSummary | None) -> bool:
        """Whether the one who would read publishes the asset, and so reads it already."""
        if project is not None:
            return asset.project_id == project.project_id
        actor = call.actor
        return bool(await self._projects.roles(actor, asset.project_id, actor.principals))

    async def open(
        self,
        call: Call,
        body: NewSubscription,
        asset: AssetSummary,
        project: ProjectSummary | None,
    ) -> Row:
        """Stores a request that is allowed; as it is then."""
        demand_columns(body.columns or (), asset, "columns")
        checks = self._opening.checks
        product = await checks.product(call.actor, asset)
        row_filter = await checks.wished_filter(call.actor, body.row_filter, product)
        ends = expiry(body.expires_at, call.clock.now())
        name = project.name if project else None
        item = {
            **new_item(call, asset, body.project_id, name, body.purpose),
            "requestedColumns": body.columns,
            "requestedRowFilter": row_filter.text if row_filter else None,
            "requestedExpiresAt": ends,
            "expiresAt": ends,
        }
        return await self._opening.open(call, item, product)


def own_asset() -> Conflict:
    """The error for asking to read what one publishes."""
    return Conflict(
        "OWN_ASSET", "The project publishes this asset and reads it already.", field="assetId"
    )
