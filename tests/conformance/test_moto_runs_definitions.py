"""Another interpreter of the same language comes to the same results as ours: moto's.

All of the product's definitions are run on it through the adapter, each path that ends in success
and each kind of failure, and every recorded execution that it can run. Where it cannot, the table
says why; the counts are printed.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from meshplane.kit.errors import Invalid, MeshplaneError
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected, AwsUnavailable
from meshplane.workflows.asl import TaskFailed, execute
from meshplane.workflows.aws_executions import AwsExecution
from meshplane.workflows.built_in import built_in_machines
from meshplane.workflows.run_as import WORKFLOWS_SERVICE
from tests.builders.aws_workflows import AwsWorld, aws_in_sandbox, aws_world

CASES = Path(__file__).resolve().parents[2].parent / "shared/conformance/asl_executions.jsonl"
AT_ONCE = 8
SECONDS = 12.0


class Rejection(MeshplaneError):
    """An operation, or a person, says no."""


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with aws_in_sandbox() as made:
        yield made


@pytest.fixture(scope="module")
async def mesh(aws: Aws, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[AwsWorld]:
    async with aws_world(aws, tmp_path_factory.mktemp("mesh")) as made:
        # Whoever plays the people reads what is for them.
        await made.close_readers("approval-queue", "subscription-decisions")
        yield made


PROJECT = {"projectId": "proj-1", "projectName": "Delays", "domainId": "dzd-1"}
INPUTS: dict[str, dict[str, Any]] = {
    "project-setup": {**PROJECT, "createdBy": "user:ada@mesh"},
    "asset-publication": {
        **{"assetId": "asset-1", "assetName": "flights", "tableId": "tbl-1"},
        **{"domainId": "dzd-1", "submittedBy": "user:pam@flights"},
    },
    "subscription": {"requestId": "sub-1", "assetId": "asset-1", "projectId": "proj-1"},
    "promotion": {
        **{"requestId": "prom-1", "projectId": "proj-1", "domainId": "dzd-1"},
        **{"sourceEnvironment": "dev", "targetEnvironment": "prod", "cfnTemplate": None},
        "createdBy": "user:olga@tides",
    },
    "cross-account-share": {
        **{"shareId": "share-1", "assetId": "asset-1", "assetName": "flights"},
        **{"targetAccount": "444455556666", "permissions": ["SELECT"]},
        "initiatedBy": "user:sam@harbour",
    },
}
ANSWERS: dict[str, Any] = {
    "validateEnvironment": {"valid": True},
    "validateAssetMetadata": {"valid": True},
    "checkApprovalRequired": {"required": True},
    "checkShareAcceptance": {"accepted": True},
    "createDeployment": {"deploymentId": "dep-1", "status": "IN_PROGRESS"},
    "getDeploymentStatus": {
        **{"deploymentId": "dep-1", "ended": True, "succeeded": True},
        "statusReason": "",
    },
    "startQualityRun": {"runId": "dqrun-1", "status": "completed", "statusReason": None},
    "getQualityRun": {"runId": "dqrun-1", "status": "completed", "statusReason": None},
    "approval-queue": {"approved": True, "approvedBy": "user:sam@harbour", "comment": "Yes."},
    "subscription-decisions": {"approved": True},
}
NO = Rejection("APPROVAL_REJECTED", "No.")
GOES_ON = {"deploymentId": "dep-1", "ended": False, "succeeded": False, "statusReason": ""}
BROKE = {**GOES_ON, "ended": True, "statusReason": "Inbox: it exists already"}
SUCCEEDED = {**GOES_ON, "ended": True, "succeeded": True}
RAN = {"runId": "dqrun-1", "statusReason": "It broke."}
PATHS: list[tuple[str, dict[str, Any]]] = [
    *((machine, {}) for machine in INPUTS),
    ("asset-publication", {"checkApprovalRequired": {"required": False}}),
    ("asset-publication", {"validateAssetMetadata": {"valid": False}}),
    ("asset-publication", {"startQualityRun": Rejection("RULESET_NOT_FOUND", "None.")}),
    ("asset-publication", {"approval-queue": NO}),
    ("asset-publication", {"listAssetInCatalog": Rejection("NOT_ALLOWED", "No.")}),
    ("subscription", {"subscription-decisions": {"approved": False}}),
    ("subscription", {"fulfilSubscription": Rejection("GRANT_FAILED", "No.")}),
    ("promotion", {"approval-queue": NO}),
    ("promotion", {"runEnvironmentTests": Rejection("TESTS_FAILED", "Two.")}),
    ("promotion", {"getDeploymentStatus": BROKE}),
    ("promotion", {"getDeploymentStatus": BROKE, "rollBackDeployment": NO}),
    ("project-setup", {"getDeploymentStatus": BROKE}),
    ("asset-publication", {"startQualityRun": {**RAN, "status": "failed"}}),
    # These wait once, as long as the document says.
    ("project-setup", {"getDeploymentStatus": [GOES_ON, SUCCEEDED]}),
    ("asset-publication", {"startQualityRun": {**RAN, "status": "running"}}),
    ("cross-account-share", {"createResourceShare": Rejection("SHARE_REFUSED", "No.")}),
    ("cross-account-share", {"verifyShareAccess": Rejection("ACCESS_MISSING", "No.")}),
]


class Told:
    """What operations and people answer on a path, and what they were asked."""

    def __init__(self, answers: dict[str, Any]) -> None:
        given = {**ANSWERS, **answers}
        # Several answers are given one after the other.
        self._answers = {
            name: list(one) if isinstance(one, list) else one for name, one in given.items()
        }
        self.asked: list[str] = []

    def at_home(self, resource: str, parameters: Any) -> Any:
        """As `execute` asks."""
        if "sns:publish" in resource:
            return {"MessageId": "x"}
        body = parameters["MessageBody"]
        return self._told(body.get("operation") or parameters["QueueUrl"].rpartition("/")[2])

    def _told(self, name: str) -> Any:
        answer = self._next(name)
        if isinstance(answer, Rejection):
            raise TaskFailed(answer.code, answer.message)
        return answer

    def _next(self, name: str) -> Any:
        self.asked.append(name)
        answer = self._answers.get(name, {})
        return answer.pop(0) if isinstance(answer, list) else answer

    def operation(self, name: str) -> Callable[[dict[str, Any]], Awaitable[Any]]:
        """An operation as the worker asks for it."""

        async def answer(given: dict[str, Any]) -> Any:
            return await self.on_aws(name)

        return answer

    async def on_aws(self, name: str) -> Any:
        """As the worker, or a person's queue, asks."""
        answer = self._next(name)
        if isinstance(answer, Rejection):
            raise answer
        return answer


