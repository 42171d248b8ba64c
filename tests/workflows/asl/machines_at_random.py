"""Makes random state machines that end, for tests that compare two ways of running them."""

import random
from typing import Any


def random_machine(chance: random.Random) -> dict[str, Any]:
    """A definition with all types of states in both query languages."""
    language = chance.choice(["JSONPath", "JSONata"])
    machine = _scope(chance, 0, language, "")
    machine["QueryLanguage"] = language
    if chance.random() < 0.2:
        machine["TimeoutSeconds"] = chance.choice([1, 50, 5000])
    return machine


def _scope(chance: random.Random, depth: int, language: str, prefix: str) -> dict[str, Any]:
    count = chance.randint(1, 4)
    names = [f"{prefix}S{number}" for number in range(count)]
    states: dict[str, Any] = {}
    for at, name in enumerate(names):
        follower = names[at + 1] if at + 1 < count else None
        state = _state(chance, depth, language, name, follower)
        if state["Type"] in ("Task", "Map", "Parallel"):
            _errors(chance, state, language, follower, names[-1])
        states[name] = state
    return {"StartAt": names[0], "States": states}


def _state(
    chance: random.Random, depth: int, language: str, name: str, follower: str | None
) -> dict[str, Any]:
    kinds = ["Pass", "Pass", "Task", "Task", "Wait"]
    if depth < 2:
        kinds += ["Map", "Parallel"]
    if follower is not None:
        kinds.append("Choice")
    elif depth and chance.random() < 0.15:
        kinds = ["Fail", "Succeed"]
    kind = chance.choice(kinds)
    state = _MAKERS[kind](chance, depth, language, name, follower)
    state["Type"] = kind
    if kind not in ("Fail", "Succeed", "Choice"):
        state.update({"Next": follower} if follower is not None else {"End": True})
        if chance.random() < 0.4:
            state["Assign"] = _assign(chance, language, f"v{depth}{name}")
    return state


def _assign(chance: random.Random, language: str, name: str) -> dict[str, Any]:
    if language == "JSONata":
        return {name: "{% $states.input %}", f"{name}r": chance.randint(0, 9)}
    return {f"{name}.$": "$", f"{name}r": chance.randint(0, 9)}


def _pass(chance: random.Random, depth: int, language: str, name: str, after: Any) -> Any:
    if language == "JSONata":
        here = "{% $states.context.State.Name %}"
        return {"Output": {"was": "{% $states.input %}", "name": here}}
    return {
        "Parameters": {"name.$": "$$.State.Name", "redrives.$": "$$.Execution.RedriveCount"},
        "ResultPath": chance.choice([None, "$"]),
    }


def _task(chance: random.Random, depth: int, language: str, name: str, after: Any) -> Any:
    token = chance.random() < 0.3
    state: dict[str, Any] = {
        "Resource": "arn:aws:states:::sqs:sendMessage" + (".waitForTaskToken" if token else "")
    }
    body: dict[str, Any] = {"name": name}
    if token:
        key = "token" if language == "JSONata" else "token.$"
        body[key] = "{% $states.context.Task.Token %}" if language == "JSONata" else "$$.Task.Token"
    call = {"QueueUrl": "https://sqs.local.amazonaws.com/000000000000/queue", "MessageBody": body}
    state["Arguments" if language == "JSONata" else "Parameters"] = call
    if chance.random() < 0.5:
        state["TimeoutSeconds"] = chance.randint(20, 90)
        if chance.random() < 0.5:
            state["HeartbeatSeconds"] = chance.randint(5, 15)
    return state


def _wait(chance: random.Random, depth: int, language: str, name: str, after: Any) -> Any:
    return {"Seconds": chance.choice([0, 1, 1, 7, 30])}


def _choice(chance: random.Random, depth: int, language: str, name: str, after: Any) -> Any:
    if language == "JSONata":
        rule: dict[str, Any] = {"Condition": "{% $random() < 0.5 %}"}
    else:
        rule = {"Variable": "$", "IsNull": chance.choice([True, False])}
    return {"Choices": [{**rule, "Next": after}], "Default": after}


def _map(chance: random.Random, depth: int, language: str, name: str, after: Any) -> Any:
    processor = _scope(chance, depth + 1, language, name)
    state: dict[str, Any] = {"MaxConcurrency": chance.choice([0, 1, 2])}
    if chance.random() < 0.4:
        processor["ProcessorConfig"] = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
        state["ToleratedFailureCount"] = chance.randint(0, 3)
        if chance.random() < 0.5:
            state["ItemBatcher"] = {"MaxItemsPerBatch": 2}
    state["ItemProcessor"] = processor
    if language == "JSONata":
        state["Items"] = chance.choice([[1, 2, 3], [], "{% [$uuid(), $uuid(), 3] %}"])
        state["ItemSelector"] = {"index": "{% $states.context.Map.Item.Index %}"}
    else:
        state["ItemsPath"] = "$$.Execution.Input.items"
        state["ItemSelector"] = {"item.$": "$$.Map.Item.Value", "chance.$": "States.UUID()"}
    return state


def _parallel(chance: random.Random, depth: int, language: str, name: str, after: Any) -> Any:
    return {
        "Branches": [
            _scope(chance, depth + 1, language, f"{name}b{number}")
            for number in range(chance.randint(1, 3))
        ]
    }


def _fail(chance: random.Random, depth: int, language: str, name: str, after: Any) -> Any:
    return {"Error": chance.choice(["Bad", "Worse"]), "Cause": name}


def _succeed(chance: random.Random, depth: int, language: str, name: str, after: Any) -> Any:
    return {}


def _errors(
    chance: random.Random, state: dict[str, Any], language: str, after: str | None, last: str
) -> None:
    if chance.random() < 0.6:
        state["Retry"] = [
            {
                "ErrorEquals": chance.choice([["Bad"], ["States.Timeout"], ["States.ALL"]]),
                "IntervalSeconds": 2,
                "MaxAttempts": chance.randint(0, 2),
                "JitterStrategy": chance.choice(["NONE", "FULL"]),
            }
        ]
        if state["Retry"][0]["ErrorEquals"] == ["States.ALL"]:
            state["Retry"] = state["Retry"][:1]
    if after is not None and chance.random() < 0.5:
        target = chance.choice([after, last])
        catcher: dict[str, Any] = {"ErrorEquals": ["States.ALL"], "Next": target}
        if language == "JSONPath":
            catcher["ResultPath"] = chance.choice([None, "$"])
        state["Catch"] = [catcher]


_MAKERS: dict[str, Any] = {
    "Pass": _pass,
    "Task": _task,
    "Wait": _wait,
    "Choice": _choice,
    "Map": _map,
    "Parallel": _parallel,
    "Fail": _fail,
    "Succeed": _succeed,
}
