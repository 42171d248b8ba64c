"""Glue kept in step with our store, and other engines that write through it."""

import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from botocore.stub import Stubber
from pyiceberg.catalog.glue import GlueCatalog as OtherEngine

from meshplane.kit.errors import Conflict, Invalid
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.names import domain_bucket
from meshplane.platform.events import StoredEvent
from meshplane.platform.store import ABSENT, Store
from meshplane.services.tables import records
from meshplane.services.tables.aws_buckets import DomainBuckets
from meshplane.services.tables.aws_glue import GlueCatalog, GlueMoved
from meshplane.services.tables.aws_projection import GlueProjection
from meshplane.services.tables.ports import ColumnSpec, StagedCommit
from meshplane.services.tables.store import GLUE_TABLES, TABLES, TABLES_TABLE
from tests.builders.lakes import NUMBER, Lake, lake_in_s3, numbers
from tests.builders.moto_aws import aws_at, moto_server
from tests.builders.stores import SqlitePlace

WORD = ColumnSpec("word", "string")


@dataclass
class World:
    """A domain with a published table, its lake, and Glue."""

    lake: Lake
    aws: Aws
    store: Store
    projection: GlueProjection
    catalog: GlueCatalog
    domain: str = field(default_factory=lambda: f"sea-{uuid.uuid4().hex[:8]}")
    table_id: str = "tbl-1"

    @property
    def bucket(self) -> str:
        return domain_bucket(self.aws.place, self.domain)

    async def tell(self, kind: str, source: str, **detail: Any) -> None:
        event = StoredEvent(1, "e-1", kind, f"management-app.{source}", "x", "", detail)
        [consumer] = [one for one in self.projection.consumers if one.wants(event)]
        work = self.store.begin()
        await consumer.handle(work, event)
        await work.commit()

    async def publish(self, staged: StagedCommit) -> None:
        """A table of the domain becomes the asset `crew`."""
        work = self.store.begin()
        item = {
            "tableId": self.table_id,
            "domainName": self.domain,
            "location": staged.metadata_location.rsplit("/metadata/", 1)[0],
        }
        work.put(TABLES_TABLE, records.moved_on(item, staged), expected=ABSENT)
        await work.commit()
        await self.tell("AssetPublished", "assets", tableId=self.table_id, assetName="crew")

    async def commit(self, staged: StagedCommit) -> None:
        """Our own next version, before anybody tells Glue of it."""
        work = self.store.begin()
        row = await work.get(TABLES_TABLE, self.table_id)
        assert row is not None
        work.put(TABLES_TABLE, records.moved_on(row.item, staged), expected=row.version)
        await work.commit()

    async def ours(self) -> dict[str, Any]:
        row = await self.store.begin().get(TABLES_TABLE, self.table_id)
        assert row is not None
        return row.item

    async def told(self) -> None:
        await self.tell("TableSnapshotCommitted", "tables", tableId=self.table_id)

    async def glue(self) -> Any:
        return await self.catalog.find(self.domain, "crew")

    async def noted(self) -> dict[str, Any]:
        row = await self.store.begin().get(GLUE_TABLES, self.table_id)
        assert row is not None
        return row.item

    @property
    def other(self) -> OtherEngine:
        """pyiceberg over Glue, as somebody else would use it."""
        keys = {name.replace("s3.", "glue."): value for name, value in self.lake.properties.items()}
        return OtherEngine("others", **self.lake.properties, **keys)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with moto_server() as address:
        yield address


@pytest.fixture
async def world(tmp_path: Path, url: str) -> AsyncIterator[World]:
    lake, aws = lake_in_s3(tmp_path, url), aws_at(url)
    store = SqlitePlace(tmp_path, TABLES).open()
    catalog = GlueCatalog(aws)
    projection = GlueProjection(catalog, lake.files, DomainBuckets(aws), store, lake.clock)
    yield World(lake, aws, store, projection, catalog)
    await store.close()


