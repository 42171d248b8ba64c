"""Good requests for the operations of the lake."""

import hashlib
from collections.abc import Callable

from tests.builders.request import Request
from tests.builders.small_mesh import SmallMesh


def lake_reads(mesh: SmallMesh) -> dict[str, str]:
    """Their paths, by operation."""
    return {
        "getLakeDrift": f"/lake/drift?domainId={mesh.harbour}",
        "listReconciliations": "/lake/reconciliations",
        "getReconciliation": f"/lake/reconciliations/{mesh.reconciliation}",
        "getDriftPolicy": f"/lake/drift-policies/{mesh.harbour}",
        "listLakeGrants": "/lake/grants",
        "getCompiledGrant": f"/lake/compiled/grant-{mesh.subscription}?target=lake-formation",
        "listLocations": f"/lake/locations?domainId={mesh.harbour}",
        "listLfTags": "/lake/lf-tags",
        "listLfTagAssignments": f"/lake/lf-tag-assignments?resource=asset:{mesh.readings}",
        "listLfTagMasks": "/lake/lf-tag-masks",
        "listLfTagExpressions": "/lake/lf-tag-expressions",
        "listDataFilters": f"/lake/data-filters/{mesh.readings}",
    }


def lake_writes(mesh: SmallMesh, tag: str) -> dict[str, Callable[[], Request]]:
    """The writes; each call makes ready what its request needs."""
    return {
        **_drift_writes(mesh, tag),
        **_location_writes(mesh, tag),
        **_tag_writes(mesh, tag),
        **_filter_writes(mesh, tag),
    }


def _drift_writes(mesh: SmallMesh, tag: str) -> dict[str, Callable[[], Request]]:
    held = {
        "principal": f"group:by-hand-{tag}",
        "resource": {"Table": {"DatabaseName": "harbour", "Name": "readings"}},
        "permissions": ["DESCRIBE"],
        "reason": "An exercise.",
    }

    def removal() -> Request:
        key = mesh.ask("administrator", "POST", "/lake/grants", held)["key"]
        return Request("POST", "/lake/grants/remove", {"key": key, "reason": "It is over."})

    return {
        "checkLakeDrift": lambda: Request("POST", "/lake/drift/check"),
        "reconcileLake": lambda: Request(
            "POST", "/lake/reconcile?plan=true", {"domainId": mesh.harbour}
        ),
        "putDriftPolicy": lambda: Request(
            "PUT",
            f"/lake/drift-policies/{mesh.harbour}",
            {"excess": "report", "automatic": False},
        ),
        "putLakeGrant": lambda: Request("POST", "/lake/grants", held),
        "removeLakeGrant": removal,
    }


def _location_writes(mesh: SmallMesh, tag: str) -> dict[str, Callable[[], Request]]:
    def location(path: str) -> dict[str, str]:
        return {"domainId": mesh.harbour, "path": path, "description": "Raw levels."}

    def removal() -> Request:
        made = mesh.ask("administrator", "POST", "/lake/locations", location(f"gone/{tag}"))
        return Request("DELETE", f"/lake/locations/{made['locationId']}")

    return {
        "registerLocation": lambda: Request("POST", "/lake/locations", location(f"raw/{tag}")),
        "removeLocation": removal,
    }


def _tag_writes(mesh: SmallMesh, tag: str) -> dict[str, Callable[[], Request]]:
    key = f"team-{tag}"[:60]
    expression = f"/lake/lf-tag-expressions/sea-{tag}"[:90]
    mask = {"key": key, "value": "sea", "domainId": mesh.harbour, "mask": {"kind": "null"}}

    def known() -> None:
        mesh.ask("administrator", "PUT", f"/lake/lf-tags/{key}", {"values": ["sea", "land"]})

    def with_tag(method: str, path: str, body: object = None) -> Callable[[], Request]:
        def made() -> Request:
            known()
            return Request(method, path, body)

        return made

    def without_mask() -> Request:
        known()
        mesh.ask("steward", "PUT", "/lake/lf-tag-masks", mask)
        return Request("DELETE", f"/lake/lf-tag-masks/{key}/sea?domainId={mesh.harbour}")

    def without_expression() -> Request:
        known()
        mesh.ask("administrator", "PUT", expression, _terms(key))
        return Request("DELETE", expression)

    def without_tag() -> Request:
        mesh.ask("administrator", "PUT", f"/lake/lf-tags/gone-{key}", {"values": ["sea"]})
        return Request("DELETE", f"/lake/lf-tags/gone-{key}")

    def assignment() -> Request:
        # One key for all: a column has room for fifty.
        mesh.ask("administrator", "PUT", "/lake/lf-tags/team", {"values": ["sea", "land"]})
        body = {"resource": f"asset:{mesh.readings}", "column": "level", "tags": {"team": "sea"}}
        return Request("POST", "/lake/lf-tag-assignments", body)

    return {
        "putLfTag": lambda: Request("PUT", f"/lake/lf-tags/{key}", {"values": ["sea", "land"]}),
        "deleteLfTag": without_tag,
        "assignLfTags": assignment,
        "putLfTagMask": with_tag("PUT", "/lake/lf-tag-masks", mask),
        "deleteLfTagMask": without_mask,
        "putLfTagExpression": with_tag("PUT", expression, _terms(key)),
        "deleteLfTagExpression": without_expression,
    }


def _filter_writes(mesh: SmallMesh, tag: str) -> dict[str, Callable[[], Request]]:
    # Few names, however many tags: an asset has room for a hundred filters.
    number = int(hashlib.sha256(tag.encode()).hexdigest(), 16) % 40
    path = f"/lake/data-filters/{mesh.readings}/low_{number}"
    body = {"rowFilter": "level < 3", "includedColumns": ["level"]}

    def removal() -> Request:
        mesh.ask("steward", "PUT", f"{path}_gone", body)
        return Request("DELETE", f"{path}_gone")

    return {
        "putDataFilter": lambda: Request("PUT", path, body),
        "deleteDataFilter": removal,
    }


def _terms(key: str) -> dict[str, object]:
    return {"expression": [{"key": key, "values": ["sea"]}], "description": "The sea's."}
