"""The two lakes that must show the same of a policy: the embedded engine, and the sandbox's AWS.

On AWS the policy is compiled for Lake Formation, carried there by the adapter, and read by Athena
as the role of the one who asks. Here it is decided by the product's semantics and read through the
views of its engine. What Lake Formation cannot do is closed on both sides: a grant that is not
compiled, or that the lake does not take, lets nothing through here either; and what a mask would
show here is nothing, as there it is left out.
"""

import datetime as dt
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from meshplane.kit.errors import MeshplaneError
from meshplane.platform.aws.calls import Aws
from meshplane.sandbox.fake import Caller
from meshplane.sandbox.server import AwsSandbox
from meshplane.services.lake.aws import LakeFormationLake
from meshplane.services.lake.aws_settings import ensure_settings
from meshplane.services.lake.aws_tag_projection import (
    CLASSES,
    CLASSIFICATION,
    carry_database_tags,
    carry_table_tags,
)
from meshplane.services.lake.aws_tags import OwnTags, ensure_tag
from meshplane.services.lake.compiling import Place
from meshplane.services.lake.lake_formation import (
    DOMAIN_TAG,
    compile_for_lake_formation,
    tag_value_there,
)
from meshplane.services.lake.names_now import BrokenGrantError, NamesNow
from meshplane.services.lake.ports import LakeChange, LakeEntry
from meshplane.services.lake.tag_masking import masked_by_tags, masked_tags, with_masks
from meshplane.services.permissions.api import AssetTags, GovernedAsset, Grant, RowFilter, needed
from meshplane.services.permissions.semantics import access
from meshplane.services.query.sandbox import Relation, Scope
from meshplane.services.query.sandbox.engine import Connection, open_engine
from meshplane.services.query.sandbox.filters import canonical
from tests.builders.aws_sandbox import REGION, aws_as, aws_of
from tests.builders.governed_engine import governed_engine
from tests.builders.random_schema import Table
from tests.builders.sandbox_world import ARROW_TYPES, columns_of, write
from tests.builders.twin_policy import NOW, TAGS, Twins, filter_columns

ACCOUNT = "111122223333"
BUCKET = "twins"
_GLUE_TYPES = {
    "INTEGER": "int",
    "BIGINT": "bigint",
    "DOUBLE": "double",
    "VARCHAR": "string",
    "DATE": "date",
    "TIMESTAMP": "timestamp",
    "BOOLEAN": "boolean",
    "DECIMAL(10,2)": "decimal(10,2)",
    "INTEGER[]": "array<int>",
    "STRUCT(phone VARCHAR, city VARCHAR)": "struct<phone:string,city:string>",
}
_PARQUET = "org.apache.hadoop.hive.ql.io.parquet"

Shown = tuple[tuple[str, ...], tuple[tuple[Any, ...], ...]] | None
"""Columns and rows, the rows in some order of their own; None: nothing is shown at all."""


def canonical_filter(engine: Connection, text: str, table: Table) -> RowFilter:
    """A condition as the product keeps it."""
    found = canonical(engine, text, columns_of(table.types))
    return RowFilter(found.text, filter_columns(table, [one.name for one in found.columns]))


def role_of(principal: str) -> str:
    """The role on AWS that a principal is."""
    kind, _, name = principal.partition(":")
    return name if kind == "role" else f"arn:aws:iam::{ACCOUNT}:role/project-{name}-role"


@dataclass
class Carried:
    """What became of a policy on AWS.

    Attributes:
        refused: by grant, why it is not there: not compiled, or not taken.
        wanted: the entries that should be there, by key.
    """

    refused: dict[str, str] = field(default_factory=dict)
    wanted: dict[str, LakeEntry] = field(default_factory=dict)


