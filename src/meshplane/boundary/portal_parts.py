"""All that the services of a process do about the portal, as one."""

from collections.abc import Mapping, Sequence
from typing import Any

from meshplane.boundary.portal_links import Brought, PortalDifference, PortalPart
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

    async def drift(self) -> list[PortalDifference]:
        """See `PortalPart.drift`."""
        return [one for part in self._parts for one in await part.drift()]

    async def heard(self, work: UnitOfWork, event: Mapping[str, Any]) -> None:
        """See `PortalPart.heard`: what listens to the portal's own events calls it with each."""
        for part in self._parts:
            await part.heard(work, event)
