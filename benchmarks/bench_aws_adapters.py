"""What adapters of AWS add to the calls of AWS that they make.

Each adapter's usual call beside the sequence of bare boto3 calls that the same work takes by hand,
with the same input and the same pauses, on the same emulator: the sandbox, in a process of its own.
They run in turn, in a process that is set up as the server's is (its event loop, its garbage
collection); a ratio is the median of the ratios of neighbours, and its quartiles tell the noise.
Processor time is that of this process alone, the emulator's is not in it: on a machine that others
use it tells more than the ratio. What the emulator takes says nothing of AWS, where each answer
takes longer and the adapters' share is smaller.

Athena: the statement's own gate, policy and translation are part of the call, as no statement runs
without them; of a statement that was sent before, with whatever values, the translation is kept. A
new one differs from all before it in its text. The sandbox has an
answer at the first poll, so nobody sleeps: with its usual second poll both would wait 50 ms more.
"""

import asyncio
import gc
import json
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import uvloop
from aws_portal_calls import lake, portal
from botocore.session import get_session
from report import Ratio, publish

from meshplane.boundary.actor import Actor
from meshplane.events.aws_entries import entry_of
from meshplane.kit.clock import SystemClock, to_text
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.names import project_workgroup
from meshplane.platform.aws.place import AwsPlace
from meshplane.platform.events import StoredEvent
from meshplane.services.assets.api import PUBLISHED, AssetSummary
from meshplane.services.projects.api import ProjectSummary
from meshplane.services.query.aws import AthenaQueries
from meshplane.services.query.ports import Asked
from meshplane.services.query.sandbox import Statement
from meshplane.services.query.versions import VersionedAccess, versions_of
from meshplane.services.tables.api import Scan, TableSummary
from meshplane.services.tables.aws import S3TableFiles
from meshplane.services.tables.aws_glue import GlueCatalog
from meshplane.services.tables.aws_glue_shapes import GlueColumn, GlueEntry
from meshplane.services.tables.aws_storage import S3Storage
from meshplane.services.tables.ports import ColumnSpec
from meshplane.services.tables.records import columns_item, summary
from meshplane.workflows.aws_definitions import WorkflowPlaces
from meshplane.workflows.aws_executions import StepFunctionsExecutions

ROUNDS = 200
TARGET = 1.2
ACCOUNT, REGION = "111122223333", "eu-central-1"
DOMAIN, PROJECT = "sea", "proj-ana"
BUCKET = f"data-lake-{DOMAIN}-{ACCOUNT}-{REGION}"
SQL = "SELECT port, count(*) AS crew FROM sea.crew WHERE id > 10 GROUP BY port ORDER BY port"
ANSWER = [["Bremen", 16], ["Emden", 17], ["Kiel", 16]]
ROLE = f"arn:aws:iam::{ACCOUNT}:role/project-{PROJECT}-role"
FIRST_SECONDS, LONGEST_SECONDS, GROWTH = 0.05, 1.0, 1.5


Taken = tuple[float, float]
"""Seconds, and seconds of processor time, of one call."""


