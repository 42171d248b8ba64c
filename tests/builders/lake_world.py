"""A lake service over a real store, real permissions and a real lake, without HTTP.

`FrailLake` stands before the lake and fails as a lake elsewhere may: it refuses some changes now
and then, it does not answer, it ends the process between two of its answers.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from meshplane.boundary.actor import Actor, service_actor
from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call, Judge
from meshplane.events.lane import CURSORS, PARKED
from meshplane.events.queue_worker import QueueWorker
from meshplane.events.queues import DEAD_LETTERS, MESSAGES
from meshplane.kit.clock import Clock, SystemClock
from meshplane.kit.errors import Unavailable
from meshplane.kit.ids import id_maker
from meshplane.platform.aws.calls import Aws
from meshplane.platform.local.sqlite import SqliteStore
from meshplane.policy.engine import Engine, policy_texts
from meshplane.policy.model import Membership
from meshplane.services.assets.api import PUBLISHED, AssetColumn, AssetSummary
from meshplane.services.domains.api import DomainSummary
from meshplane.services.lake.adopting import Adopting
from meshplane.services.lake.aws import LakeFormationLake
from meshplane.services.lake.aws_notes import StoreNotes
from meshplane.services.lake.by_hand import ByHand
from meshplane.services.lake.checking import DriftCases
from meshplane.services.lake.consumers import Following
from meshplane.services.lake.desired import DesiredGrants
from meshplane.services.lake.keeping import Keeping
from meshplane.services.lake.lake_formation_grants import LakeFormationGrants
from meshplane.services.lake.local import LocalLake
from meshplane.services.lake.looking import Looking
from meshplane.services.lake.ports import (
    LakeChange,
    LakeEntry,
    LakeFailure,
    LakeGrants,
    LakeKind,
    LakePage,
    MarkPage,
)
from meshplane.services.lake.reconciling import Reconciling
from meshplane.services.lake.schemas import NewReconciliation, ReconcileQuery
from meshplane.services.lake.store import DRIFT_POLICIES, RECONCILIATIONS
from meshplane.services.lake.store import TABLES as LAKE_TABLES
from meshplane.services.permissions.api import Grant, Target
from meshplane.services.permissions.keeper import PermissionsKeeper
from meshplane.services.permissions.ports import Schemas
from meshplane.services.permissions.store import TABLES as PERMISSION_TABLES
from meshplane.services.tables.api import ColumnSummary, TableSummary

DOMAIN = "dzd-1"
ADA = Actor("ada@mesh", frozenset({"mesh-admins"}))
ITSELF = service_actor("lake")
_ENGINE = Engine(policy_texts().values())
_TABLES = (*PERMISSION_TABLES, *LAKE_TABLES, MESSAGES, DEAD_LETTERS, CURSORS, PARKED)


class _Nobody:
    async def of(
        self, actor: Actor, domain_id: str | None, project_id: str | None
    ) -> frozenset[Membership]:
        return frozenset()


class _Domains:
    async def find(self, actor: Actor, domain_id: str) -> DomainSummary | None:
        known = DomainSummary(DOMAIN, "aviation", "data-lake-aviation")
        return known if domain_id == DOMAIN else None

    async def named(self, actor: Actor, name: str) -> DomainSummary | None:
        return await self.find(actor, DOMAIN if name == "aviation" else "")

    async def of_bucket(self, actor: Actor, bucket: str) -> DomainSummary | None:
        return await self.find(actor, DOMAIN if bucket == "data-lake-aviation" else "")


class _Assets:
    """Any id `asset-…` is an asset of the domain, called `t_…`."""

    async def find(self, actor: Actor, asset_id: str) -> AssetSummary | None:
        if not asset_id.startswith("asset-"):
            return None
        number = asset_id.removeprefix("asset-")
        columns = (AssetColumn("id", "long", "", "internal"),)
        return AssetSummary(
            asset_id, f"t_{number}", DOMAIN, "aviation", "proj-1", "flying", f"tbl-{number}", "",
            "internal", "user:o@m", columns, None, PUBLISHED,
        )  # fmt: skip

    async def named(self, actor: Actor, name: str, domain: str | None) -> list[AssetSummary]:
        number = name.removeprefix("t_") if name.startswith("t_") else ""
        found = await self.find(actor, f"asset-{number}") if number else None
        return [found] if found is not None and domain in (None, "aviation") else []


class _TablesBelow:
    async def find(self, actor: Actor, table_id: str) -> TableSummary | None:
        column = ColumnSummary("id", 1, "long", "BIGINT")
        return TableSummary(table_id, "t", "proj-1", DOMAIN, "aviation", "", (column,), None, 0)


class _NoSchemas:
    """Nothing here asks what a table is."""


@dataclass
class FrailLake:
    """A lake that fails as it is told.

    Attributes:
        throttled: how often each key is refused for now before it is taken.
        refused: keys that are refused for good.
        away: whether it answers at all.
        before, after: called before and after each `apply`, with the changes.
    """

    inner: LakeGrants
    throttled: dict[str, int] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    away: bool = False
    applied: int = 0
    before: Callable[[Sequence[LakeChange]], Awaitable[None]] | None = None
    after: Callable[[Sequence[LakeChange]], Awaitable[None]] | None = None

    async def read(self, limit: int, cursor: str | None) -> LakePage:
        self._answer()
        return await self.inner.read(limit, cursor)

    async def marks(self, limit: int, cursor: str | None) -> MarkPage:
        self._answer()
        return await self.inner.marks(limit, cursor)

    async def find(self, key: str) -> LakeEntry | None:
        self._answer()
        return await self.inner.find(key)

    async def apply(self, changes: Sequence[LakeChange]) -> list[LakeFailure]:
        self._answer()
        self.applied += 1
        if self.before is not None:
            await self.before(changes)
        failures, taken = [], []
        for change in changes:
            key = change.entry.key
            if self.throttled.get(key, 0) > 0:
                self.throttled[key] -= 1
                failures.append(LakeFailure(key, "LAKE_THROTTLED", "Too many at once."))
            elif key in self.refused:
                failures.append(LakeFailure(key, "LAKE_REFUSED", "It does not like it.", False))
            else:
                taken.append(change)
        failures += await self.inner.apply(taken)
        if self.after is not None:
            await self.after(changes)
        return failures

    async def describe(self) -> LakeKind:
        return await self.inner.describe()

    def _answer(self) -> None:
        if self.away:
            raise Unavailable("LAKE_UNAVAILABLE", "The lake does not answer: try again.")


class LakeWorld:
    """The parts, put together over a folder; several may be open on one.

    Args:
        folder: holds the store and the lake.
        clock: the present.
        aws: where the lake is, if it is Lake Formation's.
    """

    def __init__(self, folder: Path, clock: Clock | None = None, aws: Aws | None = None) -> None:
        clock = clock or SystemClock()
        new_id = id_maker(clock)
        folder.mkdir(exist_ok=True)
        self.clock = clock
        self.store = SqliteStore(folder / "meshplane.db", _TABLES, clock, new_id)
        judge = Judge(_ENGINE, _Nobody(), {"mesh-admins": "administrator"})
        self.boundary = Boundary(self.store, judge, clock, new_id)
        schemas: Any = _NoSchemas()
        self.permissions = PermissionsKeeper(self.boundary, self.store, _as_schemas(schemas))
        self.lake = FrailLake(LocalLake(folder / "lake" / "grants.db", clock))
        there = None
        assets: Any = _Assets()
        domains: Any = _Domains()
        tables: Any = _TablesBelow()
        permissions, store, lake = self.permissions, self.store, self.lake
        if aws is not None:
            lake.inner = LakeFormationLake(aws, notes=StoreNotes(store))
            there = LakeFormationGrants(permissions, assets, tables, aws.place.account)
        desired = DesiredGrants(permissions, assets, domains, store, there)
        self.looking = Looking(lake, desired, permissions, domains, store, clock=clock)
        self.keeping = Keeping(lake, permissions, desired, store, clock)
        adopting = Adopting(permissions, assets, tables, desired)
        self.reconciling = Reconciling(lake, self.looking, self.keeping, adopting, clock)
        self.cases = DriftCases(self.looking, self.reconciling, permissions, domains)
        self.by_hand = ByHand(lake, self.looking, permissions)
        self.worker = QueueWorker(store, self.reconciling.queues, clock)
        self._consumers = Following(self.keeping, permissions, clock).consumers
        self._delivered = 0

    async def close(self) -> None:
        await self.store.close()

    async def deliver(self) -> None:
        """Hands to the lake's consumers whatever has happened since the last time."""
        for event in await self.store.events_after(self._delivered, 10_000):
            for consumer in self._consumers:
                if consumer.wants(event):
                    work = self.store.begin()
                    await consumer.handle(work, event)
                    await work.commit()
            self._delivered = event.sequence

    async def grant(self, number: int, principal: str = "group:analysts", **more: Any) -> Grant:
        """A grant of SELECT on the asset of that number; nobody has told the lake."""
        target = Target("table", asset_id=f"asset-{number}")
        made = Grant(
            f"grant-{principal.partition(':')[2]}-{number}",
            principal,
            more.pop("target", target),
            more.pop("permissions", frozenset({"SELECT"})),
            DOMAIN,
            **more,
        )
        await self.permissions.grant(ITSELF, made)
        return made

    async def state(self, grant: Grant) -> str | None:
        found = await self.permissions.find(ITSELF, grant.grant_id)
        return None if found is None else found.lake_state

    async def write(self, operation: str, use: Callable[[Call], Awaitable[Any]]) -> Any:
        """Runs a use case as an administrator."""
        return await self.boundary.write(operation, ADA, use)

    async def policy(self, excess: str, *, automatic: bool = False) -> None:
        work = self.store.begin()
        item = {"domainId": DOMAIN, "excess": excess, "automatic": automatic}
        work.put(DRIFT_POLICIES, {**item, "changedBy": "user:o@m", "changedAt": ""})
        await work.commit()

    async def check(self) -> Any:
        return await self.write("checkLakeDrift", self.cases.check)

    async def drift(self) -> dict[str, str]:
        """What differs now: key → kind."""
        look = await self.looking.look(ITSELF)
        return {one.difference.key: one.difference.kind for one in look.found}

    async def reconcile(self) -> dict[str, Any]:
        """Reconciles everything, to the end; the row of it."""
        view = await self.write(
            "reconcileLake",
            lambda call: self.cases.reconcile(call, NewReconciliation(), ReconcileQuery()),
        )
        await self.worker.run_due()
        row = await self.store.begin().get(RECONCILIATIONS, view.reconciliation_id)
        assert row is not None
        return dict(row.item)


def _as_schemas(schemas: Any) -> Schemas:
    found: Schemas = schemas
    return found
