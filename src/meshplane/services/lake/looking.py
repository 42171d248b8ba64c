"""Looks for drift: reads both sides, compares them, looks again at what differs, and plans."""

import asyncio
from collections.abc import Container, Iterable
from dataclasses import dataclass

from meshplane.boundary.actor import Actor
from meshplane.kit.clock import Clock, from_text
from meshplane.platform.store import Store
from meshplane.platform.tables import StartsWith
from meshplane.services.domains.api import DomainsApi
from meshplane.services.lake.desired import DesiredGrants, Scan
from meshplane.services.lake.drift import Difference, Wanted, compare, differing, in_order
from meshplane.services.lake.entries import database_of
from meshplane.services.lake.policies import DEFAULT_POLICY, DriftPolicy, Step, decide
from meshplane.services.lake.ports import LakeEntry, LakeGrants
from meshplane.services.lake.store import DRIFT_POLICIES, LAKE_ENDED, LAKE_ENTRIES
from meshplane.services.permissions.api import PermissionsApi

_PAGE = 5000
_MOST_LOOKED_AT_AGAIN = 1000
_MOST_NAMES = 10_000
_ARN = "arn:aws:s3:::"


@dataclass(frozen=True, slots=True)
class Found:
    """A difference, with the domain that answers for it; "" where none does."""

    difference: Difference
    domain_id: str


@dataclass(frozen=True, slots=True)
class Look:
    """What was found.

    Args:
        found: what differs: excess first, then what is changed, then what is missing.
        scan: what was wanted then.
        held: the keys that the lake held then, with their fingerprints.
    """

    found: tuple[Found, ...]
    scan: Scan
    held: dict[str, str]