class TwinLakes:
    """Both lakes.

    Args:
        sandbox: that runs.
        folder: for the embedded tables.
    """

    def __init__(self, sandbox: AwsSandbox, folder: Path) -> None:
        self.sandbox = sandbox
        self.folder = folder
        self.aws: Aws = aws_of(sandbox)
        self.engine = open_engine()
        self.lake = LakeFormationLake(self.aws)
        self.not_taken: Counter[str] = Counter()
        self._files: dict[str, tuple[str, ...]] = {}

    async def prepare(self) -> None:
        """Sets the account up."""
        await ensure_settings(self.aws, [f"arn:aws:iam::{ACCOUNT}:root"])
        where = {"LocationConstraint": REGION}
        await self.aws.call("s3", "create_bucket", Bucket=BUCKET, CreateBucketConfiguration=where)
        for key, values in {**TAGS, CLASSIFICATION: CLASSES}.items():
            await ensure_tag(self.aws, key, map(tag_value_there, values))
        self.sandbox.world.services["athena"].polls_before_end = 0

    async def put_tables(self, twins: Twins) -> None:
        """Makes the tables of a world in both lakes."""
        for schema in sorted({table.schema for table in twins.tables.values()}):
            await self.aws.call("glue", "create_database", DatabaseInput={"Name": schema})
        for asset_id, table in twins.tables.items():
            place = self.folder / table.schema / table.name
            self._files[asset_id] = write(place, table.types, table.rows)
            key = f"{table.schema}/{table.name}/part-0.parquet"
            body = _parquet(table)
            await self.aws.call("s3", "put_object", Bucket=BUCKET, Key=key, Body=body)
            await self.aws.call(
                "glue",
                "create_table",
                DatabaseName=table.schema,
                TableInput=_glue_table(table),
            )

    async def carry(self, twins: Twins) -> Carried:
        """Makes AWS what the policy says: tags, then grants, by as few changes as there are."""
        await self._carry_tags(twins)
        made = compiled(twins)
        held = {one.key: one for one in await self._held()}
        changes = [LakeChange("remove", one) for key, one in held.items() if key not in made.wanted]
        changes += [
            LakeChange("put", one)
            for key, one in made.wanted.items()
            if key not in held or held[key].fingerprint != one.fingerprint
        ]
        failed = {one.key: one.code for one in await self.lake.apply(changes)}
        for grant in twins.in_force():
            for entry in entries_of(grant, twins)[0]:
                if entry.key in failed:
                    made.refused[grant.grant_id] = failed[entry.key]
                    self.not_taken[failed[entry.key]] += 1
                    made.wanted.pop(entry.key, None)
        after = {one.key: one.fingerprint for one in await self._held()}
        assert after == {key: one.fingerprint for key, one in made.wanted.items()}
        return made

    async def clear(self) -> None:
        """Takes every grant away, so that worlds do not add up."""
        await self.lake.apply([LakeChange("remove", one) for one in await self._held()])

    async def _held(self) -> list[LakeEntry]:
        found: list[LakeEntry] = []
        cursor: str | None = None
        while True:
            page = await self.lake.read(1000, cursor)
            found += page.entries
            cursor = page.cursor
            if cursor is None:
                return found

    async def _carry_tags(self, twins: Twins) -> None:
        managed = {*TAGS, CLASSIFICATION}
        databases: dict[str, AssetTags] = {}
        for asset_id, asset in twins.assets.items():
            databases[asset.domain_name] = twins.tags[asset_id]
            wanted = own_tags_of(asset, twins.tags[asset_id])
            assert not await carry_table_tags(
                self.aws, asset.domain_name, asset.name, wanted, managed
            )
        for name, tags in databases.items():
            on_it = {**there(tags.database), DOMAIN_TAG: name}
            assert not await carry_database_tags(self.aws, name, on_it, managed)

    def embedded(self, twins: Twins, made: Carried, principal: str) -> Connection | None:
        """An engine with the views of one principal; None where nothing is shown to it."""
        relations = []
        for asset_id, asset in twins.assets.items():
            scopes = scopes_of(twins, made, principal, asset)
            if scopes:
                table = twins.tables[asset_id]
                relations.append(
                    Relation(
                        table.schema,
                        table.name,
                        self._files[asset_id],
                        columns_of(table.types),
                        scopes,
                    )
                )
        return governed_engine(relations) if relations else None

    def caller(self, principal: str) -> Caller:
        """A principal as one who calls the sandbox."""
        arn = role_of(principal)
        session = f"arn:aws:sts::{ACCOUNT}:assumed-role/{arn.rpartition('/')[2]}/twins"
        return Caller(ACCOUNT, REGION, arn, session, "ASIATWINS")

    def athena(self, principal: str, sql: str) -> Shown:
        """What Athena shows a principal, asked in this process."""
        fake, caller = self.sandbox.world.services["athena"], self.caller(principal)
        with self.sandbox.world.lock:
            begun = fake.handlers["StartQueryExecution"](caller, _query(sql))
            told = fake.handlers["GetQueryExecution"](caller, begun)["QueryExecution"]
            if told["Status"]["State"] != "SUCCEEDED":
                return None
            return _answer(fake.handlers["GetQueryResults"](caller, begun))

    def athena_over_http(self, principal: str, sql: str) -> Shown:
        """What Athena shows a principal that has assumed its role."""
        role = aws_as(self.sandbox, role_of(principal), "twins")
        begun = role.run("athena", "start_query_execution", **_query(sql))
        number = begun["QueryExecutionId"]
        told = role.run("athena", "get_query_execution", QueryExecutionId=number)
        if told["QueryExecution"]["Status"]["State"] != "SUCCEEDED":
            return None
        return _answer(role.run("athena", "get_query_results", QueryExecutionId=number))


def compiled(twins: Twins) -> Carried:
    """What Lake Formation should hold, and what of the grants it cannot."""
    made = Carried()
    for grant in twins.in_force():
        entries, problem = entries_of(grant, twins)
        if problem is not None:
            made.refused[grant.grant_id] = problem
        for one in entries:
            other = made.wanted.get(one.key)
            # Two grants may come to one list of columns; never do they to different permissions.
            assert other is None or other.permissions == one.permissions
            made.wanted[one.key] = one
    return made


