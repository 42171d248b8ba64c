"""The fields that only a Task state has."""

import re
from typing import Any

from meshplane.workflows.asl import validation_expressions as dynamic
from meshplane.workflows.asl.validation_fields import check_one_of
from meshplane.workflows.asl.validation_report import INVALID_RESOURCE, SCHEMA, Place, quoted
from meshplane.workflows.asl.validation_scopes import Scope
from meshplane.workflows.asl.validation_values import JSONATA, JSONPATH

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s{}]+")
_INTEGRATION = re.compile(r"arn:aws[a-z-]*:states:[a-z0-9-]*:\d*:(?P<name>[^.]+)(?P<pattern>\..*)?")
OPERATION = "meshplane:"

# What the parameters of these integrations must have; where a call has no parameters at all, its
# input takes their place.
_REQUIRED = {
    "sqs:sendMessage": ("QueueUrl", "MessageBody"),
    "sns:publish": ("Message",),
    "lambda:invoke": ("FunctionName",),
    "events:putEvents": ("Entries",),
    "states:startExecution": ("StateMachineArn",),
    "http:invoke": ("ApiEndpoint", "Method"),
}
_NO_SYNC = (*(name for name in _REQUIRED if name != "states:startExecution"), "apigateway:invoke")
_NO_TOKEN = ("http:invoke",)


def integration_of(resource: Any) -> tuple[str, str]:
    """The name and call pattern of a service integration.

    Args:
        resource: the `Resource` of a Task state.

    Returns:
        such as `("sqs:sendMessage", ".waitForTaskToken")`; `("", "")` for anything else.
    """
    if isinstance(resource, str) and resource.startswith(OPERATION):
        name, _, pattern = resource.partition(".")
        return name, f".{pattern}" if pattern else ""
    match = _INTEGRATION.fullmatch(resource) if isinstance(resource, str) else None
    return (match["name"], match["pattern"] or "") if match else ("", "")


def is_activity(resource: Any) -> bool:
    """Whether a worker polls for this task."""
    return integration_of(resource)[0].startswith("activity:")


def waits_for_token(resource: Any) -> bool:
    """Whether the task ends only when somebody answers its token."""
    return integration_of(resource)[1] == ".waitForTaskToken"


def parameters_of(state: dict[str, Any]) -> tuple[str, Any]:
    """The field that holds a task's parameters, and its value; `("", None)` without one."""
    for name in ("Parameters", "Arguments"):
        if name in state:
            return name, state[name]
    return "", None


def check_task(scope: Scope, place: Place, value: dict[str, Any], language: str) -> None:
    """Tells what is wrong with a Task state beyond the kinds of its fields."""
    if "Resource" not in value:
        place.error("These fields are required: [Resource]; name what the task calls.")
    else:
        _check_resource(scope, place, value)
    if language == JSONPATH:
        check_one_of(place, value, "TimeoutSeconds", "TimeoutSecondsPath")
        check_one_of(place, value, "HeartbeatSeconds", "HeartbeatSecondsPath")
    timeout, beat = value.get("TimeoutSeconds"), value.get("HeartbeatSeconds")
    if isinstance(timeout, int) and isinstance(beat, int) and beat >= timeout:
        place.at("HeartbeatSeconds").error(
            f"must be less than TimeoutSeconds, which is {timeout}: it is the longest silence"
            " within the whole time."
        )
    if "Credentials" in value:
        _check_credentials(place.at("Credentials"), value["Credentials"], language)


def _check_resource(scope: Scope, place: Place, value: dict[str, Any]) -> None:
    resource, where = value["Resource"], place.at("Resource")
    if not isinstance(resource, str) or not _URI.fullmatch(resource):
        where.error(
            f"is {quoted(resource)}, not a resource: write an ARN such as"
            " arn:aws:states:::sqs:sendMessage.waitForTaskToken, or meshplane: and the name of"
            " an operation.",
            INVALID_RESOURCE,
        )
        return
    name, pattern = integration_of(resource)
    if name and not is_activity(resource):
        _check_pattern(where, name, pattern)
    if scope.express:
        _check_express(where, resource, pattern)
    field, parameters = parameters_of(value)
    if not isinstance(parameters, dict):
        return
    for required in _REQUIRED.get(name, ()):
        if required not in parameters and f"{required}.$" not in parameters:
            place.at(field).error(f"The field '{required}' is required but was missing")


def _check_pattern(place: Place, name: str, pattern: str) -> None:
    if pattern not in ("", ".sync", ".sync:2", ".waitForTaskToken"):
        place.error(
            f"{quoted(pattern)} is no way to call an integration; end the resource with nothing,"
            " .sync or .waitForTaskToken.",
            INVALID_RESOURCE,
        )
    refused = (pattern.startswith(".sync") and name in _NO_SYNC) or (
        pattern == ".waitForTaskToken" and name in _NO_TOKEN
    )
    if refused:
        place.error(f"{name} can not be called with {pattern}; leave it out.", INVALID_RESOURCE)
    if ":" not in name:
        place.error(
            f"{quoted(name)} names no service and action, such as sqs:sendMessage.",
            INVALID_RESOURCE,
        )


def _check_express(place: Place, resource: str, pattern: str) -> None:
    # The texts, down to their spaces, are those that Step Functions answers with.
    if pattern == ".waitForTaskToken":
        place.error(
            "Express state machine does not support '.waitForTaskToken' service integration ",
            SCHEMA,
        )
    elif pattern.startswith(".sync"):
        place.error("Express state machine does not support '.sync' service integration", SCHEMA)
    elif is_activity(resource):
        place.error("Express state machine does not support Activity ARN", SCHEMA)


def _check_credentials(place: Place, value: Any, language: str) -> None:
    if not isinstance(value, dict):
        place.error("must be a JSON object with RoleArn.")
        return
    names = {"RoleArn", "roleArn"}
    if language == JSONPATH:
        names |= {f"{name}.$" for name in names}
    given = [name for name in value if name in names]
    if not given:
        place.error("The field 'RoleArn' is required but was missing")
    for name in given:
        if not isinstance(value[name], str):
            place.at(name).error("must be a string: the ARN of a role.")
    check = dynamic.jsonata_value if language == JSONATA else dynamic.template
    check(place, value, language)
