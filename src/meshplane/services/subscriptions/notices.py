"""Use case: telling something to all who read an asset."""

from meshplane.boundary.call import Call
from meshplane.events.subscriptions import SubscriberNotified
from meshplane.policy.model import Resource
from meshplane.services.assets.api import AssetsApi, no_such_asset
from meshplane.services.subscriptions.schemas import Notice, NoticeView
from meshplane.services.subscriptions.scope import subscriber_of
from meshplane.services.subscriptions.store import SUBSCRIPTIONS

_PAGE = 200


class Notices:
    """Tells subscribers.

    Args:
        assets: the service below.
    """

    def __init__(self, assets: AssetsApi) -> None:
        self._assets = assets

    async def notify(self, call: Call, body: Notice) -> NoticeView:
        """Tells every project and person with an active subscription, each once, by an event.

        Raises:
            Missing: ASSET_NOT_FOUND.
        """
        asset = await self._assets.find(call.actor, body.asset_id)
        if asset is None or not asset.is_published:
            raise no_such_asset()
        await call.allow(Resource("Asset", asset.asset_id, asset.domain_id, asset.project_id))
        told = await self._subscribers(call, body.asset_id)
        projects = 0
        for subscriber, request_id in sorted(told.items()):
            kind, _, name = subscriber.partition(":")
            projects += kind == "project"
            call.work.emit(
                SubscriberNotified(
                    project_id=name if kind == "project" else None,
                    subscriber=subscriber,
                    asset_id=body.asset_id,
                    request_id=request_id,
                    message=body.message,
                    notified_at=call.now,
                ).event()
            )
        people = len(told) - projects
        call.note(projects=projects, people=people)
        return NoticeView(asset_id=body.asset_id, projects=projects, people=people)

    async def _subscribers(self, call: Call, asset_id: str) -> dict[str, str]:
        """A request of each subscriber that reads the asset, by who that is."""
        found: dict[str, str] = {}
        cursor: str | None = None
        while True:
            page = await call.work.query(
                SUBSCRIPTIONS, asset_id, index="byAsset", limit=_PAGE, cursor=cursor
            )
            for row in page.rows:
                ends = row.item["expiresAt"]
                if row.item["status"] == "active" and (ends is None or ends > call.now):
                    found.setdefault(subscriber_of(row.item), row.item["requestId"])
            cursor = page.cursor
            if cursor is None:
                return found
