"""Use case: showing what a lake must hold for a grant."""

from meshplane.boundary.call import Call
from meshplane.kit.errors import Missing
from meshplane.policy.model import MESH, Resource
from meshplane.services.assets.api import AssetsApi
from meshplane.services.lake.checking import itself
from meshplane.services.lake.compiling import Compiled, compile_embedded
from meshplane.services.lake.desired import DesiredGrants
from meshplane.services.lake.lake_formation_grants import LakeFormationGrants
from meshplane.services.lake.schemas import CompiledQuery, CompiledView, ViewStatement
from meshplane.services.lake.views import entry_view
from meshplane.services.permissions.api import Grant, PermissionsApi
from meshplane.services.tables.api import TablesApi


class CompiledGrants:
    """Compiles grants for people to see.

    Args:
        permissions, assets, tables: the services below.
        desired: knows where grants apply.
        account: of the mesh on AWS; by default one that stands for it.
    """

    def __init__(
        self,
        permissions: PermissionsApi,
        assets: AssetsApi,
        tables: TablesApi,
        desired: DesiredGrants,
        account: str = "000000000000",
    ) -> None:
        self._permissions = permissions
        self._desired = desired
        self._there = LakeFormationGrants(permissions, assets, tables, account)

    async def show(self, call: Call, grant_id: str, query: CompiledQuery) -> CompiledView:
        """What a lake must hold for a grant, and what it cannot do.

        Raises:
            Missing: GRANT_NOT_FOUND.
        """
        missing = Missing("GRANT_NOT_FOUND", "There is no grant with this id.", field="grantId")
        actor = itself(call)
        grant = await self._permissions.find(actor, grant_id)
        domain_id = grant.domain_id if grant is not None else ""
        resource = Resource("Domain", domain_id, domain_id) if domain_id else MESH
        await call.allow(resource, hide=missing)
        if grant is None:
            raise missing
        compiled = await self._compile(call, grant, query.target)
        return CompiledView(
            grant_id=grant_id,
            target=query.target,
            entries=[entry_view(one) for one in compiled.entries],
            views=[
                ViewStatement(
                    database=view.database, name=view.name, sql=view.sql, columns=list(view.shows)
                )
                for view in compiled.views
            ],
            notes=list(compiled.notes),
            problems=list(compiled.problems),
        )

    async def _compile(self, call: Call, grant: Grant, target: str) -> Compiled:
        actor = itself(call)
        place = await self._desired.place(actor, grant)
        if isinstance(place, str):
            return Compiled((), problems=(place,))
        asset_id = grant.target.asset_id
        filters = {}
        if asset_id is not None and grant.target.kind == "filter":
            filters = dict(await self._desired.filters(actor, asset_id))
        if target == "embedded":
            return compile_embedded(grant, place, filters)
        return await self._there.compile(actor, grant, place, filters)
