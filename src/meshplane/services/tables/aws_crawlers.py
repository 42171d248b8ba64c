"""Crawls of raw areas by crawlers of Glue: one for each project, made, started and awaited.

files listed → one target for each table that they make → crawler, READY and with these targets →
started, if the last crawl it tells of is the one from before → READY with another one → Glue's
tables, under our names.

StartCrawler gives no id, so a run is known by when it began: after the crawler was seen at rest
with the targets of this crawl, which nobody can change while it runs. What began earlier, for
whomever and of whatever files, is waited for and is no crawl of ours.

What Glue finds lies in a database of its own (`names.crawl_database`): grants, drift reports and
queries know nothing of it. The crawler reads as a role that IAM lets into raw areas alone, and not
with credentials of Lake Formation, which would need the role to hold rights on places where
governed tables lie, too. So its policy is what keeps it out of them, with Lake Formation or
without; making it and changing it say so alike. Tables of files that have gone are deleted there:
nothing refers to them.

Glue folds names to lower case, and has no word for some types (`aws_crawl_shapes.py`). So the first
file of each table is looked at as well.

Needs AWS: what Glue's classifiers make of files, how long crawls take (a minute at least), and that
a target which is one object becomes a table. Sources: Glue Developer Guide, "Crawler API",
"Creating a single schema for each Amazon S3 include path", "Crawler prerequisites".
"""

import asyncio
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from meshplane.kit.errors import Invalid, Missing, Unavailable
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.aws.names import crawl_database, crawl_place, project_crawler
from meshplane.services.tables.aws_crawl_rights import CrawlRights
from meshplane.services.tables.aws_crawl_shapes import columns_told, table_of
from meshplane.services.tables.aws_glue_shapes import check_name
from meshplane.services.tables.crawl_ports import (
    CrawlBegun,
    Crawled,
    FoundColumn,
    FoundTable,
    RawFiles,
    ToCrawl,
)
from meshplane.services.tables.raw_area import MOST_FILES, RawTable, names_of, tables_in

_ABSENT, _THERE = "EntityNotFoundException", "AlreadyExistsException"
_RUNNING = frozenset({"CrawlerRunningException", "CrawlerStoppingException"})
_READY, _SUCCEEDED = "READY", "SUCCEEDED"
# All compatible files below a target make one table.
_GROUPING = json.dumps(
    {"Version": 1.0, "Grouping": {"TableGroupingPolicy": "CombineCompatibleSchemas"}}
)


