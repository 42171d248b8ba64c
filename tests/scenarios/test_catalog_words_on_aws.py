"""The catalog's words on AWS: kept in DynamoDB, found at once, and shown in DataZone."""

import json
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any, TypeVar

import pytest

from tests.builders.small_mesh import SmallMesh

if find_spec("moto") is None:
    pytest.skip("The sandbox is not installed: run `make setup-dev`", allow_module_level=True)

from tests.builders.aws_mesh import AwsMesh, aws_mesh

pytestmark = pytest.mark.scenario

T = TypeVar("T")
_PATIENCE_SECONDS = 90.0


@pytest.fixture(scope="module")
def there() -> Iterator[AwsMesh]:
    with aws_mesh("store,portal,tables") as running:
        yield running


@pytest.fixture(scope="module")
def mesh(there: AwsMesh) -> Iterator[SmallMesh]:
    made = SmallMesh(there.server)
    yield made
    made.close()
    assert there.server.unforeseen() == []


def until(found: Callable[[], T | None]) -> T:
    give_up = time.monotonic() + _PATIENCE_SECONDS
    while not (it := found()):
        assert time.monotonic() < give_up, "it does not come"
        time.sleep(0.2)
    return it


def listing(there: AwsMesh, name: str) -> dict[str, Any] | None:
    """What the portal's catalogue shows of an asset."""
    (domain,) = there.owner.run("datazone", "list_domains")["items"]
    found = there.owner.run("datazone", "search_listings", domainIdentifier=domain["id"])["items"]
    for one in found:
        shown: dict[str, Any] = one["assetListing"]
        if shown["name"] == name:
            full = there.owner.run(
                "datazone",
                "get_listing",
                domainIdentifier=domain["id"],
                identifier=shown["listingId"],
            )
            item: dict[str, Any] = full["item"]["assetListing"]
            return item
    return None


def say(mesh: SmallMesh, body: dict[str, Any]) -> None:
    path = f"/catalog/assets/{mesh.readings}/metadata"
    answer = mesh.clients["owner"].put(
        f"/api/v1{path}", json=body, headers={"If-Match": mesh.tag(path)}
    )
    assert answer.status_code == 200, answer.text


def test_words_said_of_an_asset__are_found_at_once_and_shown_with_its_listing(
    mesh: SmallMesh, there: AwsMesh
) -> None:
    form = {"formId": mesh.form, "values": {"days": 30, "why": "the walrus act"}}
    say(mesh, {"terms": [mesh.term], "columns": {"level": [mesh.term]}, "forms": [form]})
    hits = [
        [one["name"] for one in mesh.ask("other", "GET", f"/catalog/search?{query}")["items"]]
        for query in ("q=walrus", "q=tide", f"term={mesh.term}")
    ]

    def worded() -> dict[str, Any] | None:
        shown = listing(there, "readings")
        return shown if shown is not None and shown.get("glossaryTerms") else None

    shown = until(worded)
    forms = json.loads(shown["forms"])
    drift = mesh.ask("administrator", "GET", "/catalog/portal/drift")["items"]
    assert hits == [["readings"]] * 3
    assert [one["name"] for one in shown["glossaryTerms"]] == ["Tide"]
    assert {"days": 30, "why": "the walrus act"} in forms.values()
    assert drift == []


def test_term_renamed__is_renamed_there(mesh: SmallMesh, there: AwsMesh) -> None:
    path = f"/catalog/glossaries/{mesh.glossary}/terms/{mesh.term}"
    answer = mesh.clients["steward"].patch(
        f"/api/v1{path}", json={"name": "Water rising"}, headers={"If-Match": mesh.tag(path)}
    )
    found = mesh.ask("other", "GET", "/catalog/search?q=rising")["items"]
    (domain,) = there.owner.run("datazone", "list_domains")["items"]

    def renamed() -> list[str]:
        items = there.owner.run(
            "datazone", "search", domainIdentifier=domain["id"], searchScope="GLOSSARY_TERM"
        )["items"]
        names = [one["glossaryTermItem"]["name"] for one in items]
        return names if "Water rising" in names else []

    assert answer.status_code == 200
    assert [one["name"] for one in found] == ["readings"]
    assert until(renamed) == ["Water rising"]
