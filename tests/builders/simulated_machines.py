"""State machines of the simulation, and how each execution ends when nothing disturbs it.

What a task does follows from its parameters alone: `how` says what its first try gives, its second,
and so on; the last one counts for all that follow. So an execution that is cut off a hundred times
has to end as the one in memory does.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from meshplane.workflows.asl import PENDING, Machine, TaskFailed, execute

NEVER = "never"
OK = "ok"

BUSY = [{"ErrorEquals": ["Busy"], "IntervalSeconds": 2, "MaxAttempts": 4, "BackoffRate": 1.5}]
SORRY = [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Sorry"}]


def work(how: str = "$.how", **more: Any) -> dict[str, Any]:
    """A task outside the store."""
    return {
        "Type": "Task",
        "Resource": "meshplane:work",
        "Parameters": {"how.$": how, "n.$": "$.n", "try.$": "$$.State.RetryCount"},
        "ResultPath": "$.n",
        "TimeoutSeconds": 36_000,
        **more,
    }


def ask(queue: str, **more: Any) -> dict[str, Any]:
    """A task that waits for its token."""
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "Parameters": {
            "QueueUrl": queue,
            "MessageBody": {
                "taskToken.$": "$$.Task.Token",
                "operation": "work",
                "arguments": {"how.$": "$.how", "n.$": "$.n", "try.$": "$$.State.RetryCount"},
            },
        },
        "ResultPath": "$.n",
        "TimeoutSeconds": 36_000,
        **more,
    }


def tell(**more: Any) -> dict[str, Any]:
    """An event and its rules' consequences, in the store."""
    entry = {"Source": "sim", "DetailType": "Told", "Detail": {"n.$": "$.n", "how": [OK]}}
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::events:putEvents",
        "Parameters": {"Entries": [entry]},
        "ResultPath": None,
        **more,
    }


def drop(**more: Any) -> dict[str, Any]:
    """A message whose handler writes into the store only."""
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage",
        "Parameters": {"QueueUrl": "jobs", "MessageBody": {"n.$": "$.n"}},
        "ResultPath": None,
        **more,
    }


def in_line(**states: dict[str, Any]) -> dict[str, Any]:
    """States one after the other; those that say themselves where they lead stay as they are."""
    names = list(states)
    linked = {}
    for name, following in zip(names, [*names[1:], None], strict=True):
        state = dict(states[name])
        if not {"Next", "End", "Choices"} & set(state) and state["Type"] not in ("Succeed", "Fail"):
            state |= {"Next": following} if following else {"End": True}
        linked[name] = state
    return {"StartAt": names[0], "States": linked}


_PASS = {"Type": "Pass", "End": True}
_SORRY = {"Type": "Pass", "Result": "sorry", "ResultPath": "$.sorry", "End": True}

DEFINITIONS: dict[str, dict[str, Any]] = {
    "line": in_line(
        First=work(Retry=BUSY, Catch=SORRY),
        Which={
            "Type": "Choice",
            "Choices": [{"Variable": "$.n", "NumericGreaterThan": 3, "Next": "Nap"}],
            "Default": "Second",
        },
        Nap={"Type": "Wait", "Seconds": 20, "Next": "Second"},
        Second=work(Retry=BUSY, Catch=SORRY, Next="Done"),
        Sorry=_SORRY,
        Done={"Type": "Succeed"},
    ),
    "fork": in_line(
        Both={
            "Type": "Parallel",
            "Branches": [
                in_line(A=work(Retry=BUSY), B=tell()),
                in_line(C={"Type": "Wait", "Seconds": 8}, D=drop(), E=work(Retry=BUSY)),
                in_line(F=ask("meshplane-tasks", Retry=BUSY)),
            ],
        },
    ),
    "each": in_line(
        Each={
            "Type": "Map",
            "ItemsPath": "$.items",
            "MaxConcurrency": 2,
            "ItemSelector": {"how.$": "$.how", "n.$": "$$.Map.Item.Value"},
            "ItemProcessor": in_line(A=work(Retry=BUSY), B=drop()),
        },
    ),
    "spread": in_line(
        Spread={
            "Type": "Map",
            "ItemsPath": "$.items",
            "ToleratedFailurePercentage": 100,
            "ItemSelector": {"how.$": "$.how", "n.$": "$$.Map.Item.Value"},
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                **in_line(A=work(Retry=BUSY), B=tell()),
            },
        },
    ),
    "person": in_line(Ask=ask("people", Catch=SORRY, Next="Done"), Sorry=_SORRY, Done=_PASS),
    "late": in_line(
        Ask=ask("people", TimeoutSeconds=40, HeartbeatSeconds=15, Catch=SORRY, Next="Done"),
        Sorry=_SORRY,
        Done=_PASS,
    ),
    "slow": in_line(
        Slow=work(
            TimeoutSeconds=12,
            Retry=[{"ErrorEquals": ["States.Timeout"], "IntervalSeconds": 3, "MaxAttempts": 1}],
            Catch=SORRY,
            Next="Done",
        ),
        Sorry=_SORRY,
        Done=_PASS,
    ),
    "raise": in_line(
        Both={
            "Type": "Parallel",
            "Branches": [in_line(A=work()), in_line(B=ask("people"), C=work())],
            "ResultPath": "$.both",
            "Catch": SORRY,
            "Next": "Done",
        },
        Sorry=work("States.Array('ok')", Next="Told"),
        Told=tell(Next="Done"),
        Done=_PASS,
    ),
    "parent": in_line(
        Child={
            "Type": "Task",
            "Resource": "arn:aws:states:::states:startExecution.sync:2",
            "Parameters": {"StateMachineArn": "line", "Input": {"how.$": "$.how", "n.$": "$.n"}},
            "ResultSelector": {"of.$": "$.Output"},
            "ResultPath": "$.child",
        },
        After=work(Retry=BUSY),
    ),
    "data": {
        "QueryLanguage": "JSONata",
        "StartAt": "Keep",
        "States": {
            "Keep": {
                "Type": "Pass",
                "Assign": {"sum": "{% $sum($states.input.items) %}"},
                "Next": "Use",
            },
            "Use": {
                "Type": "Task",
                "Resource": "meshplane:work",
                "Arguments": {
                    "how": "{% $states.input.how %}",
                    "n": "{% $sum %}",
                    "try": "{% $states.context.State.RetryCount %}",
                },
                "TimeoutSeconds": 36_000,
                "Retry": BUSY,
                "Output": {"sum": "{% $sum %}", "result": "{% $states.result %}"},
                "End": True,
            },
        },
    },
}

