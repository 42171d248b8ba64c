"""Use case of trying changes out: what would change for whom; nothing is written."""

import asyncio
from collections.abc import Iterable

from meshplane.boundary.call import Call
from meshplane.kit.clock import Clock
from meshplane.kit.errors import FieldProblem, Invalid, LimitReached, MeshplaneError
from meshplane.services.permissions import concern, policy_state, wishes
from meshplane.services.permissions.granting import Granting
from meshplane.services.permissions.model import GovernedAsset, Grant, Target
from meshplane.services.permissions.ports import Schemas
from meshplane.services.permissions.schemas import (
    ApprovalChange,
    ChangedAccess,
    PolicyChange,
    Simulation,
    SimulationView,
    TagChange,
)
from meshplane.services.permissions.simulating import (
    Change,
    EndGrant,
    PolicyState,
    PutGrant,
    PutTag,
    concerned,
    simulate,
)
from meshplane.services.permissions.store import ASSET_DOMAINS
from meshplane.services.permissions.tagging import demand_values
from meshplane.services.permissions.taking import Taking
from meshplane.services.permissions.views import seen_view

_MOST_ASSETS = 200
_MOST_DIFFERENCES = 200
_MOST_COMPARED = 20_000
"""The most pairs of a principal and an asset: about two seconds."""


class Trying:
    """Simulates changes of the policy.

    Args:
        granting, taking: say what a request to grant or revoke comes to.
        schemas: looks up what assets are.
        clock: for which instant.
    """

    def __init__(self, granting: Granting, taking: Taking, schemas: Schemas, clock: Clock) -> None:
        self._granting = granting
        self._taking = taking
        self._schemas = schemas
        self._clock = clock

    async def simulate(self, call: Call, body: Simulation) -> SimulationView:
        """What would change for whom, if these were granted, revoked, tagged or approved.

        Raises:
            Refused: FORBIDDEN, it is about a domain that the caller does not answer for.
            Invalid: CHANGE_INVALID, and what the changes themselves would be refused for.
            LimitReached: SIMULATION_TOO_WIDE, it bears on too many assets, or too many people.
        """
        changes: list[Change] = []
        targets: list[Target] = []
        for place, change in enumerate(body.changes):
            _demand_one(change)
            try:
                found, where = await self._read(call, change)
            except MeshplaneError as error:
                raise _placed(error, f"changes.{place}.{_kind(change)}") from None
            changes += found
            targets += where
        assets, more = await self._assets(call, targets)
        with call.work.together():
            state = await _state(call, assets)
        principals = None
        if body.principals is not None:
            principals = {name: (name,) for name in body.principals}
        elif len(concerned(state, changes)) * len(assets) > _MOST_COMPARED:
            raise LimitReached(
                "SIMULATION_TOO_WIDE",
                f"More than {_MOST_COMPARED} holders and data products would have to be compared: "
                "name the principals to look at.",
                field="principals",
            )
        now = self._clock.now()
        done = await asyncio.to_thread(simulate, state, changes, now, principals, _MOST_DIFFERENCES)
        return SimulationView(
            changes=[
                ChangedAccess(
                    principal=one.principal,
                    asset_id=one.asset.asset_id,
                    asset_name=f"{one.asset.domain_name}.{one.asset.name}",
                    before=seen_view(one.before),
                    after=seen_view(one.after),
                    sentences=list(one.sentences),
                )
                for one in done.differences
            ],
            truncated=done.truncated or more,
        )

    async def _read(self, call: Call, change: PolicyChange) -> tuple[list[Change], list[Target]]:
        """A change as the model has it, and what it is about, if the caller answers for that."""
        if change.grant is not None:
            # Asked before anything is worked out: how that fails tells of what there is.
            place = await self._granting.placed(call, change.grant)
            await _allow(call, place[0], place[1])
            planned = await self._granting.planned(call, change.grant, place)
            await wishes.demand_parts(call, planned.grant.target, only_look=True)
            return [PutGrant(planned.grant)], [planned.grant.target]
        if change.revoke is not None:
            await _allow(call, *await self._taking.aimed(call, change.revoke))
            planned_revoke = await self._taking.planned(call, change.revoke)
            done: list[Change] = [PutGrant(grant) for grant in planned_revoke.revoked.changed]
            done += [EndGrant(grant.grant_id) for grant in planned_revoke.revoked.ended]
            ended = (*planned_revoke.revoked.changed, *planned_revoke.revoked.ended)
            return done, [planned_revoke.target, *(grant.target for grant in ended)]
        if change.tag is not None:
            return await self._tag(call, change.tag)
        if change.approve is None:
            raise AssertionError("one of the members is there")
        return await self._approval(call, change.approve)

    async def _tag(self, call: Call, tag: TagChange) -> tuple[list[Change], list[Target]]:
        kind, _, name = tag.resource.partition(":")
        if kind not in ("asset", "domain") or (kind == "domain" and tag.column is not None):
            raise Invalid(
                "CHANGE_INVALID",
                "A tag is put on asset:…, on a column of it, or on domain:….",
                field="changes",
            )
        target = (
            Target("table", asset_id=name) if kind == "asset" else Target("tables", domain_id=name)
        )
        domain_id, asset = await wishes.placed(call, self._schemas, target)
        await _allow(call, target, domain_id)
        if asset is not None and tag.column is not None:
            _demand_column(asset, tag.column)
        if tag.value is not None:
            await demand_values(call, tag.key, (tag.value,), only_look=True)
        return [PutTag(tag.resource, tag.column, tag.key, tag.value)], [target]

    async def _approval(
        self, call: Call, approve: ApprovalChange
    ) -> tuple[list[Change], list[Target]]:
        grant = await self._schemas.preview_approval(
            # Nobody decides here, so a reason may be missing.
            call.actor,
            approve.request_id,
            {"reason": "Tried out.", **approve.approval},
        )
        await _allow(call, grant.target, grant.domain_id)
        return [PutGrant(grant)], [grant.target]

    async def _assets(
        self, call: Call, targets: Iterable[Target]
    ) -> tuple[list[GovernedAsset], bool]:
        """The assets that changes on these targets can bear on, and whether there are more."""
        ids: dict[str, None] = {}
        more = False
        for target in targets:
            if target.asset_id is not None:
                ids[target.asset_id] = None
            elif target.kind in ("tables", "tags") and target.resource_type != "DATABASE":
                index, key = ("byDomain", target.domain_id) if target.domain_id else ("all", "all")
                page = await call.work.query(ASSET_DOMAINS, key, index=index, limit=_MOST_ASSETS)
                ids |= {row.item["assetId"]: None for row in page.rows}
                more = more or page.cursor is not None
        if len(ids) > _MOST_ASSETS:
            raise LimitReached(
                "SIMULATION_TOO_WIDE",
                f"The changes bear on more than {_MOST_ASSETS} data products: try fewer at once.",
                field="changes",
            )
        found = []
        for asset_id in ids:
            described = await self._schemas.asset(call.actor, asset_id)
            if described is not None:
                found.append(described.asset)
        return found, more


