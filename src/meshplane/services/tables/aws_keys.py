"""A key of KMS for each domain, by which its bucket encrypts what is put into it."""

import asyncio
import hashlib
from collections.abc import Sequence

from meshplane.events.consumer import Consumer
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.identity import own_arn
from meshplane.platform.aws.key_policy import domain_key_policy
from meshplane.platform.aws.keys import DomainKeys
from meshplane.platform.events import StoredEvent
from meshplane.platform.store import UnitOfWork
from meshplane.services.tables.aws_buckets import DomainBuckets


class BucketKeys:
    """Makes the keys, lets in whoever must, and has the buckets use them.

    Objects that were there before keep the key that they were written with.

    Args:
        keys: as the part `keys`.
        tables: as what the mesh writes and reads tables as.
        users: ARNs of that; none: asked for.
        readers: ARNs of who else reads tables past Lake Formation.
        shared: whether Lake Formation hands out credentials for buckets.
    """

    def __init__(
        self,
        keys: Aws,
        tables: Aws,
        users: Sequence[str] = (),
        readers: Sequence[str] = (),
        *,
        shared: bool = True,
    ) -> None:
        self._keys, self._place = DomainKeys(keys), tables.place
        self._buckets = DomainBuckets(tables)
        self._tables = tables
        # Two consumers follow new domains: without turns, each would make a key.
        self._turn = asyncio.Lock()
        self._users, self._readers, self._shared = tuple(users), tuple(readers), shared

    @property
    def consumers(self) -> tuple[Consumer, ...]:
        """The events that it follows.

        Who may use keys is part of the name: when that changes, the consumer is a new one, which
        begins with the oldest domain and so brings every key's policy to what it should be.
        """
        said = repr((self._users, self._readers, self._shared))
        of_users = hashlib.sha256(said.encode()).hexdigest()[:8]
        name = f"tables.aws-keys.{of_users}"
        domains = frozenset({"DomainCreated"})
        return (Consumer(name, domains, self._on_domain, "management-app.domains"),)

    async def of(self, domain: str) -> str:
        """The ARN of a domain's key, made where there is none.

        Args:
            domain: its name.

        Raises:
            Conflict: KEY_UNUSABLE.
            AwsRejected: MalformedPolicyDocumentException, where a role that the policy names is
                not there, or not yet.
        """
        users = self._users or (await own_arn(self._tables),)
        bucket = self._buckets.of(domain)
        policy = domain_key_policy(self._place, bucket, users, self._readers, shared=self._shared)
        async with self._turn:
            return (await self._keys.ensure(domain, policy)).arn

    async def _on_domain(self, work: UnitOfWork, event: StoredEvent) -> None:
        name = event.detail["domainName"]
        await self._buckets.prepare(self._buckets.of(name), await self.of(name))
