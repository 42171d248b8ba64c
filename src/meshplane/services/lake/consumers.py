"""What the lake learns from events: every change of a grant goes into the lake at once."""

from meshplane.boundary.actor import Actor, service_actor
from meshplane.events.consumer import Consumer
from meshplane.kit.clock import Clock, to_text
from meshplane.platform.events import StoredEvent
from meshplane.platform.store import UnitOfWork
from meshplane.services.lake.keeping import Keeping
from meshplane.services.lake.reconciling import tell_failure
from meshplane.services.lake.store import LAKE_ENDED, LAKE_ENTRIES
from meshplane.services.permissions.api import PermissionsApi

_PERMISSIONS = "management-app.permissions"
_ENDS = frozenset({"PermissionRevoked", "PermissionExpired"})
_CHANGES = frozenset({"PermissionGranted", "PermissionChanged"})
_PAGE = 200
_GRANTS = 1000


class Following:
    """Carries changes of grants, filters and locations into the lake.

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
            Consumer("lake.grants", _CHANGES | _ENDS, self._on_grant, _PERMISSIONS),
            Consumer(
                "lake.filters", frozenset({"DataFilterChanged"}), self._on_filter, _PERMISSIONS
            ),
            Consumer(
                "lake.locations",
                frozenset({"LakeLocationRegistered", "LakeLocationRemoved"}),
                self._on_location,
                "management-app.lake",
            ),
        )

    async def _on_grant(self, work: UnitOfWork, event: StoredEvent) -> None:
        detail = event.detail
        if event.type in _ENDS and detail.get("target"):
            # Kept before anything else: no policy may give back what has ended.
            work.put(
                LAKE_ENDED,
                {
                    "principal": detail["principal"],
                    "place": f"{detail.get('domainId', '')}#{detail['target']}",
                    "grantId": detail["grantId"],
                    "endedAt": detail.get("at", ""),
                },
            )
        await self._ensure(work, detail.get("by"), [detail["grantId"]])

    async def _on_filter(self, work: UnitOfWork, event: StoredEvent) -> None:
        holder, name = f"asset:{event.detail['assetId']}", event.detail["name"]
        grants: list[str] = []
        cursor: str | None = None
        while True:
            page = await work.query(
                LAKE_ENTRIES, holder, index="byHolder", limit=_PAGE, cursor=cursor
            )
            grants += [row.item["grantId"] for row in page.rows if row.item["filterName"] == name]
            cursor = page.cursor
            if cursor is None:
                break
        await self._ensure(work, event.detail["by"], grants)

    async def _on_location(self, work: UnitOfWork, event: StoredEvent) -> None:
        actor = service_actor("lake", event.detail["by"])
        grants: list[str] = []
        cursor: str | None = None
        while True:
            page = await self._permissions.desired(actor, _GRANTS, cursor)
            grants += [
                grant.grant_id
                for grant in page.grants
                if grant.target.kind == "location"
                and grant.target.domain_id == event.detail["domainId"]
            ]
            cursor = page.cursor
            if cursor is None:
                break
        await self._ensure(work, event.detail["by"], grants)

    async def _ensure(self, work: UnitOfWork, behalf: str | None, grants: list[str]) -> None:
        actor = service_actor("lake", behalf or None)
        left = [grant_id for grant_id in grants if not await self._is_drifted(actor, grant_id)]
        for outcome in await self._keeping.ensure(actor, left):
            if outcome.state == "failed":
                tell_failure(work, outcome, to_text(self._clock.now()))

    async def _is_drifted(self, actor: Actor, grant_id: str) -> bool:
        """Whether somebody changed a grant in the lake by hand, or took it out.

        That is mended when its domain wants it mended, and not because something else changed.
        """
        grant = await self._permissions.find(actor, grant_id)
        return grant is not None and grant.lake_state in {"missing", "changed"}
