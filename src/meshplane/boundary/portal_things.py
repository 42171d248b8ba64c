"""What all parts of the portal do alike, given how one of their things is brought there."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from typing import Any

from meshplane.boundary.portal_links import (
    Brought,
    Differences,
    PortalDifference,
    PortalLink,
    bring_each,
    ids_in,
    own_ids_of,
    page_of_links,
    put_link,
)
from meshplane.boundary.portal_places import inner_place, outer_place
from meshplane.kit.clock import Clock, to_text
from meshplane.platform.store import Store, UnitOfWork
from meshplane.platform.tables import Table

_MOST_LOOKED_AT = 25
"""Each look is some calls of the portal, and somebody waits for the page."""


class ThingsInPortal(ABC):
    """Things of one kind that are shown in the portal; a `PortalPart`.

    Args:
        links: the table of their links.
        store: holds the things and the links.
        clock: the present.
    """

    def __init__(self, links: Table, store: Store, clock: Clock) -> None:
        self._links = links
        self._store = store
        self._clock = clock

    @abstractmethod
    async def bring(self, work: UnitOfWork, own_id: str, /, *, mend: bool = False) -> None:
        """Makes one thing in the portal what it is here; what others wrote there stays.

        Args:
            work: the link is written with it.
            own_id: of the thing.
            mend: whether what others wrote is overwritten, and what they deleted made again.
        """

    @abstractmethod
    def own_ids(self) -> AsyncIterator[str]:
        """The ids of all things that are shown there."""

    @abstractmethod
    async def differing(self, link: PortalLink) -> Sequence[PortalDifference]:
        """What others have changed of one thing there, looked up now; it changes nothing."""

    async def drift(self, limit: int, cursor: str | None = None) -> Differences:
        """See `PortalPart.drift`."""
        skipped, after = inner_place(cursor)
        found: list[PortalDifference] = []
        for _ in range(_MOST_LOOKED_AT):
            links, following = await page_of_links(self._store, self._links, 1, after)
            for link in links:
                own = list(await self.differing(link))[skipped:]
                fits = limit - len(found)
                found += own[:fits]
                if len(own) > fits:
                    # A thing of which much was changed goes on in the next page.
                    return Differences(found, outer_place(skipped + fits, after))
            skipped, after = 0, following
            if after is None:
                return Differences(found, None)
            if len(found) == limit:
                break
        return Differences(found, outer_place(0, after))

    async def named_in(self, event: Mapping[str, Any]) -> Sequence[str]:
        """The portal's ids of things that an event of its own may speak of."""
        return ids_in(event)

    async def heard(self, work: UnitOfWork, event: Mapping[str, Any]) -> None:
        """Looks at what an event of the portal speaks of, and keeps what others did.

        Args:
            work: the links are written with it.
            event: of the portal; of other things, it does nothing.
        """
        for own_id in await own_ids_of(work, self._links, await self.named_in(event)):
            await self.bring(work, own_id)

    async def bring_all(self, *, mend: bool = False) -> Brought:
        """Brings every thing, a commit each; one that fails holds up no other."""
        return await bring_each(self._store, self.own_ids(), partial(self.bring, mend=mend))

    def keep(self, work: UnitOfWork, link: PortalLink) -> None:
        """Stores a link as it was found now."""
        put_link(work, self._links, link, to_text(self._clock.now()))
