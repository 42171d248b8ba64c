"""OpenLineage events: what is refused and where, what is read, what is written."""

import copy
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from meshplane.kit.errors import Invalid
from meshplane.services.lineage.openlineage import (
    ColumnEdge,
    DatasetEvent,
    DatasetName,
    FieldSource,
    JobEvent,
    RunEvent,
    column_lineage_of,
    run_event,
    validated_event,
)

RUN = "ea041791-68bc-4ae1-bd89-4c8106a157e4"
FACET = {"_producer": "https://example.com/etl", "_schemaURL": "https://example.com/facet.json"}
COMMON = {
    "eventTime": "2026-01-31T12:00:00.5+01:00",
    "producer": "https://example.com/etl",
    "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json",
}
RUN_EVENT = {
    **COMMON,
    "eventType": "COMPLETE",
    "run": {"runId": RUN, "facets": {"mine": {**FACET, "any": [1]}}},
    "job": {"namespace": "nightly", "name": "daily"},
    "inputs": [{"namespace": "lake", "name": "orders", "inputFacets": {"x": FACET}}],
    "outputs": [{"namespace": "lake", "name": "daily", "facets": {}, "outputFacets": {}}],
}
ORDERS, DAILY = DatasetName("lake", "orders"), DatasetName("lake", "daily")
JOB = DatasetName("nightly", "daily")


def changed(path: str, value: Any) -> dict[str, Any]:
    """The run event with one member set, or removed by `...`."""
    event = copy.deepcopy(RUN_EVENT)
    *parents, last = path.split(".")
    place: Any = event
    for step in parents:
        place = place[int(step)] if isinstance(place, list) else place[step]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return event


def refused(event: Any) -> dict[str, str]:
    """The fields that a refusal names, with what it says of them."""
    with pytest.raises(Invalid) as refusal:
        validated_event(event)
    assert refusal.value.code == "LINEAGE_EVENT_INVALID"
    return {problem.field: problem.message for problem in refusal.value.fields}


def with_lineage(facet: dict[str, Any]) -> dict[str, Any]:
    return changed("outputs.0.facets", {"columnLineage": {**FACET, **facet}})


def test_validated_event__tells_the_three_kinds_apart() -> None:
    assert isinstance(validated_event(RUN_EVENT), RunEvent)
    job = {key: RUN_EVENT[key] for key in (*COMMON, "job", "inputs", "outputs")}
    parsed = validated_event(job)
    assert isinstance(parsed, JobEvent)
    assert not isinstance(parsed, RunEvent)
    dataset = {**COMMON, "dataset": {"namespace": "lake", "name": "daily"}}
    assert isinstance(validated_event(dataset), DatasetEvent)


def test_validated_event__job_and_dataset_together_are_ambiguous() -> None:
    event = {**COMMON, "job": RUN_EVENT["job"], "dataset": {"namespace": "a", "name": "b"}}
    assert list(refused(event)) == ["dataset"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("eventTime", ...),
        ("eventTime", "2026-01-31T12:00:00"),
        ("eventTime", "2026-02-30T12:00:00Z"),
        ("eventTime", "2026-01-31 12:00:00Z"),
        ("eventTime", "2026-01-31T24:00:00Z"),
        ("eventTime", 1769860800),
        ("eventType", "DONE"),
        ("eventType", None),
        ("producer", "not a uri"),
        ("producer", "example.com/etl"),
        ("schemaURL", ...),
        ("run.runId", "ea04179168bc4ae1bd894c8106a157e4"),
        ("run.runId", ...),
        ("run.facets", None),
        ("run.facets.mine._producer", ...),
        ("run.facets.mine._schemaURL", "%zz:"),
        ("job.name", 7),
        ("job", ...),
        ("inputs", {}),
        ("inputs.0.namespace", ...),
        ("inputs.0.inputFacets.x", "a facet"),
        ("outputs", None),
        ("outputs.0.name", None),
    ],
)
def test_validated_event__a_wrong_member_is_named(path: str, value: Any) -> None:
    problems = refused(changed(path, value))
    assert list(problems) == [path]


def test_validated_event__every_wrong_member_is_named_without_its_value() -> None:
    event = changed("run.runId", "secret-value")
    event["job"]["facets"] = {"sql": {**FACET, "_deleted": None}}
    problems = refused(event)
    assert list(problems) == ["job.facets.sql._deleted", "run.runId"]
    assert "secret-value" not in str(problems)


@pytest.mark.parametrize("event", [None, [], "event", 1, {}])
def test_validated_event__what_is_no_event_is_refused(event: Any) -> None:
    assert refused(event)


def test_validated_event__members_that_the_schema_does_not_know_are_let_through() -> None:
    event = {**RUN_EVENT, "extra": {"a": None}, "eventTime": "2026-01-31t12:00:60z"}
    assert isinstance(validated_event(event), RunEvent)


