"""Grants over HTTP: what they open, at which doors, for whom, and how they end.

The harbour's readings have ten rows, of stations `canarybird-0` to `-9` with levels 0 to 9.
"""

import itertools
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from meshplane.kit.clock import to_text
from tests.builders.server import running_server
from tests.builders.small_mesh import ARROW, CANARY, COLUMNS, SmallMesh, arrow

pytestmark = pytest.mark.scenario

ALL = "SELECT * FROM harbour.readings ORDER BY level"
TRIALS = 25

_numbers = itertools.count()


@pytest.fixture(scope="module")
def mesh() -> Iterator[SmallMesh]:
    with running_server() as server:
        made = SmallMesh(server)
        yield made
        made.close()
        assert server.unforeseen() == []


class Person:
    """Somebody whom nobody knows yet, with a group of his own."""

    def __init__(self, mesh: SmallMesh) -> None:
        number = next(_numbers)
        self.group, self.name = f"crew-{number}", f"pat-{number}@sea"
        self.principal = f"user:{self.name}"
        self.client = mesh.server.client(self.name, (self.group,))

    def asks(self, sql: str = ALL, **more: Any) -> httpx.Response:
        """The answer to a query of his."""
        return self.client.post("/api/v1/query", json={"sql": sql, **more})

    def sees(self, sql: str = ALL) -> Any:
        """The rows that he gets, or the code of the refusal."""
        answer = self.asks(sql)
        return answer.json()["rows"] if answer.is_success else answer.json()["code"]


@pytest.fixture
def pat(mesh: SmallMesh) -> Iterator[Person]:
    person = Person(mesh)
    yield person
    person.client.close()


def grant(mesh: SmallMesh, principal: str, role: str = "steward", **more: Any) -> dict[str, Any]:
    """A grant on the readings, by default of SELECT on the table."""
    body = {
        "principal": principal,
        "resource": {"table": {"assetId": mesh.readings}},
        "permissions": ["SELECT"],
        "reason": "For a test.",
        **more,
    }
    given: dict[str, Any] = mesh.ask(role, "POST", "/permissions/grant", body)
    return given


def revoke(mesh: SmallMesh, given: dict[str, Any], **more: Any) -> dict[str, Any]:
    body = {"grantId": given["grantId"], **more}
    done: dict[str, Any] = mesh.ask("steward", "POST", "/permissions/revoke", body)
    return done


def columns(mesh: SmallMesh, *names: str) -> dict[str, Any]:
    return {"columns": {"assetId": mesh.readings, "included": list(names)}}


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


@pytest.mark.parametrize("kind", ["user", "group", "project"])
def test_grant__on_the_table__opens_it_for_a_user_a_group_or_a_project(
    mesh: SmallMesh, pat: Person, kind: str
) -> None:
    principal = pat.principal if kind == "user" else f"group:{pat.group}"
    if kind == "project":
        members = [{"principal": pat.principal, "role": "viewer"}]
        body = {"domainId": mesh.hills, "name": f"walks-{pat.group}", "members": members}
        principal = f"project:{mesh.ask('administrator', 'POST', '/projects', body)['projectId']}"
    assert pat.sees() == "ACCESS_REQUIRED"
    given = grant(mesh, principal)
    assert pat.sees() == [[f"{CANARY}-{level}", level] for level in range(10)]
    revoke(mesh, given)
    assert pat.sees() == "ACCESS_REQUIRED"


def test_grant__on_columns_with_a_mask__shows_these_and_masks_them(
    mesh: SmallMesh, pat: Person
) -> None:
    masks = {"station": {"kind": "constant", "value": "somewhere"}}
    grant(mesh, pat.principal, resource=columns(mesh, "station"), masks=masks)
    assert pat.sees("SELECT DISTINCT station FROM harbour.readings") == [["somewhere"]]
    answer = pat.asks("SELECT level FROM harbour.readings")
    assert not answer.is_success


