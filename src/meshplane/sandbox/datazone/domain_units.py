"""Units of a domain, their owners, and the policies that let users make things in them."""

import hashlib
from collections.abc import Mapping
from typing import Any

from meshplane.sandbox.datazone.people import find_group, find_user
from meshplane.sandbox.datazone.state import Act, Item, conflict, denied, invalid, missing, page_of

_DETAILS = {
    "CREATE_DOMAIN_UNIT": "createDomainUnit",
    "OVERRIDE_DOMAIN_UNIT_OWNERS": "overrideDomainUnitOwners",
    "ADD_TO_PROJECT_MEMBER_POOL": "addToProjectMemberPool",
    "OVERRIDE_PROJECT_OWNERS": "overrideProjectOwners",
    "CREATE_GLOSSARY": "createGlossary",
    "CREATE_FORM_TYPE": "createFormType",
    "CREATE_ASSET_TYPE": "createAssetType",
    "CREATE_PROJECT": "createProject",
    "CREATE_ENVIRONMENT_PROFILE": "createEnvironmentProfile",
    "DELEGATE_CREATE_ENVIRONMENT_PROFILE": "delegateCreateEnvironmentProfile",
    "CREATE_ENVIRONMENT": "createEnvironment",
    "CREATE_ENVIRONMENT_FROM_BLUEPRINT": "createEnvironmentFromBlueprint",
    "CREATE_PROJECT_FROM_PROJECT_PROFILE": "createProjectFromProjectProfile",
    "USE_ASSET_TYPE": "useAssetType",
}


def owns_unit(act: Act, unit_id: str) -> bool:
    """Whether the caller owns a unit or one that it lies in."""
    unit = act.domain.find("unit", "Domain unit", unit_id)
    places = [unit_id, *unit["ancestorDomainUnitIds"]]
    return any(
        {"user": {"userId": act.user}} in act.domain.find("unit", "Domain unit", place)["owners"]
        for place in places
    )


def may_make(act: Act, policy: str, unit_id: str) -> bool:
    """Whether a policy of a unit, or of one that it lies in, lets the caller make something."""
    if owns_unit(act, unit_id):
        return True
    unit = act.domain.find("unit", "Domain unit", unit_id)
    for grant in act.domain.shelf("policy").all():
        kind, place, granted = grant["_place"]
        detail = grant["detail"].get(_DETAILS[policy]) or {}
        reaches = place == unit_id or (
            place in unit["ancestorDomainUnitIds"] and detail.get("includeChildDomainUnits")
        )
        if kind == "DOMAIN_UNIT" and granted == policy and reaches:
            user = grant["principal"].get("user")
            if user is not None and (
                "allUsersGrantFilter" in user or user.get("userIdentifier") == act.user
            ):
                return True
    return False


