"""Every call that brings the catalog's words into the portal fails once: it ends done, once."""

import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from meshplane.kit.errors import MeshplaneError
from meshplane.sandbox.faults import Fault, Kind
from meshplane.services.assets.api import AssetMetadata, FilledForm
from meshplane.services.assets.metadata import dressed
from meshplane.services.assets.store import ASSET_PORTAL_LINKS, ASSETS
from meshplane.services.catalog.forms import FormField, field_item
from meshplane.services.catalog.forms_smithy import form_type_name
from meshplane.services.catalog.store import GLOSSARY_TERMS, TERM_PORTAL_LINKS
from tests.builders import seeds
from tests.builders.aws_sandbox import sandbox_in
from tests.builders.portal_mesh import PortalMesh, portal_mesh
from tests.builders.portals import MESH_ROLE, Roles, datazone_portal

pytestmark = [pytest.mark.fault]

_MOST_TRIES = 12


@pytest.fixture(scope="module")
def roles() -> Iterator[Roles]:
    with sandbox_in() as running:
        yield Roles(running, most_attempts=1, read_seconds=6.0)


class Story:
    """A glossary with two terms, a form in two revisions, and an asset that carries them."""

    def __init__(self, roles: Roles, folder: Path, name: str) -> None:
        numbers = iter(range(1000))
        self.roles = roles
        portal = datazone_portal(roles, lambda kind: f"{kind}-{name}-{next(numbers)}")
        self.mesh: PortalMesh = portal_mesh(portal, folder)
        self.tries = 0

    async def prepare(self) -> None:
        """The asset is there already, without words."""
        mesh = self.mesh
        domain = await mesh.domain()
        project = await mesh.project(domain)
        self.asset = await mesh.asset(domain, project)
        known = (mesh.domains, domain), (mesh.projects, project), (mesh.assets, self.asset)
        for part, own_id in known:
            await self._bring(part, own_id)
        self.tries = 0
        self.glossary = await mesh.glossary()
        self.broad = await mesh.term(self.glossary)
        self.narrow = await mesh.term(
            self.glossary, relations={"isA": [self.broad], "classifies": []}
        )
        kind = FormField("kind", "string", glossary_id=self.glossary)
        fields = [field_item(FormField("days", "integer")), field_item(kind)]
        self.form = await mesh.form(fields[:1], fields)
        filled = FilledForm(self.form, "Keeping", 2, {"days": 7, "kind": self.narrow}, ("kind",))
        names = {self.broad: "Broad", self.narrow: "Narrow"}
        said = AssetMetadata((self.narrow,), {"delay": (self.broad,)}, (filled,), names, 1)
        row = await mesh.store.begin().get(ASSETS, self.asset)
        assert row is not None
        await mesh.put(ASSETS, dressed(row.item, said))

    async def play(self) -> None:
        """Brings it all, as the consumers do: whatever fails is tried again."""
        mesh = self.mesh
        await self._bring(mesh.glossaries, self.glossary)
        for term in (self.narrow, self.broad):
            await self._bring(mesh.terms, term)
        await self._bring(mesh.forms, self.form)
        await self._bring(mesh.assets, self.asset)
        await mesh.change(GLOSSARY_TERMS, self.broad, name="Broader")
        await self._bring(mesh.terms, self.broad)

    async def _bring(self, part: Any, own_id: str) -> None:
        for _ in range(_MOST_TRIES):
            self.tries += 1
            with suppress(MeshplaneError):
                await self.mesh.bring(part, own_id)
                return
        raise AssertionError(f"{own_id} was never brought")

    async def expect_it_is_told_once(self) -> None:
        """Nothing twice, nothing forgotten, nothing that looks like another's hand."""
        mesh, client = self.mesh, self.roles.of(MESH_ROLE).client("datazone")
        (domain,) = client.list_domains()["items"]
        there = {"domainIdentifier": domain["id"]}
        glossaries = client.search(**there, searchScope="GLOSSARY")["items"]
        terms = client.search(**there, searchScope="GLOSSARY_TERM")["items"]
        name = form_type_name(self.form)
        form = client.get_form_type(**there, formTypeIdentifier=name)
        asset = client.get_asset(
            **there, identifier=(await mesh.link(ASSET_PORTAL_LINKS, self.asset))["portalId"]
        )
        narrow = (await mesh.link(TERM_PORTAL_LINKS, self.narrow))["portalId"]
        assert len(glossaries) == 1
        names = sorted(one["glossaryTermItem"]["name"] for one in terms)
        assert names == ["Broader", f"Delay {self.narrow}"]
        assert form["revision"] == "2"
        assert asset["glossaryTerms"] == [narrow]
        assert name in {one["formName"] for one in asset["formsOutput"]}
        assert await mesh.drift() == []


def new_folder(above: Path, number: int) -> Path:
    made = above / str(number)
    made.mkdir()
    return made


async def play(roles: Roles, folder: Path, name: str, fault: Fault | None) -> tuple[int, int]:
    """Plays a story in a portal that has nothing in it; how many tries and calls it took."""
    roles.sandbox.world.services["datazone"].forget()
    story = Story(roles, folder, name)
    await story.prepare()
    before = roles.sandbox.calls.count("datazone")
    if fault is not None:
        roles.sandbox.faults.add(fault)
    await story.play()
    calls = roles.sandbox.calls.count("datazone") - before
    roles.sandbox.faults.clear()
    await story.expect_it_is_told_once()
    await story.mesh.store.close()
    return story.tries, calls


@pytest.mark.parametrize(("kind", "most"), [("lost_answer", 60), ("error", 8), ("timeout", 3)])
async def test_any_call_fails_once__and_the_words_end_as_they_should(
    roles: Roles, tmp_path: Path, kind: Kind, most: int
) -> None:
    tries, calls = await play(roles, new_folder(tmp_path, 0), f"{kind[:4]}-0", None)
    assert (tries, calls > 20) == (6, True)
    for nth in random.Random(seeds.fresh()).sample(range(1, calls + 1), min(calls, most)):
        fault = Fault("datazone", None, kind, nth=nth)
        again, _ = await play(roles, new_folder(tmp_path, nth), f"{kind[:4]}-{nth}", fault)
        assert again > tries, f"call {nth} of {calls} did not fail"
