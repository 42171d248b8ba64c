"""Decides what of each relation a caller may read, and plans the files to read it from."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from meshplane.boundary.actor import Actor
from meshplane.kit.errors import Invalid, Missing, Refused
from meshplane.services.assets.api import AssetsApi, AssetSummary
from meshplane.services.permissions.api import (
    AssetAccess,
    GovernedAsset,
    GovernedColumn,
    MaskRule,
    PermissionsApi,
    RowScope,
    needed,
)
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


@dataclass(frozen=True, slots=True)
class Reach:
    """How far into an asset a caller may see.

    Args:
        scopes: what grants let through, by the names of columns now; None is everything.
        names: field ids with the names of columns now, by which columns are found in the version
            that is read; None if the names of that version are meant.
    """

    scopes: tuple[Scope, ...] | None
    names: Mapping[int, str] | None = None


WHOLE = Reach(None)


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
            Refused: ACCESS_REQUIRED, a published asset is not granted; GRANT_BROKEN, its grants
                do not fit it any more; SQL_REFUSED, there is nothing of that name for this caller.
            Invalid: SQL_INVALID, a name without its domain stands for several assets.
            Missing: SNAPSHOT_NOT_FOUND, the asset had no rows yet at `as_of`.
        """
        projects = await self._own_projects()
        return [await self._open(name, projects) for name in names]

    async def _open(self, name: RelationName, projects: Sequence[str]) -> Relation:
        asset, reach = await self._readable(name, projects)
        for opened in self.opened:
            if opened.asset.asset_id == asset.asset_id:
                return opened.relation  # named with its domain and without: one and the same
        scan = await self._scan(asset)
        # Held before anything may be refused: whoever asked removes what was made for the scan.
        self.opened.append(Opened(asset, scan, self._relation(asset, scan, reach)))
        relation = self.opened[-1].relation
        if not relation.scopes:
            raise broken(asset)
        return relation

    def _relation(self, asset: AssetSummary, scan: Scan, reach: Reach) -> Relation:
        """The version that is read, its columns under their names then, as far as they are seen.

        Policy speaks of columns as they are now. Those of an older version are found by their
        field ids; one that is no more, or that is another one under its name, is not there.
        """
        names = reach.names
        if names is None:
            names = {column.field_id: column.name for column in scan.columns}
        columns = tuple(
            Column(
                column.name,
                column.field_id,
                column.sql_type,
                None if names[column.field_id] == column.name else names[column.field_id],
            )
            for column in scan.columns
            if column.field_id in names
        )
        present = {column.policy_name for column in columns}
        if reach.scopes is None:
            scopes: tuple[Scope, ...] = (Scope(None, dict.fromkeys(present)),)
        else:
            scopes = tuple(
                Scope(scope.row_filter, {n: m for n, m in scope.columns.items() if n in present})
                for scope in reach.scopes
                if present & set(scope.columns)
            )
        actor = self.actor
        return Relation(
            asset.domain_name,
            asset.name,
            scan.files,
            columns,
            scopes,
            principal=(actor.on_behalf_of or actor.name) if actor.is_service else actor.name,
            groups=tuple(sorted(actor.groups)),
        )

    async def _own_projects(self) -> list[str]:
        if self.project_id is not None:
            return [self.project_id]
        return await self.projects.of_principals(self.actor, self.actor.principals)

    async def _readable(
        self, name: RelationName, projects: Sequence[str]
    ) -> tuple[AssetSummary, Reach]:
        named = await self.assets.named(self.actor, name.name.lower(), name.schema or None)
        # One that is not listed is there for its own project alone.
        found = [asset for asset in named if asset.is_published or asset.project_id in projects]
        readable: list[tuple[AssetSummary, Reach]] = []
        closed: list[tuple[AssetSummary, AssetAccess]] = []
        for asset in found:
            if asset.project_id in projects:
                readable.append((asset, WHOLE))
                continue
            governed = await self.governed(asset)
            access = await self._granted(governed, projects)
            if access.scopes:
                readable.append((asset, _reach(governed, access)))
            elif access.broken:
                closed.append((asset, access))
        if len(readable) == 1:
            return readable[0]
        if readable:
            raise Invalid(
                "SQL_INVALID",
                "Several domains have an asset of this name: write it as domain.asset.",
                field="sql",
            )
        if closed:
            asset, access = closed[0]
            raise broken(asset, [grant.grant_id for grant in access.broken])
        if found:
            raise self._access_required(found[0], projects)
        raise Refused(
            "SQL_REFUSED",
            "The statement names a relation that is not there for you. Relations are published "
            "assets, written asset or domain.asset; find them with GET /api/v1/catalog/search.",
            field="sql",
        )

    async def _granted(self, governed: GovernedAsset, projects: Sequence[str]) -> AssetAccess:
        """What grants give the caller on an asset."""
        principals = [f"project:{project_id}" for project_id in projects]
        if self.project_id is None:
            principals += self.actor.principals
        return await self.permissions.access(self.actor, governed, principals)

    async def governed(self, asset: AssetSummary) -> GovernedAsset:
        """The asset as policy knows it: with its columns as they are now."""
        return await governed_asset(self.actor, asset, self.tables)

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


async def governed_asset(actor: Actor, asset: AssetSummary, tables: TablesApi) -> GovernedAsset:
    """An asset as policy knows it: with its columns as they are now."""
    table = await tables.find(actor, asset.table_id)
    classes = {column.name: column.classification for column in asset.columns}
    columns = tuple(
        GovernedColumn(
            column.name,
            column.field_id,
            column.sql_type,
            classes.get(column.name, asset.classification),
        )
        for column in (table.columns if table else ())
    )
    return GovernedAsset(
        asset.asset_id,
        asset.name,
        asset.domain_id,
        asset.domain_name,
        asset.project_id,
        asset.table_id,
        asset.classification,
        columns,
    )


def _reach(governed: GovernedAsset, access: AssetAccess) -> Reach:
    names = {column.field_id: column.name for column in governed.columns}
    # A scope that adds nothing to another would cost a test of each row.
    return Reach(tuple(_scope(scope) for scope in needed(access.scopes)), names)


def _scope(scope: RowScope) -> Scope:
    columns = {name: _mask(rule) for name, rule in scope.columns.items()}
    return Scope(scope.filter.text if scope.filter else None, columns)


def _mask(rule: MaskRule | None) -> Mask | None:
    if rule is None or rule.kind == "none":
        return None
    return Mask(
        rule.kind, rule.value, rule.keep_first, rule.keep_last, rule.fill, rule.unit, rule.digits
    )


def broken(asset: AssetSummary, grant_ids: Sequence[str] = ()) -> Refused:
    """The refusal for one whose grants on an asset let nothing through as things stand."""
    name = f"{asset.domain_name}.{asset.name}"
    return Refused(
        "GRANT_BROKEN",
        f"{name} is granted to you, but its schema has changed since, or the lake does not hold "
        "the grant as it was made, and nothing is shown until that is mended. Ask a steward of the "
        f"domain {asset.domain_name}; GET /api/v1/permissions/explain says what is wrong.",
        field="sql",
        details={
            "assetId": asset.asset_id,
            "assetName": asset.name,
            "domainName": asset.domain_name,
            "grantIds": list(grant_ids),
        },
    )


def hash_key(mask_key: bytes) -> bytes:
    """The key of hash masks, derived from the mesh's secret, which itself never leaves."""
    return hmac.new(mask_key, b"meshplane hash mask 1", hashlib.sha256).digest()
