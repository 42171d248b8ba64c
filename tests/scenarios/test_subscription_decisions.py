"""What a steward decides is what is granted: checked as a whole, and never more than was asked."""

from collections.abc import Iterator
from typing import Any

import pytest

from meshplane.run.links import issuer
from meshplane.run.settings import read_settings
from tests.builders.kept_state import audit_records
from tests.builders.refusals import fields, problem_of
from tests.builders.server import running_server
from tests.builders.small_mesh import SmallMesh

LONG_AGO, SOONER, LATER = "2020-01-01T00:00:00Z", "2090-01-01T00:00:00Z", "2099-01-01T00:00:00Z"
WORN_OUT = " OR ".join(f"level = {number}" for number in range(120))
"""A row filter that is fine by itself, and too long once it is joined with another of its kind."""


@pytest.fixture(scope="module")
def mesh() -> Iterator[SmallMesh]:
    with running_server() as server:
        small = SmallMesh(server)
        yield small
        small.close()


def request(mesh: SmallMesh, **wish: Any) -> str:
    body = {"assetId": mesh.readings, "projectId": mesh.maps, "purpose": "To draw maps.", **wish}
    return str(mesh.ask("other", "POST", "/subscriptions", body)["requestId"])


def decide(mesh: SmallMesh, request_id: str, what: str, **more: Any) -> Any:
    body = {"reason": "It is asked for.", **more}
    return mesh.clients["steward"].post(f"/api/v1/subscriptions/{request_id}/{what}", json=body)


def trail(mesh: SmallMesh) -> list[dict[str, Any]]:
    path, found = "/audit?limit=1000", []
    while path:
        page = mesh.ask("administrator", "GET", path)
        found += page["items"]
        path = f"/audit?limit=1000&cursor={page['nextCursor']}" if page["nextCursor"] else ""
    return found


def test_approve__a_mask_for_a_column_that_would_not_be_granted_is_refused(
    mesh: SmallMesh,
) -> None:
    request_id = request(mesh, columns=["level"])
    told = problem_of(decide(mesh, request_id, "approve", masks={"station": {"kind": "hash"}}))
    assert (told["code"], fields(told)) == ("MASK_INVALID", ["masks.station"])


def test_approve__a_constant_in_place_of_numbers_is_refused(mesh: SmallMesh) -> None:
    masks = {"level": {"kind": "constant", "value": "n/a"}}
    told = problem_of(decide(mesh, request(mesh), "approve", masks=masks))
    assert (told["code"], fields(told)) == ("MASK_INVALID", ["masks.level"])


def test_approve__filters_that_are_too_long_together_never_become_a_grant(
    mesh: SmallMesh,
) -> None:
    request_id = request(mesh, rowFilter=WORN_OUT)
    answer = decide(mesh, request_id, "approve", rowFilter=WORN_OUT.replace("=", "<>"))
    if answer.is_success:
        # Then the grant must work: it may not switch off what the project could read before.
        sql = {"sql": "SELECT count(*) FROM harbour.readings", "projectId": mesh.maps}
        assert mesh.ask("other", "POST", "/query", sql)["rowCount"] == 1
    else:
        assert problem_of(answer)["code"] == "ROW_FILTER_INVALID"


def test_approve__the_sooner_of_two_ends_holds(mesh: SmallMesh) -> None:
    for asked, given in ((SOONER, LATER), (LATER, SOONER)):
        answer = decide(mesh, request(mesh, expiresAt=asked), "approve", expiresAt=given)
        assert answer.json()["expiresAt"].startswith("2090-01-01")


def test_request__an_end_that_has_passed_is_refused(mesh: SmallMesh) -> None:
    body = {"assetId": mesh.readings, "projectId": mesh.maps, "purpose": "x", "expiresAt": LONG_AGO}
    told = problem_of(mesh.clients["other"].post("/api/v1/subscriptions", json=body))
    assert (told["code"], fields(told)) == ("EXPIRY_INVALID", ["expiresAt"])


