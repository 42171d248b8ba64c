"""All that the services of a process do about the portal, as one."""

from collections.abc import Mapping, Sequence
from typing import Any

from meshplane.boundary.portal_links import Brought, Differences, PortalDifference, PortalPart
from meshplane.boundary.portal_places import inner_place, outer_place
from meshplane.platform.store import UnitOfWork


class PortalParts:
    """The parts in the order in which they build on each other.

    Args:
        parts: of the services that run here: domains, projects, assets, subscriptions.
    """

    def __init__(self, parts: Sequence[PortalPart] = ()) -> None:
        self._parts = list(parts)

    def __len__(self) -> int:
        return len(self._parts)

    def __getitem__(self, place: int) -> PortalPart:
        return self._parts[place]

    def add(self, part: PortalPart) -> None:
        """Adds a part that builds on those before it."""
        self._parts.append(part)

    async def bring_all(self, *, mend: bool = False) -> Brought:
        """See `PortalPart.bring_all`."""
        count = 0
        failed: dict[str, str] = {}
        for part in self._parts:
            brought = await part.bring_all(mend=mend)
            count += brought.count
            failed.update(brought.failed)
        return Brought(count, failed)

    async def drift(self, limit: int, cursor: str | None = None) -> Differences:
        """See `PortalPart.drift`; part after part."""
        place, inner = inner_place(cursor)
        found: list[PortalDifference] = []
        while place < len(self._parts):
            page = await self._parts[place].drift(limit - len(found), inner)
            found += page.found
            if page.cursor is not None:
                return Differences(found, outer_place(place, page.cursor))
            place, inner = place + 1, None
            if len(found) == limit and place < len(self._parts):
                return Differences(found, outer_place(place, None))
        return Differences(found, None)

    async def heard(self, work: UnitOfWork, event: Mapping[str, Any]) -> None:
        """See `PortalPart.heard`: what listens to the portal's own events calls it with each."""
        for part in self._parts:
            await part.heard(work, event)
