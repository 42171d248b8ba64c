"""What lies in a project's raw area, and which tables that makes. Pure.

The rule, the same wherever the files lie:

- a folder with files is a table, together with the folders such as `year=2024` below it, whose
  names become columns;
- a file at the very top of the area is a table of its own, as files there have nothing in common;
- files whose names, or whose folders' names, begin with `_` or `.` are left out, as Hive does, and
  so are empty files, by which tools show folders; files of no known format are counted.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from meshplane.kit.errors import Invalid, TooLarge
from meshplane.services.projects.api import raw_folder
from meshplane.services.tables.crawl_ports import Format, RawArea, RawFile

MOST_FILES = 10_000
"""Files below one crawled path."""

MOST_TABLES = 100
"""Tables that one crawl may find."""

MOST_COLUMNS = 2_000
"""Columns that a table made of files may have."""

_SUFFIXES: dict[str, Format] = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".csv.gz": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".json.gz": "json",
    ".jsonl.gz": "json",
    ".ndjson.gz": "json",
}
_LONGEST_PATH, _LONGEST_NAME = 500, 63
_NOT_IN_NAMES = re.compile(r"[^a-z0-9_]+")
_PARTITION = re.compile(r"(?P<key>[^=]+)=(?P<value>.*)")
_NULL = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True, slots=True)
class RawTable:
    """Files that make a table; see `FoundTable`. `partitions` are names as the folders have them.

    `whole` says whether it is one file at the top of the area.
    """

    location: str
    format: Format | None
    files: tuple[RawFile, ...]
    partitions: tuple[str, ...]
    whole: bool
    problem: str = ""

    @property
    def size_bytes(self) -> int:
        """Of all files together."""
        return sum(file.size_bytes for file in self.files)


def area_of(bucket: str, project_id: str) -> RawArea:
    """The raw area of a project.

    Args:
        bucket: of its domain.
        project_id: the project.
    """
    return RawArea(bucket, raw_folder(project_id))


def checked_path(path: str) -> str:
    """A path of the raw area without slashes around it; empty for the whole area.

    Raises:
        Invalid: CRAWL_PATH_INVALID.
    """
    if not path:
        return ""
    parts = path.removesuffix("/").split("/")
    if len(path) > _LONGEST_PATH or not path.isprintable() or "\\" in path:
        raise _invalid(f"It has at most {_LONGEST_PATH} printable characters, and no backslash.")
    if any(part in ("", ".", "..") for part in parts):
        raise _invalid("It begins with no /, and has no empty name, no . and no .. in it.")
    if any("=" in part for part in parts):
        raise _invalid("It leads into a partition: name the folder that holds all of the table.")
    return "/".join(parts)


def tables_in(files: Iterable[RawFile]) -> tuple[list[RawTable], int]:
    """The tables that files make, by location, and how many files are of no known format.

    Raises:
        TooLarge: CRAWL_TOO_LARGE.
    """
    gathered: defaultdict[str, list[RawFile]] = defaultdict(list)
    tops: list[RawTable] = []
    skipped = 0
    for file in files:
        if file.size_bytes == 0 or any(part[:1] in "_." for part in file.path.split("/")):
            continue
        if format_of(file.path) is None:
            skipped += 1
        elif "/" not in file.path:
            kind, problem = format_of(file.path), _archived((file,))
            tops.append(RawTable(file.path, kind, (file,), (), whole=True, problem=problem))
        else:
            gathered[_table_of(file.path)].append(file)
    tables = [*tops, *(_folder(location, some) for location, some in gathered.items())]
    if len(tables) > MOST_TABLES:
        raise TooLarge(
            "CRAWL_TOO_LARGE",
            f"There are {len(tables):,} tables below this path, and one crawl finds at most "
            f"{MOST_TABLES}: crawl folder by folder.",
            field="path",
        )
    return sorted(tables, key=lambda table: table.location), skipped


def format_of(path: str) -> Format | None:
    """The format that a file's name says; None for one of no known format."""
    name = path.rpartition("/")[2].lower()
    return next((kind for suffix, kind in _SUFFIXES.items() if name.endswith(suffix)), None)


