"""Use case of granting: who may, what it comes to beside what is there, and the row."""

from dataclasses import dataclass, replace
from typing import TypeAlias

from meshplane.boundary.call import Call
from meshplane.kit.clock import Clock, to_text
from meshplane.kit.errors import Invalid, Missing, Refused
from meshplane.platform.tables import Between, Row
from meshplane.policy.model import MESH, Resource
from meshplane.services.permissions import concern, history, policy_state, wishes
from meshplane.services.permissions.covering import uncovered
from meshplane.services.permissions.engines import demand_carried
from meshplane.services.permissions.governed import AssetPolicy
from meshplane.services.permissions.grant_ids import grant_id_of
from meshplane.services.permissions.grant_rows import grant_of, in_force, put_grant
from meshplane.services.permissions.model import GovernedAsset, Grant, Target
from meshplane.services.permissions.pinning import pinned
from meshplane.services.permissions.ports import Schemas
from meshplane.services.permissions.schemas import GrantView, NewGrant
from meshplane.services.permissions.store import GRANTS
from meshplane.services.permissions.validity import check_grant
from meshplane.services.permissions.views import grant_view

Place: TypeAlias = tuple[Target, str, GovernedAsset | None]
"""What a grant is to be on, the domain that answers for it, and the asset if it is on one."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A grant as it would be, and what is there now.

    Args:
        grant: as it would be, together with what the principal has on the same resource.
        added: what the request alone would give.
        row: what is there now.
        asset: the asset it is on, if it is on one.
    """

    grant: Grant
    added: Grant
    row: Row | None
    asset: GovernedAsset | None

    @property
    def resource_domain(self) -> str:
        """The domain that answers for it; "" for the mesh."""
        return self.grant.domain_id


class Granting:
    """Makes grants, and adds to them.

    Args:
        schemas: looks up what things are.
        clock: tells which grants have ended.
        is_on_aws: whether the lake is Lake Formation, which knows no views that mask.
    """

    def __init__(self, schemas: Schemas, clock: Clock, *, is_on_aws: bool = False) -> None:
        self._schemas = schemas
        self._clock = clock
        self._is_on_aws = is_on_aws

    async def grant(self, call: Call, body: NewGrant) -> GrantView:
        """Grants, for those who answer for the resource or may pass on what they hold of it.

        Raises:
            Refused: FORBIDDEN, SELF_GRANT, GRANT_NOT_COVERED.
            Missing: ASSET_NOT_FOUND, DOMAIN_NOT_FOUND, PROJECT_NOT_FOUND, DATA_FILTER_NOT_FOUND,
                LF_TAG_NOT_FOUND, LF_TAG_EXPRESSION_NOT_FOUND.
            Invalid: RESOURCE_INVALID, EXPIRY_INVALID, COLUMN_UNKNOWN, LF_TAG_VALUE_UNKNOWN,
                VIEWS_NOT_ON_AWS, and what `check_grant`, `pinned` and `demand_carried` raise.
        """
        place = await self.placed(call, body)
        await _demand_road(call, place)
        planned = await self.planned(call, body, place)
        await self._allow(call, planned)
        await self._demand_project(call, body.principal)
        await _demand_other(call, planned)
        await wishes.demand_parts(call, planned.grant.target)
        was = grant_of(planned.row) if planned.row else None
        put_grant(call, planned.grant, planned.row, "granted" if was is None else "changed")
        call.note(permissions=sorted(planned.added.permissions), reason=body.reason)
        return grant_view(planned.grant, self._clock)

    async def placed(self, call: Call, body: NewGrant) -> Place:
        """What a request to grant is on; it is no secret to whoever may know of the asset."""
        target = await wishes.target_of(call, body.resource)
        return target, *await wishes.placed(call, self._schemas, target)

    async def planned(self, call: Call, body: NewGrant, place: Place) -> Planned:
        """What a request to grant comes to; nothing is written, and nobody's right is asked.

        What it raises may tell of what the principal has: ask first whether the caller may know.
        """
        target, domain_id, asset = place
        masks = {name: wishes.mask_rule(mask) for name, mask in (body.masks or {}).items()}
        asked = Grant(
            grant_id=grant_id_of(body.principal, target),
            principal=body.principal,
            target=target,
            permissions=frozenset(body.permissions),
            grantable=frozenset(body.permissions_with_grant_option),
            domain_id=domain_id,
            masks=masks,
            granted_by=history.person(call),
            granted_at=to_text(call.clock.now()),
            reason=body.reason,
        )
        # By itself, whatever is there: nobody passes on by it what he does not name as granted.
        check_grant(asked)
        row = await _there(call, asked)
        if row is not None:
            asked = replace(asked, grant_id=row.item["grantId"])
        was = grant_of(row) if row else None
        if was is not None and not in_force(was, self._clock):
            was = None  # what has ended is not continued
        is_end_given = "expires_at" in body.model_fields_set
        added = replace(
            asked,
            masks=masks if body.masks is not None or was is None else was.masks,
            expires_at=wishes.end_of(body.expires_at, call.clock.now())
            if is_end_given or was is None
            else was.expires_at,
            on_aws=body.on_aws or (was.on_aws if was else "exclude"),
        )
        grant = added
        if was is not None:
            grant = replace(
                added,
                permissions=added.permissions | was.permissions,
                grantable=added.grantable | was.grantable,
            )
        check_grant(grant)
        if self._is_on_aws and grant.on_aws == "view":
            raise Invalid(
                "VIEWS_NOT_ON_AWS",
                "On AWS no views are made for masks: leave onAws out, or say exclude; then columns "
                "that are masked are left out there.",
                field="onAws",
            )
        if asset is not None:
            grant, added = pinned(grant, asset), pinned(added, asset)
            demand_carried(added, asset)
        return Planned(grant, added, row, asset)

    async def _allow(self, call: Call, planned: Planned) -> None:
        """Goes on if the policies allow it.

        Raises:
            Refused: FORBIDDEN; GRANT_NOT_COVERED, the caller holds something to pass on, but not
                this much.
        """
        grant = planned.grant
        why = await self._why_uncovered(call, planned)
        resource = concern.of_target(grant.target, grant.domain_id, is_covered=why is None)
        try:
            await call.allow(resource)
        except Refused:
            if why is None or not await _may_pass_on_something(call, grant):
                raise
            raise Refused("GRANT_NOT_COVERED", why, field="resource") from None

    async def _demand_project(self, call: Call, principal: str) -> None:
        """Sees that a project which is granted something is there.

        People and groups are known to whoever issues tokens alone, and are taken as they are named.

        Raises:
            Missing: PROJECT_NOT_FOUND.
        """
        kind, _, project_id = principal.partition(":")
        if kind == "project" and await self._schemas.project_name(call.actor, project_id) is None:
            raise Missing(
                "PROJECT_NOT_FOUND", "There is no project with this id.", field="principal"
            )

    async def _why_uncovered(self, call: Call, planned: Planned) -> str | None:
        """Why the caller may not pass this on by what he holds himself; None if he may."""
        held = await policy_state.all_grants_of(call.work, call.actor.principals)
        if not any(grant.grantable for grant in held):
            return "You hold nothing that you may pass on."
        policy: AssetPolicy | None = None
        if planned.asset is not None:
            grants = [*held, planned.grant]
            policy = await policy_state.policy_of(call.work, planned.asset, grants)
        was = grant_of(planned.row) if planned.row else None
        changes_more = was is not None and (was.masks, was.expires_at) != (
            planned.grant.masks,
            planned.grant.expires_at,
        )
        # Who changes how or until when what is there already is held, must be able to give that.
        wished = planned.grant if changes_more else planned.added
        return uncovered(wished, held, policy, call.clock.now())


