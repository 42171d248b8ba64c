"""Filters of an asset: the rows or the columns that a subscriber may be limited to."""

import json
from collections.abc import Mapping
from typing import Any

from meshplane.sandbox.datazone.projects import WRITERS
from meshplane.sandbox.datazone.state import Act, Item, conflict, page_of

_SIGNS = {
    "equalTo": "=",
    "notEqualTo": "<>",
    "greaterThan": ">",
    "lessThan": "<",
    "greaterThanOrEqualTo": ">=",
    "lessThanOrEqualTo": "<=",
    "like": "LIKE",
    "notLike": "NOT LIKE",
    "in": "IN",
    "notIn": "NOT IN",
}


def columns_of(asset: Item) -> list[str]:
    """The columns that an asset's forms tell of."""
    for form in asset["formsOutput"]:
        columns = json.loads(form["content"]).get("columns")
        if isinstance(columns, list):
            return [one["columnName"] for one in columns if "columnName" in one]
    return []


class AssetFilters:
    """Filters of assets."""

    @property
    def handlers(self) -> Mapping[str, Any]:
        """By operation."""
        return {
            "CreateAssetFilter": self.create,
            "GetAssetFilter": self.get,
            "UpdateAssetFilter": self.update,
            "DeleteAssetFilter": self.delete,
            "ListAssetFilters": self.list,
        }

    def create(self, act: Act, given: dict[str, Any]) -> Item:
        """A filter; one that names columns which the asset has not is INVALID."""
        asset = act.domain.find("asset", "Asset", given["assetIdentifier"])
        act.demand(asset["owningProjectId"], *WRITERS)
        self._demand_free(act, asset["id"], given["name"])
        item = {
            **act.made(),
            "id": act.state.new_id(),
            "assetId": asset["id"],
            "name": given["name"],
            "description": given.get("description"),
            **_judged(asset, given["configuration"]),
        }
        return act.domain.shelf("filter").put(item["id"], item)

    def get(self, act: Act, given: dict[str, Any]) -> Item:
        """A filter by id."""
        act.domain.find("asset", "Asset", given["assetIdentifier"])
        return act.domain.find("filter", "Asset filter", given["identifier"])

    def update(self, act: Act, given: dict[str, Any]) -> Item:
        """Changes a filter."""
        item = self.get(act, given)
        asset = act.domain.find("asset", "Asset", given["assetIdentifier"])
        act.demand(asset["owningProjectId"], *WRITERS)
        changes: Item = {name: given[name] for name in ("name", "description") if name in given}
        if changes.get("name", item["name"]) != item["name"]:
            self._demand_free(act, asset["id"], changes["name"])
        if "configuration" in given:
            changes.update(_judged(asset, given["configuration"]))
        return act.domain.shelf("filter").change(item["id"], **changes)

    def delete(self, act: Act, given: dict[str, Any]) -> Item:
        """Takes a filter away that no approved subscription is limited to."""
        item = self.get(act, given)
        asset = act.domain.find("asset", "Asset", given["assetIdentifier"])
        act.demand(asset["owningProjectId"], *WRITERS)
        for subscription in act.domain.shelf("subscription").all():
            if item["id"] in subscription["_filters"] and subscription["status"] == "APPROVED":
                raise conflict(f"Filter {item['id']} is in use.")
        act.domain.shelf("filter").remove(item["id"])
        return {}

    def list(self, act: Act, given: dict[str, Any]) -> Item:
        """The filters of an asset."""
        act.domain.find("asset", "Asset", given["assetIdentifier"])
        found = [
            one
            for one in act.domain.shelf("filter").listed()
            if one["assetId"] == given["assetIdentifier"]
            and given.get("status", one["status"]) == one["status"]
        ]
        return page_of(found, given)

    def _demand_free(self, act: Act, asset_id: str, name: str) -> None:
        for one in act.domain.shelf("filter").all():
            if (one["assetId"], one["name"]) == (asset_id, name):
                raise conflict(f"The asset has a filter {name}.")


def _judged(asset: Item, configuration: Item) -> Item:
    columns = columns_of(asset)
    if "columnConfiguration" in configuration:
        named = configuration["columnConfiguration"].get("includedColumnNames", [])
        members: Item = {"effectiveColumnNames": named, "effectiveRowFilter": None}
    else:
        text, named = _row_filter(configuration["rowConfiguration"]["rowFilter"])
        members = {"effectiveRowFilter": text, "effectiveColumnNames": columns}
    unknown = sorted(set(named) - set(columns))
    members.update(configuration=configuration, status="INVALID" if unknown else "VALID")
    members["errorMessage"] = f"The asset has no column {unknown[0]}." if unknown else None
    return members


def _row_filter(given: Item) -> tuple[str, list[str]]:
    """A row filter as text, and the columns that it names."""
    ((kind, part),) = given.items()
    if kind in {"and", "or"}:
        parts = [_row_filter(one) for one in part]
        text = f" {kind.upper()} ".join(f"({one})" for one, _ in parts)
        return text, [name for _, names in parts for name in names]
    ((operator, said),) = part.items()
    column = said["columnName"]
    if operator in {"isNull", "isNotNull"}:
        return f"{column} IS {'NOT ' if operator == 'isNotNull' else ''}NULL", [column]
    if operator in {"in", "notIn"}:
        values = ", ".join(_quoted(one) for one in said["values"])
        return f"{column} {_SIGNS[operator]} ({values})", [column]
    return f"{column} {_SIGNS[operator]} {_quoted(said['value'])}", [column]


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
