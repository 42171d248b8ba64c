"""A server that is killed while it crawls: the crawl goes on, but not for ever."""

import sqlite3
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from meshplane.run.links import issuer
from meshplane.run.settings import read_settings
from tests.builders.mortal_server import MortalServer, free_port
from tests.builders.raw_areas import csv

pytestmark = pytest.mark.fault

_TABLES, _FILES = 60, 40


def _ask(server: MortalServer, method: str, path: str, /, **body: Any) -> dict[str, Any]:
    token = issuer(read_settings(home=server.home)).mint("admin@mesh", ("mesh-admins",))
    answer = httpx.request(
        method,
        f"{server.url}/api/v1{path}",
        headers={"Authorization": f"Bearer {token}"},
        json=body or None,
        timeout=60,
        trust_env=False,
    )
    assert answer.is_success, answer.text
    found: dict[str, Any] = answer.json()
    return found


def _area(server: MortalServer) -> str:
    """A project with so many files in its raw area that a crawl takes seconds; its id."""
    domain = _ask(server, "POST", "/domains", name="air", description="", members=[])
    project: str = _ask(
        server,
        "POST",
        "/projects",
        domainId=domain["domainId"],
        name="flights",
        description="",
        members=[{"principal": "user:admin@mesh", "role": "owner"}],
    )["projectId"]
    area = server.home / "lake" / domain["bucket"] / "projects" / project / "raw"
    for table in range(_TABLES):
        folder = area / f"t{table}"
        folder.mkdir(parents=True)
        for file in range(_FILES):
            (folder / f"{file}.csv").write_bytes(csv("id,n", f"{file},{table}"))
    return project


def _ended(server: MortalServer, crawl: dict[str, Any]) -> dict[str, Any]:
    give_up = time.monotonic() + 120
    while crawl["status"] == "RUNNING":
        assert time.monotonic() < give_up, "the crawl does not end"
        time.sleep(0.2)
        crawl = _ask(server, "GET", f"/tables/crawls/{crawl['crawlId']}")
    return crawl


def test_kill__in_the_middle_of_a_crawl__leaves_one_that_ends_as_it_would_have(
    tmp_path: Path,
) -> None:
    server = MortalServer(tmp_path / "home", free_port())
    server.start()
    try:
        server.wait_until_ready()
        project = _area(server)
        crawl = _ask(server, "POST", "/tables/crawls", projectId=project)
        assert crawl["status"] == "RUNNING"
        time.sleep(0.2)
        assert _ask(server, "GET", f"/tables/crawls/{crawl['crawlId']}")["status"] == "RUNNING"
        server.kill()
        server.start()
        server.wait_until_ready()
        crawl = _ended(server, crawl)
        assert (crawl["status"], crawl["foundTables"]) == ("SUCCEEDED", _TABLES)
        assert {table["files"] for table in crawl["tables"]} == {_FILES}
        listed = _ask(server, "GET", f"/tables/crawls?projectId={project}")["items"]
        assert [one["crawlId"] for one in listed] == [crawl["crawlId"]]
    finally:
        server.stop()


def _attempts(server: MortalServer) -> int:
    """How many attempts have begun at the step of the crawl that goes on."""
    database = sqlite3.connect(f"file:{server.home / 'meshplane.db'}?mode=ro", uri=True)
    try:
        found = database.execute(
            """SELECT max(json_extract(CAST(body AS TEXT), '$.attempts')) FROM "Messages"
               WHERE pk = 'table-crawls'"""
        ).fetchone()[0]
    finally:
        database.close()
    return int(found or 0)


def test_kill__at_every_attempt__ends_the_crawl_and_says_what_to_do(tmp_path: Path) -> None:
    server = MortalServer(tmp_path / "home", free_port())
    server.start()
    try:
        server.wait_until_ready()
        project = _area(server)
        crawl = _ask(server, "POST", "/tables/crawls", projectId=project)
        for attempt in (1, 2, 3):
            give_up = time.monotonic() + 60
            while _attempts(server) < attempt:
                assert time.monotonic() < give_up, "the crawl is not taken up"
                time.sleep(0.02)
            server.kill()
            server.start()
            server.wait_until_ready()
        crawl = _ended(server, crawl)
        assert (crawl["status"], crawl["tables"]) == ("FAILED", [])
        assert crawl["statusReason"].startswith("CRAWL_FAILED: A step of it was begun 3 times")
        again = _ask(server, "POST", "/tables/crawls", projectId=project, path="t0")
        assert again["crawlId"] != crawl["crawlId"]
    finally:
        server.stop()
