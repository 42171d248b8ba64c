"""Use cases of reading: one subscription, lists of them, and whether a decision is carried out."""

from meshplane.boundary.call import Call
from meshplane.boundary.schemas import Page
from meshplane.kit.errors import Invalid, Refused
from meshplane.policy.model import MESH, Resource
from meshplane.services.assets.api import AssetsApi, no_such_asset
from meshplane.services.subscriptions.finding import allowed
from meshplane.services.subscriptions.records import view
from meshplane.services.subscriptions.schemas import (
    FulfilmentView,
    SubscriptionQuery,
    SubscriptionView,
)
from meshplane.services.subscriptions.store import SUBSCRIPTIONS

_UNDER_WAY = frozenset({"requested", "approved", "revoking"})


class Reading:
    """Shows subscriptions to both sides.

    Args:
        assets: the service below.
    """

    def __init__(self, assets: AssetsApi) -> None:
        self._assets = assets

    async def get(self, call: Call, request_id: str) -> SubscriptionView:
        """The subscription with that id."""
        return view(await allowed(call, request_id), call.clock)

    async def list(self, call: Call, query: SubscriptionQuery) -> Page[SubscriptionView]:
        """The subscriptions to an asset, of a project, to a domain's assets, or one's own.

        Raises:
            Invalid: QUERY_INCOMPLETE.
            Refused: FORBIDDEN.
        """
        index, key, resource = await self._asked_for(call, query)
        await call.allow(resource)
        if index == "bySubscriber" and key != call.actor.name:
            call.denied = True
            raise Refused("FORBIDDEN", "What a person reads by himself is listed for him alone.")
        page = await call.work.query(
            SUBSCRIPTIONS, key, index=index, limit=query.limit, cursor=query.cursor
        )
        return Page[SubscriptionView](
            items=[view(row, call.clock) for row in page.rows], next_cursor=page.cursor
        )

    async def _asked_for(self, call: Call, query: SubscriptionQuery) -> tuple[str, str, Resource]:
        if query.project_id is not None:
            key = query.project_id
            return "byProject", key, Resource("Project", key, project_id=key)
        if query.asset_id is not None:
            asset = await self._assets.find(call.actor, query.asset_id)
            if asset is None:
                raise no_such_asset()
            domain_id = asset.domain_id
            return "byAsset", query.asset_id, Resource("Domain", domain_id, domain_id=domain_id)
        if query.domain_id is not None:
            key = query.domain_id
            return "byDomain", key, Resource("Domain", key, domain_id=key)
        if query.subscriber is not None:
            return "bySubscriber", query.subscriber, MESH
        raise Invalid(
            "QUERY_INCOMPLETE",
            "Name an asset, a project, a domain, or yourself as subscriber.",
            field="projectId",
        )

    async def fulfilment(self, call: Call, request_id: str) -> FulfilmentView:
        """How far the decision on a request has been carried out."""
        item = (await allowed(call, request_id)).item
        return FulfilmentView(
            request_id=request_id,
            status=item["status"],
            grant_id=item["grantId"],
            fulfilled=item["status"] not in _UNDER_WAY,
        )