def to_the_letter(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


async def answered(mesh: AwsWorld, told: Told, queue: str, table: str) -> None:
    """Answers whatever comes into a queue of people until it is cancelled."""
    url = mesh.places.queue_urls[queue]
    while True:
        for body in await mesh.received(url):
            token = json.loads(body)["taskToken"]
            try:
                await mesh.tokens.succeed(token, await told.on_aws(table))
            except Rejection as no:
                await mesh.tokens.fail(token, no.code, no.message)
        await asyncio.sleep(0.1)  # each look is a call of AWS


@pytest.mark.parametrize(("machine", "answers"), PATHS)
async def test_products_definition__takes_the_same_path_on_step_functions(
    mesh: AwsWorld, machine: str, answers: dict[str, Any]
) -> None:
    home, away = Told(answers), Told(answers)
    expected = execute(built_in_machines()[machine], INPUTS[machine], home.at_home)
    await mesh.machines.apply({machine: built_in_machines()[machine]})
    for name in {*home.asked} - set(mesh.places.queue_urls):
        mesh.platform.operations[name] = away.operation(name)
    people = [
        asyncio.create_task(answered(mesh, away, queue, queue))
        for queue in ("approval-queue", "subscription-decisions")
    ]
    try:
        await mesh.start(machine, INPUTS[machine], name=mesh.new_name(), run_as=WORKFLOWS_SERVICE)
        end = await mesh.end_of(machine, mesh.last_name)
    finally:
        for each in people:
            each.cancel()
        await asyncio.gather(*people, return_exceptions=True)
    assert away.asked == home.asked
    assert (end.status, end.error) == (expected.status, expected.error)
    if expected.status == "SUCCEEDED":
        assert to_the_letter(without_receipts(end.output)) == to_the_letter(
            without_receipts(expected.output)
        )


def without_receipts(output: Any) -> Any:
    """The output of a machine, without what SNS says of a message that it took."""
    if not isinstance(output, dict):
        return output
    return {key: value for key, value in output.items() if key != "MessageId"}


def cases() -> list[dict[str, Any]]:
    if not CASES.exists():
        return []
    return [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines()]


def why_not(case: dict[str, Any]) -> str | None:
    """Why moto cannot run a recorded case, as far as its document tells."""
    text = json.dumps(case["definition"])
    for sign, reason in (
        ('"JSONata"', "no JSONata"),
        ("http:invoke", "no http:invoke"),
        ('"DISTRIBUTED"', "its distributed Map needs S3 and names of its own"),
        ("$$.", "the record has values of AWS's context object"),
        ("States.UUID", "a random value"),
        ("States.MathRandom", "a random value"),
    ):
        if sign in text:
            return reason
    seconds = [state.get("Seconds", 0) for state in all_states(case["definition"])]
    if any(isinstance(one, int) and one > 2 for one in seconds) or '"Timestamp' in text:
        return "it would take as long as it waits"
    return None


def all_states(machine: Any) -> Iterator[dict[str, Any]]:
    """Every state in a definition."""
    if isinstance(machine, dict):
        states = machine.get("States")
        if isinstance(states, dict):
            yield from (state for state in states.values() if isinstance(state, dict))
        for value in machine.values():
            yield from all_states(value)
    elif isinstance(machine, list):
        for value in machine:
            yield from all_states(value)


_REFERENCES = "assign/test_assign_reference_variables.py::TestAssignReferenceVariables::"
_MIXED = "query_language/test_mixed_query_language.py::TestMixedQueryLanguageFlow::"
OTHERWISE = frozenset(
    {
        f"{_REFERENCES}test_assign_in_choice_state[CORRECT]",
        f"{_REFERENCES}test_assign_in_choice_state[INCORRECT]",
        f"{_REFERENCES}test_reference_assign[BASE_REFERENCE_IN_FAIL]",
        f"{_REFERENCES}test_reference_assign[BASE_REFERENCE_IN_ITERATOR_OUTER_SCOPE]",
        f"{_REFERENCES}test_reference_assign[BASE_REFERENCE_IN_OUTPUTPATH]",
        f"{_REFERENCES}test_reference_assign[BASE_REFERENCE_IN_PARAMETERS]",
        f"{_REFERENCES}test_state_assign_evaluation_order[BASE_EVALUATION_ORDER_PASS_STATE]",
        f"{_MIXED}test_variable_sampling[JSONATA_ASSIGN_JSONPATH_REF]",
    }
)
"""Recorded cases that moto ends with States.Runtime: it finds no variable in these places. Ours
ends them as AWS did."""


async def test_recorded_executions__end_on_moto_as_ours_do(mesh: AwsWorld) -> None:
    if not cases():
        pytest.skip(f"{CASES} is not there")
    skipped: Counter[str] = Counter()
    differ: dict[str, str] = {}
    same = 0
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(number: int, case: dict[str, Any]) -> None:
        nonlocal same
        reason = why_not(case)
        if reason is None:
            async with gate:
                reason, difference = await compared(mesh, f"case-{number}", case)
            if difference is not None:
                differ[case["name"]] = difference
            elif reason is None:
                same += 1
        if reason is not None:
            skipped[reason] += 1

    await asyncio.gather(*(one(number, case) for number, case in enumerate(cases())))
    print(  # noqa: T201 - so many were compared, and why not all
        f"same: {same}, otherwise on moto: {len(differ)}, not run: {dict(skipped)}",
        *(f"  {name}: {difference}" for name, difference in sorted(differ.items())),
        sep="\n",
    )
    assert set(differ) <= OTHERWISE
    assert same >= 300


async def compared(
    mesh: AwsWorld, name: str, case: dict[str, Any]
) -> tuple[str | None, str | None]:
    """Why a case was not run, and how moto's end differs from ours."""
    ours = execute(case["definition"], case["input"])
    try:
        await mesh.machines.put(name, case["definition"], built_in=True)
    except Invalid as error:
        return f"not put: {error.code}", None
    except (AwsRejected, AwsUnavailable):
        return "moto does not take the definition", None
    await mesh.executions.start(name, case["input"], name="one")
    try:
        end = await ended(mesh, name)
    except TimeoutError:
        return "moto does not end it", None
    if (end.status, end.error) != (ours.status, ours.error):
        return None, f"{end.status} {end.error}, ours {ours.status} {ours.error}"
    if to_the_letter(end.output) != to_the_letter(ours.output):
        return None, f"{to_the_letter(end.output)[:80]}, ours {to_the_letter(ours.output)[:80]}"
    return None, None


async def ended(mesh: AwsWorld, name: str) -> AwsExecution:
    """An execution when it has ended."""
    async with asyncio.timeout(SECONDS):
        while True:
            found = await mesh.look(name, "one")
            if found is not None and found.status != "RUNNING":
                return found
            await asyncio.sleep(0.05)
