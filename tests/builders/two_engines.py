"""The same governed tables before two engines: the sandbox of this machine, and Athena's fake.

The tables lie in S3 of the AWS sandbox and are known to its Glue. What the caller's project may see
is said twice: to the product's own policy, and to Lake Formation.
"""

import datetime as dt
import decimal
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from meshplane.boundary.actor import Actor
from meshplane.kit.clock import FixedClock
from meshplane.kit.errors import MeshplaneError
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.names import project_workgroup
from meshplane.sandbox.server import AwsSandbox
from meshplane.services.assets.api import PUBLISHED, AssetSummary
from meshplane.services.permissions.api import (
    AssetAccess,
    GovernedAsset,
    MaskRule,
    RowScope,
)
from meshplane.services.permissions.model import FilterColumn, RowFilter
from meshplane.services.projects.api import ProjectSummary
from meshplane.services.query.aws import AthenaQueries
from meshplane.services.query.aws_athena import WorkgroupSettings
from meshplane.services.query.embedded import EmbeddedEngine
from meshplane.services.query.ports import Asked, QueryEngine
from meshplane.services.query.sandbox import Limits, Sandbox, Statement
from meshplane.services.query.versions import VersionedAccess, versions_of
from meshplane.services.tables.api import ColumnSummary, Scan, TableSummary, remove_residue
from meshplane.services.tables.aws import S3TableFiles
from meshplane.services.tables.aws_glue import GlueCatalog
from meshplane.services.tables.aws_glue_shapes import GlueColumn, GlueEntry
from meshplane.services.tables.ports import ColumnSpec, StagedCommit
from tests.builders.aws_sandbox import aws_as, aws_of
from tests.builders.lakes import ELSEWHERE
from tests.builders.sandbox_world import KEY

NOON = dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC)
LATER = NOON + dt.timedelta(hours=2)
ANA = Actor("ana@sea", frozenset({"pilots"}))
DOMAIN, PROJECT = "sea", "proj-ana"
BUCKET = "data-lake-sea-111122223333-eu-central-1"

CREW = {
    "id": "long",
    "name": "string",
    "port": "string",
    "pay": "decimal(9,2)",
    "share": "double",
    "born": "date",
    "seen": "timestamptz",
    "left": "timestamp",
    "active": "boolean",
    "rank": "int",
    "secret": "string",
}
_PORTS = ("Kiel", "Rostock", "Bremen", None)


def crew_rows(count: int, begin: int = 0) -> pa.Table:
    numbers = range(begin, begin + count)
    day = dt.date(1980, 1, 1)
    rows = {
        "id": pa.array(numbers, pa.int64()),
        "name": [None if n % 11 == 5 else f"Crew {n % 7} é'{n}" for n in numbers],
        "port": [_PORTS[n % 4] for n in numbers],
        "pay": pa.array(
            [None if n % 9 == 4 else decimal.Decimal(n * 37 % 5000) / 100 for n in numbers],
            pa.decimal128(9, 2),
        ),
        "share": [None if n % 8 == 3 else n / 8 for n in numbers],
        "born": [day + dt.timedelta(days=97 * n) for n in numbers],
        "seen": pa.array(
            [NOON + dt.timedelta(hours=7 * n, microseconds=n) for n in numbers],
            pa.timestamp("us", "UTC"),
        ),
        "left": pa.array(
            [dt.datetime(2024, 1, 1) + dt.timedelta(minutes=n) for n in numbers],  # noqa: DTZ001
            pa.timestamp("us"),
        ),
        "active": [n % 3 == 0 for n in numbers],
        "rank": pa.array([n % 5 for n in numbers], pa.int32()),
        "secret": [f"s{n}" for n in numbers],
    }
    return pa.table(rows)


SHIPS = {"port": "string", "ship": "string", "built": "int"}
SHIP_ROWS = pa.table(
    {
        "port": ["Kiel", "Kiel", "Bremen", "Emden"],
        "ship": ["Anna", "Berta", "Clara", "Dora"],
        "built": pa.array([1999, 2004, None, 2012], pa.int32()),
    }
)


@dataclass
class Governed:
    """A table with what the caller's project sees of it: rows, and columns with their masks."""

    name: str
    columns: dict[str, str]
    rows: str | None = None
    filter_columns: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    masked: tuple[str, ...] = ()
    own: bool = False
    granted: bool = True
    staged: list[StagedCommit] = field(default_factory=list)

    @property
    def table_id(self) -> str:
        return f"tbl-{self.name}"

    @property
    def plain(self) -> list[str]:
        return [one for one in self.columns if one not in {*self.hidden, *self.masked}]


