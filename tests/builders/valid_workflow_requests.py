"""Good requests for the operations of workflows and approvals."""

from collections.abc import Callable

from tests.builders.request import Request
from tests.builders.small_mesh import SmallMesh

DEFINITION = {"StartAt": "Rest", "States": {"Rest": {"Type": "Succeed"}}}


def workflow_reads(mesh: SmallMesh) -> dict[str, str]:
    """Their paths, by operation."""
    execution = f"/executions/{mesh.execution}"
    return {
        "listStateMachines": "/workflows",
        "getStateMachine": "/workflows/promotion",
        "listExecutions": "/executions",
        "getExecution": execution,
        "getExecutionHistory": f"{execution}/history",
        "getExecutionDiagram": f"{execution}/diagram",
        "listApprovals": "/approvals",
        "getApproval": f"/approvals/{mesh.approval}",
    }


def workflow_writes(mesh: SmallMesh, tag: str) -> dict[str, Callable[[], Request]]:
    """The writes; each call makes ready what its request needs."""
    comment = {"comment": "Seen."}

    def stopped() -> str:
        execution_id = mesh.new_execution()
        mesh.ask("contributor", "POST", f"/executions/{execution_id}/stop", {})
        return execution_id

    return {
        "putStateMachine": lambda: Request(
            "PUT", f"/workflows/machine-{tag}"[:70], {"definition": DEFINITION}
        ),
        "validateStateMachine": lambda: Request(
            "POST", "/workflows/validate", {"definition": DEFINITION}
        ),
        "startExecution": lambda: Request(
            "POST",
            "/executions",
            {"stateMachine": "rests", "name": f"named-{tag}"[:80], "input": {"tag": tag}},
        ),
        "stopExecution": lambda: Request(
            "POST",
            f"/executions/{mesh.new_execution()}/stop",
            {"error": "NOT_NEEDED", "cause": "Nobody needs it."},
        ),
        "redriveExecution": lambda: Request("POST", f"/executions/{stopped()}/redrive"),
        "sendTaskSuccess": lambda: Request(
            "POST",
            "/executions/tasks/success",
            {"taskToken": mesh.new_job(tag)[1], "output": {"done": True}},
        ),
        "sendTaskFailure": lambda: Request(
            "POST",
            "/executions/tasks/failure",
            {"taskToken": mesh.new_job(tag)[1], "error": "BROKEN", "cause": "It broke."},
        ),
        "sendTaskHeartbeat": lambda: Request(
            "POST", "/executions/tasks/heartbeat", {"taskToken": mesh.new_job(tag)[1]}
        ),
        "approveStep": lambda: Request(
            "POST", f"/approvals/{mesh.new_approval()[1]}/approve", comment
        ),
        "rejectStep": lambda: Request(
            "POST", f"/approvals/{mesh.new_approval()[1]}/reject", comment
        ),
    }
