"""Assets and their revisions."""

from collections.abc import Mapping, Sequence
from typing import Any

from meshplane.sandbox.datazone.listings import settle_listing
from meshplane.sandbox.datazone.projects import WRITERS
from meshplane.sandbox.datazone.state import Act, Item, conflict, invalid, missing, page_of
from meshplane.sandbox.datazone.types import fitted_forms, version_of


def demand_terms(act: Act, terms: Sequence[str], *, governed: bool = False) -> None:
    """Lets ids of glossary terms through that things may carry.

    Raises:
        FakeError: ResourceNotFoundException, ValidationException.
    """
    for identifier in terms:
        term = act.domain.find("term", "Glossary term", identifier)
        glossary = act.domain.find("glossary", "Glossary", term["glossaryId"])
        if "DISABLED" in (term["status"], glossary["status"]):
            raise invalid(f"Glossary term {identifier} is disabled.")
        if bool(glossary.get("usageRestrictions")) != governed:
            kind = "not " if governed else ""
            raise invalid(f"Glossary term {identifier} is {kind}of a restricted glossary.")


def asset_with_listing(act: Act, asset: Item) -> Item:
    """An asset with how it is listed."""
    listing = next(
        (
            one
            for one in act.domain.shelf("listing").all()
            if one["_entity"] == ("ASSET", asset["id"])
        ),
        None,
    )
    points = act.domain.shelf("point").all()
    latest = {
        one["formName"]: {**one, "contentSummary": one["content"]}
        for one in sorted(points, key=lambda one: str(one["timestamp"]))
        if one["_entity"] == ("ASSET", asset["id"])
    }
    shown = {**asset, "latestTimeSeriesDataPointFormsOutput": list(latest.values())}
    if listing is not None:
        listing = settle_listing(act, listing)
        shown["listing"] = {"listingId": listing["id"], "listingStatus": listing["status"]}
    return shown


class Assets:
    """Assets of projects."""

    @property
    def handlers(self) -> Mapping[str, Any]:
        """By operation."""
        return {
            "CreateAsset": self.create,
            "CreateAssetRevision": self.revise,
            "GetAsset": self.get,
            "ListAssetRevisions": self.revisions,
            "DeleteAsset": self.delete,
            "AssociateGovernedTerms": self.associate,
            "DisassociateGovernedTerms": self.disassociate,
        }

    def create(self, act: Act, given: dict[str, Any]) -> Item:
        """An asset in the inventory of its project."""
        project = given["owningProjectIdentifier"]
        act.domain.find("project", "Project", project)
        act.demand(project, *WRITERS)
        asset_type = version_of(
            act, "assetType", "Asset type", given["typeIdentifier"], given.get("typeRevision")
        )
        forms = fitted_forms(act, asset_type, given.get("formsInput", ()))
        demand_terms(act, given.get("glossaryTerms", ()))
        external = given.get("externalIdentifier")
        if external is not None:
            for one in act.domain.shelf("asset").all():
                if one.get("externalIdentifier") == external:
                    raise conflict(f"An asset with external identifier {external} exists.")
        made = act.made()
        asset = {
            **made,
            "id": act.state.new_id(),
            "name": given["name"],
            "description": given.get("description"),
            "externalIdentifier": external,
            "typeIdentifier": asset_type["name"],
            "typeRevision": asset_type["revision"],
            "revision": "1",
            "owningProjectId": project,
            "glossaryTerms": given.get("glossaryTerms"),
            "formsOutput": forms,
            "firstRevisionCreatedAt": made["createdAt"],
            "firstRevisionCreatedBy": act.user,
            "_versions": {},
        }
        act.domain.shelf("asset").put(asset["id"], asset)
        data = {"name": asset["name"], "typeName": asset["typeIdentifier"]}
        act.tell("Asset Added To Inventory", "AssetEntityType", asset, project, data)
        return asset

    def revise(self, act: Act, given: dict[str, Any]) -> Item:
        """The next revision of an asset; what is not given again is gone from it."""
        known = self._of(act, given["identifier"])
        act.demand(known["owningProjectId"], *WRITERS)
        asset_type = version_of(
            act, "assetType", "Asset type", known["typeIdentifier"], given.get("typeRevision")
        )
        forms = fitted_forms(act, asset_type, given.get("formsInput", ()))
        demand_terms(act, given.get("glossaryTerms", ()))
        asset = {
            **known,
            **act.changed(),
            "createdAt": act.now(),
            "createdBy": act.user,
            "name": given["name"],
            "description": given.get("description"),
            "typeRevision": asset_type["revision"],
            "revision": str(int(known["revision"]) + 1),
            "glossaryTerms": given.get("glossaryTerms"),
            "formsOutput": forms,
            "_versions": {**known["_versions"], known["revision"]: known},
        }
        act.domain.shelf("asset").put(asset["id"], asset)
        before = {one["formName"]: one["content"] for one in known["formsOutput"]}
        if before != {one["formName"]: one["content"] for one in forms}:
            data = {"name": asset["name"], "typeName": asset["typeIdentifier"]}
            owner = asset["owningProjectId"]
            act.tell("Asset Schema Changed", "AssetEntityType", asset, owner, data)
        return asset_with_listing(act, asset)

    def get(self, act: Act, given: dict[str, Any]) -> Item:
        """A revision of an asset, the latest where none is named."""
        asset = self._of(act, given["identifier"])
        revision = given.get("revision", asset["revision"])
        if revision != asset["revision"]:
            if revision not in asset["_versions"]:
                raise missing(f"Revision {revision} of asset", asset["id"])
            asset = asset["_versions"][revision]
        return asset_with_listing(act, asset)

    def revisions(self, act: Act, given: dict[str, Any]) -> Item:
        """All revisions, latest first."""
        asset = self._of(act, given["identifier"])
        found = [asset, *reversed(asset["_versions"].values())]
        return page_of(found, given)

    def delete(self, act: Act, given: dict[str, Any]) -> Item:
        """Takes an asset away that is not listed."""
        asset = self._of(act, given["identifier"])
        act.demand(asset["owningProjectId"], *WRITERS)
        listing = asset_with_listing(act, asset).get("listing")
        if listing is not None and listing["listingStatus"] != "INACTIVE":
            raise conflict(f"Asset {asset['id']} is listed: unpublish it first.")
        act.domain.shelf("asset").remove(asset["id"])
        if listing is not None:
            act.domain.shelf("listing").remove(listing["listingId"])
        return {}

    def associate(self, act: Act, given: dict[str, Any]) -> Item:
        """Puts terms of restricted glossaries on an asset."""
        asset = self._of(act, given["entityIdentifier"])
        act.demand(asset["owningProjectId"], *WRITERS)
        demand_terms(act, given["governedGlossaryTerms"], governed=True)
        held = asset.get("governedGlossaryTerms") or []
        terms = list(dict.fromkeys([*held, *given["governedGlossaryTerms"]]))
        act.domain.shelf("asset").change(asset["id"], governedGlossaryTerms=terms)
        return {}

    def disassociate(self, act: Act, given: dict[str, Any]) -> Item:
        """Takes terms of restricted glossaries off an asset."""
        asset = self._of(act, given["entityIdentifier"])
        act.demand(asset["owningProjectId"], *WRITERS)
        gone = set(given["governedGlossaryTerms"])
        terms = [one for one in asset.get("governedGlossaryTerms") or [] if one not in gone]
        act.domain.shelf("asset").change(asset["id"], governedGlossaryTerms=terms)
        return {}

    def _of(self, act: Act, identifier: str) -> Item:
        return act.domain.find("asset", "Asset", identifier)
