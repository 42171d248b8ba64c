"""Portals under test, one for each adapter, and other people's hands in them."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.datazone import DataZone
from meshplane.platform.aws.names import PORTAL_ASSET_TYPE
from meshplane.sandbox.server import AwsSandbox
from meshplane.services.assets.aws_portal import DataZoneAssets
from meshplane.services.assets.ports import AssetPortal
from meshplane.services.catalog.aws_portal import DataZoneGlossaries
from meshplane.services.catalog.ports import GlossaryPortal
from meshplane.services.domains.aws_portal import DataZoneDomains
from meshplane.services.domains.ports import DomainPortal
from meshplane.services.lineage.aws_portal import DataZoneLineage
from meshplane.services.lineage.ports import LineagePortal
from meshplane.services.projects.aws_portal import DataZoneProjects
from meshplane.services.projects.ports import ProjectPortal
from meshplane.services.quality.aws_portal import DataZoneQuality
from meshplane.services.quality.ports import QualityPortal
from meshplane.services.subscriptions.aws_portal import DataZoneSubscriptions
from meshplane.services.subscriptions.aws_portal_targets import DataZoneTargets
from meshplane.services.subscriptions.ports import SubscriptionPortal
from tests.builders.aws_sandbox import aws_as, aws_of, sandbox_in
from tests.builders.portal_twin import (
    PortalState,
    TwinAssets,
    TwinDomains,
    TwinGlossaries,
    TwinLineage,
    TwinOthers,
    TwinProjects,
    TwinQuality,
    TwinSubscriptions,
)

ACCOUNT = "111122223333"
MESH_ROLE = f"arn:aws:iam::{ACCOUNT}:role/meshplane"
STRANGER = f"arn:aws:iam::{ACCOUNT}:role/stranger"
_CHANGING = ("Create", "Update", "Delete", "Post", "Accept", "Reject", "Revoke", "Cancel", "Put")


def role_of(project_id: str) -> str:
    """The role that acts as a project."""
    return f"arn:aws:iam::{ACCOUNT}:role/project-{project_id}-role"


class Others(Protocol):
    """Other people's hands in a portal."""

    async def describe_domain(self, portal_id: str, text: str) -> None: ...

    async def delete_domain(self, portal_id: str) -> None: ...

    async def describe_project(self, portal_id: str, text: str) -> None: ...

    async def add_member(self, portal_id: str, role_arn: str) -> None: ...

    async def drop_member(self, portal_id: str, role_arn: str) -> None: ...

    async def describe_product(self, portal_id: str, text: str) -> None: ...

    async def withdraw_product(self, portal_id: str) -> None: ...

    async def describe_term(self, portal_id: str, text: str) -> None: ...

    async def delete_term(self, portal_id: str) -> None: ...

    async def put_term(self, portal_id: str, term: str) -> None: ...

    async def revise_form(self, name: str, model: str) -> None: ...

    async def accept(self, request_id: str) -> None: ...

    async def revoke(self, subscription_id: str) -> None: ...

    async def grant_state(self, subscription_id: str) -> str: ...

    async def reason(self, request_id: str) -> str: ...

    def changes(self) -> int: ...


@dataclass
class PortalUnderTest:
    """All ports of one portal. `new` makes names that no other test has."""

    domains: DomainPortal
    projects: ProjectPortal
    assets: AssetPortal
    subscriptions: SubscriptionPortal
    lineage: LineagePortal
    quality: QualityPortal
    glossaries: GlossaryPortal
    others: Others
    roles: "Roles | None"
    new: Callable[[str], str]

    def again(self) -> "PortalUnderTest":
        """The same portal, seen by a process that has just started."""
        return self if self.roles is None else datazone_portal(self.roles, self.new)


