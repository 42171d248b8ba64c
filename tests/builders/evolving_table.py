"""A published table whose schema changes, and grants on it: what a query meets, without a server.

The files, the access of a query, the semantics of grants and the sandbox are the real ones; the
catalogue around them is a few fields of this class.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from meshplane.boundary.actor import Actor
from meshplane.kit.errors import MeshplaneError
from meshplane.services.assets.api import PUBLISHED, AssetColumn, AssetSummary
from meshplane.services.permissions.model import (
    AssetAccess,
    AssetTags,
    DataFilter,
    FilterColumn,
    GovernedAsset,
    Grant,
    GrantedColumn,
    MaskRule,
    RowFilter,
    TagMask,
    Target,
)
from meshplane.services.permissions.semantics import access
from meshplane.services.query.access import Access
from meshplane.services.query.sandbox import Limits, Sandbox, Statement
from meshplane.services.tables.api import ColumnSummary, Scan, TableSummary
from tests.builders.sandbox_world import ARROW_TYPES, KEY, Seen, seen

NOW = datetime(2026, 3, 31, tzinfo=UTC)
ANA = Actor("ana@sea", frozenset({"pilots"}))
_FIELD_ID = b"PARQUET:field_id"


@dataclass(frozen=True)
class Version:
    """A version of the table: its schema, as (name, field id, type), and all of its files."""

    columns: tuple[tuple[str, int, str], ...]
    files: tuple[str, ...]


@dataclass
class EvolvingTable:
    """`sea.crew`, of another project than the caller's.

    Args:
        folder: of its files.
        grants: those that the caller holds.
        classes: the classification of columns by name; others are internal.
    """

    folder: Path
    grants: list[Grant] = field(default_factory=list)
    filters: list[DataFilter] = field(default_factory=list)
    tag_masks: list[TagMask] = field(default_factory=list)
    classes: dict[str, str] = field(default_factory=dict)
    versions: list[Version] = field(default_factory=list)
    own_projects: list[str] = field(default_factory=list)

    def evolve(
        self, columns: Sequence[tuple[str, int, str]], rows: Sequence[dict[str, Any]] = ()
    ) -> None:
        """Gives the table a schema, and adds rows that are written with it."""
        files = self.versions[-1].files if self.versions else ()
        if rows:
            schema = pa.schema(
                pa.field(name, ARROW_TYPES[kind], metadata={_FIELD_ID: str(number).encode()})
                for name, number, kind in columns
            )
            path = self.folder / f"part-{len(files)}.parquet"
            pq.write_table(pa.Table.from_pylist(list(rows), schema), path)
            files = (*files, str(path))
        self.versions.append(Version(tuple(columns), files))

    def row_filter(self, text: str, *names: str) -> RowFilter:
        """A condition, with the columns that it names as they are now."""
        columns = {name: FilterColumn(name, number, kind) for name, number, kind in self._now}
        return RowFilter(text, tuple(columns[name] for name in names))

    def rows_grant(
        self,
        row_filter: RowFilter | None,
        grant_id: str = "grant-1",
        /,
        **masks: MaskRule | None,
    ) -> Grant:
        """What a subscription grants: some rows, and these columns as they are now."""
        ids = {name: number for name, number, _ in self._now}
        columns = tuple(GrantedColumn(name, rule, ids[name]) for name, rule in masks.items())
        target = Target("rows", asset_id="asset-1")
        permissions = frozenset({"SELECT", "DESCRIBE"})
        return Grant(
            grant_id,
            "user:ana@sea",
            target,
            permissions,
            "dzd-1",
            row_filter=row_filter,
            columns=columns,
        )

    def table_grant(self, grant_id: str = "grant-1", **masks: MaskRule) -> Grant:
        """SELECT on the whole table."""
        ids = {name: number for name, number, _ in self._now}
        return Grant(
            grant_id,
            "user:ana@sea",
            Target("table", asset_id="asset-1"),
            frozenset({"SELECT"}),
            "dzd-1",
            masks=masks,
            columns=tuple(GrantedColumn(name, field_id=ids[name]) for name in masks),
        )

    async def ask(self, sandbox: Sandbox, sql: str, as_of: datetime | None = None) -> Seen:
        """What the caller sees; `as_of` is `version(n)`."""
        permissions: Any = self
        reading = Access(ANA, None, as_of, permissions, permissions, permissions, permissions)
        statement = Statement(sql, limits=Limits(timeout_seconds=20))
        try:
            return seen(await sandbox.run(statement, reading.resolve, KEY))
        except MeshplaneError as error:
            return Seen(error.code, error.message, (), [], False)

    # What a query asks of the catalogue.

    @property
    def _now(self) -> tuple[tuple[str, int, str], ...]:
        return self.versions[-1].columns

    async def named(self, actor: Actor, name: str, domain_name: str | None) -> list[AssetSummary]:
        if name != "crew" or domain_name not in (None, "sea"):
            return []
        columns = tuple(
            AssetColumn(name, kind, "", self.classes.get(name, "internal"))
            for name, _, kind in self._now
        )
        return [
            AssetSummary(
                asset_id="asset-1",
                name="crew",
                domain_id="dzd-1",
                domain_name="sea",
                project_id="proj-sea",
                project_name="sea",
                table_id="tbl-1",
                description="",
                classification="internal",
                owner="user:owner",
                columns=columns,
                quality_score=None,
                status=PUBLISHED,
            )
        ]

    async def find(self, actor: Actor, table_id: str) -> TableSummary | None:
        columns = _summaries(self._now)
        return TableSummary(table_id, "crew", "proj-sea", "dzd-1", "sea", "", columns, None, 0)

    async def scan(
        self, actor: Actor, table_id: str, as_of: datetime | None, snapshot_id: str | None = None
    ) -> Scan:
        version = self.versions[-1 if as_of is None else as_of.minute]
        return Scan(table_id, None, version.files, _summaries(version.columns), 0, ())

    async def of_principals(self, actor: Actor, principals: Sequence[str]) -> list[str]:
        return self.own_projects

    async def access(
        self, actor: Actor, asset: GovernedAsset, principals: Sequence[str]
    ) -> AssetAccess:
        held = [grant for grant in self.grants if grant.principal in principals]
        return access(asset, AssetTags(), held, self.filters, self.tag_masks, NOW)


def version(number: int) -> datetime:
    """The instant of a version, for `ask`."""
    return NOW.replace(minute=number)


def _summaries(columns: Sequence[tuple[str, int, str]]) -> tuple[ColumnSummary, ...]:
    return tuple(ColumnSummary(name, number, kind.lower(), kind) for name, number, kind in columns)
