"""Events of the assets service."""

from typing import ClassVar

from meshplane.events.payload import Payload


class AssetSubmitted(Payload):
    """A data product was handed in, to be listed in the catalog."""

    source: ClassVar[str] = "management-app.assets"
    entity_field: ClassVar[str] = "asset_id"

    asset_id: str
    asset_name: str
    table_id: str
    project_id: str
    domain_id: str
    classification: str
    submitted_by: str
    submitted_at: str


class AssetPublicationRejected(Payload):
    """A data product that was handed in is not listed."""

    source: ClassVar[str] = "management-app.assets"
    entity_field: ClassVar[str] = "asset_id"

    asset_id: str
    asset_name: str
    project_id: str
    domain_id: str
    submitted_by: str
    reason: str
    rejected_at: str


class AssetPublished(Payload):
    """A data product was published: it is listed in the catalog."""

    source: ClassVar[str] = "management-app.assets"
    entity_field: ClassVar[str] = "asset_id"

    asset_id: str
    asset_name: str
    s3_location: str
    format: str
    glue_table: str
    table_id: str
    project_id: str
    domain_id: str
    classification: str
    published_by: str
    published_at: str


class AssetUpdated(Payload):
    """What is said of a data product was changed."""

    source: ClassVar[str] = "management-app.assets"
    entity_field: ClassVar[str] = "asset_id"

    asset_id: str
    updated_by: str
    fields: tuple[str, ...]


class AssetMetadataChanged(Payload):
    """Other glossary terms or forms stand on a data product; these are all that do now."""

    source: ClassVar[str] = "management-app.assets"
    entity_field: ClassVar[str] = "asset_id"

    asset_id: str
    terms: tuple[str, ...]
    forms: tuple[str, ...]
    changed_by: str
    changed_at: str