async def _there(call: Call, asked: Grant) -> Row | None:
    """The row of what the principal has on the same resource by hand, or of what he had.

    A grant on columns of which some were revoked is on the others under the id that it had: to
    grant on these is to add to it, as a principal has one grant on a resource.
    """
    row = await call.work.get(GRANTS, asked.grant_id)
    found = grant_of(row) if row else None
    is_same = found is not None and found.target.key == asked.target.key
    if is_same or asked.target.kind != "columns":
        return row
    only = Between(asked.principal, asked.principal)
    near = await policy_state.rows_of(
        call.work, GRANTS, asked.target.asset_id or "", index="byAsset", where=only
    )
    for other in near:
        held = Grant.from_json(other.item)
        if held.subscription_id is None and held.target.key == asked.target.key:
            return other
    return row


async def _demand_road(call: Call, place: Place) -> None:
    """Refuses at once who neither answers for the resource nor may pass on anything.

    So nothing of what the principal has there shows in how the request fails.

    Raises:
        Refused: FORBIDDEN.
    """
    held = await policy_state.all_grants_of(call.work, call.actor.principals)
    if not any(grant.grantable for grant in held):
        target, domain_id, _ = place
        await call.allow(concern.of_target(target, domain_id, is_covered=False))


async def _may_pass_on_something(call: Call, grant: Grant) -> bool:
    held = await policy_state.all_grants_of(call.work, call.actor.principals)
    return any(one.grantable and one.domain_id in ("", grant.domain_id) for one in held)


async def _demand_other(call: Call, planned: Planned) -> None:
    """Sees that nobody grants to himself, or to a group or project that he is in.

    Raises:
        Refused: SELF_GRANT.
    """
    principal = planned.grant.principal
    kind, _, name = principal.partition(":")
    is_himself = principal in call.actor.principals
    if kind == "project":
        is_himself = bool(await call.judge.memberships.of(call.actor, None, name))
    if not is_himself:
        return
    domain_id = planned.resource_domain or None
    resource = Resource("Domain", domain_id, domain_id) if domain_id else MESH
    if await call.judge.allows(call.actor, "grantToOneself", resource):
        return
    call.denied = True
    raise Refused(
        "SELF_GRANT",
        "This would be a grant to yourself, or to a group or project that you are in: another "
        "steward of the domain must make it.",
        field="principal",
    )
