"""What crawls need of the outside: the files of a project's raw area, and who says what is in them.

Every project has one raw area: the folder `raw` of its own in the bucket of its domain, and nothing
else. Paths below are relative to it, with `/` between names; a path that leaves it is refused, as
projects share a bucket, and what lies beside the area is other people's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Format = Literal["parquet", "csv", "json"]
"""Parquet; CSV with a first line of names; JSON with one object a line."""


@dataclass(frozen=True, slots=True)
class RawArea:
    """The raw area of a project.

    Args:
        bucket: of its domain.
        folder: the key in it, with its closing slash: `projects/ID/raw/`.
    """

    bucket: str
    folder: str


@dataclass(frozen=True, slots=True)
class RawFile:
    """A file of a raw area.

    Args:
        path: relative to the area.
        size_bytes: how large it is.
        is_archived: whether it must be restored before it can be read.
    """

    path: str
    size_bytes: int
    is_archived: bool = False


class RawFiles(Protocol):
    """Reads raw areas, with the rights by which tables are read. Its calls block."""

    def listed(self, area: RawArea, path: str, most: int) -> list[RawFile]:
        """The files below a folder of an area, by path; none where there is no such folder.

        Links are not followed, and not listed.

        Args:
            area: of a project.
            path: as `raw_area.checked_path` gives it.
            most: how many there may be.

        Raises:
            Invalid: CRAWL_PATH_INVALID, the folder is reached by a link.
            TooLarge: CRAWL_TOO_LARGE.
            Unavailable: LAKE_UNAVAILABLE.
        """
        ...

    def open(self, area: RawArea, path: str) -> Any:
        """A file, as pyarrow reads it; whoever asked closes it.

        Raises:
            Invalid: CRAWL_PATH_INVALID, it is a link, or no file.
            Missing: RAW_FILE_NOT_FOUND.
            Unavailable: LAKE_UNAVAILABLE.
        """
        ...


@dataclass(frozen=True, slots=True)
class FoundColumn:
    """A column of a found table.

    Args:
        name: for SQL, made of `source`.
        source: what the files call it.
        type: Iceberg's; of nested values, which no table here takes, what they are.
    """

    name: str
    source: str
    type: str


@dataclass(frozen=True, slots=True)
class FoundTable:
    """Files that make a table.

    Args:
        name: proposed for the table; one of a crawl.
        location: the folder, or the file, that holds it all; relative to the raw area.
        format: of its files; None of files of several.
        columns: those in the files, then `partition_columns`.
        partition_columns: names of the columns that folders such as `year=2024` say.
        files, size_bytes: how many there are, and how large they are together.
        problem: why no table can be made of it as it is; empty: one can.
    """

    name: str
    location: str
    format: Format | None
    columns: tuple[FoundColumn, ...]
    partition_columns: tuple[str, ...]
    files: int
    size_bytes: int
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ToCrawl:
    """What is to be crawled.

    Args:
        crawl_id: of this crawl.
        project_id: the project.
        area: its raw area.
        path: a folder of it; empty: all of it.
    """

    crawl_id: str
    project_id: str
    area: RawArea
    path: str


@dataclass(frozen=True, slots=True)
class Crawled:
    """What a crawl found; `skipped_files` are of no known format."""

    tables: tuple[FoundTable, ...]
    skipped_files: int


@dataclass(frozen=True, slots=True)
class CrawlBegun:
    """A crawl that is ready to run elsewhere. JSON values only, so that it can be kept.

    Args:
        before: the last crawl there before this one, by which this one is told from it.
        targets: a digest of what this one is to crawl; empty where that is not known.
    """

    before: str | None
    targets: str = ""


class Crawler(Protocol):
    """Says what lies in raw areas. Each method may be called again, and no crawl is made twice."""

    async def begin(self, asked: ToCrawl) -> CrawlBegun | Crawled:
        """Makes ready to crawl; some have done it at once.

        Raises:
            Invalid: CRAWL_PATH_INVALID.
            TooLarge: CRAWL_TOO_LARGE.
            Unavailable: CRAWLER_BUSY, it still crawls something else; or it is not to be had.
        """
        ...

    async def look(self, asked: ToCrawl, begun: CrawlBegun) -> CrawlBegun | Crawled | None:
        """What came of it; None while it goes on. Starts it where it has not been.

        Somebody else may have had other things crawled there meanwhile. Then it is begun anew, and
        what is known of that is given.

        Raises:
            Invalid, TooLarge: as `begin`.
            Unavailable: CRAWL_FAILED, it did not come to an end; otherwise as `begin`.
        """
        ...


@dataclass(frozen=True, slots=True)
class WantedColumn:
    """A column to read from files, by the name and type that it is to have in the table.

    Args:
        name, type: in the table; the type is Iceberg's.
        source: what the files call it; of a column that folders say, the folders' name for it.
    """

    name: str
    type: str
    source: str


@dataclass(frozen=True, slots=True)
class ToRead:
    """Files to read as rows.

    Args:
        area: where they lie.
        location: of the found table.
        format: of the files.
        files: by path, relative to the area.
        columns: what to read.
        partition_columns: sources of those that folders say.
        known: whether files may have only these columns; otherwise others are left out.
    """

    area: RawArea
    location: str
    format: Format
    files: Sequence[RawFile]
    columns: Sequence[WantedColumn]
    partition_columns: Sequence[str]
    known: bool