def is_zipped(path: str) -> bool:
    """Whether a file's name says that it is compressed by gzip."""
    return path.lower().endswith(".gz")


def partition_values(table: str, path: str) -> dict[str, str | None]:
    """What the folders between a table and one of its files say, by name.

    Args:
        table: the table's location.
        path: of the file.
    """
    folders = path.removeprefix(table).strip("/").split("/")[:-1]
    return {key: value for key, value in map(_said, folders) if key}


def names_of(tables: Sequence[RawTable]) -> list[str]:
    """A name for each table, one for each: of its folder or file, or of its whole path."""
    short = [sql_name(_stem(table)) for table in tables]
    names = [
        name if short.count(name) == 1 else sql_name(table.location.replace("/", "_"))
        for name, table in zip(short, tables, strict=True)
    ]
    return unlike(names)


def sql_name(text: str, otherwise: str = "t") -> str:
    """A name that SQL takes without quotes, as like a text as may be.

    Args:
        text: anything.
        otherwise: what it begins with where the text begins with no letter.
    """
    name = _NOT_IN_NAMES.sub("_", text.lower()).strip("_")
    if not name[:1].isalpha():
        name = f"{otherwise}_{name}".rstrip("_")
    return name[:_LONGEST_NAME].rstrip("_")


def unlike(names: Sequence[str]) -> list[str]:
    """The names, later ones with a number where an earlier one is the same."""
    made: list[str] = []
    taken = set(names)
    for name in names:
        free, number = name, 2
        while free in made or (free != name and free in taken):
            ending = f"_{number}"
            free, number = f"{name[: _LONGEST_NAME - len(ending)]}{ending}", number + 1
        made.append(free)
    return made


def _table_of(path: str) -> str:
    """The folder of a file, less the folders that say values."""
    folders = path.split("/")[:-1]
    while len(folders) > 1 and _PARTITION.fullmatch(folders[-1]):
        folders.pop()
    return "/".join(folders)


def _folder(location: str, files: list[RawFile]) -> RawTable:
    formats = sorted({str(format_of(file.path)) for file in files})
    keys = {tuple(partition_values(location, file.path)) for file in files}
    problem = ""
    if len(formats) > 1:
        problem = (
            f"Files of several formats lie in it ({', '.join(formats)}): keep each in a folder of "
            "its own."
        )
    elif len(keys) > 1:
        problem = "Not all of its files lie at the same depth of folders such as year=2024."
    else:
        problem = _archived(files)
    kind = format_of(files[0].path) if len(formats) == 1 else None
    partitions = next(iter(keys)) if len(keys) == 1 else ()
    ordered = tuple(sorted(files, key=lambda file: file.path))
    return RawTable(location, kind, ordered, partitions, whole=False, problem=problem)


def _archived(files: Sequence[RawFile]) -> str:
    """What is wrong where a file must be restored before it is read; empty otherwise."""
    one = next((file.path for file in files if file.is_archived), None)
    return (
        f"{one} is archived (S3 Glacier): restore it, or take it out of the area."
        if one is not None
        else ""
    )


def _said(folder: str) -> tuple[str, str | None]:
    said = _PARTITION.fullmatch(folder)
    if said is None:
        return "", None
    value = unquote(said["value"])
    return unquote(said["key"]), None if value == _NULL else value


def _stem(table: RawTable) -> str:
    name = table.location.rpartition("/")[2]
    if not table.whole:
        return name
    ending = max((one for one in _SUFFIXES if name.lower().endswith(one)), key=len)
    return name[: -len(ending)]


def _invalid(why: str) -> Invalid:
    return Invalid("CRAWL_PATH_INVALID", f"This is no folder of the raw area. {why}", field="path")
