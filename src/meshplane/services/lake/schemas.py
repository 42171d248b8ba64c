"""Bodies of drift, reconciliation, the lake's own grants, and locations."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from meshplane.boundary.schemas import ApiModel, Id, Line, PageQuery, Text, in_words

Key = Annotated[
    str,
    StringConstraints(max_length=80, pattern=r"^lake-[a-f0-9]{32}$"),
    in_words("Write the key of an entry of the lake, as GET /lake/grants tells it: lake-…"),
]
Principal = Annotated[
    str,
    StringConstraints(
        min_length=3,
        max_length=300,
        pattern=r"^(user|group|project|role|account|organization):[A-Za-z0-9][\w.@+:/=,-]*$",
    ),
    in_words(
        "Write user:NAME, group:NAME, project:ID, role:ARN, account:NUMBER or organization:ID."
    ),
]
Permission = Literal[
    "SELECT",
    "DESCRIBE",
    "INSERT",
    "DELETE",
    "ALTER",
    "DROP",
    "CREATE_TABLE",
    "DATA_LOCATION_ACCESS",
]
Kind = Literal["missing", "excess", "changed"]
Excess = Literal["remove", "adopt", "report"]


class DriftQuery(PageQuery):
    """Drift of the whole mesh, or of one domain; of one kind, or of all."""

    domain_id: Id | None = None
    kind: Kind | None = None


class LakeEntryView(ApiModel):
    """A grant as the lake holds it, or should. `resource` is in Lake Formation's terms."""

    key: str
    principal: str
    resource: dict[str, Any]
    described: str
    permissions: list[str]
    permissions_with_grant_option: list[str]
    filter: dict[str, Any] | None
    masks: dict[str, Any]
    made_by: str | None
    made_at: str | None


class DriftItem(ApiModel):
    """One difference. `madeBy` is who made what is there, if the lake knows."""

    kind: Kind
    severity: Literal["warning", "critical"]
    key: str
    domain_id: str | None
    grant_id: str | None
    principal: str
    described: str
    differences: list[str]
    made_by: str | None
    made_at: str | None
    desired: LakeEntryView | None
    actual: LakeEntryView | None


class DriftView(ApiModel):
    """How the lake differs from what was granted: excess first, then changed, then missing."""

    checked_at: str
    domain_id: str | None
    missing: int
    excess: int
    changed: int
    critical: int
    items: list[DriftItem]
    next_cursor: str | None = None


class DriftCheckView(ApiModel):
    """What a look for drift found, and the reconciliation that it began, if any.

    `problems` counts grants that cannot be in the lake as they are.
    """

    checked_at: str
    missing: int
    excess: int
    changed: int
    critical: int
    problems: int
    reconciliation: str | None


class NewReconciliation(ApiModel):
    """Which drift to mend: of one domain, or of the whole mesh."""

    domain_id: Id | None = None


class ReconcileQuery(ApiModel):
    """`plan=true` tells what would be done and does nothing."""

    plan: bool = False


class StepView(ApiModel):
    """What is done about one difference, and why."""

    action: Literal["put", "remove", "adopt", "report"]
    kind: Kind
    key: str
    domain_id: str | None
    grant_id: str | None
    why: str


class FailureView(ApiModel):
    """What could not be mended, and why."""

    key: str
    code: str
    reason: str


class ReconciliationView(ApiModel):
    """A reconciliation, or the plan of one. `steps` are the first 200."""

    reconciliation_id: str | None
    status: Literal["PLANNED", "RUNNING", "COMPLETED"]
    domain_id: str | None
    trigger: Literal["person", "schedule"]
    started_by: str
    started_at: str
    completed_at: str | None = None
    total: int
    done: int = 0
    repaired: int = 0
    removed: int = 0
    adopted: int = 0
    reported: int = 0
    skipped: int = 0
    failed: int = 0
    actions: dict[str, int] = Field(default_factory=dict)
    steps: list[StepView] = Field(default_factory=list)
    failures: list[FailureView] = Field(default_factory=list)


class DriftPolicyBody(ApiModel):
    """What becomes of a domain's drift.

    `excess`: what nobody granted is removed, adopted as a grant, or told of. `automatic`: whether
    the regular look for drift mends it by itself.
    """

    excess: Excess
    automatic: bool = False


class DriftPolicyView(ApiModel):
    """A domain's policy; without `changedBy` it is the default."""

    domain_id: str
    excess: Excess
    automatic: bool
    changed_by: str | None = None
    changed_at: str | None = None


class LakeDatabase(ApiModel):
    """A database, which is a domain."""

    name: Line = Field(alias="Name")


class Nothing(ApiModel):
    """An empty object."""


