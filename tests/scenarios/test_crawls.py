"""Files in a project's raw area, found, and made tables that are queried; over HTTP."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest

from tests.builders.raw_areas import csv, json_lines, parquet
from tests.builders.server import Server, running_server

pytestmark = pytest.mark.scenario

ADMIN, OLGA, VERA, OTTO = "admin@mesh", "olga@air", "vera@air", "otto@air"

_LOGICAL = {"string": "string", "long": "integer", "int": "integer"}
_CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: 2d7bb6a5-4b2e-4f0e-9e43-0c8f5f1a2b3d
name: NAME
version: 1.0.0
status: active
schema:
  - name: NAME
    physicalType: table
    logicalType: object
    properties:
"""


class Air:
    """A domain with two projects, each with a raw area."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.clients = {
            ADMIN: server.client(ADMIN, ("mesh-admins",)),
            **{who: server.client(who) for who in (OLGA, VERA, OTTO)},
        }
        domain = self.ask(ADMIN, "POST", "/domains", name="air", description="", members=[])
        self.bucket = domain["bucket"]
        self.flights, self.others = (
            self.ask(
                ADMIN,
                "POST",
                "/projects",
                domainId=domain["domainId"],
                name=name,
                description="",
                members=[
                    {"principal": f"user:{who}", "role": role} for who, role in members.items()
                ],
            )["projectId"]
            for name, members in (
                ("flights", {OLGA: "owner", VERA: "viewer"}),
                ("others", {OTTO: "owner"}),
            )
        )

    def answer(self, who: str, method: str, path: str, /, **body: Any) -> httpx.Response:
        """The answer to a request."""
        return self.clients[who].request(method, f"/api/v1{path}", json=body or None)

    def ask(self, who: str, method: str, path: str, /, **body: Any) -> dict[str, Any]:
        """What a request that succeeds gives."""
        answer = self.answer(who, method, path, **body)
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def area(self, project: str) -> Path:
        """A project's raw area on the disk."""
        lake = self.server.home / "lake"
        place = lake / self.bucket / "projects" / project / "raw"
        place.mkdir(parents=True, exist_ok=True)
        return place

    def put(self, path: str, content: bytes) -> None:
        """A file in the raw area of flights."""
        place = self.area(self.flights) / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)

    def crawl(self, path: str = "", who: str = OLGA) -> dict[str, Any]:
        """A crawl of flights, ended."""
        begun = self.answer(who, "POST", "/tables/crawls", projectId=self.flights, path=path)
        assert (begun.status_code, begun.json()["status"]) == (202, "RUNNING"), begun.text
        return self.ended(begun.json()["crawlId"])

    def ended(self, crawl_id: str) -> dict[str, Any]:
        """A crawl that has come to its end."""
        give_up = time.monotonic() + 60
        while time.monotonic() < give_up:
            crawl = self.ask(OLGA, "GET", f"/tables/crawls/{crawl_id}")
            if crawl["status"] != "RUNNING":
                return crawl
            time.sleep(0.05)
        raise AssertionError("the crawl does not end")

    def refused(self, crawl: dict[str, Any], **body: Any) -> tuple[int, str, str]:
        """Status, code and text of a table that is not made."""
        path = f"/tables/crawls/{crawl['crawlId']}/tables"
        answer = self.answer(OLGA, "POST", path, **body)
        return answer.status_code, answer.json()["code"], answer.json()["detail"]

    def make(self, crawl: dict[str, Any], **body: Any) -> dict[str, Any]:
        """A table made of what was found."""
        return self.ask(OLGA, "POST", f"/tables/crawls/{crawl['crawlId']}/tables", **body)

    def rows(self, table: dict[str, Any], select: str) -> list[Any]:
        """The rows of a table, which is published for it; `select` names columns, to order by."""
        name = self.publish(table)["name"]
        sql = f"SELECT {select} FROM air.{name} ORDER BY ALL"
        give_up = time.monotonic() + 60
        answer = self.answer(OLGA, "POST", "/query", sql=sql)
        while answer.status_code == 403 and time.monotonic() < give_up:
            time.sleep(0.1)
            answer = self.answer(OLGA, "POST", "/query", sql=sql)
        found: list[Any] = answer.json()["rows"]
        return found

    def publish(self, table: dict[str, Any]) -> dict[str, Any]:
        """The asset that a table is published as."""
        properties = "".join(
            f"      - {{name: {one['name']}, logicalType: {_LOGICAL.get(one['type'], 'number')}, "
            f'physicalType: "{one["type"]}"}}\n'
            for one in table["columns"]
        )
        contract = _CONTRACT.replace("NAME", table["name"]) + properties
        return self.ask(
            OLGA,
            "POST",
            "/assets",
            projectId=self.flights,
            tableId=table["tableId"],
            name=table["name"],
            description="Made of files.",
            classification="internal",
            contract=contract,
        )


