"""Bodies of the permissions service."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from meshplane.boundary.schemas import ApiModel, Id, Line, PageQuery, Text, in_words

GrantPrincipal = Annotated[
    str,
    StringConstraints(
        min_length=6,
        max_length=300,
        pattern=(
            r"^((user|group):[A-Za-z0-9][A-Za-z0-9._@+:-]*|project:proj-[a-z0-9]+"
            r"|role:arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+|account:\d{12}"
            r"|organization:o-[a-z0-9]{10,32})$"
        ),
    ),
    in_words(
        "Write user:NAME, group:NAME, project:ID, role:ARN, account:NUMBER or organization:ID, "
        "such as user:ada@mesh or project:proj-1a2b."
    ),
]
"""Who may be granted something. `user:…`, `group:…` and `project:proj-…` are enforced here;
`role:arn:aws:iam::…`, `account:123456789012` and `organization:o-…` count in the lake alone."""

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
ColumnName = Line
ColumnNames = Annotated[list[ColumnName], Field(min_length=1, max_length=2000)]
TagKey = Annotated[Line, StringConstraints(max_length=128)]
TagValue = Line
GrantId = Annotated[str, StringConstraints(min_length=3, max_length=120, pattern=r"^[a-z0-9-]+$")]
Reason = Annotated[Text, StringConstraints(min_length=1)]
InstantText = Annotated[str, StringConstraints(max_length=64)]
ResourceName = Annotated[
    str,
    StringConstraints(max_length=120, pattern=r"^((asset|domain):[a-z0-9-]+|tags)$"),
    in_words("Write asset:ID, domain:ID or tags, such as asset:asset-1a2b."),
]
"""`asset:asset-…`, `domain:dzd-…`, or `tags` for what reaches over domains."""


class MaskBody(ApiModel):
    """How a column is shown in place of its values; from the weakest to the strictest kind.

    `none` shows it plainly where a tag would mask it. `round` takes `digits` (2 is cents, -3
    thousands), `truncate` a `unit`, `partial` shows `keepFirst` and `keepLast` characters and
    `fill` for the others. `hash` is keyed. `constant` shows `value`. `null` shows nothing.
    """

    kind: Literal["none", "round", "truncate", "partial", "hash", "constant", "null"]
    value: Line | None = None
    keep_first: int | None = Field(default=None, ge=0, le=1000)
    keep_last: int | None = Field(default=None, ge=0, le=1000)
    fill: Annotated[Line, StringConstraints(max_length=1)] | None = None
    unit: Literal["year", "quarter", "month", "week", "day", "hour"] | None = None
    digits: int | None = Field(default=None, ge=-30, le=30)


class OnDatabase(ApiModel):
    """A domain as a database, or all of its tables."""

    domain_id: Id


class OnTable(ApiModel):
    """A data product as a table: all its columns and rows, also those that come later."""

    asset_id: Id


class OnColumns(ApiModel):
    """Some columns of a data product: those named, or all others, also those that come later."""

    asset_id: Id
    included: ColumnNames | None = None
    excluded: ColumnNames | None = None


class OnFilter(ApiModel):
    """A data filter of a data product: its rows and columns."""

    asset_id: Id
    name: Line


class TagTerm(ApiModel):
    """A tag's key, and the values of which a resource must have one."""

    key: TagKey
    values: list[TagValue] = Field(min_length=1, max_length=50)


class OnTags(ApiModel):
    """Whatever carries these tags: all keys must match, each by one of its values.

    Either an `expression`, or the name of one that was kept. With `domainId` only in that domain.
    """

    resource_type: Literal["TABLE", "DATABASE"]
    expression: list[TagTerm] | None = Field(default=None, min_length=1, max_length=50)
    expression_name: Line | None = None
    domain_id: Id | None = None


class OnLocation(ApiModel):
    """A place in a domain's part of the lake."""

    domain_id: Id
    path: Annotated[Text, StringConstraints(min_length=1, max_length=700, pattern=r"^\S+$")]


class ResourceBody(ApiModel):
    """What a grant is on: exactly one of these."""

    database: OnDatabase | None = None
    all_tables: OnDatabase | None = None
    table: OnTable | None = None
    columns: OnColumns | None = None
    filter: OnFilter | None = None
    tags: OnTags | None = None
    location: OnLocation | None = None


class NewGrant(ApiModel):
    """A grant to be made, or to be added to: the same principal and resource have one grant.

    Permissions are added to those that are there. `masks`, `expiresAt` and `onAws` take the place
    of what is there where they are given; `expiresAt: null` removes the end.
    """

    principal: GrantPrincipal
    resource: ResourceBody
    permissions: list[Permission] = Field(min_length=1, max_length=8)
    permissions_with_grant_option: list[Permission] = Field(default_factory=list, max_length=8)
    masks: dict[ColumnName, MaskBody] | None = Field(default=None, max_length=2000)
    expires_at: InstantText | None = None
    reason: Reason
    on_aws: Literal["exclude", "view"] | None = None


class Revocation(ApiModel):
    """What to take away: of a grant by its id, or of a principal's grant on a resource.

    Without `permissions` it is all of it. `grantOptionOnly` leaves the permissions and takes the
    right to pass them on.
    """

    grant_id: GrantId | None = None
    principal: GrantPrincipal | None = None
    resource: ResourceBody | None = None
    permissions: list[Permission] | None = Field(default=None, min_length=1, max_length=8)
    grant_option_only: bool = False
    reason: Reason | None = None


