"""Use cases of permissions."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from meshplane.boundary.actor import Actor
from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call
from meshplane.boundary.schemas import Page
from meshplane.events.permissions import PermissionGranted, PermissionRevoked
from meshplane.kit.clock import Clock, from_text
from meshplane.kit.errors import BaseMoved, Conflict, Invalid
from meshplane.platform.store import ABSENT, Store
from meshplane.platform.tables import Between
from meshplane.policy.model import MESH, Resource
from meshplane.services.permissions.api import Grant, GrantedColumn, MaskRule
from meshplane.services.permissions.schemas import (
    EffectiveColumn,
    EffectiveQuery,
    EffectiveView,
    GrantQuery,
    GrantView,
    MaskView,
)
from meshplane.services.permissions.store import ASSET_DOMAINS, GRANTS

PERMISSIONS = ("SELECT", "DESCRIBE")
_MOST_GRANTS_READ = 200


class Permissions:
    """Shows grants to those whom they concern."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def list(self, call: Call, query: GrantQuery) -> Page[GrantView]:
        """Grants on an asset, or of a project.

        Raises:
            Invalid: QUERY_INCOMPLETE.
        """
        if query.asset_id is not None:
            where = Between(query.principal, query.principal) if query.principal else None
            page = await call.work.query(
                GRANTS,
                query.asset_id,
                index="byAsset",
                where=where,
                limit=query.limit,
                cursor=query.cursor,
            )
        elif query.principal is not None:
            page = await call.work.query(
                GRANTS, query.principal, index="byPrincipal", limit=query.limit, cursor=query.cursor
            )
        else:
            raise Invalid(
                "QUERY_INCOMPLETE", "Say whose grants, or on which asset.", field="assetId"
            )
        grants = [_grant(row.item) for row in page.rows]
        await call.allow(await _concerned(call, query.asset_id, query.principal))
        return Page[GrantView](items=[_view(grant) for grant in grants], next_cursor=page.cursor)

    async def effective(self, call: Call, query: EffectiveQuery) -> EffectiveView:
        """What a project may read of an asset now."""
        page = await call.work.query(
            GRANTS,
            query.asset_id,
            index="byAsset",
            where=Between(query.principal, query.principal),
            limit=_MOST_GRANTS_READ,
        )
        grants = [_grant(row.item) for row in page.rows]
        await call.allow(await _concerned(call, query.asset_id, query.principal))
        grants = [grant for grant in grants if is_in_force(grant, self._clock)]
        return EffectiveView(
            principal=query.principal,
            asset_id=query.asset_id,
            columns=_effective_columns(grants),
            row_filters=[grant.row_filter for grant in grants if grant.row_filter is not None],
            all_rows=any(grant.row_filter is None for grant in grants),
            grants=[grant.grant_id for grant in grants],
        )


class PermissionsKeeper:
    """What other services may do; see `PermissionsApi`."""

    def __init__(self, boundary: Boundary, store: Store) -> None:
        self._boundary = boundary
        self._store = store

    async def grant(self, actor: Actor, grant: Grant) -> None:
        """See `PermissionsApi.grant`."""

        async def put(call: Call) -> None:
            await call.allow(MESH)
            call.resource = f"Grant:{grant.grant_id}"
            call.note(principal=grant.principal, asset=grant.asset_id)
            call.work.put(
                GRANTS,
                _item(grant),
                expected=ABSENT,
                otherwise=Conflict("GRANT_EXISTS", "This grant is in force already."),
            )
            call.work.emit(
                PermissionGranted(
                    grant_id=grant.grant_id,
                    principal=grant.principal,
                    resource=grant.asset_id,
                    permissions=PERMISSIONS,
                ).event()
            )

        if await self._store.begin().get(GRANTS, grant.grant_id) is None:
            try:
                await self._boundary.write("grantPermission", actor, put)
            except Conflict:
                # Whoever granted it first, granted the same: the id stands for the subscription.
                return

    async def revoke(self, actor: Actor, grant_id: str) -> None:
        """See `PermissionsApi.revoke`."""

        async def end(call: Call) -> None:
            await call.allow(MESH)
            call.resource = f"Grant:{grant_id}"
            row = await call.work.get(GRANTS, grant_id)
            if row is not None and row.item.get("revoked"):
                return
            # What stays says that it ended, without what would put it in force: a grant of this
            # id that was sent before and comes late must not bring it back. Of two that end it at
            # once, one tells; the other finds it ended and has nothing to do.
            call.work.put(
                GRANTS,
                {"grantId": grant_id, "revoked": True},
                expected=row.version if row else ABSENT,
                otherwise=BaseMoved("GRANT_MOVED", "The grant was changed meanwhile: try again."),
            )
            if row is None:
                return
            grant = _grant(row.item)
            call.note(principal=grant.principal, asset=grant.asset_id)
            call.work.emit(
                PermissionRevoked(
                    grant_id=grant_id,
                    principal=grant.principal,
                    resource=grant.asset_id,
                    permissions=PERMISSIONS,
                ).event()
            )

        row = await self._store.begin().get(GRANTS, grant_id)
        if row is None or not row.item.get("revoked"):
            await self._boundary.write("revokePermission", actor, end)

    async def in_force(
        self,
        actor: Actor,
        asset_id: str,
        principals: Sequence[str],
    ) -> list[Grant]:
        """See `PermissionsApi.in_force`."""
        work, found = self._store.begin(), []
        for principal in principals:
            page = await work.query(
                GRANTS,
                asset_id,
                index="byAsset",
                where=Between(principal, principal),
                limit=_MOST_GRANTS_READ,
            )
            found += [_grant(row.item) for row in page.rows]
        return [grant for grant in found if is_in_force(grant, self._boundary.clock)]