class DataZoneOthers:
    """Other people who are members of everything, by plain calls."""

    def __init__(self, sandbox: AwsSandbox, zone: DataZone) -> None:
        self._sandbox, self._zone = sandbox, zone

    async def describe_domain(self, portal_id: str, text: str) -> None:
        await self._call("update_domain_unit", identifier=portal_id, description=text)

    async def delete_domain(self, portal_id: str) -> None:
        await self._call("delete_domain_unit", identifier=portal_id)

    async def describe_project(self, portal_id: str, text: str) -> None:
        await self._call("update_project", identifier=portal_id, description=text)

    async def add_member(self, portal_id: str, role_arn: str) -> None:
        await self._call(
            "create_project_membership",
            projectIdentifier=portal_id,
            member={"userIdentifier": await self._zone.profile(role_arn)},
            designation="PROJECT_CATALOG_VIEWER",
        )

    async def drop_member(self, portal_id: str, role_arn: str) -> None:
        await self._call(
            "delete_project_membership",
            projectIdentifier=portal_id,
            member={"userIdentifier": await self._zone.profile(role_arn)},
        )

    async def describe_product(self, portal_id: str, text: str) -> None:
        known = await self._call("get_asset", identifier=portal_id)
        forms = [
            {"formName": one["formName"], "content": one["content"]} for one in known["formsOutput"]
        ]
        await self._call(
            "create_asset_revision",
            identifier=portal_id,
            name=known["name"],
            description=text,
            formsInput=forms,
        )

    async def withdraw_product(self, portal_id: str) -> None:
        await self._call(
            "create_listing_change_set",
            entityIdentifier=portal_id,
            entityType="ASSET",
            action="UNPUBLISH",
        )

    async def describe_term(self, portal_id: str, text: str) -> None:
        await self._call("update_glossary_term", identifier=portal_id, shortDescription=text)

    async def delete_term(self, portal_id: str) -> None:
        await self._call("update_glossary_term", identifier=portal_id, status="DISABLED")
        await self._call("delete_glossary_term", identifier=portal_id)

    async def put_term(self, portal_id: str, term: str) -> None:
        known = await self._call("get_asset", identifier=portal_id)
        forms = [
            {
                "formName": one["formName"],
                "typeIdentifier": one["typeName"],
                "typeRevision": one["typeRevision"],
                "content": one["content"],
            }
            for one in known["formsOutput"]
        ]
        await self._call(
            "create_asset_revision",
            identifier=portal_id,
            name=known["name"],
            description=known["description"],
            formsInput=forms,
            glossaryTerms=[*known.get("glossaryTerms", ()), term],
        )

    async def revise_form(self, name: str, model: str) -> None:
        await self._call(
            "create_form_type",
            name=name,
            model={"smithy": model},
            owningProjectIdentifier=await self._zone.types_project(),
            status="ENABLED",
        )

    async def accept(self, request_id: str) -> None:
        await self._call("accept_subscription_request", identifier=request_id)

    async def revoke(self, subscription_id: str) -> None:
        await self._call("revoke_subscription", identifier=subscription_id)

    async def grant_state(self, subscription_id: str) -> str:
        found = await self._call("list_subscription_grants", subscriptionId=subscription_id)
        states = [asset["status"] for one in found["items"] for asset in one["assets"]]
        return ",".join(states)

    async def reason(self, request_id: str) -> str:
        found = await self._call("get_subscription_request_details", identifier=request_id)
        return str(found["requestReason"])

    def changes(self) -> int:
        calls = [one for one in self._sandbox.calls.all() if one.service == "datazone"]
        return sum(one.operation.startswith(_CHANGING) for one in calls)

    async def _call(self, operation: str, **given: Any) -> dict[str, Any]:
        domain = await self._zone.domain()
        return await self._zone.aws.call("datazone", operation, domainIdentifier=domain, **given)


class Roles:
    """AWS as the roles of an account see it, over connections that all of them share.

    Args:
        sandbox: where.
        place: of `AwsPlace`.
    """

    def __init__(self, sandbox: AwsSandbox, **place: Any) -> None:
        self.sandbox = sandbox
        self._root = aws_of(sandbox, ACCOUNT, **place)
        self._made: set[str] = set()

    def of(self, role_arn: str) -> Aws:
        """AWS as a role sees it; the role is made where it is missing."""
        if role_arn not in self._made:
            aws_as(self.sandbox, role_arn)
            self._made.add(role_arn)
        return self._root.as_role(role_arn, "test")


def datazone_portal(roles: Roles, new: Callable[[str], str]) -> PortalUnderTest:
    """DataZone in a sandbox, as a mesh sees it that has just started."""
    sandbox = roles.sandbox
    zone = DataZone(
        roles.of(MESH_ROLE),
        name="meshplane",
        execution_role=f"arn:aws:iam::{ACCOUNT}:role/execution",
        acting=lambda project_id: roles.of(role_of(project_id)),
        wait_seconds=10,
    )
    targets = DataZoneTargets(zone, manage_access_role=MESH_ROLE, asset_type=PORTAL_ASSET_TYPE)
    return PortalUnderTest(
        DataZoneDomains(zone),
        DataZoneProjects(zone),
        DataZoneAssets(zone),
        DataZoneSubscriptions(zone, targets),
        DataZoneLineage(zone),
        DataZoneQuality(zone),
        DataZoneGlossaries(zone),
        DataZoneOthers(sandbox, zone),
        roles,
        new,
    )


def _names() -> Callable[[str], str]:
    numbers = itertools.count(1)
    return lambda kind: f"{kind}-{next(numbers)}"


@contextmanager
def _twin() -> Iterator[PortalUnderTest]:
    state = PortalState()
    yield PortalUnderTest(
        TwinDomains(state),
        TwinProjects(state),
        TwinAssets(state),
        TwinSubscriptions(state),
        TwinLineage(state),
        TwinQuality(state),
        TwinGlossaries(state),
        TwinOthers(state),
        None,
        _names(),
    )


@contextmanager
def _datazone() -> Iterator[PortalUnderTest]:
    with sandbox_in() as sandbox:
        yield datazone_portal(Roles(sandbox), _names())


PORTALS: dict[str, Callable[[], AbstractContextManager[PortalUnderTest]]] = {
    "twin": _twin,
    "datazone": _datazone,
}
"""By adapter: a portal that has nothing in it."""
