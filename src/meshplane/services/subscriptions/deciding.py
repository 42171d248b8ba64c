"""Use cases of approvers: yes, no, and what a yes would grant.

Each decision is one commit on the version that was read. Of several who decide at once one wins,
and the others look again at what is there: it is decided, or changed, or their step is left.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from meshplane.boundary.actor import Actor
from meshplane.boundary.call import Call
from meshplane.boundary.etags import expected_version
from meshplane.events.subscriptions import SubscriptionApprovalGiven, SubscriptionRejected
from meshplane.kit.clock import Clock
from meshplane.kit.errors import BaseMoved, Refused, Stale
from meshplane.platform.tables import Row
from meshplane.services.assets.api import AssetsApi, no_such_asset
from meshplane.services.domains.api import DomainsApi
from meshplane.services.subscriptions.finding import allowed, demand_open, request_expired
from meshplane.services.subscriptions.narrowing import Narrowing
from meshplane.services.subscriptions.opening import Granting, Opening
from meshplane.services.subscriptions.people import is_among
from meshplane.services.subscriptions.records import (
    asked_by,
    changed_version,
    is_past,
    noted,
    route_json,
    route_of,
    view,
)
from meshplane.services.subscriptions.route import Route, route_text, strictest, waits_for
from meshplane.services.subscriptions.schemas import (
    Approval,
    GrantPreview,
    Rejection,
    SubscriptionView,
)
from meshplane.services.subscriptions.scope import (
    Product,
    expiry,
    grant_of,
    level_of,
    narrowing_of,
    subscriber_of,
)
from meshplane.services.subscriptions.store import SUBSCRIPTIONS


@dataclass(frozen=True, slots=True)
class _Vote:
    """An approval that is allowed: the row with it, and the steps that are left then."""

    item: dict[str, Any]
    left: Route
    granting: Granting


class Deciding:
    """Takes decisions.

    Args:
        domains, assets: the services below.
        opening: concludes what is approved.
    """

    def __init__(self, domains: DomainsApi, assets: AssetsApi, opening: Opening) -> None:
        self._domains = domains
        self._assets = assets
        self._opening = opening

    async def approve(
        self, call: Call, request_id: str, body: Approval, if_match: str | None = None
    ) -> SubscriptionView:
        """Says yes, to all or less of what was asked for.

        Raises:
            Refused: SELF_APPROVAL, SAME_APPROVER, WRONG_APPROVER.
            Conflict: ALREADY_DECIDED, REQUEST_EXPIRED, RENEWED_IS_GONE.
            Stale: REQUEST_CHANGED.
            Invalid: COLUMN_UNKNOWN, MASK_INVALID, NOTHING_GRANTED, ROW_FILTER_INVALID,
                EXPIRY_INVALID, IF_MATCH_INVALID.
        """
        row = await allowed(call, request_id)
        demand_open(call, row)
        _demand_version(row, if_match, body.version)
        vote = await self._vote(call, row, body)
        if vote.left:
            item = vote.item
            call.work.emit(
                SubscriptionApprovalGiven(
                    request_id=request_id,
                    asset_id=item["assetId"],
                    approved_by=call.actor.name,
                    approved_at=call.now,
                    reason=body.reason,
                    waits_for=route_text(vote.left),
                ).event()
            )
        else:
            item = await self._opening.approved(
                call, vote.item, vote.granting, call.actor.name, body.reason
            )
        _put_decision(call, row, item)
        return view(Row(item, row.version + 1), call.clock)

    async def reject(
        self, call: Call, request_id: str, body: Rejection, if_match: str | None = None
    ) -> SubscriptionView:
        """Says no; one approver is enough.

        Raises:
            Refused: SELF_APPROVAL.
            Conflict: ALREADY_DECIDED, REQUEST_EXPIRED.
            Stale: REQUEST_CHANGED.
        """
        row = await allowed(call, request_id)
        demand_open(call, row)
        if not call.actor.is_service:
            _demand_version(row, if_match, body.version)
        item = {
            **row.item,
            "status": "rejected",
            "decidedBy": call.actor.name,
            "decidedAt": call.now,
            "decisionReason": body.reason,
        }
        call.work.emit(
            SubscriptionRejected(
                request_id=request_id,
                asset_id=row.item["assetId"],
                rejected_by=call.actor.name,
                rejected_at=call.now,
                reason=body.reason,
            ).event()
        )
        _put_decision(call, row, item)
        return view(Row(item, row.version + 1), call.clock)

    async def preview(self, call: Call, request_id: str, body: Approval) -> GrantPreview:
        """The grant that this approval would write, were it the last that is needed.

        Raises:
            Conflict: ALREADY_DECIDED, REQUEST_EXPIRED.
            Invalid: as `approve`.
        """
        row = await allowed(call, request_id)
        demand_open(call, row)
        _, given = await self._standing(call, row)
        product = await self._product(call, row)
        scope = await self._narrowing(call, row, product, body)
        narrowings = [*(Narrowing.from_json(one["scope"]) for one in given), scope]
        granting = await self._opening.granting(call, row.item, product, narrowings)
        grant = grant_of(
            {
                **row.item,
                "grantId": f"grant-{request_id}",
                "grant": granting.scope,
                "expiresAt": granting.expires_at,
                "decidedBy": call.actor.on_behalf_of or call.actor.name,
                "decidedAt": call.now,
                "decisionReason": body.reason,
            }
        )
        return GrantPreview.model_validate(grant.to_json())

    async def _vote(self, call: Call, row: Row, body: Approval) -> _Vote:
        kept, given = await self._standing(call, row)
        if is_among(call.actor, [one["by"] for one in given]):
            raise Refused(
                "SAME_APPROVER",
                "You have approved it already; somebody else must take the next step.",
                field="requestId",
            )
        product = await self._product(call, row)
        level, route = await self._route(call, row, product)
        roles, through = await self._roles(call.actor, row.item["domainId"])
        held = [frozenset(one["roles"]) for one in given]
        before, left = waits_for(route, held), waits_for(route, [*held, roles])
        # A request from before there were routes may have come to one that has no step.
        if route and len(left) == len(before):
            raise Refused(
                "WRONG_APPROVER",
                f"This waits for another approver: {', '.join(route_text(before))} of the domain.",
                field="requestId",
            )
        scope = await self._narrowing(call, row, product, body)
        narrowings = [*(Narrowing.from_json(one["scope"]) for one in given), scope]
        granting = await self._opening.granting(call, row.item, product, narrowings)
        if is_past(granting.expires_at, call.clock):
            raise request_expired()
        approval = {
            "by": call.actor.name,
            "at": call.now,
            "reason": body.reason,
            "roles": sorted(roles),
            "through": list(through),
            "lapsed": False,
            "scope": scope.to_json(),
        }
        item = {
            **row.item,
            "subscriber": subscriber_of(row.item),
            "level": level,
            "route": route_json(route),
            "approvals": [*kept, approval],
        }
        return _Vote(item, left, granting)

    async def _standing(
        self, call: Call, row: Row
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """All approvals so far, and those that count: whose givers still hold their roles.

        A role that came through a group is looked up under the group that it came through.
        """
        kept, counting = [], []
        for one in row.item.get("approvals") or ():
            held = await self._domains.roles(call.actor, row.item["domainId"], one["through"])
            still = sorted({*one["roles"]} & {*held})
            lapsed = one["lapsed"] or not still
            kept.append({**one, "lapsed": lapsed})
            if not lapsed:
                counting.append({**one, "roles": still})
        return kept, counting

    async def _route(self, call: Call, row: Row, product: Product) -> tuple[str, Route]:
        """The route that was chosen; a stricter one if the asset is classified stricter by now."""
        chosen, stored = row.item.get("level"), route_of(row.item)
        item = row.item
        asked = await self._opening.checks.row_filter(
            call.actor, item["requestedRowFilter"], product
        )
        present = level_of(product, item["requestedColumns"], asked)
        if chosen is None or stored is None or strictest([chosen, present]) != chosen:
            return present, self._opening.route_at(present)
        return chosen, stored

    async def roles(self, actor: Actor, domain_id: str) -> frozenset[str]:
        """The roles in a domain in which the actor may approve."""
        return (await self._roles(actor, domain_id))[0]

    async def _roles(self, actor: Actor, domain_id: str) -> tuple[frozenset[str], Sequence[str]]:
        """The roles that the actor holds in the domain, and the names through which he does."""
        roles: set[str] = set()
        through = []
        for principal in actor.principals:
            held = await self._domains.roles(actor, domain_id, [principal])
            if held:
                through.append(principal)
                roles.update(held)
        return frozenset(roles & {"steward", "owner"}), through

    async def _product(self, call: Call, row: Row) -> Product:
        asset = await self._assets.find(call.actor, row.item["assetId"])
        if asset is None:
            raise no_such_asset()
        return await self._opening.checks.product(call.actor, asset)

    async def _narrowing(self, call: Call, row: Row, product: Product, body: Approval) -> Narrowing:
        row_filter = await self._opening.checks.row_filter(call.actor, body.row_filter, product)
        ends = expiry(body.expires_at, call.clock.now())
        return narrowing_of(product, row.item["requestedColumns"], body, row_filter, ends)


def seems_open_to(
    actor: Actor, roles: frozenset[str], item: Mapping[str, Any], version: int | None, clock: Clock
) -> bool:
    """Whether somebody's yes would likely count, as far as an open request itself tells.

    Args:
        actor: who would approve.
        roles: those that he holds in the domain.
        item: the request.
        version: of it that he has read, if he names one.
        clock: the present.
    """
    given = [one for one in item.get("approvals") or () if not one["lapsed"]]
    if is_among(actor, [*asked_by(item), *(one["by"] for one in given)]):
        return False
    if is_past(item["expiresAt"], clock) or (changed_version(item) > 1 and version is None):
        return False
    route, held = route_of(item), [frozenset(one["roles"]) for one in given]
    return not route or len(waits_for(route, [*held, roles])) < len(waits_for(route, held))


def _demand_version(row: Row, if_match: str | None, version: int | None) -> None:
    """Demands that the approver decides what he has read.

    Approvals by others leave a request as it was: any version since it was last changed will do.

    Raises:
        Stale: REQUEST_CHANGED.
        Invalid: IF_MATCH_INVALID.
    """
    named = [] if version is None else [version]
    if if_match is not None:
        named.append(expected_version(if_match))
    changed = changed_version(row.item)
    if not all(changed <= one <= row.version for one in named) or (changed > 1 and not named):
        raise Stale(
            "REQUEST_CHANGED",
            "The request was changed after it was made: read it again, and send the version that "
            "you decide as If-Match or in the body.",
            field="If-Match" if if_match is not None else "version",
            details={"changedVersion": changed, "version": row.version},
        )


def _put_decision(call: Call, row: Row, item: dict[str, Any]) -> None:
    """Of two people who decide at once, one wins, and the other looks again."""
    call.note(**noted(item))
    moved = BaseMoved("SUBSCRIPTION_MOVED", "The request has changed meanwhile: try again.")
    call.work.put(SUBSCRIPTIONS, item, expected=row.version, otherwise=moved)
