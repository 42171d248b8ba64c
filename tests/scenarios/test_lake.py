"""The lake over HTTP: what people see of drift, how it closes access, how it is mended."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.builders.server import running_server
from tests.builders.small_mesh import SmallMesh

pytestmark = pytest.mark.scenario

COUNT = {"sql": "SELECT count(*) AS n FROM harbour.readings"}
READINGS = {"Table": {"DatabaseName": "harbour", "Name": "readings"}}


@pytest.fixture(scope="module")
def mesh() -> Iterator[SmallMesh]:
    with running_server() as server:
        made = SmallMesh(server)
        yield made
        made.close()
        assert server.unforeseen() == []


def until(found: Callable[[], Any], seconds: float = 20.0) -> Any:
    give_up = time.monotonic() + seconds
    while not (it := found()):
        assert time.monotonic() < give_up, "it does not come"
        time.sleep(0.02)
    return it


def grant(mesh: SmallMesh, principal: str, **more: Any) -> dict[str, Any]:
    """A grant of the steward's, once the lake has it."""
    body = {
        "principal": principal,
        "resource": {"table": {"assetId": mesh.readings}},
        "permissions": ["SELECT"],
        "reason": "They asked.",
        **more,
    }
    made: dict[str, Any] = mesh.ask("steward", "POST", "/permissions/grant", body)
    until(lambda: entry_of(mesh, principal))
    path = f"/permissions?assetId={mesh.readings}&principal={principal}"
    until(
        lambda: all(
            one["lakeState"] == "applied" for one in mesh.ask("steward", "GET", path)["items"]
        )
    )
    return made


def entry_of(mesh: SmallMesh, principal: str) -> dict[str, Any] | None:
    """What the lake holds for a principal."""
    items = mesh.ask("administrator", "GET", "/lake/grants?limit=200")["items"]
    return next((one for one in items if one["principal"] == principal), None)


def drift(mesh: SmallMesh) -> dict[str, Any]:
    """The harbour's drift."""
    path = f"/lake/drift?domainId={mesh.harbour}"
    found: dict[str, Any] = mesh.ask("steward", "GET", path)
    return found


def reconcile(mesh: SmallMesh, role: str = "steward") -> dict[str, Any]:
    """Reconciles the harbour to the end."""
    begun = mesh.ask(role, "POST", "/lake/reconcile", {"domainId": mesh.harbour})
    path = f"/lake/reconciliations/{begun['reconciliationId']}"

    def done() -> Any:
        found = mesh.ask(role, "GET", path)
        return found if found["status"] == "COMPLETED" else None

    found: dict[str, Any] = until(done)
    return found


def by_hand(mesh: SmallMesh, principal: str, *permissions: str) -> dict[str, Any]:
    """A grant of the lake that the administrator makes past the mesh."""
    body = {
        "principal": principal,
        "resource": READINGS,
        "permissions": list(permissions) or ["SELECT"],
        "reason": "At night.",
    }
    made: dict[str, Any] = mesh.ask("administrator", "POST", "/lake/grants", body)
    return made


def test_removed_by_hand__queries_close_at_once_and_reconciling_opens_them(
    mesh: SmallMesh,
) -> None:
    made = grant(mesh, "group:nightwatch")
    with mesh.server.client("nick@night", ("nightwatch",)) as nick:
        assert nick.post("/api/v1/query", json=COUNT).status_code == 200
        entry = entry_of(mesh, "group:nightwatch")
        assert entry is not None
        assert (entry["madeBy"], entry["resource"]) == ("service:lake", READINGS)
        removal = {"key": entry["key"], "reason": "They left."}
        told = mesh.ask("administrator", "POST", "/lake/grants/remove", removal)
        assert (told["drift"], told["grantId"]) == ("missing", made["grantId"])
        # As if the process had ended between the lake's commit and its own.
        again = mesh.ask("administrator", "POST", "/lake/grants/remove", removal)
        assert again == told

        refused = nick.post("/api/v1/query", json=COUNT)
        assert refused.status_code == 403
        assert refused.json()["code"] in {"GRANT_BROKEN", "ACCESS_REQUIRED"}
        found = drift(mesh)
        assert (found["missing"], found["excess"], found["changed"]) == (1, 0, 0)
        (item,) = found["items"]
        assert (item["kind"], item["grantId"]) == ("missing", made["grantId"])
        effective = mesh.ask(
            "steward",
            "GET",
            f"/permissions/effective?principal=group:nightwatch&assetId={mesh.readings}",
        )
        assert [one["grantId"] for one in effective["broken"]] == [made["grantId"]]

        done = reconcile(mesh)
        assert (done["repaired"], done["failed"]) == (1, 0)
        assert drift(mesh)["items"] == []
        assert nick.post("/api/v1/query", json=COUNT).status_code == 200