def test_request__of_no_column_is_refused(mesh: SmallMesh) -> None:
    body = {"assetId": mesh.readings, "projectId": mesh.maps, "purpose": "x", "columns": []}
    told = problem_of(mesh.clients["other"].post("/api/v1/subscriptions", json=body))
    assert (told["code"], fields(told)) == ("REQUEST_INVALID", ["columns"])


def test_revoke__ends_the_grant_and_stays_ended(mesh: SmallMesh) -> None:
    request_id = request(mesh)
    grant_id = decide(mesh, request_id, "approve").json()["grantId"]
    assert decide(mesh, request_id, "revoke").json()["status"] == "revoked"
    grants = mesh.ask("steward", "GET", f"/permissions?assetId={mesh.readings}")["items"]
    assert grant_id not in {grant["grantId"] for grant in grants}
    again = problem_of(decide(mesh, request_id, "revoke"))
    assert again["code"] == "ALREADY_DECIDED"


def test_stored_answer__shows_nothing_of_today_to_a_steward_who_lost_his_role(
    mesh: SmallMesh,
) -> None:
    member = f"/domains/{mesh.harbour}/members/user:tom@harbour"
    mesh.ask("domain-owner", "PUT", member, {"role": "steward"})
    request_id = request(mesh)
    path, body = f"/api/v1/subscriptions/{request_id}/approve", {"reason": "Yes."}
    with mesh.server.client("tom@harbour") as tom:
        key = {"Idempotency-Key": "tom-1"}
        assert tom.post(path, json=body, headers=key).json()["status"] == "active"
        mesh.ask("domain-owner", "DELETE", member)
        mesh.ask("steward", "POST", f"/subscriptions/{request_id}/revoke", {"reason": "later on"})
        before = audit_records(mesh.server.home)
        repeated = tom.post(path, json=body, headers=key)
    assert problem_of(repeated)["code"] == "SUBSCRIPTION_NOT_FOUND"
    assert "later on" not in repeated.text
    assert audit_records(mesh.server.home) == before + 1


def test_trail__names_who_got_and_who_lost_a_role(mesh: SmallMesh) -> None:
    member = f"/projects/{mesh.tides}/members/user:new@tides"
    mesh.ask("owner", "PUT", member, {"role": "viewer"})
    mesh.ask("owner", "DELETE", member)
    told = {(record["operation"], str(record["detail"])) for record in trail(mesh)}
    assert ("removeProjectMember", "{'principal': 'user:new@tides'}") in told
    assert any(operation == "createProject" and "otto@maps" in detail for operation, detail in told)


def test_trail__keeps_that_a_person_tried_a_road_of_services(mesh: SmallMesh) -> None:
    answer = mesh.clients["other"].post("/internal/v1/permissions/revoke", json={"grant_id": "x"})
    assert problem_of(answer)["code"] == "FORBIDDEN"
    last = trail(mesh)[-1]
    assert (last["operation"], last["actor"], last["outcome"]) == (
        "permissions.revoke",
        "user:otto@maps",
        "refused",
    )


def test_revoked_grant__never_comes_back_though_its_own_grant_arrives_late(
    mesh: SmallMesh,
) -> None:
    own = issuer(read_settings(home=mesh.server.home))
    token = own.mint("subscriptions", (), service="subscriptions", on_behalf_of="user:sam@harbour")
    grant = {
        "grant_id": "grant-late",
        "principal": f"project:{mesh.maps}",
        "asset_id": mesh.readings,
        "domain_id": mesh.harbour,
        "row_filter": None,
        "columns": [{"name": "level", "mask": None}],
        "excluded_columns": [],
        "expires_at": None,
        "subscription_id": "sub-req-late",
    }
    with mesh.server.client() as service:
        service.headers["Authorization"] = f"Bearer {token}"
        for method, body in (
            ("revoke", {"grant_id": "grant-late"}),
            ("grant", {"grant": grant}),
        ):
            answer = service.post(f"/internal/v1/permissions/{method}", json=body)
            assert answer.is_success, answer.text
    grants = mesh.ask("steward", "GET", f"/permissions?assetId={mesh.readings}")["items"]
    assert "grant-late" not in {found["grantId"] for found in grants}
