"""The removal of a term that does not come to an end is taken back, and never half done."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from meshplane.boundary.actor import Actor, service_actor
from meshplane.boundary.call import Call, Judge
from meshplane.events.queue_worker import QueueWorker
from meshplane.kit.clock import FixedClock
from meshplane.kit.errors import BaseMoved, Conflict
from meshplane.kit.ids import id_maker
from meshplane.policy.engine import Engine, policy_texts
from meshplane.policy.model import Membership
from meshplane.services.assets.api import AssetMetadata
from meshplane.services.catalog.glossary_terms import Terms
from meshplane.services.catalog.store import GLOSSARY_TERM_RELATIONS, GLOSSARY_TERMS, REMOVAL
from meshplane.services.catalog.term_removals import TermRemovals
from tests.builders.portal_mesh import PortalMesh, portal_mesh
from tests.builders.portals import PORTALS
from tests.builders.stores import NOON

ADA = Actor("ada@aviation")


class Owners:
    """Memberships of a mesh in which everyone owns every domain."""

    async def of(
        self, actor: Actor, domain_id: str | None, project_id: str | None
    ) -> frozenset[Membership]:
        return frozenset({Membership("Domain", domain_id, "owner")}) if domain_id else frozenset()


@dataclass
class World:
    """A term, an asset, and the worker that sees to removals."""

    mesh: PortalMesh
    clock: FixedClock
    terms: Terms
    worker: QueueWorker
    glossary: str
    term: str
    asset: str

    async def begin(self) -> Call:
        """A removal that is about to be committed."""
        work = self.mesh.store.begin()
        judge = Judge(Engine(policy_texts().values()), Owners(), {})
        call = Call("deleteGlossaryTerm", ADA, work, self.clock, id_maker(self.clock), judge)
        await self.terms.delete(call, self.glossary, self.term)
        return call

    async def later(self, seconds: float) -> None:
        self.clock.advance(seconds)
        await self.worker.run_due()

    async def put_on(self) -> None:
        """Puts the term on the asset."""
        said = AssetMetadata((self.term,), names={self.term: "Delay"})
        await self.mesh.api.put_metadata(service_actor("catalog", "user:ada"), self.asset, said, 0)

    async def is_there(self) -> bool:
        return await self.mesh.store.begin().get(GLOSSARY_TERMS, self.term) is not None

    async def is_noted(self) -> bool:
        work = self.mesh.store.begin()
        return await work.get(GLOSSARY_TERM_RELATIONS, self.term, REMOVAL) is not None


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    with PORTALS["twin"]() as portal:
        mesh, clock = portal_mesh(portal, tmp_path), FixedClock(NOON)
        removals = TermRemovals(mesh.api, mesh.store, clock)
        glossary = await mesh.glossary()
        yield World(
            mesh,
            clock,
            Terms(mesh.api, removals),
            QueueWorker(mesh.store, removals.queues, clock),
            glossary,
            await mesh.term(glossary),
            await mesh.asset("dzd-1", "proj-1"),
        )
        await mesh.store.close()


async def test_removal__that_is_committed_is_not_taken_back(world: World) -> None:
    await (await world.begin()).work.commit()
    assert not await world.is_noted()
    await world.later(120)
    with pytest.raises(Conflict) as caught:
        await world.put_on()
    assert (caught.value.code, await world.is_there()) == ("TERM_RETIRED", False)


async def test_removal__whose_process_died_is_taken_back_after_a_while(world: World) -> None:
    await world.begin()
    with pytest.raises(Conflict) as caught:
        await world.put_on()
    assert caught.value.code == "TERM_RETIRED"
    await world.later(61)
    await world.put_on()
    assert (await world.is_there(), await world.is_noted()) == (True, False)


async def test_removal__that_comes_too_late_is_not_committed_any_more(world: World) -> None:
    late = await world.begin()
    await world.later(61)
    await world.put_on()
    with pytest.raises(BaseMoved):
        await late.work.commit()
    assert await world.is_there()


async def test_removal__begun_anew_is_its_own(world: World) -> None:
    first = await world.begin()
    world.clock.advance(59)
    second = await world.begin()
    await world.later(2)
    with pytest.raises(Conflict):
        await world.put_on()
    with pytest.raises(BaseMoved):
        await first.work.commit()
    await second.work.commit()
    assert not await world.is_there()
    await world.later(120)
    assert not await world.is_there()


async def test_removal__of_what_is_in_use_leaves_nothing_behind(world: World) -> None:
    await world.put_on()
    with pytest.raises(Conflict) as caught:
        await world.begin()
    assert caught.value.code == "TERM_IN_USE"
    await world.later(61)
    assert (await world.is_there(), await world.is_noted()) == (True, False)


async def test_removal__while_another_is_being_taken_back_is_tried_again(world: World) -> None:
    await world.begin()
    work = world.mesh.store.begin()
    row = await work.get(GLOSSARY_TERM_RELATIONS, world.term, REMOVAL)
    assert row is not None
    # As a process leaves it that dies while it takes a removal back.
    work.put(GLOSSARY_TERM_RELATIONS, {**row.item, "isTakenBack": True}, expected=row.version)
    await work.commit()
    with pytest.raises(BaseMoved):
        await world.begin()
    await world.later(61)
    assert not await world.is_noted()
    await (await world.begin()).work.commit()
    assert not await world.is_there()
