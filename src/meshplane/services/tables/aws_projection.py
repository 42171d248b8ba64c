"""Makes Glue hold what our store says of published tables, and takes over what others commit there.

event → `GlueProjection` → Glue → what was found, in the consumer's own commit (`GLUE_TABLES`).
Done again, it changes nothing. Another engine that commits to a table through Glue is followed: its
version becomes ours, with an event, as if it had been staged here. A version that was not made from
ours is told and left alone until somebody chooses.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from meshplane.events.consumer import Consumer
from meshplane.events.tables import TableSnapshotCommitted
from meshplane.kit.clock import Clock, to_text
from meshplane.kit.errors import BaseMoved, Conflict, Missing
from meshplane.platform.events import StoredEvent
from meshplane.platform.store import Store, UnitOfWork
from meshplane.platform.tables import Row
from meshplane.services.tables import records
from meshplane.services.tables.aws_buckets import DomainBuckets
from meshplane.services.tables.aws_glue import GlueCatalog, GlueMoved
from meshplane.services.tables.aws_glue_compare import Compared, Standing, compare
from meshplane.services.tables.aws_glue_shapes import GlueColumn, GlueEntry, GlueTable
from meshplane.services.tables.ports import StagedCommit, TableFiles
from meshplane.services.tables.store import GLUE_ALL, GLUE_TABLES, TABLES_TABLE

ADOPTED = "adopt"
"""The operation of the event that tells of another engine's version."""

Keep = Literal["ours", "theirs"]
"""Of two versions that have diverged, the one that is kept."""

_OTHERS = "glue"
_ROUNDS = 4


@dataclass(frozen=True, slots=True)
class GlueFinding:
    """How a published table stands in Glue; `standing` as in `aws_glue_compare.Standing`."""

    table_id: str
    database: str
    name: str
    standing: Standing
    metadata_location: str | None


@dataclass(frozen=True, slots=True)
class GlueFindings:
    """Some findings; `cursor` is where the next page starts, None at the end."""

    findings: tuple[GlueFinding, ...]
    cursor: str | None


