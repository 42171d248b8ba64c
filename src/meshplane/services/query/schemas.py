"""Bodies of the query service."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from meshplane.boundary.schemas import ApiModel, Id, SqlName

RelationText = Annotated[str, StringConstraints(min_length=3, max_length=200)]
SnapshotId = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,19}$")]
Snapshots = dict[RelationText, SnapshotId]
SqlText = Annotated[str, StringConstraints(min_length=1, max_length=64 * 1024)]


class NewQuery(ApiModel):
    """A SELECT over data products, named `asset` or `domain.asset`.

    `parameters` is a list for `?` and `$1`, an object for `$name`. `asOf` is an RFC 3339 instant:
    every table is read as it was then; or a snapshot's id, when one table is read. `snapshots`
    names a snapshot for each `domain.asset`. Without `projectId`, all projects of the caller
    count. `queryId` may be chosen beforehand, once, so as to cancel the query before it answers.
    """

    sql: SqlText
    parameters: list[Any] | dict[str, Any] | None = None
    project_id: Id | None = None
    as_of: str | None = Field(default=None, max_length=64)
    snapshots: Snapshots = Field(default_factory=dict, max_length=20)
    query_id: Id | None = None
    max_rows: int = Field(default=10_000, ge=1, le=1_000_000)
    timeout_seconds: float = Field(default=30.0, gt=0, le=300)


class NewMaterialization(ApiModel):
    """A SELECT whose result becomes a table of the project."""

    sql: SqlText
    project_id: Id
    table_name: SqlName
    as_of: str | None = Field(default=None, max_length=64)
    snapshots: Snapshots = Field(default_factory=dict, max_length=20)
    query_id: Id | None = None


class NewExplanation(ApiModel):
    """A SELECT to plan, with or without EXPLAIN in front; the rest is as in a query."""

    sql: SqlText
    parameters: list[Any] | dict[str, Any] | None = None
    project_id: Id | None = None
    as_of: str | None = Field(default=None, max_length=64)
    snapshots: Snapshots = Field(default_factory=dict, max_length=20)


class ResultColumn(ApiModel):
    """A column of an answer; `type` is DuckDB's."""

    name: str
    type: str


class ReadRelation(ApiModel):
    """A relation that a query read, and which version of it."""

    name: str
    asset_id: str
    snapshot_id: str | None


class QueryCost(ApiModel):
    """What a query cost.

    `bytesScanned` is the size of the files that were planned for it. It is null unless the caller
    sees every row and column of every relation that was read, unmasked: it would count what is
    hidden from him. On Athena it is what was read, and `usd` what that costs, under the same rule;
    on this machine nothing is paid for, and `usd` is null.
    """

    rows: int
    result_bytes: int
    seconds: float
    bytes_scanned: int | None
    usd: float | None = None


class PlannedColumn(ApiModel):
    """A column that the caller sees; `shown` says how: `plain`, or the kinds of its masks."""

    name: str
    type: str
    shown: list[str]


class PlannedRelation(ApiModel):
    """A relation of a plan, as the caller sees it.

    `rowsFiltered`: no grant of his lets all of its rows through.
    """

    name: str
    asset_id: str
    snapshot_id: str | None
    columns: list[PlannedColumn]
    rows_filtered: bool


class PlanView(ApiModel):
    """How a statement would be run, over tables without rows: `plan` is the engine's text."""

    query_id: str
    plan: str
    relations: list[PlannedRelation]


class QueryView(ApiModel):
    """An answer. Integers are exact; decimals and times are text; times are in UTC."""

    query_id: str
    columns: list[ResultColumn]
    rows: list[list[Any]]
    row_count: int
    truncated: bool
    relations: list[ReadRelation]
    seconds: float
    cost: QueryCost


class MaterializedView(ApiModel):
    """The table that a query's result became."""

    query_id: str
    table_id: str
    project_id: str
    name: str
    columns: list[ResultColumn]
    rows: int
    snapshot_id: str | None
    cost: QueryCost


class NewSample(ApiModel):
    """Which asset to sample, and how many of a hundred rows to take."""

    asset_id: Id
    percent: float = Field(default=10.0, gt=0, le=100)


class SampleView(ApiModel):
    """The table that holds the sample."""

    asset_id: str
    table_id: str
    name: str
    rows: int
