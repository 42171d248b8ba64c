"""A cache of configuration that is asked for often, shared by the processes of a mesh."""

from typing import Any

from meshplane.kit.clock import Clock, to_text
from meshplane.platform.store import Store
from meshplane.platform.tables import Table

CONFIGURATION_CACHE = Table("ConfigurationCache", "configKey", "version", expires="expirationTime")
"""`version` is that of the form in which `configData` is; `expirationTime` is in epoch seconds."""

KEPT_SECONDS = 3600


class ConfigurationCache:
    """Configuration by key, for an hour.

    Args:
        store: where it lies.
        clock: the time that it ends by.
        version: of the form of what is kept. Another version does not see it.
    """

    def __init__(self, store: Store, clock: Clock, version: str = "v1") -> None:
        self._store, self._clock, self._version = store, clock, version

    async def get(self, key: str) -> Any:
        """What is kept under a key, such as `domain:dzd-xyz789`; None: nothing, or no more."""
        row = await self._store.begin().get(CONFIGURATION_CACHE, key, self._version)
        return None if row is None else row.item["configData"]

    async def put(self, key: str, data: Any) -> None:
        """Keeps JSON values under a key."""
        now = self._clock.now()
        work = self._store.begin()
        work.put(
            CONFIGURATION_CACHE,
            {
                "configKey": key,
                "version": self._version,
                "configData": data,
                "lastUpdated": to_text(now),
                "expirationTime": int(now.timestamp()) + KEPT_SECONDS,
            },
        )
        await work.commit()

    async def forget(self, key: str) -> None:
        """Keeps nothing under a key any more."""
        work = self._store.begin()
        work.delete(CONFIGURATION_CACHE, key, self._version)
        await work.commit()
