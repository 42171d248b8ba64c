"""HTTP of the lake service."""

from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call
from meshplane.boundary.operation import OperationRoute, Operations
from meshplane.boundary.schemas import Page, PageQuery
from meshplane.services.lake.by_hand import ByHand
from meshplane.services.lake.checking import DriftCases
from meshplane.services.lake.compiled import CompiledGrants
from meshplane.services.lake.filters import DataFilters
from meshplane.services.lake.locations import Locations
from meshplane.services.lake.policy_schemas import (
    AssignmentQuery,
    DataFilterBody,
    DataFilterView,
    ExpressionBody,
    ExpressionView,
    LfTagView,
    NewTagMask,
    TagAssigning,
    TagAssignmentsView,
    TagMaskQuery,
    TagMaskView,
    TagValues,
)
from meshplane.services.lake.schemas import (
    CompiledQuery,
    CompiledView,
    DriftCheckView,
    DriftPolicyBody,
    DriftPolicyView,
    DriftQuery,
    DriftView,
    LakeEntryView,
    LakeGrantEdit,
    LakeGrantRemoval,
    LocationQuery,
    LocationView,
    NewLakeGrant,
    NewLocation,
    NewReconciliation,
    ReconcileQuery,
    ReconciliationView,
)
from meshplane.services.lake.tags import Tags


def drift_routes(drift: DriftCases, boundary: Boundary) -> list[OperationRoute]:
    """Drift, reconciliation, and policies on drift."""
    operations = Operations(boundary)

    @operations.read("/lake/drift", "getLakeDrift")
    async def get_lake_drift(call: Call, query: DriftQuery) -> DriftView:
        return await drift.show(call, query)

    @operations.write("POST", "/lake/drift/check", "checkLakeDrift")
    async def check_lake_drift(call: Call) -> DriftCheckView:
        return await drift.check(call)

    @operations.write("POST", "/lake/reconcile", "reconcileLake")
    async def reconcile_lake(
        call: Call, body: NewReconciliation, query: ReconcileQuery
    ) -> ReconciliationView:
        return await drift.reconcile(call, body, query)

    @operations.read("/lake/reconciliations", "listReconciliations")
    async def list_reconciliations(call: Call, query: PageQuery) -> Page[ReconciliationView]:
        return await drift.list(call, query)

    @operations.read("/lake/reconciliations/{reconciliation_id}", "getReconciliation")
    async def get_reconciliation(call: Call, reconciliation_id: str) -> ReconciliationView:
        return await drift.get(call, reconciliation_id)

    @operations.write("PUT", "/lake/drift-policies/{domain_id}", "putDriftPolicy")
    async def put_drift_policy(
        call: Call, domain_id: str, body: DriftPolicyBody
    ) -> DriftPolicyView:
        return await drift.put_policy(call, domain_id, body)

    @operations.read("/lake/drift-policies/{domain_id}", "getDriftPolicy")
    async def get_drift_policy(call: Call, domain_id: str) -> DriftPolicyView:
        return await drift.get_policy(call, domain_id)

    return operations.routes


def grant_routes(
    by_hand: ByHand, compiled: CompiledGrants, locations: Locations, boundary: Boundary
) -> list[OperationRoute]:
    """The lake's own grants, what grants compile to, and locations."""
    operations = Operations(boundary)

    @operations.read("/lake/grants", "listLakeGrants")
    async def list_lake_grants(call: Call, query: PageQuery) -> Page[LakeEntryView]:
        return await by_hand.list(call, query)

    @operations.write("POST", "/lake/grants", "putLakeGrant")
    async def put_lake_grant(call: Call, body: NewLakeGrant) -> LakeGrantEdit:
        return await by_hand.put(call, body)

    @operations.write("POST", "/lake/grants/remove", "removeLakeGrant")
    async def remove_lake_grant(call: Call, body: LakeGrantRemoval) -> LakeGrantEdit:
        return await by_hand.remove(call, body)

    @operations.read("/lake/compiled/{grant_id}", "getCompiledGrant")
    async def get_compiled_grant(call: Call, grant_id: str, query: CompiledQuery) -> CompiledView:
        return await compiled.show(call, grant_id, query)

    @operations.read("/lake/locations", "listLocations")
    async def list_locations(call: Call, query: LocationQuery) -> Page[LocationView]:
        return await locations.list(call, query)

    @operations.write("POST", "/lake/locations", "registerLocation", status=201)
    async def register_location(call: Call, body: NewLocation) -> LocationView:
        return await locations.register(call, body)

    @operations.write("DELETE", "/lake/locations/{location_id}", "removeLocation")
    async def remove_location(call: Call, location_id: str) -> None:
        return await locations.remove(call, location_id)

    return operations.routes


