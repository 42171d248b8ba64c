"""Brings registered locations to Lake Formation, and tells what differs there."""

from collections.abc import Sequence

from meshplane.boundary.actor import Actor, service_actor
from meshplane.events.consumer import Consumer
from meshplane.platform.aws.calls import Aws
from meshplane.platform.events import StoredEvent
from meshplane.platform.store import Store, UnitOfWork
from meshplane.services.domains.api import DomainsApi, DomainSummary
from meshplane.services.lake.aws_settings import (
    deregister_location,
    location,
    register_location,
)
from meshplane.services.lake.compiling import location_arn
from meshplane.services.lake.store import LAKE_LOCATIONS

_PAGE = 200


class LocationProjection:
    """Keeps Lake Formation's registered places as the mesh has them.

    Each domain's bucket is registered whole, as its tables lie there; a location of the mesh below
    it is what may be granted.

    Args:
        aws: as an administrator of the data lake.
        domains: has the buckets.
        store: has the locations.
        role_arn: reads and writes in the buckets for Lake Formation; None: the service-linked role.
        hybrid: whether IAM goes on to decide for those who have not opted in.
    """

    def __init__(
        self,
        aws: Aws,
        domains: DomainsApi,
        store: Store,
        role_arn: str | None = None,
        *,
        hybrid: bool = False,
    ) -> None:
        self._aws = aws
        self._domains = domains
        self._store = store
        self._role_arn = role_arn
        self._hybrid = hybrid

    @property
    def consumers(self) -> tuple[Consumer, ...]:
        """The events that it follows."""
        return (
            Consumer(
                "lake.aws-buckets",
                frozenset({"DomainCreated"}),
                self._on_domain,
                "management-app.domains",
            ),
            Consumer(
                "lake.aws-locations",
                frozenset({"LakeLocationRegistered", "LakeLocationRemoved"}),
                self._on_location,
                "management-app.lake",
            ),
        )

    async def project(self, actor: Actor, domain_id: str) -> None:
        """Registers a domain's bucket and its locations; done again, it changes nothing.

        Raises:
            AwsRejected, AwsUnavailable: as `Aws.call`.
        """
        domain = await self._domains.find(actor, domain_id)
        if domain is None:
            return
        for arn in await self._arns(domain):
            await register_location(self._aws, arn, self._role_arn, hybrid=self._hybrid)

    async def drift(self, actor: Actor, domain_ids: Sequence[str]) -> list[str]:
        """The places of some domains that Lake Formation does not know, or knows otherwise."""
        found = []
        for domain_id in domain_ids:
            domain = await self._domains.find(actor, domain_id)
            for arn in await self._arns(domain) if domain is not None else ():
                held = await location(self._aws, arn)
                is_other = held is not None and (
                    (self._role_arn is not None and held.get("RoleArn") != self._role_arn)
                    or bool(held.get("HybridAccessEnabled")) != self._hybrid
                )
                if held is None or is_other:
                    found.append(arn)
        return found

    async def _on_domain(self, work: UnitOfWork, event: StoredEvent) -> None:
        await self.project(service_actor("lake", None), event.detail["domainId"])

    async def _on_location(self, work: UnitOfWork, event: StoredEvent) -> None:
        actor = service_actor("lake", event.detail["by"] or None)
        domain = await self._domains.find(actor, event.detail["domainId"])
        if domain is None:
            return
        arn = location_arn(domain.bucket, event.detail["path"])
        # Events may come late and again: what counts is what is registered now.
        if arn in await self._arns(domain):
            await register_location(self._aws, arn, self._role_arn, hybrid=self._hybrid)
        else:
            await deregister_location(self._aws, arn)

    async def _arns(self, domain: DomainSummary) -> list[str]:
        found = [location_arn(domain.bucket, "")]
        cursor: str | None = None
        while True:
            page = await self._store.begin().query(
                LAKE_LOCATIONS, domain.domain_id, index="byDomain", limit=_PAGE, cursor=cursor
            )
            found += [row.item["arn"] for row in page.rows]
            cursor = page.cursor
            if cursor is None:
                return found
