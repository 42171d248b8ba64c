"""Figures of a mesh in CloudWatch: what they say, and that nothing depends on them."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from math import isclose

import pytest

pytest.importorskip("moto", reason="AWS is played by the sandbox, which is not here")

from meshplane.gateway.aws_figures import spread_of
from meshplane.gateway.metrics import RequestMetrics, Timing
from meshplane.platform.aws.metrics import NAMESPACE, QUALITY_CHECK_DURATION, QUALITY_SCORE
from meshplane.sandbox.faults import Fault
from tests.builders.aws_mesh import AwsMesh, aws_mesh
from tests.builders.small_mesh import SmallMesh

_PATIENCE_SECONDS = 60.0


@pytest.fixture(scope="module")
def there() -> Iterator[AwsMesh]:
    with aws_mesh("metrics", MESHPLANE_AWS_METRICS_SECONDS="0.5") as running:
        yield running


@pytest.fixture(scope="module")
def mesh(there: AwsMesh) -> Iterator[SmallMesh]:
    made = SmallMesh(there.server)
    yield made
    made.close()


def told(there: AwsMesh, name: str, statistic: str, **dimensions: str) -> float:
    """A statistic of the last day; 0 where there is none."""
    now = datetime.now(UTC)
    answer = there.owner.run(
        "cloudwatch",
        "get_metric_statistics",
        Namespace=NAMESPACE,
        MetricName=name,
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        StartTime=now - timedelta(hours=12),
        EndTime=now + timedelta(hours=12),
        Period=86_400,
        Statistics=[statistic],
    )
    return float(sum(point[statistic] for point in answer["Datapoints"]))


def until(there: AwsMesh, wanted: float, name: str, statistic: str, **dimensions: str) -> None:
    """Waits until a statistic has come to a value."""
    give_up = time.monotonic() + _PATIENCE_SECONDS
    while (found := told(there, name, statistic, **dimensions)) != pytest.approx(wanted):
        assert time.monotonic() < give_up, f"{name} {dimensions}: {found} instead of {wanted}"
        time.sleep(0.2)


def test_requests__are_counted_for_each_operation_and_in_all(
    there: AwsMesh, mesh: SmallMesh
) -> None:
    for _ in range(7):
        assert mesh.clients["owner"].get("/api/v1/domains").status_code == 200
    shown = mesh.clients["administrator"].get("/metrics").text
    counted = [
        float(line.rpartition(" ")[2])
        for line in shown.splitlines()
        if line.startswith("meshplane_requests_total") and 'operation="listDomains"' in line
    ]
    until(there, sum(counted), "ApiRequests", "Sum", Operation="listDomains")
    until(there, sum(counted), "ApiLatency", "SampleCount", Operation="listDomains")
    assert told(there, "ApiRequests", "Sum") > sum(counted)
    assert told(there, "ApiErrors", "Sum") == 0
    assert 0 < told(there, "ApiLatency", "Average", Operation="listDomains") < 5


def test_quality_runs__their_scores_and_durations_are_there(
    there: AwsMesh, mesh: SmallMesh
) -> None:
    mesh.ask("owner", "POST", "/data-quality/run", {"assetId": mesh.readings})
    path = f"/api/v1/data-quality/runs?assetId={mesh.readings}"
    runs = mesh.clients["owner"].get(path).json()["items"]
    asset = {"Asset": "harbour.readings"}
    until(there, len(runs), QUALITY_SCORE, "SampleCount", **asset)
    until(there, sum(run["score"] * 100 for run in runs), QUALITY_SCORE, "Sum", **asset)
    until(there, sum(run["seconds"] for run in runs), QUALITY_CHECK_DURATION, "Sum", **asset)
    assert told(there, QUALITY_SCORE, "SampleCount") >= len(runs)


def test_cloudwatch_down__requests_go_on_and_nothing_is_forgotten(
    there: AwsMesh, mesh: SmallMesh
) -> None:
    counted = told(there, "ApiRequests", "Sum", Operation="listProjects")
    there.sandbox.faults.add(Fault("cloudwatch", None, "error", times=10_000))
    try:
        begun = time.monotonic()
        for _ in range(20):
            assert mesh.clients["owner"].get("/api/v1/projects").status_code == 200
        assert time.monotonic() - begun < 10
        time.sleep(1.5)
        assert there.sandbox.faults.all()[0].seen > 1
    finally:
        there.sandbox.faults.clear()
    until(there, counted + 20, "ApiRequests", "Sum", Operation="listProjects")


def test_spread__has_the_sum_that_was_measured_and_stays_in_its_buckets() -> None:
    counted = RequestMetrics()
    times = [0.001, 0.004, 0.02, 0.02, 0.3, 7.0, 42.0]
    for seconds in times:
        counted.observe({"operation_id": "getAsset"}, 200, seconds)
    counts, timings = counted.totals()
    assert counts == {("getAsset", 200): 7.0}
    spread = spread_of(timings["getAsset"])
    assert sum(count for _, count in spread) == 7
    assert isclose(sum(value * count for value, count in spread), sum(times))
    assert [count for value, count in spread if value >= 10] == [1]


def test_spread__of_nothing__is_nothing() -> None:
    assert spread_of(Timing((1.0, float("inf")), (0.0, 0.0), 0.0)) == []
    assert RequestMetrics().totals() == ({}, {})
