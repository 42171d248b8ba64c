"""The platform's own state machines: each is sound, and each of its paths ends as it should."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from meshplane.events.payload import Payload
from meshplane.events.projects import ProjectCreated
from meshplane.events.promotions import PromotionRequested
from meshplane.events.shares import CrossAccountShareInitiated
from meshplane.workflows.asl import PENDING, TaskFailed, execute, validate
from meshplane.workflows.asl.execution import ExecutionResult, Handler
from meshplane.workflows.built_in import (
    built_in_machines,
    definition_texts,
    embedded_places,
    filled,
)

MACHINES = built_in_machines()
TASKS = [
    (machine, name)
    for machine, definition in MACHINES.items()
    for name, state in definition["States"].items()
    if state["Type"] == "Task"
]
WAIT = "arn:aws:states:::sqs:sendMessage.waitForTaskToken"
WITHOUT_A_SECOND_EFFECT = {
    "createResourceShare", "grantShareAccess", "checkShareAcceptance", "verifyShareAccess",
    "completeShare", "failShare", "getDeploymentStatus", "getQualityRun", "rollBackDeployment",
    "recordPromotionOutcome", "rejectAssetPublication", "rejectSubscription", "fulfilSubscription",
}  # fmt: skip

INPUTS: dict[str, dict[str, Any]] = {
    "project-setup": {
        "projectId": "proj-1", "projectName": "Delays", "domainId": "dzd-1",
        "createdBy": "user:ada@mesh", "createdAt": "2026-01-14T20:30:00Z",
    },
    "asset-publication": {
        "assetId": "asset-1", "assetName": "flights", "tableId": "tbl-1", "projectId": "proj-1",
        "domainId": "dzd-1", "submittedBy": "user:pam@flights",
        "submittedAt": "2026-01-14T20:30:00Z",
    },
    "subscription": {
        "requestId": "sub-1", "assetId": "asset-1", "projectId": "proj-1",
        "requestedBy": "user:otto@maps", "requestedAt": "2026-01-14T20:35:00Z",
    },
    "promotion": {
        "requestId": "prom-1", "projectId": "proj-1", "domainId": "dzd-1",
        "sourceEnvironment": "dev", "targetEnvironment": "prod", "cfnTemplate": None,
        "createdBy": "user:olga@tides", "createdAt": "2026-01-14T20:30:00Z",
    },
    "cross-account-share": {
        "shareId": "share-1", "assetId": "asset-1", "assetName": "flights",
        "targetAccount": "987654321098", "permissions": ["SELECT"], "readerRole": None,
        "initiatedBy": "user:sam@harbour", "initiatedAt": "2026-01-14T20:30:00Z",
    },
}  # fmt: skip

ANSWERS: dict[str, Any] = {
    "validateEnvironment": {"valid": True},
    "validateAssetMetadata": {"valid": True},
    "checkApprovalRequired": {"required": True},
    "checkShareAcceptance": {"accepted": True},
    "createDeployment": {"deploymentId": "dep-1", "status": "IN_PROGRESS"},
    "getDeploymentStatus": {
        "deploymentId": "dep-1", "ended": True, "succeeded": True, "statusReason": "",
    },
    "startQualityRun": {"runId": "dqrun-1", "status": "completed", "statusReason": None},
    "getQualityRun": {"runId": "dqrun-1", "status": "completed", "statusReason": None},
    "approval-queue": {"approved": True, "approvedBy": "user:sam@harbour", "comment": "Yes."},
    "subscription-decisions": {"approved": True},
}  # fmt: skip
GOES_ON = {"deploymentId": "dep-1", "ended": False, "succeeded": False, "statusReason": ""}
BROKE = {**GOES_ON, "ended": True, "statusReason": "Inbox: it exists already"}
RUNNING = {"runId": "dqrun-1", "status": "running", "statusReason": None}


class Played:
    """An execution with what it asked for, in order: operations, queues and messages."""

    def __init__(
        self, machine: str, answers: Mapping[str, Any] | None = None, **given: Any
    ) -> None:
        self.asked: list[str] = []
        self.arguments: dict[str, Any] = {}
        self._answers = {**ANSWERS, **(answers or {})}
        self.result: ExecutionResult = execute(
            MACHINES[machine], {**INPUTS[machine], **given}, self._answer
        )

    @property
    def subjects(self) -> list[str]:
        """The subjects of what was published."""
        return [name for name in self.asked if " " in name]

    def _answer(self, resource: str, parameters: Any) -> Any:
        if "sns:publish" in resource:
            name = parameters["Subject"]
        else:
            queue = parameters["QueueUrl"].rpartition("/")[2]
            name = parameters["MessageBody"].get("operation", queue)
            body = parameters["MessageBody"]
            self.arguments[name] = body.get("arguments", body)
        self.asked.append(name)
        answer = self._answers.get(name, {})
        if isinstance(answer, list):
            answer = answer.pop(0)
        if isinstance(answer, TaskFailed):
            raise answer
        return answer


@pytest.mark.parametrize("machine", MACHINES)
def test_definition__has_no_error_and_no_trap(machine: str) -> None:
    assert [(one.code, one.path, one.message) for one in validate(MACHINES[machine])] == []


@pytest.mark.parametrize("machine", MACHINES)
def test_placeholders__are_all_filled_and_each_one_is_known(machine: str) -> None:
    assert "${" not in json.dumps(MACHINES[machine])
    assert "${" in definition_texts()[machine]
    with pytest.raises(KeyError):
        filled(definition_texts()[machine], {})
    other = {name: f"https://elsewhere/{name}" for name in embedded_places()}
    assert "https://elsewhere/" in json.dumps(built_in_machines(other)[machine])


@pytest.mark.parametrize(("machine", "name"), TASKS)
def test_task__has_a_time_limit_and_what_waits_for_others_a_way_out(
    machine: str, name: str
) -> None:
    state = MACHINES[machine]["States"][name]
    assert state["TimeoutSeconds"] > 0
    assert "ResultPath" in state, "the input would be lost"
    if state["Resource"] == WAIT:
        assert "States.ALL" in state["Catch"][-1]["ErrorEquals"]


@pytest.mark.parametrize(
    ("machine", "payload"),
    [
        ("project-setup", ProjectCreated),
        ("promotion", PromotionRequested),
        ("cross-account-share", CrossAccountShareInitiated),
    ],
)
def test_input__is_the_detail_of_the_event_that_starts_it(
    machine: str, payload: type[Payload]
) -> None:
    assert set(payload(**_snake(INPUTS[machine])).event().detail) == set(INPUTS[machine])


def _snake(given: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name): value
        for name, value in given.items()
    }


@pytest.mark.parametrize(
    ("machine", "asked"),
    [
        (
            "project-setup",
            ["validateEnvironment", "createDeployment", "getDeploymentStatus",
             "Project is set up"],
        ),
        (
            "asset-publication",
            ["startQualityRun", "validateAssetMetadata", "checkApprovalRequired",
             "approval-queue", "listAssetInCatalog", "indexAsset", "notifySubscribers"],
        ),
        (
            "subscription",
            ["subscription-decisions", "fulfilSubscription", "Subscription is active"],
        ),
        (
            "promotion",
            ["validateEnvironment", "createDeployment", "getDeploymentStatus",
             "runEnvironmentTests", "approval-queue", "recordPromotionOutcome",
             "createDeployment", "getDeploymentStatus", "verifyDeployment",
             "recordPromotionOutcome", "Project Promotion Success"],
        ),
        (
            "cross-account-share",
            ["createResourceShare", "grantShareAccess", "checkShareAcceptance",
             "verifyShareAccess", "completeShare", "Data was shared with you"],
        ),
    ],
)  # fmt: skip
def test_good_path__takes_each_step_in_order(machine: str, asked: list[str]) -> None:
    played = Played(machine)
    assert played.result.status == "SUCCEEDED", (played.result.error, played.result.cause)
    assert played.asked == asked


@pytest.mark.parametrize(("machine", "name"), TASKS)
def test_task_that_fails__the_execution_fails(machine: str, name: str) -> None:
    definition = MACHINES[machine]
    broken, rejected = TaskFailed("BROKEN", "It broke."), TaskFailed("APPROVAL_REJECTED", "No.")
    # What comes after a failure or a no is reached by one.
    before: dict[str, Any] = {
        "RecordFailure": {definition["StartAt"]: broken},
        "NotifyFailure": {definition["StartAt"]: broken},
        "RecordRejection": {"ApprovalGate": rejected},
        "RejectUnanswered": {"WaitForDecision": PENDING},
        "NotifyRejection": {"WaitForDecision": {"approved": False}},
        "RollBackStaging": {"LookAtStaging": BROKE},
        "RollBackProduction": {"LookAtProduction": BROKE},
        "RollBackInfrastructure": {"LookAtInfrastructure": BROKE},
        "LookAtQuality": {"RunDataQualityChecks": RUNNING},
    }.get(name, {})
    result = execute(definition, INPUTS[machine], _by_state(machine, {**before, name: broken}))
    assert name in {
        event["stateEnteredEventDetails"]["name"]
        for event in result.events
        if "stateEnteredEventDetails" in event
    }
    # What cannot be rolled back does not hide why it should be.
    error = "DEPLOYMENT_FAILED" if name.startswith("RollBack") else "BROKEN"
    assert (result.status, result.error) == ("FAILED", error), result.cause


def _by_state(machine: str, answers: Mapping[str, Any]) -> dict[str, Handler]:
    """For each task of a machine: what it answers, a good answer unless `answers` says another."""

    def answering(name: str) -> Handler:
        message = MACHINES[machine]["States"][name]["Parameters"].get("MessageBody", {})
        queue = MACHINES[machine]["States"][name]["Parameters"].get("QueueUrl", "")
        good = ANSWERS.get(message.get("operation", queue.rpartition("/")[2]), {})

        def answer(_: Any) -> Any:
            given = answers.get(name, good)
            if isinstance(given, TaskFailed):
                raise given
            return given

        return answer

    return {name: answering(name) for where, name in TASKS if where == machine}


def test_project_setup__an_environment_that_is_not_fit_ends_it() -> None:
    played = Played("project-setup", {"validateEnvironment": {"valid": False}})
    assert (played.result.status, played.result.error) == ("FAILED", "ENVIRONMENT_INVALID")
    assert played.asked == ["validateEnvironment", "Project setup failed"]


@pytest.mark.parametrize("machine", ["project-setup", "promotion"])
def test_deployment_that_takes_long__is_waited_for_before_anything_else(machine: str) -> None:
    looks = [GOES_ON] * 4 + [{**GOES_ON, "ended": True, "succeeded": True}] * 2
    played = Played(machine, {"getDeploymentStatus": looks})
    assert played.result.status == "SUCCEEDED"
    begin = played.asked.index("createDeployment")
    assert played.asked[begin + 1 : begin + 6] == ["getDeploymentStatus"] * 5
    assert played.asked[begin + 6] != "getDeploymentStatus"


@pytest.mark.parametrize("machine", ["project-setup", "promotion"])
def test_deployment_that_fails__ends_it_with_the_reason_and_is_rolled_back(machine: str) -> None:
    played = Played(machine, {"getDeploymentStatus": [GOES_ON, BROKE]})
    assert (played.result.status, played.result.error) == ("FAILED", "DEPLOYMENT_FAILED")
    assert str(played.result.cause).endswith(": Inbox: it exists already")
    assert played.arguments["rollBackDeployment"]["deploymentId"] == "dep-1"
    assert not {"runEnvironmentTests", "approval-queue"} & set(played.asked)


def test_promotion__whose_deployment_fails_is_recorded_with_the_reason() -> None:
    played = Played("promotion", {"getDeploymentStatus": BROKE})
    recorded = played.arguments["recordPromotionOutcome"]
    assert recorded["status"] == "FAILED"
    assert recorded["reason"] == "DEPLOYMENT_FAILED: To staging: Inbox: it exists already"


def test_promotion__a_deployment_that_never_ends_is_stopped_after_two_hours() -> None:
    played = Played("promotion", {"getDeploymentStatus": GOES_ON})
    assert (played.result.status, played.result.error) == ("FAILED", "DEPLOYMENT_TOO_SLOW")
    assert played.asked.count("getDeploymentStatus") == 721
    assert played.asked.count("rollBackDeployment") == 1
    # Step Functions ends an execution at 25,000 events; there are two such loops.
    assert len(played.result.events) < 12_000


def test_publication__a_quality_run_that_takes_long_is_waited_for() -> None:
    looks = [RUNNING] * 3 + [{**RUNNING, "status": "completed"}]
    played = Played("asset-publication", {"startQualityRun": RUNNING, "getQualityRun": looks})
    assert played.result.status == "SUCCEEDED"
    assert played.asked[:6] == ["startQualityRun", *["getQualityRun"] * 4, "validateAssetMetadata"]


def test_publication__a_quality_run_that_cannot_be_made_is_no_pass() -> None:
    failed = {**RUNNING, "status": "failed", "statusReason": "QUALITY_RUN_FAILED: It broke."}
    played = Played("asset-publication", {"startQualityRun": RUNNING, "getQualityRun": failed})
    assert (played.result.status, played.result.error) == ("FAILED", "QUALITY_RUN_FAILED")
    assert "It broke." in played.arguments["rejectAssetPublication"]["reason"]


def test_publication__a_product_without_a_ruleset_has_nothing_to_run() -> None:
    missing = TaskFailed("RULESET_NOT_FOUND", "There is none.")
    played = Played("asset-publication", {"startQualityRun": missing})
    assert played.result.status == "SUCCEEDED"


def test_publication__what_is_not_sensitive_needs_no_approval() -> None:
    played = Played("asset-publication", {"checkApprovalRequired": {"required": False}})
    assert played.result.status == "SUCCEEDED"
    assert "approval-queue" not in played.asked


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ({"validateAssetMetadata": {"valid": False}}, "METADATA_INCOMPLETE"),
        ({"approval-queue": TaskFailed("APPROVAL_REJECTED", "No.")}, "APPROVAL_REJECTED"),
        ({"approval-queue": TaskFailed("APPROVAL_EXPIRED", "Nobody.")}, "APPROVAL_EXPIRED"),
        ({"approval-queue": PENDING}, "States.Timeout"),
        ({"startQualityRun": TaskFailed("QUALITY_FAILED", "Bad.")}, "QUALITY_FAILED"),
    ],
)
def test_publication__that_fails_is_recorded_with_its_reason(
    answers: dict[str, Any], error: str
) -> None:
    played = Played("asset-publication", answers)
    assert (played.result.status, played.result.error) == ("FAILED", error)
    assert played.asked[-2:] == ["rejectAssetPublication", "Asset was not published"]
    assert played.arguments["rejectAssetPublication"]["reason"].startswith(error)


def test_subscription__a_no_is_an_answer() -> None:
    played = Played("subscription", {"subscription-decisions": {"approved": False}})
    assert played.result.status == "SUCCEEDED"
    assert played.asked == ["subscription-decisions", "Subscription was rejected"]


def test_subscription__nobody_answers_for_thirty_days_and_it_is_rejected() -> None:
    played = Played("subscription", {"subscription-decisions": PENDING})
    assert played.result.status == "SUCCEEDED"
    assert played.asked[1:] == ["rejectSubscription", "Subscription was rejected"]
    answers = {
        "subscription-decisions": PENDING,
        "rejectSubscription": TaskFailed("SUBSCRIPTION_DECIDED", "Just now."),
    }
    played = Played("subscription", answers)
    assert (played.result.status, played.result.error) == ("FAILED", "SUBSCRIPTION_DECIDED")


def test_promotion__to_staging_ends_there() -> None:
    played = Played("promotion", targetEnvironment="staging")
    assert played.result.status == "SUCCEEDED"
    assert played.asked.count("createDeployment") == 1
    assert played.arguments["createDeployment"]["targetEnvironment"] == "staging"
    assert "verifyDeployment" not in played.asked
    assert played.arguments["recordPromotionOutcome"]["status"] == "COMPLETED"


def test_promotion__asks_the_stewards_of_the_projects_domain_but_not_who_wished_it() -> None:
    asked = Played("promotion").arguments["approval-queue"]
    assert (asked["domainId"], asked["requestedBy"]) == ("dzd-1", "user:olga@tides")
    assert [step["approverRole"] for step in asked["steps"]] == ["steward"]


@pytest.mark.parametrize(
    ("answers", "error", "recorded"),
    [
        ({"validateEnvironment": {"valid": False}}, "ENVIRONMENT_INVALID", "FAILED"),
        ({"approval-queue": TaskFailed("APPROVAL_REJECTED", "No.")}, "APPROVAL_REJECTED",
         "REJECTED"),
        ({"approval-queue": PENDING}, "States.Timeout", "FAILED"),
        ({"runEnvironmentTests": TaskFailed("TESTS_FAILED", "Red.")}, "TESTS_FAILED", "FAILED"),
    ],
)  # fmt: skip
def test_promotion__that_fails_is_recorded(
    answers: dict[str, Any], error: str, recorded: str
) -> None:
    played = Played("promotion", answers)
    assert (played.result.status, played.result.error) == ("FAILED", error)
    assert played.asked[-2:] == ["recordPromotionOutcome", "Project Promotion Failed"]
    assert played.arguments["recordPromotionOutcome"]["status"] == recorded


def test_share__waits_until_the_other_account_has_accepted() -> None:
    looks = [{"accepted": False}] * 5 + [{"accepted": True}]
    played = Played("cross-account-share", {"checkShareAcceptance": list(looks)})
    assert played.result.status == "SUCCEEDED"
    assert played.asked.count("checkShareAcceptance") == 6


def test_share__an_invitation_ends_after_twelve_hours() -> None:
    played = Played("cross-account-share", {"checkShareAcceptance": {"accepted": False}})
    assert (played.result.status, played.result.error) == ("FAILED", "INVITATION_EXPIRED")
    assert played.asked.count("checkShareAcceptance") == 721
    assert played.arguments["failShare"]["reason"] == "INVITATION_EXPIRED"


@pytest.mark.parametrize(
    "code",
    [
        "SERVICE_UNREACHABLE",
        "STORE_UNAVAILABLE",
        "LAKE_UNAVAILABLE",
        "AWS_UNAVAILABLE",
        "AWS_TOO_SLOW",
        "SQS.SdkClientException",
    ],
)
@pytest.mark.parametrize(("machine", "name"), TASKS)
def test_part_of_the_mesh_that_is_down__is_asked_again(machine: str, name: str, code: str) -> None:
    state = MACHINES[machine]["States"][name]
    operation = state["Parameters"].get("MessageBody", {}).get("operation")
    (retry,) = state["Retry"]
    if operation is not None:
        assert code in retry["ErrorEquals"]
    else:
        # At home these only write to the store; on AWS the service itself may not answer.
        tells = "sns:publish" in state["Resource"]
        again = "States.TaskFailed" if tells else "SQS.SdkClientException"
        assert again in retry["ErrorEquals"]
    assert (retry["MaxAttempts"], retry["MaxDelaySeconds"], retry["JitterStrategy"]) == (
        12, 60, "FULL",
    )  # fmt: skip


def test_mesh_that_is_down_for_longer_than_a_task_waits__a_failed_share_is_recorded() -> None:
    late = TaskFailed("States.Timeout", "Nobody answered.")
    rejected = TaskFailed("SHARE_REJECTED", "The other account does not take part.")
    played = Played(
        "cross-account-share",
        {
            "checkShareAcceptance": [{"accepted": False}, late, rejected],
            "failShare": [late, late, {}],
        },
    )
    assert (played.result.status, played.result.error) == ("FAILED", "SHARE_REJECTED")
    assert played.asked.count("checkShareAcceptance") == 3
    assert played.asked.count("failShare") == 3
    assert played.arguments["failShare"]["reason"] == "SHARE_REJECTED"


@pytest.mark.parametrize(
    ("machine", "name"),
    [
        (machine, name)
        for machine, name in TASKS
        if MACHINES[machine]["States"][name]["Parameters"].get("MessageBody", {}).get("operation")
        in WITHOUT_A_SECOND_EFFECT
    ],
)
def test_step_that_may_be_taken_twice__is_taken_again_after_its_time(
    machine: str, name: str
) -> None:
    (retry,) = MACHINES[machine]["States"][name]["Retry"]
    assert "States.Timeout" in retry["ErrorEquals"]


def test_part_of_the_mesh_that_comes_back__the_execution_goes_on() -> None:
    down = TaskFailed("SERVICE_UNREACHABLE", "It does not answer.")
    played = Played(
        "project-setup", {"createDeployment": [down, down, ANSWERS["createDeployment"]]}
    )
    assert played.result.status == "SUCCEEDED"
    assert played.asked.count("createDeployment") == 3
