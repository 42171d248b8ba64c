"""Requests for what is listed, their decisions, and the subscriptions that come of them."""

import json
from collections.abc import Mapping
from typing import Any

from meshplane.sandbox.datazone.listings import detailed_terms, settle_listing
from meshplane.sandbox.datazone.people import find_group, find_user
from meshplane.sandbox.datazone.projects import STEWARD, WRITERS
from meshplane.sandbox.datazone.state import (
    Act,
    Item,
    conflict,
    denied,
    in_order,
    invalid,
    missing,
    page_of,
)
from meshplane.sandbox.datazone.subscription_grants import grant_everywhere, take_back

_DECIDERS = (*WRITERS, STEWARD)
_OWNERS = {
    "owningProjectId": "project",
    "owningUserId": "user",
    "owningGroupId": "group",
    "owningIamPrincipalArn": "iam",
}


class Subscriptions:
    """Subscription requests and subscriptions."""

    @property
    def handlers(self) -> Mapping[str, Any]:
        """By operation."""
        return {
            "CreateSubscriptionRequest": self.ask,
            "GetSubscriptionRequestDetails": self.request,
            "ListSubscriptionRequests": self.requests,
            "UpdateSubscriptionRequest": self.change,
            "DeleteSubscriptionRequest": self.withdraw,
            "AcceptSubscriptionRequest": self.accept,
            "RejectSubscriptionRequest": self.reject,
            "GetSubscription": self.get,
            "ListSubscriptions": self.list,
            "RevokeSubscription": self.revoke,
            "CancelSubscription": self.cancel,
        }

    def ask(self, act: Act, given: dict[str, Any]) -> Item:
        """A request by a member of the project that asks, or by the one who asks for himself.

        Somebody who could decide it himself, as a member of the publishing project, has it
        accepted at once.
        """
        listing = act.domain.find(
            "listing", "Listing", given["subscribedListings"][0]["identifier"]
        )
        listing = settle_listing(act, listing)
        if listing["status"] != "ACTIVE":
            raise invalid(f"Listing {listing['id']} is {listing['status']}, not ACTIVE.")
        kind, principal, shown = _principal(act, given["subscribedPrincipals"][0])
        scopes = given.get("assetScopes", ())
        filters = _demand_filters(act, listing, scopes)
        for one in act.domain.shelf("request").all():
            same = (one["_listing"], one["_principal"]) == (listing["id"], (kind, principal))
            if same and one["status"] == "PENDING":
                raise conflict(f"Request {one['id']} for the same is pending.")
        existing = next(
            (
                one["id"]
                for one in act.domain.shelf("subscription").all()
                if (one["_listing"], one["_principal"]) == (listing["id"], (kind, principal))
                and one["status"] == "APPROVED"
            ),
            None,
        )
        request = {
            **act.made(),
            "id": act.state.new_id(),
            "status": "PENDING",
            "requestReason": given["requestReason"],
            "subscribedPrincipals": [shown],
            "subscribedListings": [_subscribed(act, listing, filters)],
            "existingSubscriptionId": existing,
            "_listing": listing["id"],
            "_principal": (kind, principal),
            "_publisher": listing["_project"],
            "_filters": filters,
        }
        act.domain.shelf("request").put(request["id"], request)
        automatic = bool(act.designations(listing["_project"]) & set(_DECIDERS))
        self._tell(act, "Subscription Request Created", request, autoApproved=automatic)
        return self._accept(act, request, None) if automatic else request

    def request(self, act: Act, given: dict[str, Any]) -> Item:
        """A request by id."""
        return act.domain.find("request", "Subscription request", given["identifier"])

    def requests(self, act: Act, given: dict[str, Any]) -> Item:
        """Requests, of a listing, of who asks, or of the project that decides."""
        found = [one for one in act.domain.shelf("request").listed() if _is_asked(one, given)]
        return page_of(in_order(found, given), given)

    def change(self, act: Act, given: dict[str, Any]) -> Item:
        """Changes the reason of a pending request."""
        request = self._pending(act, given["identifier"])
        _demand_asker(act, request)
        return act.domain.shelf("request").change(
            request["id"], requestReason=given["requestReason"], **act.changed()
        )

    def withdraw(self, act: Act, given: dict[str, Any]) -> Item:
        """Takes a pending request back."""
        request = self._pending(act, given["identifier"])
        _demand_asker(act, request)
        act.domain.shelf("request").remove(request["id"])
        self._tell(act, "Subscription Request Deleted", request)
        return {}

    def accept(self, act: Act, given: dict[str, Any]) -> Item:
        """Accepts a pending request: a subscription comes of it."""
        request = self._pending(act, given["identifier"])
        act.demand(request["_publisher"], *_DECIDERS)
        if "assetScopes" in given:
            listing = act.domain.find("listing", "Listing", request["_listing"])
            filters = _demand_filters(act, listing, given["assetScopes"])
            request = {
                **request,
                "_filters": filters,
                "subscribedListings": [_subscribed(act, listing, filters)],
            }
        return self._accept(act, request, given.get("decisionComment"))

    def reject(self, act: Act, given: dict[str, Any]) -> Item:
        """Turns a pending request down."""
        request = self._pending(act, given["identifier"])
        act.demand(request["_publisher"], *_DECIDERS)
        request = self._decide(act, request, "REJECTED", given.get("decisionComment"))
        self._tell(act, "Subscription Request Rejected", request)
        return request

    def get(self, act: Act, given: dict[str, Any]) -> Item:
        """A subscription by id."""
        return act.domain.find("subscription", "Subscription", given["identifier"])

    def list(self, act: Act, given: dict[str, Any]) -> Item:
        """Subscriptions, of a request, a listing, a subscriber or a publisher."""
        found = [
            one
            for one in act.domain.shelf("subscription").listed()
            if _is_asked(one, given)
            and given.get("subscriptionRequestIdentifier", one["subscriptionRequestId"])
            == one["subscriptionRequestId"]
        ]
        return page_of(in_order(found, given), given)

    def revoke(self, act: Act, given: dict[str, Any]) -> Item:
        """The publisher ends a subscription; its grants go, unless they are to be kept."""
        known = self._approved(act, given["identifier"])
        act.demand(known["_publisher"], *_DECIDERS)
        keep = given.get("retainPermissions", False)
        done = act.domain.shelf("subscription").change(
            known["id"], status="REVOKED", retainPermissions=keep, **act.changed()
        )
        self._tell(act, "Subscription Revoked", done)
        if not keep:
            take_back(act, known["id"])
        return done

    def cancel(self, act: Act, given: dict[str, Any]) -> Item:
        """The subscriber ends a subscription; its grants go."""
        known = self._approved(act, given["identifier"])
        _demand_asker(act, known)
        done = act.domain.shelf("subscription").change(
            known["id"], status="CANCELLED", **act.changed()
        )
        self._tell(act, "Subscription Cancelled", done)
        take_back(act, known["id"])
        return done

    def _accept(self, act: Act, request: Item, comment: str | None) -> Item:
        request = self._decide(act, request, "ACCEPTED", comment)
        self._tell(act, "Subscription Request Accepted", request)
        existing = request.get("existingSubscriptionId")
        made = act.made()
        subscription = {
            **made,
            "id": existing or act.state.new_id(),
            "status": "APPROVED",
            "subscribedPrincipal": request["subscribedPrincipals"][0],
            "subscribedListing": request["subscribedListings"][0],
            "subscriptionRequestId": request["id"],
            "retainPermissions": False,
            **{name: request[name] for name in ("_listing", "_principal", "_publisher")},
            "_filters": request["_filters"],
        }
        act.domain.shelf("subscription").put(subscription["id"], subscription)
        self._tell(act, "Subscription Created", subscription)
        grant_everywhere(act, subscription)
        return request

    def _decide(self, act: Act, request: Item, status: str, comment: str | None) -> Item:
        decided = {
            **request,
            **act.changed(),
            "status": status,
            "reviewerId": act.user,
            "decisionComment": comment,
        }
        return act.domain.shelf("request").put(request["id"], decided)

    def _pending(self, act: Act, identifier: str) -> Item:
        request = act.domain.find("request", "Subscription request", identifier)
        if request["status"] != "PENDING":
            raise conflict(f"Subscription request {identifier} is {request['status']}.")
        return request

    def _approved(self, act: Act, identifier: str) -> Item:
        known = act.domain.find("subscription", "Subscription", identifier)
        if known["status"] != "APPROVED":
            raise conflict(f"Subscription {identifier} is {known['status']}.")
        return known

    def _tell(self, act: Act, detail_type: str, item: Item, **more: Any) -> None:
        kind, principal = item["_principal"]
        listing = item.get("subscribedListing") or item["subscribedListings"][0]
        version = {
            "id": listing["id"],
            "ownerProjectId": item["_publisher"],
            "version": listing["revision"],
        }
        data = {
            **more,
            "requesterId": item["createdBy"],
            "status": item["status"],
            "subscribedListings": [version],
            "subscribedPrincipals": [{"id": principal, "type": kind.upper()}],
        }
        is_request = detail_type.startswith("Subscription Request")
        entity = "SubscriptionRequestEntityType" if is_request else "SubscriptionEntityType"
        project = principal if kind == "project" else None
        act.tell(detail_type, entity, item, project, data)


