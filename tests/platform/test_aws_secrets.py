"""Secrets that are renewed: no value is lost, whoever renews, and old ones end in time."""

import asyncio
import itertools
from datetime import UTC, datetime
from typing import Any

import pytest

pytest.importorskip("moto", reason="AWS is played by moto, which is not here")

from meshplane.kit.errors import Invalid
from meshplane.platform.aws.secrets import Secrets
from meshplane.platform.aws.secrets_rolling import RollingSecret
from tests.builders.dynamodb_place import aws_of
from tests.builders.manual_clock import ManualClock
from tests.builders.watched_aws import WatchedAws

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
_numbers = itertools.count(1)


@pytest.fixture
def aws() -> WatchedAws:
    """AWS under a prefix that nobody else uses."""
    return WatchedAws(aws_of(f"rolling{next(_numbers)}-"))


def rolling(aws: WatchedAws, clock: ManualClock, kept_seconds: float | None = 100) -> RollingSecret:
    made = itertools.count(1)
    return RollingSecret(
        Secrets(aws), "meshplane/keys", lambda: f"key{next(made)}", clock, kept_seconds
    )


async def texts(secret: RollingSecret) -> list[str]:
    return [one.text for one in await secret.load()]


async def test_rolling_secret__is_made_once_and_the_same_for_all(aws: WatchedAws) -> None:
    clock = ManualClock(NOON)
    several = [rolling(aws, clock) for _ in range(4)]
    found = await asyncio.gather(*(one.load() for one in several))
    assert len(set(found)) == 1
    told = await aws.call(
        "secretsmanager", "describe_secret", SecretId=f"{aws.place.prefix}meshplane/keys"
    )
    assert {"Key": "ManagedBy", "Value": "ManagementApp"} in told["Tags"]
    assert {"Key": "Mesh", "Value": aws.place.prefix} in told["Tags"]


async def test_rolled__the_new_value_comes_first_and_the_old_one_ends_in_time(
    aws: WatchedAws,
) -> None:
    clock = ManualClock(NOON)
    secret = rolling(aws, clock)
    (first,) = await texts(secret)
    await secret.roll()
    newest, older = await texts(secret)
    assert older == first != newest
    clock.advance(101)
    assert await texts(secret) == [newest]
    await secret.roll()
    assert len(await texts(secret)) == 2


async def test_rolled__where_values_are_needed_for_ever__none_ends(aws: WatchedAws) -> None:
    clock = ManualClock(NOON)
    secret = rolling(aws, clock, kept_seconds=None)
    for _ in range(3):
        await secret.roll()
        clock.advance(10**8)
    assert len(await texts(secret)) == 3  # the first roll made the secret


async def test_rolled__by_many_at_once__no_value_is_lost(aws: WatchedAws) -> None:
    clock = ManualClock(NOON)
    secret = rolling(aws, clock, kept_seconds=None)
    await secret.load()
    both = asyncio.Barrier(2)
    waited = 0

    async def around(operation: str, _: dict[str, Any], really: Any) -> Any:
        nonlocal waited
        answer = await really()
        if operation == "get_secret_value" and waited < 2:
            waited += 1
            await both.wait()
        return answer

    aws.around = around
    rolled = await asyncio.gather(*(rolling(aws, clock, None).roll() for _ in range(2)))
    held = {one.name for one in await secret.load()}
    assert len(held) == 3
    assert {values[0].name for values in rolled} <= held


async def test_rolled__and_the_answer_is_lost__it_is_rolled_once(aws: WatchedAws) -> None:
    clock = ManualClock(NOON)
    secret = rolling(aws, clock, kept_seconds=None)
    await secret.load()

    async def around(operation: str, _: dict[str, Any], really: Any) -> Any:
        if operation == "update_secret_version_stage":
            await really()  # the client tries again when no answer comes
        return await really()

    aws.around = around
    values = await secret.roll()
    assert len(values) == 2
    assert await secret.load() == values


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"values": []}', '{"values": [{"a": 1}]}'])
async def test_rolling_secret__that_somebody_overwrote__is_named(
    aws: WatchedAws, text: str
) -> None:
    await Secrets(aws).put("meshplane/keys", text or " ", token="somebody")
    with pytest.raises(Invalid) as refused:
        await rolling(aws, ManualClock(NOON)).load()
    assert refused.value.code == "SECRET_DAMAGED"
    assert "meshplane/keys" in refused.value.message
