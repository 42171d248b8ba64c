"""Lineage: OpenLineage run events in, nodes and their history out."""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from meshplane.sandbox.datazone.state import Act, Item, in_order, invalid, missing, page_of

_MOST_BYTES = 300_000
_MOST_EDGES = 100
_TYPES = frozenset({"START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"})
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")
_FACETS = {
    "formName": "Facets",
    "typeName": "amazon.datazone.OpenLineageFacets",
    "typeRevision": "1",
}
_JOB, _DATASET = "amazon.datazone.JobLineageNodeType", "amazon.datazone.DatasetLineageNodeType"


class Lineage:
    """Lineage events and nodes."""

    @property
    def handlers(self) -> Mapping[str, Any]:
        """By operation."""
        return {
            "PostLineageEvent": self.post,
            "GetLineageEvent": self.event,
            "ListLineageEvents": self.events,
            "GetLineageNode": self.node,
            "ListLineageNodeHistory": self.history,
        }

    def post(self, act: Act, given: dict[str, Any]) -> Item:
        """Takes a run event; it becomes nodes in its own time."""
        raw = given["event"]
        body = raw.encode() if isinstance(raw, str) else bytes(raw)
        event = _run_event(body)
        item = {
            **act.made(),
            "id": act.state.new_id(),
            "event": body,
            "processingStatus": "REQUESTED",
            "eventTime": datetime.fromisoformat(event["eventTime"]),
            "eventSummary": {"openLineageRunEventSummary": _summary(event)},
            "_event": event,
            "_changing": act.now(),
            "_looks": 0,
        }
        return act.domain.shelf("lineageEvent").put(item["id"], item)

    def event(self, act: Act, given: dict[str, Any]) -> Item:
        """An event and how far it is; looking at it moves it on."""
        item = act.domain.find("lineageEvent", "Lineage event", given["identifier"])
        item = _settled(act, item)
        if item["processingStatus"] != "SUCCESS":
            following = {"REQUESTED": "PROCESSING"}.get(
                item["processingStatus"], item["processingStatus"]
            )
            act.domain.shelf("lineageEvent").change(
                item["id"], _looks=item["_looks"] + 1, processingStatus=following
            )
        return item

    def events(self, act: Act, given: dict[str, Any]) -> Item:
        """Events of a span of time."""
        found = [_settled(act, one) for one in act.domain.shelf("lineageEvent").listed()]
        found = [
            one
            for one in found
            if given.get("processingStatus", one["processingStatus"]) == one["processingStatus"]
            and given.get("timestampAfter", one["eventTime"]) <= one["eventTime"]
            and given.get("timestampBefore", one["eventTime"]) >= one["eventTime"]
        ]
        return page_of(in_order(found, given, "eventTime"), given)

    def node(self, act: Act, given: dict[str, Any]) -> Item:
        """A node by id or source identifier, with what is right above and below it."""
        versions = self._versions(act, given["identifier"])
        wanted = given.get("eventTimestamp")
        chosen = [one for one in versions if wanted in (None, one["eventTimestamp"])]
        if not chosen:
            raise missing("Lineage node", given["identifier"])
        node = chosen[-1]
        edges = act.domain.shelf("edge").all()
        return {
            **node,
            "upstreamNodes": [_reference(one, "from") for one in edges if one["to"] == node["id"]][
                :_MOST_EDGES
            ],
            "downstreamNodes": [
                _reference(one, "to") for one in edges if one["from"] == node["id"]
            ][:_MOST_EDGES],
        }

    def history(self, act: Act, given: dict[str, Any]) -> Item:
        """A node at each of its events."""
        versions = self._versions(act, given["identifier"])
        found = [
            one
            for one in versions
            if given.get("eventTimestampGTE", one["eventTimestamp"]) <= one["eventTimestamp"]
            and given.get("eventTimestampLTE", one["eventTimestamp"]) >= one["eventTimestamp"]
        ]
        return page_of(in_order(found, given, "eventTimestamp"), given, "nodes")

    def _versions(self, act: Act, identifier: str) -> list[Item]:
        for one in act.domain.shelf("lineageEvent").all():
            _settled(act, one)
        found = [
            one
            for one in act.domain.shelf("node").all()
            if identifier in (one["id"], one["sourceIdentifier"])
        ]
        if not found:
            raise missing("Lineage node", identifier)
        return sorted(found, key=lambda one: one["eventTimestamp"])


