"""A domain's bucket is told by its name on one machine and on AWS, and tells its domain."""

from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest

from meshplane.boundary.actor import Actor
from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Judge
from meshplane.kit.clock import SystemClock
from meshplane.kit.ids import id_maker
from meshplane.platform.aws.names import domain_bucket
from meshplane.platform.aws.place import AwsPlace
from meshplane.platform.local.sqlite import SqliteStore
from meshplane.platform.store import Store
from meshplane.policy.engine import Engine, policy_texts
from meshplane.run.memberships import ServiceMemberships
from meshplane.services.domains.schemas import DomainView, NewDomain
from meshplane.services.domains.service import Domains, DomainsReader, seed_bucket
from meshplane.services.domains.store import TABLES

ADMIN = Actor("ada@mesh", frozenset({"mesh-admins"}))
ON_AWS = partial(domain_bucket, AwsPlace("eu-central-1", "111122223333", prefix="blue-"))
LONG = "operations-of-flights-and-of-all-else-they-need"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    clock = SystemClock()
    made = SqliteStore(tmp_path / "meshplane.db", list(TABLES), clock, id_maker(clock))
    yield made
    await made.close()


async def created(store: Store, name: str, bucket_of: Callable[[str], str]) -> DomainView:
    memberships = ServiceMemberships()
    memberships.domains = DomainsReader(store)
    judge = Judge(Engine(policy_texts().values()), memberships, {"mesh-admins": "administrator"})
    clock = SystemClock()
    boundary = Boundary(store, judge, clock, id_maker(clock))
    view: DomainView = await boundary.write(
        "createDomain", ADMIN, lambda call: Domains(bucket_of).create(call, NewDomain(name=name))
    )
    return view


async def test_domain__on_one_machine_and_on_aws__its_bucket_bears_its_name(store: Store) -> None:
    here = await created(store, "harbour", seed_bucket)
    there = await created(store, "aviation", ON_AWS)
    assert here.bucket == "data-lake-harbour"
    assert there.bucket == "blue-data-lake-aviation-111122223333-eu-central-1"


@pytest.mark.parametrize("bucket_of", [seed_bucket, ON_AWS])
async def test_bucket__tells_its_domain_however_long_its_name(
    store: Store, bucket_of: Callable[[str], str]
) -> None:
    domains = {name: await created(store, name, bucket_of) for name in ("sea", LONG)}
    reader = DomainsReader(store)
    for name, domain in domains.items():
        found = await reader.of_bucket(ADMIN, domain.bucket)
        assert found is not None
        assert (found.name, found.bucket) == (name, domain.bucket)
    assert await reader.of_bucket(ADMIN, "data-lake-nobody") is None


async def test_bucket_that_another_domain_is_called_like__is_still_its_owners(
    store: Store,
) -> None:
    await created(store, "data-lake-sea", seed_bucket)
    await created(store, "sea", seed_bucket)
    found = await DomainsReader(store).of_bucket(ADMIN, "data-lake-sea")
    assert found is not None
    assert found.name == "sea"
