"""A service of AWS takes no connections any more: its calls fail at once, until it is back."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

pytest.importorskip("moto", reason="AWS is played by moto, which is not here")

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.circuit import Circuits
from meshplane.platform.aws.errors import AwsUnavailable
from meshplane.sandbox.faults import Fault
from meshplane.sandbox.server import AwsSandbox
from tests.builders.aws_sandbox import aws_of, place_of, sandbox_in
from tests.builders.aws_sessions import session_with
from tests.builders.silent_endpoint import SilentEndpoint, silent_endpoint

pytestmark = [pytest.mark.fault]

CALLS, PROBE_SECONDS = 100, 3.0
OPENS_WITHIN_SECONDS, UNHINDERED_SECONDS, AT_ONCE_SECONDS = 10.0, 2.0, 0.1
THREADS = 16
PROBE_AFTER_SECONDS = 31.0
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
    }
)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[AwsSandbox]:
    with sandbox_in() as running:
        yield running


@pytest.fixture
def endpoint(sandbox: AwsSandbox) -> Iterator[SilentEndpoint]:
    port = urlsplit(sandbox.url).port
    assert port is not None
    with silent_endpoint(port) as silent:
        yield silent


def aws_where_glue_is(sandbox: AwsSandbox, url: str, probe_seconds: float = 30.0) -> Aws:
    """AWS whose Glue answers at another address than all else."""
    place = place_of(sandbox, endpoint_urls={"glue": url})
    keys = sandbox.keys(sandbox.accounts[0])
    return Aws(place, session_with(*keys), Circuits(probe_seconds))


async def refused(aws: Aws) -> tuple[AwsUnavailable, float]:
    """The error of a call of Glue, and the seconds that it took."""
    began = time.monotonic()
    with pytest.raises(AwsUnavailable) as caught:
        await aws.call("glue", "get_databases")
    return caught.value, time.monotonic() - began


async def test_no_connection_is_taken__calls_fail_at_once_after_ten_seconds_and_nothing_piles_up(
    sandbox: AwsSandbox, endpoint: SilentEndpoint
) -> None:
    aws = aws_where_glue_is(sandbox, endpoint.url, probe_seconds=PROBE_SECONDS)
    await aws.call("sts", "get_caller_identity")
    threads, began = threading.active_count(), time.monotonic()

    first = await asyncio.gather(*(refused(aws) for _ in range(CALLS)))
    assert time.monotonic() - began < OPENS_WITHIN_SECONDS
    assert threading.active_count() <= threads + THREADS
    assert not any(error.may_have_happened for error, _ in first)

    later = [await refused(aws) for _ in range(CALLS)]
    assert sorted(seconds for _, seconds in later)[CALLS // 2] < AT_ONCE_SECONDS
    assert threading.active_count() <= threads + THREADS
    said = str(later[-1][0])
    assert "glue in eu-central-1 has not answered for" in said
    assert "tried again in" in said

    began = time.monotonic()
    await aws.call("sts", "get_caller_identity")
    assert time.monotonic() - began < UNHINDERED_SECONDS

    endpoint.lead()
    await asyncio.sleep(PROBE_SECONDS)
    assert (await aws.call("glue", "get_databases"))["DatabaseList"] == []
    await asyncio.gather(*(aws.call("glue", "get_databases") for _ in range(THREADS)))
    aws.close()


async def test_one_caller_waits__others_services_are_called_as_ever(
    sandbox: AwsSandbox, endpoint: SilentEndpoint
) -> None:
    aws = aws_where_glue_is(sandbox, endpoint.url)
    await aws.call("sts", "get_caller_identity")
    waiting = asyncio.create_task(refused(aws))
    slowest = 0.0
    while not waiting.done():
        asked = time.monotonic()
        await aws.call("sts", "get_caller_identity")
        slowest = max(slowest, time.monotonic() - asked)
        await asyncio.sleep(0.1)
    error, seconds = await waiting
    assert seconds < OPENS_WITHIN_SECONDS
    assert error.reason == "its endpoint does not answer"
    assert slowest < UNHINDERED_SECONDS
    aws.close()


async def test_many_calls_wait_for_one_service__others_are_called_as_ever(
    sandbox: AwsSandbox, endpoint: SilentEndpoint
) -> None:
    aws = aws_where_glue_is(sandbox, endpoint.url)
    await aws.call("sts", "get_caller_identity")
    waiting = asyncio.gather(*(refused(aws) for _ in range(3 * THREADS)))
    slowest = 0.0
    while not waiting.done():
        asked = time.monotonic()
        await aws.call("sts", "get_caller_identity")
        slowest = max(slowest, time.monotonic() - asked)
        await asyncio.sleep(0.1)
    await waiting
    assert slowest < UNHINDERED_SECONDS
    aws.close()


async def test_a_role_cannot_be_taken__the_service_is_tried_as_soon_as_it_can(
    sandbox: AwsSandbox,
) -> None:
    now = 0.0
    circuits = Circuits(now=lambda: now)
    glue, sts = circuits.of("glue"), circuits.of("sts")
    aws = Aws(place_of(sandbox), session_with(*sandbox.keys(sandbox.accounts[0])), circuits)
    arn = f"arn:aws:iam::{sandbox.accounts[0]}:role/unsent"
    aws.run("iam", "create_role", RoleName="unsent", AssumeRolePolicyDocument=TRUST)
    role = aws.as_role(arn, "test")
    now += PROBE_AFTER_SECONDS
    assert glue.failed(0.0, sent=False)
    now += PROBE_AFTER_SECONDS
    assert sts.failed(0.0, sent=False)

    for _ in range(2):
        # It is time to try Glue, and no call of it can be signed.
        error, _ = await refused(role)
        assert error.service == "sts"
    sts.answered()
    assert (await role.call("glue", "get_databases"))["DatabaseList"] == []
    assert glue.silence() is None
    aws.close()


async def test_roles_of_one_process__share_what_is_known_of_a_service(
    sandbox: AwsSandbox, endpoint: SilentEndpoint
) -> None:
    aws = aws_where_glue_is(sandbox, endpoint.url)
    role = aws.as_role(f"arn:aws:iam::{sandbox.accounts[0]}:role/other", "test")
    await refused(aws)
    _, seconds = await refused(role)
    assert seconds < UNHINDERED_SECONDS
    aws.close()


@pytest.mark.parametrize("kind", ["throttle", "error"])
async def test_a_service_answers_badly__is_called_on(sandbox: AwsSandbox, kind: str) -> None:
    aws = aws_of(sandbox, most_attempts=1)
    number = sandbox.faults.add(Fault("glue", None, kind, times=60))  # type: ignore[arg-type]
    for _ in range(40):
        error, _ = await refused(aws)
        assert "endpoint" not in error.reason
    sandbox.faults.remove(number)
    await aws.call("glue", "get_databases")
    aws.close()


@pytest.mark.parametrize("first", ["lost_answer", "error"])
@pytest.mark.parametrize("then", ["throttle", "error"])
async def test_a_second_attempt_is_refused__the_first_may_have_had_its_effect(
    sandbox: AwsSandbox, first: str, then: str
) -> None:
    aws = aws_of(sandbox, most_attempts=2)
    sandbox.faults.add(Fault("glue", None, first))  # type: ignore[arg-type]
    sandbox.faults.add(Fault("glue", None, then, nth=2))  # type: ignore[arg-type]
    error, _ = await refused(aws)
    assert error.may_have_happened
    aws.close()
