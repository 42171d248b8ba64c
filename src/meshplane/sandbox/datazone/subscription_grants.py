"""Grants: what a subscription brings into an environment.

DataZone itself grants assets of its managed types. For every other type it sends an event, and
whoever grants them says how it went (`UpdateSubscriptionGrantStatus`).
"""

from collections.abc import Mapping
from typing import Any

from meshplane.sandbox.datazone.projects import WRITERS
from meshplane.sandbox.datazone.state import (
    Act,
    Item,
    conflict,
    denied,
    in_order,
    invalid,
    page_of,
)
from meshplane.sandbox.datazone.system_types import MANAGED_ASSET_TYPES

_TOLD = {
    "GRANTED": "Subscription Grant Completed",
    "GRANT_FAILED": "Subscription Grant Failed",
    "REVOKED": "Subscription Grant Revoke Completed",
    "REVOKE_FAILED": "Subscription Grant Revoke Failed",
}
_GRANTING = frozenset({"GRANT_PENDING", "GRANT_IN_PROGRESS", "GRANTED", "GRANT_FAILED"})


def grant_everywhere(act: Act, subscription: Item) -> None:
    """Makes grants in all targets of the subscriber that are to get them by themselves."""
    kind, principal = subscription["_principal"]
    listing = act.domain.find("listing", "Listing", subscription["_listing"])
    for target in act.domain.shelf("target").all():
        if (
            kind == "project"
            and target["projectId"] == principal
            and target["subscriptionGrantCreationMode"] == "AUTOMATIC"
            and listing["_type"] in target["applicableAssetTypes"]
            and _existing(act, subscription["id"], target["id"]) is None
        ):
            _create(act, subscription, listing, target, ())


def take_back(act: Act, subscription_id: str) -> None:
    """Asks for the end of all grants of a subscription."""
    for grant in act.domain.shelf("grant").all():
        if grant["subscriptionId"] == subscription_id:
            _begin_revoking(act, grant)


class SubscriptionGrants:
    """Grants of subscriptions."""

    @property
    def handlers(self) -> Mapping[str, Any]:
        """By operation."""
        return {
            "CreateSubscriptionGrant": self.create,
            "GetSubscriptionGrant": self.get,
            "ListSubscriptionGrants": self.list,
            "UpdateSubscriptionGrantStatus": self.report,
            "DeleteSubscriptionGrant": self.delete,
        }

    def create(self, act: Act, given: dict[str, Any]) -> Item:
        """A grant of what a project has subscribed to, in an environment of it."""
        environment = act.domain.find("environment", "Environment", given["environmentIdentifier"])
        act.demand(environment["projectId"], *WRITERS)
        named = given["grantedEntity"]["listing"]
        listing = act.domain.find("listing", "Listing", named["identifier"])
        subscription = next(
            (
                one
                for one in act.domain.shelf("subscription").all()
                if one["_listing"] == listing["id"]
                and one["_principal"] == ("project", environment["projectId"])
                and one["status"] == "APPROVED"
            ),
            None,
        )
        if subscription is None:
            raise denied(f"The project has no approved subscription to listing {listing['id']}.")
        if named["revision"] != listing["listingRevision"] and (
            named["revision"] not in listing["_versions"]
        ):
            raise invalid(f"Listing {listing['id']} has no revision {named['revision']}.")
        target = self._target(act, given, environment, listing)
        if _existing(act, subscription["id"], target["id"]) is not None:
            raise conflict(f"Target {target['id']} has a grant for listing {listing['id']}.")
        return _create(act, subscription, listing, target, given.get("assetTargetNames", ()))

    def get(self, act: Act, given: dict[str, Any]) -> Item:
        """A grant; looking at one of a managed type moves it on."""
        return self._settled(
            act, act.domain.find("grant", "Subscription grant", given["identifier"])
        )

    def list(self, act: Act, given: dict[str, Any]) -> Item:
        """Grants, of an environment, a target, a listing, a subscription or a subscriber."""
        names = {
            "environmentId": "environmentId",
            "subscriptionTargetId": "subscriptionTargetId",
            "subscribedListingId": "_listing",
            "subscriptionId": "subscriptionId",
            "owningProjectId": "_project",
        }
        found = [
            one
            for one in act.domain.shelf("grant").listed()
            if all(given.get(name, one[member]) == one[member] for name, member in names.items())
        ]
        return page_of(in_order(found, given), given)

    def report(self, act: Act, given: dict[str, Any]) -> Item:
        """Says how granting or revoking an asset went; of managed types DataZone says it."""
        grant = act.domain.find("grant", "Subscription grant", given["identifier"])
        if not act.designations(grant["_project"]) | act.designations(grant["_publisher"]):
            raise denied("User is a member of neither project.")
        (asset,) = grant["assets"]
        if asset["assetId"] != given["assetIdentifier"]:
            raise invalid(f"Grant {grant['id']} is not of asset {given['assetIdentifier']}.")
        if grant["_type"] in MANAGED_ASSET_TYPES:
            raise invalid(f"Access to {grant['_type']} is granted by DataZone.")
        granting = asset["status"] in _GRANTING
        if granting != (given["status"] in _GRANTING):
            raise conflict(f"The grant is {asset['status']}: {given['status']} does not follow.")
        asset = {**asset, "status": given["status"]}
        for name in ("failureCause", "targetName"):
            if name in given:
                asset[name] = given[name]
        return self._move(act, grant, asset)

    def delete(self, act: Act, given: dict[str, Any]) -> Item:
        """Asks for the end of a grant; it is gone when its assets are revoked."""
        grant = act.domain.find("grant", "Subscription grant", given["identifier"])
        act.demand(grant["_project"], *WRITERS)
        act.domain.shelf("grant").change(grant["id"], _deleted=True)
        return _begin_revoking(act, {**grant, "_deleted": True})

    def _move(self, act: Act, grant: Item, asset: Item) -> Item:
        now = act.now()
        if asset["status"] == "GRANTED":
            asset["grantedTimestamp"] = now
        elif asset["status"].endswith("FAILED"):
            asset["failureTimestamp"] = now
        changed = act.domain.shelf("grant").change(
            grant["id"], assets=[asset], status=_overall(asset["status"]), **act.changed()
        )
        if asset["status"] in _TOLD:
            _tell(act, _TOLD[asset["status"]], changed)
        if asset["status"] == "REVOKED":
            act.domain.shelf("grant").remove(grant["id"])
        return changed

    def _settled(self, act: Act, grant: Item) -> Item:
        if grant["_type"] not in MANAGED_ASSET_TYPES:
            return grant
        (asset,) = grant["assets"]
        following = {
            "GRANT_PENDING": "GRANT_IN_PROGRESS",
            "GRANT_IN_PROGRESS": "GRANTED",
            "REVOKE_PENDING": "REVOKED",
        }.get(asset["status"])
        return (
            grant if following is None else self._move(act, grant, {**asset, "status": following})
        )

    def _target(self, act: Act, given: Item, environment: Item, listing: Item) -> Item:
        targets = [
            one
            for one in act.domain.shelf("target").all()
            if one["environmentId"] == environment["id"]
            and listing["_type"] in one["applicableAssetTypes"]
            and given.get("subscriptionTargetIdentifier", one["id"]) == one["id"]
        ]
        if not targets:
            raise invalid(
                f"Environment {environment['id']} has no such target for {listing['_type']}."
            )
        return targets[0]


