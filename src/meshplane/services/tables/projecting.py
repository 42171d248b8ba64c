"""Use cases: how published tables stand in the lake's own catalogue, and bringing them in step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from meshplane.boundary.call import Call
from meshplane.boundary.mending import Mending, Stepped
from meshplane.boundary.mending_schemas import shared_members
from meshplane.boundary.schemas import PageQuery
from meshplane.events.queues import QueueHandler
from meshplane.kit.clock import Clock
from meshplane.kit.errors import Invalid, MeshplaneError
from meshplane.platform.store import Store
from meshplane.policy.model import MESH
from meshplane.services.tables.projecting_schemas import (
    Keep,
    ProjectedTableView,
    ProjectionDriftView,
    ProjectionReconcile,
    ProjectionReconciliationView,
    Standing,
)
from meshplane.services.tables.store import PROJECTION_RECONCILIATIONS

QUEUE = "projection-reconciliations"
IN_STEP: Literal["in-step"] = "in-step"

_COUNTS = ("inStep", "mended", "adopted", "left")
# What became of a table that stood like this, where nobody said whose version to keep.
_BECAME: Mapping[str, str] = {
    "in-step": "inStep",
    "gone": "mended",
    "behind": "mended",
    "schema": "mended",
    "ahead": "adopted",
    "diverged": "left",
    "foreign": "left",
}
_PAGE = 50
_PATIENCE_SECONDS = 5.0


class Finding(Protocol):
    """How a published table stands in the catalogue."""

    @property
    def table_id(self) -> str:
        """Of the table."""
        ...

    @property
    def database(self) -> str:
        """Its database in the catalogue."""
        ...

    @property
    def name(self) -> str:
        """Its name in the catalogue."""
        ...

    @property
    def standing(self) -> Standing:
        """See `ProjectedTableView`."""
        ...

    @property
    def metadata_location(self) -> str | None:
        """What the catalogue points to."""
        ...


class Findings(Protocol):
    """Some findings, and where the next page starts; None at the end."""

    @property
    def findings(self) -> Sequence[Finding]:
        """The findings."""
        ...

    @property
    def cursor(self) -> str | None:
        """Where the next page starts."""
        ...


class TableProjection(Protocol):
    """A catalogue beside the mesh's, which is to show its published tables as they are."""

    async def look(self, limit: int = 50, cursor: str | None = None) -> Findings:
        """How a page of the published tables stand now; changes nothing."""
        ...

    async def mend(self, table_id: str, keep: Keep | None = None) -> Standing:
        """Brings one table in step as far as that may be; how it stood before."""
        ...


@dataclass(frozen=True, slots=True)
class _NoFindings:
    findings: Sequence[Finding] = ()
    cursor: str | None = None


class NoProjection:
    """There is no other catalogue: tables are in the mesh's own alone."""

    async def look(self, limit: int = 50, cursor: str | None = None) -> Findings:
        """See `TableProjection.look`."""
        return _NoFindings()

    async def mend(self, table_id: str, keep: Keep | None = None) -> Standing:
        """See `TableProjection.mend`."""
        return IN_STEP


class Projecting:
    """Tells of drift in the lake's catalogue, and has it mended.

    Args:
        projection: the catalogue; None where there is none beside the mesh's own.
        store: holds what is being done.
        clock: the present.
    """

    def __init__(self, projection: TableProjection | None, store: Store, clock: Clock) -> None:
        self._is_there = projection is not None
        self._projection: TableProjection = projection or NoProjection()
        self._mending = Mending(
            PROJECTION_RECONCILIATIONS, QUEUE, self._step, store, clock, counts=_COUNTS
        )

    @property
    def queues(self) -> tuple[QueueHandler, ...]:
        """What works off reconciliations, a page of tables at a time."""
        return self._mending.queues

    async def drift(self, call: Call, query: PageQuery) -> ProjectionDriftView:
        """The published tables that are not in step there; looked up now, and nothing is changed.

        A page may have fewer items than its limit, and none, before the last one.

        Raises:
            Invalid: CURSOR_INVALID.
        """
        await call.allow(MESH)
        page = await self._projection.look(query.limit, query.cursor)
        items = [
            ProjectedTableView(
                table_id=one.table_id,
                database=one.database,
                name=one.name,
                standing=one.standing,
                metadata_location=one.metadata_location,
            )
            for one in page.findings
            if one.standing != IN_STEP
        ]
        return ProjectionDriftView(items=items, next_cursor=page.cursor, compared=self._is_there)

    async def reconcile(
        self, call: Call, body: ProjectionReconcile
    ) -> ProjectionReconciliationView:
        """Begins to bring one table, or all of them, in step.

        Raises:
            Invalid: TABLE_NOT_NAMED, whose version to keep is said of one table.
        """
        await call.allow(MESH)
        if body.keep is not None and body.table_id is None:
            raise Invalid(
                "TABLE_NOT_NAMED",
                "Name the table whose versions have diverged: the other one is lost.",
                field="tableId",
            )
        wish = {"tableId": body.table_id, "keep": body.keep}
        call.note(table=body.table_id, keep=body.keep)
        first = {"cursor": None} if self._is_there else None
        return self._view(await self._mending.begin(call, wish, first))

    async def awaited(self, reconciliation_id: str) -> ProjectionReconciliationView:
        """The work once it is done, or as it is after five seconds."""
        return self._view(await self._mending.awaited(reconciliation_id, _PATIENCE_SECONDS))

    async def get(self, call: Call, reconciliation_id: str) -> ProjectionReconciliationView:
        """The work as it is now.

        Raises:
            Missing: RECONCILIATION_NOT_FOUND.
        """
        await call.allow(MESH)
        return self._view(await self._mending.find(call.work, reconciliation_id))

    async def _step(self, wish: Mapping[str, Any], place: Mapping[str, Any]) -> Stepped:
        counts, failures = dict.fromkeys(_COUNTS, 0), {}
        following = None
        if wish["tableId"] is not None:
            wanting = [wish["tableId"]]
        else:
            page = await self._projection.look(_PAGE, place["cursor"])
            wanting = [one.table_id for one in page.findings if one.standing != IN_STEP]
            counts["inStep"] = len(page.findings) - len(wanting)
            following = {"cursor": page.cursor} if page.cursor is not None else None
        for table_id in wanting:
            try:
                standing = await self._projection.mend(table_id, wish["keep"])
            except MeshplaneError as error:
                failures[table_id] = error.code
            else:
                counts[_became(standing, wish["keep"])] += 1
        return Stepped(counts, failures, following)

    def _view(self, item: Mapping[str, Any]) -> ProjectionReconciliationView:
        counts = item["counts"]
        return ProjectionReconciliationView(
            **shared_members(item),
            table_id=item["wish"]["tableId"],
            compared=self._is_there,
            in_step=counts["inStep"],
            mended=counts["mended"],
            adopted=counts["adopted"],
            left=counts["left"],
        )


def _became(standing: Standing, keep: Keep | None) -> str:
    if standing == "diverged" and keep is not None:
        return "mended" if keep == "ours" else "adopted"
    return _BECAME[standing]
