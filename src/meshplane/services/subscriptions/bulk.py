"""Use cases in bulk: one request, or one decision, for each asset that some tags name.

Each request is one like any other, with its own route; each decision is its own, with its own
record, and one that cannot be taken holds up no other.
"""

from collections.abc import Sequence

from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call
from meshplane.kit.errors import Invalid, MeshplaneError
from meshplane.platform.tables import Row
from meshplane.policy.model import Resource
from meshplane.services.assets.api import AssetsApi, AssetSummary
from meshplane.services.domains.api import DomainsApi, no_such_domain
from meshplane.services.permissions.api import checked
from meshplane.services.subscriptions.deciding import Deciding, seems_open_to
from meshplane.services.subscriptions.records import is_past, view
from meshplane.services.subscriptions.requesting import Requesting, own_asset
from meshplane.services.subscriptions.schemas import (
    Approval,
    BulkApproval,
    BulkRequest,
    BulkView,
    LeftOut,
    NewSubscription,
    SubscriptionView,
    WantedTag,
)
from meshplane.services.subscriptions.store import SUBSCRIPTIONS
from meshplane.services.subscriptions.tags import TaggedAssets

MOST_AT_ONCE = 100
_PAGE = 200
_MOST_READ = 5000
_RUNNING = frozenset({"requested", "approved", "active"})
_NOTHING = "Its table has none of the columns that it lists, so that nothing could be granted."

_Tags = Sequence[tuple[str, tuple[str, ...]]]


