"""Use cases of the terms of a glossary."""

from collections.abc import Mapping, Sequence
from typing import Any

from meshplane.boundary.call import Call
from meshplane.boundary.etags import expected_version, stale
from meshplane.boundary.schemas import Page, PageQuery
from meshplane.events.catalog import (
    GlossaryTermCreated,
    GlossaryTermDeleted,
    GlossaryTermUpdated,
)
from meshplane.kit.errors import Conflict, Invalid
from meshplane.platform.store import ABSENT, UnitOfWork
from meshplane.platform.tables import Row, StartsWith
from meshplane.policy.model import Resource
from meshplane.services.assets.api import AssetsApi, TermUse
from meshplane.services.catalog.glossary import IS_A, leads_back, related, relation_problems
from meshplane.services.catalog.glossary_rows import (
    ENABLED,
    glossary_row,
    itself,
    moved,
    name_taken,
    term_row,
    term_view,
)
from meshplane.services.catalog.glossary_schemas import NewTerm, TermChange, TermView
from meshplane.services.catalog.store import (
    GLOSSARY_TERM_NAMES,
    GLOSSARY_TERM_RELATIONS,
    GLOSSARY_TERMS,
    GUARD,
    name_key,
)
from meshplane.services.catalog.term_removals import TermRemovals

_MOST_ABOVE = 1000
_MOST_USERS_TOLD = 20
_MOST_USERS_SHOWN = 5
_TERMS = StartsWith("term-")


class Terms:
    """Creates, changes and removes terms.

    Args:
        assets: the service below, which knows what a term is on.
        removals: sees to removals that do not come to an end.
    """

    def __init__(self, assets: AssetsApi, removals: TermRemovals) -> None:
        self._assets = assets
        self._removals = removals

    async def create(self, call: Call, glossary_id: str, body: NewTerm) -> TermView:
        """Creates a term of a glossary.

        Raises:
            Conflict: NAME_TAKEN.
            Invalid: RELATION_INVALID.
        """
        glossary = await glossary_row(call, glossary_id)
        term_id, key = call.new_id("term"), name_key(body.name)
        relations = body.relations.model_dump(by_alias=True)
        await _relate(call.work, term_id, {}, relations)
        item = {
            "termId": term_id,
            "glossaryId": glossary_id,
            "domainId": glossary.item["domainId"],
            "name": body.name,
            "nameKey": key,
            "shortDescription": body.short_description,
            "longDescription": body.long_description,
            "relations": relations,
            "status": ENABLED,
            "createdBy": call.actor.name,
            "createdAt": call.now,
        }
        _take_name(call, glossary_id, key, term_id)
        call.work.put(GLOSSARY_TERMS, item, expected=ABSENT)
        call.work.emit(
            GlossaryTermCreated(
                term_id=term_id,
                term_name=body.name,
                glossary_id=glossary_id,
                domain_id=item["domainId"],
                created_by=call.actor.name,
                created_at=call.now,
            ).event()
        )
        call.resource = f"GlossaryTerm:{term_id}"
        return term_view(Row(item, 1))

    async def list(self, call: Call, glossary_id: str, query: PageQuery) -> Page[TermView]:
        """The terms of a glossary, by name."""
        await glossary_row(call, glossary_id)
        page = await call.work.query(
            GLOSSARY_TERMS,
            glossary_id,
            index="byGlossary",
            limit=query.limit,
            cursor=query.cursor,
        )
        return Page[TermView](items=[term_view(row) for row in page.rows], next_cursor=page.cursor)

    async def get(self, call: Call, glossary_id: str, term_id: str) -> TermView:
        """The term with that id."""
        return term_view(await term_row(call, glossary_id, term_id))

    async def update(
        self,
        call: Call,
        glossary_id: str,
        term_id: str,
        if_match: str | None,
        body: TermChange,
    ) -> TermView:
        """Changes a term. Disabled, it is put on nothing new, and stays where it is.

        Raises:
            Conflict: NAME_TAKEN.
            Invalid: RELATION_INVALID.
            Stale: STALE.
        """
        row = await term_row(call, glossary_id, term_id)
        version = expected_version(if_match)
        changes = body.model_dump(by_alias=True, exclude_none=True)
        item = {**row.item, **changes}
        item["nameKey"] = name_key(item["name"])
        if item["nameKey"] != row.item["nameKey"]:
            call.work.delete(GLOSSARY_TERM_NAMES, glossary_id, row.item["nameKey"])
            _take_name(call, glossary_id, item["nameKey"], term_id)
        if item["relations"] != row.item["relations"]:
            await _relate(call.work, term_id, row.item["relations"], item["relations"])
        call.work.put(GLOSSARY_TERMS, item, expected=version, otherwise=stale())
        call.note(fields=sorted(changes))
        call.work.emit(
            GlossaryTermUpdated(
                term_id=term_id,
                term_name=item["name"],
                glossary_id=glossary_id,
                domain_id=item["domainId"],
                fields=tuple(sorted(changes)),
                updated_by=call.actor.name,
            ).event()
        )
        return term_view(Row(item, version + 1))

    async def delete(self, call: Call, glossary_id: str, term_id: str) -> None:
        """Removes a term that nothing uses.

        Raises:
            Conflict: TERM_IN_USE; `assets` and `terms` say by whom.
        """
        row = await term_row(call, glossary_id, term_id)
        guard = await call.work.get(GLOSSARY_TERM_RELATIONS, term_id, GUARD)
        terms = await _relating(call.work, term_id)
        if terms:
            # Another attempt of this may have begun to remove it.
            await self._assets.restore_term(itself(call), term_id)
            raise _in_use(await _names(call.work, terms), [], 0)
        await self._removals.begin(call, term_id)
        uses = await self._assets.retire_term(itself(call), term_id)
        if uses:
            seen = [one for one in uses if await _may_know(call, one)]
            raise _in_use([], seen, len(uses) - len(seen))
        await _unrelate(call.work, term_id, row.item["relations"])
        _put_guard(call.work, term_id, guard)
        call.work.delete(GLOSSARY_TERM_NAMES, glossary_id, row.item["nameKey"])
        call.work.delete(GLOSSARY_TERMS, term_id, expected=row.version, otherwise=moved())
        call.note(name=row.item["name"])
        call.work.emit(
            GlossaryTermDeleted(
                term_id=term_id,
                term_name=row.item["name"],
                glossary_id=glossary_id,
                domain_id=row.item["domainId"],
                deleted_by=call.actor.name,
            ).event()
        )