class GlueCrawler:
    """`Crawler` over Glue.

    Args:
        aws: whose Glue.
        files: reads raw areas, with the rights by which tables are read.
        role_arn: of the role that crawlers read as.
        rights: what the role needs in Lake Formation; None where that does not govern the lake.
    """

    def __init__(
        self, aws: Aws, files: RawFiles, role_arn: str, *, rights: CrawlRights | None = None
    ) -> None:
        self._aws = aws
        self._files = files
        self._role_arn = role_arn
        self._rights = rights
        self._database = crawl_database(aws.place)

    async def begin(self, asked: ToCrawl) -> CrawlBegun | Crawled:
        """See `Crawler.begin`."""
        tables, skipped = await self._listed(asked)
        targets = [_uri(asked, table) for table in tables if not table.problem]
        if not targets:
            return await self._told(asked, tables, skipped, [])
        await self._ensure_database()
        if self._rights is not None:
            await self._rights.put(self._database, asked.area)
        crawler = await self._put(asked, targets)
        return CrawlBegun(_last(crawler), _digest(targets))

    async def look(self, asked: ToCrawl, begun: CrawlBegun) -> CrawlBegun | Crawled | None:
        """See `Crawler.look`."""
        crawler = await self._crawler(project_crawler(self._aws.place, asked.project_id))
        if crawler is None:
            raise _gone("crawler", project_crawler(self._aws.place, asked.project_id))
        if crawler.get("State") != _READY:
            return None
        if begun.targets and _digest(_targets(crawler)) != begun.targets:
            # Its last run, if there was one since, may have crawled these.
            return await self.begin(asked)
        if _last(crawler) in (None, begun.before):
            # Not started, or so lately that it is not told yet; then Glue says that it runs.
            await self._start(crawler["Name"])
            return None
        last = crawler["LastCrawl"]
        if last.get("Status") != _SUCCEEDED:
            await self._demand_database()
            raise _failed(
                f"Glue ended it as {last.get('Status', 'UNKNOWN')}. Its log says why: stream "
                f"{last.get('LogStream', crawler['Name'])} of {last.get('LogGroup', 'its group')}."
            )
        crawled = set(_targets(crawler))
        tables, skipped = await self._listed(asked)
        there = [table for table in tables if table.problem or _uri(asked, table) in crawled]
        return await self._told(asked, there, skipped, await self._found(asked))

    async def _listed(self, asked: ToCrawl) -> tuple[list[RawTable], int]:
        files = await asyncio.to_thread(self._files.listed, asked.area, asked.path, MOST_FILES)
        return tables_in(files)

    async def _ensure_database(self) -> None:
        """Makes the database; tables in it get no rights by default."""
        check_name(self._database, "aws_prefix")
        if await self._has_database():
            return
        try:
            await self._aws.call(
                "glue",
                "create_database",
                DatabaseInput={
                    "Name": self._database,
                    "Description": "What crawlers find in raw areas; no data products",
                    "LocationUri": crawl_place(self._aws.place),
                    "CreateTableDefaultPermissions": [],
                },
            )
        except AwsRejected as error:
            if error.aws_code != _THERE:
                raise

    async def _has_database(self) -> bool:
        try:
            await self._aws.call("glue", "get_database", Name=self._database)
        except AwsRejected as error:
            if error.aws_code != _ABSENT:
                raise
            return False
        return True

    async def _demand_database(self) -> None:
        if not await self._has_database():
            raise _gone("database", self._database)

    async def _put(self, asked: ToCrawl, targets: Sequence[str]) -> dict[str, Any]:
        """The project's crawler at rest, with these targets: made, or made to crawl these.

        Raises:
            Unavailable: CRAWLER_BUSY.
        """
        name = project_crawler(self._aws.place, asked.project_id)
        crawler = await self._crawler(name)
        if crawler is None:
            try:
                await self._aws.call(
                    "glue", "create_crawler", Name=name, **self._meant(asked, targets)
                )
            except AwsRejected as error:
                if error.aws_code != _THERE:
                    raise
            crawler = await self._told_again(name)
        if crawler.get("State") != _READY:
            raise _busy(name)
        if set(_targets(crawler)) == set(targets) and crawler.get("Role") in self._named():
            return crawler
        try:
            await self._aws.call("glue", "update_crawler", Name=name, **self._meant(asked, targets))
        except AwsRejected as error:
            if error.aws_code == _ABSENT:
                raise _missing(name) from error
            if error.aws_code not in _RUNNING:
                raise
            raise _busy(name) from error
        # Anew, as a run of the targets from before may have come and gone since.
        return await self._told_again(name)

    async def _told_again(self, name: str) -> dict[str, Any]:
        """A crawler that was made, or changed, just now.

        Raises:
            Unavailable: CRAWLER_BUSY.
        """
        crawler = await self._crawler(name)
        if crawler is None:
            raise _missing(name)
        return crawler

    def _named(self) -> frozenset[str]:
        """How Glue may tell the role: by its ARN, or by its name. Needs AWS: which."""
        return frozenset({self._role_arn, self._role_arn.rpartition("/")[2]})

    def _meant(self, asked: ToCrawl, targets: Sequence[str]) -> dict[str, Any]:
        return {
            "Role": self._role_arn,
            "DatabaseName": self._database,
            "Description": f"Crawls the raw area of the project {asked.project_id}",
            "Targets": {"S3Targets": [{"Path": target} for target in targets]},
            "TablePrefix": _table_prefix(asked),
            "SchemaChangePolicy": {
                "UpdateBehavior": "UPDATE_IN_DATABASE",
                "DeleteBehavior": "DELETE_FROM_DATABASE",
            },
            "Configuration": _GROUPING,
            "LakeFormationConfiguration": {"UseLakeFormationCredentials": False},
        }

    async def _start(self, name: str) -> None:
        try:
            await self._aws.call("glue", "start_crawler", Name=name)
        except AwsRejected as error:
            if error.aws_code == _ABSENT:
                raise _gone("crawler", name) from error
            if error.aws_code not in _RUNNING:
                raise

    async def _crawler(self, name: str) -> dict[str, Any] | None:
        try:
            answer = await self._aws.call("glue", "get_crawler", Name=name)
        except AwsRejected as error:
            if error.aws_code == _ABSENT:
                return None
            raise
        crawler: dict[str, Any] = answer["Crawler"]
        return crawler

    async def _found(self, asked: ToCrawl) -> list[dict[str, Any]]:
        """The project's tables in Glue.

        Raises:
            Unavailable: CRAWL_FAILED, their database is gone.
        """
        found: list[dict[str, Any]] = []
        try:
            async for page in self._aws.pages(
                "glue",
                "get_tables",
                DatabaseName=self._database,
                Expression=f"{_table_prefix(asked)}*",
            ):
                found += page["TableList"]
        except AwsRejected as error:
            if error.aws_code != _ABSENT:
                raise
            raise _gone("database", self._database) from error
        return found

    async def _told(
        self,
        asked: ToCrawl,
        tables: Sequence[RawTable],
        skipped: int,
        found: Sequence[Mapping[str, Any]],
    ) -> Crawled:
        told = []
        for name, table in zip(names_of(tables), tables, strict=True):
            told.append(await asyncio.to_thread(self._table, asked, name, table, found))
        return Crawled(tuple(told), skipped)

    def _table(
        self, asked: ToCrawl, name: str, table: RawTable, found: Sequence[Mapping[str, Any]]
    ) -> FoundTable:
        from meshplane.services.tables.raw_tables import described, head

        columns: list[FoundColumn] = []
        problem, there = table.problem, None
        if not problem:
            there, problem = table_of(_uri(asked, table), found, self._database)
        if there is not None:
            try:
                columns = columns_told(table, there, head(self._files, asked.area, table))
            except (Invalid, Missing) as error:
                problem = error.message
        return described(name, table, columns, problem)


