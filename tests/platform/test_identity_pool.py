"""The mesh's user pool is found by its name, and where it was found is kept for an hour."""

import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

pytest.importorskip("moto", reason="AWS is played by moto, which is not here")

from meshplane.kit.errors import Missing
from meshplane.kit.ids import id_maker
from meshplane.platform.aws.identity_pool import UserPool, UserPools
from meshplane.platform.aws.identity_pool_making import UserPoolMaker
from meshplane.platform.configuration_cache import CONFIGURATION_CACHE, ConfigurationCache
from meshplane.platform.local.sqlite import SqliteStore
from tests.builders.dynamodb_place import aws_of
from tests.builders.manual_clock import ManualClock
from tests.builders.watched_aws import WatchedAws

GROUPS = ("mesh-admins", "mesh-auditors")
_numbers = itertools.count(1)


class Process:
    """A process that looks for the pool."""

    def __init__(self, folder: Path) -> None:
        self.aws = WatchedAws(aws_of(f"people{next(_numbers)}-"))
        self.clock = ManualClock()
        ids = id_maker(self.clock)
        self.store = SqliteStore(folder / "m.db", [CONFIGURATION_CACHE], self.clock, ids)
        self.cache = ConfigurationCache(self.store, self.clock)

    async def known(self) -> UserPool:
        return await UserPools(self.aws).known(self.cache)

    async def made(self) -> UserPool:
        return await UserPoolMaker(self.aws).ensure(GROUPS)


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[Process]:
    made = Process(tmp_path)
    yield made
    await made.store.close()


async def test_pool__that_nobody_made__says_what_to_do(process: Process) -> None:
    with pytest.raises(Missing) as refused:
        await process.known()
    assert refused.value.code == "POOL_NOT_FOUND"
    assert "meshplane aws prepare" in refused.value.message


async def test_pool__made_again__is_the_same_with_its_client_and_groups(process: Process) -> None:
    first = await process.made()
    assert await process.made() == first
    assert await UserPools(process.aws).groups(first.pool_id) == sorted(GROUPS)
    assert process.aws.asked["create_user_pool"] == 1


async def test_pool__found_once__is_looked_for_again_after_an_hour(process: Process) -> None:
    made = await process.made()
    assert await process.known() == made
    process.aws.forget()
    assert await process.known() == made
    # What was kept is only looked at; after its hour, all pools are listed instead.
    assert process.aws.asked["describe_user_pool_client"] == 1
    process.clock.advance(3600)
    assert await process.known() == made
    assert process.aws.asked["describe_user_pool_client"] == 1


async def test_pool__that_was_made_anew_within_the_hour__is_found(process: Process) -> None:
    await process.made()
    old = await process.known()
    await process.aws.call("cognito-idp", "delete_user_pool", UserPoolId=old.pool_id)
    new = await process.made()
    assert await process.known() == new != old
