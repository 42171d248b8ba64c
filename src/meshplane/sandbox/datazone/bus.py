"""Puts DataZone's events on moto's default bus, as AWS puts them on the account's."""

import json
from typing import Any


def to_default_bus(event: dict[str, Any]) -> None:
    """Delivers an event to the rules of the default bus of its account and region.

    moto gives it an id and a time of its own. Delivery is best effort, as AWS's is: a rule whose
    target moto cannot reach loses it. Where moto is not installed there is no bus.

    Args:
        event: as EventBridge would deliver it.
    """
    try:
        from moto.backends import get_backend
    except ImportError:
        return
    backend = get_backend("events")[event["account"]][event["region"]]
    if not backend.event_buses["default"].rules:
        return
    entry = {
        "Source": event["source"],
        "DetailType": event["detail-type"],
        "Detail": json.dumps(event["detail"]),
        "Resources": event["resources"],
    }
    backend.put_events([entry])
