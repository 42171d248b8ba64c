"""One mesh in three processes: the journey goes through, and each part alone behaves as it should.

Every process has some of the services and one home with the others. Where they answer stands in a
file of settings for two of them, in variables for the third.
"""

import inspect
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from meshplane.client import Api, connect
from meshplane.gateway.issuer import EmbeddedIssuer
from meshplane.kit.clock import SystemClock
from meshplane.run.catalogue import SERVICES
from meshplane.run.links import issuer
from meshplane.run.settings import read_settings
from meshplane.sample.journey import Journey, Outcome, Story
from meshplane.sample.loader import KEY_PREFIX
from meshplane.sample.nycflights import ROWS, NycFlights, default_archive
from meshplane.sample.people import ADMIN, FLIGHT_VIEWER, RESEARCH_ANALYST
from meshplane.sample.progress import FileProgressStore
from meshplane.sample.stage import Step
from tests.builders.mesh_check import complaints
from tests.builders.mortal_server import MortalServer, free_port
from tests.builders.prefix_router import routed

pytestmark = [
    pytest.mark.scenario,
    pytest.mark.skipif(
        not default_archive().is_file(),
        reason=f"{default_archive().name} is not in this environment: run `make setup`",
    ),
]

PARTS = {
    "people": ("domains", "projects", "blueprints", "permissions"),
    "data": ("tables", "assets", "catalog", "quality", "lineage"),
    "use": ("query", "subscriptions", "shares", "lake", "workflows", "events", "audit"),
}
PATHS = {service.name: service.name for service in SERVICES} | {
    "approvals": "workflows",
    "cross-account-share": "shares",
    "data-quality": "quality",
    "deployments": "blueprints",
    "executions": "workflows",
    "promotions": "projects",
}


class Split:
    """A mesh of three processes on one home.

    Attributes:
        servers: the process of each part.
        url_of: where each service answers.
    """

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.ports = {part: free_port() for part in PARTS}
        self.url_of = {
            service: f"http://127.0.0.1:{self.ports[part]}"
            for part, services in PARTS.items()
            for service in services
        }
        links = "\n".join(f'{service} = "{url}"' for service, url in self.url_of.items())
        config = folder / "meshplane.toml"
        config.write_text(f"[links]\n{links}\n")
        variables = {f"MESHPLANE_LINKS__{name}": url for name, url in self.url_of.items()}
        self.servers = {
            part: MortalServer(
                self.home,
                self.ports[part],
                ("--only", ",".join(services)),
                variables if part == "use" else {"MESHPLANE_CONFIG": str(config)},
            )
            for part, services in PARTS.items()
        }

    def mint(self, user: str, groups: tuple[str, ...]) -> str:
        """A token that every one of the three takes."""
        return self._issuer.mint(user, groups)

    @cached_property
    def _issuer(self) -> EmbeddedIssuer:
        return issuer(read_settings(home=self.home))

    def ask(
        self, service: str, path: str, body: Any = None, *, person: Any = ADMIN, url: str = ""
    ) -> httpx.Response:
        """The answer of the process that has the service; a GET, or a POST of the body."""
        token = self.mint(person.user, person.groups) if person is not None else None
        return httpx.request(
            "GET" if body is None else "POST",
            f"{url or self.url_of[service]}{path}",
            json=body,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=60.0,
            trust_env=False,
            verify=False,  # no TLS here, and no certificates to read for each request
        )


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Split]:
    """The three processes, started at once on a fresh home."""
    mesh = Split(tmp_path_factory.mktemp("split"))
    try:
        for server in mesh.servers.values():
            server.start()
        for server in mesh.servers.values():
            server.wait_until_ready()
        yield mesh
    finally:
        for server in mesh.servers.values():
            server.stop()


class _Listener:
    """Listens to the journey without a word."""

    def begins(self, step: Step) -> None:
        """See `Audience.begins`."""

    def ended(self, outcome: Outcome) -> None:
        """See `Audience.ended`."""