async def _published(world: World, *rows: int) -> StagedCommit:
    staged = world.lake.append(world.lake.create(NUMBER, WORD), numbers(*rows))
    await world.publish(staged)
    return staged


# --- our own changes ----------------------------------------------------------------------------


async def test_domain__gets_a_bucket_and_a_database_that_gives_no_rights_by_itself(
    world: World,
) -> None:
    for _ in range(2):
        await world.tell("DomainCreated", "domains", domainName=world.domain)
    database = world.aws.run("glue", "get_database", Name=world.domain)["Database"]
    assert database["LocationUri"] == f"s3://{world.bucket}/"
    assert not database.get("CreateTableDefaultPermissions")
    world.aws.run("s3", "head_bucket", Bucket=world.bucket)


async def test_domain__takes_over_a_database_and_closes_it(world: World) -> None:
    everyone = {
        "Principal": {"DataLakePrincipalIdentifier": "IAM_ALLOWED_PRINCIPALS"},
        "Permissions": ["ALL"],
    }
    there = {
        "Name": world.domain,
        "Description": "made by hand",
        "CreateTableDefaultPermissions": [everyone],
    }
    world.aws.run("glue", "create_database", DatabaseInput=there)
    await world.catalog.ensure_database(world.domain, "data-lake-x")
    database = world.aws.run("glue", "get_database", Name=world.domain)["Database"]
    assert database["Description"] == "made by hand"
    assert not database.get("CreateTableDefaultPermissions")


async def test_domain__does_not_take_a_link_to_another_accounts_database(world: World) -> None:
    link = {"CatalogId": "444455556666", "DatabaseName": "theirs"}
    there = {"Name": world.domain, "TargetDatabase": link}
    world.aws.run("glue", "create_database", DatabaseInput=there)
    with pytest.raises(Conflict) as caught:
        await world.catalog.ensure_database(world.domain, "data-lake-x")
    assert caught.value.code == "GLUE_NAME_TAKEN"
    with pytest.raises(Invalid):
        await world.catalog.ensure_database("Sea", "data-lake-x")


async def test_publish__registers_the_table_with_its_pointer_and_columns(world: World) -> None:
    staged = await _published(world, 1, 2)
    raw = world.aws.run("glue", "get_table", DatabaseName=world.domain, Name="crew")["Table"]
    assert raw["TableType"] == "EXTERNAL_TABLE"
    assert raw["Parameters"]["table_type"] == "ICEBERG"
    assert raw["Parameters"]["metadata_location"] == staged.metadata_location
    columns = raw["StorageDescriptor"]["Columns"]
    assert [(one["Name"], one["Type"]) for one in columns] == [("n", "bigint"), ("word", "string")]
    assert (await world.noted())["standing"] == "in-step"


async def test_commit__moves_the_pointer_and_keeps_what_others_noted_there(world: World) -> None:
    staged = await _published(world, 1)
    raw = world.aws.run("glue", "get_table", DatabaseName=world.domain, Name="crew")["Table"]
    theirs: dict[str, Any] = {"Name": "crew", "TableType": "EXTERNAL_TABLE"}
    theirs["Description"] = "of the crew"
    theirs["StorageDescriptor"] = raw["StorageDescriptor"]
    theirs["Parameters"] = {**raw["Parameters"], "owner": "ops"}
    world.aws.run("glue", "update_table", DatabaseName=world.domain, TableInput=theirs)
    newer = world.lake.append(world.lake.append(staged, numbers(2)), numbers(3))
    await world.commit(newer)
    for _ in range(2):
        await world.told()
    there = await world.glue()
    assert there.metadata_location == newer.metadata_location
    assert there.raw["Description"] == "of the crew"
    parameters = there.raw["Parameters"]
    assert (parameters["owner"], parameters["previous_metadata_location"]) == (
        "ops",
        staged.metadata_location,
    )


