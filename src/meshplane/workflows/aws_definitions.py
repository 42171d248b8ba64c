"""Definitions as they go to Step Functions: the same documents, with what AWS must know. Pure.

A document is not rewritten but completed. Its states, paths, retries and catches stay as they are:

- Queues, topics, state machines, functions and the bus get their URLs and ARNs of this account.
- `meshplane:<operationId>` becomes a message with a token to the task queue, as the product's own
  definitions have it: Step Functions has no such resource.
- A message to a queue that the mesh works off gets the member `execution`: which execution sent it,
  from which state. Whose name that execution acts in, the mesh knows by itself (`aws_ledger.py`);
  nothing in a message says it.

What a person's definition may not do on AWS, because nothing there would stop it: choose a queue, a
topic or a state machine while it runs, start one of the product's machines, which would act as the
mesh itself, send to a queue that the mesh alone may fill, or call anything but what the embedded
engine performs. Its role, `author_role_arn`, allows no more: `sqs:SendMessage` to the task and
approval queues and the account's free ones, `events:PutEvents` where `events:source` is not one of
the mesh's own, `states:StartExecution` of people's machines. The role is what counts (needs AWS);
the checks here say it before, with the place.

What does not go over: an event that a definition puts (`events:putEvents`) goes on AWS's bus, and
not into the outbox, so that the mesh's rules get it and its live stream does not. A child that a
person's machine starts (`states:startExecution`) is not noted as anybody's, nor is a child of a
distributed Map: operations that these ask for are not done.

Sources: Amazon States Language specification; Step Functions Developer Guide ("Call Amazon SQS",
"Accessing execution data from the Context object").
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from meshplane.events.sources import is_reserved
from meshplane.kit.errors import FieldProblem, Invalid
from meshplane.platform.aws.place import AwsPlace
from meshplane.workflows.arns import last_part
from meshplane.workflows.built_in import definition_texts
from meshplane.workflows.performers import FUNCTIONS, OPERATIONS, SERVICE_PREFIX, Resource
from meshplane.workflows.queue_names import MESH_QUEUES, SUBSCRIPTIONS, TASKS

EXECUTION = "execution"
"""The member of a message to the mesh that says which execution sent it."""

BODY = "body"
"""Where the message's own body is, when it is no object that is written out."""

_SEND = "sqs:sendMessage"
_SEND_AND_WAIT = f"{SERVICE_PREFIX}{_SEND}.waitForTaskToken"
_KNOWN = frozenset(
    {
        *(_SEND, "sns:publish", "events:putEvents", "states:startExecution", "http:invoke"),
        *("lambda:invoke", FUNCTIONS, OPERATIONS),
    }
)
_PATHS = {"id": "$$.Execution.Id", "state": "$$.State.Name", "enteredAt": "$$.State.EnteredTime"}


@dataclass(frozen=True, slots=True)
class WorkflowPlaces:
    """Where the parts of workflows are in an account.

    Args:
        place: region, account and prefix.
        role_arn: what the product's own state machines run as.
        author_role_arn: what those of people run as; it may do less, see above.
        queue_urls: by name: the task, approval and subscription queues, and those that people's
            definitions may send to.
        topic_arns: by name, such as `project-notifications`.
        function_arns: Lambda functions by the names of the platform's functions.
        bus_name: of the bus on AWS.
    """

    place: AwsPlace
    role_arn: str
    author_role_arn: str
    queue_urls: Mapping[str, str]
    topic_arns: Mapping[str, str] = field(default_factory=dict)
    function_arns: Mapping[str, str] = field(default_factory=dict)
    bus_name: str = "datamesh-events"

    def machine_name(self, name: str) -> str:
        """A state machine's name on AWS."""
        return f"{self.place.prefix}{name}"

    def machine_arn(self, name: str) -> str:
        """A state machine's ARN."""
        return f"arn:aws:states:{self._at}:stateMachine:{self.machine_name(name)}"

    def execution_arn(self, machine: str, name: str) -> str:
        """An execution's ARN."""
        return f"arn:aws:states:{self._at}:execution:{self.machine_name(machine)}:{name}"

    def execution_of(self, arn: str) -> tuple[str, str] | None:
        """The machine and the name of an execution of this mesh; None for any other ARN."""
        start = f"arn:aws:states:{self._at}:execution:{self.place.prefix}"
        machine, colon, name = arn.removeprefix(start).partition(":")
        if not arn.startswith(start) or not colon or not machine or ":" in name:
            return None
        return machine, name

    @property
    def _at(self) -> str:
        return f"{self.place.region}:{self.place.account}"


