"""Use cases of glossaries."""

from meshplane.boundary.call import Call
from meshplane.boundary.etags import expected_version, stale
from meshplane.boundary.schemas import Page
from meshplane.events.catalog import GlossaryCreated, GlossaryUpdated
from meshplane.platform.store import ABSENT
from meshplane.platform.tables import Row
from meshplane.policy.model import MESH
from meshplane.services.catalog.glossary_rows import (
    ENABLED,
    domain_resource,
    glossary_row,
    glossary_view,
    name_taken,
)
from meshplane.services.catalog.glossary_schemas import (
    DomainPageQuery,
    GlossaryChange,
    GlossaryView,
    NewGlossary,
)
from meshplane.services.catalog.store import ALL, GLOSSARIES, GLOSSARY_NAMES, name_key
from meshplane.services.domains.api import DomainsApi, no_such_domain


class Glossaries:
    """Creates and keeps glossaries.

    Args:
        domains: the service below.
    """

    def __init__(self, domains: DomainsApi) -> None:
        self._domains = domains

    async def create(self, call: Call, body: NewGlossary) -> GlossaryView:
        """Creates a glossary of a domain.

        Raises:
            Missing: DOMAIN_NOT_FOUND.
            Conflict: NAME_TAKEN.
        """
        domain = await self._domains.find(call.actor, body.domain_id)
        if domain is None:
            raise no_such_domain()
        await call.allow(domain_resource(body.domain_id))
        glossary_id, key = call.new_id("gloss"), name_key(body.name)
        item = {
            "glossaryId": glossary_id,
            "domainId": domain.domain_id,
            "domainName": domain.name,
            "name": body.name,
            "nameKey": key,
            "description": body.description,
            "status": ENABLED,
            "createdBy": call.actor.name,
            "createdAt": call.now,
            "listing": ALL,
        }
        _take_name(call, domain.domain_id, key, glossary_id)
        call.work.put(GLOSSARIES, item, expected=ABSENT)
        call.work.emit(
            GlossaryCreated(
                glossary_id=glossary_id,
                glossary_name=body.name,
                domain_id=domain.domain_id,
                created_by=call.actor.name,
                created_at=call.now,
            ).event()
        )
        call.resource = f"Glossary:{glossary_id}"
        return glossary_view(Row(item, 1))

    async def list(self, call: Call, query: DomainPageQuery) -> Page[GlossaryView]:
        """Glossaries by name, of one domain or all."""
        await call.allow(MESH)
        page = await call.work.query(
            GLOSSARIES,
            query.domain_id or ALL,
            index="byDomain" if query.domain_id else "byName",
            limit=query.limit,
            cursor=query.cursor,
        )
        return Page[GlossaryView](
            items=[glossary_view(row) for row in page.rows], next_cursor=page.cursor
        )

    async def get(self, call: Call, glossary_id: str) -> GlossaryView:
        """The glossary with that id."""
        return glossary_view(await glossary_row(call, glossary_id))

    async def update(
        self, call: Call, glossary_id: str, if_match: str | None, body: GlossaryChange
    ) -> GlossaryView:
        """Changes what is said of a glossary, or whether its terms may be put on anything new.

        Raises:
            Conflict: NAME_TAKEN.
            Stale: STALE.
        """
        row = await glossary_row(call, glossary_id)
        call.resource = f"Glossary:{glossary_id}"
        version = expected_version(if_match)
        changes = body.model_dump(by_alias=True, exclude_none=True)
        item = {**row.item, **changes}
        item["nameKey"] = name_key(item["name"])
        if item["nameKey"] != row.item["nameKey"]:
            call.work.delete(GLOSSARY_NAMES, item["domainId"], row.item["nameKey"])
            _take_name(call, item["domainId"], item["nameKey"], glossary_id)
        call.work.put(GLOSSARIES, item, expected=version, otherwise=stale())
        call.note(fields=sorted(changes))
        call.work.emit(
            GlossaryUpdated(
                glossary_id=glossary_id,
                domain_id=item["domainId"],
                fields=tuple(sorted(changes)),
                updated_by=call.actor.name,
            ).event()
        )
        return glossary_view(Row(item, version + 1))


def _take_name(call: Call, domain_id: str, key: str, glossary_id: str) -> None:
    call.work.put(
        GLOSSARY_NAMES,
        {"domainId": domain_id, "nameKey": key, "glossaryId": glossary_id},
        expected=ABSENT,
        otherwise=name_taken("A glossary", "domain"),
    )
