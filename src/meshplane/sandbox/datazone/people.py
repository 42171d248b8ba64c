"""Users and groups of a domain: who may act in it."""

from collections.abc import Mapping
from typing import Any

from meshplane.sandbox.datazone.state import (
    Act,
    Domain,
    Item,
    State,
    invalid,
    missing,
    page_of,
)
from meshplane.sandbox.fake import Caller

_KINDS = {"IAM_ROLE": ":role/", "IAM_USER": ":user/"}


def add_user(state: State, domain: Domain, arn: str, status: str) -> Item:
    """Makes a principal of IAM a user of a domain."""
    profile = {
        "id": state.new_uuid(),
        "domainId": domain.item["id"],
        "type": "IAM",
        "status": status,
        "details": {"iam": {"arn": arn}},
        "_name": arn,
    }
    return domain.shelf("user").put(profile["id"], profile)


def find_user(domain: Domain, identifier: str) -> Item | None:
    """The user with that id, ARN or name."""
    known = domain.shelf("user").get(identifier)
    if known is not None:
        return known
    return next((one for one in domain.shelf("user").all() if one["_name"] == identifier), None)


def find_group(domain: Domain, identifier: str) -> Item | None:
    """The group with that id or name."""
    known = domain.shelf("group").get(identifier)
    if known is not None:
        return known
    return next(
        (one for one in domain.shelf("group").all() if one["groupName"] == identifier), None
    )


def user_of(domain: Domain, caller: Caller) -> str | None:
    """The id of the profile that a caller acts with; None if he is no user of the domain."""
    profile = find_user(domain, caller.arn)
    return None if profile is None or profile["status"] == "DEACTIVATED" else profile["id"]


class People:
    """Users and groups."""

    @property
    def handlers(self) -> Mapping[str, Any]:
        """By operation."""
        return {
            "CreateUserProfile": self.create_user,
            "GetUserProfile": self.get_user,
            "UpdateUserProfile": self.update_user,
            "SearchUserProfiles": self.search_users,
            "CreateGroupProfile": self.create_group,
            "GetGroupProfile": self.get_group,
            "SearchGroupProfiles": self.search_groups,
        }

    def create_user(self, act: Act, given: dict[str, Any]) -> Item:
        """A user of the domain: a role or user of IAM, or one of single sign-on."""
        name, kind = given["userIdentifier"], given.get("userType", "IAM_ROLE")
        if kind in _KINDS and _KINDS[kind] not in name:
            raise invalid(f"{name} is not the ARN of an {kind}.")
        if find_user(act.domain, name) is not None:
            raise invalid(f"{name} is a user of the domain already.")
        if kind in _KINDS:
            return add_user(act.state, act.domain, name, "ASSIGNED")
        profile = {
            "id": act.state.new_uuid(),
            "domainId": act.domain_id,
            "type": "SSO",
            "status": "ASSIGNED",
            "details": {"sso": {"username": name}},
            "_name": name,
        }
        return act.domain.shelf("user").put(profile["id"], profile)

    def get_user(self, act: Act, given: dict[str, Any]) -> Item:
        """A user by id, ARN or name."""
        found = find_user(act.domain, given["userIdentifier"])
        if found is None or given.get("type", found["type"]) != found["type"]:
            raise missing("User profile", given["userIdentifier"])
        return found

    def update_user(self, act: Act, given: dict[str, Any]) -> Item:
        """Activates a user or shuts him out."""
        found = self.get_user(act, given)
        return act.domain.shelf("user").change(found["id"], status=given["status"])

    def search_users(self, act: Act, given: dict[str, Any]) -> Item:
        """Users of a kind whose name holds the text."""
        kind = {"DATAZONE_IAM_USER": "IAM", "SSO_USER": "SSO", "DATAZONE_SSO_USER": "SSO"}.get(
            given["userType"]
        )
        text = given.get("searchText", "").lower()
        found = [
            user
            for user in act.domain.shelf("user").listed()
            if kind in (None, user["type"]) and text in user["_name"].lower()
        ]
        return page_of(found, given)

    def create_group(self, act: Act, given: dict[str, Any]) -> Item:
        """A group of single sign-on."""
        name = given.get("groupIdentifier") or given.get("rolePrincipalArn")
        if name is None:
            raise invalid("A group needs a groupIdentifier.")
        if find_group(act.domain, name) is not None:
            raise invalid(f"{name} is a group of the domain already.")
        group = {
            "id": act.state.new_uuid(),
            "domainId": act.domain_id,
            "status": "ASSIGNED",
            "groupName": name,
        }
        return act.domain.shelf("group").put(group["id"], group)

    def get_group(self, act: Act, given: dict[str, Any]) -> Item:
        """A group by id or name."""
        found = find_group(act.domain, given["groupIdentifier"])
        if found is None:
            raise missing("Group profile", given["groupIdentifier"])
        return found

    def search_groups(self, act: Act, given: dict[str, Any]) -> Item:
        """Groups whose name holds the text."""
        text = given.get("searchText", "").lower()
        groups = act.domain.shelf("group").listed()
        return page_of([one for one in groups if text in one["groupName"].lower()], given)
