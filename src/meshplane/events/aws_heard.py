"""What was heard from outside: each event has one effect, however often it is delivered."""

from datetime import datetime

from meshplane.kit.errors import Stale
from meshplane.platform.store import ABSENT, UnitOfWork
from meshplane.platform.tables import Table

HEARD_EVENTS = Table("HeardEvents", "eventId", expires="expires")
"""Events from outside that were heard, so that none has an effect twice."""

_KEPT_SECONDS = 14 * 86_400
"""As long as SQS keeps a message: after that no repetition comes any more."""


class HeardBefore(Stale):
    """The event was heard before, or is heard by another process now."""

    def __init__(self) -> None:
        super().__init__("EVENT_HEARD", "This event was heard before.")


async def hear(work: UnitOfWork, event_id: str, now: datetime) -> bool:
    """Notes an event, in the commit of `work`; whether it is new.

    Args:
        work: holds the event's effect as well. Its commit raises `HeardBefore` where another
            process hears the same event now.
        event_id: unique among all that are heard.
        now: the present.
    """
    if await work.get(HEARD_EVENTS, event_id) is not None:
        return False
    expires = int(now.timestamp()) + _KEPT_SECONDS
    item = {"eventId": event_id, "expires": expires}
    work.put(HEARD_EVENTS, item, expected=ABSENT, otherwise=HeardBefore())
    return True
