"""The raw area of a project, in a directory or in S3, files for it, and who crawls it."""

import asyncio
import gzip
import io
import itertools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.names import CRAWL_ROLE, role_arn
from meshplane.services.tables.aws_crawlers import GlueCrawler
from meshplane.services.tables.aws_raw import S3RawFiles
from meshplane.services.tables.crawl_local import LocalCrawler
from meshplane.services.tables.crawl_ports import (
    Crawled,
    Crawler,
    FoundTable,
    RawArea,
    RawFiles,
    ToCrawl,
)
from meshplane.services.tables.raw_area import area_of, checked_path
from meshplane.services.tables.raw_local import LocalRawFiles

_numbers = itertools.count(1)


@dataclass
class RawPlace:
    """A raw area under test. `root` is the lake's directory, `aws` where it lies in S3."""

    project_id: str
    area: RawArea
    files: RawFiles
    crawler: Crawler
    root: Path | None = None
    aws: Aws | None = None

    def put(self, path: str, content: bytes) -> None:
        """A file, by its path in the area."""
        if self.aws is not None:
            key = f"{self.area.folder}{path}"
            self.aws.run("s3", "put_object", Bucket=self.area.bucket, Key=key, Body=content)
            return
        assert self.root is not None
        place = self.root / self.area.bucket / self.area.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)

    def asked(self, path: str = "") -> ToCrawl:
        """What a crawler is asked for."""
        number = next(_numbers)
        return ToCrawl(f"crawl-{number}", self.project_id, self.area, checked_path(path))

    async def crawl(self, path: str = "") -> Crawled:
        """All of a crawl."""
        asked = self.asked(path)
        begun = await self.crawler.begin(asked)
        for _ in range(200):
            if isinstance(begun, Crawled):
                return begun
            begun = await self.crawler.look(asked, begun) or begun
            await asyncio.sleep(0.01)
        raise AssertionError("the crawl does not end")

    async def found(self, path: str = "") -> dict[str, FoundTable]:
        """The tables that a crawl finds, by location."""
        return {table.location: table for table in (await self.crawl(path)).tables}


def local_area(folder: Path, project_id: str = "proj-1", bucket: str = "data-lake-air") -> RawPlace:
    """A raw area in a directory, made anew."""
    area = area_of(bucket, project_id)
    (folder / bucket / area.folder).mkdir(parents=True, exist_ok=True)
    files = LocalRawFiles(folder)
    return RawPlace(project_id, area, files, LocalCrawler(files), root=folder)


def s3_area(aws: Aws, bucket: str, project_id: str, **more: Any) -> RawPlace:
    """A raw area in a bucket that is there, crawled by Glue; `more`: of `GlueCrawler`."""
    files = S3RawFiles(aws)
    crawler = GlueCrawler(aws, files, role_arn(aws.place, CRAWL_ROLE), **more)
    return RawPlace(project_id, area_of(bucket, project_id), files, crawler, aws=aws)


def types_of(table: FoundTable) -> dict[str, str]:
    """The columns of a found table: their types by name."""
    return {column.name: column.type for column in table.columns}


def parquet(columns: Mapping[str, Any]) -> bytes:
    """A file of Parquet."""
    sink = io.BytesIO()
    pq.write_table(pa.table(dict(columns)), sink)
    return sink.getvalue()


def csv(*lines: str, zipped: bool = False) -> bytes:
    """A file of CSV."""
    content = ("\n".join(lines) + "\n").encode()
    return gzip.compress(content) if zipped else content


def json_lines(*rows: Mapping[str, Any] | Iterable[Any]) -> bytes:
    """A file of JSON, an object a line."""
    return "".join(json.dumps(row) + "\n" for row in rows).encode()
