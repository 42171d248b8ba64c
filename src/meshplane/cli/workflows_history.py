"""The history of an execution, as a table for people."""

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from meshplane.cli import present

if TYPE_CHECKING:
    from rich.console import RenderableType


def drawn(events: Iterable[Mapping[str, Any]]) -> "RenderableType":
    """A table of the events: when, in which state, what.

    Args:
        events: as Step Functions shapes them, in their order.
    """
    rows = []
    names: dict[int, str] = {}
    for event in events:
        # An event of a task does not name its state: the one before it does.
        name = ""
        if not event["type"].startswith("Execution"):
            name = _details(event).get("name") or names.get(event.get("previousEventId", 0), "")
        names[event["id"]] = name
        rows.append(
            {
                "No.": event["id"],
                "Time": present.moment(event["timestamp"]),
                "State": name,
                "What happened": event["type"],
                "Told": _told(_details(event)),
            }
        )
    columns = [(title, title) for title in ("No.", "Time", "State", "What happened", "Told")]
    return present.listing(rows, columns, nothing="Nothing has happened yet.")


def _details(event: Mapping[str, Any]) -> Mapping[str, Any]:
    for member, value in event.items():
        if member.endswith("EventDetails"):
            found: Mapping[str, Any] = value
            return found
    return {}


def _told(details: Mapping[str, Any]) -> str:
    """What most helps to follow it: the error and its cause, else what came out or went in."""
    failure = [str(details[member]) for member in ("error", "cause") if details.get(member)]
    if failure:
        return _cut(": ".join(failure), 160)
    for member in ("output", "input", "parameters"):
        if details.get(member) is not None:
            value = details[member]
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            return _cut(text, 80)
    return ""


def _cut(text: str, length: int) -> str:
    """The text, cut anywhere: JSON has few spaces."""
    return text if len(text) <= length else text[: length - 1] + "…"
