"""Subscriptions in DataZone.

A request is made by the subscribing project's own role: DataZone accepts at once what is asked by
somebody who could decide it, and the mesh's role could. It is decided by the mesh's role, as a
member of the publishing project. The mesh's asset type is none that DataZone grants by itself: the
lake grants, and here it is told that it did.
"""

from typing import Any

from meshplane.platform.aws.datazone import (
    CONFLICT,
    MISSING,
    DataZone,
    made_once,
    not_listed_yet,
    there_or_none,
    token_of,
)
from meshplane.platform.aws.errors import AwsRejected
from meshplane.services.subscriptions.aws_portal_targets import DataZoneTargets, Target
from meshplane.services.subscriptions.ports import ACCEPTED, PENDING, RequestThere, Subscriber

_LONGEST_TEXT = 4096
_GRANTING = frozenset({"GRANT_PENDING", "GRANT_IN_PROGRESS", "GRANT_FAILED"})
_REVOKING = frozenset({"REVOKE_PENDING", "REVOKE_IN_PROGRESS", "REVOKE_FAILED"})


class DataZoneSubscriptions:
    """`SubscriptionPortal` over DataZone.

    Args:
        zone: the mesh's domain there.
        targets: where projects receive what they subscribe to.
    """

    def __init__(self, zone: DataZone, targets: DataZoneTargets) -> None:
        self._zone = zone
        self._targets = targets

    async def ask(
        self, subscriber: Subscriber, listing_id: str, own_id: str, reason: str
    ) -> RequestThere:
        """See `SubscriptionPortal.ask`."""
        domain, text = await self._zone.domain(), reason[:_LONGEST_TEXT] or "-"
        acting = self._zone.acting(subscriber.project_id)
        try:
            made = await acting.call(
                "datazone",
                "create_subscription_request",
                domainIdentifier=domain,
                subscribedListings=[{"identifier": listing_id}],
                subscribedPrincipals=[{"project": {"identifier": subscriber.portal_id}}],
                requestReason=text,
                clientToken=token_of("ask", subscriber.portal_id, listing_id, own_id, text),
            )
        except AwsRejected as error:
            if error.aws_code != CONFLICT:
                raise
            found = await self._pending(domain, subscriber.portal_id, listing_id)
            if found is None:
                raise not_listed_yet() from error
            made = found
        return await self._there(domain, made["id"])

    async def look(self, request_id: str) -> RequestThere | None:
        """See `SubscriptionPortal.look`."""
        return await there_or_none(self._there(await self._zone.domain(), request_id))

    async def request_of(self, subscription_id: str) -> str | None:
        """See `SubscriptionPortal.request_of`."""
        found = await there_or_none(
            self._zone.aws.call(
                "datazone",
                "get_subscription",
                domainIdentifier=await self._zone.domain(),
                identifier=subscription_id,
            )
        )
        if found is None:
            return None
        request: str | None = found.get("subscriptionRequestId")
        return request

    async def reword(self, subscriber: Subscriber, request_id: str, reason: str) -> None:
        """See `SubscriptionPortal.reword`."""
        try:
            await self._zone.acting(subscriber.project_id).call(
                "datazone",
                "update_subscription_request",
                domainIdentifier=await self._zone.domain(),
                identifier=request_id,
                requestReason=reason[:_LONGEST_TEXT] or "-",
            )
        except AwsRejected as error:
            if error.aws_code not in (CONFLICT, MISSING):
                raise

    async def withdraw(self, subscriber: Subscriber, request_id: str) -> None:
        """See `SubscriptionPortal.withdraw`."""
        try:
            await self._zone.acting(subscriber.project_id).call(
                "datazone",
                "delete_subscription_request",
                domainIdentifier=await self._zone.domain(),
                identifier=request_id,
            )
        except AwsRejected as error:
            if error.aws_code not in (CONFLICT, MISSING):
                raise

    async def accept(self, request_id: str, comment: str) -> RequestThere:
        """See `SubscriptionPortal.accept`."""
        domain = await self._zone.domain()
        try:
            await self._zone.aws.call(
                "datazone",
                "accept_subscription_request",
                domainIdentifier=domain,
                identifier=request_id,
                decisionComment=comment[:_LONGEST_TEXT] or "-",
            )
        except AwsRejected as error:
            if error.aws_code != CONFLICT:
                raise  # decided meanwhile: how, is read below
        return await self._there(domain, request_id)

    async def reject(self, request_id: str, comment: str) -> RequestThere:
        """See `SubscriptionPortal.reject`."""
        domain = await self._zone.domain()
        try:
            await self._zone.aws.call(
                "datazone",
                "reject_subscription_request",
                domainIdentifier=domain,
                identifier=request_id,
                decisionComment=comment[:_LONGEST_TEXT] or "-",
            )
        except AwsRejected as error:
            if error.aws_code != CONFLICT:
                raise  # decided meanwhile: how, is read below
        return await self._there(domain, request_id)

    async def grant(self, subscriber: Subscriber, subscription_id: str) -> str:
        """See `SubscriptionPortal.grant`."""
        domain = await self._zone.domain()
        subscription = await self._zone.aws.call(
            "datazone", "get_subscription", domainIdentifier=domain, identifier=subscription_id
        )
        target = await self._targets.ensure(subscriber)
        found = [
            one
            for one in await self._grants(domain, subscription_id)
            if one["subscriptionTargetId"] == target.target_id
        ]
        if not found:
            found = [await self._create_grant(domain, target, subscription)]
        for grant in found:
            await self._report(domain, grant, _GRANTING, "GRANTED")
        return str(found[0]["id"])

    async def _create_grant(
        self, domain: str, target: Target, subscription: dict[str, Any]
    ) -> dict[str, Any]:
        listing = subscription["subscribedListing"]

        async def create(after: str) -> str:
            made = await self._zone.aws.call(
                "datazone",
                "create_subscription_grant",
                domainIdentifier=domain,
                environmentIdentifier=target.environment_id,
                subscriptionTargetIdentifier=target.target_id,
                grantedEntity={
                    "listing": {"identifier": listing["id"], "revision": listing["revision"]}
                },
                clientToken=token_of("grant", subscription["id"], target.target_id, after),
            )
            return str(made["id"])

        try:
            return await made_once(create, lambda found: self._grant(domain, found))
        except AwsRejected as error:
            if error.aws_code != CONFLICT:
                raise
            raise not_listed_yet() from error

    async def revoke(self, subscription_id: str, grant_id: str = "") -> None:
        """See `SubscriptionPortal.revoke`."""
        domain = await self._zone.domain()
        try:
            await self._zone.aws.call(
                "datazone",
                "revoke_subscription",
                domainIdentifier=domain,
                identifier=subscription_id,
            )
        except AwsRejected as error:
            if error.aws_code not in (CONFLICT, MISSING):
                raise  # otherwise it has ended; its grants may be left
        listed = [one["id"] for one in await self._grants(domain, subscription_id)]
        for identifier in sorted({*listed, *([grant_id] if grant_id else [])}):
            grant = await self._grant(domain, identifier)
            if grant is not None:
                await self._report(domain, grant, _REVOKING, "REVOKED")

    async def _report(
        self, domain: str, grant: dict[str, Any], when: frozenset[str], status: str
    ) -> None:
        """Says of each asset of a grant how it went, where that is still open."""
        for asset in grant.get("assets", ()):
            if asset["status"] in when:
                await self._zone.aws.call(
                    "datazone",
                    "update_subscription_grant_status",
                    domainIdentifier=domain,
                    identifier=grant["id"],
                    assetIdentifier=asset["assetId"],
                    status=status,
                )

    async def _grants(self, domain: str, subscription_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        pages = self._zone.aws.pages(
            "datazone",
            "list_subscription_grants",
            domainIdentifier=domain,
            subscriptionId=subscription_id,
        )
        async for page in pages:
            found += page["items"]
        return found

    async def _grant(self, domain: str, grant_id: str) -> dict[str, Any] | None:
        return await there_or_none(
            self._zone.aws.call(
                "datazone", "get_subscription_grant", domainIdentifier=domain, identifier=grant_id
            )
        )

    async def _pending(self, domain: str, project: str, listing_id: str) -> dict[str, Any] | None:
        pages = self._zone.aws.pages(
            "datazone",
            "list_subscription_requests",
            domainIdentifier=domain,
            status=PENDING,
            subscribedListingId=listing_id,
            owningProjectId=project,
        )
        async for page in pages:
            for request in page["items"]:
                found: dict[str, Any] = request
                return found
        return None

    async def _there(self, domain: str, request_id: str) -> RequestThere:
        request = await self._zone.aws.call(
            "datazone",
            "get_subscription_request_details",
            domainIdentifier=domain,
            identifier=request_id,
        )
        if request["status"] != ACCEPTED:
            return RequestThere(request_id, request["status"])
        pages = self._zone.aws.pages(
            "datazone",
            "list_subscriptions",
            domainIdentifier=domain,
            subscriptionRequestIdentifier=request_id,
        )
        async for page in pages:
            for subscription in page["items"]:
                # Lists lag behind: its state is read by itself.
                now = await self._zone.aws.call(
                    "datazone",
                    "get_subscription",
                    domainIdentifier=domain,
                    identifier=subscription["id"],
                )
                return RequestThere(request_id, ACCEPTED, now["id"], now["status"])
        raise not_listed_yet()
