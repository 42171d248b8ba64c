"""Task: asks for work outside the execution, and goes on with its answer."""

from typing import Any

from meshplane.workflows.asl.branch import Branch
from meshplane.workflows.asl.jsonata import JsonataTemplate, compile_jsonata_template
from meshplane.workflows.asl.limits import LONGEST_WAIT_SECONDS
from meshplane.workflows.asl.quantity import Quantity
from meshplane.workflows.asl.scope import Scope
from meshplane.workflows.asl.state import Stage, State, TaskWish
from meshplane.workflows.asl.templates import Template, compile_template

WAIT_FOR_TOKEN = ".waitForTaskToken"  # noqa: S105 - a suffix of resources, no secret
_SUBMITTED = (WAIT_FOR_TOKEN, ".sync", ".sync:2")
_SERVICE = "arn:aws:states:::"


class TaskEvents:
    """How the events of a resource's tasks are named, and what they tell.

    Functions and activities that are named by their ARN have events of their own.
    """

    __slots__ = ("common", "prefix", "resource", "submitted")

    def __init__(self, resource: str) -> None:
        self.resource = resource
        self.submitted = resource.endswith(_SUBMITTED)
        self.common: dict[str, Any] = {}
        parts = resource.split(":")
        if resource.startswith("arn:aws:lambda:"):
            self.prefix = "LambdaFunction"
        elif len(parts) > 5 and parts[2] == "states" and parts[5] == "activity":
            self.prefix = "Activity"
        else:
            self.prefix = "Task"
            service, _, action = _split(resource)
            self.common = {"resourceType": service, "resource": action}

    def detail(self, what: str) -> str:
        """The name of the member that holds the details of an event."""
        prefix = self.prefix[0].lower() + self.prefix[1:]
        return f"{prefix}{what}EventDetails"


def _split(resource: str) -> tuple[str, str, str]:
    """`aws-sdk:dynamodb` and `getItem`; `sqs` and `sendMessage.waitForTaskToken`."""
    body = resource.removeprefix(_SERVICE)
    if body.endswith(".sync:2"):
        service, colon, action = body.removesuffix(":2").rpartition(":")
        return service, colon, f"{action}:2"
    return body.rpartition(":")


class TaskState(State):
    """A Task."""

    kind = "Task"
    entered_type = "TaskStateEntered"
    exited_type = "TaskStateExited"

    def __init__(self, name: str, document: dict[str, Any], language: str) -> None:
        super().__init__(name, document, language)
        self.resource: str = document["Resource"]
        self.waits_for_token = self.resource.endswith(WAIT_FOR_TOKEN)
        self.events = TaskEvents(self.resource)
        self._timeout = Quantity(document, "TimeoutSeconds", LONGEST_WAIT_SECONDS)
        self._heartbeat = Quantity(document, "HeartbeatSeconds", LONGEST_WAIT_SECONDS)
        self._credentials: Template | JsonataTemplate | None = None
        if "Credentials" in document:
            source = document["Credentials"]
            if self.is_jsonata:
                self._credentials = compile_jsonata_template(source, "Credentials")
            else:
                self._credentials = compile_template(source)

    def begin(self, stage: Stage, branch: Branch) -> None:
        """Requests the task."""
        if self.waits_for_token:
            branch.token = stage.new_token()
        scope: Scope = stage.scope(branch, self, branch.data)
        self.flow.effective(scope)
        parameters = self.flow.arguments(scope)
        wish = TaskWish(
            parameters,
            branch.token,
            self._timeout.evaluate(scope),
            self._heartbeat.evaluate(scope),
            None if self._credentials is None else self._credentials.evaluate(scope),
        )
        stage.request(branch, self, wish)
