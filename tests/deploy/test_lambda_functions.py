"""The platform's functions as Lambda zips: small, whole, and with one effect for one event."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from meshplane.workflows.functions import FUNCTIONS
from tests.builders.lambda_zips import Asked, http_server, packaged, run, unzipped

TOKEN = {"MESHPLANE_TOKEN": "a-token"}
EVENT = {
    "version": "0",
    "id": "of-eventbridge",
    "detail-type": "ProjectCreated",
    "source": "management-app.projects",
    "time": "2026-11-01T00:00:00Z",
    "resources": ["proj-1", "meshplane:event/evt-1"],
    "detail": {"projectId": "proj-1"},
}


@pytest.fixture(scope="module")
def zips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("zips")
    packaged(out)
    return out


class Mesh:
    """An API that remembers what it was asked."""

    def __init__(self, **answers: Any) -> None:
        self.asked: list[Asked] = []
        self._answers = answers

    def __call__(self, asked: Asked) -> tuple[int, Any]:
        """The answer to a request, by the last part of its path."""
        self.asked.append(asked)
        found = self._answers.get(asked.path.partition("?")[0].rpartition("/")[2], {})
        if isinstance(found, list):
            found = found.pop(0)
        status, document = found if isinstance(found, tuple) else (200, found)
        return status, document


def invoke(
    zips: Path, folder: Path, function: str, mesh: Mesh, *events: Any, seconds: float = 60.0
) -> list[dict[str, Any]]:
    with http_server(mesh) as url:
        ran = run(
            unzipped(zips / f"{function}.zip", folder),
            "function_handler",
            events,
            {**TOKEN, "MESHPLANE_API_URL": url},
            seconds=seconds,
        )
    assert ran.loaded.isdisjoint({"boto3", "botocore", "httpx", "pydantic", "orjson"})
    return ran.answers


def test_every_function__has_a_zip_of_its_own_of_some_kilobytes(zips: Path) -> None:
    assert {path.stem for path in zips.glob("*.zip")} == {*FUNCTIONS, "authorizer"}
    for name in FUNCTIONS:
        assert (zips / f"{name}.zip").stat().st_size < 20_000
    held = zipfile.ZipFile(zips / "OnProjectCreate.zip").namelist()
    others = [name for name in held if "/functions/" in name and "__init__" not in name]
    assert others == ["meshplane/workflows/functions/on_project_create.py"]


def test_same_source__gives_the_same_bytes(zips: Path, tmp_path: Path) -> None:
    printed = packaged(tmp_path, "OnProjectCreate")
    again = (tmp_path / "OnProjectCreate.zip").read_bytes()
    assert again == (zips / "OnProjectCreate.zip").read_bytes()
    assert f"{len(again):,}" in printed


def test_event__becomes_the_operation_under_a_key_of_the_event(zips: Path, tmp_path: Path) -> None:
    mesh = Mesh(setup={"folders": ["raw/"]})
    repeated = {**EVENT, "id": "of-another-delivery"}
    other = {**EVENT, "resources": ["proj-1", "meshplane:event/evt-2"]}
    answers = invoke(zips, tmp_path, "OnProjectCreate", mesh, EVENT, repeated, other)
    done = {"statusCode": 200, "body": {"status": "success", "folders": ["raw/"]}}
    assert [one["answer"] for one in answers] == [done] * 3
    assert [(one.method, one.path) for one in mesh.asked] == [
        ("POST", "/api/v1/projects/proj-1/setup")
    ] * 3
    assert {one.headers["authorization"] for one in mesh.asked} == {"Bearer a-token"}
    keys = [one.headers["idempotency-key"] for one in mesh.asked]
    assert keys[0] == keys[1] != keys[2]


def test_refusal__fails_the_invocation_with_its_code(zips: Path, tmp_path: Path) -> None:
    problem = {"code": "PROJECT_NOT_FOUND", "detail": "There is no such project."}
    mesh = Mesh(setup=(404, problem))
    answers = invoke(zips, tmp_path, "OnProjectCreate", mesh, EVENT, {"detail": {}})
    assert answers[0] == {"error": "PROJECT_NOT_FOUND", "message": "There is no such project."}
    assert answers[1]["error"] == "EVENT_UNFIT"


def test_mesh_that_is_busy__is_asked_again_under_the_same_key(zips: Path, tmp_path: Path) -> None:
    mesh = Mesh(setup=[(503, {"code": "STORE_UNAVAILABLE"}), (200, {"folders": []})])
    (answer,) = invoke(zips, tmp_path, "OnProjectCreate", mesh, EVENT)
    assert answer["answer"]["statusCode"] == 200
    assert len({one.headers["idempotency-key"] for one in mesh.asked}) == 1


def test_mesh_that_stays_busy__is_given_up_before_the_functions_time_is_over(
    zips: Path, tmp_path: Path
) -> None:
    mesh = Mesh(setup=(503, {"code": "STORE_UNAVAILABLE", "detail": "Not now."}))
    (answer,) = invoke(zips, tmp_path, "OnProjectCreate", mesh, EVENT, seconds=3.2)
    assert answer == {"error": "STORE_UNAVAILABLE", "message": "Not now."}


def test_lists__are_read_to_the_end_and_one_failure_holds_up_no_other(
    zips: Path, tmp_path: Path
) -> None:
    pages = [
        {"items": [{"tableId": "tbl-1"}, {"tableId": "tbl-2"}], "nextCursor": "c1"},
        {"items": [{"tableId": "tbl-3"}], "nextCursor": None},
    ]
    done = {"expiredSnapshots": 2, "removedFiles": 5}
    expire = [done, (409, {"code": "TABLE_BUSY", "detail": "It is written to."}), done]
    mesh = Mesh(all=pages, expire=expire)
    event = {"id": "tick-1", "detail": {"keepLast": 3}}
    (answer,) = invoke(zips, tmp_path, "CleanupOldSnapshots", mesh, event)
    assert answer["answer"]["body"] == {
        "tables": 2,
        "expiredSnapshots": 4,
        "removedFiles": 10,
        "failed": [{"tableId": "tbl-2", "code": "TABLE_BUSY"}],
    }
    assert [one.path for one in mesh.asked] == [
        "/api/v1/tables/all?limit=100",
        "/api/v1/tables/tbl-1/snapshots/expire",
        "/api/v1/tables/tbl-2/snapshots/expire",
        "/api/v1/tables/all?limit=100&cursor=c1",
        "/api/v1/tables/tbl-3/snapshots/expire",
    ]
    assert json.loads(mesh.asked[1].body) == {"keepLast": 3}


@pytest.mark.parametrize(
    ("function", "path"),
    [
        ("TriggerDataQualityChecks", "/api/v1/data-quality/run-all"),
        ("CheckLakeDrift", "/api/v1/lake/drift/check"),
        ("ReconcilePortal", "/api/v1/catalog/portal/reconcile"),
        ("ReconcileProjection", "/api/v1/tables/projection/reconcile"),
        ("SyncProdToDevData", "/api/v1/assets?limit=100"),
    ],
)
def test_scheduled_function__asks_for_its_operation(
    zips: Path, tmp_path: Path, function: str, path: str
) -> None:
    mesh = Mesh(assets={"items": [], "nextCursor": None})
    (answer,) = invoke(zips, tmp_path, function, mesh, {"id": "tick-1", "detail": {}})
    assert answer["answer"]["statusCode"] == 200
    assert mesh.asked[0].path == path