@dataclass
class Told:
    """All that an answer tells; of an error its code."""

    code: str | None
    rows: list[Any]
    columns: list[str]
    types: list[str]
    truncated: bool = False
    message: str = ""


class Engines:
    """The tables, the engines over them, and what each answers.

    Args:
        running: the AWS sandbox.
        folder: for scratch.
    """

    def __init__(self, running: AwsSandbox, folder: Path) -> None:
        self.aws = aws_of(running)
        self.athena: Any = running.world.services.get("athena")
        self.clock = FixedClock(NOON)
        self.files = S3TableFiles(self.aws, folder / "scratch", self.clock)
        self.folder = folder
        self.role = f"arn:aws:iam::{self.aws.place.account}:role/project-{PROJECT}-role"
        self.as_role: Aws = aws_as(running, self.role)
        self.tables = {
            one.name: one
            for one in (
                Governed(
                    "crew",
                    CREW,
                    "port = 'Kiel' OR rank > 2",
                    ("port", "rank"),
                    hidden=("secret",),
                ),
                Governed("ships", SHIPS),
                Governed("own", {"n": "long"}, own=True),
                Governed("masked", {"id": "long", "name": "string"}, masked=("name",)),
                Governed("closed", {"n": "long"}, granted=False),
            )
        }
        self.sandbox = Sandbox(pool_size=2)
        self.settings = WorkgroupSettings()

    async def prepare(self) -> None:
        """Makes everything, and grants it in the lake."""
        root = f"arn:aws:iam::{self.aws.place.account}:root"
        settings = {
            "DataLakeAdmins": [{"DataLakePrincipalIdentifier": root}],
            "CreateDatabaseDefaultPermissions": [],
            "CreateTableDefaultPermissions": [],
            "Parameters": {"CROSS_ACCOUNT_VERSION": "4"},
        }
        await self.aws.call("lakeformation", "put_data_lake_settings", DataLakeSettings=settings)
        await self.aws.call("s3", "create_bucket", Bucket=BUCKET, **ELSEWHERE)
        catalog = GlueCatalog(self.aws)
        await catalog.ensure_database(DOMAIN, BUCKET)
        rows = {
            "crew": [crew_rows(40), crew_rows(20, 40)],
            "ships": [SHIP_ROWS],
            "own": [pa.table({"n": pa.array([1, 2, None], pa.int64())})],
            "masked": [pa.table({"id": pa.array([1, 2], pa.int64()), "name": ["Ana", "Ben"]})],
            "closed": [pa.table({"n": pa.array([1], pa.int64())})],
        }
        for table in self.tables.values():
            self._fill(table, rows[table.name])
            await catalog.create(_entry(table))
            if table.granted:
                await self._grant(table)

    def _fill(self, table: Governed, appends: Sequence[pa.Table]) -> None:
        self.clock.advance((NOON - self.clock.now()).total_seconds())
        location = f"s3://{BUCKET}/{table.name}-{table.table_id}"
        columns = [ColumnSpec(name, kind) for name, kind in table.columns.items()]
        table.staged.append(self.files.create(location, columns, []))
        for rows in appends:
            path = self.folder / f"{table.name}.arrows"
            with pa.ipc.new_stream(str(path), rows.schema) as writer:
                writer.write_table(rows)
            table.staged.append(self.files.append(table.staged[-1].metadata_location, path))
            self.clock.advance((LATER - self.clock.now()).total_seconds())

    async def _grant(self, table: Governed) -> None:
        on: dict[str, Any]
        if table.rows is not None:
            place = {"DatabaseName": DOMAIN, "TableName": table.name, "Name": "g1"}
            place["TableCatalogId"] = self.aws.place.account
            cells = {
                **place,
                "RowFilter": {"FilterExpression": table.rows},
                "ColumnNames": table.plain,
            }
            await self.aws.call("lakeformation", "create_data_cells_filter", TableData=cells)
            on = {"DataCellsFilter": place}
        else:
            on = {
                "TableWithColumns": {
                    "DatabaseName": DOMAIN,
                    "Name": table.name,
                    "ColumnNames": table.plain,
                }
            }
        await self.aws.call(
            "lakeformation",
            "grant_permissions",
            Principal={"DataLakePrincipalIdentifier": self.role},
            Resource=on,
            Permissions=["SELECT"],
        )

    def engine(self, name: str) -> QueryEngine:
        if name == "embedded":
            return EmbeddedEngine(self.sandbox, KEY)
        return AthenaQueries(
            self.aws,
            lambda project: f"arn:aws:iam::{self.aws.place.account}:role/project-{project}-role",
            lambda project: project_workgroup(self.aws.place, project),
            self.settings,
        )

    def reading(
        self, as_of: str | None = None, snapshots: dict[str, str] | None = None
    ) -> VersionedAccess:
        versions = versions_of(as_of, snapshots or {})
        me: Any = self
        tables: Any = _Tables(self)
        projects: Any = _Projects()
        return VersionedAccess(
            ANA, PROJECT, versions.instant, me, tables, projects, me, versions=versions
        )

    async def ask(
        self,
        engine: str,
        sql: str,
        parameters: Any = None,
        *,
        as_of: str | None = None,
        snapshots: dict[str, str] | None = None,
        **limits: Any,
    ) -> Told:
        access = self.reading(as_of, snapshots)
        statement = Statement(
            sql, parameters, "json", Limits(**{"timeout_seconds": 30.0, **limits})
        )
        try:
            outcome = await self.engine(engine).run(Asked(statement, access))
        except MeshplaneError as error:
            return Told(error.code, [], [], [], message=str(error))
        finally:
            for opened in access.opened:
                remove_residue(opened.scan)
        names = [column["name"] for column in outcome.columns]
        types = [column["type"] for column in outcome.columns]
        return Told(None, json.loads(outcome.body), names, types, outcome.truncated)

    # What a query asks of the catalogue.

    async def named(self, actor: Actor, name: str, domain_name: str | None) -> list[AssetSummary]:
        table = self.tables.get(name)
        if table is None or domain_name not in (None, DOMAIN):
            return []
        return [
            AssetSummary(
                asset_id=f"asset-{name}",
                name=name,
                domain_id="dzd-1",
                domain_name=DOMAIN,
                project_id=PROJECT if table.own else "proj-sea",
                project_name="sea",
                table_id=table.table_id,
                description="",
                classification="internal",
                owner="user:owner",
                columns=(),
                quality_score=None,
                status=PUBLISHED,
            )
        ]

    async def access(
        self, actor: Actor, asset: GovernedAsset, principals: Sequence[str]
    ) -> AssetAccess:
        table = self.tables[asset.name]
        if not table.granted:
            return AssetAccess({}, {}, (), ())
        known = {column.name: column for column in asset.columns}
        named = tuple(
            FilterColumn(name, known[name].field_id, known[name].sql_type)
            for name in table.filter_columns
        )
        rows = RowFilter(table.rows, named) if table.rows else None
        columns: dict[str, MaskRule | None] = dict.fromkeys(table.plain)
        columns.update(dict.fromkeys(table.masked, MaskRule("hash")))
        return AssetAccess({}, {}, (RowScope("grant-1", rows, columns),), ())


