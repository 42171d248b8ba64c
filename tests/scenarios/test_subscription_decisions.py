"""What a steward decides is what is granted: checked as a whole, and never more than was asked."""

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from meshplane.kit.clock import SystemClock, to_text
from meshplane.run.links import issuer
from meshplane.run.settings import read_settings
from tests.builders.kept_state import audit_records, kept_state, settle, settled_state
from tests.builders.refusals import fields, problem_of
from tests.builders.server import running_server
from tests.builders.small_mesh import SmallMesh

LONG_AGO, SOONER, LATER = "2020-01-01T00:00:00Z", "2090-01-01T00:00:00Z", "2099-01-01T00:00:00Z"


def any_of(condition: str, times: int) -> str:
    """A row filter of that many conditions."""
    return " OR ".join([condition] * times)


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


def by_subscriptions(mesh: SmallMesh, method: str, body: dict[str, Any]) -> httpx.Response:
    """The answer of the permissions service to the subscriptions service."""
    own = issuer(read_settings(home=mesh.server.home))
    token = own.mint("subscriptions", (), service="subscriptions", on_behalf_of="user:sam@harbour")
    with mesh.server.client() as service:
        service.headers["Authorization"] = f"Bearer {token}"
        answer = service.post(f"/internal/v1/permissions/{method}", json=body)
    assert answer.is_success, answer.text
    return answer


def grant_named(mesh: SmallMesh, grant_id: str) -> dict[str, Any]:
    """A grant of the readings' levels to `maps`, as services write it."""
    return {
        "grant_id": grant_id,
        "principal": f"project:{mesh.maps}",
        "target": {"kind": "rows", "asset_id": mesh.readings},
        "permissions": ["SELECT", "DESCRIBE"],
        "domain_id": mesh.harbour,
        "columns": [{"name": "level"}],
        "subscription_id": "sub-req-late",
    }


def granted(mesh: SmallMesh) -> set[str]:
    """The ids of the grants on readings."""
    grants = mesh.ask("steward", "GET", f"/permissions?assetId={mesh.readings}&limit=200")
    return {grant["grantId"] for grant in grants["items"]}


def refused_approval(mesh: SmallMesh, request_id: str, **approval: Any) -> dict[str, Any]:
    """The problem that an approval meets, which leaves everything as it was."""
    before = settled_state(mesh.server.home)
    told = problem_of(decide(mesh, request_id, "approve", **approval))
    assert kept_state(mesh.server.home) == before
    assert mesh.ask("other", "GET", f"/subscriptions/{request_id}")["status"] == "requested"
    return told


def test_approve__a_mask_for_a_column_that_was_not_asked_for_is_refused(mesh: SmallMesh) -> None:
    request_id = request(mesh, columns=["level"])
    told = refused_approval(mesh, request_id, masks={"station": {"kind": "hash"}})
    assert (told["code"], fields(told)) == ("MASK_INVALID", ["masks.station"])


def test_approve__a_mask_for_a_column_that_is_left_out_is_refused(mesh: SmallMesh) -> None:
    told = refused_approval(
        mesh, request(mesh), masks={"station": {"kind": "null"}}, excludedColumns=["station"]
    )
    assert (told["code"], fields(told)) == ("MASK_INVALID", ["masks.station"])


def test_approve__a_constant_in_place_of_numbers_is_refused(mesh: SmallMesh) -> None:
    masks = {"level": {"kind": "constant", "value": "n/a"}}
    told = refused_approval(mesh, request(mesh), masks=masks)
    assert (told["code"], fields(told)) == ("MASK_INVALID", ["masks.level"])


