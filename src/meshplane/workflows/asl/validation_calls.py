"""Calls of integrations that Step Functions refuses, or that can not work as they are written."""

from collections.abc import Callable
from typing import Any

from meshplane.workflows.asl.validation_report import Place
from meshplane.workflows.asl.validation_scopes import Scope
from meshplane.workflows.asl.validation_task import OPERATION, integration_of, parameters_of

LONGEST_HTTP_SECONDS = 60
LONGEST_SUBJECT_CHARACTERS = 100


def warn_of_calls(scope: Scope) -> None:
    """Tells the traps of each known integration."""
    for name, state in scope.states.items():
        if state.get("Type") != "Task":
            continue
        place = scope.state_place(name)
        integration, _ = integration_of(state.get("Resource"))
        if integration.startswith(OPERATION):
            place.at("Resource").warn(
                "AWS_REFUSES_OPERATION",
                "Only Meshplane's engine calls an operation by its name. For Step Functions too,"
                " send it with sqs:sendMessage.waitForTaskToken to the task queue.",
            )
        field, parameters = parameters_of(state)
        if integration in _CHECKS and isinstance(parameters, dict):
            _CHECKS[integration](place.at(field), parameters)
        timeout = state.get("TimeoutSeconds")
        if integration == "http:invoke" and _is_over(timeout, LONGEST_HTTP_SECONDS):
            place.at("TimeoutSeconds").warn(
                "HTTP_TIMEOUT_OVER_60_SECONDS",
                "On Step Functions an HTTP call ends after 60 seconds, whatever the timeout. Long"
                " work goes over sqs:sendMessage.waitForTaskToken.",
            )


def _is_over(value: Any, limit: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > limit


def _http(place: Place, parameters: dict[str, Any]) -> None:
    endpoint = parameters.get("ApiEndpoint")
    if isinstance(endpoint, str) and endpoint.lower().startswith("http:"):
        place.at("ApiEndpoint").warn(
            "AWS_REFUSES_PLAIN_HTTP",
            "Step Functions calls https:// addresses only; a private one goes through the"
            " private connectivity of a connection.",
        )
    ways = ("Authentication", "Authentication.$", "InvocationConfig", "InvocationConfig.$")
    if not any(way in parameters for way in ways):
        place.warn(
            "AWS_REFUSES_HTTP_WITHOUT_CONNECTION",
            "Step Functions wants Authentication with the ConnectionArn of an EventBridge"
            " connection.",
        )
    if parameters.get("Method") == "GET" and (
        "RequestBody" in parameters or "RequestBody.$" in parameters
    ):
        place.at("RequestBody" if "RequestBody" in parameters else "RequestBody.$").warn(
            "HTTP_BODY_ON_GET", "A GET has no body that counts; use QueryParameters."
        )


def _queue(place: Place, parameters: dict[str, Any]) -> None:
    url = parameters.get("QueueUrl")
    if isinstance(url, str) and url.startswith("arn:"):
        place.at("QueueUrl").warn(
            "QUEUE_URL_IS_ARN",
            "This is a queue's ARN, which Step Functions finds no queue by; write"
            " https://sqs.<region>.amazonaws.com/<account>/<queue>.",
        )


def _topic(place: Place, parameters: dict[str, Any]) -> None:
    subject = parameters.get("Subject")
    if isinstance(subject, str) and len(subject) > LONGEST_SUBJECT_CHARACTERS:
        place.at("Subject").warn(
            "SUBJECT_TOO_LONG",
            f"A subject has at most {LONGEST_SUBJECT_CHARACTERS} characters, this one"
            f" {len(subject)}.",
        )


_CHECKS: dict[str, Callable[[Place, dict[str, Any]], None]] = {
    "http:invoke": _http,
    "sqs:sendMessage": _queue,
    "sns:publish": _topic,
}
