"""Rows of glossaries and terms: found for a call, and as they leave the service."""

from typing import Any

from meshplane.boundary.actor import Actor, service_actor
from meshplane.boundary.call import Call
from meshplane.kit.errors import BaseMoved, Conflict, Missing
from meshplane.platform.tables import Row
from meshplane.policy.model import Resource
from meshplane.services.catalog.glossary import CLASSIFIES, IS_A
from meshplane.services.catalog.glossary_schemas import GlossaryView, TermRelations, TermView
from meshplane.services.catalog.store import GLOSSARIES, GLOSSARY_TERMS

ENABLED, DISABLED = "enabled", "disabled"


def domain_resource(domain_id: str) -> Resource:
    """A domain, as policies speak of it."""
    return Resource("Domain", domain_id, domain_id=domain_id)


def itself(call: Call) -> Actor:
    """The catalog service, on behalf of whoever called."""
    behalf = call.actor.on_behalf_of or call.actor.name
    return service_actor("catalog", behalf, call.actor.trace_id)


async def glossary_row(call: Call, glossary_id: str) -> Row:
    """The glossary, if the call may be made on it.

    Raises:
        Missing: GLOSSARY_NOT_FOUND.
    """
    row = await call.work.get(GLOSSARIES, glossary_id)
    if row is None:
        raise Missing(
            "GLOSSARY_NOT_FOUND", "There is no glossary with this id.", field="glossaryId"
        )
    await call.allow(domain_resource(row.item["domainId"]))
    return row


async def term_row(call: Call, glossary_id: str, term_id: str) -> Row:
    """The term of a glossary, if the call may be made on it.

    Raises:
        Missing: GLOSSARY_NOT_FOUND, TERM_NOT_FOUND.
    """
    await glossary_row(call, glossary_id)
    row = await call.work.get(GLOSSARY_TERMS, term_id)
    if row is None or row.item["glossaryId"] != glossary_id:
        raise Missing("TERM_NOT_FOUND", "The glossary has no term with this id.", field="termId")
    call.resource = f"GlossaryTerm:{term_id}"
    return row


def name_taken(what: str, where: str) -> Conflict:
    """The error for a name that another has."""
    return Conflict(
        "NAME_TAKEN",
        f"{what} of this name exists in the {where}: choose another.",
        field="name",
    )


def moved() -> BaseMoved:
    """The error for what was changed while a use case thought; the boundary runs it again."""
    return BaseMoved("STALE", "It was changed meanwhile: try again.")


def glossary_view(row: Row) -> GlossaryView:
    """A glossary for HTTP."""
    item = row.item
    return GlossaryView(
        glossary_id=item["glossaryId"],
        domain_id=item["domainId"],
        domain_name=item["domainName"],
        name=item["name"],
        description=item["description"],
        status=item["status"],
        version=row.version,
        created_by=item["createdBy"],
        created_at=item["createdAt"],
    )


def term_view(row: Row) -> TermView:
    """A term for HTTP."""
    item: dict[str, Any] = row.item
    return TermView(
        term_id=item["termId"],
        glossary_id=item["glossaryId"],
        domain_id=item["domainId"],
        name=item["name"],
        short_description=item["shortDescription"],
        long_description=item["longDescription"],
        relations=TermRelations(
            is_a=item["relations"][IS_A], classifies=item["relations"][CLASSIFIES]
        ),
        status=item["status"],
        version=row.version,
        created_by=item["createdBy"],
        created_at=item["createdAt"],
    )
