"""Bodies of the permissions service."""

from typing import Literal

from meshplane.boundary.schemas import ApiModel, Id, PageQuery, ProjectPrincipal


class MaskView(ApiModel):
    """How a column is masked."""

    kind: Literal["null", "hash", "constant"]
    value: str | None = None


class GrantQuery(PageQuery):
    """Which grants to list; one of the two at least."""

    asset_id: Id | None = None
    principal: ProjectPrincipal | None = None


class EffectiveQuery(ApiModel):
    """Whose permission on what."""

    principal: ProjectPrincipal
    asset_id: Id


class GrantView(ApiModel):
    """A grant."""

    grant_id: str
    principal: str
    asset_id: str
    domain_id: str
    permissions: list[str]
    row_filter: str | None
    columns: list[str]
    masks: dict[str, MaskView]
    excluded_columns: list[str]
    expires_at: str | None
    subscription_id: str


class EffectiveColumn(ApiModel):
    """How a principal sees a column."""

    name: str
    access: Literal["plain", "masked", "excluded"]
    mask: MaskView | None = None


class EffectiveView(ApiModel):
    """What a principal may read of an asset, all its grants together."""

    principal: str
    asset_id: str
    columns: list[EffectiveColumn]
    row_filters: list[str]
    all_rows: bool
    grants: list[str]