def _existing(act: Act, subscription_id: str, target_id: str) -> Item | None:
    return next(
        (
            one
            for one in act.domain.shelf("grant").all()
            if (one["subscriptionId"], one["subscriptionTargetId"]) == (subscription_id, target_id)
        ),
        None,
    )


def _create(act: Act, subscription: Item, listing: Item, target: Item, names: Any) -> Item:
    inner: Item = next(iter(listing["item"].values()))
    asset_id = listing["_entity"][1]
    named = {one["assetId"]: one["targetName"] for one in names}
    asset = {
        "assetId": asset_id,
        "assetRevision": inner.get("assetRevision") or inner["dataProductRevision"],
        "status": "GRANT_PENDING",
        "targetName": named.get(asset_id),
    }
    if subscription["_filters"]:
        asset["assetScope"] = {
            "assetId": asset_id,
            "filterIds": subscription["_filters"],
            "status": "ACTIVE",
        }
    grant = {
        **act.made(),
        "id": act.state.new_id(),
        "environmentId": target["environmentId"],
        "subscriptionTargetId": target["id"],
        "grantedEntity": {"listing": {"id": listing["id"], "revision": listing["listingRevision"]}},
        "status": "PENDING",
        "assets": [asset],
        "subscriptionId": subscription["id"],
        "_listing": listing["id"],
        "_type": listing["_type"],
        "_project": target["projectId"],
        "_publisher": listing["_project"],
    }
    act.domain.shelf("grant").put(grant["id"], grant)
    _tell(act, "Subscription Grant Requested", grant)
    return grant


def _begin_revoking(act: Act, grant: Item) -> Item:
    (asset,) = grant["assets"]
    if asset["status"] not in _GRANTING:
        return grant
    changed = act.domain.shelf("grant").change(
        grant["id"],
        assets=[{**asset, "status": "REVOKE_PENDING"}],
        status="PENDING",
        **act.changed(),
    )
    _tell(act, "Subscription Grant Revoke Requested", changed)
    return changed


def _overall(status: str) -> str:
    if status in {"GRANTED", "REVOKED"}:
        return "COMPLETED"
    if status.endswith("FAILED"):
        return status
    return "IN_PROGRESS" if status.endswith("IN_PROGRESS") else "PENDING"


def _tell(act: Act, detail_type: str, grant: Item) -> None:
    (asset,) = grant["assets"]
    data = {
        "asset": {
            "id": asset["assetId"],
            "version": asset["assetRevision"],
            "typeName": grant["_type"],
            "status": asset["status"],
        },
        "subscriptionId": grant["subscriptionId"],
        "subscriptionTargetId": grant["subscriptionTargetId"],
        "environmentId": grant["environmentId"],
        "grantedListing": grant["grantedEntity"]["listing"],
    }
    act.tell(detail_type, "SubscriptionGrantEntityType", grant, grant["_project"], data)