class Looking:
    """Compares the lake with what was granted.

    Args:
        lake: the lake.
        desired: says what should be there.
        permissions, domains: the services below.
        store: remembers what was put, policies, and what has ended.
        clock: tells which grants have ended.
    """

    def __init__(
        self,
        lake: LakeGrants,
        desired: DesiredGrants,
        permissions: PermissionsApi,
        domains: DomainsApi,
        store: Store,
        *,
        clock: Clock,
    ) -> None:
        self._lake = lake
        self._desired = desired
        self._permissions = permissions
        self._domains = domains
        self._store = store
        self._clock = clock
        # Of domains, by database (which is called like its domain) or ARN of a bucket.
        self._ids: dict[str, str] = {}

    async def look(self, actor: Actor, domain_id: str | None = None) -> Look:
        """What differs now, in the whole mesh or in one domain.

        What should be is read first: a grant is noted as applied once the lake has it, so one that
        was noted so and is not found afterwards is truly gone. What changed hands between the two
        readings is looked at again, unless very much differs.

        Raises:
            Unavailable: LAKE_UNAVAILABLE.
        """
        scan = await self._desired.scan(actor)
        held = await self._held()
        meant = {key: mark[0] for key, mark in scan.marks.items()}
        keys = await asyncio.to_thread(differing, meant, held)
        if len(keys) <= _MOST_LOOKED_AT_AGAIN:
            grants = {key: scan.marks[key][1] for key in keys if key in scan.marks}
            seen = [await self.again(actor, key, grants.get(key)) for key in keys]
            differences = in_order(one for one in seen if one is not None)
        else:
            wanted = set(keys)
            drift = compare(await self._desired.under(actor, wanted), await self._under(wanted))
            differences = drift.all
        found = [Found(one, await self.domain_of(actor, one)) for one in differences]
        if domain_id is not None:
            found = [one for one in found if one.domain_id == domain_id]
        return Look(tuple(found), scan, held)

    async def _held(self) -> dict[str, str]:
        """The keys that the lake holds, with their fingerprints."""
        held: dict[str, str] = {}
        cursor: str | None = None
        while True:
            page = await self._lake.marks(_PAGE, cursor)
            held.update(page.marks)
            cursor = page.cursor
            if cursor is None:
                return held

    async def _under(self, keys: Container[str]) -> dict[str, LakeEntry]:
        """What the lake holds under some keys, where they are too many to look at one by one."""
        found: dict[str, LakeEntry] = {}
        cursor: str | None = None
        while True:
            page = await self._lake.read(_PAGE, cursor)
            found |= {one.key: one for one in page.entries if one.key in keys}
            cursor = page.cursor
            if cursor is None:
                return found

    async def again(self, actor: Actor, key: str, grant_id: str | None = None) -> Difference | None:
        """How the two sides differ under a key now; None where they do not.

        Args:
            actor: the lake service.
            key: of the entry.
            grant_id: as in `wanted`.
        """
        wanted = await self.wanted(actor, key, grant_id)
        actual = await self._lake.find(key)
        if wanted is None:
            return None if actual is None else Difference("excess", key, None, actual)
        if actual is None:
            return Difference("missing", key, wanted, None)
        if actual.fingerprint == wanted.entry.fingerprint:
            return None
        return Difference("changed", key, wanted, actual)

    async def wanted(self, actor: Actor, key: str, grant_id: str | None = None) -> Wanted | None:
        """What a grant in force wants under a key now, if one does.

        Args:
            actor: the lake service.
            key: of the entry.
            grant_id: the grant, if it is known; otherwise the one for which something was put.
        """
        if grant_id is None:
            row = await self._store.begin().get(LAKE_ENTRIES, key)
            if row is None:
                return None
            grant_id = row.item["grantId"]
        grant = await self._desired.find(actor, grant_id)
        if grant is None:
            return None
        if grant.expires_at is not None and from_text(grant.expires_at) <= self._clock.now():
            return None
        wants, _ = await self._desired.of_grant(actor, grant)
        return next((one for one in wants if one.entry.key == key), None)

    async def domain_of(self, actor: Actor, difference: Difference) -> str:
        """The domain that answers for a difference; "" where none does."""
        if difference.wanted is not None:
            return difference.wanted.domain_id
        if difference.actual is None:
            return ""
        return await self.domain_of_entry(actor, difference.actual)

    async def domain_of_entry(self, actor: Actor, entry: LakeEntry) -> str:
        """The domain in which an entry lies; "" where it lies in none that is known."""
        name = database_of(entry.resource)
        arn = entry.resource.get("DataLocation", {}).get("ResourceArn")
        if isinstance(arn, str):
            name = arn.partition("/")[0]
        if name is None:
            return ""
        if name not in self._ids:
            if name.startswith(_ARN):
                domain = await self._domains.of_bucket(actor, name.removeprefix(_ARN))
            else:
                domain = await self._domains.named(actor, name)
            if domain is None:
                return ""
            if len(self._ids) >= _MOST_NAMES:
                self._ids.clear()
            self._ids[name] = domain.domain_id
        return self._ids[name]

    async def steps(self, found: Iterable[Found]) -> list[Step]:
        """What is to be done about differences, by the policies of their domains."""
        work = self._store.begin()
        policies: dict[str, DriftPolicy] = {}
        steps = []
        for one in found:
            domain_id, difference = one.domain_id, one.difference
            if domain_id not in policies:
                policies[domain_id] = await self.policy_of(domain_id)
            is_own = has_ended = False
            if difference.actual is not None and difference.wanted is None:
                is_own = await work.get(LAKE_ENTRIES, difference.key) is not None
                has_ended = await self.has_ended(difference.actual.principal, domain_id)
            steps.append(
                decide(
                    difference,
                    domain_id,
                    policies[domain_id],
                    is_own=is_own,
                    has_ended=has_ended,
                )
            )
        return steps

    async def policy_of(self, domain_id: str) -> DriftPolicy:
        """A domain's policy; the default where it has said nothing."""
        row = await self._store.begin().get(DRIFT_POLICIES, domain_id) if domain_id else None
        if row is None:
            return DEFAULT_POLICY
        return DriftPolicy(row.item["excess"], row.item["automatic"])

    async def has_ended(self, principal: str, domain_id: str) -> bool:
        """Whether a principal lost a right in a domain, or on tags of the whole mesh.

        Where no domain answers, a right that it lost anywhere counts.
        """
        work = self._store.begin()
        places = [StartsWith(f"{domain_id}#"), StartsWith("#")] if domain_id else [None]
        for where in places:
            if (await work.query(LAKE_ENDED, principal, where=where, limit=1)).rows:
                return True
        return False
