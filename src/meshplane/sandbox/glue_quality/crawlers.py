"""Crawlers that come to an end: Iceberg tables and files become tables of Glue.

moto keeps the crawlers themselves. A crawl runs when its crawler is asked for, so runs repeat; the
first answer is RUNNING.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
from moto.core.exceptions import JsonRESTError
from pyiceberg.serializers import FromInputFile

from meshplane.sandbox.fake import Caller, FakeError, Handler, World
from meshplane.sandbox.glue_quality.classified import table_inputs
from meshplane.sandbox.glue_quality.crawl_role import NotAllowed, check_role
from meshplane.sandbox.glue_quality.iceberg_format import columns_of
from meshplane.sandbox.lake_state import (
    NoObject,
    ObjectFileIO,
    StoredObject,
    glue_of,
    list_objects,
    read_object,
    told_by_moto,
)

_METADATA = ".metadata.json"
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
            self._run_files(caller, crawler)
        except NotAllowed as error:
            crawl.status, crawl.error = "FAILED", str(error)
        except (NoObject, pa.ArrowException, JsonRESTError) as error:
            crawl.status = "FAILED"
            crawl.error = f"Internal Service Exception: {type(error).__name__}"

    def _run_files(self, caller: Caller, crawler: Any) -> None:
        made: set[str] = set()
        for one in (crawler.targets or {}).get("S3Targets") or []:
            objects = _objects(one["Path"])
            role, database = crawler.role, crawler.database_name
            read = [each.location for each in objects]
            check_role(self._world, caller, role, database, read)
            for location, given in table_inputs(one["Path"], objects).items():
                made.add(_put(caller, crawler, location.rstrip("/"), given))
        policy = crawler.schema_change_policy or {}
        if policy.get("DeleteBehavior") == "DELETE_FROM_DATABASE":
            _drop_others(caller, crawler, made)


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


def _objects(target: str) -> list[StoredObject]:
    """What lies below a target, or is it; folders as tools show them are nothing."""
    below = [one for one in list_objects(target.rstrip("/")) if one.body]
    if below or target.endswith("/"):
        return below
    try:
        return [read_object(target)]
    except NoObject:
        return []


def _put(caller: Caller, crawler: Any, location: str, made: dict[str, Any]) -> str:
    """Makes a table, or changes the one of its place; its name."""
    named = re.sub(r"[^a-z0-9_]", "_", location.rpartition("/")[2].lower())
    name = (crawler.table_prefix or "") + named
    glue = glue_of(caller.account, caller.region)
    known = glue.get_database(crawler.database_name).tables
    if name in known and _location(known[name]) != location:
        # Two folders of one name: Glue tells them apart by a digest.
        name += f"_{hashlib.sha256(location.encode()).hexdigest()[:32]}"
    given = {"Name": name, **made}
    parameters = {**made["Parameters"], "UPDATED_BY_CRAWLER": crawler.name}
    given["Parameters"] = parameters
    if name in known:
        glue.update_table(crawler.database_name, name, given)
    else:
        glue.create_table(crawler.database_name, name, given)
    return name


def _drop_others(caller: Caller, crawler: Any, made: set[str]) -> None:
    glue = glue_of(caller.account, caller.region)
    for name, table in list(glue.get_database(crawler.database_name).tables.items()):
        parameters = table.as_dict().get("Parameters") or {}
        if parameters.get("UPDATED_BY_CRAWLER") == crawler.name and name not in made:
            glue.delete_table(crawler.database_name, name)


def _location(table: Any) -> str:
    storage = table.as_dict().get("StorageDescriptor") or {}
    return str(storage.get("Location", "")).rstrip("/")
