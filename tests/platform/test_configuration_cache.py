"""Configuration that is kept for an hour."""

from pathlib import Path

from meshplane.kit.ids import id_maker
from meshplane.platform.configuration_cache import CONFIGURATION_CACHE, ConfigurationCache
from meshplane.platform.local.sqlite import SqliteStore
from tests.builders.stores import SqlitePlace


async def test_cache__gives_what_was_kept_until_the_hour_is_over(tmp_path: Path) -> None:
    clock = SqlitePlace(tmp_path).clock
    store = SqliteStore(tmp_path / "cache.db", [CONFIGURATION_CACHE], clock, id_maker(clock))
    cache = ConfigurationCache(store, clock)
    assert await cache.get("domain:d-1") is None
    await cache.put("domain:d-1", {"name": "aviation"})
    await cache.put("domain:d-2", [1])
    assert await cache.get("domain:d-1") == {"name": "aviation"}
    assert await ConfigurationCache(store, clock, "v2").get("domain:d-1") is None
    await cache.forget("domain:d-2")
    assert await cache.get("domain:d-2") is None
    clock.advance(3600)
    assert await cache.get("domain:d-1") is None
    await store.close()