def definition_for_aws(
    definition: Mapping[str, Any], places: WorkflowPlaces, *, built_in: bool
) -> dict[str, Any]:
    """A definition as `CreateStateMachine` takes it.

    Args:
        definition: an Amazon States Language document that `validate` found no error in.
        places: where things are.
        built_in: whether it comes with the product.

    Raises:
        Invalid: DEFINITION_NOT_FOR_AWS, with each place and what to do there.
    """
    made = copy.deepcopy(dict(definition))
    problems: list[FieldProblem] = []
    jsonata = made.get("QueryLanguage") == "JSONata"
    for path, state in _tasks(made, "definition"):
        is_jsonata = state.get("QueryLanguage", "JSONata" if jsonata else "JSONPath") == "JSONata"
        task = _Task(path, state, places, built_in, is_jsonata=is_jsonata)
        problems += task.complete()
    if problems:
        raise Invalid(
            "DEFINITION_NOT_FOR_AWS",
            "This definition runs on the embedded engine, not on Step Functions: "
            f"{problems[0].message}",
            fields=problems,
        )
    return made


def _tasks(machine: Mapping[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every Task with its place."""
    for name, state in machine.get("States", {}).items():
        here = f"{path}.States.{name}"
        if state.get("Type") == "Task":
            yield here, state
        for number, branch in enumerate(state.get("Branches", ())):
            yield from _tasks(branch, f"{here}.Branches.{number}")
        for inner in ("ItemProcessor", "Iterator"):
            if inner in state:
                yield from _tasks(state[inner], f"{here}.{inner}")


class _Task:
    """One Task, completed in place."""

    def __init__(
        self,
        path: str,
        state: dict[str, Any],
        places: WorkflowPlaces,
        built_in: bool,
        *,
        is_jsonata: bool,
    ) -> None:
        self._path = path
        self._state = state
        self._places = places
        self._built_in = built_in
        self._is_jsonata = is_jsonata
        self._problems: list[FieldProblem] = []

    def complete(self) -> list[FieldProblem]:
        """Completes it; what stands in the way."""
        resource = Resource.of(self._state["Resource"])
        if resource.base not in _KNOWN:
            self._problem("Resource", "nobody of the mesh performs this resource.")
        match resource.base:
            case base if base == OPERATIONS:
                self._operation(resource.name)
            case base if base == _SEND:
                self._send(waits=resource.suffix == "waitForTaskToken")
            case "sns:publish":
                self._named("TopicArn", self._places.topic_arns)
            case "states:startExecution":
                self._start()
            case "lambda:invoke":
                self._named("FunctionName", self._places.function_arns)
            case base if base == FUNCTIONS:
                name = last_part(resource.name)
                self._state["Resource"] = self._places.function_arns.get(name, resource.name)
            case "events:putEvents":
                self._events()
            case "http:invoke":
                self._http()
        return self._problems

    @property
    def _arguments(self) -> dict[str, Any]:
        """What the task is called with; an empty object is put where there is nothing."""
        key = "Arguments" if self._is_jsonata else "Parameters"
        found = self._state.setdefault(key, {})
        return found if isinstance(found, dict) else {}

    def _operation(self, operation: str) -> None:
        key = "Arguments" if self._is_jsonata else "Parameters"
        given = self._state.get(key)
        body: dict[str, Any] = {"operation": operation}
        if given is not None:
            body["arguments"] = given
        elif self._is_jsonata:
            body["arguments"] = "{% $states.input %}"
        else:
            body["arguments.$"] = "$"
        body |= self._context("taskToken", "$$.Task.Token")
        self._state["Resource"] = _SEND_AND_WAIT
        self._state[key] = {
            "QueueUrl": self._places.queue_urls[TASKS],
            "MessageBody": {**body, EXECUTION: self._execution()},
        }

    def _send(self, waits: bool) -> None:
        arguments = self._arguments
        given = arguments.get("QueueUrl")
        if not isinstance(given, str) or given.startswith("{%"):
            self._problem("QueueUrl", "write the queue out: on AWS it is not chosen at run time.")
            return
        name = last_part(given)
        allowed = self._built_in or name != SUBSCRIPTIONS
        if name not in self._places.queue_urls or not allowed:
            self._problem("QueueUrl", "definitions do not send to this queue on AWS.")
            return
        arguments["QueueUrl"] = self._places.queue_urls[name]
        if name not in MESH_QUEUES:
            return
        if not waits:
            self._problem("Resource", "a message to the mesh waits for its token.")
        body = arguments.get("MessageBody")
        if not isinstance(body, dict):
            # Text, or something from the input: kept whole, beside what it cannot say of itself.
            key = BODY if "MessageBody" in arguments else f"{BODY}.$"
            body = {key: arguments.pop("MessageBody", arguments.pop("MessageBody.$", None))}
        arguments["MessageBody"] = {
            **{key: value for key, value in body.items() if key.split(".")[0] != EXECUTION},
            EXECUTION: self._execution(),
        }

    def _execution(self) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key, path in _PATHS.items():
            made |= self._context(key, path)
        return made

    def _context(self, key: str, path: str) -> dict[str, str]:
        """A member that is taken from the context object."""
        if self._is_jsonata:
            return {key: f"{{% $states.context{path.removeprefix('$$')} %}}"}
        return {f"{key}.$": path}

    def _start(self) -> None:
        arguments = self._arguments
        given = arguments.get("StateMachineArn")
        if not isinstance(given, str) or given.startswith("{%"):
            self._problem("StateMachineArn", "write the state machine out.")
            return
        name = last_part(given)
        if not self._built_in and name in definition_texts():
            self._problem(
                "StateMachineArn",
                "this machine would act as the mesh itself: start it by the operation "
                "startExecution (meshplane:startExecution).",
            )
        arguments["StateMachineArn"] = self._places.machine_arn(name)

    def _named(self, key: str, known: Mapping[str, str]) -> None:
        arguments = self._arguments
        given = arguments.get(key)
        if isinstance(given, str) and not given.startswith("{%"):
            arguments[key] = known.get(last_part(given), given)
        elif not self._built_in:
            self._problem(key, "write it out: on AWS it is not chosen at run time.")

    def _events(self) -> None:
        entries = self._arguments.get("Entries")
        if not isinstance(entries, list):
            self._problem("Entries", "write the entries out.")
            return
        for entry in entries:
            if not isinstance(entry, dict):
                continue
            source = entry.get("Source")
            if not self._built_in and (not isinstance(source, str) or is_reserved(source)):
                self._problem("Entries", "write out a Source that is not one of the mesh's own.")
            if "EventBusName.$" not in entry:
                # Without it, the event would go to the account's default bus.
                entry["EventBusName"] = self._places.bus_name

    def _http(self) -> None:
        authentication = self._arguments.get("Authentication")
        if not (isinstance(authentication, dict) and authentication.get("ConnectionArn")):
            self._problem(
                "Authentication",
                "http:invoke needs HTTPS and a connection of EventBridge on AWS: name its "
                "ConnectionArn, or call the operation (meshplane:<operationId>).",
            )

    def _problem(self, key: str, message: str) -> None:
        self._problems.append(FieldProblem(f"{self._path}.{key}", f"{self._path}: {message}"))
