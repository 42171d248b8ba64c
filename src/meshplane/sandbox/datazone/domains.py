"""Domains: the one thing of DataZone that is not inside a domain."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from meshplane.sandbox.datazone.people import add_user
from meshplane.sandbox.datazone.state import (
    Act,
    Domain,
    Item,
    State,
    denied,
    invalid,
    missing,
    page_of,
)
from meshplane.sandbox.datazone.system_types import system_types
from meshplane.sandbox.fake import Caller, Handler

_MOST_LISTED = 25


class Domains:
    """Creates and shows domains.

    Args:
        state: of the service.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """By operation."""
        return {
            "CreateDomain": self.create,
            "GetDomain": self.get,
            "UpdateDomain": self.update,
            "ListDomains": self.list,
            "DeleteDomain": self.delete,
        }

    def create(self, caller: Caller, given: dict[str, Any]) -> Item:
        """A domain that is CREATING, with its root unit and its maker as its first user."""
        role = given.get("domainExecutionRole")
        if role is None:
            raise invalid("A domain needs a domainExecutionRole.")
        version = given.get("domainVersion", "V1")
        if version == "V2" and "serviceRole" not in given:
            raise invalid("A V2 domain needs a serviceRole.")
        for name in ("domainExecutionRole", "serviceRole"):
            if name in given and given[name].split(":")[4] != caller.account:
                raise invalid(f"The {name} is not of account {caller.account}.")
        token = given.pop("clientToken", "")
        if not token:
            return self._create(caller, given, version)
        key = ("CreateDomain", caller.account, caller.arn, token)
        return self._state.once(key, given, lambda: self._create(caller, given, version))

    def _create(self, caller: Caller, given: dict[str, Any], version: str) -> Item:
        identifier = f"dzd{'-' if version == 'V2' else '_'}{self._state.new_id()}"
        now, root = self._state.now(), self._state.new_id()
        item = {
            **given,
            "id": identifier,
            "arn": f"arn:aws:datazone:{caller.region}:{caller.account}:domain/{identifier}",
            "domainVersion": version,
            "managedAccountId": caller.account,
            "portalUrl": f"https://{identifier.replace('_', '-')}.datazone.{caller.region}.on.aws",
            "rootDomainUnitId": root,
            "status": "CREATING",
            "createdAt": now,
            "lastUpdatedAt": now,
            "_account": caller.account,
            "_region": caller.region,
            "_changing": now,
            "_looks": 0,
        }
        domain = Domain(self._state.world, item)
        self._state.domains[identifier] = domain
        maker = add_user(self._state, domain, caller.arn, "ACTIVATED")
        _furnish(domain, root, maker["id"], given["name"], now)
        act = Act(self._state, caller, domain, maker["id"], "")
        act.tell(
            "Domain Creation Succeeded", "DomainEntityType", item, None, {"name": item["name"]}
        )
        return item

    def get(self, caller: Caller, given: dict[str, Any]) -> Item:
        """The domain as it is; looking at one that is CREATING moves it on."""
        domain = self._of(caller, given["identifier"])
        self.settle(domain)
        shown = dict(domain.item)
        domain.item["_looks"] += 1
        return shown

    def update(self, caller: Caller, given: dict[str, Any]) -> Item:
        """Changes what is said of a domain."""
        domain = self._of(caller, given["identifier"])
        changes = {
            name: part for name, part in given.items() if name not in {"identifier", "clientToken"}
        }
        domain.item.update(changes, lastUpdatedAt=self._state.now())
        return domain.item

    def list(self, caller: Caller, given: dict[str, Any]) -> Item:
        """The domains of the caller's account."""
        found = []
        for domain in self._state.domains.values():
            if domain.item["_account"] != caller.account:
                continue
            self.settle(domain)
            if given.get("status", domain.item["status"]) == domain.item["status"]:
                found.append(domain.item)
        return page_of(found, {"maxResults": _MOST_LISTED, **given})

    def delete(self, caller: Caller, given: dict[str, Any]) -> Item:
        """Takes an empty domain away; or a full one, where that is asked."""
        domain = self._of(caller, given["identifier"])
        full = domain.shelf("project").all()
        if full and not (given.get("skipDeletionCheck") or given.get("cascadeDelete")):
            raise invalid(f"Domain {given['identifier']} has projects: delete them first.")
        del self._state.domains[given["identifier"]]
        return {"status": "DELETING"}

    def settle(self, domain: Domain) -> None:
        """Makes a domain AVAILABLE whose time has come."""
        if domain.item["status"] == "CREATING" and self._state.is_settled(domain.item, looks=0):
            domain.item["status"] = "AVAILABLE"

    def _of(self, caller: Caller, identifier: str) -> Domain:
        domain = self._state.domains.get(identifier)
        if domain is None:
            raise missing("Domain", identifier)
        if domain.item["_account"] != caller.account:
            raise denied(f"Account {caller.account} may not manage domain {identifier}.")
        return domain


def _furnish(domain: Domain, root: str, owner: str, name: str, now: datetime) -> None:
    """What every domain has from the start: its root unit, the policies of it, the system types."""
    domain.shelf("unit").put(
        root,
        {
            "id": root,
            "domainId": domain.item["id"],
            "name": name,
            "owners": [{"user": {"userId": owner}}],
            "ancestorDomainUnitIds": [],
            "createdAt": now,
            "createdBy": owner,
        },
    )
    # By default every user of a domain may make these in its root unit.
    for policy, detail in (
        ("CREATE_PROJECT", "createProject"),
        ("ADD_TO_PROJECT_MEMBER_POOL", "addToProjectMemberPool"),
    ):
        identifier = f"root{detail[:6]}"
        domain.shelf("policy").put(
            identifier,
            {
                "grantId": identifier,
                "principal": {"user": {"allUsersGrantFilter": {}}},
                "detail": {detail: {"includeChildDomainUnits": True}},
                "createdAt": now,
                "createdBy": owner,
                "_place": ("DOMAIN_UNIT", root, policy),
            },
        )
    for kind, types in system_types(domain.item["id"], now).items():
        for identifier, versions in types.items():
            domain.shelf(kind).put(identifier, versions)
