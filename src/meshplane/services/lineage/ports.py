"""What lineage needs of the outside: a place in the portal for the runs that made data."""

from dataclasses import dataclass
from typing import Protocol

DONE, FAILED, WAITING = "done", "failed", "waiting"
"""What the portal has made of a run: it shows it, it could not, it has not yet."""


@dataclass(frozen=True, slots=True)
class DatasetName:
    """A table: of an asset by its domain and name, otherwise by its id with no domain."""

    domain: str
    name: str


@dataclass(frozen=True, slots=True)
class RunColumn:
    """A column that a run wrote, and one that it was made from.

    `kind` and `subtype` are OpenLineage's: `DIRECT` `IDENTITY`, `INDIRECT` `FILTER`.
    """

    column: str
    source: DatasetName
    source_column: str
    kind: str
    subtype: str


@dataclass(frozen=True, slots=True)
class LineageRun:
    """A run that has completed.

    Args:
        run_id: ours; any text.
        job: what ran.
        at: when it completed, RFC 3339.
        inputs: what it read.
        output: what it wrote.
        columns: what of that came from where.
    """

    run_id: str
    job: str
    at: str
    inputs: tuple[DatasetName, ...]
    output: DatasetName
    columns: tuple[RunColumn, ...]


class LineagePortal(Protocol):
    """Shows runs in the portal. A method that raises `Unavailable` is called again."""

    async def post(self, token: str, run: LineageRun) -> str:
        """Hands a run over; the portal's id of it. The same token and run again are one run."""
        ...

    async def state(self, portal_id: str) -> str:
        """What became of it: `done`, `failed` or `waiting`."""
        ...