def entries_of(grant: Grant, twins: Twins) -> tuple[Sequence[LakeEntry], str | None]:
    """A grant compiled as the product does it; or why not."""
    asset = twins.assets.get(grant.target.asset_id or "")
    if asset is None:
        domain = (grant.target.domain_id or "dzd-").removeprefix("dzd-")
        made = compile_for_lake_formation(
            grant, Place(domain), account=ACCOUNT, masked=masked_tags(grant, twins.tag_masks)
        )
    else:
        now = NamesNow(asset.columns)
        filters = {}
        try:
            grant = now.grant(grant)
            for name, found in twins.filters_of(asset.asset_id).items():
                if name == grant.target.filter_name:
                    filters[name] = now.data_filter(found)
        except BrokenGrantError as broken:
            return (), str(broken)
        place = Place(asset.domain_name, "", asset.name, asset.columns)
        by_tags = masked_by_tags(asset, twins.tags[asset.asset_id], twins.tag_masks)
        masked = with_masks(grant, by_tags, filters.get(grant.target.filter_name or ""))
        made = compile_for_lake_formation(masked, place, filters, account=ACCOUNT)
    return made.entries, made.problems[0] if made.problems else None


def scopes_of(
    twins: Twins, made: Carried, principal: str, asset: GovernedAsset
) -> tuple[Scope, ...]:
    """What the product shows a principal of a table, masked columns left out."""
    grants = [
        replace(grant, lake_state="failed" if grant.grant_id in made.refused else "applied")
        for grant in twins.grants.values()
        if grant.principal == principal
    ]
    filters = [one for one in twins.filters if one.asset_id == asset.asset_id]
    tags = twins.tags[asset.asset_id]
    found = access(asset, tags, grants, filters, twins.tag_masks, NOW)
    scopes = []
    for one in needed(found.scopes):
        plain = {
            name: None for name, mask in one.columns.items() if mask is None or mask.kind == "none"
        }
        if plain:
            scopes.append(Scope(one.filter.text if one.filter else None, plain))
    return tuple(scopes)


def own_tags_of(asset: GovernedAsset, tags: AssetTags) -> OwnTags:
    """The tags that a table and its columns are to carry on AWS."""
    columns = {
        column.name: {CLASSIFICATION: column.classification}
        for column in asset.columns
        if column.classification != asset.classification
    }
    for name, own in tags.columns.items():
        columns[name] = {**columns.get(name, {}), **there(own)}
    return OwnTags({CLASSIFICATION: asset.classification, **there(tags.table)}, columns)


def there(tags: Mapping[str, str]) -> dict[str, str]:
    """Tags in the letters that Lake Formation keeps."""
    return {key: tag_value_there(value) for key, value in tags.items()}


def shown_here(engine: Connection | None, sql: str) -> Shown:
    """What an engine of views shows."""
    if engine is None:
        return None
    try:
        found = engine.execute(sql)
        names = tuple(one[0] for one in found.description or ())
        rows = [tuple(_here(cell) for cell in row) for row in found.fetchall()]
    except (duckdb.Error, MeshplaneError):
        return None
    return names, tuple(sorted(rows, key=repr))


def _here(cell: Any) -> Any:
    if isinstance(cell, list | dict):
        return "nested"
    if isinstance(cell, dt.datetime):
        return cell.isoformat(" ", "milliseconds")
    if isinstance(cell, dt.date):
        return cell.isoformat()
    return cell


_READERS: dict[str, Any] = {
    "boolean": lambda text: text == "true",
    "integer": int,
    "bigint": int,
    "double": float,
    "decimal": Decimal,
    "array": lambda _: "nested",
    "row": lambda _: "nested",
}


def _answer(told: dict[str, Any]) -> Shown:
    columns = told["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
    readers = [_READERS.get(column["Type"], str) for column in columns]
    rows = []
    for row in told["ResultSet"]["Rows"][1:]:
        cells = [cell.get("VarCharValue") for cell in row["Data"]]
        rows.append(
            tuple(
                None if cell is None else read(cell)
                for cell, read in zip(cells, readers, strict=True)
            )
        )
    return tuple(column["Name"] for column in columns), tuple(sorted(rows, key=repr))


def _query(sql: str) -> dict[str, Any]:
    return {
        "QueryString": sql,
        "ResultConfiguration": {"OutputLocation": f"s3://{BUCKET}/results/"},
    }


def _parquet(table: Table) -> bytes:
    arrays = {
        name: pa.array([row[place] for row in table.rows], ARROW_TYPES[kind])
        for place, (name, kind) in enumerate(table.types.items())
    }
    body = io.BytesIO()
    pq.write_table(pa.table(arrays), body)
    return body.getvalue()


def _glue_table(table: Table) -> dict[str, Any]:
    return {
        "Name": table.name,
        "TableType": "EXTERNAL_TABLE",
        "StorageDescriptor": {
            "Columns": [
                {"Name": name, "Type": _GLUE_TYPES[kind]} for name, kind in table.types.items()
            ],
            "Location": f"s3://{BUCKET}/{table.schema}/{table.name}/",
            "InputFormat": f"{_PARQUET}.MapredParquetInputFormat",
            "OutputFormat": f"{_PARQUET}.MapredParquetOutputFormat",
            "SerdeInfo": {"SerializationLibrary": f"{_PARQUET}.serde.ParquetHiveSerDe"},
        },
    }