def test_grant__on_tags__follows_the_tags(mesh: SmallMesh, pat: Person) -> None:
    tags = {
        "tags": {
            "resourceType": "TABLE",
            "expression": [{"key": "classification", "values": ["internal"]}],
            "domainId": mesh.harbour,
        }
    }
    given = grant(mesh, pat.principal, resource=tags)
    assert len(pat.sees()) == 10
    revoke(mesh, given)
    other = {"key": "classification", "values": ["public", "restricted"]}
    tags["tags"]["expression"] = [other]
    grant(mesh, pat.principal, resource=tags)
    assert pat.sees() == "ACCESS_REQUIRED"


def test_grants__several__are_a_union_and_the_weakest_mask_shows(
    mesh: SmallMesh, pat: Person
) -> None:
    masks = {"station": {"kind": "null"}}
    grant(mesh, pat.principal, resource=columns(mesh, "station", "level"), masks=masks)
    assert pat.sees("SELECT count(station) FROM harbour.readings") == [[0]]
    grant(mesh, f"group:{pat.group}", resource=columns(mesh, "station"))
    assert pat.sees("SELECT count(station) FROM harbour.readings") == [[10]]


def test_grant__to_oneself__is_refused_to_a_steward(mesh: SmallMesh) -> None:
    body = {
        "principal": "user:sam@harbour",
        "resource": {"table": {"assetId": mesh.readings}},
        "permissions": ["SELECT"],
        "reason": "I would like to.",
    }
    path = "/api/v1/permissions/grant"
    assert refusal(mesh.clients["steward"].post(path, json=body)) == (403, "SELF_GRANT")
    own = {**body, "principal": f"project:{mesh.maps}"}
    member = f"/projects/{mesh.maps}/members/user:sam@harbour"
    mesh.ask("administrator", "PUT", member, {"role": "viewer"})
    assert refusal(mesh.clients["steward"].post(path, json=own)) == (403, "SELF_GRANT")
    mesh.ask("administrator", "DELETE", member)


def test_holder__of_the_grant_option__gives_no_more_than_he_has(
    mesh: SmallMesh, pat: Person
) -> None:
    other = Person(mesh)
    mine = columns(mesh, "level")
    grant(mesh, pat.principal, resource=mine, permissionsWithGrantOption=["SELECT"])
    body = {"principal": other.principal, "permissions": ["SELECT"], "reason": "Look."}
    for resource, status in (
        ({"table": {"assetId": mesh.readings}}, 403),
        (columns(mesh, "level", "station"), 403),
        (mine, 201),
    ):
        answer = pat.client.post("/api/v1/permissions/grant", json={**body, "resource": resource})
        assert answer.status_code == status, answer.text
    assert other.sees("SELECT max(level) FROM harbour.readings") == [[9]]
    # He sees his own grant, and not those of others.
    assert pat.client.get(f"/api/v1/permissions?principal={pat.principal}").is_success
    path = f"/api/v1/permissions?principal={other.principal}"
    assert pat.client.get(path).status_code == 403
    other.client.close()


def test_same_grant_again__is_added_to_the_first(mesh: SmallMesh, pat: Person) -> None:
    first = grant(mesh, pat.principal)
    second = grant(mesh, pat.principal, permissions=["DELETE"])
    assert second["grantId"] == first["grantId"]
    assert second["permissions"] == ["SELECT", "DELETE"]
    path = f"/permissions?assetId={mesh.readings}&principal={pat.principal}"
    assert [one["grantId"] for one in mesh.ask("steward", "GET", path)["items"]] == [
        first["grantId"]
    ]
    part = revoke(mesh, first, permissions=["SELECT"])
    assert part["changed"][0]["permissions"] == ["DELETE"]
    assert pat.sees() == "ACCESS_REQUIRED"


def test_revoke__of_one_of_two_columns__leaves_the_other(mesh: SmallMesh, pat: Person) -> None:
    grant(mesh, pat.principal, resource=columns(mesh, "station", "level"))
    body = {"principal": pat.principal, "resource": columns(mesh, "station")}
    mesh.ask("steward", "POST", "/permissions/revoke", {**body, "permissions": ["SELECT"]})
    assert pat.sees("SELECT max(level) FROM harbour.readings") == [[9]]
    assert not pat.asks("SELECT station FROM harbour.readings").is_success


