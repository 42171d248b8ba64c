"""Shows requests, decisions and grants in the portal, and tells what others have decided there.

What is done there follows from the request as it is now, not from the event that came: so events
may come twice, late, or after others.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from meshplane.boundary.actor import service_actor
from meshplane.boundary.portal_links import (
    GONE,
    PortalDifference,
    PortalLink,
    differences,
    ids_in,
    link_of,
    links_of,
    not_ready,
)
from meshplane.boundary.portal_things import ThingsInPortal
from meshplane.events.consumer import Consumer
from meshplane.kit.clock import Clock
from meshplane.platform.events import StoredEvent
from meshplane.platform.store import Store, UnitOfWork
from meshplane.services.assets.api import AssetsApi
from meshplane.services.projects.api import ProjectsApi
from meshplane.services.subscriptions.ports import (
    ACCEPTED,
    APPROVED,
    PENDING,
    REJECTED,
    REVOKED,
    RequestThere,
    Subscriber,
    SubscriptionPortal,
)
from meshplane.services.subscriptions.store import SUBSCRIPTION_PORTAL_LINKS, SUBSCRIPTIONS

_KINDS = frozenset(
    {
        "SubscriptionRequested",
        "SubscriptionChanged",
        "SubscriptionWithdrawn",
        "SubscriptionApproved",
        "SubscriptionRejected",
        "SubscriptionActivated",
        "SubscriptionRevoked",
        "SubscriptionExpired",
    }
)
_ABOUT_SUBSCRIPTIONS = frozenset(
    {"Subscription Created", "Subscription Revoked", "Subscription Cancelled"}
)
_WITHDRAWN, _KEPT = "WITHDRAWN", "KEPT"
# What a request is to be in the portal, by what it is here.
_GOALS = {
    "requested": PENDING,
    "approved": ACCEPTED,
    "active": ACCEPTED,
    "rejected": REJECTED,
    "withdrawn": _WITHDRAWN,
    "revoking": ACCEPTED,
    "revoked": REVOKED,
    "expired": REVOKED,
    "renewed": _KEPT,
}


class SubscriptionsInPortal(ThingsInPortal):
    """Keeps the portal's requests as the mesh's are. Those of people, not projects, stay here.

    Args:
        portal: where they are shown.
        projects, assets: the services below.
        store: holds the requests and the links.
        clock: the present.
    """

    def __init__(
        self,
        portal: SubscriptionPortal,
        projects: ProjectsApi,
        assets: AssetsApi,
        store: Store,
        clock: Clock,
    ) -> None:
        super().__init__(SUBSCRIPTION_PORTAL_LINKS, store, clock)
        self._portal = portal
        self._projects = projects
        self._assets = assets

    @property
    def consumers(self) -> tuple[Consumer, ...]:
        """The events that it follows."""
        source = "management-app.subscriptions"
        return (Consumer("subscriptions.portal", _KINDS, self._on_event, source),)

    async def bring(self, work: UnitOfWork, request_id: str, *, mend: bool = False) -> None:
        """Makes one request in the portal what it is here; what others decided there stays.

        Args:
            work: the link is written with it.
            request_id: of the request.
            mend: whether what others decided is undone: it is asked, and decided, once more.

        Raises:
            Unavailable: PORTAL_NOT_READY, its project or its asset is not there yet; or the portal
                is not to be had.
        """
        row = await work.get(SUBSCRIPTIONS, request_id)
        if row is None or row.item.get("projectId") is None:
            return
        item, goal = row.item, _GOALS[row.item["status"]]
        link = await link_of(work, SUBSCRIPTION_PORTAL_LINKS, request_id)
        if link is None and goal not in (PENDING, ACCEPTED):
            return  # it was over before it was shown
        who = await self._subscriber(item["projectId"])
        there = await self._portal.look(link.portal_id) if link else None
        asked = link.facts.get("asked", 0) if link else 0
        if link is not None and mend and _drift(item, there):
            if there is not None and there.subscription == APPROVED:
                await self._portal.revoke(there.subscription_id, link.facts.get("grant", ""))
            link = there = None
        if link is None:
            there = await self._ask(item, who, asked + 1)
            link = PortalLink(request_id, there.request_id, facts={"asked": asked + 1})
        drift = _drift(item, there)
        if there is not None and not drift:
            link = await self._move(item, goal, who, link, there)
        left = replace(link, applied={"status": goal}, drift=drift)
        self.keep(work, left)

    def own_ids(self) -> AsyncIterator[str]:
        """See `ThingsInPortal.own_ids`: every request that was shown before."""
        links = links_of(self._store, SUBSCRIPTION_PORTAL_LINKS)
        return (link.own_id async for link in links)

    async def named_in(self, event: Mapping[str, Any]) -> Sequence[str]:
        """See `ThingsInPortal.named_in`: of a subscription, its request as well."""
        named = ids_in(event)
        if str(event.get("detail-type", "")) in _ABOUT_SUBSCRIPTIONS:
            requests = [await self._portal.request_of(one) for one in named[:1]]
            named += [one for one in requests if one is not None]
        return named

    async def differing(self, link: PortalLink) -> list[PortalDifference]:
        """See `ThingsInPortal.differing`."""
        row = await self._store.begin().get(SUBSCRIPTIONS, link.own_id)
        if row is None:
            return []
        drift = _drift(row.item, await self._portal.look(link.portal_id))
        wanted = {"status": _GOALS[row.item["status"]], "subscription": APPROVED}
        return differences("subscription", link, wanted, drift)

    async def _ask(self, item: Mapping[str, Any], who: Subscriber, time: int) -> RequestThere:
        shown = await self._assets.in_portal(service_actor("subscriptions"), item["assetId"])
        if shown is None:
            raise not_ready("the asset's listing")
        return await self._portal.ask(
            who, shown.listing_id, f"{item['requestId']} {time}", _reason(item)
        )

    async def _move(
        self,
        item: Mapping[str, Any],
        goal: str,
        who: Subscriber,
        link: PortalLink,
        there: RequestThere,
    ) -> PortalLink:
        """Takes a request on to where it is to be."""
        facts, comment = dict(link.facts), item["decisionReason"] or ""
        reason = _reason(item)
        if there.status == PENDING and facts.get("reason", reason) != reason:
            await self._portal.reword(who, there.request_id, reason)
        facts["reason"] = reason
        if goal == _WITHDRAWN:
            await self._portal.withdraw(who, there.request_id)
        elif goal == REJECTED and there.status == PENDING:
            await self._portal.reject(there.request_id, comment)
        elif goal in (ACCEPTED, REVOKED) and there.status == PENDING:
            there = await self._portal.accept(there.request_id, comment)
        if there.subscription_id:
            facts["subscription"] = there.subscription_id
        if item["status"] == "active" and there.subscription == APPROVED:
            facts["grant"] = await self._portal.grant(who, there.subscription_id)
        elif goal == REVOKED and there.subscription_id:
            await self._portal.revoke(there.subscription_id, facts.get("grant", ""))
        return replace(link, facts=facts)

    async def _subscriber(self, project_id: str) -> Subscriber:
        found = await self._projects.portal_id(service_actor("subscriptions"), project_id)
        if not found:
            raise not_ready("the project that asks")
        return Subscriber(project_id, found)

    async def _on_event(self, work: UnitOfWork, event: StoredEvent) -> None:
        await self.bring(work, event.detail["requestId"])


def _drift(item: Mapping[str, Any], there: RequestThere | None) -> dict[str, str]:
    """What others have decided of a request."""
    goal = _GOALS[item["status"]]
    if there is None:
        return {} if goal == _WITHDRAWN else {"": GONE}
    if goal in (PENDING, _WITHDRAWN) and there.status != PENDING:
        return {"status": there.status}
    if goal in (ACCEPTED, _KEPT, REVOKED) and there.status == REJECTED:
        return {"status": REJECTED}
    if goal == REJECTED and there.status == ACCEPTED:
        return {"status": ACCEPTED}
    if goal == ACCEPTED and there.subscription not in ("", APPROVED):
        return {"subscription": there.subscription}
    return {}


def _reason(item: Mapping[str, Any]) -> str:
    return f"{item['purpose']}\n\nAsked by {item['requestedBy']} in the mesh."
