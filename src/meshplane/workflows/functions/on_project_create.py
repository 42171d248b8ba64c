"""OnProjectCreate: makes ready what a new project works with."""

from typing import Any

from meshplane.workflows.operations import OperationCaller


async def handle(event: dict[str, Any], platform: OperationCaller, key: str) -> dict[str, Any]:
    """Makes the folders, the role and the repository of the project that was created.

    Args:
        event: `ProjectCreated`, whole.
        platform: does the work.
        key: of this start; a repeated one changes nothing.
    """
    arguments = {"projectId": event["detail"]["projectId"]}
    made = await platform.call("setupProject", arguments, idempotency_key=key)
    return {"statusCode": 200, "body": {"status": "success", **made}}
