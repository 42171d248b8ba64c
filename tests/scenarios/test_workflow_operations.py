"""What the mesh's workflows and functions do, step by step, over HTTP and as they do it."""

from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest
from dulwich.objects import Commit, Tree
from dulwich.repo import Repo

from meshplane.kit.errors import MeshplaneError, Missing
from meshplane.workflows.functions import function_named
from tests.builders.server import running_server
from tests.builders.small_mesh import CANARY, CONTRACT, SmallMesh

pytestmark = pytest.mark.scenario

BUCKETS = """\
AWSTemplateFormatVersion: 2010-09-09
Resources:
  Data:
    Type: AWS::S3::Bucket
    Properties: {BucketName: !Sub "data-${AWS::AccountId}"}
"""


@pytest.fixture(scope="module")
def mesh() -> Iterator[SmallMesh]:
    with running_server() as server:
        made = SmallMesh(server)
        yield made
        made.close()
        assert server.unforeseen() == []


@pytest.fixture(scope="module")
def workflows(mesh: SmallMesh) -> Iterator[httpx.Client]:
    with mesh.server.service("workflows") as client:
        yield client


def done(client: httpx.Client, method: str, path: str, body: Any = None) -> Any:
    answer = client.request(method, f"/api/v1{path}", json=body)
    assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
    return answer.json()


def refused(client: httpx.Client, method: str, path: str, body: Any = None) -> tuple[int, str]:
    answer = client.request(method, f"/api/v1{path}", json=body)
    return answer.status_code, answer.json()["code"]


def events(mesh: SmallMesh, kind: str) -> list[dict[str, Any]]:
    items = mesh.ask("administrator", "GET", f"/events?type={kind}&limit=200")["items"]
    return [item["detail"] for item in items]


