"""Carries grants anew where what they come to on AWS has changed, though they have not.

Lake Formation cannot mask, and knows columns by names alone: so what a grant is there follows from
its table's columns and from the tags that mask them as well.
"""

from collections.abc import Iterable

from meshplane.boundary.actor import service_actor
from meshplane.events.consumer import Consumer
from meshplane.kit.clock import Clock, to_text
from meshplane.platform.events import StoredEvent
from meshplane.platform.store import UnitOfWork
from meshplane.services.lake.keeping import Keeping
from meshplane.services.lake.reconciling import tell_failure
from meshplane.services.lake.store import LAKE_ENTRIES
from meshplane.services.permissions.api import PermissionsApi

_PAGE = 200
ITSELF = service_actor("lake", None)


class FollowingTables:
    """Carries the grants on tables that changed.

    Args:
        keeping: carries grants into the lake.
        permissions: has the grants.
        clock: the present.
    """

    def __init__(self, keeping: Keeping, permissions: PermissionsApi, clock: Clock) -> None:
        self._keeping = keeping
        self._permissions = permissions
        self._clock = clock

    @property
    def consumers(self) -> tuple[Consumer, ...]:
        """The events that it follows."""
        return (
            Consumer(
                "lake.aws-tagged-grants",
                frozenset({"TagAssigned", "TagRemoved"}),
                self._on_tags,
                "management-app.permissions",
            ),
            Consumer(
                "lake.aws-masked-tags",
                frozenset({"TagMaskChanged"}),
                self._on_mask,
                "management-app.permissions",
            ),
            Consumer(
                "lake.aws-changed-assets",
                frozenset({"AssetUpdated"}),
                self._on_asset,
                "management-app.assets",
            ),
        )

    async def carry(self, work: UnitOfWork, holder: str) -> None:
        """Carries what was put for the grants on an asset once more.

        Args:
            work: of the event; a grant that the lake does not take is told of in its commit.
            holder: `asset:…`.

        Raises:
            Unavailable: LAKE_UNAVAILABLE.
        """
        grants: dict[str, None] = {}
        cursor: str | None = None
        while True:
            page = await work.query(
                LAKE_ENTRIES, holder, index="byHolder", limit=_PAGE, cursor=cursor
            )
            grants |= dict.fromkeys(row.item["grantId"] for row in page.rows)
            cursor = page.cursor
            if cursor is None:
                break
        await self._ensure(work, grants)

    async def carry_domain(self, work: UnitOfWork, domain_id: str | None) -> None:
        """Carries all grants once more that reach into a domain; None: those of the whole mesh.

        Raises:
            Unavailable: LAKE_UNAVAILABLE.
        """
        cursor: str | None = None
        while True:
            page = await self._permissions.desired(ITSELF, _PAGE, cursor)
            reaching = [
                grant.grant_id
                for grant in page.grants
                if domain_id is None or grant.domain_id in (domain_id, "")
            ]
            await self._ensure(work, reaching)
            cursor = page.cursor
            if cursor is None:
                return

    async def _ensure(self, work: UnitOfWork, grants: Iterable[str]) -> None:
        for outcome in await self._keeping.ensure(ITSELF, grants):
            if outcome.state == "failed":
                tell_failure(work, outcome, to_text(self._clock.now()))

    async def _on_tags(self, work: UnitOfWork, event: StoredEvent) -> None:
        kind, _, name = event.detail["resource"].partition(":")
        if kind == "asset":
            await self.carry(work, event.detail["resource"])
        elif kind == "domain":
            await self.carry_domain(work, name)

    async def _on_mask(self, work: UnitOfWork, event: StoredEvent) -> None:
        await self.carry_domain(work, event.detail["domainId"])

    async def _on_asset(self, work: UnitOfWork, event: StoredEvent) -> None:
        await self.carry(work, f"asset:{event.detail['assetId']}")
