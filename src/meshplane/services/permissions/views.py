"""Grants as HTTP shows them."""

from typing import Any

from meshplane.kit.clock import Clock
from meshplane.services.permissions.effective import Effective, EffectiveColumn
from meshplane.services.permissions.explaining import Explanation
from meshplane.services.permissions.grant_rows import in_force
from meshplane.services.permissions.masks import MaskRule
from meshplane.services.permissions.model import Grant, Target, in_order
from meshplane.services.permissions.schemas import (
    BrokenView,
    ColumnReasonView,
    EffectiveColumnView,
    EffectiveView,
    ExplanationView,
    GrantView,
    MaskBody,
    RightView,
    RowsView,
    SeenView,
    VerdictView,
)


def mask_view(mask: MaskRule) -> MaskBody:
    """A mask with the members that belong to its kind."""
    return MaskBody.model_validate(mask.to_json())


def resource_view(target: Target) -> dict[str, Any]:
    """What a grant is on, as a request to grant writes it."""
    asset = {"assetId": target.asset_id}
    match target.kind:
        case "table" | "rows":
            return {target.kind: asset}
        case "columns":
            if target.included is not None:
                return {"columns": {**asset, "included": list(target.included)}}
            return {"columns": {**asset, "excluded": list(target.excluded or ())}}
        case "filter":
            return {"filter": {**asset, "name": target.filter_name}}
        case "database":
            return {"database": {"domainId": target.domain_id}}
        case "tables":
            return {"allTables": {"domainId": target.domain_id}}
        case "location":
            return {"location": {"domainId": target.domain_id, "path": target.path}}
        case "tags":
            terms = [{"key": key, "values": list(values)} for key, values in target.expression]
            tags: dict[str, Any] = {"resourceType": target.resource_type, "expression": terms}
            if target.domain_id is not None:
                tags["domainId"] = target.domain_id
            return {"tags": tags}


def grant_view(grant: Grant, clock: Clock) -> GrantView:
    """A grant."""
    own = {column.name: column.mask for column in grant.columns if column.mask is not None}
    masks = own if grant.target.kind == "rows" else grant.masks
    return GrantView(
        grant_id=grant.grant_id,
        principal=grant.principal,
        resource=resource_view(grant.target),
        asset_id=grant.target.asset_id,
        domain_id=grant.domain_id,
        permissions=in_order(grant.permissions),
        permissions_with_grant_option=in_order(grant.grantable),
        row_filter=grant.row_filter.text if grant.row_filter else None,
        columns=_columns(grant),
        masks={name: mask_view(mask) for name, mask in masks.items()},
        excluded_columns=list(grant.target.excluded or grant.excluded_columns),
        expires_at=grant.expires_at,
        subscription_id=grant.subscription_id,
        granted_by=grant.granted_by,
        granted_at=grant.granted_at,
        reason=grant.reason,
        on_aws=grant.on_aws,
        lake_state=grant.lake_state,
        lake_reason=grant.lake_reason,
        status="active" if in_force(grant, clock) else "expired",
    )


def _columns(grant: Grant) -> list[str]:
    if grant.target.kind == "rows":
        return [column.name for column in grant.columns]
    return list(grant.target.included or ())


def effective_view(principal: str, asset_id: str, owns: bool, found: Effective) -> EffectiveView:
    """What a principal may do with an asset."""
    held = {
        *(grant_id for ids in found.rights.values() for grant_id in ids),
        *(one.grant_id for one in found.broken),
    }
    return EffectiveView(
        principal=principal,
        asset_id=asset_id,
        owns=owns,
        columns=[_column(column, owns) for column in found.columns],
        row_filters=[] if owns else list(found.row_filters),
        all_rows=owns or found.all_rows,
        rows=[
            RowsView(
                grant_id=scope.grant_id,
                row_filter=scope.filter.text if scope.filter else None,
                columns={
                    name: mask_view(mask) if mask else None for name, mask in scope.columns.items()
                },
            )
            for scope in found.scopes
        ],
        permissions=[
            RightView(
                permission=permission,
                grants=list(found.rights[permission]),
                grantable_by=list(found.grantable.get(permission, ())),
            )
            for permission in in_order(found.rights)
        ],
        broken=[BrokenView(grant_id=one.grant_id, why=one.why) for one in found.broken],
        grants=sorted(held),
    )


def explanation_view(principal: str, asset_id: str, found: Explanation) -> ExplanationView:
    """Why a principal sees an asset as he does."""
    return ExplanationView(
        principal=principal,
        asset_id=asset_id,
        grants=[
            VerdictView(
                grant_id=one.grant_id,
                principal=one.principal,
                target=one.target,
                verdict=one.outcome,
                applies=one.applies,
                sentence=one.sentence,
            )
            for one in found.verdicts
        ],
        columns=[
            ColumnReasonView(
                name=one.name,
                access="excluded" if one.access == "hidden" else one.access,
                mask=mask_view(one.mask) if one.mask else None,
                sentence=one.sentence,
            )
            for one in found.columns
        ],
        conclusion=list(found.conclusion),
    )


def seen_view(found: Effective) -> SeenView:
    """What a principal may do with an asset, in short."""
    return SeenView(
        permissions=in_order(found.rights),
        columns=[_column(column, owns=False) for column in found.columns],
        row_filters=list(found.row_filters),
        all_rows=found.all_rows,
    )


def _column(column: EffectiveColumn, owns: bool) -> EffectiveColumnView:
    if owns:
        return EffectiveColumnView(name=column.name, access="plain")
    return EffectiveColumnView(
        name=column.name,
        access="excluded" if column.access == "hidden" else column.access,
        mask=mask_view(column.mask) if column.mask else None,
        grants=list(column.grants),
    )