class OverHttp:
    """The platform's operations over HTTP, for functions: a path for each that they call."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    async def call(
        self, operation_id: str, arguments: Mapping[str, Any], *, idempotency_key: str
    ) -> Any:
        rest = dict(arguments)
        paths = {
            "setupProject": ("POST", "/projects/{projectId}/setup"),
            "runAllQualityChecks": ("POST", "/data-quality/run-all"),
            "listAssets": ("GET", "/assets"),
            "syncToDevelopment": ("POST", "/query/sync-to-development"),
            "listAllTables": ("GET", "/tables/all"),
            "expireSnapshots": ("POST", "/tables/{tableId}/snapshots/expire"),
        }
        method, path = paths[operation_id]
        for name in [name for name in rest if "{" + name + "}" in path]:
            path = path.replace("{" + name + "}", rest.pop(name))
        answer = self.client.request(
            method,
            f"/api/v1{path}",
            params=rest if method == "GET" else None,
            json=None if method == "GET" else rest,
            headers={"Idempotency-Key": idempotency_key} if method == "POST" else {},
        )
        if not answer.is_success:
            raise MeshplaneError(answer.json()["code"], answer.json()["detail"])
        return answer.json()


def test_project__is_set_up_once_and_has_folders_a_role_and_a_repository(
    mesh: SmallMesh, workflows: httpx.Client
) -> None:
    made = done(workflows, "POST", f"/projects/{mesh.maps}/setup")
    assert made == done(workflows, "POST", f"/projects/{mesh.maps}/setup")
    assert made["roleName"] == f"project-{mesh.maps}-role"
    bucket = mesh.server.home / "lake" / made["bucket"]
    assert made["folders"] == [
        f"projects/{mesh.maps}/{name}/" for name in ("raw", "processed", "metadata")
    ]
    assert all((bucket / folder).is_dir() for folder in made["folders"])
    with Repo(str(mesh.server.home / made["repository"])) as repository:
        assert dict(repository.refs.get_symrefs()) == {b"HEAD": b"refs/heads/main"}
        first = repository[repository.head()]
        assert isinstance(first, Commit)
        tree = repository[first.tree]
        assert isinstance(tree, Tree)
        assert [entry.path for entry in tree.items()] == [b"README.md"]
    told = [one for one in events(mesh, "ProjectSetupCompleted") if one["projectId"] == mesh.maps]
    assert told == [{"projectId": mesh.maps, "status": "success"}]


def test_publication__lists_at_once_and_tells_both(mesh: SmallMesh) -> None:
    asset = mesh.ask("owner", "GET", f"/assets/{mesh.readings}")
    assert asset["status"] == "published"
    assert asset["listedAt"] >= asset["createdAt"]
    for kind in ("AssetSubmitted", "AssetPublished"):
        found = [one for one in events(mesh, kind) if one["assetId"] == mesh.readings]
        assert len(found) == 1, kind


def test_publication__its_steps_say_what_a_workflow_needs(
    mesh: SmallMesh, workflows: httpx.Client
) -> None:
    checked = done(workflows, "GET", f"/assets/{mesh.readings}/metadata")
    assert (checked["valid"], checked["problems"]) == (True, [])
    assert not done(workflows, "GET", f"/assets/{mesh.readings}/approval")["required"]
    body = {
        "projectId": mesh.tides,
        "tableId": mesh.new_table("secrets"),
        "name": "secrets",
        "description": "Where nobody goes.",
        "classification": "internal",
        "columnClassifications": {"station": "restricted"},
        "contract": CONTRACT,
    }
    asset = mesh.ask("owner", "POST", "/assets", body)
    asset_id = asset["assetId"]
    assert asset["status"] == "submitted", "a steward must approve it first"
    needed = done(workflows, "GET", f"/assets/{asset_id}/approval")
    assert (needed["required"], needed["sensitiveColumns"]) == (True, ["station"])
    assert (needed["approverRole"], needed["domainId"]) == ("steward", mesh.harbour)
    listed = done(workflows, "POST", f"/assets/{asset_id}/list")
    assert done(workflows, "POST", f"/assets/{asset_id}/list") == listed
    reason = {"reason": "Too late."}
    assert refused(workflows, "POST", f"/assets/{asset_id}/reject", reason) == (409, "ASSET_LISTED")


def test_publication__without_words_is_rejected_and_says_what_is_missing(
    mesh: SmallMesh, workflows: httpx.Client
) -> None:
    body = {
        "projectId": mesh.tides,
        "tableId": mesh.new_table("wordless"),
        "name": "wordless",
        "description": " ",
        "classification": "internal",
        "contract": CONTRACT,
    }
    asset = mesh.ask("owner", "POST", "/assets", body)
    assert asset["status"] == "rejected"
    assert asset["statusReason"].startswith("METADATA_INCOMPLETE")
    checked = done(workflows, "GET", f"/assets/{asset['assetId']}/metadata")
    assert (checked["valid"], checked["problems"][0]["field"]) == (False, "description")
    again = mesh.ask("owner", "POST", "/assets", {**body, "description": "In so many words."})
    assert again["status"] == "published"


def test_promotion__goes_from_state_to_state_and_never_back(
    mesh: SmallMesh, workflows: httpx.Client
) -> None:
    wish = {"projectId": mesh.tides, "sourceEnvironment": "dev", "targetEnvironment": "prod"}
    asked = mesh.ask("owner", "POST", "/promotions", wish)
    assert (asked["status"], asked["approvedBy"]) == ("PENDING", None)
    outcome = f"/promotions/{asked['requestId']}/outcome"
    assert refused(workflows, "POST", outcome, {"status": "COMPLETED"})[1] == "PROMOTION_MOVED_ON"
    own = {"status": "APPROVED", "approvedBy": "user:olga@tides"}
    assert refused(workflows, "POST", outcome, own) == (403, "SELF_APPROVAL")
    yes = {"status": "APPROVED", "approvedBy": "user:sam@harbour", "reason": "Line\nby\x00line"}
    approved = done(workflows, "POST", outcome, yes)
    assert (approved["approvedBy"], approved["approvalReason"]) == (
        "user:sam@harbour",
        "Line by line",
    )
    assert done(workflows, "POST", outcome, yes)["version"] == approved["version"]
    ended = done(workflows, "POST", outcome, {"status": "COMPLETED"})
    assert ended["completedAt"] is not None
    found = mesh.ask("viewer", "GET", f"/promotions?projectId={mesh.tides}&status=COMPLETED")
    assert [one["requestId"] for one in found["items"]] == [asked["requestId"]]
    assert events(mesh, "PromotionCompleted")[-1]["status"] == "COMPLETED"
    back = {**wish, "sourceEnvironment": "prod", "targetEnvironment": "dev"}
    assert refused(mesh.clients["owner"], "POST", "/promotions", back)[1] == "ENVIRONMENTS_INVALID"


def test_environments__are_deployed_tested_and_verified(
    mesh: SmallMesh, workflows: httpx.Client
) -> None:
    prod = {"projectId": mesh.tides, "environment": "prod"}
    before = done(workflows, "POST", "/validate", prod)
    assert (before["valid"], len(before["problems"])) == (False, 1)
    for method, path, body in (
        ("POST", "/tests/run", prod),
        ("GET", f"/verify?projectId={mesh.tides}", None),
    ):
        assert refused(workflows, method, path, body) == (409, "ENVIRONMENT_NOT_DEPLOYED")
    wish = {"projectId": mesh.tides, "targetEnvironment": "prod", "cfnTemplate": BUCKETS}
    deployed = done(workflows, "POST", "/deployments", wish)
    assert (deployed["status"], deployed["resources"]) == ("SUCCESS", 1)
    assert done(workflows, "POST", "/tests/run", prod)["passed"]
    verified = done(workflows, "GET", f"/verify?projectId={mesh.tides}")
    assert verified["deploymentId"] == deployed["deploymentId"]
    assert done(workflows, "POST", "/validate", prod)["valid"]
    listed = mesh.ask("owner", "GET", f"/deployments?projectId={mesh.tides}")["items"]
    # The project's own set-up deploys to dev in its own time: before this, or after.
    tested = {one["deploymentId"]: one["testsPassedAt"] is not None for one in listed}
    assert tested[deployed["deploymentId"]]


@pytest.mark.parametrize(
    "template",
    [
        "nothing: here",
        "[]",
        '{"Resources": {}}',
        '{"Resources": {"A": {"Type": 7}}}',
        '{"Resources": {"A": {"Type": "nonsense"}}}',
        '{"Surplus": 1, "Resources": {"A": {"Type": "AWS::S3::Bucket"}}}',
        "Resources: &a [*a]",
        "Resources: {A: {Type: !!python/object/apply:os.system [ls]}}",
        "[" * 20_000,
        "{" * 20_000,
    ],
)
def test_template__that_is_none_is_refused(mesh: SmallMesh, template: str) -> None:
    wish = {"projectId": mesh.tides, "targetEnvironment": "dev", "cfnTemplate": template}
    found = refused(mesh.clients["owner"], "POST", "/deployments", wish)
    assert found == (400, "TEMPLATE_INVALID")


def promotion_of(mesh: SmallMesh, template: str) -> dict[str, Any]:
    environments = {"sourceEnvironment": "dev", "targetEnvironment": "staging"}
    return {"projectId": mesh.tides, "cfnTemplate": template, **environments}


NAMED = "Parameters: {Name: {Type: String}}\n"
ROLE = "Resources: {Reader: {Type: 'AWS::IAM::Role', Properties: {AssumeRolePolicyDocument: {}}}}"


@pytest.mark.parametrize(
    ("template", "code"),
    [
        ("nothing: here", "TEMPLATE_INVALID"),
        ("[" * 20_000, "TEMPLATE_INVALID"),
        (NAMED + "Resources: {A: {Type: 'AWS::S3::Bucket'}}", "PARAMETERS_INVALID"),
        (ROLE, "CAPABILITY_MISSING"),
    ],
)
def test_promotion__of_a_template_that_its_deployments_would_refuse_is_refused(
    mesh: SmallMesh, template: str, code: str
) -> None:
    before = len(events(mesh, "PromotionRequested"))
    wish = promotion_of(mesh, template)
    assert refused(mesh.clients["owner"], "POST", "/promotions", wish) == (400, code)
    assert len(events(mesh, "PromotionRequested")) == before


def test_promotion__of_a_template_in_which_cfn_lint_finds_errors_is_refused(
    mesh: SmallMesh,
) -> None:
    pytest.importorskip("cfnlint", reason="templates are checked with cfn-lint, not here")
    odd = "Resources: {Odd: {Type: 'AWS::Nothing::There'}}"
    answer = mesh.clients["owner"].post("/api/v1/promotions", json=promotion_of(mesh, odd))
    assert (answer.status_code, answer.json()["code"]) == (400, "TEMPLATE_INVALID")
    assert "E3006" in answer.text


def test_share__takes_each_step_once_and_in_order(mesh: SmallMesh, workflows: httpx.Client) -> None:
    one = f"/cross-account-share/{mesh.share}"
    # Two steps were taken by the share workflow; taken again, they change nothing.
    assert done(workflows, "POST", f"{one}/resource-share")["status"] == "GRANTED"
    assert done(workflows, "POST", f"{one}/grant")["status"] == "GRANTED"
    assert refused(workflows, "POST", f"{one}/complete") == (409, "SHARE_NOT_READY")
    assert not done(workflows, "GET", f"{one}/acceptance")["accepted"]
    assert refused(workflows, "POST", f"{one}/accept")[0] == 403
    assert mesh.ask("administrator", "POST", f"{one}/accept")["acceptedBy"] == "user:ada@mesh"
    assert done(workflows, "GET", f"{one}/acceptance")["accepted"]
    assert done(workflows, "POST", f"{one}/verify")["status"] == "VERIFIED"
    active = done(workflows, "POST", f"{one}/complete")
    assert done(workflows, "POST", f"{one}/resource-share") == active
    assert refused(workflows, "POST", f"{one}/fail", {"reason": "x"}) == (409, "SHARE_ACTIVE")
    assert events(mesh, "CrossAccountShareCompleted")[-1]["status"] == "ACTIVE"


def test_subscribers__are_told_once_a_project(mesh: SmallMesh, workflows: httpx.Client) -> None:
    notice = {"assetId": mesh.readings, "message": "New rows every hour."}
    assert done(workflows, "POST", "/subscriptions/notify", notice)["projects"] == 1
    assert events(mesh, "SubscriberNotified")[-1]["projectId"] == mesh.maps


def test_subscription__is_fulfilled_again_without_a_change(
    mesh: SmallMesh, workflows: httpx.Client
) -> None:
    path = f"/subscriptions/{mesh.subscription}/fulfil"
    first = done(workflows, "POST", path)
    assert (first["status"], first["fulfilled"]) == ("active", True)
    assert done(workflows, "POST", path) == first


async def test_function__quality_runs_every_ruleset(
    mesh: SmallMesh, workflows: httpx.Client
) -> None:
    handle = function_named("arn:aws:lambda:local:000000000000:function:TriggerDataQualityChecks")
    result = await handle({"time": "2026-01-14T20:00:00Z"}, OverHttp(workflows), "hour-20")
    assert (result["statusCode"], result["body"]["runs"], result["body"]["broken"]) == (200, 1, 0)
    runs = mesh.ask("owner", "GET", f"/data-quality/runs?assetId={mesh.readings}")["items"]
    await handle({"time": "2026-01-14T20:00:00Z"}, OverHttp(workflows), "hour-20")
    again = mesh.ask("owner", "GET", f"/data-quality/runs?assetId={mesh.readings}")["items"]
    assert len(again) == len(runs), "the same firing runs nothing twice"


async def test_function__sample_is_masked_renewed_and_the_same_for_the_same_rows(
    mesh: SmallMesh, workflows: httpx.Client
) -> None:
    table = mesh.new_table("sightings")
    rows = [{"station": f"{CANARY}-{number}", "level": number} for number in range(2_000)]
    mesh.ask("owner", "POST", f"/tables/{table}/rows", rows=rows)
    body = {
        "projectId": mesh.tides,
        "tableId": table,
        "name": "sightings",
        "description": "What was seen.",
        "classification": "internal",
        "columnClassifications": {"station": "confidential"},
        "contract": CONTRACT,
    }
    asset_id = mesh.ask("owner", "POST", "/assets", body)["assetId"]
    done(workflows, "POST", f"/assets/{asset_id}/list")
    wish = {"assetId": asset_id}
    first = done(workflows, "POST", "/query/sync-to-development", wish)
    assert 120 <= first["rows"] <= 290
    second = done(workflows, "POST", "/query/sync-to-development", wish)
    assert (second["tableId"], second["rows"]) == (first["tableId"], first["rows"])
    versions = mesh.ask("owner", "GET", f"/tables/{first['tableId']}/snapshots")["items"]
    assert [one["totalRows"] for one in versions] == [first["rows"], first["rows"]]
    whole = done(workflows, "POST", "/query/sync-to-development", {**wish, "percent": 100})
    assert whole["rows"] == 2_000

    names = {"name": "sightings_dev", "tableId": first["tableId"], "columnClassifications": {}}
    mesh.ask("owner", "POST", "/assets", {**body, **names})
    seen = mesh.ask("owner", "POST", "/query", {"sql": "SELECT * FROM sightings_dev LIMIT 5"})
    assert len(seen["rows"]) == 5
    assert all(CANARY not in row[0] and len(row[0]) == 32 for row in seen["rows"])

    event = {"detail": {"percent": 50.0}}
    result = await function_named("SyncProdToDevData")(event, OverHttp(workflows), "day-1")
    assert result["body"]["failed"] == []
    assert result["body"]["synced"] >= 3


def test_sample__leaves_a_table_of_that_name_alone(
    mesh: SmallMesh, workflows: httpx.Client
) -> None:
    asset_id = mesh.new_asset("buoys", mesh.new_table("buoys"))
    mesh.new_table("buoys_dev")
    found = refused(workflows, "POST", "/query/sync-to-development", {"assetId": asset_id})
    assert found == (409, "NAME_TAKEN")


async def test_function__old_snapshots_go_with_their_files_and_no_row_is_lost(
    mesh: SmallMesh, workflows: httpx.Client
) -> None:
    table = mesh.new_table("overwritten")
    folder = mesh.ask("owner", "GET", f"/tables/{table}")["location"]
    for number in range(4):
        rows = [{"station": f"{CANARY}-{number}-{row}", "level": row} for row in range(20)]
        mesh.ask("owner", "POST", f"/tables/{table}/rows", rows=rows)
        mesh.ask("owner", "POST", f"/tables/{table}/rows/delete", {"where": "level < 10"})
    asset_id = mesh.new_asset("overwritten", table)
    kept = mesh.ask("owner", "GET", f"/tables/{table}/snapshots")["items"]
    files = len(list(_files(folder)))
    count = {"sql": "SELECT count(*) AS n, sum(level) AS s FROM overwritten"}
    before = mesh.ask("owner", "POST", "/query", count)["rows"]

    event = {"detail": {"olderThanDays": 0.0, "keepLast": 2}}
    clean = function_named("CleanupOldSnapshots")
    result = await clean(event, OverHttp(workflows), "week-3")
    assert result["body"]["failed"] == []
    assert result["body"]["expiredSnapshots"] >= len(kept) - 2
    assert len(list(_files(folder))) < files

    left = mesh.ask("owner", "GET", f"/tables/{table}/snapshots")["items"]
    assert [one["snapshotId"] for one in left] == [one["snapshotId"] for one in kept[-2:]]
    assert mesh.ask("owner", "POST", "/query", count)["rows"] == before
    gone = {**count, "asOf": kept[0]["committedAt"]}
    assert refused(mesh.clients["owner"], "POST", "/query", gone) == (404, "SNAPSHOT_NOT_FOUND")
    there = {**count, "asOf": kept[-2]["committedAt"]}
    assert mesh.ask("owner", "POST", "/query", there)["rows"][0][0] > 0
    mesh.ask("owner", "POST", f"/tables/{table}/rows", rows=[{"station": "x", "level": 1}])
    assert mesh.ask("owner", "POST", "/query", count)["rows"][0][0] == before[0][0] + 1
    assert mesh.ask("owner", "GET", f"/assets/{asset_id}")["tableId"] == table


def test_all_tables__are_found_page_by_page(mesh: SmallMesh, workflows: httpx.Client) -> None:
    whole = {one["tableId"] for one in done(workflows, "GET", "/tables/all?limit=200")["items"]}
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = done(workflows, "GET", f"/tables/all?limit=2{cursor and f'&cursor={cursor}'}")
        found += [one["tableId"] for one in page["items"]]
        cursor = page["nextCursor"]
    assert sorted(found) == sorted(whole)
    assert mesh.logbook in whole
    for wrong in ("x", "00", "5b5d", "5b312c325d"):
        assert refused(workflows, "GET", f"/tables/all?cursor={wrong}") == (400, "CURSOR_INVALID")


def test_function__that_is_none_is_named() -> None:
    with pytest.raises(Missing, match="OnProjectCreate"):
        function_named("Nonsense")


def _files(folder: str) -> Iterator[Any]:
    from pathlib import Path

    yield from (path for path in Path(folder).rglob("*") if path.suffix in {".parquet", ".avro"})
