"""The command line against a real server: what it prints, and its exit codes."""

import json
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from meshplane.cli.app import app
from meshplane.cli.demo_server import DemoServer, running_server


@pytest.fixture(scope="module")
def server() -> Iterator[DemoServer]:
    with running_server() as running:
        yield running


class Terminal:
    """Types commands as one person."""

    def __init__(self, server: DemoServer, user: str, groups: str = "") -> None:
        self._who = ["--url", server.url, "--home", str(server.home), "--user", user]
        self._who += ["--groups", groups, "--token", ""]

    def type(self, *words: str) -> Result:
        return CliRunner().invoke(app, [*words, *self._who])

    def json(self, *words: str) -> Any:
        result = self.type(*words, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)


@pytest.fixture(scope="module")
def admin(server: DemoServer) -> Terminal:
    return Terminal(server, "admin@mesh", "mesh-admins")


@pytest.fixture(scope="module")
def passer_by(server: DemoServer) -> Terminal:
    return Terminal(server, "passer@by")


def test_create__a_domain_and_a_project__both_are_listed(admin: Terminal) -> None:
    domain = admin.json(
        "domains", "create", "harbour", "--member", "steward=group:harbour-stewards"
    )
    project = admin.json("projects", "create", "tides", "--domain", "harbour")
    assert project["domainId"] == domain["domainId"]
    names = [item["name"] for item in admin.json("domains", "list")["items"]]
    assert "harbour" in names
    assert "tides" in admin.type("projects", "list").stdout
    members = admin.json("domains", "members", "harbour")["items"]
    assert {"principal": "group:harbour-stewards", "role": "steward"}.items() <= members[0].items()


def test_create__by_someone_without_the_right__panel_and_exit_code_1(passer_by: Terminal) -> None:
    result = passer_by.type("domains", "create", "mine")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert "╭" in result.stderr


def test_create__a_taken_name__json_names_the_field(admin: Terminal) -> None:
    admin.json("domains", "create", "taken-once")
    result = admin.type("domains", "create", "taken-once", "--json")
    assert result.exit_code == 1
    problem = json.loads(result.stdout)
    assert problem["code"] == "NAME_TAKEN"
    assert problem["errors"][0]["field"] == "name"


def test_show__an_unknown_name__says_so(admin: Terminal) -> None:
    result = admin.type("domains", "show", "atlantis")
    assert result.exit_code == 1
    assert "NAME_UNKNOWN" in result.stderr


def test_query__prints_a_table_and_one_json_document(passer_by: Terminal) -> None:
    assert passer_by.json("query", "SELECT 41 + 1 AS answer")["rows"] == [[42]]
    shown = passer_by.type("query", "SELECT 41 + 1 AS answer")
    assert "answer" in shown.stdout
    assert "42" in shown.stdout


def test_query__refused_sql__exit_code_1_with_the_code(passer_by: Terminal) -> None:
    result = passer_by.type("query", "SELECT * FROM read_csv('/etc/passwd')")
    assert result.exit_code == 1
    assert "SQL_REFUSED" in result.stderr


def test_version__is_that_of_the_server(server: DemoServer) -> None:
    told = CliRunner().invoke(app, ["--version"])
    health = httpx.get(f"{server.url}/health").json()
    assert (told.exit_code, told.stdout) == (0, f"meshplane {health['version']}\n")


def test_token__is_accepted_by_the_server(server: DemoServer) -> None:
    runner = CliRunner()
    minted = runner.invoke(app, ["token", "--user", "ada@mesh", "--home", str(server.home)])
    assert minted.exit_code == 0
    listed = runner.invoke(
        app, ["domains", "list", "--url", server.url, "--token", minted.stdout.strip()]
    )
    assert listed.exit_code == 0


def test_token__forged__is_refused(server: DemoServer) -> None:
    listed = CliRunner().invoke(
        app, ["domains", "list", "--url", server.url, "--token", "e30.e30.AAAA", "--json"]
    )
    assert listed.exit_code == 1
    assert json.loads(listed.stdout)["status"] == 401


def test_token__without_a_key_in_the_home__says_what_to_do(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["token", "--user", "ada", "--home", str(tmp_path / "none")])
    assert result.exit_code == 1
    assert "HOME_WITHOUT_KEY" in result.stderr
    assert not (tmp_path / "none").exists()


