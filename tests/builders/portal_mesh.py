"""The part of a mesh that is shown in a portal: rows in a store, and what brings them there."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meshplane.boundary.actor import Actor
from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Judge
from meshplane.events.consumer import Consumer
from meshplane.events.lane import CURSORS, PARKED
from meshplane.events.queues import DEAD_LETTERS, MESSAGES
from meshplane.kit.clock import SystemClock
from meshplane.kit.ids import id_maker
from meshplane.platform.events import StoredEvent
from meshplane.platform.local.sqlite import SqliteStore
from meshplane.platform.store import Store
from meshplane.platform.tables import Table
from meshplane.policy.engine import Engine, policy_texts
from meshplane.policy.model import Membership
from meshplane.services.assets import store as assets_store
from meshplane.services.assets.keeping import AssetsKeeper
from meshplane.services.assets.portal import AssetsInPortal
from meshplane.services.catalog import store as catalog_store
from meshplane.services.catalog.forms_portal import FormsInPortal
from meshplane.services.catalog.glossary_portal import GlossariesInPortal, TermsInPortal
from meshplane.services.domains import store as domains_store
from meshplane.services.domains.portal import DomainsInPortal
from meshplane.services.domains.service import DomainsReader
from meshplane.services.lineage import store as lineage_store
from meshplane.services.lineage.portal import LineageInPortal
from meshplane.services.projects import store as projects_store
from meshplane.services.projects.portal import ProjectsInPortal
from meshplane.services.projects.service import ProjectsReader
from meshplane.services.quality import store as quality_store
from meshplane.services.quality.portal import QualityInPortal
from meshplane.services.subscriptions import store as subscriptions_store
from meshplane.services.subscriptions.portal import SubscriptionsInPortal
from tests.builders.portals import PortalUnderTest, role_of

TABLES = (
    CURSORS,
    PARKED,
    MESSAGES,
    DEAD_LETTERS,
    *domains_store.TABLES,
    *projects_store.TABLES,
    *assets_store.TABLES,
    *catalog_store.TABLES,
    *subscriptions_store.TABLES,
    *lineage_store.TABLES,
    *quality_store.TABLES,
)
NOON = "2026-01-01T12:00:00.000000Z"


@dataclass
class PortalMesh:
    """Rows of a mesh, and its consumers that follow them into a portal."""

    portal: PortalUnderTest
    store: Store
    domains: DomainsInPortal
    projects: ProjectsInPortal
    assets: AssetsInPortal
    subscriptions: SubscriptionsInPortal
    lineage: LineageInPortal
    quality: QualityInPortal
    glossaries: GlossariesInPortal
    terms: TermsInPortal
    forms: FormsInPortal
    api: AssetsKeeper

    async def put(self, table: Table, item: Mapping[str, Any]) -> None:
        """Writes a row as a use case would have left it."""
        work = self.store.begin()
        work.put(table, dict(item))
        await work.commit()

    async def change(self, table: Table, key: str, **members: Any) -> None:
        """Changes some members of a row."""
        row = await self.store.begin().get(table, key)
        assert row is not None
        await self.put(table, {**row.item, **members})

    async def bring(self, part: Any, own_id: str, **options: Any) -> None:
        """Brings one thing and commits its link."""
        work = self.store.begin()
        await part.bring(work, own_id, **options)
        await work.commit()

    async def deliver(self, part: Any, kind: str, *, commit: bool = True, **detail: Any) -> None:
        """Delivers an event to the part's consumer; without `commit`, it dies just before."""
        consumer: Consumer = part.consumers[0]
        event = StoredEvent(1, f"evt-{kind}", kind, consumer.source, "", NOON, detail)
        assert consumer.wants(event)
        work = self.store.begin()
        await consumer.handle(work, event)
        if commit:
            await work.commit()

    async def link(self, table: Table, own_id: str) -> dict[str, Any]:
        """What is kept of one of our things."""
        row = await self.store.begin().get(table, own_id)
        assert row is not None
        return row.item

    async def drift(self) -> list[tuple[str, str, str]]:
        """What others have changed, by kind, field, and what stands there."""
        parts = (
            *(self.domains, self.projects, self.assets, self.subscriptions),
            *(self.glossaries, self.terms, self.forms),
        )
        found = [one for part in parts for one in (await part.drift(200)).found]
        return [(one.kind, one.field, one.theirs) for one in found]

    async def domain(self, **more: Any) -> str:
        """A new domain of the mesh."""
        own = self.portal.new("dzd")
        said = {"name": own, "description": "flights", "listing": domains_store.ALL}
        await self.put(domains_store.DOMAINS, {"domainId": own, **said, "bucket": "b", **more})
        return own

    async def project(self, domain: str, **more: Any) -> str:
        """A new project of a domain."""
        own = self.portal.new("proj")
        item = {
            "projectId": own,
            "domainId": domain,
            "domainName": domain,
            "bucket": "b",
            "name": own,
            "description": "counts flights",
            "listing": projects_store.ALL,
        }
        await self.put(projects_store.PROJECTS, {**item, **more})
        return own

    async def asset(self, domain: str, project: str, **more: Any) -> str:
        """A new listed asset of a project."""
        own = self.portal.new("asset")
        column = {"type": "string", "classification": "internal"}
        item = {
            "assetId": own,
            "name": own.replace("-", "_"),
            "domainId": domain,
            "domainName": domain,
            "projectId": project,
            "projectName": project,
            "tableId": f"tbl-{own}",
            "description": "every flight",
            "owner": "user:ada",
            "classification": "internal",
            "columns": [
                {"name": "flight", "description": "its number", **column},
                {"name": "delay", "description": "", **column},
            ],
            "columnNames": [],
            "columnDescriptions": [],
            "tags": [],
            "contractVersion": "1.0.0",
            "status": "published",
            "quality": None,
            "listing": assets_store.ALL,
        }
        await self.put(assets_store.ASSETS, {**item, **more})
        table = {"tableId": item["tableId"], "assetId": own}
        await self.put(assets_store.ASSET_TABLES, table)
        return own

    async def glossary(self, **more: Any) -> str:
        """A new glossary of a domain that is not there itself."""
        own = self.portal.new("gloss")
        item = {
            "glossaryId": own,
            "domainId": "dzd-1",
            "domainName": "aviation",
            "name": f"Words {own}",
            "nameKey": own,
            "description": "of the air",
            "status": "enabled",
            "listing": catalog_store.ALL,
        }
        await self.put(catalog_store.GLOSSARIES, {**item, **more})
        return own

    async def term(self, glossary: str, **more: Any) -> str:
        """A new term of a glossary."""
        own = self.portal.new("term")
        item = {
            "termId": own,
            "glossaryId": glossary,
            "domainId": "dzd-1",
            "name": f"Delay {own}",
            "nameKey": own,
            "shortDescription": "how late",
            "longDescription": "",
            "relations": {"isA": [], "classifies": []},
            "status": "enabled",
        }
        item = {**item, **more}
        await self.put(catalog_store.GLOSSARY_TERMS, item)
        relations: Any = item["relations"]
        for other in (*relations["isA"], *relations["classifies"]):
            relation = {"toTermId": other, "fromTermId": own}
            await self.put(catalog_store.GLOSSARY_TERM_RELATIONS, relation)
        return own

    async def form(self, *revisions: list[dict[str, Any]], **more: Any) -> str:
        """A new form, with the fields of each of its revisions."""
        own = self.portal.new("form")
        item = {
            "formId": own,
            "domainId": "dzd-1",
            "domainName": "aviation",
            "name": f"Retention {own}",
            "nameKey": own,
            "description": "how long",
            "status": "enabled",
            "revision": len(revisions),
            "fields": revisions[-1],
            "listing": catalog_store.ALL,
        }
        await self.put(catalog_store.METADATA_FORMS, {**item, **more})
        for number, fields in enumerate(revisions, 1):
            await self.put(
                catalog_store.METADATA_FORM_REVISIONS,
                {"formId": own, "revision": number, "fields": fields},
            )
        return own

    async def request(self, asset: str, project: str | None, **more: Any) -> str:
        """A new request of a project, or of a person."""
        own = self.portal.new("sub-req")
        item = {
            "requestId": own,
            "assetId": asset,
            "projectId": project,
            "requestedBy": "user:bob",
            "purpose": "to count",
            "status": "requested",
            "decisionReason": None,
        }
        if project is None:
            del item["projectId"]
        await self.put(subscriptions_store.SUBSCRIPTIONS, {**item, **more})
        return own

    async def shown(self) -> tuple[str, str, str]:
        """A domain, a project and an asset that are in the portal already."""
        domain = await self.domain()
        project = await self.project(domain)
        asset = await self.asset(domain, project)
        await self.bring(self.domains, domain)
        await self.bring(self.projects, project)
        await self.bring(self.assets, asset)
        return domain, project, asset


