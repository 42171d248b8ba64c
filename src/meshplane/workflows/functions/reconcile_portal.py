"""ReconcilePortal: brings the portal to what the mesh has, once an hour."""

from typing import Any

from meshplane.workflows.operations import OperationCaller


async def handle(event: dict[str, Any], platform: OperationCaller, key: str) -> dict[str, Any]:
    """Begins to bring everything that is shown, unless that goes on; what others wrote stays.

    Args:
        event: of the schedule.
        platform: does the work.
        key: of this firing; a repeated one begins no second time.
    """
    result = await platform.call("reconcilePortal", {"mend": False}, idempotency_key=key)
    return {"statusCode": 200, "body": result}