@pytest.fixture(scope="module")
def story(split: Split) -> Story:
    """The whole journey, played through a router before the three."""
    targets = {path: split.url_of[service] for path, service in PATHS.items()}
    with routed(targets) as url, connect(url) as client:
        journey = Journey(
            lambda token: Api(client, token),
            split.mint,
            FileProgressStore(split.home),
            archive=NycFlights(),
            clock=SystemClock(),
            key_prefix=KEY_PREFIX,
        )
        return journey.play(_Listener())


def _audit(split: Split) -> list[dict[str, Any]]:
    token = split.mint(ADMIN.user, ADMIN.groups)
    with connect(split.url_of["audit"]) as client:
        return list(Api(client, lambda: token).items("/audit"))


def test_journey__over_three_processes__every_check_holds(story: Story) -> None:
    assert story.trouble is None, story.outcomes[-1].saw
    assert [check for check in story.checks if not check.held] == []
    numbers = story.numbers
    assert {name: numbers[name] for name in ROWS} == ROWS
    assert (numbers["grantedFlights"], numbers["arrDelaySum"]) == (111_279, 605_550)
    assert (numbers["flightsAfterDelete"], numbers["flightsAsOfBefore"]) == (109_416, 111_279)
    assert (numbers["windyFlights"], numbers["qualityScore"]) == (507, 1.0)
    assert len(story.outcomes) > 30


def test_service__that_calls_another__stands_in_the_audit_trail_with_whom_it_acts_for(
    split: Split, story: Story
) -> None:
    assert story.held
    found = {
        (record["operation"], record["actor"], record["onBehalfOf"])
        for record in _audit(split)
        if record["outcome"] == "allowed"
    }
    steward, climate = "user:steward@aviation", "user:steward@climate"
    assert ("grantPermission", "service:subscriptions", steward) in found
    assert ("grantPermission", "service:subscriptions", climate) in found
    assert ("revokePermission", "service:subscriptions", steward) in found
    assert ("createTableFromQuery", "service:query", RESEARCH_ANALYST.principal) in found


def test_service__that_calls_another__carries_the_trace_along(split: Split, story: Story) -> None:
    assert story.held
    by_trace: dict[str, set[str]] = {}
    for record in _audit(split):
        by_trace.setdefault(record["traceId"], set()).add(record["operation"])
    assert {"materializeQuery", "createTableFromQuery"} in by_trace.values()


def _internal_paths() -> list[tuple[str, str]]:
    """Every (service, path) that only parts of the mesh may call."""
    found = []
    for service in SERVICES:
        try:
            api = getattr(service.module("api"), f"{service.name.capitalize()}Api")
        except ModuleNotFoundError:
            continue
        for name, _ in inspect.getmembers(api, inspect.isfunction):
            if not name.startswith("_"):
                found.append((service.name, f"/internal/v1/{service.name}/{name}"))
    return found


@pytest.mark.parametrize(("service", "path"), _internal_paths())
def test_internal_path__a_person_is_refused__whoever_it_is(
    split: Split, service: str, path: str
) -> None:
    for person in (ADMIN, FLIGHT_VIEWER):
        answer = split.ask(service, path, {}, person=person)
        assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")
    assert split.ask(service, path, {}, person=None).status_code == 401


def test_internal_paths__are_there_for_each_service_that_others_need() -> None:
    offering = {service for service, _ in _internal_paths()}
    needed = {need for service in SERVICES for need in service.module("wire").NEEDS}
    assert needed <= offering


def test_path__of_a_service_in_another_process__is_not_found(split: Split) -> None:
    answer = split.ask("tables", "/api/v1/tables", url=split.url_of["query"])
    assert (answer.status_code, answer.json()["code"]) == (404, "PATH_NOT_FOUND")


