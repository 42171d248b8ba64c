"""The AsyncAPI document: whoever reads it knows each event, and a generator can read it."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from meshplane.cli.reference_asyncapi import asyncapi_document
from meshplane.cli.reference_pages import event_payloads
from meshplane.events.envelope import BUS, envelope_of
from meshplane.events.projects import ProjectSetupCompleted
from meshplane.platform.events import StoredEvent

# AsyncAPI 3.0.0, "Channels Object" and "Components Object".
COMPONENT_NAME = re.compile(r"[a-zA-Z0-9.\-_]+")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return json.loads(asyncapi_document())


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def followed(document: Any, reference: str) -> Any:
    for step in reference.removeprefix("#/").split("/"):
        document = document[step]
    return document


def test_document__has_what_the_specification_requires(document: dict[str, Any]) -> None:
    assert document["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= set(document["info"])
    assert set(document) == {
        "asyncapi", "info", "defaultContentType", "channels", "operations", "components",
    }  # fmt: skip
    for operation in document["operations"].values():
        assert operation["action"] == "send"
        assert operation["channel"] == {"$ref": f"#/channels/{BUS}"}
    for kind in document["components"].values():
        assert all(COMPONENT_NAME.fullmatch(name) for name in kind)


def test_document__leads_nowhere_that_is_not_in_it(document: dict[str, Any]) -> None:
    found = list(references(document))
    assert len(found) > 60
    for reference in found:
        assert reference.startswith("#/")
        assert followed(document, reference), reference
    assert "$defs" not in asyncapi_document()


def test_document__has_each_event_once_and_nothing_else(document: dict[str, Any]) -> None:
    names = sorted(kind.__name__ for kind in event_payloads())
    assert sorted(document["components"]["messages"]) == names
    assert sorted(document["channels"][BUS]["messages"]) == names
    sent = [
        reference["$ref"].rpartition("/")[2]
        for operation in document["operations"].values()
        for reference in operation["messages"]
    ]
    assert sorted(sent) == names
    assert "ColumnOrigin" not in names
    assert {"NotificationPublished", "CrossAccountShareInitiated", "DataQualityAlert"} <= set(names)


def test_document__describes_the_envelope_that_is_delivered(document: dict[str, Any]) -> None:
    new = ProjectSetupCompleted(project_id="proj-abc123", status="success").event()
    stored = StoredEvent(
        1, "evt-1", new.type, new.source, new.entity, "2026-01-14T20:30:00Z", new.detail
    )
    envelope = envelope_of(stored)
    schema = document["components"]["schemas"]["EventEnvelope"]
    assert sorted(envelope) == sorted(schema["required"])
    assert {*envelope, "replay-name"} == set(schema["properties"])
    for member, kind in schema["properties"].items():
        if "const" in kind:
            assert envelope[member] == kind["const"]


@pytest.mark.parametrize(
    ("name", "source", "fields"),
    [
        (
            "ProjectCreated",
            "management-app.projects",
            {"projectId", "projectName", "domainId", "createdBy", "createdAt"},
        ),
        (
            "AssetPublished",
            "management-app.assets",
            {"assetId", "assetName", "s3Location", "format", "glueTable"},
        ),
        (
            "SubscriptionRequested",
            "management-app.subscriptions",
            {"requestId", "assetId", "requestedBy", "requestedAt"},
        ),
        (
            "PermissionGranted",
            "management-app.permissions",
            {"principal", "resource", "permissions"},
        ),
        (
            "PermissionRevoked",
            "management-app.permissions",
            {"principal", "resource", "permissions"},
        ),
        ("ProjectSetupCompleted", "management-app.lambda", {"projectId", "status"}),
        (
            "CrossAccountShareInitiated",
            "management-app.shares",
            {"shareId", "assetId", "targetAccount", "permissions"},
        ),
        ("DataQualityAlert", "management-app.data-quality", {"assetId", "score"}),
    ],
)
def test_document__has_the_fields_that_were_agreed_on(
    name: str, source: str, fields: set[str], document: dict[str, Any]
) -> None:
    payload = document["components"]["messages"][name]["payload"]["allOf"][1]
    assert payload["properties"]["detail-type"] == {"const": name}
    assert payload["properties"]["source"] == {"const": source}
    detail = followed(document, payload["properties"]["detail"]["$ref"])
    assert fields <= set(detail["properties"])
    assert fields <= set(detail["required"])
