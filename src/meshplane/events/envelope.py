"""The envelope: an event as patterns see it and as targets get it.

Its members are EventBridge's ("Events in Amazon EventBridge", event structure), so that a pattern
or a transformer written for AWS fits here.
"""

import hashlib
from datetime import datetime
from typing import Any

from meshplane.kit.clock import to_text
from meshplane.platform.events import StoredEvent

ACCOUNT = "000000000000"
REGION = "local"
BUS = "datamesh-events"
"""The one bus of a mesh."""

SCHEDULER_SOURCE = "meshplane.scheduler"


def envelope_of(event: StoredEvent, replay_name: str | None = None) -> dict[str, Any]:
    """The envelope of a stored event.

    Args:
        event: from the outbox.
        replay_name: the replay that delivers it again, if one does.
    """
    envelope = {
        "version": "0",
        "id": event.event_id,
        "detail-type": event.type,
        "source": event.source,
        "account": ACCOUNT,
        "time": event.time,
        "region": REGION,
        "resources": [event.entity],
        "detail": event.detail,
    }
    if replay_name is not None:
        envelope["replay-name"] = replay_name
    return envelope


def scheduled_envelope(rule: str, due: datetime) -> dict[str, Any]:
    """The envelope of a schedule's firing; its id is the same whenever and wherever it is made.

    Args:
        rule: the name of the rule.
        due: when it was to fire, before any flexible window.
    """
    time = to_text(due)
    digest = hashlib.sha256(f"{rule}\n{time}".encode()).hexdigest()
    return {
        "version": "0",
        "id": f"evt-{digest[:32]}",
        "detail-type": "Scheduled Event",
        "source": SCHEDULER_SOURCE,
        "account": ACCOUNT,
        "time": time,
        "region": REGION,
        "resources": [rule],
        "detail": {},
    }
