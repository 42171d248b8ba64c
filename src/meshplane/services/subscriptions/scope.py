"""What an approval grants: checked rows, masks and columns of an asset."""

from collections.abc import Sequence
from datetime import datetime

from meshplane.boundary.actor import Actor
from meshplane.kit.clock import from_text, to_text
from meshplane.kit.errors import FieldProblem, Invalid
from meshplane.services.assets.api import AssetSummary
from meshplane.services.permissions.api import Grant, GrantedColumn, MaskRule
from meshplane.services.query.api import FilterColumn, QueryApi
from meshplane.services.subscriptions.schemas import Approval, ScopeView
from meshplane.services.tables.api import TablesApi


def expiry(text: str | None, now: datetime) -> str | None:
    """An end date as rows hold it.

    Raises:
        Invalid: EXPIRY_INVALID, no RFC 3339 instant, or one that has passed.
    """
    if text is None:
        return None
    try:
        instant = from_text(text)
    except ValueError:
        instant = None
    if instant is None or instant <= now:
        raise Invalid(
            "EXPIRY_INVALID",
            "Write the end as an RFC 3339 instant to come, such as 2027-01-31T00:00:00Z.",
            field="expiresAt",
        )
    return to_text(instant)


def demand_columns(names: Sequence[str], asset: AssetSummary, field: str) -> None:
    """Demands that the asset has all these columns.

    Raises:
        Invalid: COLUMN_UNKNOWN.
    """
    known = {column.name for column in asset.columns}
    problems = [
        FieldProblem(f"{field}.{position}", "is no column of the asset")
        for position, name in enumerate(names)
        if name not in known
    ]
    if problems:
        raise Invalid("COLUMN_UNKNOWN", "The asset has no such column.", fields=problems[:20])


async def checked_filter(
    actor: Actor, expression: str | None, asset: AssetSummary, tables: TablesApi, query: QueryApi
) -> str | None:
    """The canonical text of a row filter over the asset's table.

    Raises:
        Invalid: ROW_FILTER_INVALID.
    """
    if expression is None:
        return None
    table = await tables.find(actor, asset.table_id)
    columns = [FilterColumn(c.name, c.field_id, c.sql_type) for c in table.columns] if table else []
    return await query.check_row_filter(actor, expression, columns)


def granted_columns(
    asset: AssetSummary, requested: Sequence[str] | None, approval: Approval
) -> tuple[GrantedColumn, ...]:
    """The columns that an approval grants, with their masks.

    Raises:
        Invalid: COLUMN_UNKNOWN, MASK_INVALID, NOTHING_GRANTED.
    """
    demand_columns(approval.excluded_columns, asset, "excludedColumns")
    demand_columns(list(approval.masks), asset, "masks")
    for name, mask in approval.masks.items():
        if (mask.kind == "constant") != (mask.value is not None):
            raise Invalid(
                "MASK_INVALID",
                "A constant mask has a value; other masks have none.",
                fields=[FieldProblem(f"masks.{name}.value", "does not fit the kind")],
            )
    wanted = set(requested) if requested is not None else {c.name for c in asset.columns}
    wanted -= set(approval.excluded_columns)
    if not wanted:
        raise Invalid(
            "NOTHING_GRANTED", "No column would be left: reject it.", field="excludedColumns"
        )
    _demand_masks_of(wanted, asset, approval)
    rules = {name: MaskRule(mask.kind, mask.value) for name, mask in approval.masks.items()}
    return tuple(
        GrantedColumn(column.name, rules.get(column.name))
        for column in asset.columns
        if column.name in wanted
    )


def _demand_masks_of(wanted: set[str], asset: AssetSummary, approval: Approval) -> None:
    """Demands that each mask is for a granted column, and a constant for one of text."""
    text = {column.name for column in asset.columns if column.type == "string"}
    for name, mask in approval.masks.items():
        if name not in wanted:
            problem = "is for a column that would not be granted"
        elif mask.kind == "constant" and name not in text:
            problem = "a constant takes the place of text only; use null"
        else:
            continue
        raise Invalid(
            "MASK_INVALID",
            "A mask does not fit what would be granted.",
            fields=[FieldProblem(f"masks.{name}", problem)],
        )


def grant_of(request_id: str, item: dict[str, object]) -> Grant:
    """The grant that fulfils an approved subscription, from its row."""
    grant = item["grant"]
    assert isinstance(grant, dict)  # noqa: S101 - written by this service
    return Grant(
        grant_id=str(item["grantId"]),
        principal=f"project:{item['projectId']}",
        asset_id=str(item["assetId"]),
        domain_id=str(item["domainId"]),
        row_filter=grant["rowFilter"],
        columns=tuple(
            GrantedColumn(column["name"], MaskRule(**column["mask"]) if column["mask"] else None)
            for column in grant["columns"]
        ),
        excluded_columns=tuple(grant["excludedColumns"]),
        expires_at=item["expiresAt"],  # type: ignore[arg-type]
        subscription_id=request_id,
    )


def scope_view(item: dict[str, object]) -> ScopeView | None:
    """The granted scope of a subscription's row, for HTTP."""
    grant = item["grant"]
    if not isinstance(grant, dict):
        return None
    masks = {column["name"]: column["mask"] for column in grant["columns"] if column["mask"]}
    return ScopeView.model_validate(
        {
            "rowFilter": grant["rowFilter"],
            "masks": masks,
            "excludedColumns": list(grant["excludedColumns"]),
        }
    )
