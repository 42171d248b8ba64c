"""Bodies of the assets service."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from meshplane.boundary.schemas import ApiModel, Cause, Id, PageQuery, PrincipalName, SqlName, Text

Classification = Literal["public", "internal", "confidential", "restricted"]
ContractText = Annotated[str, StringConstraints(min_length=1, max_length=512 * 1024)]


class NewAsset(ApiModel):
    """A table to be published as a data product, with its ODCS contract as YAML text."""

    project_id: Id
    table_id: Id
    name: SqlName
    description: Text
    classification: Classification
    column_classifications: dict[str, Classification] = Field(default_factory=dict, max_length=2000)
    contract: ContractText
    owner: PrincipalName | None = None


class AssetChange(ApiModel):
    """What may be changed of an asset; what is left out stays."""

    description: Text | None = None
    classification: Classification | None = None
    owner: PrincipalName | None = None


class AssetQuery(PageQuery):
    """Which assets to list."""

    project_id: Id | None = None


class TermOnAsset(ApiModel):
    """A term of a glossary on an asset, or on a column of it."""

    term_id: str
    name: str


class FilledFormView(ApiModel):
    """A metadata form as it was filled, in the revision that it was filled by."""

    form_id: str
    name: str
    revision: int
    values: dict[str, str | int | float | bool]


class AssetColumnView(ApiModel):
    """A column of an asset."""

    name: str
    type: str
    description: str
    classification: Classification
    terms: list[TermOnAsset]


class QualityView(ApiModel):
    """The outcome of the last quality run. `score` is the share of rules that passed, 0 to 1."""

    score: float
    rules_passed: int
    rules_total: int
    run_id: str
    at: str


class AssetView(ApiModel):
    """An asset."""

    asset_id: str
    name: str
    domain_id: str
    domain_name: str
    project_id: str
    project_name: str
    table_id: str
    description: str
    owner: str
    classification: Classification
    columns: list[AssetColumnView]
    terms: list[TermOnAsset]
    forms: list[FilledFormView]
    contract_version: str
    status: Literal["submitted", "published", "rejected"]
    status_reason: str | None
    listed_at: str | None
    quality: QualityView | None
    version: int
    created_by: str
    created_at: str


class MetadataProblem(ApiModel):
    """Something that an asset lacks."""

    field: str
    message: str


class MetadataView(ApiModel):
    """Whether what is said of an asset is enough to list it."""

    asset_id: str
    valid: bool
    problems: list[MetadataProblem]


class ApprovalView(ApiModel):
    """Whether the listing of an asset must be approved: sensitive data must.

    Who holds `approverRole` in the domain, or owns it, may approve; `requestedBy` may not.
    """

    asset_id: str
    required: bool
    classification: Classification
    sensitive_columns: list[str]
    approver_role: str
    domain_id: str
    requested_by: str


class Rejection(ApiModel):
    """Why an asset is not listed."""

    reason: Cause