class _Tables:
    def __init__(self, engines: Engines) -> None:
        self._engines = engines

    def _of(self, table_id: str) -> Governed:
        return self._engines.tables[table_id.removeprefix("tbl-")]

    async def find(self, actor: Actor, table_id: str) -> TableSummary | None:
        staged = self._of(table_id).staged[-1]
        columns = tuple(
            ColumnSummary(one.name, one.field_id, one.iceberg_type, one.sql_type)
            for one in staged.columns
        )
        return TableSummary(table_id, "", "proj-sea", "dzd-1", DOMAIN, "", columns, None, 0)

    async def scan(
        self, actor: Actor, table_id: str, as_of: dt.datetime | None, snapshot_id: Any = None
    ) -> Scan:
        return self._scan("scan", table_id, as_of, snapshot_id)

    async def version(
        self, actor: Actor, table_id: str, as_of: dt.datetime | None, snapshot_id: Any = None
    ) -> Scan:
        return self._scan("version", table_id, as_of, snapshot_id)

    def _scan(self, how: str, table_id: str, as_of: Any, snapshot_id: Any) -> Scan:
        from meshplane.services.tables import records

        location = self._of(table_id).staged[-1].metadata_location
        number = None if snapshot_id is None else int(snapshot_id)
        plan = getattr(self._engines.files, how)(location, as_of, number)
        return records.scan(table_id, plan)


class _Projects:
    async def find(self, actor: Actor, project_id: str) -> ProjectSummary | None:
        return ProjectSummary(project_id, "ana", "dzd-1", DOMAIN, BUCKET)

    async def of_principals(self, actor: Actor, principals: Sequence[str]) -> list[str]:
        return [PROJECT]


def _entry(table: Governed) -> GlueEntry:
    staged = table.staged[-1]
    columns = tuple(GlueColumn(one.name, one.iceberg_type, one.field_id) for one in staged.columns)
    return GlueEntry(
        DOMAIN,
        table.name,
        table.table_id,
        staged.metadata_location.rsplit("/metadata/", 1)[0],
        staged.metadata_location,
        columns,
    )
