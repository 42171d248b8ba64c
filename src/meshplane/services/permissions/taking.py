"""Use case of revoking: all of a grant or a part of it, at once and for everyone."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from meshplane.boundary.call import Call
from meshplane.kit.clock import Clock
from meshplane.kit.errors import Invalid, Missing
from meshplane.platform.tables import Row
from meshplane.services.permissions import concern, policy_state, wishes
from meshplane.services.permissions.covering import uncovered
from meshplane.services.permissions.grant_rows import end_grant, grant_of, put_grant
from meshplane.services.permissions.history import moment_after
from meshplane.services.permissions.model import GovernedAsset, Grant, Target
from meshplane.services.permissions.ports import Schemas
from meshplane.services.permissions.revoking import Revoked, part_left, revoke
from meshplane.services.permissions.schemas import Revocation, RevocationView
from meshplane.services.permissions.store import GRANTS
from meshplane.services.permissions.views import grant_view


@dataclass(frozen=True, slots=True)
class PlannedRevoke:
    """What a revoke would do.

    Args:
        revoked: which grants change, and which end.
        target, domain_id: what it takes from, and the domain that answers for it.
        taken: as a grant, what is taken away.
        rows: of all these grants by their ids, as they were when it was worked out.
    """

    rows: Mapping[str, Row]
    revoked: Revoked
    target: Target
    domain_id: str
    taken: Grant


class Taking:
    """Revokes.

    Args:
        schemas: looks up what things are.
        clock: tells which grants have ended.
    """

    def __init__(self, schemas: Schemas, clock: Clock) -> None:
        self._schemas = schemas
        self._clock = clock

    async def revoke(self, call: Call, body: Revocation) -> RevocationView:
        """Takes a grant away, or a part of it. When it returns, no door is open by it any more.

        Raises:
            Refused: FORBIDDEN.
            Missing: GRANT_NOT_FOUND, ASSET_NOT_FOUND, DOMAIN_NOT_FOUND.
            Conflict: GRANT_OF_SUBSCRIPTION, GRANT_IS_WIDER.
            Invalid: REVOCATION_INVALID, RESOURCE_INVALID.
        """
        if body.grant_id is not None:
            planned = await self._by_id(call, body)
        else:
            planned = await self._by_resource(call, body)
        for grant in planned.revoked.changed:
            put_grant(call, _narrowed(grant), planned.rows[grant.grant_id], "changed")
        for grant in planned.revoked.ended:
            end_grant(call, planned.rows[grant.grant_id], body.reason)
        call.note(permissions=sorted(planned.taken.permissions), reason=body.reason)
        return RevocationView(
            ended=[grant.grant_id for grant in planned.revoked.ended],
            changed=[grant_view(_narrowed(one), self._clock) for one in planned.revoked.changed],
            still=[
                grant_view(grant, self._clock)
                for grant in planned.revoked.still
                if await _may_see(call, grant)
            ],
        )

    async def aimed(self, call: Call, body: Revocation) -> tuple[Target, str]:
        """What a revoke takes from, and the domain that answers for it; not what is there."""
        if body.grant_id is not None:
            grant = Grant.from_json((await _visible(call, body.grant_id)).item)
            return grant.target, grant.domain_id
        target, domain_id, _ = await self._target(call, body)
        return target, domain_id

    async def planned(self, call: Call, body: Revocation) -> PlannedRevoke:
        """What a revoke comes to; nothing is written.

        What it raises tells of what the principal has: ask first whether the caller may know.
        """
        if body.grant_id is not None:
            return _part(await _visible(call, body.grant_id), body)
        target, domain_id, _ = await self._target(call, body)
        return await _of_resource(call, body, target, domain_id)

    async def _by_id(self, call: Call, body: Revocation) -> PlannedRevoke:
        row = await _visible(call, body.grant_id or "")
        grant = Grant.from_json(row.item)
        asset = None
        if grant.target.asset_id is not None:
            found = await self._schemas.asset(call.actor, grant.target.asset_id)
            asset = found.asset if found else None
        await self._allow(call, _taken(grant, body), asset)
        return _part(row, body)

    async def _by_resource(self, call: Call, body: Revocation) -> PlannedRevoke:
        target, domain_id, asset = await self._target(call, body)
        wished = Grant(
            grant_id="",
            principal=body.principal or "",
            target=target,
            permissions=frozenset(body.permissions or ()),
            domain_id=domain_id,
        )
        await self._allow(call, wished, asset)
        return await _of_resource(call, body, target, domain_id)

    async def _target(
        self, call: Call, body: Revocation
    ) -> tuple[Target, str, GovernedAsset | None]:
        if body.principal is None or body.resource is None:
            raise Invalid(
                "REVOCATION_INVALID",
                "Name a grant by its id, or a principal and a resource.",
                field="grantId",
            )
        target = await wishes.target_of(call, body.resource)
        domain_id, asset = await wishes.placed(call, self._schemas, target)
        return target, domain_id, asset

    async def _allow(self, call: Call, taken: Grant, asset: GovernedAsset | None) -> None:
        """Goes on if the caller answers for the resource, or could grant what he takes away."""
        held = await policy_state.all_grants_of(call.work, call.actor.principals)
        is_covered = False
        if taken.permissions and any(grant.grantable for grant in held):
            now = call.clock.now()
            # For a moment is all that he must be able to give.
            brief = replace(taken, expires_at=moment_after(call.now, call.now))
            policy = await policy_state.policy_of(call.work, asset, [brief]) if asset else None
            is_covered = uncovered(brief, held, policy, now) is None
        await call.allow(concern.of_target(taken.target, taken.domain_id, is_covered=is_covered))


async def _visible(call: Call, grant_id: str) -> Row:
    """The row of a grant, for those who may see it.

    Raises:
        Missing: GRANT_NOT_FOUND.
    """
    missing = Missing("GRANT_NOT_FOUND", "There is no grant with this id.", field="grantId")
    row = await call.work.get(GRANTS, grant_id)
    grant = grant_of(row) if row else None
    if row is None or grant is None:
        # Asked all the same, so that this answer takes the way of the other.
        await call.allow(concern.of_grants(), hide=missing)
        raise missing
    if not await _may_see(call, grant):
        await call.allow(concern.of_grants(), hide=missing)
        raise missing
    return row


async def _may_see(call: Call, grant: Grant) -> bool:
    resource = concern.of_grants(grant.target.asset_id, grant.domain_id, grant.principal)
    return await call.judge.allows(call.actor, "getGrant", resource)


def _part(row: Row, body: Revocation) -> PlannedRevoke:
    grant = Grant.from_json(row.item)
    left = part_left(grant, body.permissions, body.grant_option_only)
    changed = () if left is None else (left,)
    ended = (grant,) if left is None else ()
    taken = _taken(grant, body)
    rows = {grant.grant_id: row}
    return PlannedRevoke(rows, Revoked(changed, ended), grant.target, grant.domain_id, taken)


def _taken(grant: Grant, body: Revocation) -> Grant:
    gone = frozenset(body.permissions) if body.permissions else grant.permissions
    return replace(
        grant,
        permissions=grant.permissions & gone,
        grantable=grant.grantable & gone,
        lake_state="pending",
    )


async def _of_resource(
    call: Call, body: Revocation, target: Target, domain_id: str
) -> PlannedRevoke:
    principal = body.principal or ""
    rows = {
        row.item["grantId"]: row for row in await policy_state.grant_rows_of(call.work, principal)
    }
    held = [Grant.from_json(row.item) for row in rows.values()]
    near = [grant for grant in held if grant.domain_id in ("", domain_id)]
    found = revoke(near, target, body.permissions, body.grant_option_only)
    permissions = frozenset(body.permissions or ()).union(
        *(grant.permissions for grant in found.ended)
    )
    taken = Grant("", principal, target, permissions, domain_id)
    return PlannedRevoke(rows, found, target, domain_id, taken)


def _narrowed(grant: Grant) -> Grant:
    """What is left is put into the lake anew; what the lake was known to lack stays closed."""
    if grant.lake_state == "applied":
        return replace(grant, lake_state="pending")
    return grant
