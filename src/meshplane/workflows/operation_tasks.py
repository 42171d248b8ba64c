"""Tasks that are operations of the platform: `"Resource": "meshplane:<operationId>"`."""

from dataclasses import replace
from typing import Any

from meshplane.boundary.actor import Actor
from meshplane.boundary.platform_api import PlatformApi
from meshplane.kit.errors import MeshplaneError
from meshplane.workflows.asl import TaskFailed, TaskRequest
from meshplane.workflows.performers import ExecutionInfo, Resource


def actor_of(execution: ExecutionInfo) -> Actor:
    """In whose name the tasks of an execution act; the audit trail names the execution too."""
    return replace(execution.run_as.actor(), via=execution.execution_id, hops=execution.hops + 1)


class OperationTasks:
    """Performs operations; see `Outside`.

    Args:
        api: the platform's.
    """

    def __init__(self, api: PlatformApi) -> None:
        self._api = api

    async def perform(self, request: TaskRequest, execution: ExecutionInfo) -> Any:
        """The operation's answer; the code of its error is the error's name."""
        operation = Resource.of(request.resource).name
        arguments = request.parameters
        if not isinstance(arguments, dict):
            raise TaskFailed(
                "States.Runtime", f"The arguments of {operation} must be an object of its fields."
            )
        try:
            return await self._api.call(
                operation, arguments, actor=actor_of(execution), key=request.key
            )
        except MeshplaneError as error:
            raise TaskFailed(error.code, error.message) from error
