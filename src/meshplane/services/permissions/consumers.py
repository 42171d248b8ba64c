"""What permissions learn from events."""

from meshplane.events.consumer import Consumer
from meshplane.platform.events import StoredEvent
from meshplane.platform.store import UnitOfWork
from meshplane.services.permissions.store import ASSET_DOMAINS


async def _note_domain(work: UnitOfWork, event: StoredEvent) -> None:
    """Notes who answers for an asset, so that its stewards may see the grants on it."""
    detail = event.detail
    work.put(ASSET_DOMAINS, {"assetId": detail["assetId"], "domainId": detail["domainId"]})


CONSUMERS = (
    Consumer(
        "permissions.asset-domains",
        frozenset({"AssetPublished"}),
        _note_domain,
        "management-app.assets",
    ),
)
