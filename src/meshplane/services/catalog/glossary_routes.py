"""HTTP of glossaries and their terms."""

from contextlib import suppress

from meshplane.boundary.actor import Actor
from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call
from meshplane.boundary.operation import IfMatch, OperationRoute, Operations
from meshplane.boundary.schemas import Page, PageQuery
from meshplane.kit.errors import Stale, Unavailable
from meshplane.services.catalog.glossary_naming import Naming
from meshplane.services.catalog.glossary_schemas import (
    DomainPageQuery,
    GlossaryChange,
    GlossaryView,
    NewGlossary,
    NewTerm,
    TermChange,
    TermView,
)
from meshplane.services.catalog.glossary_service import Glossaries
from meshplane.services.catalog.glossary_terms import Terms

_GLOSSARY = "/catalog/glossaries/{glossary_id}"
_TERM = f"{_GLOSSARY}/terms/{{term_id}}"


def routes(
    glossaries: Glossaries, terms: Terms, naming: Naming, boundary: Boundary
) -> list[OperationRoute]:
    """The routes under /api/v1/catalog/glossaries."""
    operations = Operations(boundary)

    async def settle(actor: Actor, glossary_id: str, term_id: str) -> TermView:
        # It is committed; where naming does not come about now, its event brings it about.
        with suppress(Stale, Unavailable):
            await naming.settle(term_id)
        return await boundary.read(
            "getGlossaryTerm", actor, lambda call: terms.get(call, glossary_id, term_id)
        )

    @operations.write("POST", "/catalog/glossaries", "createGlossary", status=201)
    async def create_glossary(call: Call, body: NewGlossary) -> GlossaryView:
        return await glossaries.create(call, body)

    @operations.read("/catalog/glossaries", "listGlossaries")
    async def list_glossaries(call: Call, query: DomainPageQuery) -> Page[GlossaryView]:
        return await glossaries.list(call, query)

    @operations.read(_GLOSSARY, "getGlossary")
    async def get_glossary(call: Call, glossary_id: str) -> GlossaryView:
        return await glossaries.get(call, glossary_id)

    @operations.write("PATCH", _GLOSSARY, "updateGlossary")
    async def update_glossary(
        call: Call, glossary_id: str, if_match: IfMatch, body: GlossaryChange
    ) -> GlossaryView:
        return await glossaries.update(call, glossary_id, if_match, body)

    @operations.write("POST", f"{_GLOSSARY}/terms", "createGlossaryTerm", status=201)
    async def create_glossary_term(call: Call, glossary_id: str, body: NewTerm) -> TermView:
        return await terms.create(call, glossary_id, body)

    @operations.read(f"{_GLOSSARY}/terms", "listGlossaryTerms")
    async def list_glossary_terms(call: Call, glossary_id: str, query: PageQuery) -> Page[TermView]:
        return await terms.list(call, glossary_id, query)

    @operations.read(_TERM, "getGlossaryTerm")
    async def get_glossary_term(call: Call, glossary_id: str, term_id: str) -> TermView:
        return await terms.get(call, glossary_id, term_id)

    @operations.write("PATCH", _TERM, "updateGlossaryTerm", settle=settle)
    async def update_glossary_term(
        call: Call, glossary_id: str, term_id: str, if_match: IfMatch, body: TermChange
    ) -> TermView:
        return await terms.update(call, glossary_id, term_id, if_match, body)

    @operations.write("DELETE", _TERM, "deleteGlossaryTerm", status=204)
    async def delete_glossary_term(call: Call, glossary_id: str, term_id: str) -> None:
        await terms.delete(call, glossary_id, term_id)

    return operations.routes