def test_column_lineage_of__one_edge_for_each_transformation() -> None:
    source = {"namespace": "lake", "name": "orders", "field": "amount"}
    event = with_lineage(
        {
            "fields": {
                "total": {
                    "inputFields": [
                        {
                            **source,
                            "transformations": [
                                {"type": "DIRECT", "subtype": "AGGREGATION", "masking": True},
                                {"type": "INDIRECT", "subtype": "FILTER"},
                            ],
                        }
                    ]
                },
                "old": {"inputFields": [source], "transformationType": "MASKED"},
                "bare": {"inputFields": [source]},
            },
            "dataset": [{**source, "transformations": [{"type": "INDIRECT", "subtype": "SORT"}]}],
        }
    )
    edges = column_lineage_of(event)
    told = [(e.target_field, e.kind, e.subtype, e.masking) for e in edges]
    assert told == [
        ("total", "DIRECT", "AGGREGATION", True),
        ("total", "INDIRECT", "FILTER", False),
        ("old", "DIRECT", "TRANSFORMATION", True),
        ("bare", "DIRECT", "", False),
        ("", "INDIRECT", "SORT", False),
    ]
    assert {(e.source, e.source_field, e.target, e.job, e.run) for e in edges} == {
        (ORDERS, "amount", DAILY, JOB, RUN)
    }


def test_column_lineage_of__a_dataset_event_has_no_job() -> None:
    facet = {
        **FACET,
        "fields": {"a": {"inputFields": [{"namespace": "n", "name": "t", "field": "f"}]}},
    }
    dataset = {"namespace": "lake", "name": "daily", "facets": {"columnLineage": facet}}
    (edge,) = column_lineage_of({**COMMON, "dataset": dataset})
    assert edge == ColumnEdge(DatasetName("n", "t"), "f", DAILY, "a", "DIRECT", "")


@pytest.mark.parametrize("facet", [{"_deleted": True}, {}, {"fields": None}, {"fields": {}}])
def test_column_lineage_of__a_facet_that_tells_nothing(facet: dict[str, Any]) -> None:
    assert column_lineage_of(with_lineage(facet)) == []


def test_column_lineage_of__a_wrong_facet_is_refused_by_its_field() -> None:
    facet = {"fields": {"total": {"inputFields": [{"namespace": "lake", "name": "orders"}]}}}
    with pytest.raises(Invalid) as refusal:
        column_lineage_of(with_lineage(facet))
    assert [problem.field for problem in refusal.value.fields] == [
        "outputs.0.facets.columnLineage.fields.total.inputFields.0.field"
    ]


def test_run_event__is_valid_and_is_read_back_as_it_was_told() -> None:
    columns = {
        "total": [
            FieldSource(ORDERS, "amount", "DIRECT", "AGGREGATION"),
            FieldSource(ORDERS, "day", "INDIRECT", "GROUP_BY"),
            FieldSource(ORDERS, "amount", "INDIRECT", "FILTER"),
        ],
        "one": [],
    }
    ended = datetime(2026, 1, 31, 13, tzinfo=timezone(timedelta(hours=1)))
    event = run_event("nightly", "daily", RUN, ended, inputs=[], output=DAILY, columns=columns)
    assert json.loads(json.dumps(event)) == event
    assert event["eventTime"] == "2026-01-31T12:00:00Z"
    assert event["inputs"] == [{"namespace": "lake", "name": "orders"}]
    fields = event["outputs"][0]["facets"]["columnLineage"]["fields"]
    assert list(fields) == ["total", "one"]
    assert [entry["field"] for entry in fields["total"]["inputFields"]] == ["amount", "day"]
    edges = column_lineage_of(event)
    assert [(e.source_field, e.kind, e.subtype) for e in edges] == [
        ("amount", "DIRECT", "AGGREGATION"),
        ("amount", "INDIRECT", "FILTER"),
        ("day", "INDIRECT", "GROUP_BY"),
    ]


def test_run_event__says_which_columns_are_not_exact() -> None:
    columns = {name: [FieldSource(ORDERS, "a", "DIRECT", "TRANSFORMATION")] for name in "xy"}
    event = run_event(
        "j", "n", RUN, datetime.now(UTC), inputs=[], output=DAILY, columns=columns, inexact={"y"}
    )
    fields = event["outputs"][0]["facets"]["columnLineage"]["fields"]
    steps = {name: fields[name]["inputFields"][0]["transformations"][0] for name in "xy"}
    assert "description" not in steps["x"]
    assert "may depend on" in steps["y"]["description"]


@pytest.mark.parametrize(
    ("run_id", "ended"),
    [("run-1", datetime(2026, 1, 1, tzinfo=UTC)), (RUN, datetime(2026, 1, 1))],  # noqa: DTZ001
)
def test_run_event__what_would_not_be_valid_is_refused(run_id: str, ended: datetime) -> None:
    with pytest.raises(Invalid) as refusal:
        run_event("j", "n", run_id, ended, inputs=[], output=DAILY, columns={})
    assert refusal.value.code == "LINEAGE_EVENT_INVALID"
