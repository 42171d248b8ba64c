"""Events of the catalog service."""

from typing import ClassVar

from meshplane.events.payload import Payload


class GlossaryCreated(Payload):
    """A domain has a new glossary."""

    source: ClassVar[str] = "management-app.catalog"
    entity_field: ClassVar[str] = "glossary_id"

    glossary_id: str
    glossary_name: str
    domain_id: str
    created_by: str
    created_at: str


class GlossaryUpdated(Payload):
    """What is said of a glossary was changed, or whether it is in use."""

    source: ClassVar[str] = "management-app.catalog"
    entity_field: ClassVar[str] = "glossary_id"

    glossary_id: str
    domain_id: str
    fields: tuple[str, ...]
    updated_by: str


class GlossaryTermCreated(Payload):
    """A glossary has a new term."""

    source: ClassVar[str] = "management-app.catalog"
    entity_field: ClassVar[str] = "term_id"

    term_id: str
    term_name: str
    glossary_id: str
    domain_id: str
    created_by: str
    created_at: str


class GlossaryTermUpdated(Payload):
    """What a term means was changed, what it is called, or whether it is in use."""

    source: ClassVar[str] = "management-app.catalog"
    entity_field: ClassVar[str] = "term_id"

    term_id: str
    term_name: str
    glossary_id: str
    domain_id: str
    fields: tuple[str, ...]
    updated_by: str


class GlossaryTermDeleted(Payload):
    """A glossary has lost a term that nothing used."""

    source: ClassVar[str] = "management-app.catalog"
    entity_field: ClassVar[str] = "term_id"

    term_id: str
    term_name: str
    glossary_id: str
    domain_id: str
    deleted_by: str


class MetadataFormCreated(Payload):
    """A domain has a new metadata form."""

    source: ClassVar[str] = "management-app.catalog"
    entity_field: ClassVar[str] = "form_id"

    form_id: str
    form_name: str
    domain_id: str
    created_by: str
    created_at: str


class MetadataFormUpdated(Payload):
    """A metadata form was changed; other fields are a new revision."""

    source: ClassVar[str] = "management-app.catalog"
    entity_field: ClassVar[str] = "form_id"

    form_id: str
    form_name: str
    domain_id: str
    revision: int
    fields: tuple[str, ...]
    updated_by: str
