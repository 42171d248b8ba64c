"""HTTP of the workflows service."""

from starlette.responses import Response

from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call
from meshplane.boundary.operation import OperationRoute, Operations
from meshplane.boundary.schemas import Page, PageQuery
from meshplane.services.workflows.approval_schemas import (
    ApprovalComment,
    ApprovalQuery,
    ApprovalStepView,
    ApprovalView,
)
from meshplane.services.workflows.approvals import Approvals
from meshplane.services.workflows.executions import ExecutionCases
from meshplane.services.workflows.machines import StateMachines
from meshplane.services.workflows.schemas import (
    ExecutionQuery,
    ExecutionSummary,
    ExecutionView,
    HistoryQuery,
    HistoryView,
    NewDefinition,
    NewExecution,
    StateMachineView,
    StopBody,
    TaskBeat,
    TaskFailure,
    TaskSuccess,
    ValidationView,
)

MERMAID = "text/vnd.mermaid"


def machine_routes(machines: StateMachines, boundary: Boundary) -> list[OperationRoute]:
    """The routes under /api/v1/workflows."""
    operations = Operations(boundary)

    @operations.read("/workflows", "listStateMachines")
    async def list_state_machines(call: Call, query: PageQuery) -> Page[StateMachineView]:
        return await machines.list(call, query)

    @operations.write("POST", "/workflows/validate", "validateStateMachine")
    async def validate_state_machine(call: Call, body: NewDefinition) -> ValidationView:
        return await machines.validate(call, body)

    @operations.read("/workflows/{name}", "getStateMachine")
    async def get_state_machine(call: Call, name: str) -> StateMachineView:
        return await machines.get(call, name)

    @operations.write("PUT", "/workflows/{name}", "putStateMachine")
    async def put_state_machine(call: Call, name: str, body: NewDefinition) -> StateMachineView:
        return await machines.put(call, name, body)

    return operations.routes


def execution_routes(executions: ExecutionCases, boundary: Boundary) -> list[OperationRoute]:
    """The routes under /api/v1/executions."""
    operations = Operations(boundary)

    @operations.write("POST", "/executions", "startExecution", status=201)
    async def start_execution(call: Call, body: NewExecution) -> ExecutionView:
        return await executions.start(call, body)

    @operations.read("/executions", "listExecutions")
    async def list_executions(call: Call, query: ExecutionQuery) -> Page[ExecutionSummary]:
        return await executions.list(call, query)

    @operations.write("POST", "/executions/tasks/success", "sendTaskSuccess")
    async def send_task_success(call: Call, body: TaskSuccess) -> None:
        await executions.succeed(call, body)

    @operations.write("POST", "/executions/tasks/failure", "sendTaskFailure")
    async def send_task_failure(call: Call, body: TaskFailure) -> None:
        await executions.fail(call, body)

    @operations.write("POST", "/executions/tasks/heartbeat", "sendTaskHeartbeat")
    async def send_task_heartbeat(call: Call, body: TaskBeat) -> None:
        await executions.beat(call, body)

    @operations.read("/executions/{execution_id}", "getExecution")
    async def get_execution(call: Call, execution_id: str) -> ExecutionView:
        return await executions.get(call, execution_id)

    @operations.read("/executions/{execution_id}/history", "getExecutionHistory")
    async def get_execution_history(
        call: Call, execution_id: str, query: HistoryQuery
    ) -> HistoryView:
        return await executions.history(call, execution_id, query)

    @operations.read(
        "/executions/{execution_id}/diagram", "getExecutionDiagram", answers={MERMAID: None}
    )
    async def get_execution_diagram(call: Call, execution_id: str) -> Response:
        return Response(await executions.diagram(call, execution_id), media_type=MERMAID)

    @operations.write("POST", "/executions/{execution_id}/stop", "stopExecution")
    async def stop_execution(call: Call, execution_id: str, body: StopBody) -> ExecutionView:
        return await executions.stop(call, execution_id, body)

    @operations.write("POST", "/executions/{execution_id}/redrive", "redriveExecution")
    async def redrive_execution(call: Call, execution_id: str) -> ExecutionView:
        return await executions.redrive(call, execution_id)

    return operations.routes


def approval_routes(approvals: Approvals, boundary: Boundary) -> list[OperationRoute]:
    """The routes under /api/v1/approvals."""
    operations = Operations(boundary)

    @operations.read("/approvals", "listApprovals")
    async def list_approvals(call: Call, query: ApprovalQuery) -> Page[ApprovalStepView]:
        return await approvals.inbox(call, query)

    @operations.read("/approvals/{workflow_id}", "getApproval")
    async def get_approval(call: Call, workflow_id: str) -> ApprovalView:
        return await approvals.get(call, workflow_id)

    @operations.write("POST", "/approvals/{workflow_id}/approve", "approveStep")
    async def approve_step(call: Call, workflow_id: str, body: ApprovalComment) -> ApprovalView:
        return await approvals.approve(call, workflow_id, body)

    @operations.write("POST", "/approvals/{workflow_id}/reject", "rejectStep")
    async def reject_step(call: Call, workflow_id: str, body: ApprovalComment) -> ApprovalView:
        return await approvals.reject(call, workflow_id, body)

    return operations.routes
