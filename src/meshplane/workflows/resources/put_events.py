"""`arn:aws:states:::events:putEvents`: events on the bus of this mesh."""

import hashlib
from dataclasses import replace
from typing import Any

import orjson

from meshplane.events.sources import is_reserved
from meshplane.platform.events import NewEvent
from meshplane.platform.store import UnitOfWork
from meshplane.workflows.arns import last_part
from meshplane.workflows.asl import TaskFailed, TaskRequest
from meshplane.workflows.performers import ExecutionInfo

BUSES = frozenset({"datamesh-events", "default"})
_MOST_ENTRIES = 10
_LARGEST_BYTES = 262_144
_KNOWN = {"Source", "DetailType", "Detail", "EventBusName", "Resources", "Time", "TraceHeader"}


class PutEvents:
    """Puts events into the outbox."""

    async def enlist(self, work: UnitOfWork, request: TaskRequest, execution: ExecutionInfo) -> Any:
        """See `InStore.enlist`."""
        parameters = request.parameters if isinstance(request.parameters, dict) else {}
        entries = parameters.get("Entries")
        if not isinstance(entries, list) or not 1 <= len(entries) <= _MOST_ENTRIES:
            raise _refused("Entries is a list of 1 to 10 events.")
        events = [_event(entry, number, execution) for number, entry in enumerate(entries)]
        if sum(len(orjson.dumps(event.detail)) for event in events) > _LARGEST_BYTES:
            raise _refused("The entries have at most 262144 bytes together.")
        for number, event in enumerate(events):
            work.emit(replace(event, event_id=_event_id(request, number)))
        ids = [{"EventId": _event_id(request, number)} for number in range(len(events))]
        return {"Entries": ids, "FailedEntryCount": 0}


def _event_id(request: TaskRequest, number: int) -> str:
    told = f"{request.key}\n{request.attempt}\n{number}"
    return f"evt-{hashlib.sha256(told.encode()).hexdigest()[:32]}"


def _event(entry: Any, number: int, execution: ExecutionInfo) -> NewEvent:
    where = f"Entries[{number}]"
    if not isinstance(entry, dict) or set(entry) - _KNOWN:
        raise _refused(f"{where} has Source, DetailType, Detail, and perhaps Resources.")
    source, kind = entry.get("Source"), entry.get("DetailType")
    for name, text in (("Source", source), ("DetailType", kind)):
        if not isinstance(text, str) or not 1 <= len(text) <= 256:
            raise _refused(f"{where}.{name} is text of 1 to 256 characters.")
    if not execution.run_as.is_service and is_reserved(str(source)):
        raise _refused(f"{where}.Source is reserved for the mesh's own events: choose another.")
    if last_part(str(entry.get("EventBusName", "default"))) not in BUSES:
        raise _refused(f"{where}.EventBusName is datamesh-events, or is left out.")
    resources = entry.get("Resources", [])
    if not isinstance(resources, list) or not all(isinstance(name, str) for name in resources):
        raise _refused(f"{where}.Resources is a list of texts.")
    entity = resources[0] if resources else execution.execution_id
    return NewEvent(
        str(kind), str(source), entity, _detail(entry.get("Detail"), where), execution.hops + 1
    )


def _detail(detail: Any, where: str) -> dict[str, Any]:
    if isinstance(detail, str):
        try:
            detail = orjson.loads(detail)
        except orjson.JSONDecodeError:
            detail = None
    if not isinstance(detail, dict):
        raise _refused(f"{where}.Detail is a JSON object, or its text.")
    return detail


def _refused(cause: str) -> TaskFailed:
    return TaskFailed("EventBridge.FailedEntry", cause)
