"""Has what carries a term found by the term's name of now.

updateGlossaryTerm commits the term with its event → at once after the commit, and again for the
event, the assets that carry it are named and indexed anew. So the very next search knows the name,
and a process that ends in between is made up for.
"""

from meshplane.boundary.actor import service_actor
from meshplane.events.consumer import Consumer
from meshplane.platform.events import StoredEvent
from meshplane.platform.store import Store, UnitOfWork
from meshplane.services.assets.api import AssetsApi
from meshplane.services.catalog.store import GLOSSARY_TERMS


class Naming:
    """Tells assets what a term is called.

    Args:
        assets: the service below.
        store: holds the terms.
    """

    def __init__(self, assets: AssetsApi, store: Store) -> None:
        self._assets = assets
        self._store = store

    @property
    def consumers(self) -> tuple[Consumer, ...]:
        """The events that it follows."""
        kinds = frozenset({"GlossaryTermUpdated"})
        return (Consumer("catalog.term-names", kinds, self._on_event, "management-app.catalog"),)

    async def settle(self, term_id: str) -> None:
        """Names the term by its name of now wherever it is."""
        row = await self._store.begin().get(GLOSSARY_TERMS, term_id)
        if row is not None:
            await self._assets.rename_term(service_actor("catalog"), term_id, row.item["name"])

    async def _on_event(self, work: UnitOfWork, event: StoredEvent) -> None:
        if "name" in event.detail["fields"]:
            await self.settle(event.detail["termId"])