async def _relate(
    work: UnitOfWork,
    term_id: str,
    before: Mapping[str, Sequence[str]],
    after: Mapping[str, Sequence[str]],
) -> None:
    """Keeps which terms a term names, against whoever removes one of them meanwhile."""
    old = related(before) if before else []
    new = related(after)
    rows = {one: await work.get(GLOSSARY_TERMS, one) for one in new}
    problems = relation_problems(term_id, after, [one for one in rows if rows[one]])
    if problems:
        raise Invalid("RELATION_INVALID", "The terms cannot relate like this.", fields=problems)
    if before and not set(after[IS_A]) <= set(before[IS_A]):
        await _demand_no_circle(work, term_id, after[IS_A])
    for one in set(old) - set(new):
        work.delete(GLOSSARY_TERM_RELATIONS, one, term_id)
    for one in new:
        if one not in old:
            guard = await work.get(GLOSSARY_TERM_RELATIONS, one, GUARD)
            _put_guard(work, one, guard)
            work.put(GLOSSARY_TERM_RELATIONS, {"toTermId": one, "fromTermId": term_id})


async def _demand_no_circle(work: UnitOfWork, term_id: str, is_a: Sequence[str]) -> None:
    """Refuses what makes a term one of itself, also by way of what others relate meanwhile.

    They may write rows that are none of these: so all who relate terms like this write one row.
    """
    guard = await work.get(GLOSSARY_TERM_RELATIONS, GUARD, GUARD)
    if leads_back(term_id, {**await _above(work, is_a), term_id: is_a}):
        raise Invalid(
            "RELATION_INVALID",
            "The term would be one of itself, by way of others.",
            field="relations.isA",
        )
    _put_guard(work, GUARD, guard)


async def _unrelate(work: UnitOfWork, term_id: str, relations: Mapping[str, Any]) -> None:
    for one in related(relations):
        work.delete(GLOSSARY_TERM_RELATIONS, one, term_id)


async def _above(work: UnitOfWork, term_ids: Sequence[str]) -> dict[str, list[str]]:
    """`isA` of these terms and of those above them, of a thousand at most."""
    found: dict[str, list[str]] = {}
    waiting = list(term_ids)
    while waiting and len(found) < _MOST_ABOVE:
        one = waiting.pop()
        if one in found:
            continue
        row = await work.get(GLOSSARY_TERMS, one)
        found[one] = list(row.item["relations"][IS_A]) if row else []
        waiting += found[one]
    return found


async def _relating(work: UnitOfWork, term_id: str) -> list[str]:
    page = await work.query(GLOSSARY_TERM_RELATIONS, term_id, where=_TERMS, limit=_MOST_USERS_TOLD)
    return [row.item["fromTermId"] for row in page.rows]


async def _names(work: UnitOfWork, term_ids: Sequence[str]) -> list[dict[str, str]]:
    rows = [await work.get(GLOSSARY_TERMS, one) for one in term_ids]
    return [
        {"termId": row.item["termId"], "name": row.item["name"]} for row in rows if row is not None
    ]


async def _may_know(call: Call, use: TermUse) -> bool:
    resource = Resource("Asset", use.asset_id, use.domain_id, use.project_id)
    return use.is_published or await call.judge.allows(call.actor, "seeUnpublishedAssets", resource)


def _in_use(terms: list[dict[str, str]], assets: list[TermUse], unseen: int) -> Conflict:
    users = [f"the term {one['name']}" for one in terms]
    users += [f"{one.name} ({', '.join(one.places)})" for one in assets]
    shown = "; ".join(users[:_MOST_USERS_SHOWN]) or "assets that are not listed"
    more = "; and others" if len(users) > _MOST_USERS_SHOWN or (users and unseen) else ""
    return Conflict(
        "TERM_IN_USE",
        f"The term is in use by {shown}{more}. Take it off, or disable it: then it is put on "
        "nothing new.",
        details={
            "terms": terms,
            "assets": [
                {"assetId": one.asset_id, "name": one.name, "places": list(one.places)}
                for one in assets
            ],
            "unlistedAssets": unseen,
        },
    )


def _put_guard(work: UnitOfWork, term_id: str, guard: Row | None) -> None:
    work.put(
        GLOSSARY_TERM_RELATIONS,
        {"toTermId": term_id, "fromTermId": GUARD},
        expected=guard.version if guard else ABSENT,
        otherwise=moved(),
    )


def _take_name(call: Call, glossary_id: str, key: str, term_id: str) -> None:
    call.work.put(
        GLOSSARY_TERM_NAMES,
        {"glossaryId": glossary_id, "nameKey": key, "termId": term_id},
        expected=ABSENT,
        otherwise=name_taken("A term", "glossary"),
    )