def test_revoke__of_columns_of_a_whole_table__says_what_to_do(mesh: SmallMesh, pat: Person) -> None:
    given = grant(mesh, pat.principal)
    body = {"principal": pat.principal, "resource": columns(mesh, "station")}
    answer = mesh.clients["steward"].post("/api/v1/permissions/revoke", json=body)
    assert refusal(answer) == (409, "GRANT_IS_WIDER")
    assert given["grantId"] in answer.json()["detail"]


def test_grant_of_a_subscription__is_not_to_be_touched_here(mesh: SmallMesh) -> None:
    for body in (
        {"grantId": mesh.grant},
        {"grantId": mesh.grant, "permissions": ["SELECT"]},
        {
            "principal": f"project:{mesh.maps}",
            "resource": {"table": {"assetId": mesh.readings}},
        },
    ):
        answer = mesh.clients["steward"].post("/api/v1/permissions/revoke", json=body)
        assert refusal(answer) == (409, "GRANT_OF_SUBSCRIPTION")
    assert mesh.ask("steward", "GET", f"/permissions/{mesh.grant}")["status"] == "active"


def test_grant__ends_by_itself_and_is_told(mesh: SmallMesh, pat: Person) -> None:
    until = to_text(datetime.now(UTC) + timedelta(seconds=1.5))
    given = grant(mesh, pat.principal, expiresAt=until)
    assert len(pat.sees()) == 10
    time.sleep(1.6)
    assert pat.sees() == "ACCESS_REQUIRED"
    path = f"/permissions/explain?assetId={mesh.readings}&principal={pat.principal}"
    (verdict,) = [
        one
        for one in mesh.ask("steward", "GET", path)["grants"]
        if one["grantId"] == given["grantId"]
    ]
    assert (verdict["verdict"], verdict["applies"]) == ("expired", False)
    give_up = time.monotonic() + 20
    while True:
        events = mesh.ask("administrator", "GET", "/events?type=PermissionExpired&limit=200")
        if given["grantId"] in {one["detail"]["grantId"] for one in events["items"]}:
            break
        assert time.monotonic() < give_up
        time.sleep(0.1)


def test_revoke__is_immediate_for_every_query_that_starts_after_it(
    mesh: SmallMesh, pat: Person
) -> None:
    """Trial after trial, while another connection of his asks without a pause."""
    assert try_revoking(mesh, pat, TRIALS) == 0


@pytest.mark.long
def test_revoke__is_immediate_in_a_thousand_trials(mesh: SmallMesh, pat: Person) -> None:
    assert try_revoking(mesh, pat, 1000) == 0


def try_revoking(mesh: SmallMesh, pat: Person, trials: int) -> int:
    """How many queries were let through after their grant was gone."""
    stop, seen, late = threading.Event(), [0, 0], 0

    def keeps_asking() -> None:
        with mesh.server.client(pat.name, (pat.group,)) as client:
            while not stop.is_set():
                body = {"sql": "SELECT count(*) FROM harbour.readings"}
                answer = client.post("/api/v1/query", json=body)
                seen[answer.is_success] += 1

    asking = threading.Thread(target=keeps_asking)
    asking.start()
    try:
        for _ in range(trials):
            given = grant(mesh, pat.principal)
            assert pat.asks().is_success
            revoke(mesh, given)
            late += refusal(pat.asks()) != (403, "ACCESS_REQUIRED")
    finally:
        stop.set()
        asking.join()
    assert min(seen) > 0, "the other connection met both states"
    return late