@pytest.fixture(scope="module")
def air() -> Iterator[Air]:
    with running_server() as server:
        made = Air(server)
        yield made
        for client in made.clients.values():
            client.close()
        assert server.unforeseen() == []


@pytest.fixture(autouse=True)
def _empty(air: Air) -> None:
    """Each test begins with an empty area."""
    place = air.area(air.flights)
    for folder, folders, names in os.walk(place, topdown=False):
        for name in names:
            Path(folder, name).unlink()
        for name in folders:
            inside = Path(folder, name)
            inside.unlink() if inside.is_symlink() else inside.rmdir()


def test_files__are_found_made_tables_with_their_events_published_and_queried(air: Air) -> None:
    air.put("sales/year=2025/a.parquet", parquet({"Id": [1, 2], "amount": ["1.50", "2.5"]}))
    air.put("sales/year=2026/a.parquet", parquet({"Id": [3], "amount": ["4"]}))
    air.put("airports.csv", csv("Code,Feet", "JFK,13", "EWR,", "LGA,21"))
    air.put("bookings/a.jsonl", json_lines({"who": "ana", "seats": 2}, {"who": "ben"}))
    crawl = air.crawl()
    assert (crawl["status"], crawl["foundTables"], crawl["statusReason"]) == ("SUCCEEDED", 3, None)
    names = [table["name"] for table in crawl["tables"]]
    assert names == ["airports", "bookings", "sales"]
    sales = air.make(crawl, found="sales", columns=[
        {"name": "id"}, {"name": "amount", "type": "decimal(9,2)"}, {"name": "year", "type": "int"},
    ], partitionBy=[{"column": "year", "transform": "identity"}])  # fmt: skip
    assert (sales["rows"], sales["partitionBy"][0]["column"]) == (3, "year")
    assert [(one["name"], one["type"]) for one in sales["columns"]] == [
        ("id", "long"),
        ("amount", "decimal(9,2)"),
        ("year", "int"),
    ]
    places = air.make(crawl, found="airports", name="places")
    bookings = air.make(crawl, found="bookings")
    assert air.rows(sales, "id, amount, year") == [
        [1, "1.50", 2025],
        [2, "2.50", 2025],
        [3, "4.00", 2026],
    ]
    assert air.rows(places, "code, feet") == [
        ["EWR", None],
        ["JFK", 13],
        ["LGA", 21],
    ]
    assert air.rows(bookings, "who, seats") == [["ana", 2], ["ben", None]]
    found = air.ask(ADMIN, "GET", "/events?limit=200")["items"]
    told = [(one["type"], one["detail"].get("tableId")) for one in found]
    assert told.count(("TableCreated", sales["tableId"])) == 1
    assert told.count(("TableSnapshotCommitted", sales["tableId"])) == 1
    ended = [one for one in found if one["detail"].get("crawlId") == crawl["crawlId"]]
    assert [(one["type"], one["detail"]["foundTables"]) for one in ended] == [("CrawlCompleted", 3)]
    trail = air.ask(ADMIN, "GET", "/audit?limit=1000")["items"]
    assert [
        (one["operation"], one["actor"], one["onBehalfOf"], one["outcome"])
        for one in trail
        if one["resource"] == f"Crawl:{crawl['crawlId']}"
    ] == [
        ("startCrawl", f"user:{OLGA}", None, "allowed"),
        ("endCrawl", "service:tables", f"user:{OLGA}", "allowed"),
    ]


def test_crawls__are_listed_latest_first_page_by_page(air: Air) -> None:
    ids = [air.crawl("")["crawlId"] for _ in range(3)]
    page = air.ask(OLGA, "GET", f"/tables/crawls?projectId={air.flights}&limit=2")
    assert [one["crawlId"] for one in page["items"]] == [ids[2], ids[1]]
    path = f"/tables/crawls?projectId={air.flights}&limit=2&cursor={page['nextCursor']}"
    assert air.ask(VERA, "GET", path)["items"][0]["crawlId"] == ids[0]


