"""`meshplane queries` against a real server."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from meshplane.cli.app import app
from tests.builders.server import Server, running_server
from tests.scenarios.test_query_cancel import ENDLESS, until


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server() as running:
        yield running


def type_in(server: Server, *words: str, user: str = "ada@here") -> Result:
    """Types a command as one person."""
    who = ["--url", server.url, "--home", str(server.home), "--user", user]
    return CliRunner().invoke(app, [*words, *who, "--groups", "", "--token", ""])


def told(server: Server, *words: str) -> Any:
    result = type_in(server, *words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_queries__one_that_has_ended_is_listed_and_shown(server: Server) -> None:
    told(server, "query", "SELECT 41 + 1 AS answer", "--id", "answer-1")
    listed = type_in(server, "queries", "history").stdout
    assert "answer-1" in listed
    assert "succeeded" in listed
    shown = type_in(server, "queries", "show", "answer-1").stdout
    assert "SELECT 41 + 1 AS answer" in shown
    assert told(server, "queries", "history", "--count", "1")["items"][0]["queryId"] == "answer-1"
    assert type_in(server, "queries", "history", user="eve@here").stdout.strip() == (
        "You have sent none."
    )


def test_queries__one_under_way_is_listed_and_cancelled(server: Server) -> None:
    body = {"sql": ENDLESS, "queryId": "endless-1", "timeoutSeconds": 60}
    with server.client("ada@here") as client, ThreadPoolExecutor(1) as pool:
        sent = pool.submit(client.post, "/api/v1/query", json=body)
        until(lambda: told(server, "queries", "running")["items"])
        assert "endless-1" in type_in(server, "queries", "running").stdout
        refused = type_in(server, "queries", "running", "--everyone")
        assert (refused.exit_code, "FORBIDDEN" in refused.stderr) == (1, True)
        assert "Cancelled endless-1" in type_in(server, "queries", "cancel", "endless-1").stdout
        assert sent.result(timeout=20).json()["code"] == "SQL_CANCELLED"
    assert "No query is under way." in type_in(server, "queries", "running").stdout


def test_queries__a_plan_is_drawn_and_nothing_is_run(server: Server) -> None:
    shown = type_in(server, "queries", "explain", "SELECT count(*) FROM range(5)")
    assert shown.exit_code == 0
    assert "Aggregate" in shown.stdout
    refused = type_in(server, "queries", "explain", "EXPLAIN ANALYZE SELECT 1")
    assert (refused.exit_code, "SQL_REFUSED" in refused.stderr) == (1, True)


def test_query__a_snapshot_without_its_product_is_refused(server: Server) -> None:
    result = type_in(server, "query", "SELECT 1", "--snapshot", "123")
    assert (result.exit_code, "SNAPSHOT_INVALID" in result.stderr) == (1, True)
