"""Use cases of metadata forms."""

from collections.abc import Sequence
from typing import Any

from meshplane.boundary.call import Call
from meshplane.boundary.etags import expected_version, stale
from meshplane.boundary.schemas import Page, PageQuery
from meshplane.events.catalog import MetadataFormCreated, MetadataFormUpdated
from meshplane.kit.errors import FieldProblem, Invalid, Missing
from meshplane.platform.store import ABSENT
from meshplane.platform.tables import Row
from meshplane.policy.model import MESH
from meshplane.services.catalog.forms import FormField, field_item, form_problems
from meshplane.services.catalog.forms_schemas import (
    FormFieldBody,
    FormFieldView,
    FormRevisionView,
    MetadataFormChange,
    MetadataFormView,
    NewMetadataForm,
)
from meshplane.services.catalog.glossary_rows import ENABLED, domain_resource, name_taken
from meshplane.services.catalog.glossary_schemas import DomainPageQuery
from meshplane.services.catalog.store import (
    ALL,
    GLOSSARIES,
    METADATA_FORM_NAMES,
    METADATA_FORM_REVISIONS,
    METADATA_FORMS,
    name_key,
)
from meshplane.services.domains.api import DomainsApi, no_such_domain


class Forms:
    """Creates and keeps metadata forms.

    Args:
        domains: the service below.
    """

    def __init__(self, domains: DomainsApi) -> None:
        self._domains = domains

    async def create(self, call: Call, body: NewMetadataForm) -> MetadataFormView:
        """Creates a form of a domain.

        Raises:
            Missing: DOMAIN_NOT_FOUND.
            Conflict: NAME_TAKEN.
            Invalid: FORM_INVALID.
        """
        domain = await self._domains.find(call.actor, body.domain_id)
        if domain is None:
            raise no_such_domain()
        await call.allow(domain_resource(body.domain_id))
        form_id, key = call.new_id("form"), name_key(body.name)
        fields = await _checked(call, body.fields)
        item = {
            "formId": form_id,
            "domainId": domain.domain_id,
            "domainName": domain.name,
            "name": body.name,
            "nameKey": key,
            "description": body.description,
            "status": ENABLED,
            "revision": 1,
            "fields": fields,
            "createdBy": call.actor.name,
            "createdAt": call.now,
            "listing": ALL,
        }
        _take_name(call, domain.domain_id, key, form_id)
        call.work.put(METADATA_FORMS, item, expected=ABSENT)
        _put_revision(call, item)
        call.work.emit(
            MetadataFormCreated(
                form_id=form_id,
                form_name=body.name,
                domain_id=domain.domain_id,
                created_by=call.actor.name,
                created_at=call.now,
            ).event()
        )
        call.resource = f"MetadataForm:{form_id}"
        return _view(Row(item, 1))

    async def list(self, call: Call, query: DomainPageQuery) -> Page[MetadataFormView]:
        """Forms by name, of one domain or all."""
        await call.allow(MESH)
        page = await call.work.query(
            METADATA_FORMS,
            query.domain_id or ALL,
            index="byDomain" if query.domain_id else "byName",
            limit=query.limit,
            cursor=query.cursor,
        )
        return Page[MetadataFormView](
            items=[_view(row) for row in page.rows], next_cursor=page.cursor
        )

    async def get(self, call: Call, form_id: str) -> MetadataFormView:
        """The form with that id."""
        return _view(await _allowed(call, form_id))

    async def revisions(self, call: Call, form_id: str, query: PageQuery) -> Page[FormRevisionView]:
        """All revisions of a form, the latest first."""
        await _allowed(call, form_id)
        page = await call.work.query(
            METADATA_FORM_REVISIONS,
            form_id,
            limit=query.limit,
            cursor=query.cursor,
            descending=True,
        )
        items = [_revision_view(row.item) for row in page.rows]
        return Page[FormRevisionView](items=items, next_cursor=page.cursor)

    async def update(
        self, call: Call, form_id: str, if_match: str | None, body: MetadataFormChange
    ) -> MetadataFormView:
        """Changes a form. Other fields are a new revision; what was filled before stays valid.

        Raises:
            Conflict: NAME_TAKEN.
            Invalid: FORM_INVALID.
            Stale: STALE.
        """
        row = await _allowed(call, form_id)
        version = expected_version(if_match)
        changes = body.model_dump(by_alias=True, exclude_none=True, exclude={"fields"})
        if body.fields is not None:
            fields = await _checked(call, body.fields)
            if fields != row.item["fields"]:
                changes |= {"fields": fields, "revision": row.item["revision"] + 1}
        item = {**row.item, **changes}
        item["nameKey"] = name_key(item["name"])
        if item["nameKey"] != row.item["nameKey"]:
            call.work.delete(METADATA_FORM_NAMES, item["domainId"], row.item["nameKey"])
            _take_name(call, item["domainId"], item["nameKey"], form_id)
        call.work.put(METADATA_FORMS, item, expected=version, otherwise=stale())
        if "revision" in changes:
            _put_revision(call, item)
        names = tuple(sorted(changes.keys() - {"revision"}))
        call.note(fields=list(names), revision=item["revision"])
        call.work.emit(
            MetadataFormUpdated(
                form_id=form_id,
                form_name=item["name"],
                domain_id=item["domainId"],
                revision=item["revision"],
                fields=names,
                updated_by=call.actor.name,
            ).event()
        )
        return _view(Row(item, version + 1))


