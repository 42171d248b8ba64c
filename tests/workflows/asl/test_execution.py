"""Executions in memory: how data flows, how tasks are asked, what the history tells."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from meshplane.kit.clock import FixedClock
from meshplane.workflows.asl import PENDING, InvalidDefinition, TaskFailed, execute

SEED = Path(__file__).resolve().parents[3].parent / "shared/seeds"
OPERATION = "meshplane:createProject"


def machine(**states: Any) -> dict[str, Any]:
    """States in their order; each goes to the next unless it says otherwise."""
    names = list(states)
    for name, follower in zip(names, [*names[1:], None], strict=True):
        state = states[name]
        if not {"Next", "End", "Choices"} & set(state) and state["Type"] not in ("Fail", "Succeed"):
            state.update({"Next": follower} if follower else {"End": True})
    return {"StartAt": names[0], "States": states}


def task(**more: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": OPERATION, **more}


def test_pass__result_lands_where_result_path_says() -> None:
    result = execute(
        machine(A={"Type": "Pass", "Result": 6, "ResultPath": "$.a.b"}), {"a": {"c": 1}}
    )
    assert (result.status, result.output) == ("SUCCEEDED", {"a": {"c": 1, "b": 6}})


def test_input__none_is_an_empty_object() -> None:
    assert execute(machine(A={"Type": "Succeed"})).output == {}


def test_definition__may_be_text() -> None:
    assert execute(json.dumps(machine(A={"Type": "Succeed"})), [1]).output == [1]


def test_definition__with_errors_is_refused_with_all_of_them() -> None:
    with pytest.raises(InvalidDefinition) as refused:
        execute({"StartAt": "B", "States": {"A": {"Type": "Pass", "Next": "C"}}}, {})
    assert refused.value.code == "STATE_MACHINE_INVALID"
    assert {problem.severity for problem in refused.value.problems} == {"ERROR"}
    assert len(refused.value.problems) >= 2
    assert refused.value.fields[0].field.startswith("definition/")


def test_task__all_fields_in_their_order() -> None:
    definition = machine(
        A=task(
            InputPath="$.order",
            Parameters={"id.$": "$.id", "at.$": "$$.State.Name"},
            ResultSelector={"total.$": "$.sum"},
            ResultPath="$.answer",
            OutputPath="$.answer",
        )
    )
    asked: list[Any] = []

    def perform(parameters: Any) -> Any:
        asked.append(parameters)
        return {"sum": 3, "noise": True}

    result = execute(definition, {"order": {"id": 7}}, {OPERATION: perform})
    assert asked == [{"id": 7, "at": "A"}]
    assert result.output == {"total": 3}


def test_task__what_a_handler_does_to_its_parameters_changes_nothing() -> None:
    def spoil(parameters: Any) -> Any:
        parameters.clear()
        return ("a tuple", 1)

    result = execute(machine(A=task(ResultPath="$.r")), {"kept": 1}, {OPERATION: spoil})
    assert result.output == {"kept": 1, "r": ["a tuple", 1]}


def test_task__answer_that_is_no_json_fails_it() -> None:
    result = execute(machine(A=task()), {}, {OPERATION: lambda _: {1, 2}})
    assert (result.status, result.error) == ("FAILED", "States.Runtime")


def test_task__one_function_for_all_resources() -> None:
    seen: list[str] = []
    execute(machine(A=task()), {}, lambda resource, _: seen.append(resource))
    assert seen == [OPERATION]


def test_task__nobody_performs_it() -> None:
    result = execute(machine(A=task()), {})
    assert (result.status, result.error) == ("FAILED", "States.Runtime")
    assert OPERATION in (result.cause or "")


def test_token__is_in_the_context_and_its_answer_is_the_output() -> None:
    definition = machine(
        A={
            "Type": "Task",
            "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            "Parameters": {"QueueUrl": "q", "MessageBody": {"token.$": "$$.Task.Token"}},
            "TimeoutSeconds": 60,
        }
    )
    tokens: list[str] = []

    def answer(_: str, parameters: Any) -> Any:
        tokens.append(parameters["MessageBody"]["token"])
        return {"approved": True}

    result = execute(definition, {}, answer)
    assert result.output == {"approved": True}
    assert len(tokens[0]) > 20
    assert [event.type for event in result.events] == [
        "ExecutionStarted",
        "TaskStateEntered",
        "TaskScheduled",
        "TaskStarted",
        "TaskSubmitted",
        "TaskSucceeded",
        "TaskStateExited",
        "ExecutionSucceeded",
    ]


def test_history__has_the_members_of_step_functions() -> None:
    result = execute(machine(A=task(TimeoutSeconds=9)), {"a": 1}, {OPERATION: lambda _: 5})
    events = {event.type: event for event in result.events}
    assert [event["id"] for event in result.events] == [1, 2, 3, 4, 5, 6, 7]
    assert [event["previousEventId"] for event in result.events] == [0, 0, 2, 3, 4, 5, 6]
    assert events["ExecutionStarted"]["executionStartedEventDetails"]["input"] == '{"a":1}'
    assert events["TaskStateEntered"]["stateEnteredEventDetails"] == {
        "name": "A",
        "input": '{"a":1}',
        "inputDetails": {"truncated": False},
    }
    assert events["TaskScheduled"]["taskScheduledEventDetails"] == {
        "resourceType": "meshplane",
        "resource": "createProject",
        "region": "local",
        "parameters": '{"a":1}',
        "timeoutInSeconds": 9,
    }
    assert events["TaskSucceeded"]["taskSucceededEventDetails"]["output"] == "5"
    assert events["TaskStateExited"]["stateExitedEventDetails"]["output"] == "5"
    assert events["ExecutionSucceeded"]["timestamp"] == "2026-01-01T00:00:00.000000Z"


def test_function_by_arn__has_events_of_its_own() -> None:
    arn = "arn:aws:lambda:us-east-1:123456789012:function:Hello"
    result = execute(machine(A={"Type": "Task", "Resource": arn}), {}, {arn: lambda _: "hi"})
    assert [event.type for event in result.events][2:5] == [
        "LambdaFunctionScheduled",
        "LambdaFunctionStarted",
        "LambdaFunctionSucceeded",
    ]


def test_wait__of_seven_days_is_over_at_once_and_told_in_the_times() -> None:
    clock = FixedClock(datetime(2026, 3, 1, tzinfo=UTC))
    result = execute(machine(A={"Type": "Wait", "Seconds": 604800}), {}, clock=clock)
    assert result.events[0]["timestamp"].startswith("2026-03-01T")
    assert result.events[-1]["timestamp"].startswith("2026-03-08T")
    assert clock.now() == datetime(2026, 3, 8, tzinfo=UTC)


def test_clock__that_only_tells_the_time_is_never_waited_for() -> None:
    class Standing:
        def now(self) -> datetime:
            return datetime(2026, 3, 1, tzinfo=UTC)

    result = execute(machine(A={"Type": "Wait", "Seconds": 3600}), {}, clock=Standing())
    assert result.events[-1]["timestamp"].startswith("2026-03-01T01:00:00")


@pytest.mark.parametrize(
    ("wait", "seconds"),
    [
        ({"Seconds": 5}, 5),
        ({"SecondsPath": "$.n"}, 90),
        ({"Timestamp": "2026-01-01T00:01:00Z"}, 60),
        ({"Timestamp": "2026-01-01T02:00:30+02:00"}, 30),
        ({"TimestampPath": "$.t"}, 1.5),
        ({"Timestamp": "2020-01-01T00:00:00Z"}, 0),
        ({"QueryLanguage": "JSONata", "Seconds": "{% $states.input.n / 9 %}"}, 10),
        ({"QueryLanguage": "JSONata", "Timestamp": "{% $states.input.t %}"}, 1.5),
    ],
)
def test_wait__until(wait: dict[str, Any], seconds: float) -> None:
    clock = FixedClock(datetime(2026, 1, 1, tzinfo=UTC))
    value = {"n": 90, "t": "2026-01-01T00:00:01.500Z"}
    result = execute(machine(A={"Type": "Wait", **wait}), value, clock=clock)
    assert result.output == value
    assert (clock.now() - datetime(2026, 1, 1, tzinfo=UTC)).total_seconds() == seconds


@pytest.mark.parametrize(
    ("wait", "cause"),
    [
        ({"SecondsPath": "$.none"}, "does not reference an input value: $.none"),
        ({"SecondsPath": "$.big"}, "is over 99999999"),
        ({"SecondsPath": "$.text"}, "cannot be parsed as a long value: $.text == soon"),
        ({"TimestampPath": "$.text"}, "does not reference a valid ISO-8601"),
    ],
)
def test_wait__for_what_is_no_time_fails(wait: dict[str, Any], cause: str) -> None:
    value = {"big": 10**400, "text": "soon"}
    result = execute(machine(A={"Type": "Wait", **wait}), value)
    assert (result.status, result.error) == ("FAILED", "States.Runtime")
    assert cause in (result.cause or "")


def test_assign__sees_the_result_and_the_variables_as_they_were() -> None:
    definition = machine(
        A={"Type": "Pass", "Assign": {"x": 1}},
        B=task(ResultPath=None, Assign={"x.$": "$.n", "old.$": "$x"}),
        C={"Type": "Pass", "Parameters": {"x.$": "$x", "old.$": "$old"}},
    )
    result = execute(definition, {"n": "input"}, {OPERATION: lambda _: {"n": "result"}})
    assert result.output == {"x": "result", "old": 1}
    exited = next(event for event in result.events if event.type == "TaskStateExited")
    assert exited["stateExitedEventDetails"]["assignedVariables"] == {"x": '"result"', "old": "1"}


def test_assign__of_a_wait_sees_the_effective_input() -> None:
    definition = machine(
        A={"Type": "Wait", "Seconds": 0, "InputPath": "$.a", "Assign": {"x.$": "$.b"}},
        B={"Type": "Pass", "Parameters": {"x.$": "$x", "in.$": "$"}},
    )
    assert execute(definition, {"a": {"b": 2}}).output == {"x": 2, "in": {"b": 2}}


def test_jsonata__arguments_output_assign() -> None:
    definition = {
        "QueryLanguage": "JSONata",
        **machine(
            A=task(
                Arguments={"n": "{% $states.input.n + 1 %}"},
                Output={"got": "{% $states.result %}", "was": "{% $states.input.n %}"},
                Assign={"kept": "{% $states.result * 10 %}"},
            ),
            B={"Type": "Pass", "Output": "{% $merge([$states.input, {'kept': $kept}]) %}"},
        ),
    }
    result = execute(definition, {"n": 1}, {OPERATION: lambda p: p["n"] * 2})
    assert result.output == {"got": 4, "was": 1, "kept": 40}


def test_query_languages__may_differ_from_state_to_state() -> None:
    definition = machine(
        A={"Type": "Pass", "QueryLanguage": "JSONata", "Output": "{% {'n': 1 + 1} %}"},
        B={"Type": "Pass", "Parameters": {"n.$": "States.MathAdd($.n, 1)"}},
    )
    assert execute(definition, {}).output == {"n": 3}


def test_context__tells_who_and_where() -> None:
    context = execute(
        machine(A={"Type": "Pass", "Parameters": {"c.$": "$$"}}), {"in": 1}, name="first"
    ).output["c"]
    assert context["Execution"]["Input"] == {"in": 1}
    assert context["Execution"]["Name"] == "first"
    assert context["Execution"]["StartTime"] == "2026-01-01T00:00:00.000Z"
    assert context["Execution"]["RedriveCount"] == 0
    assert context["State"]["Name"] == "A"
    assert context["State"]["EnteredTime"] == "2026-01-01T00:00:00.000Z"
    assert context["StateMachine"]["Name"] == "machine"


def test_credentials__are_evaluated_and_told() -> None:
    definition = machine(A=task(Credentials={"RoleArn.$": "$.role"}))
    result = execute(definition, {"role": "arn:aws:iam::1:role/x"}, {OPERATION: lambda _: None})
    scheduled = result.events[2]["taskScheduledEventDetails"]
    assert scheduled["taskCredentials"] == {"roleArn": "arn:aws:iam::1:role/x"}


def test_one_machine__serves_executions_that_do_not_see_each_other() -> None:
    definition = machine(A={"Type": "Pass", "Result": {"n": []}, "ResultPath": "$.r"})
    first, second = execute(definition, {"v": 1}), execute(definition, {"v": 2})
    assert first.output == {"v": 1, "r": {"n": []}}
    assert second.output == {"v": 2, "r": {"n": []}}


def promotion() -> dict[str, Any]:
    """The promotion's document as it was first printed."""
    found = sorted(SEED.glob("001_*.txt")) if SEED.exists() else []
    if not found:
        pytest.skip("the shared seeds are not there")
    text = found[0].read_text(encoding="utf-8")
    start = text.index("```json", text.index("State Machine 1: Project Promotion Workflow")) + 7
    document: dict[str, Any] = json.loads(text[start : text.index("```", start)])
    return document


