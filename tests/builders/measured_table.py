"""A table in S3 and Glue of the sandbox, and both evaluators of rulesets over it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from meshplane.boundary.actor import Actor
from meshplane.kit.clock import SystemClock
from meshplane.sandbox.server import AwsSandbox
from meshplane.services.quality.aws import GlueEvaluator
from meshplane.services.quality.local import LocalEvaluator
from meshplane.services.quality.ports import Evaluated, RulesetEvaluator, ToEvaluate
from meshplane.services.tables import records
from meshplane.services.tables.api import Scan
from meshplane.services.tables.aws import S3TableFiles
from meshplane.services.tables.aws_glue import GlueCatalog
from meshplane.services.tables.aws_glue_shapes import GlueColumn, GlueEntry
from meshplane.services.tables.ports import ColumnSpec, StagedCommit
from tests.builders.aws_sandbox import aws_of
from tests.builders.lakes import ELSEWHERE

BUCKET, DOMAIN = "data-lake-air-111122223333-eu-central-1", "air"
ROLE = "arn:aws:iam::111122223333:role/quality"


@dataclass
class MeasuredTables:
    """Tables by name.

    Args:
        running: the AWS sandbox.
        folder: for scratch.
    """

    running: AwsSandbox
    folder: Path
    staged: dict[str, StagedCommit] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.aws = aws_of(self.running)
        self.clock = SystemClock()
        self.files = S3TableFiles(self.aws, self.folder / "scratch", self.clock)

    async def prepare(self) -> None:
        root = f"arn:aws:iam::{self.aws.place.account}:root"
        settings = {
            "DataLakeAdmins": [{"DataLakePrincipalIdentifier": root}],
            "CreateDatabaseDefaultPermissions": [],
            "CreateTableDefaultPermissions": [],
        }
        await self.aws.call("lakeformation", "put_data_lake_settings", DataLakeSettings=settings)
        await self.aws.call("s3", "create_bucket", Bucket=BUCKET, **ELSEWHERE)
        await GlueCatalog(self.aws).ensure_database(DOMAIN, BUCKET)

    async def make(
        self,
        name: str,
        columns: dict[str, str],
        rows: pa.Table | None,
        *,
        published: bool = True,
        granted: bool = True,
    ) -> None:
        """A table; one that is not published is not in Glue, one not granted closed to the role."""
        location = f"s3://{BUCKET}/{name}"
        specs = [ColumnSpec(column, kind) for column, kind in columns.items()]
        staged = self.files.create(location, specs, [])
        if rows is not None:
            path = self.folder / f"{name}.arrows"
            with pa.ipc.new_stream(str(path), rows.schema) as writer:
                writer.write_table(rows)
            staged = self.files.append(staged.metadata_location, path)
        self.staged[name] = staged
        if published:
            listed = tuple(
                GlueColumn(one.name, one.iceberg_type, one.field_id) for one in staged.columns
            )
            await GlueCatalog(self.aws).create(
                GlueEntry(DOMAIN, name, name, location, staged.metadata_location, listed)
            )
        if published and granted:
            await self.aws.call(
                "lakeformation",
                "grant_permissions",
                Principal={"DataLakePrincipalIdentifier": ROLE},
                Resource={"Table": {"DatabaseName": DOMAIN, "Name": name}},
                Permissions=["SELECT"],
            )

    def evaluator(self, kind: str, **more: Any) -> RulesetEvaluator:
        tables: Any = self
        if kind == "local":
            return LocalEvaluator(tables)
        return GlueEvaluator(self.aws, tables, ROLE, **more)

    async def evaluate(
        self, kind: str, name: str, ruleset: str, run_id: str, **more: Any
    ) -> Evaluated:
        return await self.evaluator(kind, **more).evaluate(self.asked(name, ruleset, run_id))

    def asked(self, name: str, ruleset: str, run_id: str) -> ToEvaluate:
        """What an evaluator is asked for."""
        return ToEvaluate(Actor("ana@air"), run_id, name, DOMAIN, name, ruleset, self.clock)

    # What an evaluator asks of the tables service.

    async def scan(self, actor: Actor, table_id: str, as_of: Any, snapshot_id: Any = None) -> Scan:
        plan = self.files.scan(self.staged[table_id].metadata_location, as_of, snapshot_id)
        return records.scan(table_id, plan)

    async def version(
        self, actor: Actor, table_id: str, as_of: Any, snapshot_id: Any = None
    ) -> Scan:
        plan = self.files.version(self.staged[table_id].metadata_location, as_of, snapshot_id)
        return records.scan(table_id, plan)
