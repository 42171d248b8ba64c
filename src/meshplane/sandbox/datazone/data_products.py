"""Data products: assets that are published together."""

from collections.abc import Mapping
from typing import Any

from meshplane.sandbox.datazone.assets import demand_terms
from meshplane.sandbox.datazone.projects import WRITERS
from meshplane.sandbox.datazone.state import Act, Item, conflict, missing, page_of
from meshplane.sandbox.datazone.types import fitted_forms

_NO_FORMS: Item = {"name": "DataProduct", "formsOutput": {}}


class DataProducts:
    """Data products of projects."""

    @property
    def handlers(self) -> Mapping[str, Any]:
        """By operation."""
        return {
            "CreateDataProduct": self.create,
            "CreateDataProductRevision": self.revise,
            "GetDataProduct": self.get,
            "ListDataProductRevisions": self.revisions,
            "DeleteDataProduct": self.delete,
        }

    def create(self, act: Act, given: dict[str, Any]) -> Item:
        """A data product of a project."""
        project = given["owningProjectIdentifier"]
        act.domain.find("project", "Project", project)
        act.demand(project, *WRITERS)
        made = act.made()
        product = {
            **made,
            **self._said(act, given, project),
            "id": act.state.new_id(),
            "owningProjectId": project,
            "revision": "1",
            "firstRevisionCreatedAt": made["createdAt"],
            "firstRevisionCreatedBy": act.user,
            "_versions": {},
        }
        return act.domain.shelf("dataProduct").put(product["id"], product)

    def revise(self, act: Act, given: dict[str, Any]) -> Item:
        """The next revision of a data product."""
        known = act.domain.find("dataProduct", "Data product", given["identifier"])
        act.demand(known["owningProjectId"], *WRITERS)
        product = {
            **known,
            **self._said(act, given, known["owningProjectId"]),
            "createdAt": act.now(),
            "createdBy": act.user,
            "revision": str(int(known["revision"]) + 1),
            "_versions": {**known["_versions"], known["revision"]: known},
        }
        act.tell("Data Product Revised", "DataProductEntityType", product,
                 known["owningProjectId"], {"name": product["name"]})  # fmt: skip
        return act.domain.shelf("dataProduct").put(product["id"], product)

    def get(self, act: Act, given: dict[str, Any]) -> Item:
        """A revision of a data product, the latest where none is named."""
        known = act.domain.find("dataProduct", "Data product", given["identifier"])
        revision = given.get("revision", known["revision"])
        if revision == known["revision"]:
            return known
        if revision not in known["_versions"]:
            raise missing(f"Revision {revision} of data product", known["id"])
        older: Item = known["_versions"][revision]
        return older

    def revisions(self, act: Act, given: dict[str, Any]) -> Item:
        """All revisions, latest first."""
        known = act.domain.find("dataProduct", "Data product", given["identifier"])
        return page_of([known, *reversed(known["_versions"].values())], given)

    def delete(self, act: Act, given: dict[str, Any]) -> Item:
        """Takes a data product away that is not listed."""
        known = act.domain.find("dataProduct", "Data product", given["identifier"])
        act.demand(known["owningProjectId"], *WRITERS)
        for listing in act.domain.shelf("listing").all():
            ours = listing["_entity"] == ("DATA_PRODUCT", known["id"])
            if ours and listing["status"] != "INACTIVE":
                raise conflict(f"Data product {known['id']} is listed: unpublish it first.")
        act.domain.shelf("dataProduct").remove(known["id"])
        return {}

    def _said(self, act: Act, given: Item, project: str) -> Item:
        for item in given.get("items", ()):
            asset = act.domain.find("asset", "Asset", item["identifier"])
            if asset["owningProjectId"] != project:
                raise conflict(f"Asset {asset['id']} is of another project.")
        demand_terms(act, given.get("glossaryTerms", ()))
        return {
            "name": given["name"],
            "description": given.get("description"),
            "glossaryTerms": given.get("glossaryTerms"),
            "items": given.get("items"),
            "formsOutput": fitted_forms(act, _NO_FORMS, given.get("formsInput", ())),
            "status": "CREATED",
        }