class Promotions:
    """Performs the promotion's tasks; some of them fail."""

    def __init__(self, **failures: int) -> None:
        self.calls: list[str] = []
        self.failures = failures

    def __call__(self, resource: str, parameters: Any) -> Any:
        action = resource.removeprefix("arn:aws:states:::")
        call = parameters.get("ApiEndpoint", action).rsplit("/", 1)[-1]
        self.calls.append(call)
        if self.failures.get(call, 0) > 0:
            self.failures[call] -= 1
            raise TaskFailed("States.TaskFailed", "it did not answer")
        if action.endswith(".waitForTaskToken"):
            return PENDING if self.failures.get("approval") else parameters["MessageBody"]
        # As a service that echoes what it was asked: the document loses its input otherwise.
        return {**parameters.get("RequestBody", {}), "cfnTemplate": "t"}


def test_promotion_as_printed__runs_to_its_end() -> None:
    world = Promotions()
    result = execute(promotion(), {"projectId": "p-1", "cfnTemplate": "t"}, world)
    assert result.status == "SUCCEEDED"
    assert world.calls == [
        "validate",
        "deployments",
        "run",
        "sqs:sendMessage.waitForTaskToken",
        "deployments",
        "verify",
        "sns:publish",
    ]


def test_promotion_as_printed__tries_a_deployment_again() -> None:
    world = Promotions(deployments=2)
    result = execute(promotion(), {"projectId": "p-1", "cfnTemplate": "t"}, world)
    assert result.status == "SUCCEEDED"
    assert world.calls[1:4] == ["deployments"] * 3


def test_promotion_as_printed__a_refused_source_is_told_and_shown_as_success() -> None:
    world = Promotions(validate=1)
    result = execute(promotion(), {"projectId": "p-1", "cfnTemplate": "t"}, world)
    assert (result.status, world.calls) == ("SUCCEEDED", ["validate", "sns:publish"])


def test_promotion_as_printed__nobody_approves_within_a_year() -> None:
    result = execute(promotion(), {"projectId": "p-1", "cfnTemplate": "t"}, Promotions(approval=1))
    assert (result.status, result.error) == ("TIMED_OUT", "States.Timeout")


def test_promotion_as_printed__a_lost_input_is_told_with_its_path() -> None:
    result = execute(
        promotion(), {"projectId": "p-1", "cfnTemplate": "t"}, lambda *_: {"StatusCode": 200}
    )
    assert (result.status, result.error) == ("FAILED", "States.Runtime")
    assert "$.projectId" in (result.cause or "")
    assert "DeployToStaging" in (result.cause or "")
