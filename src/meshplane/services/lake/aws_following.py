"""Carries grants anew where what they come to on AWS has changed, though they have not.

Lake Formation cannot mask, and knows columns by names alone: so what a grant is there follows from
its table's columns and from the tags that mask them as well.
"""

from meshplane.boundary.actor import service_actor
from meshplane.events.consumer import Consumer
from meshplane.kit.clock import Clock, to_text
from meshplane.platform.events import StoredEvent
from meshplane.platform.store import UnitOfWork
from meshplane.services.lake.keeping import Keeping
from meshplane.services.lake.reconciling import tell_failure
from meshplane.services.lake.store import LAKE_ENTRIES

_PAGE = 200


class FollowingTables:
    """Carries the grants on tables that changed.

    Args:
        keeping: carries grants into the lake.
        clock: the present.
    """

    def __init__(self, keeping: Keeping, clock: Clock) -> None:
        self._keeping = keeping
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
        for outcome in await self._keeping.ensure(service_actor("lake", None), grants):
            if outcome.state == "failed":
                tell_failure(work, outcome, to_text(self._clock.now()))

    async def _on_tags(self, work: UnitOfWork, event: StoredEvent) -> None:
        resource = event.detail["resource"]
        if resource.startswith("asset:"):
            await self.carry(work, resource)

    async def _on_asset(self, work: UnitOfWork, event: StoredEvent) -> None:
        await self.carry(work, f"asset:{event.detail['assetId']}")