OUTCOMES: dict[str, list[list[str]]] = {
    "late": [[NEVER]],
    "slow": [[NEVER]],
    "person": [[OK], ["Refused"]],
    "raise": [[OK], ["Refused"]],
    "parent": [[OK], ["Busy", OK]],
}
"""What tasks of a machine may be told to do, where that is not as in the other machines."""

_USUAL: list[list[str]] = [[OK], [OK], ["Busy", OK], ["Busy", "Busy", OK], ["Broken"]]
_RACING = frozenset({"raise", "each", "fork"})
_SHORT = frozenset({"slow"})
"""Their tasks may be over before anybody could begin them."""


def outcomes_of(machine: str) -> list[list[str]]:
    """What its tasks may be told to do."""
    return OUTCOMES.get(machine, _USUAL)


def result(arguments: Any) -> Any:
    """What a task gives that is called with this; `PENDING` if it never answers.

    Raises:
        TaskFailed: it fails.
    """
    how = arguments["how"]
    said = how[min(arguments["try"], len(how) - 1)]
    if said == NEVER:
        return PENDING
    if said != OK:
        raise TaskFailed(said, "as it was told")
    return arguments["n"] + 1


@dataclass(frozen=True)
class Expected:
    """How an execution ends that nobody disturbs.

    Args:
        status, output, error: its end.
        happened: its events, each as type and state, sorted. A branch that fails cuts others off
            wherever they are, so for those where one fails, None.
        worked: how many different tasks outside the store it performs; None where it depends on
            who is first.
        child_happened: the events of a distributed Map's children, sorted.
    """

    status: str
    output: Any
    error: str | None
    happened: tuple[str, ...] | None
    worked: int | None
    child_happened: tuple[str, ...]


@lru_cache(maxsize=1)
def _machines() -> dict[str, Machine]:
    return {name: Machine(definition) for name, definition in DEFINITIONS.items()}


def events_told(events: Any) -> tuple[str, ...]:
    """Events as type and state, sorted."""
    told = []
    for event in events:
        details: Any = next((event[k] for k in event if k.endswith("EventDetails")), {})
        told.append(f"{event['type']} {details.get('name', '')}")
    return tuple(sorted(told))


def expected(machine: str, given: Any) -> Expected:
    """How an execution of a machine has to end."""
    return _expected(machine, orjson.dumps(given))


@lru_cache(maxsize=10_000)
def _expected(machine: str, given: bytes) -> Expected:
    worked = 0

    def perform(resource: str, parameters: Any) -> Any:
        nonlocal worked
        if resource.startswith("meshplane:"):
            worked += parameters["try"] == 0
            return result(parameters)
        body = parameters.get("MessageBody", {})
        if isinstance(body, dict) and "arguments" in body:
            worked += body["arguments"]["try"] == 0 and parameters["QueueUrl"] != "people"
            return result(body["arguments"])
        if "startExecution" in resource:
            child = expected(parameters["StateMachineArn"], parameters["Input"])
            if child.status != "SUCCEEDED":
                raise TaskFailed("States.TaskFailed", "the child failed")
            return {"Output": child.output}
        return {}

    ended = execute(_machines()[machine], orjson.loads(given), tasks=perform)
    types = {event["type"] for event in ended.events}
    cut = machine in _RACING and bool(types & {"ParallelStateFailed", "MapStateFailed"})
    return Expected(
        ended.status,
        ended.output,
        ended.error,
        None if cut else events_told(ended.events),
        None if cut or machine in _SHORT else worked,
        events_told(event for events in ended.child_events.values() for event in events),
    )
