"""What permissions learn from events."""

from meshplane.events.consumer import Consumer
from meshplane.platform.events import StoredEvent
from meshplane.platform.store import UnitOfWork
from meshplane.services.permissions.earlier_grants import EARLIER_GRANTS
from meshplane.services.permissions.store import ALL, ASSET_DOMAINS


async def _note_asset(work: UnitOfWork, event: StoredEvent) -> None:
    """Notes who answers for an asset, so that its stewards may see the grants on it, and its table.

    What it was called and how it was classified when it was handed in is kept beside; both may
    have been changed since.
    """
    detail = event.detail
    work.put(
        ASSET_DOMAINS,
        {
            "assetId": detail["assetId"],
            "domainId": detail["domainId"],
            "projectId": detail["projectId"],
            "tableId": detail["tableId"],
            "name": detail["assetName"],
            "classification": detail["classification"],
            "listing": ALL,
        },
    )


CONSUMERS = (
    # Under a name of its own: it notes more than the one before it, of the events of old as well.
    Consumer(
        "permissions.assets",
        frozenset({"AssetSubmitted", "AssetPublished"}),
        _note_asset,
        "management-app.assets",
    ),
    EARLIER_GRANTS,
)