class Nobody:
    """Memberships of a mesh without people."""

    async def of(
        self, actor: Actor, domain_id: str | None, project_id: str | None
    ) -> frozenset[Membership]:
        return frozenset()


def portal_mesh(portal: PortalUnderTest, folder: Path, *, shows_people: bool = False) -> PortalMesh:
    """A mesh with nothing in it, beside a portal."""
    clock = SystemClock()
    new_id = id_maker(clock)
    store = SqliteStore(folder / "meshplane.db", TABLES, clock, new_id)
    domains, projects = DomainsReader(store), ProjectsReader(store)
    judge = Judge(Engine(policy_texts().values()), Nobody(), {})
    assets = AssetsKeeper(Boundary(store, judge, clock, new_id), store)
    words = portal.glossaries
    return PortalMesh(
        portal,
        store,
        DomainsInPortal(portal.domains, store, clock, shows_people=shows_people),
        ProjectsInPortal(
            portal.projects,
            domains,
            store,
            clock,
            role_of=role_of,
            shows_people=shows_people,
        ),
        AssetsInPortal(portal.assets, projects, store, clock),
        SubscriptionsInPortal(portal.subscriptions, projects, assets, store, clock),
        LineageInPortal(portal.lineage, assets, clock),
        QualityInPortal(portal.quality, assets, clock),
        GlossariesInPortal(words, store, clock),
        TermsInPortal(words, assets, store, clock),
        FormsInPortal(words, assets, store, clock),
        assets,
    )
