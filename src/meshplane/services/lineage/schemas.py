"""Bodies of the lineage service."""

from pydantic import Field

from meshplane.boundary.schemas import ApiModel


class LineageQuery(ApiModel):
    """How far to look."""

    depth: int = Field(default=5, ge=1, le=100)


class SourceView(ApiModel):
    """A column that another was made from.

    `type` is DIRECT where values flow, INDIRECT where they decide which rows or values appear.
    """

    asset_id: str | None
    asset_name: str
    column: str
    type: str
    subtype: str


class ColumnLineageView(ApiModel):
    """A column and what it was made from."""

    column: str
    sources: list[SourceView]


class UpstreamView(ApiModel):
    """A dataset that an asset was made from, so many steps away."""

    asset_id: str | None
    name: str
    domain_name: str | None
    table_id: str | None
    depth: int


class AssetLineageView(ApiModel):
    """What an asset was made from, and by which runs."""

    asset_id: str
    upstream: list[UpstreamView]
    columns: list[ColumnLineageView]
    runs: list[str]


class AcceptedView(ApiModel):
    """How many edges an event brought."""

    edges: int