def _demand_one(change: PolicyChange) -> None:
    named = [name for name in type(change).model_fields if getattr(change, name) is not None]
    if len(named) != 1:
        raise Invalid(
            "CHANGE_INVALID",
            "Each change is exactly one of grant, revoke, tag, approve.",
            field="changes",
        )


def _kind(change: PolicyChange) -> str:
    return next(name for name in type(change).model_fields if getattr(change, name) is not None)


def _placed(error: MeshplaneError, place: str) -> MeshplaneError:
    """The error of a change, with its fields named by where the change stands in the request."""
    error.fields = tuple(
        FieldProblem(one.field if one.field == "changes" else f"{place}.{one.field}", one.message)
        for one in error.fields
    )
    return error


async def _allow(call: Call, target: Target, domain_id: str) -> None:
    await call.allow(concern.of_target(target, domain_id, is_covered=False))


async def _state(call: Call, assets: list[GovernedAsset]) -> PolicyState:
    """All the policy that bears on these assets, everybody's grants with it."""
    grants: dict[str, Grant] = {}
    filters = []
    tags = {}
    masks = {}
    # What is on a whole domain, or on tags, is read once and not for each of its assets.
    for domain_id in {asset.domain_id for asset in assets}:
        wide = await policy_state.grants_on(call.work, None, domain_id)
        grants |= {grant.grant_id: grant for grant in wide}
    for asset in assets:
        found = await policy_state.grants_on_asset(call.work, asset.asset_id)
        grants |= {grant.grant_id: grant for grant in found}
        filters += await policy_state.filters_of(call.work, asset.asset_id)
        tags[asset.asset_id] = await policy_state.tags_of(
            call.work, asset.asset_id, asset.domain_id
        )
        for mask in await policy_state.tag_masks_of(call.work, asset.domain_id):
            masks[(mask.domain_id, mask.key, mask.value)] = mask
    return PolicyState(
        tuple(assets), tags, tuple(grants.values()), tuple(filters), tuple(masks.values())
    )


def _demand_column(asset: GovernedAsset, column: str) -> None:
    if column not in {known.name for known in asset.columns}:
        raise Invalid("COLUMN_UNKNOWN", "The asset has no such column.", field="changes")
