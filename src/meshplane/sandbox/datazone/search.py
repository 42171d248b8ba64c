"""Search: the inventory, the catalogue, the types."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from meshplane.sandbox.datazone.assets import asset_with_listing
from meshplane.sandbox.datazone.listings import detailed_terms, settle_listing
from meshplane.sandbox.datazone.state import Act, Item, invalid, page_of

_MOST_FOUND = 10_000
_TIMES = frozenset({"createdAt", "updatedAt"})
_COMPARED: Mapping[str, Callable[[float, float], bool]] = {
    "EQ": lambda left, right: left == right,
    "LT": lambda left, right: left < right,
    "LE": lambda left, right: left <= right,
    "GT": lambda left, right: left > right,
    "GE": lambda left, right: left >= right,
}


def attributes_of(item: Item) -> dict[str, list[Any]]:
    """What can be searched and filtered by: members by name, members of forms as `Form.member`."""
    found: dict[str, list[Any]] = {}
    for name, value in item.items():
        if not name.startswith("_") and isinstance(value, str | int | float):
            found[name] = [value]
        elif name in _TIMES:
            found[name] = [int(value.timestamp())]
    for term in (item.get("glossaryTerms") or []) + (item.get("governedGlossaryTerms") or []):
        name = term["name"] if isinstance(term, dict) else term
        found.setdefault("glossaryTerms", []).append(name)
    for form in item.get("_forms") or item.get("formsOutput") or ():
        if isinstance(form, dict):
            content = json.loads(form["content"])
            for name, value in content.items():
                values = value if isinstance(value, list) else [value]
                texts = [json.dumps(one) if isinstance(one, dict) else one for one in values]
                found[f"{form['formName']}.{name}"] = texts
    return found


def holds(attributes: Mapping[str, list[Any]], clause: Item) -> bool:
    """Whether an item passes a filter clause."""
    ((kind, part),) = clause.items()
    if kind == "and":
        return all(holds(attributes, one) for one in part)
    if kind == "or":
        return any(holds(attributes, one) for one in part)
    if ("value" in part) == ("intValue" in part):
        raise invalid("A filter has either a value or an intValue.")
    values, operator = attributes.get(part["attribute"], []), part.get("operator", "EQ")
    if operator == "TEXT_SEARCH":
        return any(str(part.get("value", "")).lower() in str(one).lower() for one in values)
    if "intValue" in part:
        numbers = [one for one in values if isinstance(one, int | float)]
        return any(_COMPARED[operator](one, part["intValue"]) for one in numbers)
    if operator != "EQ":
        raise invalid(f"{operator} compares an intValue.")
    return any(str(one) == part["value"] for one in values)


def found_by(items: list[Item], given: Mapping[str, Any]) -> list[Item]:
    """Those of the items that a search asks for, in its order."""
    words = _words(given.get("searchText", ""))
    places = [one["attribute"] for one in given.get("searchIn", ())]
    found = []
    for item in items:
        attributes = attributes_of(item)
        looked_at = {name: attributes.get(name, []) for name in places} if places else attributes
        text = " ".join(str(one) for values in looked_at.values() for one in values).lower()
        if all(word in text for word in words) and (
            "filters" not in given or holds(attributes, given["filters"])
        ):
            found.append(item)
    if "sort" in given:
        name = given["sort"]["attribute"]
        found.sort(
            key=lambda item: [str(one) for one in attributes_of(item).get(name, [])],
            reverse=given["sort"].get("order", "ASCENDING") == "DESCENDING",
        )
    return found[:_MOST_FOUND]


def _words(text: str) -> list[str]:
    """What a text search looks for.

    Double quotes ask for the words within as they are written; their order does not matter:
    https://docs.aws.amazon.com/datazone/latest/APIReference/API_Search.html

    Raises:
        FakeError: ValidationException, quotes that are not closed.
    """
    if text.count('"') % 2:
        raise invalid("The searchText has a quote that is not closed.")
    return text.replace('"', " ").lower().split()


class Searches:
    """Search over assets, glossaries, terms, data products, listings and types."""

    @property
    def handlers(self) -> Mapping[str, Any]:
        """By operation."""
        return {
            "Search": self.inventory,
            "SearchListings": self.catalogue,
            "SearchTypes": self.types,
        }

    def inventory(self, act: Act, given: dict[str, Any]) -> Item:
        """What projects own, listed or not."""
        kind, member = {
            "ASSET": ("asset", "assetItem"),
            "GLOSSARY": ("glossary", "glossaryItem"),
            "GLOSSARY_TERM": ("term", "glossaryTermItem"),
            "DATA_PRODUCT": ("dataProduct", "dataProductItem"),
        }[given["searchScope"]]
        items = act.domain.shelf(kind).listed()
        owner = given.get("owningProjectIdentifier")
        if owner is not None:
            items = [one for one in items if one.get("owningProjectId") == owner]
        shown = [_inventory_item(act, kind, one) for one in found_by(items, given)]
        return _answer([{member: one} for one in shown], given)

    def catalogue(self, act: Act, given: dict[str, Any]) -> Item:
        """What is published."""
        for listing in act.domain.shelf("listing").all():
            settle_listing(act, listing)
        entries = [
            _entry(act, one)
            for one in act.domain.shelf("listing").listed()
            if one["status"] == "ACTIVE"
        ]
        found = found_by(entries, given)
        answer = _answer([_shown_entry(one, given) for one in found], given)
        if "aggregations" in given:
            answer["aggregates"] = [_aggregate(found, one) for one in given["aggregations"]]
        return answer

    def types(self, act: Act, given: dict[str, Any]) -> Item:
        """Types of the system, or of projects."""
        kind = {"ASSET_TYPE": "assetType", "FORM_TYPE": "formType"}.get(given["searchScope"])
        items = act.domain.shelf(kind).listed() if kind else []
        items = [one for one in items if (one["createdBy"] == "SYSTEM") == given["managed"]]
        return _answer([{f"{kind}Item": one} for one in found_by(items, given)], given)


def _answer(shown: list[Item], given: Mapping[str, Any]) -> Item:
    return {**page_of(shown, given), "totalMatchCount": len(shown)}


def _inventory_item(act: Act, kind: str, item: Item) -> Item:
    if kind != "asset":
        return item
    full = asset_with_listing(act, item)
    return {**item, "identifier": item["id"], "additionalAttributes": {**full}}


def _entry(act: Act, listing: Item) -> Item:
    kind, entity = listing["_entity"]
    item: Item = next(iter(listing["item"].values()))
    forms = json.loads(item["forms"])
    return {
        "listingId": listing["id"],
        "listingRevision": listing["listingRevision"],
        "name": listing["name"],
        "description": listing["description"],
        "entityId": entity,
        "entityRevision": item.get("assetRevision") or item.get("dataProductRevision"),
        "entityType": listing["_type"],
        "createdAt": listing["createdAt"],
        "listingCreatedBy": listing["createdBy"],
        "listingUpdatedBy": listing["updatedBy"],
        "owningProjectId": listing["_project"],
        "glossaryTerms": detailed_terms(act, listing["_terms"]),
        "governedGlossaryTerms": detailed_terms(act, listing["_governed"]),
        "_kind": kind,
        "_forms": [
            {"formName": name, "content": json.dumps(content)} for name, content in forms.items()
        ],
        "_text": item["forms"],
    }


def _shown_entry(entry: Item, given: Mapping[str, Any]) -> Item:
    member = "assetListing" if entry["_kind"] == "ASSET" else "dataProductListing"
    if "FORMS" in given.get("additionalAttributes", ()):
        entry = {**entry, "additionalAttributes": {"forms": entry["_text"]}}
    return {member: entry}


def _aggregate(found: list[Item], asked: Item) -> Item:
    counts = Counter(
        str(value) for item in found for value in attributes_of(item).get(asked["attribute"], ())
    )
    items = [{"value": value, "count": count} for value, count in counts.most_common()]
    return {**asked, "items": items}