def _uri(asked: ToCrawl, table: RawTable) -> str:
    place = f"s3://{asked.area.bucket}/{asked.area.folder}{table.location}"
    return place if table.whole else f"{place}/"


def _targets(crawler: Mapping[str, Any]) -> Iterable[str]:
    return [one["Path"] for one in (crawler.get("Targets") or {}).get("S3Targets") or ()]


def _digest(targets: Iterable[str]) -> str:
    """What tells targets from others, in whatever order."""
    return hashlib.sha256("\n".join(sorted(set(targets))).encode()).hexdigest()


def _table_prefix(asked: ToCrawl) -> str:
    return f"{asked.project_id.replace('-', '_')}_"


def _last(crawler: Mapping[str, Any]) -> str | None:
    """What tells the last crawl of a crawler from those before it."""
    began: datetime | None = (crawler.get("LastCrawl") or {}).get("StartTime")
    return None if began is None else began.isoformat()


def _busy(name: str) -> Unavailable:
    return Unavailable(
        "CRAWLER_BUSY",
        f"The project's crawler in Glue, {name}, is at work already, for somebody else or for an "
        "earlier crawl: its end is waited for. Who cannot wait stops it in Glue.",
    )


def _missing(name: str) -> Unavailable:
    return Unavailable(
        "CRAWLER_BUSY",
        f"The project's crawler in Glue, {name}, is not told of yet, or was deleted: this "
        "is tried again.",
    )


def _gone(what: str, name: str) -> Unavailable:
    return _failed(f"The {what} {name} was deleted in Glue meanwhile; another crawl makes it anew.")


def _failed(why: str) -> Unavailable:
    return Unavailable("CRAWL_FAILED", f"The crawl came to nothing. {why} Start another one.")
