"""TriggerDataQualityChecks: runs all rulesets, every hour."""

from typing import Any

from meshplane.workflows.operations import OperationCaller


async def handle(event: dict[str, Any], platform: OperationCaller, key: str) -> dict[str, Any]:
    """Runs the ruleset of every published asset; assets whose rules fail raise alerts.

    Args:
        event: of the schedule.
        platform: does the work.
        key: of this firing; a repeated one runs nothing again.
    """
    arguments = {"triggeredBy": "scheduler"}
    if "time" in event:
        arguments["timestamp"] = str(event["time"])
    result = await platform.call("runAllQualityChecks", arguments, idempotency_key=key)
    return {"statusCode": 200, "body": result}
