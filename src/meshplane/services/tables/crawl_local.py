"""Crawls of raw areas by the mesh itself, in a thread. Importing this is cheap."""

import asyncio

from meshplane.services.tables.crawl_ports import CrawlBegun, Crawled, RawFiles, ToCrawl
from meshplane.services.tables.raw_area import MOST_FILES, names_of, tables_in


class LocalCrawler:
    """`Crawler` that looks into the files at once: into the first 50 of each table.

    Of CSV and JSON it reads the first mebibyte, and types are what that looks like.

    Args:
        files: reads raw areas.
    """

    def __init__(self, files: RawFiles) -> None:
        self._files = files

    async def begin(self, asked: ToCrawl) -> CrawlBegun | Crawled:
        """See `Crawler.begin`."""
        return await asyncio.to_thread(self._crawl, asked)

    async def look(self, asked: ToCrawl, begun: CrawlBegun) -> CrawlBegun | Crawled | None:
        """See `Crawler.look`."""
        return await asyncio.to_thread(self._crawl, asked)

    def _crawl(self, asked: ToCrawl) -> Crawled:
        from meshplane.services.tables.raw_tables import found

        tables, skipped = tables_in(self._files.listed(asked.area, asked.path, MOST_FILES))
        named = zip(names_of(tables), tables, strict=True)
        return Crawled(
            tuple(found(self._files, asked.area, name, table) for name, table in named), skipped
        )