def _principal(act: Act, given: Item) -> tuple[str, str, Item]:
    """Kind and id of who asks, and how he is shown; the caller must be him, or in his project."""
    ((kind, said),) = given.items()
    identifier = said["identifier"]
    if kind == "project":
        project = act.domain.find("project", "Project", identifier)
        act.demand(identifier)
        return kind, identifier, {"project": {"id": identifier, "name": project["name"]}}
    if kind == "iam":
        if identifier != act.caller.arn:
            raise denied(f"User is not {identifier}.")
        return kind, identifier, {"iam": {"principalArn": identifier}}
    if kind == "user":
        user = find_user(act.domain, identifier)
        if user is None:
            raise missing("User profile", identifier)
        if user["id"] != act.user:
            raise denied(f"User is not {identifier}.")
        return kind, identifier, {"user": {"id": identifier, "details": user["details"]}}
    group = find_group(act.domain, identifier)
    if group is None:
        raise missing("Group profile", identifier)
    return kind, identifier, {"group": {"id": identifier, "name": group["groupName"]}}


def _demand_asker(act: Act, item: Item) -> None:
    kind, principal = item["_principal"]
    if kind == "project":
        act.demand(principal)
    elif act.user != item["createdBy"]:
        raise denied("User is not the one who asked.")


