"""CheckLakeDrift: compares the lake with what was granted, every ten minutes."""

from typing import Any

from meshplane.workflows.operations import OperationCaller


async def handle(event: dict[str, Any], platform: OperationCaller, key: str) -> dict[str, Any]:
    """Looks for drift; what a domain's policy mends by itself is mended.

    Args:
        event: of the schedule.
        platform: does the work.
        key: of this firing; a repeated one looks no second time.
    """
    result = await platform.call("checkLakeDrift", {}, idempotency_key=key)
    return {"statusCode": 200, "body": result}