class GrantQuery(PageQuery):
    """Which grants to list: on an asset, of a principal, of both, or those a domain answers for."""

    asset_id: Id | None = None
    principal: GrantPrincipal | None = None
    domain_id: Id | None = None


class EffectiveQuery(ApiModel):
    """Whose permission on what: `assetId`, or `resource=asset:…`.

    `groups` and `projects` add grants that he has through these: names with commas between.
    """

    principal: GrantPrincipal
    asset_id: Id | None = None
    resource: ResourceName | None = None
    groups: Annotated[str, StringConstraints(max_length=4000)] | None = None
    projects: Annotated[str, StringConstraints(max_length=4000)] | None = None


class GrantView(ApiModel):
    """A grant. `assetId` is null where it is on more than one asset.

    `resource` is what it is on; `rows` is what a subscription granted: rows and columns of an
    asset. `lakeState` is what is known of it in the lake: a grant that the lake does not hold
    (`missing`, `changed`, `failed`) lets nothing through.
    """

    grant_id: str
    principal: str
    resource: dict[str, Any]
    asset_id: str | None
    domain_id: str
    permissions: list[str]
    permissions_with_grant_option: list[str]
    row_filter: str | None
    columns: list[str]
    masks: dict[str, MaskBody]
    excluded_columns: list[str]
    expires_at: str | None
    subscription_id: str | None
    granted_by: str
    granted_at: str
    reason: str
    on_aws: Literal["exclude", "view"]
    lake_state: Literal["pending", "applied", "missing", "changed", "failed"]
    lake_reason: str | None
    status: Literal["active", "expired"]


class RevocationView(ApiModel):
    """What a revoke did.

    `ended` are grants of which nothing is left, `changed` those of which something is. `still` are
    other grants of the principal that give some of the same.
    """

    ended: list[str]
    changed: list[GrantView]
    still: list[GrantView]


class EffectiveColumnView(ApiModel):
    """How a principal sees a column, and by which grants."""

    name: str
    access: Literal["plain", "masked", "excluded"]
    mask: MaskBody | None = None
    grants: list[str] = Field(default_factory=list)


class RightView(ApiModel):
    """A permission, and the grants that give it; those that let it be passed on."""

    permission: str
    grants: list[str]
    grantable_by: list[str]


class BrokenView(ApiModel):
    """A grant that would apply and lets nothing through, and why."""

    grant_id: str
    why: str


class RowsView(ApiModel):
    """The rows that one grant lets through, with the columns that it shows in them."""

    grant_id: str
    row_filter: str | None
    columns: dict[str, MaskBody | None]


class EffectiveView(ApiModel):
    """What a principal may do with an asset now, all its grants together.

    `owns` says that it is the project that publishes the asset, whose members see all of it.
    """

    principal: str
    asset_id: str
    owns: bool
    columns: list[EffectiveColumnView]
    row_filters: list[str]
    all_rows: bool
    rows: list[RowsView]
    permissions: list[RightView]
    broken: list[BrokenView]
    grants: list[str]


class VerdictView(ApiModel):
    """What a grant does for a principal on an asset, in a sentence."""

    grant_id: str
    principal: str
    target: str
    verdict: str
    applies: bool
    sentence: str


class ColumnReasonView(ApiModel):
    """How a column is shown, and why not better."""

    name: str
    access: Literal["plain", "masked", "excluded"]
    mask: MaskBody | None
    sentence: str


class ExplanationView(ApiModel):
    """Why a principal sees or does not see an asset: grant by grant, by column, and the whole."""

    principal: str
    asset_id: str
    grants: list[VerdictView]
    columns: list[ColumnReasonView]
    conclusion: list[str]


class TagChange(ApiModel):
    """A tag to be put on a resource or a column of it; a value of null takes it away."""

    resource: ResourceName
    column: ColumnName | None = None
    key: TagKey
    value: TagValue | None = None


class ApprovalChange(ApiModel):
    """A subscription request, and the body with which it would be approved."""

    request_id: Id
    approval: dict[str, Any] = Field(default_factory=dict)


class PolicyChange(ApiModel):
    """One change to try out: exactly one of these."""

    grant: NewGrant | None = None
    revoke: Revocation | None = None
    tag: TagChange | None = None
    approve: ApprovalChange | None = None


class Simulation(ApiModel):
    """What would change for whom. Without `principals`, for all whose grants would."""

    changes: list[PolicyChange] = Field(min_length=1, max_length=20)
    principals: list[GrantPrincipal] | None = Field(default=None, min_length=1, max_length=50)


class SeenView(ApiModel):
    """What a principal may do with an asset, in short."""

    permissions: list[str]
    columns: list[EffectiveColumnView]
    row_filters: list[str]
    all_rows: bool


class ChangedAccess(ApiModel):
    """What changes for a principal on an asset."""

    principal: str
    asset_id: str
    asset_name: str
    before: SeenView
    after: SeenView
    sentences: list[str]


class SimulationView(ApiModel):
    """All that would change; `truncated` where there is more than one answer holds."""

    changes: list[ChangedAccess]
    truncated: bool