def test_approve__a_constant_in_place_of_text_is_what_readers_see(mesh: SmallMesh) -> None:
    masks = {"station": {"kind": "constant", "value": "n/a"}}
    answer = decide(mesh, request(mesh), "approve", masks=masks)
    assert answer.json()["scope"]["masks"] == {"station": {"kind": "constant", "value": "n/a"}}


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        # Each is written out in 4,998 bytes; 8,192 is the limit.
        pytest.param(250, 250, id="joined"),
        # Joined they have 7,883 bytes as they come, and more only once they are written out.
        pytest.param(250, 180, id="written out"),
    ],
)
def test_approve__filters_that_are_too_long_together_never_become_a_grant(
    mesh: SmallMesh, asked: int, given: int
) -> None:
    request_id = request(mesh, rowFilter=any_of("level = 1000", asked))
    told = refused_approval(mesh, request_id, rowFilter=any_of("level = 2000", given))
    assert (told["code"], fields(told)) == ("ROW_FILTER_INVALID", ["rowFilter"])
    sql = {"sql": "SELECT count(*) FROM harbour.readings", "projectId": mesh.maps}
    assert mesh.ask("other", "POST", "/query", sql)["rowCount"] == 1


def test_approve__both_filters_hold(mesh: SmallMesh) -> None:
    answer = decide(
        mesh, request(mesh, rowFilter="level < 4 OR level = 9"), "approve", rowFilter="level > 2"
    )
    # Each part keeps its meaning: the OR of one does not swallow the other.
    condition = answer.json()["scope"]["rowFilter"]
    sql = f"SELECT level FROM harbour.readings WHERE {condition} ORDER BY level"
    assert mesh.ask("owner", "POST", "/query", {"sql": sql})["rows"] == [[3], [9]]


def test_approve__a_filter_that_grows_too_long_when_written_out_is_refused(
    mesh: SmallMesh,
) -> None:
    # Each `1::INT` is written out as `CAST(1 AS INT)`: fewer than 4,000 bytes become over 9,000.
    row_filter = f"level IN ({','.join(['1::INT'] * 560)})"
    told = refused_approval(mesh, request(mesh), rowFilter=row_filter)
    assert (told["code"], fields(told)) == ("ROW_FILTER_INVALID", ["rowFilter"])


@pytest.mark.parametrize(
    ("asked", "given"), [(SOONER, LATER), (LATER, SOONER), (SOONER, None), (None, SOONER)]
)
def test_approve__the_sooner_of_two_ends_holds(
    mesh: SmallMesh, asked: str | None, given: str | None
) -> None:
    answer = decide(mesh, request(mesh, expiresAt=asked), "approve", expiresAt=given).json()
    assert answer["expiresAt"].startswith("2090-01-01T00:00:00")
    grants = mesh.ask("steward", "GET", f"/permissions?assetId={mesh.readings}&limit=200")["items"]
    ends = {grant["grantId"]: grant["expiresAt"] for grant in grants}
    assert ends[answer["grantId"]] == answer["expiresAt"]


def test_approve__a_request_whose_own_end_has_passed_is_refused(mesh: SmallMesh) -> None:
    end = SystemClock().now() + timedelta(seconds=1.5)
    request_id = request(mesh, expiresAt=to_text(end))
    time.sleep(max(0.0, (end - SystemClock().now()).total_seconds()) + 0.05)
    # At first it stands as it was, soon it is turned down by itself; it is approved in neither.
    for _ in range(20):
        for given in (None, LATER):
            told = problem_of(decide(mesh, request_id, "approve", expiresAt=given))
            assert (told["code"], fields(told)) == ("REQUEST_EXPIRED", ["expiresAt"])
        time.sleep(0.1)
    left = mesh.ask("other", "GET", f"/subscriptions/{request_id}")
    assert (left["status"], left["decidedBy"]) == ("rejected", "policy:request-expired")
    assert left["grantId"] is None


def test_approve__an_end_in_the_past_is_refused(mesh: SmallMesh) -> None:
    told = refused_approval(mesh, request(mesh, expiresAt=LATER), expiresAt=LONG_AGO)
    assert (told["code"], fields(told)) == ("EXPIRY_INVALID", ["expiresAt"])


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
    assert grant_id in granted(mesh)
    assert decide(mesh, request_id, "revoke").json()["status"] == "revoked"
    assert grant_id not in granted(mesh)
    again = problem_of(decide(mesh, request_id, "revoke"))
    assert again["code"] == "ALREADY_DECIDED"


