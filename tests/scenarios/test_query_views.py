"""Views as data products: whose rights count below them, at each of three levels."""

import itertools
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.builders.server import running_server
from tests.builders.small_mesh import SmallMesh
from tests.builders.view_chain import MODES, NONE, OPTION, PLAIN, Chain, view_name

SEED = 20261121
ALL = list(itertools.product(MODES, repeat=3))


@pytest.fixture(scope="module")
def mesh() -> Iterator[SmallMesh]:
    with running_server() as server:
        small = SmallMesh(server)
        yield small
        small.close()
        assert server.unforeseen() == []


@pytest.fixture(scope="module")
def chain(mesh: SmallMesh) -> Chain:
    return Chain(mesh)


def answers(chain: Chain) -> dict[tuple[str, ...], Any]:
    return {modes: chain.read(modes) for modes in ALL}


def expected(chain: Chain) -> dict[tuple[str, ...], Any]:
    return {modes: chain.expected(modes, 10) for modes in ALL}


def test_views__show_all_while_everyone_may_pass_on_what_he_reads(chain: Chain) -> None:
    assert answers(chain) == dict.fromkeys(ALL, 10)


@pytest.mark.parametrize("project", ["one", "two", "three", "last"])
@pytest.mark.parametrize("right", [PLAIN, NONE])
def test_views__close_where_the_right_to_the_table_is_gone_on_which_they_rest(
    chain: Chain, project: str, right: str
) -> None:
    chain.give(project, "readings", right)
    try:
        found = answers(chain)
        assert found == expected(chain)
        if (project, right) == ("last", PLAIN):
            assert found == dict.fromkeys(ALL, 10)
        else:
            assert {10, "VIEW_CLOSED" if project != "last" else "ACCESS_REQUIRED"} == set(
                found.values()
            )
    finally:
        chain.give(project, "readings", OPTION)


def test_views__follow_the_rule_under_rights_at_random(chain: Chain) -> None:
    rng, seen = random.Random(SEED), set()
    changeable = sorted(chain.rights)
    for number in range(6):
        for place in rng.sample(changeable, 10):
            chain.give(*place, rng.choice([NONE, PLAIN, PLAIN, OPTION, OPTION]))
        found = answers(chain)
        assert found == expected(chain), f"seed {SEED}, round {number}"
        seen |= set(found.values())
    for place in changeable:
        chain.give(*place, OPTION)
    assert seen == {10, "VIEW_CLOSED", "ACCESS_REQUIRED"}


def test_view__that_is_closed_does_not_say_what_lies_below_it(chain: Chain) -> None:
    chain.give("three", "v_reader_reader", PLAIN)
    try:
        sql = f"SELECT * FROM hills.{view_name(('reader', 'reader', 'owner'))}"
        body = {"sql": sql, "projectId": chain.projects["last"]}
        told = chain.mesh.clients["other"].post("/api/v1/query", json=body).json()
        assert told["code"] == "VIEW_CLOSED"
        assert "v_reader_reader_owner" in told["detail"]
        assert "v_reader_reader " not in str(told)
        assert "readings" not in str(told)
    finally:
        chain.give("three", "v_reader_reader", OPTION)


def test_views__more_than_three_do_not_lie_one_upon_the_other(chain: Chain) -> None:
    body = {
        "projectId": chain.projects["last"],
        "name": "fourth",
        "sql": "SELECT * FROM hills.v_reader_reader_reader",
        "runsAs": "reader",
    }
    answer = chain.mesh.clients["other"].post("/api/v1/query/views", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "VIEW_TOO_DEEP")


def test_view__as_its_owner_is_not_made_of_what_may_not_be_passed_on(mesh: SmallMesh) -> None:
    # `maps` reads a part of readings by a subscription, which it may not pass on.
    body = {
        "projectId": mesh.maps,
        "name": "passed_on",
        "sql": "SELECT station, level FROM harbour.readings",
        "runsAs": "owner",
    }
    told = mesh.clients["other"].post("/api/v1/query/views", json=body)
    assert (told.status_code, told.json()["code"]) == (403, "GRANT_OPTION_REQUIRED")
    assert mesh.ask("other", "POST", "/query/views", {**body, "runsAs": "reader"})["depth"] == 1


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT 1 AS a; SELECT 2 AS a", "SQL_REFUSED"),
        ("SELECT 1) AS a, (SELECT 2", "SQL_INVALID"),
        ("SELECT * FROM read_text('/etc/passwd')", "SQL_REFUSED"),
        ("SELECT ? AS a", "SQL_INVALID"),
        ("DESCRIBE harbour.readings", "SQL_REFUSED"),
        ("SELECT * FROM hills.nothing_there", "SQL_REFUSED"),
    ],
)
def test_view__is_made_of_one_select_over_what_the_project_reads(
    mesh: SmallMesh, sql: str, code: str
) -> None:
    body = {"projectId": mesh.tides, "name": "wrong", "sql": sql, "runsAs": "reader"}
    told = mesh.clients["owner"].post("/api/v1/query/views", json=body)
    assert told.json()["code"] == code


