"""ReconcileProjection: keeps published tables in step in the lake's catalogue."""

from typing import Any

from meshplane.workflows.operations import OperationCaller


async def handle(event: dict[str, Any], platform: OperationCaller, key: str) -> dict[str, Any]:
    """Begins to bring all tables in step, unless that goes on already; what diverged is left.

    Args:
        event: of the schedule.
        platform: does the work.
        key: of this firing; a repeated one begins no second time.
    """
    result = await platform.call("reconcileProjection", {}, idempotency_key=key)
    return {"statusCode": 200, "body": result}
