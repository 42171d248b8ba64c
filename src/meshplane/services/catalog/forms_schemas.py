"""Bodies of metadata forms."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from meshplane.boundary.schemas import ApiModel, Id, Line, Text
from meshplane.services.catalog.glossary_schemas import Status

FieldName = Annotated[
    str, StringConstraints(min_length=1, max_length=63, pattern=r"^[a-zA-Z][a-zA-Z0-9_]*$")
]
FieldType = Literal["string", "integer", "decimal", "boolean", "date", "timestamp"]
Value = Text | int | float | bool
"""A value of a field; which one fits, the form says."""

FieldDescription = Annotated[Text, StringConstraints(max_length=500)]


class FormFieldBody(ApiModel):
    """A field of a form; `glossaryId` names the glossary of which its value is a term."""

    name: FieldName
    type: FieldType
    description: FieldDescription = ""
    required: bool = False
    allowed: list[Value] = Field(default_factory=list, max_length=200)
    glossary_id: Id | None = None


Fields = Annotated[list[FormFieldBody], Field(min_length=1, max_length=50)]


class NewMetadataForm(ApiModel):
    """A form to be created."""

    domain_id: Id
    name: Line
    description: Text = ""
    fields: Fields


class MetadataFormChange(ApiModel):
    """What may be changed of a form; what is left out stays. Other fields are a new revision."""

    name: Line | None = None
    description: Text | None = None
    status: Status | None = None
    fields: Fields | None = None


class FormFieldView(ApiModel):
    """A field of a form."""

    name: str
    type: FieldType
    description: str
    required: bool
    allowed: list[str | int | float | bool]
    glossary_id: str | None


class MetadataFormView(ApiModel):
    """A form, in its latest revision."""

    form_id: str
    domain_id: str
    domain_name: str
    name: str
    description: str
    status: Status
    revision: int
    fields: list[FormFieldView]
    version: int
    created_by: str
    created_at: str


class FormRevisionView(ApiModel):
    """The fields of a form in one revision."""

    form_id: str
    revision: int
    fields: list[FormFieldView]
    created_by: str
    created_at: str
