"""A new glossary or term in DataZone is made, and looked for only where its name is taken."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from meshplane.services.catalog.aws_portal import DataZoneGlossaries
from tests.builders.aws_sandbox import sandbox_in
from tests.builders.portals import Roles, datazone_portal

SAID = {"description": "", "status": "enabled"}


def term_said(name: str) -> dict[str, str]:
    return {
        "name": name,
        "shortDescription": "",
        "longDescription": "",
        "status": "enabled",
        "isA": "[]",
        "classifies": "[]",
    }


@pytest.fixture(scope="module")
def roles() -> Iterator[Roles]:
    with sandbox_in() as running:
        yield Roles(running)


@pytest.fixture
def words(roles: Roles) -> Any:
    return datazone_portal(roles, lambda kind: f"{kind}-glossaries").glossaries


def searched(roles: Roles) -> list[Mapping[str, Any]]:
    """What was asked of the search, in order."""
    return [call.parameters for call in roles.sandbox.calls.all() if call.operation == "Search"]


async def test_new_term__is_made_without_a_search_however_many_there_are(
    roles: Roles, words: DataZoneGlossaries
) -> None:
    glossary = await words.ensure_glossary({"name": "aviation: Many", **SAID})
    counts = []
    for number in range(4):
        roles.sandbox.calls.clear()
        await words.ensure_term(glossary.portal_id, term_said(f"Term {number}"))
        counts.append(len(roles.sandbox.calls.all()))
    assert counts == [counts[0]] * 4
    assert searched(roles) == []


@pytest.mark.parametrize("name", ["Delay of departure", 'The "real" delay', "…", "délai: x/y"])
async def test_term_that_is_there_already__is_found_by_its_name(
    roles: Roles, words: DataZoneGlossaries, name: str
) -> None:
    glossary = await words.ensure_glossary({"name": f"aviation: {name}", **SAID})
    theirs = await words.ensure_term(glossary.portal_id, term_said(name))
    for number in range(60):
        # More than a page of others.
        await words.ensure_term(glossary.portal_id, term_said(f"Other {number}"))
    roles.sandbox.calls.clear()
    said = {**term_said(name), "shortDescription": "x"}
    found = await words.ensure_term(glossary.portal_id, said)
    assert found == theirs
    assert len(searched(roles)) <= 4