def test_changed_by_hand__tells_what_by_whom_and_when(mesh: SmallMesh) -> None:
    grant(mesh, "group:pilots")
    by_hand(mesh, "group:pilots", "SELECT", "DELETE")
    (item,) = drift(mesh)["items"]
    assert (item["kind"], item["severity"], item["madeBy"]) == (
        "changed",
        "critical",
        "user:ada@mesh",
    )
    assert item["differences"] == ["permits DELETE, which was not granted"]
    assert item["madeAt"]
    with mesh.server.client("pia@sea", ("pilots",)) as pia:
        assert pia.post("/api/v1/query", json=COUNT).status_code == 403
        reconcile(mesh)
        assert pia.post("/api/v1/query", json=COUNT).status_code == 200


def test_plan__says_what_would_be_done_and_does_nothing(mesh: SmallMesh) -> None:
    by_hand(mesh, "user:planned@m")
    before = mesh.ask("administrator", "GET", "/lake/grants?limit=200")
    runs = mesh.ask("administrator", "GET", "/lake/reconciliations")
    body = {"domainId": mesh.harbour}
    plan = mesh.ask("steward", "POST", "/lake/reconcile?plan=true", body)
    assert (plan["status"], plan["reconciliationId"]) == ("PLANNED", None)
    assert plan["actions"]["report"] == 1
    assert "Nobody granted it" in plan["steps"][0]["why"]
    assert mesh.ask("administrator", "GET", "/lake/grants?limit=200") == before
    assert mesh.ask("administrator", "GET", "/lake/reconciliations") == runs
    _clear(mesh, "user:planned@m")


def _clear(mesh: SmallMesh, principal: str) -> None:
    entry = entry_of(mesh, principal)
    if entry is not None:
        body = {"key": entry["key"], "reason": "It is over."}
        mesh.ask("administrator", "POST", "/lake/grants/remove", body)


def _policy(mesh: SmallMesh, excess: str, automatic: bool = False) -> None:
    path = f"/lake/drift-policies/{mesh.harbour}"
    mesh.ask("domain-owner", "PUT", path, {"excess": excess, "automatic": automatic})


def test_excess__is_reported_adopted_or_removed_as_the_domain_says(mesh: SmallMesh) -> None:
    by_hand(mesh, "user:rita@m")
    (item,) = drift(mesh)["items"]
    assert (item["kind"], item["severity"], item["domainId"]) == (
        "excess", "critical", mesh.harbour,
    )  # fmt: skip
    assert reconcile(mesh)["reported"] == 1
    assert drift(mesh)["excess"] == 1, "what is only told of stays, and stays told of"

    with mesh.server.client("rita@m") as rita:
        assert rita.post("/api/v1/query", json=COUNT).status_code == 403
        _policy(mesh, "adopt")
        assert reconcile(mesh)["adopted"] == 1
        assert drift(mesh)["items"] == []
        assert rita.post("/api/v1/query", json=COUNT).status_code == 200
    path = f"/permissions?assetId={mesh.readings}&principal=user:rita@m"
    (adopted,) = mesh.ask("steward", "GET", path)["items"]
    assert "user:ada@mesh" in adopted["reason"]

    _policy(mesh, "remove")
    by_hand(mesh, "user:rolf@m")
    assert reconcile(mesh)["removed"] == 1
    assert entry_of(mesh, "user:rolf@m") is None
    assert entry_of(mesh, "user:rita@m") is not None
    _policy(mesh, "report")