async def test_commit__of_a_table_that_nobody_published_is_not_told(world: World) -> None:
    await world.tell("TableSnapshotCommitted", "tables", tableId="tbl-9")
    assert await world.glue() is None


async def test_unpublish__takes_the_table_out_and_leaves_its_files(world: World) -> None:
    await _published(world, 1)
    files = world.lake.all_files()
    for _ in range(2):
        await world.tell("AssetUnpublished", "assets", tableId=world.table_id)
    assert await world.glue() is None
    assert world.lake.all_files() == files


async def test_drop__leaves_a_table_that_is_not_ours(world: World) -> None:
    await _published(world, 1)
    assert not await world.catalog.drop(world.domain, "crew", "tbl-of-another-mesh")
    assert await world.glue() is not None


# --- other engines ------------------------------------------------------------------------------


async def test_other_engine__reads_the_table_through_glue(world: World) -> None:
    await _published(world, 1, 2)
    table = world.other.load_table((world.domain, "crew"))
    assert sorted(table.scan().to_arrow()["n"].to_pylist()) == [1, 2]


async def test_other_engine__that_appends_is_followed_by_our_pointer_with_an_event(
    world: World,
) -> None:
    await _published(world, 1, 2)
    table = world.other.load_table((world.domain, "crew"))
    rows = pa.table({"n": [3, 4, 5], "word": ["c", "d", "e"]})
    table.append(rows)
    [found] = (await world.projection.look()).findings
    assert (found.standing, found.name) == ("ahead", "crew")
    before = await world.store.last_event()
    assert await world.projection.mend(world.table_id) == "ahead"
    ours = await world.ours()
    assert (ours["metadataLocation"], ours["rows"]) == (found.metadata_location, 5)
    [event] = await world.store.events_after(before, 10)
    assert (event.type, event.detail["operation"]) == ("TableSnapshotCommitted", "adopt")
    assert (event.detail["addedRows"], event.detail["totalRows"]) == (3, 5)
    [found] = (await world.projection.look()).findings
    assert found.standing == "in-step"


async def test_other_engine__and_we_write_in_turns_and_no_row_is_lost(world: World) -> None:
    await _published(world, 0)
    for number in range(1, 6, 2):
        row = pa.table({"n": [number], "word": ["x"]})
        world.other.load_table((world.domain, "crew")).append(row)
        await world.projection.mend(world.table_id)
        location = (await world.ours())["metadataLocation"]
        own = world.lake.files.append(location, world.lake.stream(numbers(number + 1)))
        await world.commit(own)
        await world.told()
    table = world.other.load_table((world.domain, "crew"))
    assert sorted(table.scan().to_arrow()["n"].to_pylist()) == list(range(7))


async def test_other_engine__that_adds_a_column_gives_it_to_us(world: World) -> None:
    await _published(world, 1)
    table = world.other.load_table((world.domain, "crew"))
    with table.update_schema() as change:
        from pyiceberg.types import DateType

        change.add_column("day", DateType())
    await world.told()
    assert [one["name"] for one in (await world.ours())["columns"]] == ["n", "word", "day"]


@pytest.mark.parametrize(("keep", "rows"), [("ours", [1, 2]), ("theirs", [1, 3])])
async def test_both__at_once_diverge_and_wait_until_somebody_chooses(
    world: World, keep: Any, rows: list[int]
) -> None:
    staged = await _published(world, 1)
    world.other.load_table((world.domain, "crew")).append(pa.table({"n": [3], "word": ["x"]}))
    await world.commit(world.lake.append(staged, numbers(2)))
    theirs = (await world.glue()).metadata_location
    await world.told()
    assert (await world.noted())["standing"] == "diverged"
    assert await world.projection.mend(world.table_id) == "diverged"
    assert (await world.glue()).metadata_location == theirs, "nobody's rows are thrown away"
    assert await world.projection.mend(world.table_id, keep) == "diverged"
    assert (await world.glue()).metadata_location == (await world.ours())["metadataLocation"]
    table = world.other.load_table((world.domain, "crew"))
    assert sorted(table.scan().to_arrow()["n"].to_pylist()) == rows


