"""Glossaries, terms and form types in DataZone.

All belong to the project that owns the mesh's types: a glossary of DataZone is a project's, and
here it is a domain's, which has no project of its own. So their names there begin with the
domain's.

Needs AWS: that a name which is taken is told as a conflict; whether a term that is on something may
be disabled; whether a relation that is said of one term is shown with the other, too, and told as
others' then; and that the policies of the root unit let that project make glossaries, as they let
it make types.
"""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from meshplane.platform.aws.datazone import (
    CONFLICT,
    MISSING,
    DataZone,
    made_once,
    made_or_found,
    there_or_none,
    token_of,
)
from meshplane.platform.aws.errors import AwsRejected
from meshplane.services.catalog.ports import FormTypeThere, WordThere

_RELATIONS = ("isA", "classifies")


class DataZoneGlossaries:
    """`GlossaryPortal` over DataZone.

    Args:
        zone: the mesh's domain there.
    """

    def __init__(self, zone: DataZone) -> None:
        self._zone = zone

    async def ensure_glossary(self, said: Mapping[str, str]) -> WordThere:
        """See `GlossaryPortal.ensure_glossary`."""
        domain, owner = await self._zone.domain(), await self._zone.types_project()

        async def create(after: str) -> str:
            made = await self._zone.aws.call(
                "datazone",
                "create_glossary",
                domainIdentifier=domain,
                owningProjectIdentifier=owner,
                name=said["name"],
                description=said["description"],
                status=said["status"].upper(),
                clientToken=token_of("glossary", domain, _text(said), after),
            )
            return str(made["id"])

        return await made_or_found(
            made_once(create, self.look_glossary), lambda: self._glossary_named(said["name"])
        )

    async def look_glossary(self, portal_id: str) -> WordThere | None:
        """See `GlossaryPortal.look_glossary`."""
        there = await there_or_none(
            self._zone.aws.call(
                "datazone",
                "get_glossary",
                domainIdentifier=await self._zone.domain(),
                identifier=portal_id,
            )
        )
        return None if there is None else _glossary(there)

    async def change_glossary(self, portal_id: str, said: Mapping[str, str]) -> WordThere:
        """See `GlossaryPortal.change_glossary`."""
        there = await self._zone.aws.call(
            "datazone",
            "update_glossary",
            domainIdentifier=await self._zone.domain(),
            identifier=portal_id,
            name=said["name"],
            description=said["description"],
            status=said["status"].upper(),
        )
        return _glossary(there)

    async def ensure_term(self, glossary: str, said: Mapping[str, str]) -> WordThere:
        """See `GlossaryPortal.ensure_term`."""
        domain = await self._zone.domain()

        async def create(after: str) -> str:
            made = await self._zone.aws.call(
                "datazone",
                "create_glossary_term",
                domainIdentifier=domain,
                glossaryIdentifier=glossary,
                clientToken=token_of("term", domain, glossary, _text(said), after),
                **_term_members(said),
            )
            return str(made["id"])

        return await made_or_found(
            made_once(create, self.look_term), lambda: self._term_named(glossary, said["name"])
        )

    async def look_term(self, portal_id: str) -> WordThere | None:
        """See `GlossaryPortal.look_term`."""
        try:
            there = await self._zone.aws.call(
                "datazone",
                "get_glossary_term",
                domainIdentifier=await self._zone.domain(),
                identifier=portal_id,
            )
        except AwsRejected as error:
            if error.aws_code == MISSING:
                return None
            raise
        return _term(there)

    async def change_term(self, portal_id: str, said: Mapping[str, str]) -> WordThere:
        """See `GlossaryPortal.change_term`."""
        there = await self._zone.aws.call(
            "datazone",
            "update_glossary_term",
            domainIdentifier=await self._zone.domain(),
            identifier=portal_id,
            **_term_members(said, is_change=True),
        )
        return _term(there)

    async def remove_term(self, portal_id: str) -> bool:
        """See `GlossaryPortal.remove_term`."""
        domain = await self._zone.domain()
        try:
            await self._zone.aws.call(
                "datazone",
                "update_glossary_term",
                domainIdentifier=domain,
                identifier=portal_id,
                status="DISABLED",
            )
            await self._zone.aws.call(
                "datazone", "delete_glossary_term", domainIdentifier=domain, identifier=portal_id
            )
        except AwsRejected as error:
            if error.aws_code == MISSING:
                return True
            if error.aws_code == CONFLICT:
                return False
            raise
        return True

    async def look_form(self, name: str) -> FormTypeThere | None:
        """See `GlossaryPortal.look_form`."""
        try:
            there = await self._zone.aws.call(
                "datazone",
                "get_form_type",
                domainIdentifier=await self._zone.domain(),
                formTypeIdentifier=name,
            )
        except AwsRejected as error:
            if error.aws_code == MISSING:
                return None
            raise
        return FormTypeThere(name, there["revision"], there["model"]["smithy"])

    async def revise_form(self, name: str, model: str, description: str) -> FormTypeThere:
        """See `GlossaryPortal.revise_form`."""
        made = await self._zone.aws.call(
            "datazone",
            "create_form_type",
            domainIdentifier=await self._zone.domain(),
            owningProjectIdentifier=await self._zone.types_project(),
            name=name,
            model={"smithy": model},
            status="ENABLED",
            description=description,
        )
        return FormTypeThere(name, made["revision"], model)

    async def _glossary_named(self, name: str) -> WordThere | None:
        async for found in self._searched("GLOSSARY", name):
            if found["glossaryItem"]["name"] == name:
                return await self.look_glossary(found["glossaryItem"]["id"])
        return None

    async def _term_named(self, glossary: str, name: str) -> WordThere | None:
        of_glossary = {"filter": {"attribute": "glossaryId", "value": glossary}}
        async for found in self._searched("GLOSSARY_TERM", name, filters=of_glossary):
            term = found["glossaryTermItem"]
            if (term["glossaryId"], term["name"]) == (glossary, name):
                return await self.look_term(term["id"])
        return None

    async def _searched(self, scope: str, name: str, **more: Any) -> AsyncIterator[dict[str, Any]]:
        """What may have a name: first what the search finds by it, and then all there is.

        In quotes, words are looked for as they are written. How DataZone takes a name apart into
        words is not said, so that a search that does not find it says nothing.

        Args:
            scope: `GLOSSARY` or `GLOSSARY_TERM`.
            name: that is looked for.
            more: further parameters of the search.
        """
        words = " ".join(name.replace('"', " ").split())
        for text in ({"searchText": f'"{words}"'} if words else {}, {}):
            pages = self._zone.aws.pages(
                "datazone",
                "search",
                domainIdentifier=await self._zone.domain(),
                searchScope=scope,
                owningProjectIdentifier=await self._zone.types_project(),
                **text,
                **more,
            )
            async for page in pages:
                for item in page["items"]:
                    yield item