def test_effective__tells_what_a_person_has_by_himself_and_through_his_group(
    mesh: SmallMesh, pat: Person
) -> None:
    own = grant(mesh, pat.principal, resource=columns(mesh, "level"))
    masks = {"station": {"kind": "hash"}}
    crew = grant(mesh, f"group:{pat.group}", resource=columns(mesh, "station"), masks=masks)
    path = f"/api/v1/permissions/effective?resource=asset:{mesh.readings}"
    answer = pat.client.get(f"{path}&principal={pat.principal}&groups={pat.group}").json()
    assert {one["name"]: (one["access"], one["grants"]) for one in answer["columns"]} == {
        "station": ("masked", [crew["grantId"]]),
        "level": ("plain", [own["grantId"]]),
    }
    assert answer["allRows"]
    refused = pat.client.get(f"{path}&principal={pat.principal}&groups=somebody-elses")
    assert refused.status_code == 403


def test_effective__of_the_publishing_project__is_everything(mesh: SmallMesh) -> None:
    path = f"/permissions/effective?assetId={mesh.readings}&principal=project:{mesh.tides}"
    answer = mesh.ask("owner", "GET", path)
    assert (answer["owns"], answer["allRows"], answer["grants"]) == (True, True, [])
    assert {one["access"] for one in answer["columns"]} == {"plain"}


def test_explain__tells_a_holder_nothing_of_others(mesh: SmallMesh, pat: Person) -> None:
    own = grant(mesh, pat.principal)
    path = f"/permissions/explain?assetId={mesh.readings}&principal={pat.principal}"
    mine = pat.client.get(f"/api/v1{path}").json()
    assert [one["grantId"] for one in mine["grants"]] == [own["grantId"]]
    assert mine["grants"][0]["applies"]
    whole = mesh.ask("steward", "GET", path)
    assert mesh.grant in {one["grantId"] for one in whole["grants"]}
    revoke(mesh, own)
    after = pat.client.get(f"/api/v1{path}").json()
    assert [one["verdict"] for one in after["grants"]] == ["revoked"]
    assert after["conclusion"]


def test_simulate__tells_before_what_a_grant_and_a_revoke_do_after(
    mesh: SmallMesh, pat: Person
) -> None:
    wish = {
        "principal": pat.principal,
        "resource": columns(mesh, "level"),
        "permissions": ["SELECT"],
        "reason": "To see.",
    }
    body = {"changes": [{"grant": wish}]}
    (told,) = mesh.ask("steward", "POST", "/permissions/simulate", body)["changes"]
    assert (told["principal"], told["assetName"]) == (pat.principal, "harbour.readings")
    assert told["before"]["permissions"] == []
    assert pat.sees() == "ACCESS_REQUIRED"
    given = mesh.ask("steward", "POST", "/permissions/grant", wish)
    path = f"/permissions/effective?assetId={mesh.readings}&principal={pat.principal}"
    seen = mesh.ask("steward", "GET", path)
    assert told["after"]["columns"] == seen["columns"]
    body = {"changes": [{"revoke": {"grantId": given["grantId"]}}]}
    (told,) = mesh.ask("steward", "POST", "/permissions/simulate", body)["changes"]
    assert told["after"]["permissions"] == []
    assert pat.sees("SELECT max(level) FROM harbour.readings") == [[9]]


def test_simulate__of_an_approval__tells_what_it_would_grant(mesh: SmallMesh) -> None:
    request_id = mesh.new_subscription()
    approval = {"reason": "Fine.", "rowFilter": "level < 8"}
    body = {"changes": [{"approve": {"requestId": request_id, "approval": approval}}]}
    changes = mesh.ask("steward", "POST", "/permissions/simulate", body)["changes"]
    assert {one["principal"] for one in changes} == {f"project:{mesh.maps}"}
    assert any("8" in text for text in changes[0]["after"]["rowFilters"])
    answer = mesh.clients["domain-owner"].get(f"/api/v1/subscriptions/{request_id}")
    assert answer.json()["status"] == "requested"