def test_table_below_a_view__is_another_than_the_one_that_the_reader_reads_by_its_name(
    chain: Chain,
) -> None:
    # The reader sees levels below 3 of the table itself, and all of them through the view.
    mesh, last = chain.mesh, chain.projects["last"]
    chain.give("last", "readings", NONE)
    asked = {"assetId": mesh.readings, "projectId": last, "purpose": "To compare."}
    request_id = mesh.ask("other", "POST", "/subscriptions", asked)["requestId"]
    narrow = {"reason": "A part.", "rowFilter": "level < 3"}
    mesh.ask("steward", "POST", f"/subscriptions/{request_id}/approve", narrow)
    try:
        sql = (
            "SELECT (SELECT count(*) FROM harbour.readings), (SELECT count(*) FROM hills.v_owner), "
            "(SELECT count(*) FROM hills.v_reader)"
        )
        answer = mesh.ask("other", "POST", "/query", {"sql": sql, "projectId": last})
        assert answer["rows"] == [[3, 10, 3]]
        assert [one["name"] for one in answer["relations"]] == [
            "harbour.readings",
            "hills.v_owner",
            "hills.v_reader",
        ]
        assert answer["cost"]["bytesScanned"] is None
    finally:
        mesh.ask("steward", "POST", f"/subscriptions/{request_id}/revoke", {"reason": "Done."})
        chain.give("last", "readings", OPTION)


def test_view__is_read_at_an_instant_and_has_no_snapshots(chain: Chain) -> None:
    mesh, last = chain.mesh, chain.projects["last"]
    snapshots = mesh.ask("owner", "GET", f"/tables/{mesh.readings_table}/snapshots")["items"]
    before = min(one["committedAt"] for one in snapshots)
    sql = "SELECT count(*) FROM hills.v_owner"
    mesh.ask(
        "owner",
        "POST",
        f"/tables/{mesh.readings_table}/rows",
        rows=[{"station": "late", "level": 3}],
    )
    counted = {"sql": sql, "projectId": last}
    assert mesh.ask("other", "POST", "/query", counted)["rows"] == [[11]]
    assert mesh.ask("other", "POST", "/query", {**counted, "asOf": before})["rows"] == [[10]]
    wrong = {**counted, "snapshots": {"hills.v_owner": "123"}}
    told = mesh.clients["other"].post("/api/v1/query", json=wrong).json()
    assert (told["code"], told["errors"][0]["field"]) == (
        "AS_OF_INVALID",
        "snapshots.hills.v_owner",
    )
    mesh.ask(
        "owner", "POST", f"/tables/{mesh.readings_table}/rows/delete", {"where": "station = 'late'"}
    )


def test_view__is_shown_to_its_project_alone(chain: Chain) -> None:
    made = chain.mesh.ask("other", "GET", f"/assets/{chain.assets['v_owner']}")["tableId"]
    view = chain.mesh.ask("other", "GET", f"/query/views/{made}")
    assert (view["runsAs"], view["depth"]) == ("owner", 1)
    assert view["relations"] == [{"name": "harbour.readings", "assetId": chain.mesh.readings}]
    for role in ("owner", "steward", "unrelated"):
        answer = chain.mesh.clients[role].get(f"/api/v1/query/views/{made}")
        assert (answer.status_code, answer.json()["code"]) == (404, "VIEW_NOT_FOUND")


def test_rights__that_are_taken_end_a_statement_that_reads_a_view(chain: Chain) -> None:
    mesh = chain.mesh
    sql = "SELECT count(*) FROM hills.v_owner, range(100000000000) a(x) WHERE (x + level) % 7 = 3"
    body = {"sql": sql, "projectId": chain.projects["last"], "timeoutSeconds": 60}
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(mesh.clients["other"].post, "/api/v1/query", json=body)
        try:
            for _ in range(200):
                if mesh.ask("other", "GET", "/query/running")["items"]:
                    break
            chain.give("one", "readings", PLAIN)
            assert sent.result(timeout=10).json()["code"] in {"SQL_CANCELLED", "VIEW_CLOSED"}
        finally:
            chain.give("one", "readings", OPTION)
