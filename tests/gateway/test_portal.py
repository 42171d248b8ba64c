"""The portal's pages: served without a token, under a strict policy, and complete in themselves."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib.resources import files

import httpx
import pytest

from tests.builders.server import running_server

PAGES = {
    "/": ("index.html", "text/html"),
    "/docs": ("docs.html", "text/html"),
    "/portal.css": ("portal.css", "text/css"),
    "/portal.js": ("portal.js", "text/javascript"),
}


@pytest.fixture(scope="module")
def stranger() -> Iterator[httpx.Client]:
    with running_server() as server, server.client() as client:
        yield client


@pytest.mark.parametrize("path", PAGES)
def test_portal__asked_without_a_token__sends_the_page_with_its_type(
    path: str, stranger: httpx.Client
) -> None:
    name, media_type = PAGES[path]
    answer = stranger.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == f"{media_type}; charset=utf-8"
    assert answer.content == files("meshplane.gateway").joinpath("portal", name).read_bytes()
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_portal__loads_nothing_from_elsewhere_and_only_what_is_there(
    path: str, stranger: httpx.Client
) -> None:
    page = stranger.get(path).text
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert loaded
    for target in loaded:
        assert target.startswith("/"), target
        assert stranger.get(target.partition("#")[0]).status_code == 200
    # The policy would stop these: a script or a style that stands in the page itself.
    assert re.findall(r"<script(?![^>]*src)|<style|style=|\son\w+=", page) == []


def test_portal__links_to_groups_of_operations_that_exist(stranger: httpx.Client) -> None:
    paths = stranger.get("/openapi.json").json()["paths"].values()
    tags = {tag for path in paths for operation in path.values() for tag in operation["tags"]}
    linked = set(re.findall(r'href="/docs#([\w-]+)"', stranger.get("/").text))
    assert linked
    assert linked - tags == set()


@pytest.mark.skipif(shutil.which("node") is None, reason="node, which parses the script, is absent")
def test_portal__its_script_parses() -> None:
    script = files("meshplane.gateway").joinpath("portal", "portal.js").read_text("utf-8")
    ran = subprocess.run(
        ["node", "--check", "-"], input=script, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
