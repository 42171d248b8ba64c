"""Crawlers that come to an end: Iceberg tables and folders of Parquet files become tables of Glue.

moto keeps the crawlers themselves. A crawl runs when its crawler is asked for, so runs repeat; the
first answer is RUNNING.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import Any

import pyarrow as pa
import pyarrow.parquet
from moto.core.exceptions import JsonRESTError
from pyiceberg.serializers import FromInputFile

from meshplane.sandbox.fake import Caller, FakeError, Handler, World
from meshplane.sandbox.glue_quality.iceberg_format import columns_of
from meshplane.sandbox.hive_types import hive_type_of_arrow
from meshplane.sandbox.lake_state import (
    NoObject,
    ObjectFileIO,
    glue_of,
    list_objects,
    told_by_moto,
)

_METADATA = ".metadata.json"
_PARQUET = {
    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "SerdeInfo": {
        "SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
    },
}

# Members of `UpdateCrawler`, by what moto calls them.
_CHANGEABLE = {
    "Classifiers": "classifiers",
    "Configuration": "configuration",
    "CrawlerSecurityConfiguration": "crawler_security_configuration",
    "DatabaseName": "database_name",
    "Description": "description",
    "LineageConfiguration": "lineage_configuration",
    "RecrawlPolicy": "recrawl_policy",
    "Role": "role",
    "Schedule": "schedule",
    "SchemaChangePolicy": "schema_change_policy",
    "TablePrefix": "table_prefix",
    "Targets": "targets",
}


@dataclass
class _Crawl:
    started: datetime
    polls: int = 0
    status: str | None = None
    error: str | None = None


class Crawlers:
    """Starts crawlers, and tells of them.

    Args:
        world: gives the time.
        polls_before_end: how often `get_crawler` answers RUNNING.
    """

    def __init__(self, world: World, polls_before_end: int = 1) -> None:
        self.polls_before_end = polls_before_end
        self._world = world
        self._crawls: dict[tuple[str, str, str], _Crawl] = {}
        self.handlers: Mapping[str, Handler] = {
            "StartCrawler": self._start,
            "StopCrawler": self._stop,
            "UpdateCrawler": self._update,
            "GetCrawler": self._get,
            "GetCrawlers": self._get_all,
        }

    def _start(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        name = parameters["Name"]
        _crawler(caller, name)
        known = self._crawls.get((caller.account, caller.region, name))
        if known is not None and known.status is None:
            raise FakeError(
                "CrawlerRunningException", f"Crawler with name {name} has already started"
            )
        self._crawls[caller.account, caller.region, name] = _Crawl(self._world.clock.now())
        return {}

    def _stop(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        name = parameters["Name"]
        _crawler(caller, name)
        known = self._crawls.get((caller.account, caller.region, name))
        if known is None or known.status is not None:
            raise FakeError(
                "CrawlerNotRunningException", f"Crawler with name {name} is not running"
            )
        known.status = "CANCELLED"
        return {}

    def _update(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        name = parameters["Name"]
        crawler = _crawler(caller, name)
        known = self._crawls.get((caller.account, caller.region, name))
        if known is not None and known.status is None:
            raise FakeError("CrawlerRunningException", f"Crawler with name {name} is running")
        for member, attribute in _CHANGEABLE.items():
            if member in parameters:
                setattr(crawler, attribute, parameters[member])
        crawler.version += 1
        return {}

    def _get(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        return {"Crawler": self._shown(caller, _crawler(caller, parameters["Name"]))}

    def _get_all(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        del parameters  # there are never so many that pages would be needed
        known = glue_of(caller.account, caller.region).get_crawlers()
        return {"Crawlers": [self._shown(caller, one) for one in known]}

    def _shown(self, caller: Caller, crawler: Any) -> dict[str, Any]:
        shown: dict[str, Any] = {**crawler.as_dict(), "State": "READY"}
        crawl = self._crawls.get((caller.account, caller.region, crawler.name))
        if crawl is None:
            return shown
        if crawl.status is None:
            crawl.polls += 1
            if crawl.polls <= self.polls_before_end:
                return {**shown, "State": "RUNNING"}
            self._run(caller, crawler, crawl)
        shown["LastCrawl"] = {
            "Status": crawl.status,
            "LogGroup": "/aws-glue/crawlers",
            "LogStream": crawler.name,
            "MessagePrefix": "crawl",
            "StartTime": crawl.started,
            **({"ErrorMessage": crawl.error} if crawl.error else {}),
        }
        return shown

    def _run(self, caller: Caller, crawler: Any, crawl: _Crawl) -> None:
        crawl.status = "SUCCEEDED"
        try:
            for path in _paths(crawler.targets, "IcebergTargets"):
                for location in _iceberg_roots(path):
                    _put(caller, crawler, location, _iceberg_input(location))
            for path in _paths(crawler.targets, "S3Targets"):
                _put(caller, crawler, path, _parquet_input(path))
        except (NoObject, pa.ArrowException, JsonRESTError) as error:
            crawl.status = "FAILED"
            crawl.error = f"Internal Service Exception: {type(error).__name__}"


def _crawler(caller: Caller, name: str) -> Any:
    try:
        return glue_of(caller.account, caller.region).get_crawler(name)
    except JsonRESTError as error:
        raise told_by_moto(error) from error


def _paths(targets: dict[str, Any], kind: str) -> list[str]:
    found: list[str] = []
    for one in targets.get(kind) or []:
        found += one.get("Paths") or [one["Path"]]
    return [path.rstrip("/") for path in found]


def _iceberg_roots(path: str) -> list[str]:
    """The tables below a path: where a folder of metadata files is."""
    files = [one.location for one in list_objects(path) if one.location.endswith(_METADATA)]
    return sorted({location.rpartition("/metadata/")[0] for location in files})


def _iceberg_input(location: str) -> dict[str, Any]:
    files = [
        one.location
        for one in list_objects(f"{location}/metadata")
        if one.location.endswith(_METADATA)
    ]
    newest = max(files)
    metadata = FromInputFile.table_metadata(ObjectFileIO().new_input(newest))
    return {
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"table_type": "ICEBERG", "metadata_location": newest},
        "StorageDescriptor": {"Columns": columns_of(metadata.schema()), "Location": location},
    }


def _parquet_input(path: str) -> dict[str, Any]:
    files = [one for one in list_objects(path) if one.location.endswith(".parquet")]
    if not files:
        raise NoObject(path)
    schema = pyarrow.parquet.read_schema(BytesIO(files[-1].body))
    columns = [{"Name": one.name.lower(), "Type": hive_type_of_arrow(one.type)} for one in schema]
    return {
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"classification": "parquet", "EXTERNAL": "TRUE"},
        "StorageDescriptor": {"Columns": columns, "Location": f"{path}/", **_PARQUET},
    }


def _put(caller: Caller, crawler: Any, location: str, made: dict[str, Any]) -> None:
    name = (crawler.table_prefix or "") + location.rpartition("/")[2].lower().replace("-", "_")
    glue = glue_of(caller.account, caller.region)
    known = glue.get_database(crawler.database_name).tables
    given = {"Name": name, **made}
    parameters = {**made["Parameters"], "UPDATED_BY_CRAWLER": crawler.name}
    given["Parameters"] = parameters
    if name in known:
        glue.update_table(crawler.database_name, name, given)
    else:
        glue.create_table(crawler.database_name, name, given)