def test_audit_verify__the_chain_holds(admin: Terminal) -> None:
    assert admin.json("audit", "verify")["valid"] is True
    assert "verifies" in admin.type("audit", "verify").stdout


def test_audit_verify__an_export_with_one_byte_changed__exit_code_1(
    admin: Terminal, server: DemoServer, tmp_path: Path
) -> None:
    admin.json("domains", "create", "to-be-audited")
    minted = CliRunner().invoke(
        app,
        ["token", "--user", "admin@mesh", "--groups", "mesh-admins", "--home", str(server.home)],
    )
    from meshplane.client import Api, connect

    with connect(server.url) as client:
        lines = Api(client, minted.stdout.strip).get_lines("/audit/export")
    exported = tmp_path / "export.ndjson"
    exported.write_bytes(b"\n".join(lines) + b"\n")
    assert admin.type("audit", "verify", "--file", str(exported)).exit_code == 0
    exported.write_bytes(exported.read_bytes().replace(b"createDomain", b"createDomaim", 1))
    changed = admin.type("audit", "verify", "--file", str(exported))
    assert changed.exit_code == 1
    assert "broken" in changed.stdout


@pytest.mark.parametrize(
    "words",
    [
        ["query"],
        ["domains", "list", "--colour"],
        ["no-such-command"],
        ["domains", "list", "--token", ""],
        ["serve", "--host", "0.0.0.0"],
        ["serve", "--port", "70000"],
        ["permissions", "effective", "aviation.flights", "--token", "x"],
    ],
)
def test_wrong_use__exit_code_2_and_no_traceback(words: list[str]) -> None:
    result = CliRunner().invoke(app, words, env={"MESHPLANE_USER": "", "MESHPLANE_TOKEN": ""})
    assert result.exit_code == 2
    assert "Traceback" not in result.output


@pytest.mark.parametrize("parts", ["nope", "store,nope", "store,all,nope", ","])
def test_demo__of_parts_that_are_none__is_refused_once_and_before_anything_starts(
    parts: str,
) -> None:
    result = CliRunner().invoke(app, ["demo", "--aws", "--parts", parts])
    assert result.exit_code == 2
    assert result.output.count("there are store") == 1
    assert "sandbox" not in result.output


def test_setting_that_does_not_hold__is_told_once() -> None:
    result = CliRunner().invoke(app, ["serve"], env={"MESHPLANE_PORT": "x"})
    assert result.exit_code == 1
    assert result.output.count("valid integer") == 1


def test_any_command__with_no_server__says_how_to_start_one() -> None:
    result = CliRunner().invoke(
        app, ["domains", "list", "--url", "http://127.0.0.1:9", "--token", "x", "--json"]
    )
    assert result.exit_code == 1
    problem = json.loads(result.stdout)
    assert problem["code"] == "SERVER_UNREACHABLE"
    assert "meshplane serve" in problem["detail"]


def test_connect__reads_certificates_where_they_are_checked_and_checks_them() -> None:
    from meshplane.client import connect

    with connect("https://mesh.example") as secret, connect("http://127.0.0.1:9") as plain:
        checked, unread = (_context_of(client) for client in (secret, plain))
    assert checked.verify_mode is ssl.CERT_REQUIRED
    assert checked.check_hostname
    assert checked.cert_store_stats()["x509_ca"] > 0
    assert unread.cert_store_stats()["x509_ca"] == 0


def _context_of(client: httpx.Client) -> ssl.SSLContext:
    transport = client._transport
    assert isinstance(transport, httpx.HTTPTransport)
    context = transport._pool._ssl_context
    assert context is not None
    return context


def test_import__of_the_command_line_pulls_in_no_engine() -> None:
    told = subprocess.run(
        [sys.executable, "-c", "import sys, meshplane.cli.app; print(*sys.modules)"],
        capture_output=True,
        check=True,
        text=True,
    )
    heavy = {"httpx", "duckdb", "pyarrow", "pyiceberg", "sqlglot", "fastapi", "rich.console"}
    assert heavy & set(told.stdout.split()) == set()
