"""A server that is killed while it crawls: the crawl goes on when it is started again."""

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
        give_up = time.monotonic() + 120
        while crawl["status"] == "RUNNING":
            assert time.monotonic() < give_up, "the crawl does not go on"
            time.sleep(0.2)
            crawl = _ask(server, "GET", f"/tables/crawls/{crawl['crawlId']}")
        assert (crawl["status"], crawl["foundTables"]) == ("SUCCEEDED", _TABLES)
        assert {table["files"] for table in crawl["tables"]} == {_FILES}
        listed = _ask(server, "GET", f"/tables/crawls?projectId={project}")["items"]
        assert [one["crawlId"] for one in listed] == [crawl["crawlId"]]
    finally:
        server.stop()
