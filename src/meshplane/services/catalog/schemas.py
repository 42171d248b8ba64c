"""Bodies of the catalog service."""

from pydantic import Field

from meshplane.boundary.schemas import ApiModel, Id


class SearchQuery(ApiModel):
    """What to look for: words, a glossary term, or both."""

    q: str = Field(default="", max_length=500, description="Words to look for.")
    term: Id | None = Field(
        default=None, description="Only what carries this glossary term, by its id."
    )
    limit: int = Field(default=20, ge=1, le=100)


class FoundAsset(ApiModel):
    """An asset that was found; `columns` are those whose name or description holds a word.

    `terms` are the names of the glossary terms on it and on its columns.
    """

    asset_id: str
    name: str
    domain_name: str
    project_id: str
    project_name: str
    description: str
    classification: str
    quality_score: float | None
    columns: list[str]
    terms: list[str]
    requestable: bool


class IndexedAsset(ApiModel):
    """The asset that the search must find."""

    asset_id: Id


class IndexView(ApiModel):
    """That the search finds an asset."""

    asset_id: str
    indexed: bool
