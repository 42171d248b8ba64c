"""Decides what of each relation a caller may read, and plans the files to read it from."""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from meshplane.boundary.actor import Actor
from meshplane.kit.errors import Invalid, Missing, Refused
from meshplane.services.assets.api import AssetsApi, AssetSummary
from meshplane.services.permissions.api import Grant, PermissionsApi
from meshplane.services.projects.api import ProjectsApi
from meshplane.services.query.sandbox import Column, Mask, Relation, RelationName, Scope
from meshplane.services.query.schemas import ReadRelation
from meshplane.services.tables.api import Scan, TablesApi


@dataclass(frozen=True, slots=True)
class Opened:
    """A relation that a query may read."""

    asset: AssetSummary
    scan: Scan
    relation: Relation

    @property
    def read(self) -> ReadRelation:
        """As the answer tells it."""
        return ReadRelation(
            name=f"{self.asset.domain_name}.{self.asset.name}",
            asset_id=self.asset.asset_id,
            snapshot_id=self.scan.snapshot_id,
        )


@dataclass(slots=True)
class Access:
    """The access of one query.

    Args:
        actor: who asks.
        project_id: the project for which he asks; None is all of his.
        as_of: the instant as of which to read; None is now.
        opened: filled as relations are resolved.
    """

    actor: Actor
    project_id: str | None
    as_of: datetime | None
    assets: AssetsApi
    tables: TablesApi
    projects: ProjectsApi
    permissions: PermissionsApi
    opened: list[Opened] = field(default_factory=list)

    async def resolve(self, names: Sequence[RelationName]) -> list[Relation]:
        """The relations of those names, in their order, as this caller may read them.

        Raises:
            Refused: ACCESS_REQUIRED, a published asset is not granted; SQL_REFUSED, there is
                nothing of that name for this caller.
            Invalid: SQL_INVALID, a name without its domain stands for several assets.
            Missing: SNAPSHOT_NOT_FOUND, the asset had no rows yet at `as_of`.
        """
        projects = await self._own_projects()
        return [await self._open(name, projects) for name in names]

    async def _open(self, name: RelationName, projects: Sequence[str]) -> Relation:
        asset, scopes = await self._readable(name, projects)
        for opened in self.opened:
            if opened.asset.asset_id == asset.asset_id:
                return opened.relation  # named with its domain and without: one and the same
        scan = await self._scan(asset)
        columns = tuple(Column(c.name, c.field_id, c.sql_type) for c in scan.columns)
        relation = Relation(asset.domain_name, asset.name, scan.files, columns, tuple(scopes))
        self.opened.append(Opened(asset, scan, relation))
        return relation

    async def _own_projects(self) -> list[str]:
        if self.project_id is not None:
            return [self.project_id]
        return await self.projects.of_principals(self.actor, self.actor.principals)

    async def _readable(
        self, name: RelationName, projects: Sequence[str]
    ) -> tuple[AssetSummary, list[Scope]]:
        named = await self.assets.named(self.actor, name.name.lower(), name.schema or None)
        # One that is not listed is there for its own project alone.
        found = [asset for asset in named if asset.is_published or asset.project_id in projects]
        readable = []
        for asset in found:
            scopes = await self._scopes(asset, projects)
            if scopes:
                readable.append((asset, scopes))
        if len(readable) == 1:
            return readable[0]
        if readable:
            raise Invalid(
                "SQL_INVALID",
                "Several domains have an asset of this name: write it as domain.asset.",
                field="sql",
            )
        if found:
            raise self._access_required(found[0], projects)
        raise Refused(
            "SQL_REFUSED",
            "The statement names a relation that is not there for you. Relations are published "
            "assets, written asset or domain.asset; find them with GET /api/v1/catalog/search.",
            field="sql",
        )

    async def _scopes(self, asset: AssetSummary, projects: Sequence[str]) -> list[Scope]:
        """What the caller may read of an asset; nothing when the list is empty."""
        if asset.project_id in projects:
            return [Scope(None, {column.name: None for column in asset.columns})]
        principals = [f"project:{project_id}" for project_id in projects]
        if self.project_id is None:
            principals += self.actor.principals
        grants = await self.permissions.in_force(self.actor, asset.asset_id, principals)
        return [_scope(grant) for grant in grants]

    async def _scan(self, asset: AssetSummary) -> Scan:
        try:
            return await self.tables.scan(self.actor, asset.table_id, self.as_of)
        except Missing as error:
            raise Missing(
                error.code,
                "A relation of the statement has no version at that instant: choose a later asOf.",
                field="asOf",
            ) from None

    def _access_required(self, asset: AssetSummary, projects: Sequence[str]) -> Refused:
        """A refusal that says what to ask for. The asset is in the catalog for everyone."""
        return Refused(
            "ACCESS_REQUIRED",
            f"{asset.domain_name}.{asset.name} is published, and not granted to you. Request a "
            "subscription to it for your project; a steward of its domain decides.",
            field="sql",
            details={
                "assetId": asset.asset_id,
                "assetName": asset.name,
                "domainName": asset.domain_name,
                "request": {
                    "method": "POST",
                    "path": "/api/v1/subscriptions",
                    "body": {
                        "assetId": asset.asset_id,
                        "projectId": projects[0] if len(projects) == 1 else "<your project>",
                        "purpose": "<what for>",
                    },
                },
            },
        )


def _scope(grant: Grant) -> Scope:
    columns = {
        column.name: Mask(column.mask.kind, column.mask.value) if column.mask else None
        for column in grant.columns
    }
    return Scope(grant.row_filter, columns)


def hash_key(mask_key: bytes) -> bytes:
    """The key of hash masks, derived from the mesh's secret, which itself never leaves."""
    return hmac.new(mask_key, b"meshplane hash mask 1", hashlib.sha256).digest()
