"""The mesh in every portal: domains, projects, members and assets, and what others change there."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from meshplane.boundary.portal_links import Differences, PortalDifference, PortalPart
from meshplane.boundary.portal_parts import PortalParts
from meshplane.kit.errors import Invalid, Unavailable
from meshplane.services.assets.store import ASSET_PORTAL_LINKS, ASSETS
from meshplane.services.domains.ports import DomainThere
from meshplane.services.domains.store import DOMAIN_MEMBERS, DOMAIN_PORTAL_LINKS, DOMAINS
from meshplane.services.projects.portal import portal_name
from meshplane.services.projects.store import PROJECT_MEMBERS, PROJECT_PORTAL_LINKS, PROJECTS
from tests.builders.portal_mesh import PortalMesh, portal_mesh
from tests.builders.portals import PORTALS, STRANGER, PortalUnderTest, role_of


@pytest.fixture(scope="module", params=sorted(PORTALS))
def portal(request: pytest.FixtureRequest) -> Iterator[PortalUnderTest]:
    with PORTALS[request.param]() as there:
        yield there


@pytest.fixture
async def mesh(portal: PortalUnderTest, tmp_path: Path) -> AsyncIterator[PortalMesh]:
    made = portal_mesh(portal, tmp_path)
    yield made
    await made.store.close()


async def all_of(part: PortalPart, limit: int) -> list[PortalDifference]:
    """The differences of all pages."""
    found: list[PortalDifference] = []
    cursor: str | None = None
    while True:
        page = await part.drift(limit, cursor)
        assert len(page.found) <= limit
        found += page.found
        cursor = page.cursor
        if cursor is None:
            return found


async def test_domain_created__is_shown_once_however_often_it_is_told(mesh: PortalMesh) -> None:
    domain = await mesh.domain()
    await mesh.deliver(mesh.domains, "DomainCreated", domainId=domain, commit=False)
    await mesh.deliver(mesh.domains, "DomainCreated", domainId=domain)
    before = mesh.portal.others.changes()
    await mesh.deliver(mesh.domains, "DomainCreated", domainId=domain)
    link = await mesh.link(DOMAIN_PORTAL_LINKS, domain)
    there = await mesh.portal.domains.look(link["portalId"])
    assert there is not None
    assert (there.name, there.description) == (domain, "flights")
    assert mesh.portal.others.changes() == before
    assert await mesh.drift() == []


async def test_domain_changed_here__is_changed_there(mesh: PortalMesh) -> None:
    domain = await mesh.domain()
    await mesh.bring(mesh.domains, domain)
    await mesh.change(DOMAINS, domain, description="flights and airports")
    brought = (await mesh.domains.bring_all()).count
    there = await mesh.portal.domains.look(
        (await mesh.link(DOMAIN_PORTAL_LINKS, domain))["portalId"]
    )
    assert brought == 1
    assert there is not None
    assert there.description == "flights and airports"
    assert await mesh.drift() == []


async def test_domain_changed_there__is_told_and_stays_until_it_is_mended(
    mesh: PortalMesh,
) -> None:
    domain = await mesh.domain()
    await mesh.bring(mesh.domains, domain)
    portal_id = (await mesh.link(DOMAIN_PORTAL_LINKS, domain))["portalId"]
    await mesh.portal.others.describe_domain(portal_id, "by hand")
    told = await mesh.drift()
    await mesh.change(DOMAINS, domain, description="changed here, too")
    await mesh.bring(mesh.domains, domain)
    kept = await mesh.portal.domains.look(portal_id)
    still = await mesh.drift()
    await mesh.bring(mesh.domains, domain, mend=True)
    mended = await mesh.portal.domains.look(portal_id)
    assert told == still == [("domain", "description", "by hand")]
    assert kept is not None
    assert mended is not None
    assert (kept.description, mended.description) == ("by hand", "changed here, too")
    assert await mesh.drift() == []


async def test_domain_deleted_there__is_told_and_made_again_when_mended(mesh: PortalMesh) -> None:
    domain = await mesh.domain()
    await mesh.bring(mesh.domains, domain)
    portal_id = (await mesh.link(DOMAIN_PORTAL_LINKS, domain))["portalId"]
    await mesh.portal.others.delete_domain(portal_id)
    await mesh.bring(mesh.domains, domain)
    told = await mesh.drift()
    await mesh.bring(mesh.domains, domain, mend=True)
    again = (await mesh.link(DOMAIN_PORTAL_LINKS, domain))["portalId"]
    assert told == [("domain", "", "(gone)")]
    assert await mesh.portal.domains.look(again) is not None
    assert await mesh.drift() == []


async def test_project__waits_for_its_domain_and_is_shown_with_its_role(mesh: PortalMesh) -> None:
    domain = await mesh.domain()
    project = await mesh.project(domain)
    with pytest.raises(Unavailable) as early:
        await mesh.deliver(mesh.projects, "ProjectCreated", projectId=project)
    await mesh.bring(mesh.domains, domain)
    await mesh.deliver(mesh.projects, "ProjectCreated", projectId=project, commit=False)
    await mesh.deliver(mesh.projects, "ProjectCreated", projectId=project)
    before = mesh.portal.others.changes()
    await mesh.deliver(mesh.projects, "ProjectMembersChanged", projectId=project)
    link = await mesh.link(PROJECT_PORTAL_LINKS, project)
    there = await mesh.portal.projects.look(link["portalId"])
    members = await mesh.portal.projects.members(link["portalId"])
    assert early.value.code == "PORTAL_NOT_READY"
    assert there is not None
    assert there.name == portal_name(domain, project)
    assert members == {f"role:{role_of(project)}": "contributor"}
    assert mesh.portal.others.changes() == before
    assert await mesh.drift() == []


async def test_project_that_is_there_already__is_adopted_as_it_is_and_told(
    mesh: PortalMesh,
) -> None:
    domain = await mesh.domain()
    await mesh.bring(mesh.domains, domain)
    unit = (await mesh.link(DOMAIN_PORTAL_LINKS, domain))["portalId"]
    project = await mesh.project(domain)
    theirs = await mesh.portal.projects.ensure(unit, portal_name(domain, project), "older")
    await mesh.bring(mesh.projects, project)
    link = await mesh.link(PROJECT_PORTAL_LINKS, project)
    assert link["portalId"] == theirs.portal_id
    assert await mesh.drift() == [("project", "description", "older")]


async def test_members_changed_there__are_told_and_stay_until_they_are_mended(
    mesh: PortalMesh,
) -> None:
    _, project, _ = await mesh.shown()
    portal_id = (await mesh.link(PROJECT_PORTAL_LINKS, project))["portalId"]
    await mesh.portal.others.add_member(portal_id, STRANGER)
    await mesh.portal.others.drop_member(portal_id, role_of(project))
    await mesh.bring(mesh.projects, project)
    told = await mesh.drift()
    held = await mesh.portal.projects.members(portal_id)
    await mesh.bring(mesh.projects, project, mend=True)
    mended = await mesh.portal.projects.members(portal_id)
    assert told == [
        ("project", f"member role:{role_of(project)}", "(gone)"),
        ("project", f"member role:{STRANGER}", "viewer"),
    ]
    assert held == {f"role:{STRANGER}": "viewer"}
    assert mended == {f"role:{role_of(project)}": "contributor"}
    assert await mesh.drift() == []


async def test_people__are_members_where_the_portal_knows_them(
    portal: PortalUnderTest, tmp_path: Path
) -> None:
    mesh = portal_mesh(portal, tmp_path, shows_people=True)
    domain = await mesh.domain()
    project = await mesh.project(domain)
    await mesh.bring(mesh.domains, domain)
    ann = portal.new("ann")

    async def member(role: str | None) -> None:
        work = mesh.store.begin()
        if role is None:
            work.delete(PROJECT_MEMBERS, project, f"user:{ann}")
        else:
            item = {"projectId": project, "principal": f"user:{ann}", "role": role}
            work.put(PROJECT_MEMBERS, item)
        await work.commit()
        await mesh.bring(mesh.projects, project)

    seen = []
    for role in ("viewer", "owner", None):
        await member(role)
        portal_id = (await mesh.link(PROJECT_PORTAL_LINKS, project))["portalId"]
        seen.append((await portal.projects.members(portal_id)).get(f"user:{ann}"))
    told = await mesh.drift()
    await mesh.store.close()
    assert seen == ["viewer", "owner", None]
    assert told == []


async def test_domain_owners__own_it_there_and_whoever_is_unknown_there_is_told(
    portal: PortalUnderTest, tmp_path: Path
) -> None:
    mesh = portal_mesh(portal, tmp_path, shows_people=True)
    domain = await mesh.domain()
    ann = f"user:{portal.new('ann')}"
    members = {ann: "owner", "user:no such name": "owner", f"{ann}-2": "steward"}
    for principal, role in members.items():
        await mesh.put(DOMAIN_MEMBERS, {"domainId": domain, "principal": principal, "role": role})
    await mesh.bring(mesh.domains, domain)
    portal_id = (await mesh.link(DOMAIN_PORTAL_LINKS, domain))["portalId"]
    first = set(await portal.domains.owners(portal_id))
    kept = (await mesh.link(DOMAIN_PORTAL_LINKS, domain))["drift"]
    work = mesh.store.begin()
    work.delete(DOMAIN_MEMBERS, domain, ann)
    work.delete(DOMAIN_MEMBERS, domain, "user:no such name")
    await work.commit()
    await mesh.deliver(mesh.domains, "DomainMembersChanged", domainId=domain)
    then = set(await portal.domains.owners(portal_id))
    await portal.domains.add_owner(portal_id, f"role:{STRANGER}")
    told = await mesh.drift()
    await mesh.bring(mesh.domains, domain, mend=True)
    mended = set(await portal.domains.owners(portal_id))
    await mesh.store.close()
    known = {"user:no such name"} if portal.roles is None else set()
    assert first == {ann} | known
    assert kept == ({} if known else {"member user:no such name": "(unknown there)"})
    assert (then, mended) == (set(), set())
    assert told == [("domain", f"member role:{STRANGER}", "owner")]


async def test_asset_published__is_listed_once_however_often_it_is_told(mesh: PortalMesh) -> None:
    domain = await mesh.domain()
    project = await mesh.project(domain)
    asset = await mesh.asset(domain, project)
    await mesh.bring(mesh.domains, domain)
    with pytest.raises(Unavailable) as early:
        await mesh.deliver(mesh.assets, "AssetPublished", assetId=asset)
    await mesh.bring(mesh.projects, project)
    await mesh.deliver(mesh.assets, "AssetPublished", assetId=asset, commit=False)
    await mesh.deliver(mesh.assets, "AssetPublished", assetId=asset)
    before = mesh.portal.others.changes()
    await mesh.deliver(mesh.assets, "AssetPublished", assetId=asset)
    link = await mesh.link(ASSET_PORTAL_LINKS, asset)
    there = await mesh.portal.assets.look(link["portalId"])
    assert early.value.code == "PORTAL_NOT_READY"
    assert there is not None
    assert (there.listing, there.listed_revision, there.revision) == ("ACTIVE", "1", "1")
    assert there.said["column flight"] == "its number"
    assert mesh.portal.others.changes() == before
    assert await mesh.drift() == []


async def test_asset_not_listed_here__is_not_shown_there(mesh: PortalMesh) -> None:
    domain, project, _ = await mesh.shown()
    asset = await mesh.asset(domain, project, status="submitted")
    before = mesh.portal.others.changes()
    await mesh.deliver(mesh.assets, "AssetUpdated", assetId=asset)
    assert mesh.portal.others.changes() == before


async def test_asset_changed_here_and_there__keeps_what_others_said_and_gets_what_we_say(
    mesh: PortalMesh,
) -> None:
    _, _, asset = await mesh.shown()
    portal_id = (await mesh.link(ASSET_PORTAL_LINKS, asset))["portalId"]
    await mesh.portal.others.describe_product(portal_id, "by hand")
    told = await mesh.drift()
    await mesh.change(ASSETS, asset, owner="user:bob", description="every flight ever")
    await mesh.deliver(mesh.assets, "AssetUpdated", assetId=asset)
    both = await mesh.portal.assets.look(portal_id)
    still = await mesh.drift()
    await mesh.bring(mesh.assets, asset, mend=True)
    ours = await mesh.portal.assets.look(portal_id)
    assert told == still == [("asset", "description", "by hand")]
    assert both is not None
    assert ours is not None
    assert (both.said["owner"], both.said["description"]) == ("user:bob", "by hand")
    assert both.listed_revision == both.revision
    assert ours.said["description"] == "every flight ever"
    assert await mesh.drift() == []


async def test_asset_withdrawn_there__is_told_and_listed_again_when_mended(
    mesh: PortalMesh,
) -> None:
    _, _, asset = await mesh.shown()
    portal_id = (await mesh.link(ASSET_PORTAL_LINKS, asset))["portalId"]
    await mesh.portal.others.withdraw_product(portal_id)
    await mesh.change(ASSETS, asset, owner="user:bob")
    await mesh.deliver(mesh.assets, "AssetUpdated", assetId=asset)
    withdrawn = await mesh.portal.assets.look(portal_id)
    told = await mesh.drift()
    await mesh.bring(mesh.assets, asset, mend=True)
    listed = await mesh.portal.assets.look(portal_id)
    assert told == [("asset", "listing", "INACTIVE")]
    assert withdrawn is not None
    assert listed is not None
    assert (withdrawn.listing, withdrawn.said["owner"]) == ("INACTIVE", "user:bob")
    assert (listed.listing, listed.listed_revision) == ("ACTIVE", listed.revision)
    assert await mesh.drift() == []


async def test_bring_all__brings_what_no_event_tells_of(mesh: PortalMesh) -> None:
    _, project, asset = await mesh.shown()
    await mesh.change(PROJECTS, project, description="counts delays")
    await mesh.change(ASSETS, asset, owner="user:cem")
    counts = [(await part.bring_all()).count for part in (mesh.domains, mesh.projects, mesh.assets)]
    there = await mesh.portal.projects.look(
        (await mesh.link(PROJECT_PORTAL_LINKS, project))["portalId"]
    )
    assert counts == [1, 1, 1]
    assert there is not None
    assert there.description == "counts delays"
    assert await mesh.drift() == []


async def test_bring_all__one_that_cannot_be_shown__holds_up_no_other(mesh: PortalMesh) -> None:
    domain = await mesh.domain()
    lost = await mesh.project("dzd-unknown")
    projects = [await mesh.project(domain) for _ in range(3)]
    await mesh.asset(domain, projects[1])
    parts = PortalParts([mesh.domains, mesh.projects, mesh.assets, mesh.subscriptions])
    first = await parts.bring_all()
    again = await parts.bring_all(mend=True)
    assert (first.count, dict(first.failed)) == (5, {lost: "PORTAL_NOT_READY"})
    assert again == first
    assert await parts.drift(200) == Differences([], None)


async def test_drift_page_by_page__is_all_of_it_and_each_page_looks_at_its_own_alone(
    mesh: PortalMesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    domains = [await mesh.domain() for _ in range(30)]
    for domain in domains:
        await mesh.bring(mesh.domains, domain)
    project = await mesh.project(domains[0])
    await mesh.bring(mesh.projects, project)
    there = (await mesh.link(PROJECT_PORTAL_LINKS, project))["portalId"]
    # More than one page holds of a single thing, and a thing at the end of the first part.
    await mesh.portal.others.add_member(there, STRANGER)
    await mesh.portal.others.drop_member(there, role_of(project))
    for domain in (min(domains), max(domains)):
        portal_id = (await mesh.link(DOMAIN_PORTAL_LINKS, domain))["portalId"]
        await mesh.portal.others.describe_domain(portal_id, "by hand")
    looked: list[str] = []
    real = mesh.portal.domains.look

    async def counted(portal_id: str) -> DomainThere | None:
        looked.append(portal_id)
        return await real(portal_id)

    monkeypatch.setattr(mesh.portal.domains, "look", counted)
    parts = PortalParts([PortalParts([mesh.domains, mesh.projects]), mesh.assets])
    whole = [one for part in (mesh.domains, mesh.projects) for one in await all_of(part, 200)]
    looked.clear()
    assert await all_of(parts, 1) == whole
    assert [one.field for one in whole][:2] == ["description", "description"]
    assert len(whole) == 4
    assert len(looked) == len(domains)
    looked.clear()
    await parts.drift(200)
    assert len(looked) == 25
    for odd in ("x", "0.0.what", "0.x", "1.-1."):
        with pytest.raises(Invalid) as caught:
            await parts.drift(1, odd)
        assert caught.value.code == "CURSOR_INVALID"


def test_portal_name__is_unique_and_short_enough() -> None:
    long = portal_name("a" * 48, "b" * 48)
    other = portal_name("a" * 48, "b" * 47)
    assert portal_name("aviation", "flight-ops") == "aviation flight-ops"
    assert (len(long), len(other)) == (64, 64)
    assert long != other