# --- what people do by hand ---------------------------------------------------------------------


async def test_drift__a_table_that_was_deleted_is_found_and_made_again(world: World) -> None:
    staged = await _published(world, 1)
    world.aws.run("glue", "delete_table", DatabaseName=world.domain, Name="crew")
    [found] = (await world.projection.look()).findings
    assert (found.standing, found.metadata_location) == ("gone", None)
    assert await world.projection.mend(world.table_id) == "gone"
    assert (await world.glue()).metadata_location == staged.metadata_location


async def test_drift__columns_that_were_changed_are_found_and_put_right(world: World) -> None:
    await _published(world, 1)
    raw = world.aws.run("glue", "get_table", DatabaseName=world.domain, Name="crew")["Table"]
    storage = {**raw["StorageDescriptor"], "Columns": [{"Name": "n", "Type": "bigint"}]}
    changed = {"Name": "crew", "Parameters": raw["Parameters"], "StorageDescriptor": storage}
    world.aws.run("glue", "update_table", DatabaseName=world.domain, TableInput=changed)
    assert await world.projection.mend(world.table_id) == "schema"
    assert [name for name, _ in (await world.glue()).columns] == ["n", "word"]


async def test_drift__another_table_by_that_name_is_told_and_left(world: World) -> None:
    await _published(world, 1)
    world.aws.run("glue", "delete_table", DatabaseName=world.domain, Name="crew")
    theirs = {
        "Name": "crew",
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"classification": "csv"},
    }
    world.aws.run("glue", "create_table", DatabaseName=world.domain, TableInput=theirs)
    assert await world.projection.mend(world.table_id, "ours") == "foreign"
    assert (await world.glue()).raw["Parameters"] == {"classification": "csv"}


async def test_drift__a_pointer_to_nowhere_is_no_version_of_ours(world: World) -> None:
    await _published(world, 1)
    raw = world.aws.run("glue", "get_table", DatabaseName=world.domain, Name="crew")["Table"]
    for elsewhere in ("s3://somebody-elses/x.metadata.json", f"{world.lake.root}/x.metadata.json"):
        parameters = {**raw["Parameters"], "metadata_location": elsewhere}
        changed = {"Name": "crew", "Parameters": parameters}
        changed["StorageDescriptor"] = raw["StorageDescriptor"]
        world.aws.run("glue", "update_table", DatabaseName=world.domain, TableInput=changed)
        assert await world.projection.mend(world.table_id) == "diverged"
        with pytest.raises(Conflict):
            await world.projection.mend(world.table_id, "theirs")


async def test_move__refuses_when_another_was_faster(world: World) -> None:
    # Needs AWS: moto compares no versions, so Glue's refusal is played here.
    await _published(world, 1)
    seen = await world.glue()
    there = aws_at(str(world.aws.place.endpoint_url))
    catalog = GlueCatalog(there)
    with Stubber(there.client("glue")) as glue:
        glue.add_client_error("update_table", "ConcurrentModificationException")
        glue.add_response("get_table", {"Table": dict(_timeless(seen.raw))})
        from meshplane.services.tables.aws_glue_shapes import GlueColumn, GlueEntry

        column = GlueColumn("n", "long", 1)
        entry = GlueEntry(world.domain, "crew", "tbl-1", "s3://x/t", "s3://x/new", (column,))
        with pytest.raises(GlueMoved):
            await catalog.move(entry, seen)


def _timeless(raw: Any) -> Any:
    known = ("Name", "DatabaseName", "Parameters", "StorageDescriptor", "VersionId")
    return {name: raw[name] for name in known if name in raw}