class LakeTable(ApiModel):
    """A table, which is a data product; or with `TableWildcard: {}` all tables of a database."""

    database_name: Line = Field(alias="DatabaseName")
    name: Line | None = Field(default=None, alias="Name")
    table_wildcard: Nothing | None = Field(default=None, alias="TableWildcard")


class LakeColumnWildcard(ApiModel):
    """All columns but some."""

    excluded_column_names: list[Line] = Field(
        default_factory=list, alias="ExcludedColumnNames", max_length=2000
    )


class LakeColumns(ApiModel):
    """Columns of a table: some, or all but some."""

    database_name: Line = Field(alias="DatabaseName")
    name: Line = Field(alias="Name")
    column_names: list[Line] | None = Field(
        default=None, alias="ColumnNames", min_length=1, max_length=2000
    )
    column_wildcard: LakeColumnWildcard | None = Field(default=None, alias="ColumnWildcard")


class LakeCells(ApiModel):
    """A data cells filter of a table."""

    database_name: Line = Field(alias="DatabaseName")
    table_name: Line = Field(alias="TableName")
    name: Line = Field(alias="Name")


class LakeTagTerm(ApiModel):
    """A tag's key with values, one of which a resource must have."""

    tag_key: Line = Field(alias="TagKey")
    tag_values: list[Line] = Field(alias="TagValues", min_length=1, max_length=50)


class LakeTagPolicy(ApiModel):
    """Whatever carries some tags."""

    resource_type: Literal["TABLE", "DATABASE"] = Field(alias="ResourceType")
    expression: list[LakeTagTerm] = Field(alias="Expression", min_length=1, max_length=50)
    database_name: Line | None = Field(default=None, alias="DatabaseName")


class LakePlace(ApiModel):
    """A place in a bucket."""

    resource_arn: Annotated[
        Text,
        StringConstraints(max_length=1000, pattern=r"^arn:aws:s3:::[a-z0-9.-]+(/\S*)?$"),
    ] = Field(alias="ResourceArn")


class LakeResource(ApiModel):
    """What a grant of the lake is on, in Lake Formation's terms: exactly one of these."""

    database: LakeDatabase | None = Field(default=None, alias="Database")
    table: LakeTable | None = Field(default=None, alias="Table")
    table_with_columns: LakeColumns | None = Field(default=None, alias="TableWithColumns")
    data_cells_filter: LakeCells | None = Field(default=None, alias="DataCellsFilter")
    lf_tag_policy: LakeTagPolicy | None = Field(default=None, alias="LFTagPolicy")
    data_location: LakePlace | None = Field(default=None, alias="DataLocation")


class NewLakeGrant(ApiModel):
    """A grant of the embedded lake, as an administrator makes or changes it by hand.

    `rowFilter` and the columns belong to a `DataCellsFilter`.
    """

    principal: Principal
    resource: LakeResource
    permissions: list[Permission] = Field(min_length=1, max_length=8)
    permissions_with_grant_option: list[Permission] = Field(default_factory=list, max_length=8)
    row_filter: Text | None = None
    included_columns: list[Line] | None = Field(default=None, min_length=1, max_length=2000)
    excluded_columns: list[Line] | None = Field(default=None, max_length=2000)
    reason: Text = Field(min_length=1)


class LakeGrantRemoval(ApiModel):
    """A grant of the embedded lake to be taken away by hand."""

    key: Key
    reason: Text = Field(min_length=1)


class LakeGrantEdit(ApiModel):
    """What an edit by hand came to. `grantId` is the grant that wants this entry, if one does.

    `drift` says how the lake differs from it now.
    """

    key: str
    grant_id: str | None
    drift: Literal["none", "missing", "changed", "excess"]
    entry: LakeEntryView | None


class CompiledQuery(ApiModel):
    """For which lake."""

    target: Literal["embedded", "lake-formation"] = "lake-formation"


class ViewStatement(ApiModel):
    """A view that must be made first, and the columns that it shows."""

    database: str
    name: str
    sql: str
    columns: list[str]


class CompiledView(ApiModel):
    """A grant as a lake must hold it; `notes` say what differs there, `problems` what cannot be."""

    grant_id: str
    target: Literal["embedded", "lake-formation"]
    entries: list[LakeEntryView]
    views: list[ViewStatement]
    notes: list[str]
    problems: list[str]


Path = Annotated[Line, StringConstraints(pattern=r"^[^\s?#*]+$")]


class NewLocation(ApiModel):
    """A path below a domain's bucket."""

    domain_id: Id
    path: Path
    description: Line | None = None


class LocationQuery(PageQuery):
    """Whose locations."""

    domain_id: Id


class LocationView(ApiModel):
    """A registered location; `DATA_LOCATION_ACCESS` may be granted on it and below it."""

    location_id: str
    domain_id: str
    path: str
    arn: str
    description: str | None
    registered_by: str
    registered_at: str
