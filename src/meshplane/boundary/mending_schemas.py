"""What all views of long work in steps have in common; see `mending.py`."""

from collections.abc import Mapping
from typing import Any

from meshplane.boundary.schemas import ApiModel


class MendingFailure(ApiModel):
    """Something that could not be brought to what it should be; `id` is empty for a whole step."""

    id: str
    code: str


class MendingView(ApiModel):
    """Such work as it is now: `RUNNING`, or `COMPLETED`; begun by a `person` or a `schedule`."""

    reconciliation_id: str
    status: str
    trigger: str
    started_by: str
    started_at: str
    completed_at: str | None
    failed: int
    failures: list[MendingFailure]


def shared_members(item: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a view that are the same for all such work, from its row."""
    return {
        "reconciliation_id": item["reconciliationId"],
        "status": item["status"],
        "trigger": item["trigger"],
        "started_by": item["startedBy"],
        "started_at": item["startedAt"],
        "completed_at": item["completedAt"],
        "failed": item["failed"],
        "failures": [MendingFailure(**one) for one in item["failures"]],
    }
