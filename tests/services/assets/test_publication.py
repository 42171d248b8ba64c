"""An asset that was handed in and is not listed: who knows of it, and how it gets in or out."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from meshplane.boundary.actor import Actor, service_actor
from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call, Judge
from meshplane.kit.clock import SystemClock
from meshplane.kit.errors import Conflict, Missing, Refused
from meshplane.kit.ids import id_maker
from meshplane.platform.local.sqlite import SqliteStore
from meshplane.policy.engine import Engine, policy_texts
from meshplane.run.memberships import ServiceMemberships
from meshplane.services.assets import store as asset_tables
from meshplane.services.assets.publication import Publication
from meshplane.services.assets.reader import AssetsReader
from meshplane.services.assets.schemas import AssetQuery, AssetView, NewAsset, Rejection
from meshplane.services.assets.service import Assets
from meshplane.services.assets.settling import Settling
from meshplane.services.domains import store as domain_tables
from meshplane.services.domains.schemas import NewDomain, NewDomainMember
from meshplane.services.domains.service import Domains, DomainsReader
from meshplane.services.permissions import store as grant_tables
from meshplane.services.permissions.keeper import PermissionsKeeper
from meshplane.services.projects import store as project_tables
from meshplane.services.projects.schemas import NewProject, NewProjectMember
from meshplane.services.projects.service import Projects, ProjectsReader
from meshplane.services.tables import store as table_tables
from meshplane.services.tables.local import LocalTableFiles
from meshplane.services.tables.reader import TablesKeeper
from meshplane.services.tables.schemas import NewColumn, NewTable
from meshplane.services.tables.service import Tables
from tests.builders.known_schemas import KnownSchemas
from tests.builders.small_mesh import CONTRACT

ADMIN = Actor("ada@mesh", frozenset({"mesh-admins"}))
OLGA = Actor("olga@tides")  # owns the project
SAM = Actor("sam@harbour")  # steward of its domain
UNA = Actor("una@nowhere")
WORKFLOWS = service_actor("workflows")


@dataclass
class World:
    """Domains, projects, tables and assets on one store; nothing lists what is submitted."""

    boundary: Boundary
    store: SqliteStore
    assets: Assets
    publication: Publication
    reader: AssetsReader
    tables: Tables
    project_id: str

    async def write(self, operation: str, actor: Actor, use: Any) -> Any:
        return await self.boundary.write(operation, actor, use)

    async def submit(self, name: str, classification: Any = "internal") -> str:
        """The id of a new asset of the project, handed in by Olga."""
        columns = [NewColumn(name="station", type="string"), NewColumn(name="level", type="long")]
        wish = NewTable(project_id=self.project_id, name=name, columns=columns)
        table = await self.write("createTable", OLGA, lambda call: self.tables.create(call, wish))
        return await self.hand_in(name, table.table_id, classification)

    async def hand_in(self, name: str, table_id: str, classification: Any = "internal") -> str:
        asset = NewAsset(
            project_id=self.project_id,
            table_id=table_id,
            name=name,
            description="Water levels.",
            classification=classification,
            contract=CONTRACT,
        )
        made: AssetView = await self.write(
            "publishAsset", OLGA, lambda call: self.assets.publish(call, asset)
        )
        assert made.status == "submitted"
        return made.asset_id

    async def get(self, actor: Actor, asset_id: str) -> AssetView:
        return await self.boundary.read(
            "getAsset", actor, lambda call: self.assets.get(call, asset_id)
        )

    async def listed(self, actor: Actor, project_id: str | None = None) -> list[str]:
        query = AssetQuery(project_id=project_id)

        async def use(call: Call) -> Any:
            return await self.assets.list(call, query)

        return [one.name for one in (await self.boundary.read("listAssets", actor, use)).items]

    async def list_in_catalog(self, actor: Actor, asset_id: str) -> AssetView:
        made: AssetView = await self.write(
            "listAssetInCatalog",
            actor,
            lambda call: self.publication.list_in_catalog(call, asset_id),
        )
        return made

    async def reject(self, asset_id: str) -> AssetView:
        why = Rejection(reason="METADATA_INCOMPLETE: say who looks after it")
        made: AssetView = await self.write(
            "rejectAssetPublication",
            WORKFLOWS,
            lambda call: self.publication.reject(call, asset_id, why),
        )
        return made

    async def events(self) -> list[str]:
        return [event.type for event in await self.store.events_after(0, 500)]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    clock = SystemClock()
    new_id = id_maker(clock)
    lake = tmp_path / "lake"
    lake.mkdir()
    tables_of = (domain_tables, project_tables, table_tables, asset_tables, grant_tables)
    known = [table for module in tables_of for table in module.TABLES]
    store = SqliteStore(tmp_path / "meshplane.db", known, clock, new_id)
    memberships = ServiceMemberships()
    judge = Judge(Engine(policy_texts().values()), memberships, {"mesh-admins": "administrator"})
    boundary = Boundary(store, judge, clock, new_id)
    domain_reader, project_reader = DomainsReader(store), ProjectsReader(store)
    memberships.domains, memberships.projects = domain_reader, project_reader
    files = LocalTableFiles(lake, tmp_path, clock)
    permissions = PermissionsKeeper(boundary, store, KnownSchemas())
    tables = Tables(project_reader, permissions, files, lake)
    keeper = TablesKeeper(tables, files, boundary, store)

    steward = NewDomainMember(principal="user:sam@harbour", role="steward")
    domain = await boundary.write(
        "createDomain",
        ADMIN,
        lambda call: Domains().create(call, NewDomain(name="harbour", members=[steward])),
    )
    owner = NewProjectMember(principal="user:olga@tides", role="owner")
    wish = NewProject(domain_id=domain.domain_id, name="tides", members=[owner])
    project = await boundary.write(
        "createProject", ADMIN, lambda call: Projects(domain_reader).create(call, wish)
    )
    yield World(
        boundary,
        store,
        Assets(project_reader, keeper),
        Publication(keeper),
        AssetsReader(store),
        tables,
        project.project_id,
    )
    await store.close()


async def test_submitted__only_its_project_and_its_domain_know_of_it(world: World) -> None:
    asset_id = await world.submit("readings")
    for actor in (OLGA, SAM, WORKFLOWS):
        assert (await world.get(actor, asset_id)).status == "submitted"
    for actor in (UNA, ADMIN):
        with pytest.raises(Missing) as hidden:
            await world.get(actor, asset_id)
        with pytest.raises(Missing) as unknown:
            await world.get(actor, "asset-unknown")
        assert hidden.value.message == unknown.value.message


async def test_submitted__is_in_no_list_and_no_search_but_its_projects(world: World) -> None:
    await world.submit("readings")
    assert await world.listed(UNA) == await world.listed(OLGA) == []
    assert await world.listed(UNA, world.project_id) == []
    assert await world.listed(OLGA, world.project_id) == ["readings"]
    assert await world.reader.search(UNA, "water", 10) == []
    assert "AssetPublished" not in await world.events()


async def test_listed__everyone_finds_it_and_the_event_is_told_once(world: World) -> None:
    asset_id = await world.submit("readings")
    listed = await world.list_in_catalog(WORKFLOWS, asset_id)
    assert (listed.status, listed.listed_at is not None) == ("published", True)
    assert await world.list_in_catalog(WORKFLOWS, asset_id) == listed
    assert await world.listed(UNA) == ["readings"]
    assert [one.name for one in await world.reader.search(UNA, "water", 10)] == ["readings"]
    assert (await world.events()).count("AssetPublished") == 1


async def test_listing__is_nobodys_but_the_workflows(world: World) -> None:
    asset_id = await world.submit("readings")
    for actor in (OLGA, SAM):
        with pytest.raises(Refused):
            await world.list_in_catalog(actor, asset_id)
    for actor in (ADMIN, UNA):
        with pytest.raises(Missing):
            await world.list_in_catalog(actor, asset_id)


async def test_rejected__says_why_and_its_name_and_table_are_free_again(world: World) -> None:
    asset_id = await world.submit("readings")
    rejected = await world.reject(asset_id)
    assert (rejected.status, rejected.status_reason) == (
        "rejected",
        "METADATA_INCOMPLETE: say who looks after it",
    )
    with pytest.raises(Conflict) as refused:
        await world.list_in_catalog(WORKFLOWS, asset_id)
    assert refused.value.code == "ASSET_REJECTED"
    again = await world.hand_in("readings", rejected.table_id)
    await world.list_in_catalog(WORKFLOWS, again)
    assert await world.listed(UNA) == ["readings"]
    assert [one.asset_id for one in await world.reader.named(UNA, "readings", None)] == [again]


async def test_search__what_waits_takes_no_place_from_what_is_listed(world: World) -> None:
    waiting = [await world.submit(f"readings_{number:02}") for number in range(12)]
    await world.list_in_catalog(WORKFLOWS, waiting[-1])
    assert [one.name for one in await world.reader.search(UNA, "water", 1)] == ["readings_11"]


async def test_settling__waits_for_the_workflow_but_not_for_a_person(world: World) -> None:
    waiting = await world.submit("readings")
    sensitive = await world.submit("salaries", "restricted")
    patient = Settling(world.store, patience_seconds=30.0)
    async with asyncio.timeout(5.0):
        await patient.settle(OLGA, sensitive)

        settled = asyncio.create_task(patient.settle(OLGA, waiting))
        await asyncio.sleep(0.05)
        assert not settled.done()
        await world.list_in_catalog(WORKFLOWS, waiting)
        await settled
        await Settling(world.store, patience_seconds=0.0).settle(OLGA, sensitive)
    assert (await world.get(OLGA, sensitive)).status == "submitted"
