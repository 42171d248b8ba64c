"""Bodies of crawls."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from meshplane.boundary.schemas import ApiModel, Id, PageQuery, SqlName
from meshplane.services.tables.schemas import PartitionField, TypeName

RawPath = Annotated[str, StringConstraints(max_length=500)]


class NewCrawl(ApiModel):
    """What to crawl: a folder of the project's raw area; all of it where none is named."""

    project_id: Id
    path: RawPath = ""


class CrawlQuery(PageQuery):
    """Whose crawls to list."""

    project_id: Id


class FoundColumnView(ApiModel):
    """A column; `source` is what the files call it, `type` Iceberg's."""

    name: str
    source: str
    type: str


class FoundTableView(ApiModel):
    """Files that make a table.

    `location` is relative to the raw area. `problem` says why no table can be made of it as it is;
    it is null where one can.
    """

    name: str
    location: str
    format: Literal["parquet", "csv", "json"] | None
    columns: list[FoundColumnView]
    partition_columns: list[str]
    files: int
    size_bytes: int
    problem: str | None


class CrawlSummaryView(ApiModel):
    """A crawl; `status` is `RUNNING`, and then `SUCCEEDED` or, with its reason, `FAILED`."""

    crawl_id: str
    project_id: str
    path: str
    status: Literal["RUNNING", "SUCCEEDED", "FAILED"]
    status_reason: str | None
    found_tables: int
    skipped_files: int
    started_by: str
    started_at: str
    ended_at: str | None


class CrawlView(CrawlSummaryView):
    """A crawl, with the tables that it found. `skippedFiles` are of no known format."""

    tables: list[FoundTableView]


class TakenColumn(ApiModel):
    """A found column to take, with another type where the found one will not do."""

    name: SqlName
    type: TypeName | None = None


class NewTableFromCrawl(ApiModel):
    """Which found table to make a table of, and how; by default with all columns, as found."""

    found: SqlName
    name: SqlName | None = None
    columns: list[TakenColumn] | None = Field(default=None, min_length=1, max_length=2000)
    partition_by: list[PartitionField] = Field(default_factory=list, max_length=10)
