"""Crawlers of Glue: started, awaited, and what they found."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from meshplane.kit.errors import Invalid, Missing
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.aws.polling import until
from meshplane.services.tables.aws_glue_shapes import check_name

_ABSENT = "EntityNotFoundException"
_THERE = "AlreadyExistsException"
_RUNNING = "CrawlerRunningException"
_READY = "READY"
_FIRST_SECONDS, _LONGEST_SECONDS = 0.5, 30.0


@dataclass(frozen=True, slots=True)
class CrawlReport:
    """What a crawl came to.

    Args:
        status: Glue's word for its end: `SUCCEEDED`, `FAILED`, `CANCELLED`.
        tables: those of its database that were made or changed since it began, by name.
        log_stream: where Glue's log tells more, in the group of crawlers.
    """

    crawler: str
    status: str
    tables: tuple[str, ...]
    log_stream: str | None


class Crawlers:
    """Runs crawlers. Needs AWS: the sandbox's read Iceberg and Parquet alone.

    Args:
        aws: whose Glue.
    """

    def __init__(self, aws: Aws) -> None:
        self._aws = aws

    async def put(
        self,
        name: str,
        role_arn: str,
        database: str,
        paths: Sequence[str],
        *,
        reads: Literal["files", "iceberg"] = "files",
    ) -> None:
        """Makes a crawler, or makes the one that is there what this says.

        Args:
            name: of the crawler.
            role_arn: as whom it reads.
            database: that it fills, in lower case.
            paths: `s3://BUCKET/…/` each.
            reads: files of any kind, or Iceberg tables.

        Raises:
            Invalid: GLUE_NAME_INVALID, CRAWLER_PATHS_MISSING.
        """
        check_name(database, "database")
        if not paths:
            raise Invalid("CRAWLER_PATHS_MISSING", "Name what to crawl.", field="paths")
        targets: dict[str, Any] = (
            {"IcebergTargets": [{"Paths": list(paths)}]}
            if reads == "iceberg"
            else {"S3Targets": [{"Path": path} for path in paths]}
        )
        # It only adds: what vanished is told, and a schema is changed where it is read by nobody.
        policy = {"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": "LOG"}
        try:
            await self._aws.call(
                "glue",
                "create_crawler",
                Name=name,
                Role=role_arn,
                DatabaseName=database,
                Targets=targets,
                SchemaChangePolicy=policy,
                LakeFormationConfiguration={"UseLakeFormationCredentials": True},
            )
        except AwsRejected as error:
            if error.aws_code != _THERE:
                raise
            there = await self._crawler(name)
            if there.get("DatabaseName") == database and _paths(there["Targets"]) == set(paths):
                return
            await self._aws.call(
                "glue",
                "update_crawler",
                Name=name,
                Role=role_arn,
                DatabaseName=database,
                Targets=targets,
                SchemaChangePolicy=policy,
            )

    async def run(self, name: str, deadline_seconds: float = 1800.0) -> CrawlReport:
        """Starts a crawler and waits until it is ready again; joins a crawl that is under way.

        Args:
            name: of the crawler.
            deadline_seconds: after which it is left to itself.

        Raises:
            Missing: CRAWLER_NOT_FOUND.
            Unavailable: AWS_TOO_SLOW.
        """
        before = _started(await self._crawler(name))
        seen_running = False
        try:
            await self._aws.call("glue", "start_crawler", Name=name)
        except AwsRejected as error:
            if error.aws_code != _RUNNING:
                raise
            seen_running = True

        async def ended() -> dict[str, Any] | None:
            nonlocal seen_running
            crawler = await self._crawler(name)
            if crawler.get("State") != _READY:
                seen_running = True
                return None
            # Just after its start it may still be told as ready, with its last crawl as before.
            return crawler if seen_running or _started(crawler) != before else None

        crawler = await until(
            "the crawler has ended",
            ended,
            deadline_seconds,
            first_seconds=_FIRST_SECONDS,
            longest_seconds=_LONGEST_SECONDS,
        )
        return await self._report(crawler)

    async def _crawler(self, name: str) -> dict[str, Any]:
        try:
            answer = await self._aws.call("glue", "get_crawler", Name=name)
        except AwsRejected as error:
            if error.aws_code == _ABSENT:
                raise Missing("CRAWLER_NOT_FOUND", "Glue has no crawler of this name.") from error
            raise
        crawler: dict[str, Any] = answer["Crawler"]
        return crawler

    async def _report(self, crawler: dict[str, Any]) -> CrawlReport:
        last = crawler.get("LastCrawl") or {}
        begun, database = last.get("StartTime"), crawler.get("DatabaseName")
        found: list[str] = []
        if begun is not None and database:
            async for page in self._aws.pages("glue", "get_tables", DatabaseName=database):
                found += [one["Name"] for one in page["TableList"] if _changed(one) >= begun]
        return CrawlReport(
            crawler=crawler["Name"],
            status=last.get("Status", "UNKNOWN"),
            tables=tuple(sorted(found)),
            log_stream=last.get("LogStream"),
        )


def _paths(targets: dict[str, Any]) -> set[str]:
    files = {one["Path"] for one in targets.get("S3Targets") or ()}
    return files.union(*(one["Paths"] for one in targets.get("IcebergTargets") or ()))


def _changed(table: dict[str, Any]) -> datetime:
    changed: datetime = table.get("UpdateTime") or table["CreateTime"]
    return changed


def _started(crawler: dict[str, Any]) -> Any:
    return (crawler.get("LastCrawl") or {}).get("StartTime")
