"""Bodies of the history of queries, and of those under way."""

from meshplane.boundary.schemas import ApiModel
from meshplane.services.query.schemas import ReadRelation


class HistoryEntryView(ApiModel):
    """A query that has ended.

    `status` is succeeded, failed, refused or cancelled; `code` says why. `sql` is cut at 16,384
    characters (`sqlCut`). Values of parameters are not kept. `bytesScanned` is null unless you saw
    all rows and columns of all that it read.
    """

    query_id: str
    operation: str
    sql: str
    sql_cut: bool
    project_id: str | None
    started_at: str
    status: str
    code: str | None
    relations: list[ReadRelation]
    rows: int | None
    result_bytes: int | None
    truncated: bool | None
    seconds: float | None
    bytes_scanned: int | None


class RunningQuery(ApiModel):
    """Which queries under way to list."""

    everyone: bool = False


class UnderWayView(ApiModel):
    """A query under way: `state` is waiting or running. `sql` is shown to its owner alone."""

    query_id: str
    principal: str
    operation: str
    started_at: str
    state: str
    sql: str | None


class RunningView(ApiModel):
    """Queries under way, the oldest first."""

    items: list[UnderWayView]


class Cancellation(ApiModel):
    """`principal`: whose query it is, for an administrator when several have that id."""

    principal: str | None = None


class CancelledView(ApiModel):
    """A query that was told to end; its own request is answered with SQL_CANCELLED."""

    query_id: str
    principal: str