class GlueProjection:
    """Keeps Glue in step.

    Args:
        catalog: Glue.
        files: the lake.
        buckets: makes the bucket of a new domain ready.
        store: has the tables.
        clock: dates what was found.
        key_of: the key of a domain's bucket, by the domain's name; S3's own of the account without.
    """

    def __init__(
        self,
        catalog: GlueCatalog,
        files: TableFiles,
        buckets: DomainBuckets,
        store: Store,
        clock: Clock,
        *,
        key_of: Callable[[str], Awaitable[str]] | None = None,
    ) -> None:
        self._catalog = catalog
        self._files = files
        self._buckets = buckets
        self._store = store
        self._clock = clock
        self._key_of = key_of

    @property
    def consumers(self) -> tuple[Consumer, ...]:
        """The events that it follows."""
        domains = frozenset({"DomainCreated"})
        assets = frozenset({"AssetPublished", "AssetUnpublished"})
        tables = frozenset({"TableSnapshotCommitted", "TableSnapshotsExpired"})
        return (
            Consumer("glue.domains", domains, self._on_domain, "management-app.domains"),
            Consumer("glue.assets", assets, self._on_asset, "management-app.assets"),
            Consumer("glue.tables", tables, self._on_table, "management-app.tables"),
        )

    async def _on_domain(self, work: UnitOfWork, event: StoredEvent) -> None:
        name = event.detail["domainName"]
        bucket = self._buckets.of(name)
        key = await self._key_of(name) if self._key_of is not None else None
        await self._buckets.prepare(bucket, key)
        await self._catalog.ensure_database(name, bucket)

    async def _on_asset(self, work: UnitOfWork, event: StoredEvent) -> None:
        detail = event.detail
        if event.type == "AssetUnpublished":
            row = await work.get(GLUE_TABLES, detail["tableId"])
            if row is not None:
                await self._catalog.drop(
                    row.item["database"], row.item["name"], row.item["tableId"]
                )
                work.delete(GLUE_TABLES, row.item["tableId"], expected=row.version)
            return
        table = await work.get(TABLES_TABLE, detail["tableId"])
        if table is None or "source" in table.item:
            return
        known = await work.get(GLUE_TABLES, detail["tableId"])
        item = known.item if known is not None else _new_item(table, detail["assetName"])
        database = item["database"]
        await self._catalog.ensure_database(database, self._buckets.of(database))
        await self._keep(work, table, Row(item, known.version if known is not None else 0))

    async def _on_table(self, work: UnitOfWork, event: StoredEvent) -> None:
        table_id = event.detail["tableId"]
        row, table = await work.get(GLUE_TABLES, table_id), await work.get(TABLES_TABLE, table_id)
        if row is not None and table is not None:
            await self._keep(work, table, row)

    async def look(self, limit: int = 50, cursor: str | None = None) -> GlueFindings:
        """How a page of the published tables stand in Glue now; changes nothing.

        Raises:
            Invalid: CURSOR_INVALID.
        """
        work = self._store.begin()
        page = await work.query(GLUE_TABLES, GLUE_ALL, index="all", limit=limit, cursor=cursor)
        found = []
        for row in page.rows:
            table = await work.get(TABLES_TABLE, row.item["tableId"])
            if table is not None:
                there, compared = await self._compared(table, row)
                found.append(_finding(row, compared.standing, there))
        return GlueFindings(tuple(found), page.cursor)

    async def mend(self, table_id: str, keep: Keep | None = None) -> Standing:
        """Brings one table in step; how it stood before.

        Args:
            table_id: a published table.
            keep: of one that has diverged, whose version to keep; the other one is lost. `theirs`
                takes a version as it is, if it is one of this table. None leaves it.

        Raises:
            Missing: TABLE_NOT_FOUND, or not published.
            Conflict: METADATA_DIVERGED, what Glue points to is no version of this table.
            BaseMoved: somebody else writes to it.
        """
        work = self._store.begin()
        row, table = await work.get(GLUE_TABLES, table_id), await work.get(TABLES_TABLE, table_id)
        if row is None or table is None:
            raise Missing("TABLE_NOT_FOUND", "No published table has this id.", field="tableId")
        standing = await self._keep(work, table, row, keep)
        await work.commit()
        return standing

    async def _keep(
        self, work: UnitOfWork, table: Row, row: Row, keep: Keep | None = None
    ) -> Standing:
        """Brings a table in step as far as that may be, and notes what was found."""
        for _ in range(_ROUNDS):
            there, compared = await self._compared(table, row)
            try:
                kept = await self._settled(work, table, row, there, compared, keep=keep)
            except GlueMoved:
                continue
            self._note(work, row, compared.standing, kept)
            return compared.standing
        raise GlueMoved

    async def _compared(self, table: Row, row: Row) -> tuple[GlueTable | None, Compared]:
        there = await self._catalog.find(row.item["database"], row.item["name"])
        entry, last_put = _entry(table, row), row.item["metadataLocation"]
        return there, await asyncio.to_thread(compare, self._files, entry, there, last_put)

    async def _settled(
        self,
        work: UnitOfWork,
        table: Row,
        row: Row,
        there: GlueTable | None,
        compared: Compared,
        *,
        keep: Keep | None,
    ) -> GlueTable | None:
        """Glue's table once both sides agree; None where they are left as they are."""
        entry, standing = _entry(table, row), compared.standing
        if there is None:
            return await self._catalog.create(entry)
        if standing in {"behind", "schema"} or (standing == "diverged" and keep == "ours"):
            return await self._catalog.move(entry, there)
        if standing == "ahead" and compared.theirs is not None:
            self._adopt(work, table, compared.theirs)
            return there
        if standing == "diverged" and keep == "theirs":
            self._adopt(work, table, await self._taken(table, there.metadata_location or ""))
            return there
        return there if standing == "in-step" else None

    async def _taken(self, table: Row, theirs: str) -> StagedCommit:
        """A version that diverged, as it is."""
        if not theirs.startswith(f"{table.item['location']}/"):
            raise Conflict(
                "METADATA_DIVERGED",
                "What Glue points to lies elsewhere and is no version of this table.",
            )
        return await asyncio.to_thread(self._files.adopt, theirs, theirs)

    def _adopt(self, work: UnitOfWork, table: Row, theirs: StagedCommit) -> None:
        """Makes another engine's version ours, in the commit that tells of it."""
        moved = BaseMoved("TABLE_BUSY", "Others keep writing to this table: try again.")
        item = records.moved_on(table.item, theirs)
        work.put(TABLES_TABLE, item, expected=table.version, otherwise=moved)
        work.emit(
            TableSnapshotCommitted(
                table_id=table.item["tableId"],
                snapshot_id=records.text_id(theirs.snapshot_id),
                operation=ADOPTED,
                added_rows=theirs.added_rows,
                deleted_rows=theirs.deleted_rows,
                total_rows=theirs.total_rows,
                committed_by=_OTHERS,
                committed_at=to_text(theirs.committed_at),
            ).event()
        )

    def _note(self, work: UnitOfWork, row: Row, standing: Standing, kept: GlueTable | None) -> None:
        item = {
            **row.item,
            "standing": standing if kept is None else "in-step",
            "seenAt": to_text(self._clock.now()),
        }
        if kept is not None:
            item["metadataLocation"] = kept.metadata_location
        work.put(GLUE_TABLES, item, expected=row.version)


def _new_item(table: Row, asset_name: str) -> dict[str, Any]:
    return {
        "tableId": table.item["tableId"],
        "database": table.item["domainName"],
        "name": asset_name,
        "metadataLocation": None,
        "standing": "gone",
        "seenAt": None,
        "listing": GLUE_ALL,
    }


def _entry(table: Row, row: Row) -> GlueEntry:
    """What Glue is to hold."""
    columns = tuple(
        GlueColumn(one["name"], one["type"], one["fieldId"], one["required"], one["doc"])
        for one in table.item["columns"]
    )
    return GlueEntry(
        database=row.item["database"],
        name=row.item["name"],
        table_id=table.item["tableId"],
        location=table.item["location"],
        metadata_location=table.item["metadataLocation"],
        columns=columns,
    )


def _finding(row: Row, standing: Standing, there: GlueTable | None) -> GlueFinding:
    return GlueFinding(
        row.item["tableId"],
        row.item["database"],
        row.item["name"],
        standing,
        there.metadata_location if there is not None else None,
    )
