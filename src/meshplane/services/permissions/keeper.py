"""What other services may do with the policy; see `PermissionsApi`."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime

from meshplane.boundary.actor import Actor
from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call
from meshplane.kit.clock import from_text, to_text
from meshplane.kit.errors import Conflict
from meshplane.platform.store import ABSENT, Store
from meshplane.policy.model import MESH
from meshplane.services.permissions import history, policy_state
from meshplane.services.permissions.api import AccessAt, GrantPage
from meshplane.services.permissions.data_filters import DataFilterKeeping
from meshplane.services.permissions.grant_rows import (
    end_grant,
    grant_of,
    in_force,
    is_revoked,
    item_of,
    moved,
    put_grant,
)
from meshplane.services.permissions.looking_back import LookingBack
from meshplane.services.permissions.model import (
    AssetAccess,
    GovernedAsset,
    GovernedColumn,
    Grant,
    LakeState,
)
from meshplane.services.permissions.ports import Schemas
from meshplane.services.permissions.semantics import access, database_access
from meshplane.services.permissions.store import ALL, ASSET_DOMAINS, GRANTS
from meshplane.services.permissions.tag_expressions import values_anywhere
from meshplane.services.permissions.tagging import Tagging

_CLOSED = frozenset({"missing", "changed", "failed"})


class PermissionsKeeper(Tagging, DataFilterKeeping):
    """Writes grants of fulfilled subscriptions, and answers what grants come to.

    Args:
        boundary: runs what is written.
        store: holds the policy.
        schemas: looks up what things are.
    """

    def __init__(self, boundary: Boundary, store: Store, schemas: Schemas) -> None:
        Tagging.__init__(self, boundary, store)
        DataFilterKeeping.__init__(self, boundary, store, schemas)
        self._looking_back = LookingBack(store, schemas)

    async def grant(self, actor: Actor, grant: Grant) -> None:
        """See `PermissionsApi.grant`."""

        async def put(call: Call) -> None:
            await call.allow(MESH)
            dated = replace(
                grant,
                granted_by=grant.granted_by or history.person(call),
                granted_at=grant.granted_at or call.now,
            )
            if await call.work.get(GRANTS, grant.grant_id) is not None:
                raise Conflict("GRANT_EXISTS", "This grant is in force already.")
            put_grant(call, dated, None, "granted")

        if await self._store.begin().get(GRANTS, grant.grant_id) is None:
            try:
                await self._write("grantPermission", actor, put)
            except Conflict:
                # Whoever granted it first, granted the same: the id stands for the subscription.
                return

    async def revoke(self, actor: Actor, grant_id: str) -> None:
        """See `PermissionsApi.revoke`."""

        async def end(call: Call) -> None:
            await call.allow(MESH)
            call.resource = f"Grant:{grant_id}"
            row = await call.work.get(GRANTS, grant_id)
            if row is None:
                # A grant of this id that was sent before and comes late must not open anything.
                gone = {"grantId": grant_id, "revoked": True, "changedAt": call.now}
                call.work.put(GRANTS, gone, expected=ABSENT, otherwise=moved())
            elif not is_revoked(row):
                end_grant(call, row)

        row = await self._store.begin().get(GRANTS, grant_id)
        if row is None or not is_revoked(row):
            await self._write("revokePermission", actor, end)

    async def extend(self, actor: Actor, grant_id: str, expires_at: str | None) -> None:
        """See `PermissionsApi.extend`."""

        async def put(call: Call) -> None:
            await call.allow(MESH)
            row = await call.work.get(GRANTS, grant_id)
            grant = grant_of(row) if row else None
            if grant is None or not in_force(grant, call.clock):
                raise Conflict(
                    "GRANT_ENDED", "The grant has ended: make a new one.", field="grantId"
                )
            until = None if expires_at is None else to_text(from_text(expires_at))
            if grant.expires_at != until:
                put_grant(call, replace(grant, expires_at=until), row, "changed")

        await self._write("grantPermission", actor, put)

    async def access(
        self, actor: Actor, asset: GovernedAsset, principals: Sequence[str]
    ) -> AssetAccess:
        """See `PermissionsApi.access`."""
        work = self._store.begin()
        # One instant: a mix of the grants of one and the tags of another was never the policy.
        with work.together():
            tags = await policy_state.tags_of(work, asset.asset_id, asset.domain_id)
            grants = await policy_state.grants_of(
                work,
                principals,
                asset.asset_id,
                asset.domain_id,
                values_anywhere(asset, tags),
            )
            if not grants:
                return AssetAccess({}, {}, (), ())
            policy = await policy_state.policy_of(work, asset, grants)
        now = self._boundary.clock.now()
        return access(asset, policy.tags, grants, policy.filters, policy.tag_masks, now)

    async def table_rights(
        self, actor: Actor, table_id: str | None, domain_id: str, principals: Sequence[str]
    ) -> list[str]:
        """See `PermissionsApi.table_rights`."""
        now = self._boundary.clock.now()
        work = self._store.begin()
        if table_id is None:
            with work.together():
                grants = await policy_state.grants_of(work, principals, None, domain_id)
                tags = await policy_state.tags_of(work, None, domain_id)
            return sorted(database_access(domain_id, tags.database, grants, now).rights)
        page = await work.query(ASSET_DOMAINS, table_id, index="byTable")
        # A table that nobody published can have grants on all tables of its domain alone.
        asset_ids = [row.item["assetId"] for row in page.rows] or [None]
        found: set[str] = set()
        for asset_id in asset_ids:
            with work.together():
                grants = await policy_state.grants_of(work, principals, asset_id, domain_id)
                tags = await policy_state.tags_of(work, asset_id, domain_id)
            # What of it can be read, and whether any, is no matter here.
            others = [
                replace(grant, permissions=grant.permissions - {"SELECT"}) for grant in grants
            ]
            if not others:
                continue
            asset = await self._asset(actor, asset_id, table_id, domain_id, others)
            found.update(access(asset, tags, others, (), (), now).rights)
            if "DELETE" in found and await self._sees_all(actor, asset, grants, principals):
                found.add("SELECT")
        return sorted(found)

    async def _sees_all(
        self,
        actor: Actor,
        asset: GovernedAsset,
        grants: Sequence[Grant],
        principals: Sequence[str],
    ) -> bool:
        """Whether one of the grants shows the table whole: all rows and columns, none masked."""
        if asset.asset_id:
            described = await self._schemas.asset(actor, asset.asset_id)
            if described is None:
                return False
            asset = described.asset
            seen = await self.access(actor, asset, principals)
        else:
            # Nobody published it, so its columns are not known here; one stands for all of them.
            asset = replace(asset, columns=(GovernedColumn("any", 0, "VARCHAR", ""),))
            plain = [grant for grant in grants if not grant.masks]
            work = self._store.begin()
            with work.together():
                policy = await policy_state.policy_of(work, asset, plain)
            now = self._boundary.clock.now()
            seen = access(asset, policy.tags, plain, (), policy.tag_masks, now)
        return any(
            scope.filter is None
            and len(scope.columns) == len(asset.columns)
            and not any(scope.columns.values())
            for scope in seen.scopes
        )

    async def _asset(
        self,
        actor: Actor,
        asset_id: str | None,
        table_id: str,
        domain_id: str,
        grants: Sequence[Grant],
    ) -> GovernedAsset:
        """The asset of a table, as exactly as the grants need to know it."""
        if asset_id is not None and any(grant.target.kind == "tags" for grant in grants):
            described = await self._schemas.asset(actor, asset_id)
            if described is not None:
                return described.asset
        return GovernedAsset(asset_id or "", "", domain_id, "", "", table_id, "", ())

    async def find(self, actor: Actor, grant_id: str) -> Grant | None:
        """See `PermissionsApi.find`."""
        row = await self._store.begin().get(GRANTS, grant_id)
        return grant_of(row) if row else None

    async def desired(self, actor: Actor, limit: int, cursor: str | None) -> GrantPage:
        """See `PermissionsApi.desired`."""
        page = await self._store.begin().query(GRANTS, ALL, index="all", limit=limit, cursor=cursor)
        grants = (Grant.from_json(row.item) for row in page.rows)
        clock = self._boundary.clock
        return GrantPage(tuple(grant for grant in grants if in_force(grant, clock)), page.cursor)

    async def record_lake_state(
        self, actor: Actor, grant_id: str, state: LakeState, reason: str | None
    ) -> None:
        """See `PermissionsApi.record_lake_state`."""

        async def put(call: Call) -> None:
            await call.allow(MESH)
            call.resource = f"Grant:{grant_id}"
            call.note(lakeState=state)
            row = await call.work.get(GRANTS, grant_id)
            grant = grant_of(row) if row else None
            if row is None or grant is None or (grant.lake_state, grant.lake_reason) == noted:
                return
            known = replace(grant, lake_state=state, lake_reason=reason)
            at = history.moment_after(call.now, row.item.get("changedAt"))
            item = item_of(known, at, ended="ending" not in row.item)
            call.work.put(GRANTS, item, expected=row.version, otherwise=moved())
            if (grant.lake_state in _CLOSED) != (state in _CLOSED):
                # Whether it lets anything through is another than before: who had what must tell.
                history.note(call, grant.target.holder, "changed", known.to_json(), at=at)

        noted = (state, reason)
        found = await self.find(actor, grant_id)
        if found is not None and (found.lake_state, found.lake_reason) != noted:
            await self._write("recordLakeState", actor, put)

    async def domain_of(self, actor: Actor, resource: str) -> str:
        """See `PermissionsApi.domain_of`."""
        return await self._looking_back.domain_of(actor, resource)

    async def access_at(self, actor: Actor, resource: str, at: datetime) -> AccessAt:
        """See `PermissionsApi.access_at`."""
        return await self._looking_back.access_at(actor, resource, at)

    async def _write(
        self, operation: str, actor: Actor, work: Callable[[Call], Awaitable[None]]
    ) -> None:
        await self._boundary.write(operation, actor, work)