def policy_routes(tags: Tags, filters: DataFilters, boundary: Boundary) -> list[OperationRoute]:
    """Tags, their masks and expressions, and data filters."""
    operations = Operations(boundary)
    _declare_tags(operations, tags)
    _declare_expressions(operations, tags)

    @operations.read("/lake/data-filters/{asset_id}", "listDataFilters")
    async def list_data_filters(
        call: Call, asset_id: str, query: PageQuery
    ) -> Page[DataFilterView]:
        return await filters.list(call, asset_id, query)

    @operations.write("PUT", "/lake/data-filters/{asset_id}/{name}", "putDataFilter")
    async def put_data_filter(
        call: Call, asset_id: str, name: str, body: DataFilterBody
    ) -> DataFilterView:
        return await filters.put(call, asset_id, name, body)

    @operations.write("DELETE", "/lake/data-filters/{asset_id}/{name}", "deleteDataFilter")
    async def delete_data_filter(call: Call, asset_id: str, name: str) -> None:
        return await filters.delete(call, asset_id, name)

    return operations.routes


def _declare_tags(operations: Operations, tags: Tags) -> None:
    @operations.read("/lake/lf-tags", "listLfTags")
    async def list_lf_tags(call: Call, query: PageQuery) -> Page[LfTagView]:
        return await tags.list(call, query)

    @operations.write("PUT", "/lake/lf-tags/{key}", "putLfTag")
    async def put_lf_tag(call: Call, key: str, body: TagValues) -> LfTagView:
        return await tags.put(call, key, body)

    @operations.write("DELETE", "/lake/lf-tags/{key}", "deleteLfTag")
    async def delete_lf_tag(call: Call, key: str) -> None:
        return await tags.delete(call, key)

    @operations.read("/lake/lf-tag-assignments", "listLfTagAssignments")
    async def list_lf_tag_assignments(call: Call, query: AssignmentQuery) -> TagAssignmentsView:
        return await tags.assigned(call, query)

    @operations.write("POST", "/lake/lf-tag-assignments", "assignLfTags")
    async def assign_lf_tags(call: Call, body: TagAssigning) -> TagAssignmentsView:
        return await tags.assign(call, body)


def _declare_expressions(operations: Operations, tags: Tags) -> None:
    @operations.read("/lake/lf-tag-masks", "listLfTagMasks")
    async def list_lf_tag_masks(call: Call, query: PageQuery) -> Page[TagMaskView]:
        return await tags.masks(call, query)

    @operations.write("PUT", "/lake/lf-tag-masks", "putLfTagMask")
    async def put_lf_tag_mask(call: Call, body: NewTagMask) -> TagMaskView:
        return await tags.put_mask(call, body)

    @operations.write("DELETE", "/lake/lf-tag-masks/{key}/{value}", "deleteLfTagMask")
    async def delete_lf_tag_mask(call: Call, key: str, value: str, query: TagMaskQuery) -> None:
        return await tags.delete_mask(call, key, value, query)

    @operations.read("/lake/lf-tag-expressions", "listLfTagExpressions")
    async def list_lf_tag_expressions(call: Call, query: PageQuery) -> Page[ExpressionView]:
        return await tags.expressions(call, query)

    @operations.write("PUT", "/lake/lf-tag-expressions/{name}", "putLfTagExpression")
    async def put_lf_tag_expression(call: Call, name: str, body: ExpressionBody) -> ExpressionView:
        return await tags.put_expression(call, name, body)

    @operations.write("DELETE", "/lake/lf-tag-expressions/{name}", "deleteLfTagExpression")
    async def delete_lf_tag_expression(call: Call, name: str) -> None:
        return await tags.delete_expression(call, name)