def test_revoked_right__put_back_by_hand_is_not_adopted(mesh: SmallMesh) -> None:
    made = grant(mesh, "user:rex@m")
    body = {"grantId": made["grantId"], "reason": "He left."}
    mesh.ask("steward", "POST", "/permissions/revoke", body)
    until(lambda: entry_of(mesh, "user:rex@m") is None)
    _policy(mesh, "adopt", automatic=True)
    by_hand(mesh, "user:rex@m")
    mesh.ask("administrator", "POST", "/lake/drift/check")
    done = reconcile(mesh)
    assert (done["adopted"], done["reported"]) == (0, 1)
    with mesh.server.client("rex@m") as rex:
        assert rex.post("/api/v1/query", json=COUNT).status_code == 403
    (item,) = drift(mesh)["items"]
    assert (item["principal"], item["severity"]) == ("user:rex@m", "critical")
    _policy(mesh, "report")
    _clear(mesh, "user:rex@m")


def test_check__mends_by_itself_where_the_domain_says_so(mesh: SmallMesh) -> None:
    grant(mesh, "group:tugs")
    _policy(mesh, "remove", automatic=True)
    by_hand(mesh, "user:extra@m")
    _clear(mesh, "group:tugs")
    told = mesh.ask("administrator", "POST", "/lake/drift/check")
    assert (told["missing"], told["excess"]) == (1, 1)
    until(lambda: drift(mesh)["items"] == [])
    assert entry_of(mesh, "group:tugs") is not None
    assert entry_of(mesh, "user:extra@m") is None
    _policy(mesh, "report")


def test_edits_by_hand__are_on_record_and_told(mesh: SmallMesh) -> None:
    key = by_hand(mesh, "user:audited@m")["key"]
    _clear(mesh, "user:audited@m")
    events = mesh.ask("administrator", "GET", "/events?type=LakeGrantEdited&limit=200")["items"]
    mine = [one["detail"] for one in events if one["detail"]["key"] == key]
    assert sorted(one["change"] for one in mine) == ["put", "removed"]
    assert {one["by"] for one in mine} == {"user:ada@mesh"}


def test_revoked_grant__is_out_of_the_lake(mesh: SmallMesh) -> None:
    made = grant(mesh, "user:gone@m")
    mesh.ask("steward", "POST", "/permissions/revoke", {"grantId": made["grantId"], "reason": "x"})
    until(lambda: entry_of(mesh, "user:gone@m") is None)
    assert drift(mesh)["items"] == []


def test_filter__grants_on_it_follow_when_it_changes_and_keep_it_from_going(
    mesh: SmallMesh,
) -> None:
    path = f"/lake/data-filters/{mesh.readings}/shallow"
    put = mesh.ask("steward", "PUT", path, {"rowFilter": "level < 3"})
    assert (put["rowFilter"], put["version"]) == ('("level" < 3)', 1)
    grant(
        mesh,
        "group:divers",
        resource={"filter": {"assetId": mesh.readings, "name": "shallow"}},
    )
    with mesh.server.client("dan@sea", ("divers",)) as dan:
        assert dan.post("/api/v1/query", json=COUNT).json()["rows"] == [[3]]
        mesh.ask("steward", "PUT", path, {"rowFilter": "level < 2"})
        assert dan.post("/api/v1/query", json=COUNT).json()["rows"] == [[2]]

    def rows() -> Any:
        entry = entry_of(mesh, "group:divers")
        return entry["filter"]["RowFilter"] if entry else None

    until(lambda: rows() == {"FilterExpression": '("level" < 2)'})
    refused = mesh.clients["steward"].delete(f"/api/v1{path}")
    assert (refused.status_code, refused.json()["code"]) == (409, "DATA_FILTER_IN_USE")
    wrong = mesh.clients["steward"].put(f"/api/v1{path}", json={"rowFilter": "no_such > 2"})
    assert wrong.status_code == 400
    wrong = mesh.clients["steward"].put(f"/api/v1{path}", json={"includedColumns": ["no_such"]})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "COLUMN_UNKNOWN")