def test_audit__tells_who_had_what_on_a_date(mesh: SmallMesh, pat: Person) -> None:
    before = to_text(datetime.now(UTC))
    given = grant(mesh, pat.principal, reason="A study.")
    during = to_text(datetime.now(UTC))
    revoke(mesh, given, reason="It is over.")

    def had(at: str) -> list[dict[str, Any]]:
        path = f"/audit/access?resource=asset:{mesh.readings}&at={at}"
        found = mesh.ask("auditor", "GET", path)["grants"]
        return [one for one in found if one["principal"] == pat.principal]

    assert (had(before), had(to_text(datetime.now(UTC)))) == ([], [])
    (then,) = had(during)
    assert (then["grantId"], then["by"], then["reason"], then["permissions"]) == (
        given["grantId"],
        "user:sam@harbour",
        "A study.",
        ["SELECT"],
    )
    path = f"/api/v1/audit/access?resource=asset:{mesh.readings}"
    assert mesh.clients["steward"].get(path).is_success
    assert pat.client.get(path).status_code == 403
    soon = to_text(datetime.now(UTC) + timedelta(days=1))
    answer = mesh.clients["auditor"].get(f"{path}&at={soon}")
    assert refusal(answer) == (400, "AT_INVALID")


def append(pat: Person, table_id: str) -> httpx.Response:
    rows = arrow([{"station": "buoy", "level": 3}])
    return pat.client.post(
        f"/api/v1/tables/{table_id}/rows", content=rows, headers={"Content-Type": ARROW}
    )


def test_doors__append_delete_and_create_open_by_their_own_permission_alone(
    mesh: SmallMesh, pat: Person
) -> None:
    table = mesh.new_table(f"logs_{pat.group.replace('-', '_')}")
    asset_id = mesh.new_asset(f"logs_{pat.group.replace('-', '_')}", table)
    on_it = {"table": {"assetId": asset_id}}
    deleting = {"where": "level = 3"}
    creating = {"projectId": mesh.tides, "name": f"by_{pat.name[:5]}", "columns": COLUMNS}
    creating["name"] = f"made_{pat.group.replace('-', '_')}"

    def doors() -> tuple[int, int, int]:
        return (
            append(pat, table).status_code,
            pat.client.post(f"/api/v1/tables/{table}/rows/delete", json=deleting).status_code,
            pat.client.post("/api/v1/tables", json=creating).status_code,
        )

    assert doors() == (404, 404, 403)
    grant(mesh, pat.principal, resource=on_it)
    assert doors() == (404, 404, 403)
    inserting = grant(mesh, f"group:{pat.group}", resource=on_it, permissions=["INSERT"])
    assert doors() == (201, 404, 403)
    grant(mesh, pat.principal, resource=on_it, permissions=["DELETE"])
    assert doors() == (201, 200, 403)
    # Which rows a condition deletes tells of them, so it takes SELECT of the whole table as well.
    body = {"principal": pat.principal, "resource": on_it, "permissions": ["SELECT"]}
    mesh.ask("steward", "POST", "/permissions/revoke", body)
    assert doors() == (201, 404, 403)
    grant(mesh, pat.principal, resource=on_it)
    database = {"database": {"domainId": mesh.harbour}}
    grant(mesh, pat.principal, resource=database, permissions=["CREATE_TABLE"])
    assert doors() == (201, 200, 201)
    revoke(mesh, inserting)
    assert doors() == (404, 200, 409)
    # What grants open is these doors: not the table's page, nor its other versions.
    assert pat.client.get(f"/api/v1/tables/{table}").status_code == 404
    path = f"/api/v1/tables/{table}/snapshots/expire"
    assert pat.client.post(path, json={"olderThanDays": 1.0, "keepLast": 1}).status_code == 404


def test_doors__all_tables_of_a_database__count_those_that_nobody_published(
    mesh: SmallMesh, pat: Person
) -> None:
    assert append(pat, mesh.logbook).status_code == 404
    everything = {"allTables": {"domainId": mesh.harbour}}
    given = grant(mesh, pat.principal, resource=everything, permissions=["INSERT"])
    assert append(pat, mesh.logbook).status_code == 201
    revoke(mesh, given)
    assert append(pat, mesh.logbook).status_code == 404
    elsewhere = {"allTables": {"domainId": mesh.hills}}
    grant(mesh, pat.principal, "administrator", resource=elsewhere, permissions=["INSERT"])
    assert append(pat, mesh.logbook).status_code == 404
