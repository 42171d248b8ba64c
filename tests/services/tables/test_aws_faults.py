"""Every call on the way to Glue, S3 and IAM fails once; afterwards all is as it should be."""

import uuid
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from meshplane.kit.clock import SystemClock
from meshplane.kit.errors import MeshplaneError
from meshplane.platform.aws.calls import Aws
from meshplane.platform.events import StoredEvent
from meshplane.platform.store import ABSENT
from meshplane.sandbox.faults import Fault
from meshplane.sandbox.server import AwsSandbox
from meshplane.services.projects.aws import AwsWorkspaces, role_name
from meshplane.services.projects.repositories import Repositories
from meshplane.services.tables import records
from meshplane.services.tables.aws import S3TableFiles
from meshplane.services.tables.aws_buckets import DomainBuckets
from meshplane.services.tables.aws_glue import GlueCatalog
from meshplane.services.tables.aws_projection import GlueProjection
from meshplane.services.tables.ports import ColumnSpec
from meshplane.services.tables.store import GLUE_TABLES, TABLES, TABLES_TABLE
from tests.builders.aws_sandbox import aws_of, govern_lake, sandbox_in
from tests.builders.stores import SqlitePlace

KINDS = ("error", "lost_answer")
_MOST_TRIES = 4


@pytest.fixture(scope="module")
def running() -> Iterator[AwsSandbox]:
    with sandbox_in() as sandbox:
        aws = aws_of(sandbox)
        govern_lake(aws)
        yield sandbox


@pytest.fixture
def impatient(running: AwsSandbox) -> Aws:
    """AWS that tries each call once, so that a fault is felt."""
    return aws_of(running, most_attempts=1)


async def done_in_spite(
    running: AwsSandbox, service: str, kind: Any, nth: int, work: Callable[[], Awaitable[Any]]
) -> bool:
    """Does the work again until it is done; whether the fault was met."""
    number = running.faults.add(Fault(service, None, kind, nth=nth))
    tries = 0
    while True:
        tries += 1
        try:
            await work()
            break
        except MeshplaneError:
            assert tries < _MOST_TRIES
    return not running.faults.remove(number)


async def failed_at_each_call(
    running: AwsSandbox,
    service: str,
    kind: Any,
    fresh: Callable[[], Awaitable[Callable[[], Awaitable[Any]]]],
    check: Callable[[], Awaitable[None]],
) -> int:
    """How many calls the work has, each of which failed once."""
    nth = 1
    while await done_in_spite(running, service, kind, nth, await fresh()):
        await check()
        nth += 1
    await check()
    return nth - 1


@pytest.mark.fault
@pytest.mark.parametrize("kind", KINDS)
async def test_bucket__is_ready_whichever_call_failed(
    running: AwsSandbox, impatient: Aws, kind: str
) -> None:
    bucket = ""

    async def fresh() -> Callable[[], Awaitable[Any]]:
        nonlocal bucket
        bucket = f"data-lake-{uuid.uuid4()}"
        return lambda: DomainBuckets(impatient).prepare(bucket)

    async def check() -> None:
        aws = aws_of(running)
        versioning = aws.run("s3", "get_bucket_versioning", Bucket=bucket)
        rules = aws.run("s3", "get_bucket_lifecycle_configuration", Bucket=bucket)["Rules"]
        keys = aws.run("s3", "list_objects_v2", Bucket=bucket)["Contents"]
        assert (versioning["Status"], len(rules), len(keys)) == ("Enabled", 3, 3)

    assert await failed_at_each_call(running, "s3", kind, fresh, check) >= 9


@pytest.mark.fault
@pytest.mark.parametrize("kind", KINDS)
async def test_role__is_made_once_whichever_call_failed(
    running: AwsSandbox, impatient: Aws, tmp_path: Path, kind: str
) -> None:
    bucket = f"data-lake-{uuid.uuid4()}"
    await DomainBuckets(aws_of(running)).prepare(bucket)
    workspaces = AwsWorkspaces(impatient, Repositories(tmp_path, SystemClock()))
    project = ""

    async def fresh() -> Callable[[], Awaitable[Any]]:
        nonlocal project
        project = f"proj-{uuid.uuid4().hex[:10]}"
        return lambda: anyio.to_thread.run_sync(workspaces.prepare, bucket, project)

    async def check() -> None:
        found = aws_of(running).run("iam", "list_role_policies", RoleName=role_name(project))
        assert found["PolicyNames"] == ["meshplane-query"]

    assert await failed_at_each_call(running, "iam", kind, fresh, check) == 2


@pytest.mark.fault
@pytest.mark.parametrize("kind", KINDS)
async def test_publication__is_in_glue_once_whichever_call_failed(
    running: AwsSandbox, impatient: Aws, tmp_path: Path, kind: str
) -> None:
    aws, clock = aws_of(running), SystemClock()
    store = SqlitePlace(tmp_path, TABLES).open()
    files = S3TableFiles(aws, tmp_path / "scratch", clock)
    projection = GlueProjection(GlueCatalog(impatient), files, DomainBuckets(aws), store, clock)
    [consumer] = [one for one in projection.consumers if one.name == "glue.assets"]
    domain = table_id = ""

    async def fresh() -> Callable[[], Awaitable[Any]]:
        nonlocal domain, table_id
        mark = uuid.uuid4().hex[:10]
        domain, table_id = f"sea-{mark}", f"tbl-{mark}"
        buckets = DomainBuckets(aws)
        await buckets.prepare(buckets.of(domain))
        location = f"s3://{buckets.of(domain)}/crew"
        staged = files.create(location, [ColumnSpec("n", "long")], [])
        item = {"tableId": table_id, "domainName": domain, "location": location}
        work = store.begin()
        work.put(TABLES_TABLE, records.moved_on(item, staged), expected=ABSENT)
        await work.commit()
        detail = {"tableId": table_id, "assetName": "crew"}
        source = "management-app.assets"
        event = StoredEvent(1, "e-1", "AssetPublished", source, "x", "", detail)

        async def deliver() -> None:
            unit = store.begin()
            await consumer.handle(unit, event)
            await unit.commit()

        return deliver

    async def check() -> None:
        tables = aws.run("glue", "get_tables", DatabaseName=domain)["TableList"]
        row = await store.begin().get(GLUE_TABLES, table_id)
        assert row is not None
        pointers = [one["Parameters"]["metadata_location"] for one in tables]
        assert pointers == [row.item["metadataLocation"]]
        assert row.item["standing"] == "in-step"

    try:
        calls = await failed_at_each_call(running, "glue", kind, fresh, check)
    finally:
        await store.close()
    assert calls >= 4
