"""HTTP of crawls."""

from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call
from meshplane.boundary.operation import OperationRoute, Operations
from meshplane.boundary.schemas import Page
from meshplane.services.tables.crawl_records import RUNNING
from meshplane.services.tables.crawls import Crawls
from meshplane.services.tables.crawls_schemas import (
    CrawlQuery,
    CrawlSummaryView,
    CrawlView,
    NewCrawl,
    NewTableFromCrawl,
)
from meshplane.services.tables.schemas import TableView


def crawl_routes(crawls: Crawls, boundary: Boundary) -> list[OperationRoute]:
    """The routes under /api/v1/tables/crawls."""
    operations = Operations(boundary)

    @operations.write(
        "POST",
        "/tables/crawls",
        "startCrawl",
        status=201,
        goes_on=lambda crawl: crawl.status == RUNNING,
    )
    async def start_crawl(call: Call, body: NewCrawl) -> CrawlView:
        """Looks for tables in the project's raw area; it goes on after the answer."""
        return await crawls.start(call, body)

    @operations.read("/tables/crawls", "listCrawls")
    async def list_crawls(call: Call, query: CrawlQuery) -> Page[CrawlSummaryView]:
        return await crawls.list(call, query)

    @operations.read("/tables/crawls/{crawl_id}", "getCrawl")
    async def get_crawl(call: Call, crawl_id: str) -> CrawlView:
        return await crawls.get(call, crawl_id)

    @operations.write(
        "POST", "/tables/crawls/{crawl_id}/tables", "createTableFromCrawl", status=201
    )
    async def create_table_from_crawl(
        call: Call, crawl_id: str, body: NewTableFromCrawl
    ) -> TableView:
        """Makes a table of files that a crawl found, with their rows."""
        return await crawls.create_table(call, crawl_id, body)

    return operations.routes
