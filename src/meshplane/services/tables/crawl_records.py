"""Crawls as rows, as what HTTP shows, and as what is told of their ends."""

from dataclasses import asdict
from typing import Any

from meshplane.boundary.actor import service_actor
from meshplane.events.tables import CrawlCompleted
from meshplane.platform.store import UnitOfWork
from meshplane.platform.tables import Row
from meshplane.services.tables.crawl_ports import Crawled, FoundColumn, FoundTable
from meshplane.services.tables.crawls_schemas import (
    CrawlSummaryView,
    CrawlView,
    FoundColumnView,
    FoundTableView,
)

Item = dict[str, Any]

RUNNING, SUCCEEDED, FAILED = "RUNNING", "SUCCEEDED", "FAILED"

_LONGEST_REASON = 500


def ended(item: Item, crawled: Crawled, ended_at: str) -> Item:
    """The row of a crawl with its end; `ended_at` is RFC 3339."""
    return {
        **item,
        "status": SUCCEEDED,
        "foundTables": len(crawled.tables),
        "skippedFiles": crawled.skipped_files,
        "endedAt": ended_at,
    }


def failed(item: Item, reason: str, ended_at: str) -> Item:
    """The row of a crawl that came to nothing, and why."""
    return {**item, "status": FAILED, "statusReason": reason[:_LONGEST_REASON], "endedAt": ended_at}


def tell(work: UnitOfWork, item: Item, code: str | None) -> None:
    """Tells of a crawl that has ended: an event, and a record in the audit trail.

    The operation that began it has a record of its own, which cannot tell of the end.

    Args:
        work: the unit of work that puts the crawl.
        item: the crawl, ended.
        code: why it came to nothing; None if it did not.
    """
    work.emit(
        CrawlCompleted(
            crawl_id=item["crawlId"],
            project_id=item["projectId"],
            domain_id=item["domainId"],
            status=item["status"],
            found_tables=item["foundTables"],
            skipped_files=item["skippedFiles"],
            started_by=item["startedBy"],
            completed_at=item["endedAt"],
        ).event()
    )
    itself = service_actor("tables", item["startedBy"], item.get("traceId", ""))
    work.record(
        {
            "operation": "endCrawl",
            "actor": itself.name,
            "onBehalfOf": itself.on_behalf_of,
            "outcome": "allowed" if code is None else "failed",
            "code": code,
            "resource": f"Crawl:{item['crawlId']}",
            "detail": {"foundTables": item["foundTables"], "skippedFiles": item["skippedFiles"]},
            "traceId": itself.trace_id,
        }
    )


def kept(crawl_id: str, crawled: Crawled) -> Item:
    """The row of what a crawl found."""
    return {"crawlId": crawl_id, "tables": [asdict(table) for table in crawled.tables]}


def found_in(row: Row | None) -> list[FoundTable]:
    """What a crawl found, of its row; nothing where there is none."""
    tables = row.item["tables"] if row is not None else ()
    return [
        FoundTable(
            **{
                **one,
                "columns": tuple(FoundColumn(**column) for column in one["columns"]),
                "partition_columns": tuple(one["partition_columns"]),
            }
        )
        for one in tables
    ]


def summary(item: Item) -> CrawlSummaryView:
    """A crawl, without what it found."""
    return CrawlSummaryView(**_shown(item))


def view(item: Item, found: list[FoundTable]) -> CrawlView:
    """A crawl with what it found."""
    return CrawlView(**_shown(item), tables=[_table(table) for table in found])


def _shown(item: Item) -> dict[str, Any]:
    return {
        "crawl_id": item["crawlId"],
        "project_id": item["projectId"],
        "path": item["path"],
        "status": item["status"],
        "status_reason": item["statusReason"],
        "found_tables": item["foundTables"],
        "skipped_files": item["skippedFiles"],
        "started_by": item["startedBy"],
        "started_at": item["startedAt"],
        "ended_at": item["endedAt"],
    }


def _table(table: FoundTable) -> FoundTableView:
    return FoundTableView(
        name=table.name,
        location=table.location,
        format=table.format,
        columns=[
            FoundColumnView(name=column.name, source=column.source, type=column.type)
            for column in table.columns
        ],
        partition_columns=list(table.partition_columns),
        files=table.files,
        size_bytes=table.size_bytes,
        problem=table.problem or None,
    )
