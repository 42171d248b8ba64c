"""The platform's functions, called by rules and by tasks of workflows.

A rule's target of type `function` calls one through the queue `functions`; `lambda:invoke`, or a
function's ARN as a task's resource, calls the same one.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from meshplane.boundary.actor import Actor
from meshplane.boundary.platform_api import PlatformApi
from meshplane.events.functions import Function as RuleFunction
from meshplane.events.queues import GiveUp, Message
from meshplane.kit.errors import Invalid, MeshplaneError, Missing, Refused
from meshplane.platform.store import UnitOfWork
from meshplane.workflows.asl import TaskFailed, TaskRequest
from meshplane.workflows.functions.registry import FUNCTIONS, Function, function_named
from meshplane.workflows.operation_tasks import actor_of
from meshplane.workflows.performers import ExecutionInfo, Resource
from meshplane.workflows.run_as import RunAs

_UNFIT = "The event lacks what the function needs: the guide says what each takes."


class ActingAs:
    """The platform's API in the name of one actor; see `OperationCaller`.

    Args:
        api: carries out.
        actor: in whose name.
    """

    def __init__(self, api: PlatformApi, actor: Actor) -> None:
        self._api = api
        self._actor = actor

    async def call(
        self, operation_id: str, arguments: Mapping[str, Any], *, idempotency_key: str
    ) -> Any:
        """See `OperationCaller.call`."""
        return await self._api.call(operation_id, arguments, actor=self._actor, key=idempotency_key)


def rule_functions(api: PlatformApi) -> dict[str, RuleFunction]:
    """The functions as rules call them, by name."""
    return {name: _for_rules(function, api) for name, function in FUNCTIONS.items()}


def _for_rules(function: Function, api: PlatformApi) -> RuleFunction:
    async def run(work: UnitOfWork, given: Any, message: Message) -> None:
        origin = message.origin or {}
        run_as = RunAs.from_json(origin["runAs"])
        actor = replace(run_as.actor(), via=f"rule/{origin['rule']}", hops=message.hops)
        try:
            await function(given, ActingAs(api, actor), message.key)
        except (Missing, Invalid, Refused) as error:
            # It would be refused again. Whatever else is raised is tried again.
            raise GiveUp(error.code, error.message) from error
        except (KeyError, TypeError) as error:
            raise GiveUp("EVENT_UNFIT", _UNFIT) from error

    return run


class FunctionTasks:
    """Performs `lambda:invoke` and functions by ARN; see `Outside`.

    Args:
        api: the platform's.
    """

    def __init__(self, api: PlatformApi) -> None:
        self._api = api

    async def perform(self, request: TaskRequest, execution: ExecutionInfo) -> Any:
        """The function's answer; for `lambda:invoke` as the Payload of Lambda's own answer."""
        resource = Resource.of(request.resource)
        by_name = resource.name == ""
        parameters = request.parameters if isinstance(request.parameters, dict) else {}
        name = parameters.get("FunctionName") if by_name else resource.name
        if not isinstance(name, str):
            raise TaskFailed("States.Runtime", "lambda:invoke needs FunctionName.")
        event = parameters.get("Payload", {}) if by_name else request.parameters
        try:
            function = function_named(name)
            answer = await function(event, ActingAs(self._api, actor_of(execution)), request.key)
        except MeshplaneError as error:
            raise TaskFailed(error.code, error.message) from error
        except (KeyError, TypeError) as error:
            raise TaskFailed("EVENT_UNFIT", _UNFIT) from error
        if not by_name:
            return answer
        return {"ExecutedVersion": "$LATEST", "Payload": answer, "StatusCode": 200}