class World:
    """A table of a project, with all that a query asks of the services below."""

    def __init__(self, aws: Aws, folder: Path) -> None:
        self.aws = aws
        self.files = S3TableFiles(aws, folder / "scratch", SystemClock())
        self.folder = folder
        self.catalog = GlueCatalog(aws)
        self.table: TableSummary | None = None
        self.entry: GlueEntry | None = None

    async def prepare(self) -> None:
        """Makes bucket, table, role and grants."""
        root = f"arn:aws:iam::{ACCOUNT}:root"
        call = self.aws.call
        settings = {
            "DataLakeAdmins": [{"DataLakePrincipalIdentifier": root}],
            "CreateDatabaseDefaultPermissions": [],
            "CreateTableDefaultPermissions": [],
        }
        await call("lakeformation", "put_data_lake_settings", DataLakeSettings=settings)
        here = {"LocationConstraint": REGION}
        await call("s3", "create_bucket", Bucket=BUCKET, CreateBucketConfiguration=here)
        trust = {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": {"AWS": root}, "Action": "sts:AssumeRole"}
            ],
        }
        name = ROLE.rpartition("/")[2]
        await call("iam", "create_role", RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
        await self.catalog.ensure_database(DOMAIN, BUCKET)
        rows = pa.table({"id": list(range(60)), "port": ["Kiel", "Bremen", "Emden"] * 20})
        path = self.folder / "crew.arrows"
        with pa.ipc.new_stream(str(path), rows.schema) as writer:
            writer.write_table(rows)
        location = f"s3://{BUCKET}/crew-tbl-crew"
        specs = [ColumnSpec("id", "long"), ColumnSpec("port", "string")]
        empty = self.files.create(location, specs, [])
        staged = self.files.append(empty.metadata_location, path)
        self.table = summary(
            {
                "tableId": "tbl-crew",
                "name": "crew",
                "projectId": PROJECT,
                "domainId": "dzd-1",
                "domainName": DOMAIN,
                "location": location,
                "columns": columns_item(staged.columns),
                "snapshotId": str(staged.snapshot_id),
                "rows": staged.total_rows,
            }
        )
        columns = tuple(GlueColumn(c.name, c.iceberg_type, c.field_id) for c in staged.columns)
        self.entry = GlueEntry(
            DOMAIN, "crew", "tbl-crew", location, staged.metadata_location, columns
        )
        await self.catalog.create(self.entry)
        await call(
            "lakeformation",
            "grant_permissions",
            Principal={"DataLakePrincipalIdentifier": ROLE},
            Resource={"Table": {"DatabaseName": DOMAIN, "Name": "crew"}},
            Permissions=["SELECT"],
        )

    def access(self) -> VersionedAccess:
        """The access of a query by a member of the table's own project."""
        me: Any = self
        projects: Any = _Projects()
        actor = Actor("ana@sea", frozenset({"pilots"}))
        versions = versions_of(None, {})
        return VersionedAccess(actor, PROJECT, None, me, me, projects, me, versions=versions)

    async def named(self, actor: Actor, name: str, domain_name: str | None) -> list[AssetSummary]:
        return [
            AssetSummary(
                asset_id="asset-crew",
                name="crew",
                domain_id="dzd-1",
                domain_name=DOMAIN,
                project_id=PROJECT,
                project_name="sea",
                table_id="tbl-crew",
                description="",
                classification="internal",
                owner="user:owner",
                columns=(),
                quality_score=None,
                status=PUBLISHED,
            )
        ]

    async def find(self, actor: Actor, table_id: str) -> TableSummary | None:
        return self.table

    async def version(self, *_: Any) -> Scan:
        assert self.table is not None
        return Scan("tbl-crew", self.table.snapshot_id, (), self.table.columns, 0, ())


class _Projects:
    async def find(self, actor: Actor, project_id: str) -> ProjectSummary:
        return ProjectSummary(project_id, "ana", "dzd-1", DOMAIN, BUCKET)


async def compared(
    name: str, ours: Callable[[], Awaitable[Any]], bare: Callable[[], Any], *, is_async: bool = True
) -> Ratio:
    """The same work by the adapter and by hand, in turn."""

    async def by_adapter() -> Taken:
        began = time.perf_counter(), time.process_time()
        if is_async:
            await ours()
        else:
            ours()
        return time.perf_counter() - began[0], time.process_time() - began[1]

    def by_hand() -> Taken:
        began = time.perf_counter(), time.process_time()
        bare()
        return time.perf_counter() - began[0], time.process_time() - began[1]

    for _ in range(10):
        await by_adapter()
        by_hand()
    pairs: list[tuple[Taken, Taken]] = []
    for number in range(ROUNDS):
        if number % 2:
            pairs.append((await by_adapter(), by_hand()))
        else:
            hand = by_hand()
            pairs.append((await by_adapter(), hand))
    first, value, third = statistics.quantiles((one[0] / other[0] for one, other in pairs), n=4)
    parts = {
        f"{who} {what}": statistics.median(pair[side][kind] for pair in pairs) * 1000
        for kind, what in enumerate(("ms", "processor ms"))
        for side, who in enumerate(("adapter", "boto3"))
    }
    parts |= {"first quartile": first, "third quartile": third}
    return Ratio(name, value, TARGET, False, parts)


async def athena(world: World, sent: str) -> Ratio:
    """A small statement from its text to its typed rows: `again`, with another `value`, `new`."""
    aws, numbers = world.aws, count(100)
    queries = AthenaQueries(aws, lambda _: ROLE, lambda one: project_workgroup(aws.place, one))

    def asked() -> tuple[str, list[int]]:
        if sent == "value":
            return SQL.replace("GROUP", "AND id < ? GROUP"), [next(numbers)]
        return f"{SQL} LIMIT {next(numbers) if sent == 'new' else 100}", []

    async def ours() -> None:
        text, values = asked()
        outcome = await queries.run(Asked(Statement(text, values or None), world.access()))
        assert json.loads(outcome.body) == ANSWER

    await ours()
    # As the adapter takes the role: a client of its own, with credentials that renew themselves.
    client = aws.as_role(ROLE, f"meshplane-{PROJECT}").client("athena")
    workgroup = project_workgroup(aws.place, PROJECT)

    def bare() -> None:
        text, values = asked()
        number = client.start_query_execution(
            QueryString=text,
            QueryExecutionContext={"Catalog": "AwsDataCatalog"},
            WorkGroup=workgroup,
            ClientRequestToken=uuid.uuid4().hex,
            **({"ExecutionParameters": [str(one) for one in values]} if values else {}),
        )["QueryExecutionId"]
        pause = FIRST_SECONDS
        while True:
            shown = client.get_query_execution(QueryExecutionId=number)["QueryExecution"]
            if shown["Status"]["State"] == "SUCCEEDED":
                break
            assert shown["Status"]["State"] in {"QUEUED", "RUNNING"}, shown
            time.sleep(pause)
            pause = min(pause * GROWTH, LONGEST_SECONDS)
        rows: list[list[Any]] = []
        kinds: list[str] = []
        for page in client.get_paginator("get_query_results").paginate(QueryExecutionId=number):
            kinds = [one["Type"] for one in page["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]]
            for row in page["ResultSet"]["Rows"]:
                rows.append([one.get("VarCharValue") for one in row["Data"]])
        typed = [
            [int(cell) if kind == "bigint" else cell for cell, kind in zip(row, kinds, strict=True)]
            for row in rows[1:]
        ]
        assert json.loads(json.dumps(typed)) == ANSWER

    name = {
        "again": "a small query again",
        "value": "a small query with another value",
        "new": "a new small query",
    }[sent]
    return await compared(f"Athena: {name} ÷ start, poll, results", ours, bare)


async def s3(world: World) -> Ratio:
    """A file of a table's metadata, put once."""
    storage, client, numbers = S3Storage(world.aws, BUCKET.__eq__), world.aws.client("s3"), count()
    content = b"x" * 20_000

    def ours() -> Any:
        storage.put_once(f"s3://{BUCKET}/bench/{next(numbers)}", content)

    def bare() -> None:
        client.put_object(
            Bucket=BUCKET,
            Key=f"bench/{next(numbers)}",
            Body=content,
            IfNoneMatch="*",
            ExpectedBucketOwner=ACCOUNT,
        )

    return await compared("S3: a file put once ÷ put_object", ours, bare, is_async=False)


async def glue(world: World) -> Ratio:
    """A table's pointer moved: read, write under its version, and read what is there then."""
    entry, client, numbers = world.entry, world.aws.client("glue"), count()
    assert entry is not None
    first = entry

    def other() -> str:
        return f"{first.metadata_location}?{next(numbers)}"

    async def ours() -> None:
        there = await world.catalog.find(DOMAIN, "crew")
        assert there is not None
        moved = replace(first, metadata_location=other())
        assert (await world.catalog.move(moved, there)).metadata_location != there.metadata_location

    def bare() -> None:
        table = client.get_table(DatabaseName=DOMAIN, Name="crew")["Table"]
        kept = ("Name", "Owner", "Description", "StorageDescriptor", "TableType", "Parameters")
        given = {name: table[name] for name in kept if name in table}
        given["Parameters"] = {**given["Parameters"], "metadata_location": other()}
        client.update_table(
            DatabaseName=DOMAIN, TableInput=given, SkipArchive=True, VersionId=table["VersionId"]
        )
        client.get_table(DatabaseName=DOMAIN, Name="crew")

    return await compared("Glue: a pointer moved ÷ get, update, get", ours, bare)


async def bus(world: World) -> Ratio:
    """Ten events, made into entries and put."""
    aws, client = world.aws, world.aws.client("events")
    await aws.call("events", "create_event_bus", Name="mesh")
    now = to_text(datetime.now(UTC))
    detail = {"assetId": "asset-1", "domainId": "dzd-1", "submittedBy": "ana@sea"}
    events = [
        StoredEvent(n, f"evt-{n}", "AssetSubmitted", "management-app.assets", "", now, detail)
        for n in range(10)
    ]

    async def ours() -> None:
        entries = [entry_of(event, "mesh").parameters for event in events]
        answer = await aws.call("events", "put_events", Entries=entries)
        assert not answer["FailedEntryCount"]

    def bare() -> None:
        entries = [
            {
                "EventBusName": "mesh",
                "Source": event.source,
                "DetailType": event.type,
                "Detail": json.dumps(dict(event.detail)),
                "Time": event.time,
                "Resources": [event.event_id],
            }
            for event in events
        ]
        assert not client.put_events(Entries=entries)["FailedEntryCount"]

    return await compared("EventBridge: ten events ÷ put_events", ours, bare)


async def workflows(world: World) -> Ratio:
    """An execution started under its name."""
    aws, client, numbers = world.aws, world.aws.client("stepfunctions"), count()
    places = WorkflowPlaces(aws.place, ROLE, ROLE, {})
    definition = {"StartAt": "Rest", "States": {"Rest": {"Type": "Succeed"}}}
    await aws.call(
        "stepfunctions",
        "create_state_machine",
        name=places.machine_arn("rests").rpartition(":")[2],
        definition=json.dumps(definition),
        roleArn=ROLE,
    )
    executions = StepFunctionsExecutions(aws, places)

    async def ours() -> None:
        await executions.start("rests", {"a": 1}, name=f"run-{next(numbers)}")

    def bare() -> None:
        client.start_execution(
            stateMachineArn=places.machine_arn("rests"),
            name=f"run-{next(numbers)}",
            input=json.dumps({"a": 1}),
        )

    return await compared("Step Functions: a start ÷ start_execution", ours, bare)


async def measure(url: str, keys: tuple[str, str]) -> list[Ratio]:
    session = get_session()
    session.set_credentials(*keys)
    aws = Aws(AwsPlace(REGION, ACCOUNT, endpoint_url=url), session)
    with tempfile.TemporaryDirectory() as folder:
        world = World(aws, Path(folder))
        await world.prepare()
        # As the server does when it is ready (run/serve.py).
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 20)
        found = [await athena(world, sent) for sent in ("again", "value", "new")]
        found += [await one(world) for one in (s3, glue, bus, workflows)]
        for pair in (*await portal(aws, ACCOUNT), *await lake(aws, ACCOUNT, DOMAIN)):
            found.append(await compared(*pair))
    aws.close()
    return found


def serve() -> None:
    """The sandbox, until its input ends."""
    from meshplane.sandbox.server import AwsSandbox

    with AwsSandbox(None, 0) as sandbox:
        sandbox.world.services["athena"].polls_before_end = 0
        print(sandbox.url, *sandbox.keys(ACCOUNT), flush=True)
        sys.stdin.read()


def main() -> None:
    """Measures and publishes."""
    command = [sys.executable, __file__, "serve"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        url, key, secret = server.stdout.readline().split()
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                found = runner.run(measure(url, (key, secret)))
        finally:
            server.stdin.close()
    publish("aws_adapters", found)


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve()
    else:
        main()
