"""Where projects receive in DataZone what they subscribe to: an environment and a target each.

Needs AWS: the blueprint `CustomAwsService` is enabled here with no roles of its own; an account may
ask for more.
"""

import asyncio
from dataclasses import dataclass

from meshplane.kit.errors import Unavailable
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.datazone import (
    CONFLICT,
    MISSING,
    WAIT_SECONDS,
    DataZone,
    not_listed_yet,
    token_of,
)
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.aws.polling import until
from meshplane.services.subscriptions.ports import Subscriber

_BLUEPRINT = "CustomAwsService"
_NAME = "meshplane"
_TYPE = "MeshplaneSubscriptionTarget"


@dataclass(frozen=True, slots=True)
class Target:
    """A subscription target and the environment that it is of."""

    environment_id: str
    target_id: str


class DataZoneTargets:
    """Finds or makes the target of each project.

    Args:
        zone: the mesh's domain there.
        manage_access_role: ARN of the role that manages access in the targets.
        asset_type: the name of the asset type that they take.
    """

    def __init__(self, zone: DataZone, *, manage_access_role: str, asset_type: str) -> None:
        self._zone = zone
        self._manage_access_role = manage_access_role
        self._asset_type = asset_type
        self._blueprint: str | None = None
        self._found: dict[str, Target] = {}
        self._turn = asyncio.Lock()

    async def ensure(self, subscriber: Subscriber) -> Target:
        """The target of a project."""
        async with self._turn:
            if subscriber.portal_id not in self._found:
                environment = await self._environment(subscriber.portal_id)
                target = await self._target(subscriber, environment)
                self._found[subscriber.portal_id] = Target(environment, target)
            return self._found[subscriber.portal_id]

    async def _environment(self, project: str) -> str:
        domain = await self._zone.domain()
        pages = self._zone.aws.pages(
            "datazone",
            "list_environments",
            domainIdentifier=domain,
            projectIdentifier=project,
            name=_NAME,
        )
        found: str | None = None
        async for page in pages:
            for one in page["items"]:
                if one["name"] == _NAME:
                    found = str(one["id"])
        if found is None:
            found = await self._create_environment(domain, project)
        environment = found
        await until(
            "a project's environment in the portal is active",
            lambda: self._active(domain, environment),
            WAIT_SECONDS,
        )
        return environment

    async def _create_environment(self, domain: str, project: str) -> str:
        place = self._zone.aws.place
        try:
            made = await self._zone.aws.call(
                "datazone",
                "create_environment",
                domainIdentifier=domain,
                projectIdentifier=project,
                name=_NAME,
                environmentBlueprintIdentifier=await self._enabled_blueprint(domain),
                environmentAccountIdentifier=place.account,
                environmentAccountRegion=place.region,
            )
        except AwsRejected as error:
            if error.aws_code != CONFLICT:
                raise
            raise not_listed_yet() from error
        return str(made["id"])

    async def _active(self, domain: str, environment: str) -> bool | None:
        found = await self._zone.aws.call(
            "datazone", "get_environment", domainIdentifier=domain, identifier=environment
        )
        status = found.get("status", "")
        if status.endswith("FAILED"):
            raise Unavailable(
                "PORTAL_UNAVAILABLE",
                f"A project's environment in the portal is {status}. See to it there.",
            )
        return True if status == "ACTIVE" else None

    async def _enabled_blueprint(self, domain: str) -> str:
        """The id of the blueprint for environments of one's own, enabled in the mesh's region."""
        if self._blueprint is not None:
            return self._blueprint
        aws = self._zone.aws
        pages = aws.pages(
            "datazone",
            "list_environment_blueprints",
            domainIdentifier=domain,
            name=_BLUEPRINT,
            managed=True,
        )
        identifier: str | None = None
        async for page in pages:
            for one in page["items"]:
                identifier = str(one["id"])
        if identifier is None:
            raise Unavailable(
                "PORTAL_UNAVAILABLE", f"The portal has no blueprint {_BLUEPRINT}. See to it there."
            )
        regions = await _enabled_regions(aws, domain, identifier)
        if aws.place.region not in regions:
            await aws.call(
                "datazone",
                "put_environment_blueprint_configuration",
                domainIdentifier=domain,
                environmentBlueprintIdentifier=identifier,
                enabledRegions=[*regions, aws.place.region],
            )
        self._blueprint = identifier
        return identifier

    async def _target(self, subscriber: Subscriber, environment: str) -> str:
        domain = await self._zone.domain()
        pages = self._zone.aws.pages(
            "datazone",
            "list_subscription_targets",
            domainIdentifier=domain,
            environmentIdentifier=environment,
        )
        async for page in pages:
            for one in page["items"]:
                if one["name"] == _NAME:
                    return str(one["id"])
        try:
            made = await self._zone.aws.call(
                "datazone",
                "create_subscription_target",
                domainIdentifier=domain,
                environmentIdentifier=environment,
                name=_NAME,
                type=_TYPE,
                provider="meshplane",
                subscriptionTargetConfig=[],
                authorizedPrincipals=[self._manage_access_role],
                manageAccessRole=self._manage_access_role,
                applicableAssetTypes=[self._asset_type],
                subscriptionGrantCreationMode="MANUAL",
                clientToken=token_of("target", environment, self._manage_access_role),
            )
        except AwsRejected as error:
            if error.aws_code != CONFLICT:
                raise
            raise not_listed_yet() from error
        return str(made["id"])


async def _enabled_regions(aws: Aws, domain: str, blueprint: str) -> list[str]:
    try:
        found = await aws.call(
            "datazone",
            "get_environment_blueprint_configuration",
            domainIdentifier=domain,
            environmentBlueprintIdentifier=blueprint,
        )
    except AwsRejected as error:
        if error.aws_code == MISSING:
            return []
        raise
    return list(found.get("enabledRegions", ()))
