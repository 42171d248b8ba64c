"""Use cases of subscriptions."""

from dataclasses import asdict
from typing import Any

from meshplane.boundary.call import Call
from meshplane.boundary.schemas import Page
from meshplane.events.subscriptions import (
    SubscriptionApproved,
    SubscriptionRejected,
    SubscriptionRequested,
    SubscriptionRevocationStarted,
)
from meshplane.kit.errors import Conflict, Invalid, Missing, Refused
from meshplane.platform.store import ABSENT
from meshplane.platform.tables import Row
from meshplane.policy.model import Resource
from meshplane.services.assets.api import AssetsApi, AssetSummary, no_such_asset
from meshplane.services.projects.api import ProjectsApi, no_such_project
from meshplane.services.query.api import QueryApi
from meshplane.services.subscriptions.records import view
from meshplane.services.subscriptions.schemas import (
    Approval,
    Decision,
    FulfilmentView,
    NewSubscription,
    SubscriptionQuery,
    SubscriptionView,
)
from meshplane.services.subscriptions.scope import (
    checked_filter,
    demand_columns,
    expiry,
    granted_columns,
)
from meshplane.services.subscriptions.store import SUBSCRIPTIONS
from meshplane.services.tables.api import TablesApi


class Subscriptions:
    """Takes requests and decisions.

    Args:
        projects, assets, tables, query: the services below.
    """

    def __init__(
        self, projects: ProjectsApi, assets: AssetsApi, tables: TablesApi, query: QueryApi
    ) -> None:
        self._projects = projects
        self._assets = assets
        self._tables = tables
        self._query = query

    async def request(self, call: Call, body: NewSubscription) -> SubscriptionView:
        """Asks to read an asset.

        Raises:
            Missing: PROJECT_NOT_FOUND, ASSET_NOT_FOUND.
            Conflict: OWN_ASSET.
            Invalid: COLUMN_UNKNOWN, ROW_FILTER_INVALID, EXPIRY_INVALID.
        """
        project = await self._projects.find(call.actor, body.project_id)
        if project is None:
            raise no_such_project()
        await call.allow(
            Resource("Project", project.project_id, project.domain_id, project.project_id)
        )
        asset = await self._asset(call, body.asset_id)
        if not asset.is_published:
            raise no_such_asset()
        if asset.project_id == project.project_id:
            raise Conflict(
                "OWN_ASSET",
                "The project publishes this asset and reads it already.",
                field="assetId",
            )
        demand_columns(body.columns or (), asset, "columns")
        row_filter = await checked_filter(
            call.actor, body.row_filter, asset, self._tables, self._query
        )
        item = _new_item(call, body, asset, project.name, row_filter)
        call.resource = f"Subscription:{item['requestId']}"
        call.note(asset=asset.asset_id, project=project.project_id, purpose=body.purpose)
        call.work.put(SUBSCRIPTIONS, item, expected=ABSENT)
        call.work.emit(
            SubscriptionRequested(
                request_id=item["requestId"],
                asset_id=asset.asset_id,
                project_id=project.project_id,
                requested_by=call.actor.name,
                requested_at=call.now,
            ).event()
        )
        return view(Row(item, 1), call.clock)

    async def get(self, call: Call, request_id: str) -> SubscriptionView:
        """The subscription with that id."""
        return view(await self._allowed(call, request_id), call.clock)

    async def list(self, call: Call, query: SubscriptionQuery) -> Page[SubscriptionView]:
        """The subscriptions to an asset, of a project, or to a domain's assets.

        Raises:
            Invalid: QUERY_INCOMPLETE.
        """
        if query.project_id is not None:
            index, key = "byProject", query.project_id
            resource = Resource("Project", key, project_id=key)
        elif query.asset_id is not None:
            index, key = "byAsset", query.asset_id
            asset = await self._asset(call, key)
            resource = Resource("Domain", asset.domain_id, domain_id=asset.domain_id)
        elif query.domain_id is not None:
            index, key = "byDomain", query.domain_id
            resource = Resource("Domain", key, domain_id=key)
        else:
            raise Invalid(
                "QUERY_INCOMPLETE", "Name an asset, a project or a domain.", field="projectId"
            )
        await call.allow(resource)
        page = await call.work.query(
            SUBSCRIPTIONS, key, index=index, limit=query.limit, cursor=query.cursor
        )
        return Page[SubscriptionView](
            items=[view(row, call.clock) for row in page.rows], next_cursor=page.cursor
        )

    async def approve(self, call: Call, request_id: str, body: Approval) -> SubscriptionView:
        """Says yes, to all or less of what was asked for.

        Raises:
            Refused: SELF_APPROVAL.
            Conflict: ALREADY_DECIDED.
            Invalid: COLUMN_UNKNOWN, MASK_INVALID, NOTHING_GRANTED, ROW_FILTER_INVALID,
                EXPIRY_INVALID.
        """
        row = await self._allowed(call, request_id)
        _demand_status(row, "requested")
        asset = await self._asset(call, row.item["assetId"])
        columns = granted_columns(asset, row.item["requestedColumns"], body)
        # What was asked for bounds what is granted: both filters must hold, and the sooner end.
        both = _both(row.item["requestedRowFilter"], body.row_filter)
        row_filter = await checked_filter(call.actor, both, asset, self._tables, self._query)
        now = call.clock.now()
        ends = [
            end for end in (expiry(body.expires_at, now), expiry(row.item["expiresAt"], now)) if end
        ]
        item = {
            **row.item,
            "status": "approved",
            "grantId": f"grant-{request_id}",
            "grant": {
                "rowFilter": row_filter,
                "columns": [asdict(column) for column in columns],
                "excludedColumns": sorted(body.excluded_columns),
            },
            "expiresAt": min(ends, default=None),
            "decidedBy": call.actor.name,
            "decidedAt": call.now,
            "decisionReason": body.reason,
        }
        _put_decision(call, row, item)
        call.work.emit(
            SubscriptionApproved(
                request_id=request_id,
                asset_id=asset.asset_id,
                project_id=row.item["projectId"],
                approved_by=call.actor.name,
                approved_at=call.now,
            ).event()
        )
        return view(Row(item, row.version + 1), call.clock)

    async def reject(self, call: Call, request_id: str, body: Decision) -> SubscriptionView:
        """Says no.

        Raises:
            Refused: SELF_APPROVAL.
            Conflict: ALREADY_DECIDED.
        """
        row = await self._allowed(call, request_id)
        _demand_status(row, "requested")
        item = {
            **row.item,
            "status": "rejected",
            "decidedBy": call.actor.name,
            "decidedAt": call.now,
            "decisionReason": body.reason,
        }
        _put_decision(call, row, item)
        call.work.emit(
            SubscriptionRejected(
                request_id=request_id,
                asset_id=row.item["assetId"],
                rejected_by=call.actor.name,
                rejected_at=call.now,
            ).event()
        )
        return view(Row(item, row.version + 1), call.clock)

    async def revoke(self, call: Call, request_id: str, body: Decision) -> SubscriptionView:
        """Ends an approved or active subscription.

        Raises:
            Conflict: ALREADY_DECIDED.
        """
        row = await self._allowed(call, request_id)
        if row.item["status"] == "revoking":
            return view(row, call.clock)  # begun before: what follows tries its end again
        _demand_status(row, "approved", "active")
        item = {
            **row.item,
            "status": "revoking",
            "revokedBy": call.actor.name,
            "revokedAt": call.now,
            "revocationReason": body.reason,
        }
        _put_decision(call, row, item)
        call.work.emit(
            SubscriptionRevocationStarted(
                request_id=request_id, asset_id=row.item["assetId"], revoked_by=call.actor.name
            ).event()
        )
        return view(Row(item, row.version + 1), call.clock)

    async def fulfilment(self, call: Call, request_id: str) -> FulfilmentView:
        """How far the decision on a request has been carried out."""
        row = await self._allowed(call, request_id)
        status = row.item["status"]
        return FulfilmentView(
            request_id=request_id,
            status=status,
            grant_id=row.item["grantId"],
            fulfilled=status not in {"requested", "approved", "revoking"},
        )

    async def _asset(self, call: Call, asset_id: str) -> AssetSummary:
        asset = await self._assets.find(call.actor, asset_id)
        if asset is None:
            raise no_such_asset()
        return asset

    async def _allowed(self, call: Call, request_id: str) -> Row:
        """The subscription; for those who may not know of it, it is not there."""
        row = await call.work.get(SUBSCRIPTIONS, request_id)
        missing = Missing(
            "SUBSCRIPTION_NOT_FOUND", "There is no subscription with this id.", field="requestId"
        )
        if row is None:
            # Asked all the same, so that this answer takes the way of the other.
            await call.allow(
                Resource("Subscription", request_id), hide=missing, known_by="getSubscription"
            )
            raise missing
        item = row.item
        resource = Resource(
            "Subscription",
            request_id,
            item["domainId"],
            item["projectId"],
            (("requestedBy", item["requestedBy"].removeprefix("user:")),),
        )
        try:
            await call.allow(resource, hide=missing, known_by="getSubscription")
        except Refused as error:
            if item["requestedBy"] == call.actor.name:
                raise Refused(
                    "SELF_APPROVAL",
                    "You made this request, so another steward must decide it.",
                    field="requestId",
                ) from error
            raise
        return row


