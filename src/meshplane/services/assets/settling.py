"""Waits for the publication workflow, so that whoever publishes learns what came of it.

publishAsset commits the asset as `submitted`, with its event → a rule starts the workflow → its
steps list or reject the asset. Where that needs no person it takes moments, and the answer waits.
"""

import asyncio
import time

from meshplane.boundary.actor import Actor
from meshplane.platform.store import Store
from meshplane.services.assets.api import SUBMITTED
from meshplane.services.assets.publication import needs_approval
from meshplane.services.assets.store import ASSETS

_PATIENCE_SECONDS = 10.0
_FIRST_PAUSE_SECONDS = 0.01
_LONGEST_PAUSE_SECONDS = 0.1


class Settling:
    """Waits until an asset is listed or rejected.

    Args:
        store: holds the assets.
        patience_seconds: how long to wait; the workflow goes on all the same.
    """

    def __init__(self, store: Store, patience_seconds: float = _PATIENCE_SECONDS) -> None:
        self._store = store
        self._patience_seconds = patience_seconds

    async def settle(self, actor: Actor, asset_id: str) -> None:
        """Returns once the asset is no longer submitted, or somebody must approve it first.

        Args:
            actor: who published it.
            asset_id: of the asset.
        """
        give_up = time.monotonic() + self._patience_seconds
        pause_seconds = _FIRST_PAUSE_SECONDS
        while True:
            row = await self._store.begin().get(ASSETS, asset_id)
            if row is None or row.item["status"] != SUBMITTED or needs_approval(row.item):
                return
            if time.monotonic() >= give_up:
                return
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(_LONGEST_PAUSE_SECONDS, pause_seconds * 1.3)
