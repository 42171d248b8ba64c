"""Bodies of what the catalog's words say of an asset."""

from typing import Annotated

from pydantic import AfterValidator, Field

from meshplane.boundary.schemas import ApiModel, Id
from meshplane.services.catalog.forms_schemas import FieldName, Value
from meshplane.services.catalog.glossary_schemas import distinct

MOST_TERMS, MOST_FORMS = 20, 7
"""What an asset carries: of terms as many as DataZone takes, of forms what it takes beside the
three that the mesh fills itself."""

Terms = Annotated[list[Id], Field(max_length=MOST_TERMS), AfterValidator(distinct)]
ColumnName = Annotated[str, Field(min_length=1, max_length=255)]


class FilledFormBody(ApiModel):
    """A form, filled. It is filled by the latest revision, or stays in that it was filled by."""

    form_id: Id
    revision: Annotated[int, Field(ge=1, le=2**31)] | None = None
    values: Annotated[dict[FieldName, Value], Field(max_length=50)]


class AssetMetadataBody(ApiModel):
    """All that is to be said of an asset: ids of terms on it and on its columns, and forms."""

    terms: Terms = Field(default_factory=list)
    columns: Annotated[dict[ColumnName, Terms], Field(max_length=2000)] = Field(
        default_factory=dict
    )
    forms: list[FilledFormBody] = Field(default_factory=list, max_length=MOST_FORMS)


class SaidTermView(ApiModel):
    """A term on an asset or a column."""

    term_id: str
    name: str


class SaidFormView(ApiModel):
    """A form as it was filled; `termNames` has the names of those values that are terms."""

    form_id: str
    name: str
    revision: int
    values: dict[str, str | int | float | bool]
    term_names: dict[str, str]


class AssetMetadataView(ApiModel):
    """What the catalog's words say of an asset."""

    asset_id: str
    terms: list[SaidTermView]
    columns: dict[str, list[SaidTermView]]
    forms: list[SaidFormView]
    version: int
