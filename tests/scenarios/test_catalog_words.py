"""A glossary, its terms and a form: made by stewards, said of assets, found by everyone."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.builders.server import running_server
from tests.builders.small_mesh import SmallMesh

pytestmark = pytest.mark.scenario


@pytest.fixture(scope="module")
def mesh() -> Iterator[SmallMesh]:
    with running_server() as server:
        made = SmallMesh(server)
        yield made
        made.close()
        assert server.unforeseen() == []


def send(
    mesh: SmallMesh, method: str, path: str, body: Any = None, *, role: str = "steward", tag: str
) -> httpx.Response:
    """Sends a change of what stands at a path in a version."""
    headers = {"If-Match": tag}
    return mesh.clients[role].request(method, f"/api/v1{path}", json=body, headers=headers)


def code(answer: httpx.Response) -> str:
    return str(answer.json()["code"])


def fields(answer: httpx.Response) -> list[str]:
    return [one["field"] for one in answer.json()["errors"]]


def a_glossary(mesh: SmallMesh, name: str) -> str:
    body = {"domainId": mesh.harbour, "name": name}
    return str(mesh.ask("steward", "POST", "/catalog/glossaries", body)["glossaryId"])


def a_term(mesh: SmallMesh, glossary: str, name: str, **more: Any) -> str:
    path = f"/catalog/glossaries/{glossary}/terms"
    return str(mesh.ask("steward", "POST", path, {"name": name, **more})["termId"])


def an_asset(mesh: SmallMesh, name: str) -> str:
    return mesh.new_asset(name, mesh.new_table(f"table_{name}"))


def say(mesh: SmallMesh, asset: str, role: str = "owner", **said: Any) -> httpx.Response:
    """Says this of an asset as it is now."""
    path = f"/catalog/assets/{asset}/metadata"
    return send(mesh, "PUT", path, said, role=role, tag=mesh.tag(path))


def found(mesh: SmallMesh, query: str) -> list[str]:
    items = mesh.ask("other", "GET", f"/catalog/search?{query}")["items"]
    return [one["name"] for one in items]


def test_glossary__is_made_listed_changed_and_its_name_is_taken_whatever_the_case(
    mesh: SmallMesh,
) -> None:
    glossary = a_glossary(mesh, "Harbour Words")
    path = f"/catalog/glossaries/{glossary}"
    again = mesh.clients["steward"].post(
        "/api/v1/catalog/glossaries", json={"domainId": mesh.harbour, "name": "harbour words"}
    )
    changed = send(mesh, "PATCH", path, {"name": "Port words"}, tag=mesh.tag(path))
    stale = send(mesh, "PATCH", path, {"description": "x"}, tag='"1"')
    listed = mesh.ask("unrelated", "GET", f"/catalog/glossaries?domainId={mesh.harbour}")["items"]
    assert (again.status_code, code(again)) == (409, "NAME_TAKEN")
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    assert (stale.status_code, code(stale)) == (412, "STALE")
    assert "Port words" in [one["name"] for one in listed]
    assert a_glossary(mesh, "Harbour Words") != glossary  # the old name is free


def test_terms__are_listed_by_name_page_by_page(mesh: SmallMesh) -> None:
    glossary = a_glossary(mesh, "Paged")
    for name in ("wave", "Anchor", "tide"):
        a_term(mesh, glossary, name)
    path = f"/catalog/glossaries/{glossary}/terms"
    first = mesh.ask("viewer", "GET", f"{path}?limit=2")
    rest = mesh.ask("viewer", "GET", f"{path}?limit=2&cursor={first['nextCursor']}")
    names = [one["name"] for page in (first, rest) for one in page["items"]]
    assert names == ["Anchor", "tide", "wave"]
    assert rest["nextCursor"] is None


def test_term__created_again_with_one_idempotency_key__is_one(mesh: SmallMesh) -> None:
    glossary = a_glossary(mesh, "Once")
    path = f"/api/v1/catalog/glossaries/{glossary}/terms"
    headers = {"Idempotency-Key": "term-once"}
    ids = {
        mesh.clients["steward"].post(path, json={"name": "Buoy"}, headers=headers).json()["termId"]
        for _ in range(2)
    }
    assert len(ids) == 1


def test_term__cannot_be_one_of_itself(mesh: SmallMesh) -> None:
    glossary = a_glossary(mesh, "Circles")
    water = a_term(mesh, glossary, "Water")
    sea = a_term(mesh, glossary, "Sea", relations={"isA": [water]})
    bay = a_term(mesh, glossary, "Bay", relations={"isA": [sea], "classifies": []})
    path = f"/catalog/glossaries/{glossary}/terms/{water}"
    circle = send(mesh, "PATCH", path, {"relations": {"isA": [bay]}}, tag='"1"')
    itself = send(mesh, "PATCH", path, {"relations": {"isA": [water]}}, tag='"1"')
    unknown = send(mesh, "PATCH", path, {"relations": {"classifies": ["term-x"]}}, tag='"1"')
    assert [code(one) for one in (circle, itself, unknown)] == ["RELATION_INVALID"] * 3
    assert fields(circle) == ["relations.isA"]
    assert (fields(itself), fields(unknown)) == (["relations.isA.0"], ["relations.classifies.0"])


def test_terms__related_to_each_other_at_once__are_no_circle(mesh: SmallMesh) -> None:
    glossary = a_glossary(mesh, "Circles at once")

    def relate(term: str, broader: str) -> int:
        path, body = f"/catalog/glossaries/{glossary}/terms/{term}", {"isA": [broader]}
        return send(mesh, "PATCH", path, {"relations": body}, tag='"1"').status_code

    for round_ in range(10):
        sea, bay, tide, ebb = (a_term(mesh, glossary, f"{one} {round_}") for one in "abcd")
        assert [relate(bay, tide), relate(ebb, sea)] == [200, 200]
        with ThreadPoolExecutor(2) as both:
            answers = list(both.map(relate, (sea, tide), (bay, ebb)))
        assert sorted(answers) == [200, 400], round_


def test_said_of_an_asset__is_found_by_the_very_next_search_and_shown_with_it(
    mesh: SmallMesh,
) -> None:
    glossary = a_glossary(mesh, "Birds")
    heron, gull = a_term(mesh, glossary, "Heron"), a_term(mesh, glossary, "Gull")
    asset = an_asset(mesh, "nests")
    form = {"formId": mesh.form, "values": {"days": 77123, "why": "the ornithology act"}}
    before = found(mesh, "q=heron")
    said = say(mesh, asset, terms=[heron], columns={"level": [gull]}, forms=[form])
    searches = ("q=heron", "q=gull", "q=ornithology", "q=77123", "q=heron%20act", f"term={gull}")
    hits = [found(mesh, one) for one in searches]
    shown = mesh.ask("unrelated", "GET", f"/assets/{asset}")
    gone = say(mesh, asset, "steward")
    assert before == []
    assert said.status_code == 200
    assert hits == [["nests"]] * len(searches)
    assert shown["terms"] == [{"termId": heron, "name": "Heron"}]
    assert shown["columns"][1]["terms"] == [{"termId": gull, "name": "Gull"}]
    assert [(one["name"], one["values"]["days"]) for one in shown["forms"]] == [("Keeping", 77123)]
    assert gone.json()["version"] == 2
    assert [found(mesh, one) for one in ("q=heron", "q=ornithology", f"term={gull}")] == [[]] * 3


def test_search__by_words_among_what_carries_a_term(mesh: SmallMesh) -> None:
    glossary = a_glossary(mesh, "Among")
    term = a_term(mesh, glossary, "Lagoon")
    marked, other = an_asset(mesh, "coral_marked"), an_asset(mesh, "coral_other")
    assert say(mesh, marked, terms=[term]).status_code == 200
    nothing = mesh.clients["other"].get("/api/v1/catalog/search")
    assert set(found(mesh, "q=coral_marked")) == {"coral_marked"}
    assert found(mesh, f"q=water&term={term}&limit=1") == ["coral_marked"]
    assert other
    assert (nothing.status_code, fields(nothing)) == (400, ["q"])


def test_term_renamed__is_found_by_its_new_name_in_the_very_next_search(mesh: SmallMesh) -> None:
    glossary = a_glossary(mesh, "Renamed")
    term = a_term(mesh, glossary, "Pelican")
    asset = an_asset(mesh, "catches")
    say(mesh, asset, terms=[term])
    path = f"/catalog/glossaries/{glossary}/terms/{term}"
    renamed = send(mesh, "PATCH", path, {"name": "Cormorant"}, tag='"1"')
    assert renamed.json()["name"] == "Cormorant"
    assert (found(mesh, "q=cormorant"), found(mesh, "q=pelican")) == (["catches"], [])


def test_term_in_use__is_not_removed_and_whoever_uses_it_is_named(mesh: SmallMesh) -> None:
    glossary = a_glossary(mesh, "Used")
    broad = a_term(mesh, glossary, "Vessel")
    narrow = a_term(mesh, glossary, "Tug", relations={"isA": [broad], "classifies": []})
    asset = an_asset(mesh, "tugs")
    say(mesh, asset, columns={"station": [narrow]})
    terms = f"/api/v1/catalog/glossaries/{glossary}/terms"
    used = mesh.clients["steward"].delete(f"{terms}/{narrow}")
    related = mesh.clients["steward"].delete(f"{terms}/{broad}")
    say(mesh, asset)
    removed = [mesh.clients["steward"].delete(f"{terms}/{one}") for one in (narrow, broad)]
    late = say(mesh, asset, terms=[narrow])
    assert (used.status_code, code(used)) == (409, "TERM_IN_USE")
    assert used.json()["assets"] == [
        {"assetId": asset, "name": "harbour.tugs", "places": ["column station"]}
    ]
    assert related.json()["terms"] == [{"termId": narrow, "name": "Tug"}]
    assert [one.status_code for one in removed] == [204, 204]
    assert (code(late), fields(late)) == ("METADATA_INVALID", ["terms.0"])


def test_term_disabled__stays_where_it_is_and_is_put_on_nothing_new(mesh: SmallMesh) -> None:
    glossary = a_glossary(mesh, "Disabled")
    term = a_term(mesh, glossary, "Galleon")
    kept, fresh = an_asset(mesh, "galleons"), an_asset(mesh, "sloops")
    say(mesh, kept, terms=[term])
    path = f"/catalog/glossaries/{glossary}"
    send(mesh, "PATCH", path, {"status": "disabled"}, tag='"1"')
    again = say(mesh, kept, terms=[term], columns={"level": [term]})
    refused = say(mesh, fresh, terms=[term])
    assert again.status_code == 200
    assert (code(refused), fields(refused)) == ("METADATA_INVALID", ["terms.0"])
    assert found(mesh, "q=galleon") == ["galleons"]


def test_form_changed__is_a_new_revision_and_what_was_filled_before_stays_valid(
    mesh: SmallMesh,
) -> None:
    glossary = a_glossary(mesh, "For a form")
    cargo, other = a_term(mesh, glossary, "Grain"), a_term(mesh, mesh.glossary, "No cargo")
    asking = [{"name": "cargo", "type": "string", "required": True, "glossaryId": glossary}]
    body = {"domainId": mesh.harbour, "name": "Cargo", "fields": asking}
    form = mesh.ask("steward", "POST", "/catalog/forms", body)["formId"]
    asset, fresh = an_asset(mesh, "loads"), an_asset(mesh, "later_loads")
    filled = {"formId": form, "values": {"cargo": cargo}}
    foreign = say(mesh, asset, forms=[{"formId": form, "values": {"cargo": other}}])
    first = say(mesh, asset, forms=[filled])
    more = [*asking, {"name": "tons", "type": "decimal", "required": True}]
    path = f"/catalog/forms/{form}"
    revised = send(mesh, "PATCH", path, {"fields": more}, tag=mesh.tag(path))
    same = send(mesh, "PATCH", path, {"fields": more}, tag=mesh.tag(path))
    kept = say(mesh, asset, forms=[{**filled, "revision": 1}], terms=[cargo])
    lacks = say(mesh, asset, forms=[filled])
    old = say(mesh, fresh, forms=[{**filled, "revision": 1}])
    full = say(mesh, fresh, forms=[{"formId": form, "values": {"cargo": cargo, "tons": 1.5}}])
    revisions = mesh.ask("viewer", "GET", f"{path}/revisions")["items"]
    assert fields(foreign) == ["forms.0.values.cargo"]
    assert first.json()["forms"][0]["termNames"] == {"cargo": "Grain"}
    assert (revised.json()["revision"], same.json()["revision"]) == (2, 2)
    assert (kept.status_code, kept.json()["forms"][0]["revision"]) == (200, 1)
    assert fields(lacks) == ["forms.0.values.tons"]
    assert fields(old) == ["forms.0.revision"]
    assert full.json()["forms"][0]["revision"] == 2
    assert [(one["revision"], len(one["fields"])) for one in revisions] == [(2, 2), (1, 1)]
    assert sorted(found(mesh, "q=grain")) == ["later_loads", "loads"]


def test_form__that_contradicts_itself__is_refused_with_each_field(mesh: SmallMesh) -> None:
    asking = [
        {"name": "days", "type": "integer", "allowed": ["seven"]},
        {"name": "DAYS", "type": "string"},
        {"name": "kind", "type": "string", "glossaryId": "gloss-none"},
    ]
    body = {"domainId": mesh.harbour, "name": "Wrong", "fields": asking}
    answer = mesh.clients["steward"].post("/api/v1/catalog/forms", json=body)
    assert (answer.status_code, code(answer)) == (400, "FORM_INVALID")
    assert fields(answer) == ["fields.0.allowed.0", "fields.1.name", "fields.2.glossaryId"]


def test_said_of_an_asset__each_thing_that_does_not_fit_is_named(mesh: SmallMesh) -> None:
    asset = an_asset(mesh, "misfits")
    form = {"formId": mesh.form, "values": {"days": "seven", "whom": "me"}}
    answer = say(
        mesh,
        asset,
        terms=["term-none"],
        columns={"depth": [mesh.term]},
        forms=[form, form, {"formId": "form-none", "values": {}}],
    )
    assert (answer.status_code, code(answer)) == (400, "METADATA_INVALID")
    assert set(fields(answer)) == {
        "columns.depth",
        "terms.0",
        *("forms.0.values.days", "forms.0.values.whom"),
        *("forms.1.values.days", "forms.1.values.whom", "forms.1.formId"),
        "forms.2.formId",
    }


def test_said_of_an_asset_that_waits_to_be_listed__only_both_sides_know(mesh: SmallMesh) -> None:
    table = mesh.new_table("for_waiting")
    body = {
        "projectId": mesh.tides,
        "tableId": table,
        "name": "waiting",
        "description": "Not yet.",
        "classification": "restricted",
        "contract": mesh.clients["owner"].get(f"/api/v1/assets/{mesh.readings}/contract").text,
    }
    asset = mesh.ask("owner", "POST", "/assets", body)["assetId"]
    term = a_term(mesh, a_glossary(mesh, "Waiting"), "Submarine")
    said = say(mesh, asset, terms=[term])
    path = f"/api/v1/catalog/assets/{asset}/metadata"
    hidden = [mesh.clients["unrelated"].get(path), send(
        mesh, "PUT", path.removeprefix("/api/v1"), {}, role="unrelated", tag='"1"'
    )]  # fmt: skip
    glossary = mesh.ask("steward", "GET", f"/catalog/glossaries?domainId={mesh.harbour}&limit=200")
    own = next(one for one in glossary["items"] if one["name"] == "Waiting")["glossaryId"]
    used = mesh.clients["steward"].delete(f"/api/v1/catalog/glossaries/{own}/terms/{term}")
    assert said.status_code == 200
    assert [(one.status_code, code(one)) for one in hidden] == [(404, "ASSET_NOT_FOUND")] * 2
    assert found(mesh, f"term={term}") == []
    assert [one["name"] for one in used.json()["assets"]] == ["harbour.waiting"]


def test_what_is_said__is_told_by_events_and_kept_in_the_audit_trail(mesh: SmallMesh) -> None:
    glossary = a_glossary(mesh, "Told")
    term = a_term(mesh, glossary, "Lighthouse")
    asset = an_asset(mesh, "lights")
    say(mesh, asset, terms=[term])
    path = "/events?limit=200&type=AssetMetadataChanged"
    events = mesh.ask("administrator", "GET", path)["items"]
    mine = [one["detail"] for one in events if one["detail"]["assetId"] == asset]
    records = mesh.ask("administrator", "GET", "/audit?limit=1000")["items"]
    done = {(one["operation"], one["actor"]) for one in records}
    assert [(one["terms"], one["changedBy"]) for one in mine] == [([term], "user:olga@tides")]
    assert ("putAssetMetadata", "user:olga@tides") in done
    assert ("putAssetMetadata", "service:catalog") in done
    assert ("createGlossaryTerm", "user:sam@harbour") in done