def is_in_force(grant: Grant, clock: Clock) -> bool:
    """Whether the grant has not ended."""
    return grant.expires_at is None or clock.now() < from_text(grant.expires_at)


async def _concerned(call: Call, asset_id: str | None, principal: str | None) -> Resource:
    """What a reader of grants must have a role in: the asset's domain, or the project."""
    row = await call.work.get(ASSET_DOMAINS, asset_id) if asset_id else None
    return Resource(
        "Asset",
        asset_id or "any",
        domain_id=row.item["domainId"] if row else None,
        project_id=principal.removeprefix("project:") if principal else None,
    )


def _effective_columns(grants: Sequence[Grant]) -> list[EffectiveColumn]:
    """The weakest treatment that any grant gives each column."""
    columns: dict[str, EffectiveColumn] = {}
    for grant in grants:
        for name in grant.excluded_columns:
            columns.setdefault(name, EffectiveColumn(name=name, access="excluded"))
    for grant in grants:
        for column in grant.columns:
            if column.mask is not None and columns.get(column.name, _NONE).access != "plain":
                mask = MaskView(kind=column.mask.kind, value=column.mask.value)
                columns[column.name] = EffectiveColumn(name=column.name, access="masked", mask=mask)
            elif column.mask is None:
                columns[column.name] = EffectiveColumn(name=column.name, access="plain")
    return [columns[name] for name in sorted(columns)]


_NONE = EffectiveColumn(name="", access="excluded")


def _item(grant: Grant) -> dict[str, Any]:
    return {
        "grantId": grant.grant_id,
        "principal": grant.principal,
        "assetId": grant.asset_id,
        "domainId": grant.domain_id,
        "rowFilter": grant.row_filter,
        "columns": [asdict(column) for column in grant.columns],
        "excludedColumns": list(grant.excluded_columns),
        "expiresAt": grant.expires_at,
        "subscriptionId": grant.subscription_id,
    }


def _grant(item: dict[str, Any]) -> Grant:
    return Grant(
        grant_id=item["grantId"],
        principal=item["principal"],
        asset_id=item["assetId"],
        domain_id=item["domainId"],
        row_filter=item["rowFilter"],
        columns=tuple(
            GrantedColumn(column["name"], MaskRule(**column["mask"]) if column["mask"] else None)
            for column in item["columns"]
        ),
        excluded_columns=tuple(item["excludedColumns"]),
        expires_at=item["expiresAt"],
        subscription_id=item["subscriptionId"],
    )


def _view(grant: Grant) -> GrantView:
    return GrantView(
        grant_id=grant.grant_id,
        principal=grant.principal,
        asset_id=grant.asset_id,
        domain_id=grant.domain_id,
        permissions=list(PERMISSIONS),
        row_filter=grant.row_filter,
        columns=[column.name for column in grant.columns],
        masks={
            column.name: MaskView(kind=column.mask.kind, value=column.mask.value)
            for column in grant.columns
            if column.mask is not None
        },
        excluded_columns=list(grant.excluded_columns),
        expires_at=grant.expires_at,
        subscription_id=grant.subscription_id,
    )
