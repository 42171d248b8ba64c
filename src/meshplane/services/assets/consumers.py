"""What assets learn from events."""

from meshplane.events.consumer import Consumer
from meshplane.platform.events import StoredEvent
from meshplane.platform.store import UnitOfWork
from meshplane.services.assets.store import ASSETS


async def _store_score(work: UnitOfWork, event: StoredEvent) -> None:
    """Stores the latest score with the asset; an older run never replaces a newer one."""
    detail = event.detail
    row = await work.get(ASSETS, detail["assetId"])
    if row is None:
        return
    known = row.item["quality"]
    if known is not None and known["at"] >= detail["completedAt"]:
        return
    quality = {
        "score": detail["score"],
        "rulesPassed": detail["rulesPassed"],
        "rulesTotal": detail["rulesTotal"],
        "runId": detail["runId"],
        "at": detail["completedAt"],
    }
    work.put(ASSETS, {**row.item, "quality": quality}, expected=row.version)


CONSUMERS = (
    Consumer(
        "assets.quality-score",
        frozenset({"DataQualityRunCompleted"}),
        _store_score,
        "management-app.data-quality",
    ),
)
