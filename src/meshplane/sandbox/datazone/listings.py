"""The catalogue: what of the inventories is published."""

import json
from collections.abc import Mapping
from typing import Any

from meshplane.sandbox.datazone.projects import STEWARD, WRITERS
from meshplane.sandbox.datazone.state import Act, Item, conflict, invalid, missing

# A listing's name has at most 64 letters in the model, an asset's 256.
_LONGEST_NAME = 64
_KINDS = {"ASSET": ("asset", "Asset"), "DATA_PRODUCT": ("dataProduct", "Data product")}


def settle_listing(act: Act, listing: Item) -> Item:
    """Makes a listing ACTIVE whose time has come."""
    if listing["status"] == "CREATING" and act.state.is_settled(listing, looks=0):
        listing = act.domain.shelf("listing").change(listing["id"], status="ACTIVE")
        if listing["_entity"][0] == "ASSET":
            detail = "Asset Added To Catalog"
            kind = "AssetListingEntityType"
        else:
            detail, kind = "Data Product Added To Catalog", "DataProductListingEntityType"
        data = {"name": listing["name"], "entityId": listing["_entity"][1]}
        act.tell(detail, kind, {**listing, "revision": listing["listingRevision"]},
                 listing["_project"], data)  # fmt: skip
    return listing


def detailed_terms(act: Act, terms: list[str] | None) -> list[Item]:
    """Glossary terms as listings show them."""
    found = [act.domain.shelf("term").get(one) for one in terms or ()]
    return [
        {"name": one["name"], "shortDescription": one.get("shortDescription")}
        for one in found
        if one is not None
    ]


class Listings:
    """Listings of assets and data products."""

    @property
    def handlers(self) -> Mapping[str, Any]:
        """By operation."""
        return {
            "CreateListingChangeSet": self.change,
            "GetListing": self.get,
            "DeleteListing": self.delete,
        }

    def change(self, act: Act, given: dict[str, Any]) -> Item:
        """Publishes a revision of an entity, or takes its listing out of the catalogue."""
        shelf, what = _KINDS[given["entityType"]]
        entity = act.domain.find(shelf, what, given["entityIdentifier"])
        act.demand(entity["owningProjectId"], *WRITERS, STEWARD)
        key = (given["entityType"], entity["id"])
        known = next(
            (one for one in act.domain.shelf("listing").all() if one["_entity"] == key), None
        )
        if given["action"] == "UNPUBLISH":
            return self._unpublish(act, known, what, entity)
        revision = given.get("entityRevision", entity["revision"])
        if revision != entity["revision"]:
            if revision not in entity["_versions"]:
                raise missing(f"Revision {revision} of {what.lower()}", entity["id"])
            entity = entity["_versions"][revision]
        return self._publish(act, known, key, entity)

    def _publish(self, act: Act, known: Item | None, key: tuple[str, str], entity: Item) -> Item:
        item, made = _listing_item(act, key, entity), act.made()
        older = {**known["_versions"], known["listingRevision"]: known} if known else {}
        listing = {
            **made,
            "createdAt": known["createdAt"] if known else made["createdAt"],
            "createdBy": known["createdBy"] if known else act.user,
            "id": known["id"] if known else act.state.new_id(),
            "listingRevision": str(len(older) + 1),
            "status": "CREATING",
            "name": entity["name"][:_LONGEST_NAME],
            "description": entity.get("description") or "",
            "item": item,
            "_entity": key,
            "_project": entity["owningProjectId"],
            "_terms": entity.get("glossaryTerms"),
            "_type": entity.get("typeIdentifier", "DataProduct"),
            "_governed": entity.get("governedGlossaryTerms"),
            "_changing": act.now(),
            "_looks": 0,
            "_versions": older,
        }
        act.domain.shelf("listing").put(listing["id"], listing)
        return {**listing, "listingId": listing["id"]}

    def _unpublish(self, act: Act, known: Item | None, what: str, entity: Item) -> Item:
        if known is None:
            raise invalid(f"{what} {entity['id']} is not listed.")
        if known["status"] == "INACTIVE":
            raise conflict(f"Listing {known['id']} is INACTIVE already.")
        known = settle_listing(act, {**known, "_looks": 1})
        listing = act.domain.shelf("listing").change(
            known["id"], status="INACTIVE", **act.changed()
        )
        if known["_entity"][0] == "ASSET":
            data = {"name": listing["name"], "entityId": entity["id"]}
            told = {**listing, "revision": listing["listingRevision"]}
            act.tell("Asset Unpublished", "AssetListingEntityType", told, listing["_project"], data)
        return {**listing, "listingId": listing["id"]}

    def get(self, act: Act, given: dict[str, Any]) -> Item:
        """A revision of a listing; looking at one that is CREATING moves it on."""
        found = act.domain.find("listing", "Listing", given["identifier"])
        shown = settle_listing(act, found)
        if shown["status"] == "CREATING":
            act.domain.shelf("listing").change(shown["id"], _looks=shown["_looks"] + 1)
        revision = given.get("listingRevision", shown["listingRevision"])
        if revision != shown["listingRevision"]:
            if revision not in shown["_versions"]:
                raise missing(f"Revision {revision} of listing", shown["id"])
            return {**shown["_versions"][revision], "status": "INACTIVE"}
        return shown

    def delete(self, act: Act, given: dict[str, Any]) -> Item:
        """Takes a listing away that is out of the catalogue and that nobody subscribes to."""
        found = act.domain.find("listing", "Listing", given["identifier"])
        act.demand(found["_project"], *WRITERS, STEWARD)
        if found["status"] != "INACTIVE":
            raise conflict(f"Listing {found['id']} is {found['status']}: unpublish it first.")
        for subscription in act.domain.shelf("subscription").all():
            if (subscription["_listing"], subscription["status"]) == (found["id"], "APPROVED"):
                raise conflict(f"Listing {found['id']} has subscriptions.")
        act.domain.shelf("listing").remove(found["id"])
        return {}


def _listing_item(act: Act, key: tuple[str, str], entity: Item) -> Item:
    forms = json.dumps(
        {one["formName"]: json.loads(one["content"]) for one in entity.get("formsOutput") or ()}
    )
    common = {
        "createdAt": entity["createdAt"],
        "forms": forms,
        "glossaryTerms": detailed_terms(act, entity.get("glossaryTerms")),
        "owningProjectId": entity["owningProjectId"],
    }
    if key[0] == "ASSET":
        return {
            "assetListing": {
                **common,
                "assetId": entity["id"],
                "assetRevision": entity["revision"],
                "assetType": entity["typeIdentifier"],
                "governedGlossaryTerms": detailed_terms(act, entity.get("governedGlossaryTerms")),
            }
        }
    return {
        "dataProductListing": {
            **common,
            "dataProductId": entity["id"],
            "dataProductRevision": entity["revision"],
        }
    }