def _glossary(there: Mapping[str, Any]) -> WordThere:
    said = {
        "name": there["name"],
        "description": there.get("description", ""),
        "status": there["status"].lower(),
    }
    return WordThere(there["id"], said)


def _term(there: Mapping[str, Any]) -> WordThere:
    relations = there.get("termRelations") or {}
    said = {
        "name": there["name"],
        "shortDescription": there.get("shortDescription", ""),
        "longDescription": there.get("longDescription", ""),
        "status": there["status"].lower(),
        **{kind: json.dumps(sorted(relations.get(kind) or ())) for kind in _RELATIONS},
    }
    return WordThere(there["id"], said)


def _term_members(said: Mapping[str, str], *, is_change: bool = False) -> dict[str, Any]:
    """The members of a term as DataZone takes them.

    A list of relations is never empty there. A change that names none takes the last ones away.
    """
    relations = {kind: json.loads(said[kind]) for kind in _RELATIONS if said[kind] != "[]"}
    members: dict[str, Any] = {
        "name": said["name"],
        "shortDescription": said["shortDescription"],
        "longDescription": said["longDescription"],
        "status": said["status"].upper(),
    }
    if relations or is_change:
        members["termRelations"] = relations
    return members


def _text(said: Mapping[str, str]) -> str:
    return json.dumps(said, sort_keys=True)
