"""Archives: named selections of the outbox, which keeps every event.

An archive says which events may be replayed under its name, and for how long after they happened.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from meshplane.events.envelope import BUS
from meshplane.events.patterns import Pattern, compile_pattern
from meshplane.kit.clock import from_text
from meshplane.platform.tables import Row, Table

EVENT_ARCHIVES = Table("EventArchives", "bus", "name")


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive.

    Args:
        name: unique on the bus.
        description: for people.
        event_pattern: the events that it holds; None for all.
        retention_days: how long it holds an event; 0 for ever.
        created_by, created_at: who made it, and when, as RFC 3339 text.
        version: of its row.
    """

    name: str
    description: str = ""
    event_pattern: Mapping[str, Any] | None = None
    retention_days: int = 0
    created_by: str = ""
    created_at: str = ""
    version: int = 0


def archive_item(archive: Archive) -> dict[str, Any]:
    """An archive as a row of `EVENT_ARCHIVES`."""
    item = asdict(archive)
    del item["version"]
    return {"bus": BUS, **item}


def archive_of(row: Row) -> Archive:
    """The archive that a row of `EVENT_ARCHIVES` holds."""
    fields = {key: value for key, value in row.item.items() if key != "bus"}
    return Archive(**fields, version=row.version)


class Selection:
    """The events of an archive in a span of time.

    Args:
        event_pattern: of the archive; None for all events.
        begin, end: RFC 3339; from `begin` on, and before `end`.
        retention_days: of the archive.
        now: the present.
    """

    def __init__(
        self,
        event_pattern: Mapping[str, Any] | None,
        begin: str,
        end: str,
        retention_days: int,
        now: datetime,
    ) -> None:
        self._pattern: Pattern | None = None
        if event_pattern is not None:
            self._pattern = compile_pattern(event_pattern)
        self._begin, self._end = from_text(begin), from_text(end)
        if retention_days:
            self._begin = max(self._begin, now - timedelta(days=retention_days))

    def holds(self, envelope: dict[str, Any]) -> bool:
        """Whether an event belongs to it."""
        if not self._begin <= from_text(envelope["time"]) < self._end:
            return False
        return self._pattern is None or self._pattern.matches(envelope)
