"""Makes a grant of a right that was found in the lake and that nobody granted.

Only what says in the mesh's own words what it permits can be adopted: a principal and a resource
that the mesh knows, and permissions that a grant on it may hold. A filter must be one that the
mesh knows under its name, letting through the same. Whatever cannot be adopted is told of.
"""

import re
from collections.abc import Mapping
from typing import Any

from meshplane.boundary.actor import Actor
from meshplane.kit.errors import Invalid
from meshplane.services.assets.api import AssetsApi, AssetSummary
from meshplane.services.lake.compiling import cells
from meshplane.services.lake.desired import DesiredGrants
from meshplane.services.lake.ports import LakeEntry
from meshplane.services.permissions.api import (
    Grant,
    GrantedColumn,
    PermissionsApi,
    Target,
    grant_id_of,
)
from meshplane.services.tables.api import TablesApi

_PRINCIPAL = re.compile(
    r"(user|group):[A-Za-z0-9][A-Za-z0-9._@+:-]{0,190}|project:proj-[a-z0-9]+"
    r"|role:arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+|account:\d{12}"
    r"|organization:o-[a-z0-9]{10,32}"
)
_ON_TABLE = frozenset({"SELECT", "DESCRIBE", "INSERT", "DELETE", "ALTER", "DROP"})
_PERMITTED = {
    "database": frozenset({"DESCRIBE", "CREATE_TABLE", "ALTER", "DROP"}),
    "tables": _ON_TABLE,
    "table": _ON_TABLE,
    "columns": frozenset({"SELECT"}),
    "filter": frozenset({"SELECT"}),
    "tags": _ON_TABLE,
    "location": frozenset({"DATA_LOCATION_ACCESS"}),
}


class Adopting:
    """Makes grants of excess.

    Args:
        permissions, assets, tables: the services below.
        desired: knows the data filters.
    """

    def __init__(
        self,
        permissions: PermissionsApi,
        assets: AssetsApi,
        tables: TablesApi,
        desired: DesiredGrants,
    ) -> None:
        self._permissions = permissions
        self._assets = assets
        self._tables = tables
        self._desired = desired

    async def adopt(self, actor: Actor, found: LakeEntry, domain_id: str, now: str) -> Grant:
        """Makes the grant that an entry stands for; done again, it is the same grant.

        Args:
            actor: the lake service, on behalf of whoever asked.
            found: the entry.
            domain_id: the domain that answers for it.
            now: RFC 3339.

        Raises:
            Invalid: ADOPTION_IMPOSSIBLE, with the reason.
        """
        if not _PRINCIPAL.fullmatch(found.principal):
            raise _impossible("The mesh knows no such principal.")
        if found.masks:
            raise _impossible("It masks columns, which only a grant of the mesh can say.")
        target, columns = await self._target(actor, found, domain_id)
        permissions = frozenset(found.permissions)
        if not permissions or permissions - _PERMITTED[target.kind]:
            raise _impossible("It permits what a grant on such a resource cannot.")
        if found.grantable and target.kind == "columns" and target.included is None:
            raise _impossible("With the right to grant, columns must be named.")
        # The grant that somebody would make by hand; one that was revoked does not come back here.
        grant = Grant(
            grant_id=grant_id_of(found.principal, target),
            principal=found.principal,
            target=target,
            permissions=permissions,
            domain_id=domain_id,
            grantable=frozenset(found.grantable),
            columns=columns,
            granted_by=actor.on_behalf_of or actor.name,
            granted_at=now,
            reason=f"Found in the lake and adopted; made by {found.made_by or 'somebody unknown'}.",
        )
        await self._permissions.grant(actor, grant)
        if await self._permissions.find(actor, grant.grant_id) is None:
            raise _impossible("This grant was revoked: whoever wants it grants it anew.")
        return grant

    async def _target(
        self, actor: Actor, found: LakeEntry, domain_id: str
    ) -> tuple[Target, tuple[GrantedColumn, ...]]:
        """What a grant on the entry's resource is on."""
        if not domain_id:
            raise _impossible("It lies in no domain that the mesh knows.")
        ((kind, on),) = found.resource.items()
        if kind == "Database":
            return Target("database", domain_id=domain_id), ()
        if kind == "Table" and "TableWildcard" in on:
            return Target("tables", domain_id=domain_id), ()
        if kind == "DataLocation":
            path = on["ResourceArn"].partition(":::")[2].partition("/")[2]
            return Target("location", domain_id=domain_id, path=path), ()
        if kind == "LFTagPolicy":
            return _tags(on, domain_id), ()
        if kind not in {"Table", "TableWithColumns", "DataCellsFilter"}:
            raise _impossible("The mesh knows no such resource.")
        asset = await self._asset(actor, on, domain_id)
        if kind == "Table":
            return Target("table", asset_id=asset.asset_id), ()
        if kind == "TableWithColumns":
            return await self._columns(actor, asset, on)
        filters = await self._desired.filters(actor, asset.asset_id)
        known = filters.get(on["Name"])
        if known is None or found.filter != cells(known.row_filter, known.included, known.excluded):
            raise _impossible("The asset has no data filter of this name that says the same.")
        return Target("filter", asset_id=asset.asset_id, filter_name=known.name), ()

    async def _asset(self, actor: Actor, on: Mapping[str, Any], domain_id: str) -> AssetSummary:
        name = on.get("TableName") or on["Name"]
        named = await self._assets.named(actor, name, on["DatabaseName"])
        here = [asset for asset in named if asset.domain_id == domain_id]
        if len(here) != 1:
            raise _impossible("The domain has no data product of this name.")
        return here[0]

    async def _columns(
        self, actor: Actor, asset: AssetSummary, on: Mapping[str, Any]
    ) -> tuple[Target, tuple[GrantedColumn, ...]]:
        included = on.get("ColumnNames")
        excluded = None
        if included is None:
            excluded = on.get("ColumnWildcard", {}).get("ExcludedColumnNames", [])
        table = await self._tables.find(actor, asset.table_id)
        ids = {column.name: column.field_id for column in table.columns} if table else {}
        named = included if included is not None else excluded or []
        if not named or any(name not in ids for name in named):
            raise _impossible("It names columns that the data product does not have.")
        target = Target(
            "columns",
            asset_id=asset.asset_id,
            included=None if included is None else tuple(included),
            excluded=None if excluded is None else tuple(excluded),
        )
        return target, tuple(GrantedColumn(name, field_id=ids[name]) for name in named)


def _tags(on: Mapping[str, Any], domain_id: str) -> Target:
    if "Expression" not in on:
        raise _impossible("It names an expression, and does not say what it is.")
    return Target(
        "tags",
        domain_id=domain_id,
        resource_type=on["ResourceType"],
        expression=tuple((term["TagKey"], tuple(term["TagValues"])) for term in on["Expression"]),
    )


def _impossible(why: str) -> Invalid:
    return Invalid("ADOPTION_IMPOSSIBLE", why)