def _new_item(
    call: Call,
    body: NewSubscription,
    asset: AssetSummary,
    project_name: str,
    row_filter: str | None,
) -> dict[str, Any]:
    return {
        "requestId": call.new_id("sub-req"),
        "assetId": asset.asset_id,
        "assetName": asset.name,
        "domainId": asset.domain_id,
        "projectId": body.project_id,
        "projectName": project_name,
        "requestedBy": call.actor.name,
        "purpose": body.purpose,
        "status": "requested",
        "requestedAt": call.now,
        "requestedColumns": body.columns,
        "requestedRowFilter": row_filter,
        "grant": None,
        "grantId": None,
        "expiresAt": expiry(body.expires_at, call.clock.now()),
        "decidedBy": None,
        "decidedAt": None,
        "decisionReason": None,
        "revokedBy": None,
        "revokedAt": None,
        "revocationReason": None,
    }


def _both(first: str | None, second: str | None) -> str | None:
    if first is None or second is None:
        return first or second
    return f"({first}) AND ({second})"


def _demand_status(row: Row, *statuses: str) -> None:
    if row.item["status"] not in statuses:
        raise _already_decided()


def _already_decided() -> Conflict:
    return Conflict(
        "ALREADY_DECIDED", "The subscription has moved on: read it again.", field="requestId"
    )


def _put_decision(call: Call, row: Row, item: dict[str, Any]) -> None:
    """Of two people who decide at once, one wins and the other learns it."""
    call.note(asset=item["assetId"], project=item["projectId"], status=item["status"])
    call.work.put(SUBSCRIPTIONS, item, expected=row.version, otherwise=_already_decided())