def _demand_filters(act: Act, listing: Item, scopes: Any) -> list[str]:
    filters: list[str] = []
    for scope in scopes:
        if scope["assetId"] != listing["_entity"][1]:
            raise invalid(f"Asset {scope['assetId']} is not what the listing is of.")
        for identifier in scope["filterIds"]:
            found = act.domain.find("filter", "Asset filter", identifier)
            if found["assetId"] != scope["assetId"] or found["status"] != "VALID":
                raise invalid(f"Filter {identifier} is not a valid one of the asset.")
        filters += scope["filterIds"]
    return filters


def _subscribed(act: Act, listing: Item, filters: list[str]) -> Item:
    kind, entity = listing["_entity"]
    inner: Item = next(iter(listing["item"].values()))
    project = act.domain.shelf("project").get(listing["_project"])
    common = {"entityId": entity, "glossaryTerms": detailed_terms(act, listing["_terms"])}
    if kind == "ASSET":
        asset = {
            **common,
            "entityRevision": inner["assetRevision"],
            "entityType": inner["assetType"],
            "forms": json.dumps(json.loads(inner["forms"])),
        }
        if filters:
            scope = {"assetId": entity, "filterIds": filters, "status": "ACTIVE"}
            asset["assetScope"] = scope
        item: Item = {"assetListing": asset}
    else:
        item = {"productListing": {**common, "entityRevision": inner["dataProductRevision"]}}
    return {
        "id": listing["id"],
        "revision": listing["listingRevision"],
        "name": listing["name"],
        "description": listing["description"],
        "item": item,
        "ownerProjectId": listing["_project"],
        "ownerProjectName": project["name"] if project else None,
    }


def _is_asked(item: Item, given: Mapping[str, Any]) -> bool:
    wanted = {
        "status": item["status"],
        "subscribedListingId": item["_listing"],
        "approverProjectId": item["_publisher"],
    }
    if any(given.get(name, value) != value for name, value in wanted.items()):
        return False
    return all(
        item["_principal"] == (kind, given[name]) for name, kind in _OWNERS.items() if name in given
    )