def _run_event(body: bytes) -> Item:
    """The event that a body holds (OpenLineage 2-0-2, RunEvent).

    Raises:
        FakeError: ValidationException.
    """
    if len(body) > _MOST_BYTES:
        raise invalid("The event is over 300,000 bytes.")
    try:
        event = json.loads(body)
    except ValueError:
        raise invalid("The event is not JSON.") from None
    if not isinstance(event, dict):
        raise invalid("The event is not a JSON object.")
    if "run" not in event:
        raise invalid("Only RunEvents are taken: the event has no run.")
    _check_members(event)
    for place in [event["job"], *event.get("inputs", ()), *event.get("outputs", ())]:
        if not isinstance(place, dict) or not place.get("namespace") or not place.get("name"):
            raise invalid("A job or dataset of the event has no namespace and name.")
    return event


def _check_members(event: Item) -> None:
    for name in ("eventTime", "producer", "schemaURL", "job"):
        if name not in event:
            raise invalid(f"The event has no {name}.")
    for name in ("producer", "schemaURL"):
        if not isinstance(event[name], str) or not _URI.fullmatch(event[name]):
            raise invalid(f"The event's {name} is not a URI.")
    if event.get("eventType", "OTHER") not in _TYPES:
        raise invalid("The event's eventType is unknown.")
    try:
        UUID(event["run"]["runId"])
        zone = datetime.fromisoformat(event["eventTime"]).tzinfo
    except (ValueError, TypeError, KeyError, AttributeError):
        raise invalid("The event's run.runId is no UUID, or its eventTime no instant.") from None
    if zone is None:
        raise invalid("The event's eventTime has no zone.")


def _summary(event: Item) -> Item:
    return {
        "eventType": event.get("eventType", "OTHER"),
        "runId": event["run"]["runId"],
        "job": _name(event["job"]),
        "inputs": [_name(one) for one in event.get("inputs", ())],
        "outputs": [_name(one) for one in event.get("outputs", ())],
    }


def _name(place: Item) -> Item:
    return {"namespace": place["namespace"], "name": place["name"]}


def _settled(act: Act, item: Item) -> Item:
    if item["processingStatus"] == "SUCCESS" or not act.state.is_settled(item, looks=1):
        return item
    event, at = item["_event"], item["eventTime"]
    job = _put_node(act, _JOB, event["job"], at)
    for side in ("inputs", "outputs"):
        for dataset in event.get(side, ()):
            node = _put_node(act, _DATASET, dataset, at)
            above, below = (node, job) if side == "inputs" else (job, node)
            key = f"{above}>{below}"
            act.domain.shelf("edge").put(key, {"from": above, "to": below, "at": at})
    return act.domain.shelf("lineageEvent").change(item["id"], processingStatus="SUCCESS")


def _put_node(act: Act, kind: str, place: Item, at: datetime) -> str:
    source = f"{place['namespace']}/{place['name']}"
    known = [one for one in act.domain.shelf("node").all() if one["sourceIdentifier"] == source]
    identifier = known[0]["id"] if known else act.state.new_id()
    facets = json.dumps(place.get("facets", {}))
    act.domain.shelf("node").put(
        f"{identifier}@{at.isoformat()}",
        {
            **act.made(),
            "id": identifier,
            "name": place["name"],
            "typeName": kind,
            "typeRevision": "1",
            "sourceIdentifier": source,
            "eventTimestamp": at,
            "formsOutput": [{**_FACETS, "content": facets}],
        },
    )
    return identifier


def _reference(edge: Item, end: str) -> Item:
    return {"id": edge[end], "eventTimestamp": edge["at"]}