def test_area_of_another_project__is_reached_by_no_path_and_no_link(air: Air) -> None:
    secret = air.area(air.others) / "payroll" / "a.csv"
    secret.parent.mkdir(parents=True, exist_ok=True)
    secret.write_bytes(csv("who,pay", "ana,1000"))
    area = air.area(air.flights)
    for path in ("..", f"../../{air.others}/raw/payroll", str(secret.parent), "sub/../../x"):
        answer = air.answer(OLGA, "POST", "/tables/crawls", projectId=air.flights, path=path)
        assert (answer.status_code, answer.json()["code"]) == (400, "CRAWL_PATH_INVALID")
    (area / "folder").symlink_to(secret.parent)
    (area / "own").mkdir()
    (area / "own" / "linked.csv").symlink_to(secret)
    (area / "own" / "a.csv").write_bytes(csv("id,n", "1,2"))
    crawl = air.crawl()
    assert [(one["location"], one["files"]) for one in crawl["tables"]] == [("own", 1)]
    below = air.crawl("folder")
    assert (below["status"], below["tables"]) == ("FAILED", [])
    assert "CRAWL_PATH_INVALID" in below["statusReason"]
    # A link that took a file's, or a folder's, place after the crawl.
    (area / "own" / "a.csv").unlink()
    (area / "own" / "a.csv").symlink_to(secret)
    assert air.refused(crawl, found="own")[1] == "RAW_FILE_NOT_FOUND"
    for name in ("a.csv", "linked.csv"):
        (area / "own" / name).unlink()
    (area / "own").rmdir()
    (area / "own").symlink_to(secret.parent)
    assert air.refused(crawl, found="own")[1] == "CRAWL_PATH_INVALID"


def test_crawl__is_hidden_from_who_is_in_no_role_of_the_project(air: Air) -> None:
    crawl = air.crawl()
    path = f"/tables/crawls/{crawl['crawlId']}"
    assert air.answer(OTTO, "GET", path).status_code == 404
    assert air.answer(OTTO, "POST", f"{path}/tables", found="x").status_code == 404
    assert air.answer(VERA, "GET", path).status_code == 200
    started = air.answer(VERA, "POST", "/tables/crawls", projectId=air.flights)
    assert started.status_code == 403


def test_what_cannot_be_a_table__is_refused_with_what_is_wrong_and_where(air: Air) -> None:
    air.put("late/a.csv", csv("id,n", *(f"{number},{number}" for number in range(200_000))))
    air.put("late/b.csv", csv("id,n", *["1,1"] * 400_000, "2,secret-value"))
    air.put("mixed/a.csv", csv("id,n", "1,2"))
    air.put("mixed/a.json", json_lines({"id": 1}))
    air.put("nested/a.jsonl", json_lines({"id": 1, "tags": ["x"]}))
    air.put("taken/a.csv", csv("id,n", "1,2"))
    air.put("parted/day=1/a.csv", csv("id,n", "1,2"))
    crawl = air.crawl()
    status, code, text = air.refused(crawl, found="late")
    assert (status, code) == (400, "FILES_DO_NOT_FIT")
    assert "late/b.csv" in text
    assert "'n'" in text
    assert "secret-value" not in text
    assert air.refused(crawl, found="mixed")[1] == "FOUND_TABLE_UNUSABLE"
    assert air.refused(crawl, found="nested")[1] == "COLUMN_TYPE_UNSUPPORTED"
    assert air.refused(crawl, found="nothing")[:2] == (404, "FOUND_TABLE_MISSING")
    wrong = [{"name": "nobody"}]
    assert air.refused(crawl, found="taken", columns=wrong)[1] == "COLUMN_NOT_FOUND"
    assert air.refused(crawl, found="parted", columns=[{"name": "day"}])[1] == "COLUMNS_MISSING"
    air.make(crawl, found="taken", name="taken_once")
    assert air.refused(crawl, found="taken", name="taken_once")[:2] == (409, "NAME_TAKEN")
    left = air.make(crawl, found="late", columns=[{"name": "id"}, {"name": "n", "type": "string"}])
    assert left["rows"] == 600_001
    kept = air.make(crawl, found="nested", columns=[{"name": "id"}])
    assert kept["rows"] == 1


def test_rows_that_came_since_the_crawl__are_in_the_table_and_files_that_went_are_told(
    air: Air,
) -> None:
    air.put("grows/a.csv", csv("id,n", "1,2"))
    air.put("gone.csv", csv("id,n", "1,2"))
    crawl = air.crawl()
    air.put("grows/b.csv", csv("n,id", "4,3"))
    (air.area(air.flights) / "gone.csv").unlink()
    grown = air.make(crawl, found="grows")
    assert grown["rows"] == 2
    assert air.rows(grown, "id, n") == [[1, 2], [3, 4]]
    assert air.refused(crawl, found="gone")[:2] == (404, "RAW_FILE_NOT_FOUND")


def test_no_rows__make_an_empty_table(air: Air) -> None:
    air.put("empty/a.parquet", parquet({"id": pa.array([], pa.int64())}))
    table = air.make(air.crawl(), found="empty")
    assert (table["rows"], table["snapshotId"]) == (0, None)