class Bulk:
    """Asks and decides for many assets at once.

    Args:
        requesting, deciding: do it for one.
        domains, assets: the services below.
        tagged: finds assets by tags.
        boundary: gives each decision its own commit.
    """

    def __init__(
        self,
        requesting: Requesting,
        deciding: Deciding,
        *,
        domains: DomainsApi,
        assets: AssetsApi,
        tagged: TaggedAssets,
        boundary: Boundary,
    ) -> None:
        self._requesting = requesting
        self._deciding = deciding
        self._domains = domains
        self._assets = assets
        self._tagged = tagged
        self._boundary = boundary

    async def request(self, call: Call, body: BulkRequest) -> BulkView:
        """Asks to read each listed asset whose tags match, up to 100, all in one commit.

        Left out is what the subscriber publishes, has, or has asked for, and what has nothing to
        grant. None of it takes a place of the hundred, so that whoever asks again comes to the
        rest; the first hundred of it are told.

        Raises:
            Missing: PROJECT_NOT_FOUND.
            Invalid: TAG_EXPRESSION_INVALID, EXPIRY_INVALID.
        """
        project = await self._requesting.subscriber(call, body.project_id)
        subscriber = f"project:{project.project_id}" if project else call.actor.name
        had = await self._had(call, subscriber)
        made: list[SubscriptionView] = []
        left_out: list[LeftOut] = []

        async def ask(asset: AssetSummary) -> bool:
            if await self._requesting.owns(call, asset, project):
                left_out.append(_asset_left_out(asset, "OWN_ASSET", own_asset().message))
            elif asset.asset_id in had:
                why = "The subscriber has it, or has asked for it."
                left_out.append(_asset_left_out(asset, "ALREADY_REQUESTED", why))
            else:
                try:
                    row = await self._requesting.open(call, _wish(body, asset), asset, project)
                except Invalid as error:
                    if error.code != "NOTHING_GRANTED":
                        raise
                    left_out.append(_asset_left_out(asset, error.code, _NOTHING))
                    return False
                made.append(view(row, call.clock))
                return True
            return False

        more = await self._tagged.each(call.actor, _expression(body.tags), MOST_AT_ONCE, ask)
        call.note(subscriber=subscriber, requests=len(made), left_out=len(left_out))
        return BulkView(subscriptions=made, left_out=left_out[:MOST_AT_ONCE], more=more)

    async def approve(self, call: Call, body: BulkApproval) -> BulkView:
        """Says yes to each open request for the domain's assets whose tags match, up to 100.

        Those that this approver cannot decide now take no place of the hundred, so that whoever
        asks again comes to the rest; up to a hundred of them are tried as well, to say why not.

        Raises:
            Missing: DOMAIN_NOT_FOUND.
            Invalid: TAG_EXPRESSION_INVALID.
        """
        if await self._domains.find(call.actor, body.domain_id) is None:
            raise no_such_domain()
        await call.allow(Resource("Domain", body.domain_id, domain_id=body.domain_id))
        rows, more = await self._open_requests(call, body, _expression(body.tags))
        made: list[SubscriptionView] = []
        left_out: list[LeftOut] = []
        for row in rows:
            request_id = row.item["requestId"]
            approval = Approval(
                reason=body.reason,
                expires_at=body.expires_at,
                version=body.versions.get(request_id),
            )
            try:
                made.append(await self._approve_one(call, request_id, approval))
            except MeshplaneError as error:
                left_out.append(
                    LeftOut(
                        id=request_id,
                        name=row.item["assetName"],
                        code=error.code,
                        why=error.message,
                    )
                )
        call.note(approved=len(made), left_out=len(left_out))
        return BulkView(subscriptions=made, left_out=left_out, more=more)

    async def _approve_one(
        self, call: Call, request_id: str, approval: Approval
    ) -> SubscriptionView:
        async def approving(own: Call) -> SubscriptionView:
            return await self._deciding.approve(own, request_id, approval)

        return await self._boundary.write("approveSubscription", call.actor, approving)

    async def _open_requests(
        self, call: Call, body: BulkApproval, tags: _Tags
    ) -> tuple[list[Row], bool]:
        """Open requests in a domain for assets whose tags match; whether there may be more.

        The newest first: of all that a domain ever had, most are decided.
        """
        found: list[Row] = []
        hopeless: list[Row] = []
        roles = await self._deciding.roles(call.actor, body.domain_id)
        fits: dict[str, bool] = {}
        cursor, read = None, 0
        while read < _MOST_READ:
            page = await call.work.query(
                SUBSCRIPTIONS,
                body.domain_id,
                index="byDomain",
                limit=_PAGE,
                cursor=cursor,
                descending=True,
            )
            for row in page.rows:
                asset_id = row.item["assetId"]
                if row.item["status"] != "requested":
                    continue
                if asset_id not in fits:
                    asset = await self._assets.find(call.actor, asset_id)
                    fits[asset_id] = asset is not None and await self._tagged.matches(
                        call.actor, tags, asset
                    )
                if not fits[asset_id]:
                    continue
                version = body.versions.get(row.item["requestId"])
                if not seems_open_to(call.actor, roles, row.item, version, call.clock):
                    if len(hopeless) < MOST_AT_ONCE:
                        hopeless.append(row)
                elif len(found) == MOST_AT_ONCE:
                    return [*found, *hopeless], True
                else:
                    found.append(row)
            read, cursor = read + len(page.rows), page.cursor
            if cursor is None:
                return [*found, *hopeless], False
        return [*found, *hopeless], True

    async def _had(self, call: Call, subscriber: str) -> set[str]:
        """The assets that a subscriber has, or has asked for."""
        kind, _, name = subscriber.partition(":")
        index, key = ("byProject", name) if kind == "project" else ("bySubscriber", subscriber)
        found: set[str] = set()
        cursor: str | None = None
        while True:
            page = await call.work.query(
                SUBSCRIPTIONS, key, index=index, limit=_PAGE, cursor=cursor
            )
            found |= {
                row.item["assetId"]
                for row in page.rows
                if row.item["status"] in _RUNNING and not is_past(row.item["expiresAt"], call.clock)
            }
            cursor = page.cursor
            if cursor is None:
                return found


def _wish(body: BulkRequest, asset: AssetSummary) -> NewSubscription:
    return NewSubscription(
        asset_id=asset.asset_id,
        project_id=body.project_id,
        purpose=body.purpose,
        expires_at=body.expires_at,
    )


def _expression(tags: Sequence[WantedTag]) -> _Tags:
    try:
        return checked((tag.key, tag.values) for tag in tags)
    except Invalid as error:
        raise Invalid(error.code, error.message, field="tags") from None


def _asset_left_out(asset: AssetSummary, code: str, why: str) -> LeftOut:
    return LeftOut(id=asset.asset_id, name=f"{asset.domain_name}.{asset.name}", code=code, why=why)
