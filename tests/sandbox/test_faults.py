"""Calls fail when and how they were told to."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from meshplane.kit.errors import Invalid
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected, AwsUnavailable
from meshplane.sandbox.faults import KINDS, Fault, Faults
from meshplane.sandbox.server import AwsSandbox
from tests.builders import seeds
from tests.builders.aws_sandbox import aws_of, sandbox_in


@pytest.fixture(scope="module")
def sandbox() -> Iterator[AwsSandbox]:
    with sandbox_in(fakes={}) as sandbox:
        yield sandbox


@pytest.fixture
def once(sandbox: AwsSandbox) -> Iterator[Aws]:
    """AWS by a client that tries each call once."""
    sandbox.reset()
    aws = aws_of(sandbox, most_attempts=1)
    yield aws
    aws.close()


def databases(aws: Aws) -> list[str]:
    return [each["Name"] for each in aws.run("glue", "get_databases")["DatabaseList"]]


def wait_until(holds: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 10.0
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.005)


def create(aws: Aws, name: str) -> None:
    aws.run("glue", "create_database", DatabaseInput={"Name": name})


def test_throttle__asks_to_come_later(sandbox: AwsSandbox, once: Aws) -> None:
    sandbox.faults.add(Fault("glue", "create_database", "throttle"))
    with pytest.raises(AwsUnavailable) as refused:
        create(once, "a")
    assert refused.value.reason == "ThrottlingException"
    assert databases(once) == []
    create(once, "a")


def test_throttle__is_retried_by_the_client(sandbox: AwsSandbox, once: Aws) -> None:
    patient = aws_of(sandbox)
    sandbox.faults.add(Fault("glue", None, "throttle", times=2))
    create(patient, "a")
    assert sandbox.calls.count("glue", "CreateDatabase") == 3
    patient.close()


def test_throttle__speaks_the_words_of_each_service(sandbox: AwsSandbox, once: Aws) -> None:
    words = {"s3": "SlowDown", "iam": "Throttling", "dynamodb": "ThrottlingException"}
    calls = {"s3": "list_buckets", "iam": "list_roles", "dynamodb": "list_tables"}
    for service, word in words.items():
        sandbox.faults.add(Fault(service, None, "throttle"))
        with pytest.raises(AwsUnavailable) as refused:
            once.run(service, calls[service])
        assert refused.value.reason == word


def test_error__is_refused_with_the_code_that_was_asked_for(sandbox: AwsSandbox, once: Aws) -> None:
    sandbox.faults.add(Fault("glue", "CreateDatabase", "error", code="AlreadyExistsException"))
    with pytest.raises(AwsRejected) as refused:
        create(once, "a")
    assert refused.value.aws_code == "AlreadyExistsException"
    assert databases(once) == []


def test_error__is_one_of_the_service_where_no_code_was_given(
    sandbox: AwsSandbox, once: Aws
) -> None:
    sandbox.faults.add(Fault("glue", "CreateDatabase", "error"))
    with pytest.raises(AwsUnavailable) as refused:
        create(once, "a")
    assert refused.value.reason == "InternalServerException"


def test_timeout__leaves_nothing_behind_and_waits_for_the_client(
    sandbox: AwsSandbox, once: Aws
) -> None:
    impatient = aws_of(sandbox, most_attempts=1, read_seconds=0.5)
    sandbox.faults.add(Fault("glue", "CreateDatabase", "timeout"))
    start = time.monotonic()
    with pytest.raises(AwsUnavailable) as lost:
        create(impatient, "a")
    assert lost.value.may_have_happened
    assert time.monotonic() - start > 0.4
    impatient.close()
    assert databases(once) == []
    assert sandbox.calls.all("glue", "create_database")[0].outcome == "timeout"


def test_timeout__the_call_goes_on_until_the_client_hangs_up(
    sandbox: AwsSandbox, once: Aws
) -> None:
    impatient = aws_of(sandbox, most_attempts=1, read_seconds=1.5)
    sandbox.faults.add(Fault("glue", "GetDatabases", "timeout"))
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(databases, impatient)
        wait_until(lambda: sandbox.calls.count("glue", "get_databases") == 1)
        call = sandbox.calls.all("glue", "get_databases")[0]
        assert not call.ended
        assert isinstance(asked.exception(), AwsUnavailable)
    impatient.close()
    wait_until(lambda: call.ended)
    once.run("glue", "get_databases")
    assert sandbox.calls.all("glue", "get_databases")[-1].ended


def test_lost_answer__leaves_the_effect_behind(sandbox: AwsSandbox, once: Aws) -> None:
    sandbox.faults.add(Fault("glue", "CreateDatabase", "lost_answer"))
    with pytest.raises(AwsUnavailable) as lost:
        create(once, "a")
    assert lost.value.may_have_happened
    assert databases(once) == ["a"]
    call = sandbox.calls.all("glue", "create_database")[0]
    assert (call.outcome, call.status) == ("lost_answer", 0)


def test_nth_call__counts_from_when_the_fault_was_added(sandbox: AwsSandbox, once: Aws) -> None:
    create(once, "a")
    sandbox.faults.add(
        Fault("glue", "CreateDatabase", "error", nth=2, code="InvalidInputException")
    )
    create(once, "b")
    with pytest.raises(AwsRejected):
        create(once, "c")
    create(once, "d")
    assert databases(once) == ["a", "b", "d"]
    assert sandbox.faults.all() == []


def test_fault_of_one_account__leaves_others_alone(sandbox: AwsSandbox, once: Aws) -> None:
    other = aws_of(sandbox, sandbox.accounts[1], most_attempts=1)
    sandbox.faults.add(Fault("glue", None, "throttle", account=sandbox.accounts[1]))
    create(once, "a")
    with pytest.raises(AwsUnavailable):
        create(other, "a")
    other.close()


def test_every_kind__works_on_services_of_moto_and_of_fakes_alike() -> None:
    kinds = Faults()
    for kind in KINDS:
        kinds.add(Fault("datazone", "CreateProject", kind))
    met = [kinds.meet("datazone", "CreateProject", "1") for _ in range(2)]
    # All are for the first call, which the first of them decides.
    assert [fault.kind if fault else None for fault in met] == ["throttle", None]


def test_share_of_calls__fails_and_the_same_seed_chooses_the_same() -> None:
    seed = seeds.fresh()
    met = []
    for _ in range(2):
        planned = Faults()
        planned.add(Fault("glue", None, "throttle", times=4000, share=0.25, seed=seed))
        met.append([planned.meet("glue", "GetTable", "1") is not None for _ in range(4000)])
        assert planned.all() == []
        assert planned.meet("glue", "GetTable", "1") is None
    assert met[0] == met[1]
    assert 800 < sum(met[0]) < 1200


@pytest.mark.parametrize(
    ("fault", "field"),
    [
        (Fault("blue", None, "error"), "service"),
        (Fault("glue", "CreateDatabases", "error"), "operation"),
        (Fault("glue", None, "explode"), "kind"),  # type: ignore[arg-type]
        (Fault("glue", None, "error", nth=0), "nth"),
        (Fault("glue", None, "error", times=0), "nth"),
        (Fault("glue", None, "error", share=0.0), "share"),
        (Fault("glue", None, "error", share=1.1), "share"),
    ],
)
def test_fault_that_could_never_be_met__is_refused(fault: Fault, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        Faults().add(fault)
    assert refused.value.fields[0].field == field


def test_calls__are_told_in_order_with_who_and_what_became_of_them(
    sandbox: AwsSandbox, once: Aws
) -> None:
    create(once, "a")
    with pytest.raises(AwsRejected):
        create(once, "a")
    databases(once)
    told = [
        (call.number, call.operation, call.outcome, call.status) for call in sandbox.calls.all()
    ]
    assert told == [
        (1, "CreateDatabase", "ok", 200),
        (2, "CreateDatabase", "AlreadyExistsException", 400),
        (3, "GetDatabases", "ok", 200),
    ]
    assert sandbox.calls.all()[0].parameters == {"DatabaseInput": {"Name": "a"}}
    root = f"arn:aws:iam::{sandbox.accounts[0]}:root"
    assert {call.principal for call in sandbox.calls.all()} == {root}
    assert sandbox.calls.counts()[("glue", "CreateDatabase", sandbox.accounts[0])] == 2


def test_http__plans_lists_and_takes_back_faults(sandbox: AwsSandbox, once: Aws) -> None:
    place = f"{sandbox.url}/_sandbox/faults"
    planned = httpx.post(place, json={"service": "glue", "kind": "throttle", "times": 2})
    number = planned.json()["number"]
    assert planned.status_code == 201
    assert [each["number"] for each in httpx.get(place).json()] == [number]
    with pytest.raises(AwsUnavailable):
        databases(once)
    assert httpx.get(place).json()[0]["seen"] == 1
    assert httpx.delete(f"{place}/{number}").status_code == 200
    assert databases(once) == []
    assert httpx.delete(f"{place}/{number}").status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"service": "glue"},
        {"service": "glue", "kind": "sulk"},
        {"service": "glue", "kind": "error", "nth": "first"},
        {"service": "glue", "kind": "error", "when": 1},
        [],
    ],
)
def test_http__refuses_faults_that_are_none(sandbox: AwsSandbox, body: Any) -> None:
    assert httpx.post(f"{sandbox.url}/_sandbox/faults", json=body).status_code == 400


def test_http__tells_calls_and_forgets_them(sandbox: AwsSandbox, once: Aws) -> None:
    create(once, "a")
    databases(once)
    place = f"{sandbox.url}/_sandbox/calls"
    assert [call["operation"] for call in httpx.get(place).json()] == [
        "CreateDatabase",
        "GetDatabases",
    ]
    only = httpx.get(place, params={"service": "glue", "operation": "get_databases"}).json()
    assert [call["outcome"] for call in only] == ["ok"]
    httpx.delete(place)
    assert httpx.get(place).json() == []


def test_http__delays_what_lists_show(sandbox: AwsSandbox, once: Aws) -> None:
    place = f"{sandbox.url}/_sandbox/visibility"
    assert httpx.post(place, json={"seconds": 1.5}).status_code == 200
    assert sandbox.world.visibility_seconds == 1.5
    assert httpx.post(place, json={"seconds": -1}).status_code == 400
    httpx.post(f"{sandbox.url}/_sandbox/reset")
    assert sandbox.world.visibility_seconds == 0.0
    assert httpx.get(f"{sandbox.url}/_sandbox/nothing").status_code == 404
