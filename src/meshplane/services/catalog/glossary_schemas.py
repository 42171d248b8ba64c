"""Bodies of glossaries and their terms. Sizes are those that DataZone takes."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from meshplane.boundary.schemas import ApiModel, Id, Line, PageQuery, Text


def distinct(ids: list[str]) -> list[str]:
    """Lets a list through that names nothing twice."""
    if len(set(ids)) < len(ids):
        raise ValueError("names something twice")
    return ids


Status = Literal["enabled", "disabled"]
"""Whether something may be used for what is new; what uses it already stays."""

ShortText = Annotated[Text, StringConstraints(max_length=1024)]
RelatedTerms = Annotated[list[Id], Field(max_length=10), AfterValidator(distinct)]


class NewGlossary(ApiModel):
    """A glossary to be created."""

    domain_id: Id
    name: Line
    description: Text = ""


class GlossaryChange(ApiModel):
    """What may be changed of a glossary; what is left out stays."""

    name: Line | None = None
    description: Text | None = None
    status: Status | None = None


class DomainPageQuery(PageQuery):
    """Of which domain; all without."""

    domain_id: Id | None = None


class GlossaryView(ApiModel):
    """A glossary."""

    glossary_id: str
    domain_id: str
    domain_name: str
    name: str
    description: str
    status: Status
    version: int
    created_by: str
    created_at: str


class TermRelations(ApiModel):
    """Ids of related terms: the broader ones that a term is one of, and narrower ones."""

    is_a: RelatedTerms = Field(default_factory=list)
    classifies: RelatedTerms = Field(default_factory=list)


class NewTerm(ApiModel):
    """A term to be created."""

    name: Line
    short_description: ShortText = ""
    long_description: Text = ""
    relations: TermRelations = Field(default_factory=TermRelations)


class TermChange(ApiModel):
    """What may be changed of a term; what is left out stays."""

    name: Line | None = None
    short_description: ShortText | None = None
    long_description: Text | None = None
    relations: TermRelations | None = None
    status: Status | None = None


class TermView(ApiModel):
    """A term of a glossary."""

    term_id: str
    glossary_id: str
    domain_id: str
    name: str
    short_description: str
    long_description: str
    relations: TermRelations
    status: Status
    version: int
    created_by: str
    created_at: str
