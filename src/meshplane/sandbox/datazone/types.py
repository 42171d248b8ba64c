"""Form types and asset types, and whether forms fit them."""

from collections.abc import Mapping, Sequence
from typing import Any

from meshplane.sandbox.datazone.forms import check_content, read_model
from meshplane.sandbox.datazone.projects import WRITERS
from meshplane.sandbox.datazone.state import Act, Item, conflict, invalid, missing

_SYSTEM = "amazon.datazone."


def version_of(act: Act, kind: str, what: str, name: str, revision: str | None) -> Item:
    """A version of a type; the latest where none is named.

    Raises:
        FakeError: ResourceNotFoundException.
    """
    latest = act.domain.find(kind, what, name)
    if revision in (None, latest["revision"]):
        return latest
    older: Item | None = latest["_versions"].get(revision)
    if older is None:
        raise missing(f"Revision {revision} of {what.lower()}", name)
    return older


def fitted_forms(act: Act, asset_type: Item, given: Sequence[Item]) -> list[Item]:
    """The forms of an asset as they are kept, if they fit its type.

    Forms that the type names must be of that form type in that very revision; others may be added,
    as metadata forms, by naming their type.

    Raises:
        FakeError: ValidationException, ResourceNotFoundException.
    """
    found: dict[str, Item] = {}
    for form in given:
        name = form["formName"]
        if name in found:
            raise invalid(f"Form {name} is given twice.")
        declared = asset_type["formsOutput"].get(name)
        if declared is not None:
            _demand_declared(name, form, declared)
            type_name, revision = declared["typeName"], declared["typeRevision"]
        else:
            if "typeIdentifier" not in form:
                raise invalid(f"Form {name} is not of {asset_type['name']}: give its type.")
            type_name, revision = form["typeIdentifier"], form.get("typeRevision")
        form_type = version_of(act, "formType", "Form type", type_name, revision)
        if declared is None and form_type["status"] != "ENABLED":
            raise invalid(f"Form type {type_name} is not enabled.")
        model = read_model(type_name, form_type["model"]["smithy"])
        check_content(name, model, form.get("content"))
        found[name] = {
            "formName": name,
            "typeName": form_type["name"],
            "typeRevision": form_type["revision"],
            "content": form.get("content") or "{}",
        }
    for name, declared in asset_type["formsOutput"].items():
        if declared.get("required") and name not in found:
            raise invalid(f"An asset of {asset_type['name']} needs form {name}.")
    return list(found.values())


def _demand_declared(name: str, form: Item, declared: Item) -> None:
    given = (
        form.get("typeIdentifier", declared["typeName"]),
        form.get("typeRevision", declared["typeRevision"]),
    )
    if given != (declared["typeName"], declared["typeRevision"]):
        raise invalid(
            f"Form {name} expected form {declared['typeName']}@{declared['typeRevision']} but was "
            f"provided {given[0]}@{given[1]}"
        )


class Types:
    """Form types and asset types."""

    @property
    def handlers(self) -> Mapping[str, Any]:
        """By operation."""
        return {
            "CreateFormType": self.create_form_type,
            "GetFormType": self.get_form_type,
            "DeleteFormType": self.delete_form_type,
            "CreateAssetType": self.create_asset_type,
            "GetAssetType": self.get_asset_type,
            "DeleteAssetType": self.delete_asset_type,
        }

    def create_form_type(self, act: Act, given: dict[str, Any]) -> Item:
        """A form type, or the next revision of one of the same project."""
        name, project = given["name"], given["owningProjectIdentifier"]
        self._demand_writer(act, name, project)
        read_model(name, given["model"]["smithy"])
        members = {
            "model": given["model"],
            "status": given.get("status", "DISABLED"),
            "description": given.get("description"),
        }
        return self._next(act, "formType", name, project, members)

    def create_asset_type(self, act: Act, given: dict[str, Any]) -> Item:
        """An asset type, or the next revision of one of the same project."""
        name, project = given["name"], given["owningProjectIdentifier"]
        self._demand_writer(act, name, project)
        forms: Item = {}
        for form, entry in given["formsInput"].items():
            found = version_of(
                act, "formType", "Form type", entry["typeIdentifier"], entry["typeRevision"]
            )
            if found["status"] != "ENABLED":
                raise invalid(f"Form type {found['name']} is not enabled.")
            forms[form] = {
                "typeName": found["name"],
                "typeRevision": found["revision"],
                "required": entry.get("required", False),
            }
        members = {"formsOutput": forms, "description": given.get("description")}
        return self._next(act, "assetType", name, project, members)

    def get_form_type(self, act: Act, given: dict[str, Any]) -> Item:
        """A revision of a form type."""
        return version_of(
            act, "formType", "Form type", given["formTypeIdentifier"], given.get("revision")
        )

    def get_asset_type(self, act: Act, given: dict[str, Any]) -> Item:
        """A revision of an asset type."""
        return version_of(
            act, "assetType", "Asset type", given["identifier"], given.get("revision")
        )

    def delete_form_type(self, act: Act, given: dict[str, Any]) -> Item:
        """Takes a form type away that no asset type names."""
        name = given["formTypeIdentifier"]
        found = act.domain.find("formType", "Form type", name)
        self._demand_writer(act, name, found.get("owningProjectId", ""))
        for asset_type in act.domain.shelf("assetType").all():
            if any(one["typeName"] == name for one in asset_type["formsOutput"].values()):
                raise conflict(f"Form type {name} is in use by {asset_type['name']}.")
        act.domain.shelf("formType").remove(name)
        return {}

    def delete_asset_type(self, act: Act, given: dict[str, Any]) -> Item:
        """Takes an asset type away that no asset has."""
        name = given["identifier"]
        found = act.domain.find("assetType", "Asset type", name)
        self._demand_writer(act, name, found["owningProjectId"])
        if any(one["typeIdentifier"] == name for one in act.domain.shelf("asset").all()):
            raise conflict(f"Asset type {name} is in use.")
        act.domain.shelf("assetType").remove(name)
        return {}

    def _next(self, act: Act, kind: str, name: str, project: str, members: Item) -> Item:
        known = act.domain.shelf(kind).get(name)
        if known is not None and known["owningProjectId"] != project:
            raise conflict(f"{name} belongs to another project.")
        number = int(known["revision"]) + 1 if known else 1
        older = {**known["_versions"], known["revision"]: known} if known else {}
        made = act.made()
        item = {
            **made,
            "createdAt": known["createdAt"] if known else made["createdAt"],
            **members,
            "name": name,
            "revision": str(number),
            "owningProjectId": project,
            "originDomainId": act.domain_id,
            "originProjectId": project,
            "_versions": older,
        }
        return act.domain.shelf(kind).put(name, item)

    def _demand_writer(self, act: Act, name: str, project: str) -> None:
        if name.startswith(_SYSTEM):
            raise invalid(f"{name} is a type of the system.")
        act.domain.find("project", "Project", project)
        act.demand(project, *WRITERS)
