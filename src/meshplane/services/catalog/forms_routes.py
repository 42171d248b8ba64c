"""HTTP of metadata forms."""

from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call
from meshplane.boundary.operation import IfMatch, OperationRoute, Operations
from meshplane.boundary.schemas import Page, PageQuery
from meshplane.services.catalog.forms_schemas import (
    FormRevisionView,
    MetadataFormChange,
    MetadataFormView,
    NewMetadataForm,
)
from meshplane.services.catalog.forms_service import Forms
from meshplane.services.catalog.glossary_schemas import DomainPageQuery


def routes(forms: Forms, boundary: Boundary) -> list[OperationRoute]:
    """The routes under /api/v1/catalog/forms."""
    operations = Operations(boundary)

    @operations.write("POST", "/catalog/forms", "createMetadataForm", status=201)
    async def create_metadata_form(call: Call, body: NewMetadataForm) -> MetadataFormView:
        return await forms.create(call, body)

    @operations.read("/catalog/forms", "listMetadataForms")
    async def list_metadata_forms(call: Call, query: DomainPageQuery) -> Page[MetadataFormView]:
        return await forms.list(call, query)

    @operations.read("/catalog/forms/{form_id}", "getMetadataForm")
    async def get_metadata_form(call: Call, form_id: str) -> MetadataFormView:
        return await forms.get(call, form_id)

    @operations.write("PATCH", "/catalog/forms/{form_id}", "updateMetadataForm")
    async def update_metadata_form(
        call: Call, form_id: str, if_match: IfMatch, body: MetadataFormChange
    ) -> MetadataFormView:
        return await forms.update(call, form_id, if_match, body)

    @operations.read("/catalog/forms/{form_id}/revisions", "listMetadataFormRevisions")
    async def list_metadata_form_revisions(
        call: Call, form_id: str, query: PageQuery
    ) -> Page[FormRevisionView]:
        return await forms.revisions(call, form_id, query)

    return operations.routes
