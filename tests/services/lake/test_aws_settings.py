"""What Lake Formation is set to by the mesh: settings, places, tags; against its sandbox."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from meshplane.boundary.actor import Actor
from meshplane.events.lake import LakeLocationRegistered, LakeLocationRemoved
from meshplane.kit.errors import Unavailable
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.sandbox.server import AwsSandbox
from meshplane.services.assets.api import PUBLISHED, AssetColumn, AssetPage, AssetSummary
from meshplane.services.domains.api import DomainSummary
from meshplane.services.lake.aws import LakeFormationLake
from meshplane.services.lake.aws_locations import LocationProjection
from meshplane.services.lake.aws_settings import (
    administrators_of,
    close_to_iam,
    deregister_location,
    ensure_settings,
    location,
    register_location,
    settings_drift,
)
from meshplane.services.lake.aws_tag_projection import TagDrift, TagProjection
from meshplane.services.lake.aws_tags import (
    add_tags,
    delete_expression,
    delete_tag,
    ensure_expression,
    ensure_tag,
    own_tags,
    tag_values,
)
from meshplane.services.lake.lake_formation import DOMAIN_TAG
from meshplane.services.lake.store import LAKE_LOCATIONS
from tests.builders.aws_sandbox import aws_of, sandbox_in
from tests.builders.lake_grants import all_of, who
from tests.builders.lake_world import ITSELF, LakeWorld

ROOT = "arn:aws:iam::111122223333:root"
MESH = "arn:aws:iam::111122223333:role/meshplane"
BUCKET = "arn:aws:s3:::data-lake-aviation"
FLIGHTS = {"Table": {"DatabaseName": "aviation", "Name": "flights"}}
COLUMNS = ("flight", "origin", "pilot")


@pytest.fixture(scope="module")
def running() -> Iterator[AwsSandbox]:
    with sandbox_in() as sandbox:
        yield sandbox


@pytest.fixture
def aws(running: AwsSandbox) -> Iterator[Aws]:
    running.reset()
    client = aws_of(running)
    yield client
    client.close()


async def make_flights(aws: Aws) -> None:
    await aws.call("glue", "create_database", DatabaseInput={"Name": "aviation"})
    columns = [{"Name": name, "Type": "string"} for name in COLUMNS]
    made = {"Name": "flights", "StorageDescriptor": {"Columns": columns}}
    await aws.call("glue", "create_table", DatabaseName="aviation", TableInput=made)


async def settings(aws: Aws) -> dict[str, Any]:
    found: dict[str, Any] = (await aws.call("lakeformation", "get_data_lake_settings"))[
        "DataLakeSettings"
    ]
    return found


async def test_settings__are_changed_where_they_differ_and_others_stay(
    aws: Aws, running: AwsSandbox
) -> None:
    first = await settings(aws)
    first["DataLakeAdmins"] = [{"DataLakePrincipalIdentifier": who("their-own-admin")}]
    first["TrustedResourceOwners"] = ["444455556666"]
    await aws.call("lakeformation", "put_data_lake_settings", DataLakeSettings=first)
    assert len(await settings_drift(aws, [ROOT, MESH])) == 4
    assert len(await ensure_settings(aws, [ROOT, MESH])) == 4
    assert await administrators_of(aws) == {ROOT, MESH, who("their-own-admin")}
    after = await settings(aws)
    assert after["CreateDatabaseDefaultPermissions"] == []
    assert after["CreateTableDefaultPermissions"] == []
    assert after["Parameters"]["CROSS_ACCOUNT_VERSION"] == "4"
    assert after["TrustedResourceOwners"] == ["444455556666"]
    running.calls.clear()
    assert await ensure_settings(aws, [ROOT, MESH]) == []
    assert running.calls.count("lakeformation", "PutDataLakeSettings") == 0
    assert await settings_drift(aws, [ROOT]) == []


async def test_settings__a_later_version_of_sharing_stays(aws: Aws) -> None:
    await ensure_settings(aws, [ROOT], cross_account_version="5")
    await ensure_settings(aws, [ROOT], cross_account_version="4")
    assert (await settings(aws))["Parameters"]["CROSS_ACCOUNT_VERSION"] == "5"


async def test_close_to_iam__takes_what_the_first_settings_left_open(aws: Aws) -> None:
    first = await settings(aws)
    first["DataLakeAdmins"] = [{"DataLakePrincipalIdentifier": ROOT}]
    await aws.call("lakeformation", "put_data_lake_settings", DataLakeSettings=first)
    await make_flights(aws)
    await aws.call("glue", "create_database", DatabaseInput={"Name": "others"})
    lake = LakeFormationLake(aws)
    assert len(await all_of(lake)) == 3, "IAM opens both databases and the table"
    await ensure_settings(aws, [ROOT])
    assert await close_to_iam(aws, lambda name: name == "aviation") == 2
    (left,) = await all_of(lake)
    assert left.resource == {"Database": {"Name": "others"}}
    assert await close_to_iam(aws, lambda name: name == "aviation") == 0


async def test_location__is_registered_once_and_one_of_others_is_adopted(aws: Aws) -> None:
    await ensure_settings(aws, [ROOT])
    assert await register_location(aws, BUCKET, MESH) == "registered"
    assert await register_location(aws, BUCKET, MESH) == "there"
    assert await register_location(aws, BUCKET, who("another")) == "adopted"
    found = await location(aws, BUCKET)
    assert found is not None
    assert found["RoleArn"] == who("another")
    assert await deregister_location(aws, BUCKET)
    assert not await deregister_location(aws, BUCKET)


async def test_tag__gets_the_values_that_it_lacks_and_very_many(aws: Aws) -> None:
    await ensure_settings(aws, [ROOT])
    assert await ensure_tag(aws, "team", ("ops", "hr"))
    assert not await ensure_tag(aws, "team", ("hr",))
    assert await ensure_tag(aws, "team", ("sea",), only=True)
    assert await tag_values(aws, "team") == frozenset({"sea"})
    many = [f"value-{number}" for number in range(48)]
    assert await ensure_tag(aws, "many", many)
    assert await ensure_tag(aws, "many", (*many, "one-more"))
    assert len(await tag_values(aws, "many") or ()) == 49
    assert await delete_tag(aws, "team")
    assert not await delete_tag(aws, "team")
    assert await tag_values(aws, "team") is None


async def test_tags__what_lake_formation_refuses_of_a_call_is_told(aws: Aws) -> None:
    await ensure_settings(aws, [ROOT])
    await make_flights(aws)
    await ensure_tag(aws, "team", ("ops",))
    refused = await add_tags(aws, FLIGHTS, {"team": "ops", "unknown": "x"})
    assert refused == ["unknown: EntityNotFoundException"]
    assert (await own_tags(aws, FLIGHTS)).table == {"team": "ops"}


async def test_expression__is_made_changed_and_removed(aws: Aws) -> None:
    await ensure_settings(aws, [ROOT])
    await ensure_tag(aws, "team", ("ops", "hr"))
    assert await ensure_expression(aws, "ours", [("team", ("ops",))])
    assert not await ensure_expression(aws, "ours", [("team", ("ops",))])
    assert await ensure_expression(aws, "ours", [("team", ("hr", "ops"))])
    assert await delete_expression(aws, "ours")
    assert not await delete_expression(aws, "ours")
    with pytest.raises(AwsRejected):
        await ensure_expression(aws, "ours", [("no_such_tag", ("x",))])


class Assets:
    """One data product, flights of aviation, whose pilot is confidential."""

    def __init__(self) -> None:
        classes = {"pilot": "confidential"}
        columns = tuple(
            AssetColumn(name, "string", "", classes.get(name, "internal")) for name in COLUMNS
        )
        self.flights = AssetSummary(
            "asset-1", "flights", "dzd-1", "aviation", "proj-1", "flying", "tbl-1", "",
            "internal", "user:o@m", columns, None, PUBLISHED,
        )  # fmt: skip

    async def find(self, actor: Actor, asset_id: str) -> AssetSummary | None:
        return self.flights if asset_id == "asset-1" else None

    async def listed(self, actor: Actor, limit: int, cursor: str | None) -> AssetPage:
        return AssetPage((self.flights,), None)


class Domains:
    async def find(self, actor: Actor, domain_id: str) -> DomainSummary | None:
        known = DomainSummary("dzd-1", "aviation", "data-lake-aviation")
        return known if domain_id == "dzd-1" else None


@pytest.fixture
async def world(tmp_path: Path, aws: Aws) -> AsyncIterator[LakeWorld]:
    await ensure_settings(aws, [ROOT])
    made = LakeWorld(tmp_path)
    yield made
    await made.close()


async def test_tag_projection__brings_tags_and_classifications_and_mends_them(
    aws: Aws, world: LakeWorld
) -> None:
    assets: Any = Assets()
    domains: Any = Domains()
    projection = TagProjection(aws, world.permissions, assets, domains)
    with pytest.raises(Unavailable, match="may lack it yet"):
        await projection.project(ITSELF, "asset:asset-1")
    await make_flights(aws)
    await world.permissions.put_tag(ITSELF, "team", ["ops", "hr", "Hr"])
    assign = world.permissions.assign_tags
    await assign(ITSELF, "domain:dzd-1", None, {"team": "ops"})
    await assign(ITSELF, "asset:asset-1", "pilot", {"team": "Hr"})
    await projection.project_all(ITSELF)
    on_flights = await own_tags(aws, FLIGHTS)
    assert on_flights.table == {"classification": "internal"}
    assert on_flights.columns == {"pilot": {"classification": "confidential", "team": "=hr"}}
    database = {"Database": {"Name": "aviation"}}
    assert (await own_tags(aws, database)).table == {"team": "ops", DOMAIN_TAG: "aviation"}
    assert await projection.drift(ITSELF) == []

    await assign(ITSELF, "asset:asset-1", "pilot", {"team": None})
    await assign(ITSELF, "asset:asset-1", None, {"team": "hr"})
    assert await projection.drift(ITSELF) == [
        TagDrift("aviation.flights", {"team": "hr"}, {}),
        TagDrift("aviation.flights.pilot", {}, {"team": "=hr"}),
    ]
    await projection.project(ITSELF, "asset:asset-1")
    assert await projection.drift(ITSELF) == []


async def test_tag_projection__follows_events_and_leaves_the_tags_of_others(
    aws: Aws, world: LakeWorld
) -> None:
    await make_flights(aws)
    await ensure_tag(aws, "theirs", ("x",))
    await add_tags(aws, FLIGHTS, {"theirs": "x"})
    assets: Any = Assets()
    domains: Any = Domains()
    projection = TagProjection(aws, world.permissions, assets, domains)
    await world.permissions.put_tag(ITSELF, "team", ["ops", "hr"])
    await world.permissions.assign_tags(ITSELF, "asset:asset-1", "origin", {"team": "hr"})
    await world.permissions.assign_tags(ITSELF, "domain:dzd-1", None, {"team": "ops"})
    for event in await world.store.events_after(0, 100):
        for consumer in projection.consumers:
            if consumer.wants(event):
                await consumer.handle(world.store.begin(), event)
    found = await own_tags(aws, FLIGHTS)
    assert found.table == {"classification": "internal", "theirs": "x"}
    assert found.columns["origin"] == {"team": "hr"}
    assert await projection.drift(ITSELF) == []


async def test_location_projection__registers_buckets_and_locations_and_takes_them_back(
    aws: Aws, world: LakeWorld
) -> None:
    domains: Any = Domains()
    projection = LocationProjection(aws, domains, world.store, MESH)
    assert await projection.drift(ITSELF, ["dzd-1"]) == [BUCKET]
    await projection.project(ITSELF, "dzd-1")
    assert await projection.drift(ITSELF, ["dzd-1"]) == []
    told = {"location_id": "loc-1", "domain_id": "dzd-1", "path": "raw", "by": "user:o@m", "at": ""}
    work = world.store.begin()
    item = {"locationId": "loc-1", "domainId": "dzd-1", "path": "raw", "arn": f"{BUCKET}/raw"}
    work.put(LAKE_LOCATIONS, item)
    work.emit(LakeLocationRegistered(**told).event())
    await work.commit()
    assert await projection.drift(ITSELF, ["dzd-1"]) == [f"{BUCKET}/raw"]
    await follow(projection, world, 0)
    assert await location(aws, f"{BUCKET}/raw") is not None
    work = world.store.begin()
    work.delete(LAKE_LOCATIONS, "loc-1")
    work.emit(LakeLocationRemoved(**told).event())
    await work.commit()
    await follow(projection, world, 0)
    assert await location(aws, f"{BUCKET}/raw") is None
    assert await projection.drift(ITSELF, ["dzd-1"]) == []


async def follow(projection: LocationProjection, world: LakeWorld, after: int) -> None:
    """Hands over what happened; all of it again, as events may come twice."""
    for event in await world.store.events_after(after, 100):
        for consumer in projection.consumers:
            if consumer.wants(event):
                await consumer.handle(world.store.begin(), event)
