"""What lineage learns from events."""

from meshplane.events.consumer import Consumer
from meshplane.platform.events import StoredEvent
from meshplane.platform.store import UnitOfWork
from meshplane.services.lineage.graph import Edge
from meshplane.services.lineage.service import put_edge


async def _store_edges(work: UnitOfWork, event: StoredEvent) -> None:
    """Stores where the rows of a new snapshot came from, if a query made them."""
    detail = event.detail
    run = detail["queryId"]
    if run is None:
        return
    target = detail["tableId"]
    for origin in detail["origins"]:
        put_edge(
            work,
            Edge(
                source=origin["fromTableId"],
                source_column=origin["fromColumn"],
                target=target,
                target_column=origin["column"],
                kind=origin["type"],
                subtype=origin["subtype"],
                job="query",
                run=run,
            ),
        )
    for source in detail["fromTableIds"]:
        put_edge(work, Edge(source, "", target, "", job="query", run=run))


CONSUMERS = (
    Consumer(
        "lineage.snapshot-origins",
        frozenset({"TableSnapshotCommitted"}),
        _store_edges,
        "management-app.tables",
    ),
)