def test_service__that_is_down__makes_others_answer_503_and_no_error_of_theirs(
    split: Split, story: Story
) -> None:
    assert story.held
    listing = ("assets", "/api/v1/assets?projectId=proj-1")
    query = ("query", "/api/v1/query", {"sql": "SELECT count(*) FROM aviation.flights"})
    assert split.ask(*query).status_code == 403
    split.servers["people"].stop()
    try:
        for asked in (
            query,
            ("subscriptions", "/api/v1/subscriptions?projectId=proj-1"),
            ("tables", "/api/v1/tables?projectId=proj-1"),
        ):
            answer = split.ask(*asked, person=RESEARCH_ANALYST)
            assert (answer.status_code, answer.json()["code"]) == (503, "SERVICE_UNREACHABLE")
            assert answer.headers["Retry-After"] == "1"
    finally:
        split.servers["people"].start()
        split.servers["people"].wait_until_ready()
    assert split.ask(*query).status_code == 403
    assert split.ask(*listing).status_code != 503
    logs = [server.log for server in split.servers.values()]
    assert [log for log in logs if "unforeseen" in log] == []


def test_home__of_three_processes__is_whole_in_the_end(split: Split, story: Story) -> None:
    assert story.held
    for server in split.servers.values():
        server.stop()
    try:
        assert complaints(split.home) == []
    finally:
        for server in split.servers.values():
            server.start()
        for server in split.servers.values():
            server.wait_until_ready()


class _SomethingElse(BaseHTTPRequestHandler):
    """Answers, but is no part of a mesh."""

    status = 404

    def do_POST(self) -> None:
        """Greets."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.status)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<p>Hello</p>")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as http.server has it
        """Keeps the test's output clean."""


@pytest.mark.parametrize("status", [401, 404, 500])
def test_service__something_else_answers_in_its_place__503(status: int, tmp_path: Path) -> None:
    _SomethingElse.status = status
    with ThreadingHTTPServer(("127.0.0.1", 0), _SomethingElse) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        link = {"MESHPLANE_LINKS__PROJECTS": f"http://127.0.0.1:{other.server_port}"}
        server = MortalServer(tmp_path / "home", free_port(), ("--only", "tables"), link)
        server.start()
        try:
            server.wait_until_ready()
            token = issuer(read_settings(home=server.home)).mint(FLIGHT_VIEWER.user, ())
            answer = httpx.get(
                f"{server.url}/api/v1/tables?projectId=proj-1",
                headers={"Authorization": f"Bearer {token}"},
                trust_env=False,
            )
        finally:
            server.stop()
            other.shutdown()
    assert (answer.status_code, answer.json()["code"]) == (503, "SERVICE_UNREACHABLE")
    assert "unforeseen" not in server.log


@pytest.mark.parametrize("name", [service.name for service in SERVICES])
def test_serve__one_service_alone__becomes_ready(name: str, tmp_path: Path) -> None:
    server = MortalServer(tmp_path / "home", free_port(), ("--only", name))
    server.start()
    try:
        server.wait_until_ready()
        with httpx.Client(base_url=server.url, trust_env=False, verify=False) as client:
            assert client.get("/ready").json() == {"ready": True}
            paths = set(client.get("/openapi.json").json()["paths"])
            assert any(path.startswith("/api/v1/") for path in paths)
        assert "unforeseen" not in server.log
    finally:
        server.stop()


@pytest.mark.parametrize("only", ["cinema", "domains,cinema", "domains, Cinema"])
def test_serve__an_unknown_service__is_named_and_nothing_starts(only: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    ran = subprocess.run(
        [sys.executable, "-m", "meshplane", "serve", "--home", str(home), "--only", only],
        capture_output=True,
        timeout=60,
        check=False,
        text=True,
    )
    assert ran.returncode in (1, 2)
    assert only.rpartition(",")[2].strip() in ran.stderr
    assert "Traceback" not in ran.stderr
    assert ran.stdout == ""