async def _allowed(call: Call, form_id: str) -> Row:
    row = await call.work.get(METADATA_FORMS, form_id)
    if row is None:
        raise Missing("FORM_NOT_FOUND", "There is no form with this id.", field="formId")
    await call.allow(domain_resource(row.item["domainId"]))
    call.resource = f"MetadataForm:{form_id}"
    return row


async def _checked(call: Call, bodies: Sequence[FormFieldBody]) -> list[dict[str, Any]]:
    """The fields of a form as rows hold them."""
    fields = [
        FormField(
            one.name,
            one.type,
            one.description,
            one.required,
            tuple(one.allowed),
            one.glossary_id or "",
        )
        for one in bodies
    ]
    problems = form_problems(fields)
    for position, field in enumerate(fields):
        if field.glossary_id and await call.work.get(GLOSSARIES, field.glossary_id) is None:
            problems.append(FieldProblem(f"fields.{position}.glossaryId", "is no glossary"))
    if problems:
        raise Invalid("FORM_INVALID", "The form cannot ask for this.", fields=problems)
    return [field_item(one) for one in fields]


def _put_revision(call: Call, item: dict[str, Any]) -> None:
    call.work.put(
        METADATA_FORM_REVISIONS,
        {
            "formId": item["formId"],
            "revision": item["revision"],
            "fields": item["fields"],
            "createdBy": call.actor.name,
            "createdAt": call.now,
        },
        expected=ABSENT,
        otherwise=stale(),
    )


def _take_name(call: Call, domain_id: str, key: str, form_id: str) -> None:
    call.work.put(
        METADATA_FORM_NAMES,
        {"domainId": domain_id, "nameKey": key, "formId": form_id},
        expected=ABSENT,
        otherwise=name_taken("A form", "domain"),
    )


def _view(row: Row) -> MetadataFormView:
    item = row.item
    return MetadataFormView(
        form_id=item["formId"],
        domain_id=item["domainId"],
        domain_name=item["domainName"],
        name=item["name"],
        description=item["description"],
        status=item["status"],
        revision=item["revision"],
        fields=[_field_view(one) for one in item["fields"]],
        version=row.version,
        created_by=item["createdBy"],
        created_at=item["createdAt"],
    )


def _revision_view(item: dict[str, Any]) -> FormRevisionView:
    return FormRevisionView(
        form_id=item["formId"],
        revision=item["revision"],
        fields=[_field_view(one) for one in item["fields"]],
        created_by=item["createdBy"],
        created_at=item["createdAt"],
    )


def _field_view(item: dict[str, Any]) -> FormFieldView:
    return FormFieldView(
        name=item["name"],
        type=item["type"],
        description=item["description"],
        required=item["required"],
        allowed=item["allowed"],
        glossary_id=item["glossaryId"] or None,
    )
