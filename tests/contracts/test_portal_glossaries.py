"""The catalog's words in every portal: glossaries, terms, forms, and assets that carry them."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from meshplane.boundary.portal_links import Differences
from meshplane.boundary.portal_parts import PortalParts
from meshplane.kit.errors import Unavailable
from meshplane.services.assets.api import AssetMetadata, FilledForm
from meshplane.services.assets.metadata import dressed
from meshplane.services.assets.store import ASSET_PORTAL_LINKS, ASSETS
from meshplane.services.catalog.forms import FormField, field_item
from meshplane.services.catalog.forms_smithy import form_type_name, smithy_of
from meshplane.services.catalog.store import (
    FORM_PORTAL_LINKS,
    GLOSSARIES,
    GLOSSARY_PORTAL_LINKS,
    GLOSSARY_TERMS,
    METADATA_FORM_REVISIONS,
    METADATA_FORMS,
    TERM_PORTAL_LINKS,
)
from tests.builders.portal_mesh import PortalMesh, portal_mesh
from tests.builders.portals import PORTALS, PortalUnderTest


@pytest.fixture(scope="module", params=sorted(PORTALS))
def portal(request: pytest.FixtureRequest) -> Iterator[PortalUnderTest]:
    with PORTALS[request.param]() as there:
        yield there


@pytest.fixture
async def mesh(portal: PortalUnderTest, tmp_path: Path) -> AsyncIterator[PortalMesh]:
    made = portal_mesh(portal, tmp_path)
    yield made
    await made.store.close()


def fields(*more: FormField) -> list[dict[str, Any]]:
    keep = FormField("keep_days", "integer", 'How {long}, see // the "law"', True, (7, 30))
    return [field_item(one) for one in (keep, *more)]


async def terms_shown(mesh: PortalMesh) -> tuple[str, str, str]:
    """A glossary with two terms that are in the portal."""
    glossary = await mesh.glossary()
    await mesh.bring(mesh.glossaries, glossary)
    terms = [await mesh.term(glossary) for _ in range(2)]
    for term in terms:
        await mesh.bring(mesh.terms, term)
    return glossary, terms[0], terms[1]


async def say(mesh: PortalMesh, asset: str, metadata: AssetMetadata) -> None:
    """Has an asset say this, as the use case leaves it."""
    row = await mesh.store.begin().get(ASSETS, asset)
    assert row is not None
    await mesh.put(ASSETS, dressed(row.item, metadata))


async def id_there(mesh: PortalMesh, term: str) -> str:
    return str((await mesh.link(TERM_PORTAL_LINKS, term))["portalId"])


async def test_glossary__is_shown_once_however_often_it_is_told(mesh: PortalMesh) -> None:
    glossary = await mesh.glossary()
    await mesh.deliver(mesh.glossaries, "GlossaryCreated", glossaryId=glossary, commit=False)
    await mesh.deliver(mesh.glossaries, "GlossaryCreated", glossaryId=glossary)
    before = mesh.portal.others.changes()
    await mesh.deliver(mesh.glossaries, "GlossaryUpdated", glossaryId=glossary)
    link = await mesh.link(GLOSSARY_PORTAL_LINKS, glossary)
    there = await mesh.portal.glossaries.look_glossary(link["portalId"])
    assert there is not None
    assert there.said == {
        "name": f"aviation: Words {glossary}",
        "description": "of the air",
        "status": "enabled",
    }
    assert mesh.portal.others.changes() == before
    assert await mesh.drift() == []


async def test_glossary__changed_here_is_changed_there(mesh: PortalMesh) -> None:
    glossary = await mesh.glossary()
    await mesh.bring(mesh.glossaries, glossary)
    await mesh.change(GLOSSARIES, glossary, name="Other words", status="disabled")
    brought = await mesh.glossaries.bring_all()
    link = await mesh.link(GLOSSARY_PORTAL_LINKS, glossary)
    there = await mesh.portal.again().glossaries.look_glossary(link["portalId"])
    assert brought.count == 1
    assert there is not None
    assert (there.said["name"], there.said["status"]) == ("aviation: Other words", "disabled")
    assert await mesh.drift() == []


async def test_term__waits_for_its_glossary_and_is_shown_once(mesh: PortalMesh) -> None:
    glossary = await mesh.glossary()
    term = await mesh.term(glossary)
    with pytest.raises(Unavailable) as early:
        await mesh.deliver(mesh.terms, "GlossaryTermCreated", termId=term)
    await mesh.bring(mesh.glossaries, glossary)
    await mesh.deliver(mesh.terms, "GlossaryTermCreated", termId=term, commit=False)
    await mesh.deliver(mesh.terms, "GlossaryTermCreated", termId=term)
    before = mesh.portal.others.changes()
    await mesh.deliver(mesh.terms, "GlossaryTermUpdated", termId=term)
    there = await mesh.portal.glossaries.look_term(await id_there(mesh, term))
    assert early.value.code == "PORTAL_NOT_READY"
    assert there is not None
    assert (there.said["name"], there.said["shortDescription"]) == (f"Delay {term}", "how late")
    assert mesh.portal.others.changes() == before
    assert await mesh.drift() == []


async def test_terms__that_name_each_other__are_related_once_both_are_there(
    mesh: PortalMesh,
) -> None:
    glossary = await mesh.glossary()
    await mesh.bring(mesh.glossaries, glossary)
    broad = await mesh.term(glossary)
    narrow = await mesh.term(glossary, relations={"isA": [broad], "classifies": []})
    await mesh.change(GLOSSARY_TERMS, broad, relations={"isA": [], "classifies": [narrow]})
    await mesh.bring(mesh.terms, narrow)
    alone = await mesh.portal.glossaries.look_term(await id_there(mesh, narrow))
    await mesh.bring(mesh.terms, broad)
    ids = [await id_there(mesh, one) for one in (narrow, broad)]
    both = [await mesh.portal.glossaries.look_term(one) for one in ids]
    assert alone is not None
    assert alone.said["isA"] == "[]"
    assert both[0] is not None
    assert both[1] is not None
    assert json.loads(both[0].said["isA"]) == [ids[1]]
    assert json.loads(both[1].said["classifies"]) == [ids[0]]
    assert await mesh.drift() == []


async def test_term_relation__taken_away_here__is_taken_away_there(mesh: PortalMesh) -> None:
    glossary, broad, _ = await terms_shown(mesh)
    narrow = await mesh.term(glossary, relations={"isA": [broad], "classifies": []})
    await mesh.bring(mesh.terms, narrow)
    await mesh.change(GLOSSARY_TERMS, narrow, relations={"isA": [], "classifies": []})
    await mesh.bring(mesh.terms, narrow)
    there = await mesh.portal.glossaries.look_term(await id_there(mesh, narrow))
    assert there is not None
    assert there.said["isA"] == "[]"
    assert await mesh.drift() == []


async def test_term_changed_there__is_told_and_stays_until_it_is_mended(mesh: PortalMesh) -> None:
    _, term, _ = await terms_shown(mesh)
    portal_id = await id_there(mesh, term)
    await mesh.portal.others.describe_term(portal_id, "by hand")
    told = await mesh.drift()
    await mesh.change(GLOSSARY_TERMS, term, shortDescription="how very late")
    await mesh.bring(mesh.terms, term)
    kept = await mesh.portal.glossaries.look_term(portal_id)
    await mesh.bring(mesh.terms, term, mend=True)
    mended = await mesh.portal.glossaries.look_term(portal_id)
    assert told == [("term", "shortDescription", "by hand")]
    assert kept is not None
    assert mended is not None
    assert kept.said["shortDescription"] == "by hand"
    assert mended.said["shortDescription"] == "how very late"
    assert await mesh.drift() == []


async def test_term_deleted_there__is_told_and_made_again_when_mended(mesh: PortalMesh) -> None:
    _, term, _ = await terms_shown(mesh)
    await mesh.portal.others.delete_term(await id_there(mesh, term))
    await mesh.bring(mesh.terms, term)
    told = await mesh.drift()
    await mesh.bring(mesh.terms, term, mend=True)
    assert told == [("term", "", "(gone)")]
    assert await mesh.portal.glossaries.look_term(await id_there(mesh, term)) is not None
    assert await mesh.drift() == []


async def test_term_removed_here__is_removed_there_unless_others_use_it(mesh: PortalMesh) -> None:
    _, unused, used = await terms_shown(mesh)
    _, _, asset = await mesh.shown()
    product = (await mesh.link(ASSET_PORTAL_LINKS, asset))["portalId"]
    ids = [await id_there(mesh, one) for one in (unused, used)]
    await mesh.portal.others.put_term(product, ids[1])
    work = mesh.store.begin()
    for term in (unused, used):
        work.delete(GLOSSARY_TERMS, term)
    await work.commit()
    for term in (unused, used):
        await mesh.deliver(mesh.terms, "GlossaryTermDeleted", termId=term)
    left = [await mesh.portal.glossaries.look_term(one) for one in ids]
    assert left[0] is None
    assert left[1] is not None
    assert await mesh.drift() == [("term", "", "(in use there)")]


async def test_form__each_revision_of_ours_is_one_of_theirs(mesh: PortalMesh) -> None:
    glossary, _, _ = await terms_shown(mesh)
    kind = FormField("kind", "string", glossary_id=glossary)
    form = await mesh.form(fields(), fields(kind))
    await mesh.deliver(mesh.forms, "MetadataFormCreated", formId=form, commit=False)
    await mesh.deliver(mesh.forms, "MetadataFormCreated", formId=form)
    before = mesh.portal.others.changes()
    await mesh.deliver(mesh.forms, "MetadataFormUpdated", formId=form)
    there = await mesh.portal.glossaries.look_form(form_type_name(form))
    facts = (await mesh.link(FORM_PORTAL_LINKS, form))["facts"]
    assert there is not None
    assert len(set(facts["revisions"].values())) == 2
    assert facts["revisions"]["2"] == there.revision
    assert mesh.portal.others.changes() == before
    assert await mesh.drift() == []


async def test_form_waits_for_the_glossary_of_its_fields(mesh: PortalMesh) -> None:
    glossary = await mesh.glossary()
    form = await mesh.form(fields(FormField("kind", "string", glossary_id=glossary)))
    with pytest.raises(Unavailable) as early:
        await mesh.deliver(mesh.forms, "MetadataFormCreated", formId=form)
    assert early.value.code == "PORTAL_NOT_READY"


async def test_form_revised_there__is_told_and_revised_again_when_mended(mesh: PortalMesh) -> None:
    form = await mesh.form(fields())
    await mesh.bring(mesh.forms, form)
    name = form_type_name(form)
    theirs = FormField("theirs", "string")
    await mesh.portal.others.revise_form(name, smithy_of(name, "Theirs", [theirs], {}))
    told = await mesh.drift()
    await mesh.bring(mesh.forms, form)
    kept = (await mesh.link(FORM_PORTAL_LINKS, form))["drift"]
    await mesh.bring(mesh.forms, form, mend=True)
    there = await mesh.portal.glossaries.look_form(name)
    assert [(kind, field) for kind, field, _ in told] == [("form", "revision")]
    assert set(kept) == {"revision"}
    assert there is not None
    assert "keep_days" in there.model
    assert await mesh.drift() == []


async def test_asset__is_listed_with_its_terms_and_forms_once_they_are_there(
    mesh: PortalMesh,
) -> None:
    glossary, first, second = await terms_shown(mesh)
    late = await mesh.term(glossary)
    form = await mesh.form(fields(), fields(FormField("kind", "string", glossary_id=glossary)))
    _, _, asset = await mesh.shown()
    filled = FilledForm(form, "Retention", 2, {"keep_days": 30, "kind": second}, ("kind",))
    names = {one: one for one in (first, second, late)}
    said = AssetMetadata((first, late), {"delay": (second,)}, (filled,), names, 1)
    await say(mesh, asset, said)
    with pytest.raises(Unavailable) as early:
        await mesh.deliver(mesh.assets, "AssetMetadataChanged", assetId=asset)
    await mesh.bring(mesh.terms, late)
    await mesh.bring(mesh.forms, form)
    await mesh.deliver(mesh.assets, "AssetMetadataChanged", assetId=asset, commit=False)
    await mesh.deliver(mesh.assets, "AssetMetadataChanged", assetId=asset)
    before = mesh.portal.others.changes()
    await mesh.deliver(mesh.assets, "AssetUpdated", assetId=asset)
    ids = [await id_there(mesh, one) for one in (first, second, late)]
    there = await mesh.portal.again().assets.look(
        (await mesh.link(ASSET_PORTAL_LINKS, asset))["portalId"]
    )
    assert early.value.code == "PORTAL_NOT_READY"
    assert there is not None
    assert (there.said[f"term {ids[0]}"], there.said[f"term {ids[2]}"]) == ("on", "on")
    assert json.loads(there.said["terms of delay"]) == [ids[1]]
    content = json.loads(there.said[f"form {form_type_name(form)}"])["content"]
    assert content == {"keep_days": 30, "kind": [ids[1]]}
    assert (there.listing, there.listed_revision) == ("ACTIVE", there.revision)
    assert mesh.portal.others.changes() == before
    assert await mesh.drift() == []


async def test_asset__filled_by_an_older_revision__stays_so_when_the_form_is_changed(
    mesh: PortalMesh,
) -> None:
    form = await mesh.form(fields())
    await mesh.bring(mesh.forms, form)
    _, _, asset = await mesh.shown()
    filled = FilledForm(form, "Retention", 1, {"keep_days": 7})
    await say(mesh, asset, AssetMetadata(forms=(filled,), version=1))
    await mesh.bring(mesh.assets, asset)
    strict = fields(FormField("why", "string", required=True))
    await mesh.put(METADATA_FORM_REVISIONS, {"formId": form, "revision": 2, "fields": strict})
    await mesh.change(METADATA_FORMS, form, revision=2, fields=strict)
    await mesh.bring(mesh.forms, form)
    await mesh.change(ASSETS, asset, owner="user:bob")
    await mesh.bring(mesh.assets, asset)
    there = await mesh.portal.assets.look((await mesh.link(ASSET_PORTAL_LINKS, asset))["portalId"])
    assert there is not None
    assert there.said["owner"] == "user:bob"
    shown = json.loads(there.said[f"form {form_type_name(form)}"])
    facts = (await mesh.link(FORM_PORTAL_LINKS, form))["facts"]
    assert shown == {"revision": facts["revisions"]["1"], "content": {"keep_days": 7}}


async def test_asset__loses_there_what_is_taken_off_here_and_keeps_what_others_put_on(
    mesh: PortalMesh,
) -> None:
    _, ours, theirs = await terms_shown(mesh)
    form = await mesh.form(fields())
    await mesh.bring(mesh.forms, form)
    _, _, asset = await mesh.shown()
    filled = FilledForm(form, "Retention", 1, {"keep_days": 7})
    said = AssetMetadata((ours,), {"delay": (ours,)}, (filled,), {ours: "Delay"}, 1)
    await say(mesh, asset, said)
    await mesh.bring(mesh.assets, asset)
    product = (await mesh.link(ASSET_PORTAL_LINKS, asset))["portalId"]
    await mesh.portal.others.put_term(product, await id_there(mesh, theirs))
    await say(mesh, asset, AssetMetadata(version=2))
    await mesh.bring(mesh.assets, asset)
    await mesh.bring(mesh.assets, asset)
    there = await mesh.portal.assets.look(product)
    assert there is not None
    words = {one for one in there.said if one.startswith(("term ", "terms of ", "form "))}
    assert words == {f"term {await id_there(mesh, theirs)}"}
    assert await mesh.drift() == []


async def test_term_disabled_here__is_left_off_what_is_shown_from_then_on(
    mesh: PortalMesh,
) -> None:
    _, stays, goes = await terms_shown(mesh)
    _, _, asset = await mesh.shown()
    names = {stays: "Delay", goes: "Late"}
    await say(mesh, asset, AssetMetadata((stays, goes), {}, (), names, 1))
    await mesh.bring(mesh.assets, asset)
    await mesh.change(GLOSSARY_TERMS, goes, status="disabled")
    await mesh.bring(mesh.terms, goes)
    await mesh.change(ASSETS, asset, owner="user:cem")
    await mesh.bring(mesh.assets, asset)
    there = await mesh.portal.assets.look((await mesh.link(ASSET_PORTAL_LINKS, asset))["portalId"])
    assert there is not None
    shown = {one for one in there.said if one.startswith("term ")}
    assert there.said["owner"] == "user:cem"
    assert shown == {f"term {await id_there(mesh, stays)}"}
    assert await mesh.drift() == []


async def test_bring_all__brings_all_words_and_then_what_carries_them(mesh: PortalMesh) -> None:
    glossary = await mesh.glossary()
    term = await mesh.term(glossary)
    form = await mesh.form(fields(FormField("kind", "string", glossary_id=glossary)))
    _, _, asset = await mesh.shown()
    filled = FilledForm(form, "Retention", 1, {"keep_days": 7, "kind": term}, ("kind",))
    await say(mesh, asset, AssetMetadata((term,), {}, (filled,), {term: "Delay"}, 1))
    parts = PortalParts([mesh.assets, mesh.glossaries, mesh.terms, mesh.forms])
    first = await parts.bring_all()
    again = await parts.bring_all(mend=True)
    assert dict(first.failed) == {asset: "PORTAL_NOT_READY"}
    assert (again.count, dict(again.failed)) == (4, {})
    assert await parts.drift(200) == Differences([], None)