def test_tags__grant_and_mask_columns_and_do_not_go_while_in_use(mesh: SmallMesh) -> None:
    mesh.ask("administrator", "PUT", "/lake/lf-tags/depth", {"values": ["shown", "veiled"]})
    resource = f"asset:{mesh.readings}"
    tagged = {"resource": resource, "tags": {"depth": "shown"}}
    mesh.ask("steward", "POST", "/lake/lf-tag-assignments", tagged)
    veiled = {"resource": resource, "column": "station", "tags": {"depth": "veiled"}}
    mesh.ask("steward", "POST", "/lake/lf-tag-assignments", veiled)
    expression = {"resourceType": "TABLE", "domainId": mesh.harbour, "expression": [
        {"key": "depth", "values": ["shown", "veiled"]}
    ]}  # fmt: skip
    grant(mesh, "group:taggers", resource={"tags": expression})
    mask = {"key": "depth", "value": "veiled", "domainId": mesh.harbour, "mask": {"kind": "null"}}
    sql = {"sql": "SELECT count(station) AS s, count(level) AS l FROM harbour.readings"}
    with mesh.server.client("tom@tags", ("taggers",)) as tom:
        assert tom.post("/api/v1/query", json=sql).json()["rows"] == [[10, 10]]
        mesh.ask("steward", "PUT", "/lake/lf-tag-masks", mask)
        assert tom.post("/api/v1/query", json=sql).json()["rows"] == [[0, 10]]
    administrator = mesh.clients["administrator"]
    refused = administrator.put("/api/v1/lake/lf-tags/depth", json={"values": ["shown"]})
    assert (refused.status_code, refused.json()["code"]) == (409, "LF_TAG_IN_USE")
    used = " ".join(refused.json()["usedBy"])
    assert f"{resource} column station" in used
    assert "mask in" in used
    assert "grant grant-" in used
    assert administrator.delete("/api/v1/lake/lf-tags/depth").status_code == 409
    assert administrator.delete("/api/v1/lake/lf-tags/classification").status_code == 409
    wrong = {"resource": resource, "tags": {"depth": "unheard-of"}}
    steward = mesh.clients["steward"]
    answer = steward.post("/api/v1/lake/lf-tag-assignments", json=wrong)
    assert (answer.status_code, answer.json()["code"]) == (400, "LF_TAG_VALUE_UNKNOWN")
    many = administrator.put(
        "/api/v1/lake/lf-tags/many", json={"values": [f"v{number}" for number in range(51)]}
    )
    assert many.status_code == 400


def test_location__is_registered_once_and_stays_while_it_is_granted(mesh: SmallMesh) -> None:
    body = {"domainId": mesh.harbour, "path": "soundings/raw/"}
    made = mesh.ask("domain-owner", "POST", "/lake/locations", body)
    assert made["arn"] == "arn:aws:s3:::data-lake-harbour/soundings/raw"
    twice = mesh.clients["domain-owner"].post("/api/v1/lake/locations", json=body)
    assert (twice.status_code, twice.json()["code"]) == (409, "LOCATION_EXISTS")
    above = {"domainId": mesh.harbour, "path": "soundings/../../elsewhere"}
    assert mesh.clients["domain-owner"].post("/api/v1/lake/locations", json=above).is_error
    where = {"location": {"domainId": mesh.harbour, "path": "soundings/raw/2024"}}
    access = {
        "principal": "group:loaders",
        "resource": where,
        "permissions": ["DATA_LOCATION_ACCESS"],
        "reason": "They load.",
    }
    granted = mesh.ask("domain-owner", "POST", "/permissions/grant", access)
    until(lambda: entry_of(mesh, "group:loaders"))
    path = f"/lake/locations/{made['locationId']}"
    held = mesh.clients["domain-owner"].delete(f"/api/v1{path}")
    assert (held.status_code, held.json()["code"]) == (409, "LOCATION_IN_USE")
    mesh.ask(
        "domain-owner", "POST", "/permissions/revoke",
        {"grantId": granted["grantId"], "reason": "Done."},
    )  # fmt: skip
    until(lambda: entry_of(mesh, "group:loaders") is None)
    mesh.ask("domain-owner", "DELETE", path)


def test_compiled__says_what_lake_formation_cannot_do(mesh: SmallMesh) -> None:
    path = f"/lake/compiled/grant-{mesh.subscription}"
    there = mesh.ask("steward", "GET", path)
    assert there["problems"] == []
    (entry,) = there["entries"]
    assert entry["principal"].endswith(f":role/project-{mesh.maps}-role")
    assert entry["filter"]["RowFilter"] == {"FilterExpression": '("level" < 5)'}
    here = mesh.ask("steward", "GET", f"{path}?target=embedded")
    assert here["entries"][0]["principal"] == f"project:{mesh.maps}"
    made = grant(mesh, "group:hashed", masks={"station": {"kind": "hash"}})
    said = mesh.ask("steward", "GET", f"/lake/compiled/{made['grantId']}")
    assert "role" in said["problems"][0]
