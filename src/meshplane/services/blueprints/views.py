"""Deployments as requests see them."""

from typing import Any

from meshplane.platform.tables import Row
from meshplane.services.blueprints.schemas import (
    ChangeView,
    DeploymentStatusView,
    DeploymentView,
    StackEventView,
)
from meshplane.services.blueprints.states import AT_WORK


def deployment_view(row: Row) -> DeploymentView:
    """A deployment."""
    item = row.item
    return DeploymentView(
        deployment_id=item["deploymentId"],
        project_id=item["projectId"],
        environment=item["environment"],
        status=item["status"],
        deployed_by=item["deployedBy"],
        timestamp=item["timestamp"],
        start_time=item["startTime"],
        end_time=item["endTime"],
        duration=item["duration"],
        resources=len(item["resources"]),
        template_sha256=item["templateSha256"],
        tests_passed_at=item["testsPassedAt"],
        tags=item["tags"],
        capabilities=item.get("capabilities", []),
        cfn_stack_id=item.get("cfnStackId"),
        status_reason=item.get("statusReason") or None,
        rollback_reason=item.get("rollbackReason"),
        changes=[ChangeView(**each) for each in item.get("changes", ())],
        stack_events=[event_view(each) for each in item.get("stackEvents", ())],
        outputs=item.get("outputs", {}),
        warnings=item.get("warnings", []),
        version=row.version,
    )


def event_view(kept: dict[str, Any]) -> StackEventView:
    """A step of a deployment's stack."""
    return StackEventView(
        event_id=kept["eventId"],
        at=kept["at"],
        logical_id=kept["logicalId"],
        resource_type=kept["resourceType"],
        status=kept["status"],
        reason=kept["reason"],
    )


def status_view(row: Row) -> DeploymentStatusView:
    """How far a deployment has come, and nothing else."""
    item = row.item
    return DeploymentStatusView(
        deployment_id=item["deploymentId"],
        status=item["status"],
        ended=item["status"] not in AT_WORK,
        succeeded=item["status"] == "SUCCESS",
        status_reason=item.get("statusReason") or "",
    )
