"""Bodies of tags, their masks and expressions, and data filters."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from meshplane.boundary.schemas import ApiModel, Id, Line, Text, in_words

TagKey = Annotated[
    str, StringConstraints(min_length=1, max_length=128, pattern=r"^[a-z][a-z0-9_-]*$")
]
TagValue = Annotated[
    str,
    StringConstraints(min_length=1, max_length=256, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:@+ -]*$"),
]
TaggedResource = Annotated[
    str,
    StringConstraints(max_length=120, pattern=r"^(asset|domain):[a-z0-9-]+$"),
    in_words("Write asset:ID or domain:ID, such as asset:asset-1a2b."),
]
"""`asset:asset-…` or `domain:dzd-…`."""


class TagValues(ApiModel):
    """The values that a tag may have: all of them, in place of those that it has."""

    values: list[TagValue] = Field(min_length=1, max_length=50)


class LfTagView(ApiModel):
    """A tag and the values that it may have."""

    key: str
    values: list[str]
    created_by: str
    created_at: str


class TagAssigning(ApiModel):
    """Tags for a domain, an asset, or a column of an asset; a value of null takes one away."""

    resource: TaggedResource
    column: Line | None = None
    tags: dict[TagKey, TagValue | None] = Field(min_length=1, max_length=50)


class AssignmentQuery(ApiModel):
    """Whose tags."""

    resource: TaggedResource


class TagAssignmentView(ApiModel):
    """A tag; `column` is null where the whole resource carries it."""

    resource: str
    column: str | None
    key: str
    value: str


class TagAssignmentsView(ApiModel):
    """The tags that a resource and its columns carry themselves; inherited ones are not here."""

    resource: str
    tags: list[TagAssignmentView]


class TagMaskRule(ApiModel):
    """How a column is shown in place of its values.

    `round` takes `digits`, `truncate` a `unit`, `partial` shows `keepFirst` and `keepLast`
    characters and `fill` for the others, `constant` shows `value`; `hash` is keyed.
    """

    kind: Literal["none", "round", "truncate", "partial", "hash", "constant", "null"]
    value: Line | None = None
    keep_first: int | None = Field(default=None, ge=0, le=1000)
    keep_last: int | None = Field(default=None, ge=0, le=1000)
    fill: Annotated[Line, StringConstraints(max_length=1)] | None = None
    unit: Literal["year", "quarter", "month", "week", "day", "hour"] | None = None
    digits: int | None = Field(default=None, ge=-30, le=30)


class NewTagMask(ApiModel):
    """How columns with a tag are shown, in a domain or in the whole mesh."""

    key: TagKey
    value: TagValue
    domain_id: Id | None = None
    mask: TagMaskRule


class TagMaskQuery(ApiModel):
    """Of a domain; without, of the whole mesh."""

    domain_id: Id | None = None


class TagMaskView(ApiModel):
    """The mask of a tag; `domainId` is null for the whole mesh."""

    key: str
    value: str
    domain_id: str | None
    mask: TagMaskRule


class ExpressionTerm(ApiModel):
    """A tag's key with values, one of which a resource must have."""

    key: TagKey
    values: list[TagValue] = Field(min_length=1, max_length=50)


class ExpressionBody(ApiModel):
    """What a named expression says: every key must match, each by one of its values."""

    expression: list[ExpressionTerm] = Field(min_length=1, max_length=50)
    description: Text = ""


class ExpressionView(ApiModel):
    """A named expression."""

    name: str
    expression: list[ExpressionTerm]
    description: str
    created_by: str
    created_at: str


class DataFilterBody(ApiModel):
    """Rows and columns of an asset. Without `rowFilter` all rows, without columns all columns."""

    row_filter: Annotated[Text, StringConstraints(min_length=1)] | None = None
    included_columns: list[Line] | None = Field(default=None, min_length=1, max_length=2000)
    excluded_columns: list[Line] | None = Field(default=None, min_length=1, max_length=2000)


class DataFilterView(ApiModel):
    """A data filter; `rowFilter` is in its canonical form."""

    asset_id: str
    name: str
    row_filter: str | None
    included_columns: list[str] | None
    excluded_columns: list[str] | None
    version: int