class DomainUnits:
    """Units, owners and policy grants."""

    @property
    def handlers(self) -> Mapping[str, Any]:
        """By operation."""
        return {
            "CreateDomainUnit": self.create,
            "GetDomainUnit": self.get,
            "UpdateDomainUnit": self.update,
            "DeleteDomainUnit": self.delete,
            "ListDomainUnitsForParent": self.list,
            "AddEntityOwner": self.add_owner,
            "RemoveEntityOwner": self.remove_owner,
            "ListEntityOwners": self.owners,
            "AddPolicyGrant": self.add_grant,
            "RemovePolicyGrant": self.remove_grant,
            "ListPolicyGrants": self.grants,
        }

    def create(self, act: Act, given: dict[str, Any]) -> Item:
        """A unit in another; its maker owns it."""
        parent_id = given["parentDomainUnitIdentifier"]
        parent = act.domain.find("unit", "Domain unit", parent_id)
        if not may_make(act, "CREATE_DOMAIN_UNIT", parent_id):
            raise denied(f"User is not permitted to create units in {parent_id}.")
        self._demand_free(act, parent_id, given["name"])
        unit = {
            **act.made(),
            "id": act.state.new_id(),
            "name": given["name"],
            "description": given.get("description"),
            "parentDomainUnitId": parent_id,
            "owners": [{"user": {"userId": act.user}}],
            "ancestorDomainUnitIds": [parent_id, *parent["ancestorDomainUnitIds"]],
        }
        act.domain.shelf("unit").put(unit["id"], unit)
        act.tell("Domain Unit Created", "DomainUnitEntityType", unit, None, {"name": unit["name"]})
        return unit

    def get(self, act: Act, given: dict[str, Any]) -> Item:
        """A unit by id."""
        return act.domain.find("unit", "Domain unit", given["identifier"])

    def update(self, act: Act, given: dict[str, Any]) -> Item:
        """Changes name and description."""
        unit = self.get(act, given)
        self._demand_owner(act, unit["id"])
        changes: Item = {name: given[name] for name in ("name", "description") if name in given}
        if changes.get("name", unit["name"]) != unit["name"]:
            self._demand_free(act, unit["parentDomainUnitId"], changes["name"])
        changed = {
            **changes,
            **act.changed(),
            "lastUpdatedBy": act.user,
        }
        done = act.domain.shelf("unit").change(unit["id"], **changed)
        act.tell("Domain Unit Updated", "DomainUnitEntityType", done, None, {"name": done["name"]})
        return done

    def delete(self, act: Act, given: dict[str, Any]) -> Item:
        """Takes an empty unit away."""
        unit = self.get(act, given)
        self._demand_owner(act, unit["id"])
        inside = [
            one
            for one in act.domain.shelf("unit").all() + act.domain.shelf("project").all()
            if unit["id"] in (one.get("parentDomainUnitId"), one.get("domainUnitId"))
        ]
        if inside or unit["id"] == act.domain.item["rootDomainUnitId"]:
            raise conflict(f"Domain unit {unit['id']} is not empty.")
        act.domain.shelf("unit").remove(unit["id"])
        act.tell("Domain Unit Deleted", "DomainUnitEntityType", unit, None, {"name": unit["name"]})
        return {}

    def list(self, act: Act, given: dict[str, Any]) -> Item:
        """The units right inside another."""
        parent_id = given["parentDomainUnitIdentifier"]
        act.domain.find("unit", "Domain unit", parent_id)
        found = [
            unit
            for unit in act.domain.shelf("unit").listed()
            if unit.get("parentDomainUnitId") == parent_id
        ]
        return page_of(found, given)

    def add_owner(self, act: Act, given: dict[str, Any]) -> Item:
        """Makes a user or a group an owner of a unit."""
        unit = act.domain.find("unit", "Domain unit", given["entityIdentifier"])
        self._demand_owner(act, unit["id"])
        owner = self._owner(act, given["owner"])
        if owner in unit["owners"]:
            raise conflict("It is an owner of the unit already.")
        act.domain.shelf("unit").change(unit["id"], owners=[*unit["owners"], owner])
        act.tell("Domain Unit Owner Added", "DomainUnitEntityType", unit, None, {"owner": owner})
        return {}

    def remove_owner(self, act: Act, given: dict[str, Any]) -> Item:
        """Takes an owner away; one must be left."""
        unit = act.domain.find("unit", "Domain unit", given["entityIdentifier"])
        self._demand_owner(act, unit["id"])
        gone = self._owner(act, given["owner"])
        left = [one for one in unit["owners"] if one != gone]
        if not left:
            raise invalid("A unit keeps an owner.")
        act.domain.shelf("unit").change(unit["id"], owners=left)
        act.tell("Domain Unit Owner Removed", "DomainUnitEntityType", unit, None, {"owner": gone})
        return {}

    def owners(self, act: Act, given: dict[str, Any]) -> Item:
        """Who owns a unit."""
        unit = act.domain.find("unit", "Domain unit", given["entityIdentifier"])
        return page_of(unit["owners"], given, "owners")

    def add_grant(self, act: Act, given: dict[str, Any]) -> Item:
        """Lets somebody make things in a unit."""
        place = (given["entityType"], given["entityIdentifier"], given["policyType"])
        if given["entityType"] == "DOMAIN_UNIT":
            act.domain.find("unit", "Domain unit", given["entityIdentifier"])
            self._demand_owner(act, given["entityIdentifier"])
        if _DETAILS[given["policyType"]] not in given["detail"]:
            raise invalid(f"The detail is not one of {given['policyType']}.")
        same = [
            one
            for one in act.domain.shelf("policy").all()
            if (one["_place"], one["principal"]) == (place, given["principal"])
        ]
        if same:
            raise conflict("The principal has this policy grant already.")
        number = act.state.world.number("datazone policy")
        grant_id = hashlib.sha256(str(number).encode()).hexdigest()[:10]
        grant = {
            **act.made(),
            "grantId": grant_id,
            "principal": given["principal"],
            "detail": given["detail"],
            "_place": place,
        }
        return act.domain.shelf("policy").put(grant_id, grant)

    def remove_grant(self, act: Act, given: dict[str, Any]) -> Item:
        """Takes a policy grant away."""
        if given["entityType"] == "DOMAIN_UNIT":
            self._demand_owner(act, given["entityIdentifier"])
        place = (given["entityType"], given["entityIdentifier"], given["policyType"])
        for key, grant in [(one["grantId"], one) for one in act.domain.shelf("policy").all()]:
            if (grant["_place"], grant["principal"]) == (place, given["principal"]):
                act.domain.shelf("policy").remove(key)
        return {}

    def grants(self, act: Act, given: dict[str, Any]) -> Item:
        """The policy grants of a kind on something."""
        place = (given["entityType"], given["entityIdentifier"], given["policyType"])
        found = [one for one in act.domain.shelf("policy").listed() if one["_place"] == place]
        return page_of(found, given, "grantList")

    def _owner(self, act: Act, given: dict[str, Any]) -> Item:
        if "user" in given:
            user = find_user(act.domain, given["user"]["userIdentifier"])
            if user is None:
                raise missing("User profile", given["user"]["userIdentifier"])
            return {"user": {"userId": user["id"]}}
        group = find_group(act.domain, given["group"]["groupIdentifier"])
        if group is None:
            raise missing("Group profile", given["group"]["groupIdentifier"])
        return {"group": {"groupId": group["id"]}}

    def _demand_owner(self, act: Act, unit_id: str) -> None:
        if not owns_unit(act, unit_id):
            raise denied(f"User does not own domain unit {unit_id}.")

    def _demand_free(self, act: Act, parent_id: str, name: str) -> None:
        for unit in act.domain.shelf("unit").all():
            if (unit.get("parentDomainUnitId"), unit["name"]) == (parent_id, name):
                raise conflict(f"A unit {name} exists in {parent_id}.")