def test_revoke__sent_again_under_its_key_answers_the_same(mesh: SmallMesh) -> None:
    request_id = request(mesh)
    decide(mesh, request_id, "approve")
    path, body = f"/api/v1/subscriptions/{request_id}/revoke", {"reason": "No more."}
    key = {"Idempotency-Key": "revoke-1"}
    first, again = (mesh.clients["steward"].post(path, json=body, headers=key) for _ in range(2))
    assert first.json()["status"] == "revoked"
    assert (again.status_code, again.json()) == (first.status_code, first.json())


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
        settle(mesh.server.home)  # once the lake has followed, which is on record too
        before = audit_records(mesh.server.home)
        repeated = tom.post(path, json=body, headers=key)
    assert problem_of(repeated)["code"] == "SUBSCRIPTION_NOT_FOUND"
    assert "later on" not in repeated.text
    assert audit_records(mesh.server.home) == before + 1
    last = [one for one in trail(mesh) if one["actor"] == "user:tom@harbour"][-1]
    assert (last["outcome"], last["resource"]) == ("refused", f"Subscription:{request_id}")


def test_trail__names_who_got_a_role_with_a_new_domain_or_project(mesh: SmallMesh) -> None:
    told = [(one["operation"], one["detail"].get("members")) for one in trail(mesh)]
    people = {"user:dora@harbour": "owner", "user:sam@harbour": "steward"}
    assert ("createDomain", people) in told
    assert ("createProject", {"user:otto@maps": "owner"}) in told


def test_trail__names_who_lost_a_role(mesh: SmallMesh) -> None:
    for role, member, operation in (
        ("owner", f"/projects/{mesh.tides}/members/user:new@tides", "removeProjectMember"),
        ("domain-owner", f"/domains/{mesh.harbour}/members/user:new@harbour", "removeDomainMember"),
    ):
        mesh.ask(role, "PUT", member, {"role": "viewer" if role == "owner" else "steward"})
        mesh.ask(role, "DELETE", member)
        assert problem_of(mesh.clients[role].delete(f"/api/v1{member}"))["status"] == 404
        told = [one for one in trail(mesh) if one["operation"] == operation]
        principal = member.rpartition("/")[2]
        assert [(one["outcome"], one["detail"].get("principal")) for one in told[-2:]] == [
            ("allowed", principal),
            ("failed", principal),
        ]


def test_trail__keeps_that_a_person_tried_a_road_of_services(mesh: SmallMesh) -> None:
    answer = mesh.clients["other"].post("/internal/v1/permissions/revoke", json={"grant_id": "x"})
    assert problem_of(answer)["code"] == "FORBIDDEN"
    told = [one for one in trail(mesh) if one["operation"] == "permissions.revoke"]
    assert [(one["actor"], one["outcome"], one["code"]) for one in told] == [
        ("user:otto@maps", "refused", "FORBIDDEN")
    ]


def test_revoked_grant__never_comes_back_though_its_own_grant_arrives_late(
    mesh: SmallMesh,
) -> None:
    never_granted = grant_named(mesh, "grant-late")
    by_subscriptions(mesh, "revoke", {"grant_id": "grant-late"})
    by_subscriptions(mesh, "grant", {"grant": never_granted})
    assert "grant-late" not in granted(mesh)


def test_revoked_grant__sent_once_more_stays_revoked(mesh: SmallMesh) -> None:
    grant = grant_named(mesh, "grant-again")
    by_subscriptions(mesh, "grant", {"grant": grant})
    assert "grant-again" in granted(mesh)
    first, again = (by_subscriptions(mesh, "revoke", {"grant_id": "grant-again"}) for _ in range(2))
    assert (again.status_code, again.content) == (first.status_code, first.content)
    by_subscriptions(mesh, "grant", {"grant": grant})
    assert "grant-again" not in granted(mesh)
    path = f"/permissions/effective?principal=project:{mesh.maps}&assetId={mesh.readings}"
    assert "grant-again" not in mesh.ask("other", "GET", path)["grants"]
