"""What an approval grants: checked rows, masks and columns of an asset."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from meshplane.boundary.actor import Actor
from meshplane.kit.clock import from_text, to_text
from meshplane.kit.errors import FieldProblem, Invalid
from meshplane.services.assets.api import AssetSummary
from meshplane.services.permissions.api import (
    FilterColumn,
    Grant,
    GrantedColumn,
    MaskRule,
    PermissionsApi,
    RowFilter,
    Target,
)
from meshplane.services.query.api import QueryApi
from meshplane.services.subscriptions.narrowing import Narrowing
from meshplane.services.subscriptions.route import LEVELS, strictest
from meshplane.services.subscriptions.schemas import Approval, MaskChoice, ScopeView
from meshplane.services.tables.api import ColumnSummary, ExternalSource, TablesApi

GRANTED = frozenset({"SELECT", "DESCRIBE"})
"""What a subscription permits."""

_CLASSIFICATION = "classification"


@dataclass(frozen=True, slots=True)
class Product:
    """An asset with the columns that its table has now.

    Args:
        asset: as it is published.
        columns: those of its table, by name.
        tagged: the classifications that tags say, by column; "" is the whole asset.
        source: the engine that keeps its table, if that is not the lake.
    """

    asset: AssetSummary
    columns: Mapping[str, ColumnSummary]
    tagged: Mapping[str, str] = field(default_factory=dict)
    source: ExternalSource | None = None


class Checks:
    """Checks what is asked for and granted against the asset's table.

    Args:
        tables, query, permissions: the services below.
    """

    def __init__(self, tables: TablesApi, query: QueryApi, permissions: PermissionsApi) -> None:
        self._tables = tables
        self._query = query
        self._permissions = permissions

    async def product(self, actor: Actor, asset: AssetSummary) -> Product:
        """The asset with its table's columns, and what tags classify of it."""
        table = await self._tables.find(actor, asset.table_id)
        columns = {column.name: column for column in table.columns} if table else {}
        tags = await self._permissions.assigned(actor, f"asset:{asset.asset_id}")
        tagged = {one.column: one.value for one in tags if one.key == _CLASSIFICATION}
        return Product(asset, columns, tagged, table.source if table else None)

    async def row_filter(
        self, actor: Actor, expression: str | None, product: Product
    ) -> RowFilter | None:
        """A row filter over the asset's table, in canonical text with the columns that it names.

        Raises:
            Invalid: ROW_FILTER_INVALID.
        """
        if expression is None:
            return None
        columns = [
            FilterColumn(one.name, one.field_id, one.sql_type) for one in product.columns.values()
        ]
        return await self._query.check_row_filter(actor, expression, columns, product.source)

    async def wished_filter(
        self, actor: Actor, expression: str | None, product: Product
    ) -> RowFilter | None:
        """As `row_filter`, over the columns that the asset lists: whoever asks learns of no other.

        Raises:
            Invalid: ROW_FILTER_INVALID.
        """
        listed = {column.name for column in product.asset.columns}
        columns = {name: column for name, column in product.columns.items() if name in listed}
        return await self.row_filter(actor, expression, replace(product, columns=columns))


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
        FieldProblem(f"{field}.{place}", "is no column of the asset")
        for place, name in enumerate(names)
        if name not in known
    ]
    if problems:
        raise Invalid(
            "COLUMN_UNKNOWN",
            f"{asset.domain_name}.{asset.name} has no such column: the errors say which.",
            fields=problems[:20],
        )


def level_of(product: Product, columns: Sequence[str] | None, row_filter: RowFilter | None) -> str:
    """The strictest classification of what is asked for; see `route`.

    A tag makes the asset or a column stricter than it is classified, and never more open. A
    condition on a column that the asset does not list is as strict as can be: nobody has said what
    that column is.
    """
    asset, tagged = product.asset, product.tagged
    listed = {column.name: column.classification for column in asset.columns}
    named = {column.name for column in row_filter.columns} if row_filter else set()
    asked = {*listed} if columns is None else {*columns, *named}
    return strictest(
        [
            asset.classification,
            *(level for name, level in listed.items() if name in asked),
            *(level for name, level in tagged.items() if name == "" or name in asked),
            *(LEVELS[-1] for _ in named - {*listed}),
        ]
    )


def narrowing_of(
    product: Product,
    requested: Sequence[str] | None,
    approval: Approval,
    row_filter: RowFilter | None,
    ends: str | None,
) -> Narrowing:
    """What an approver takes away, checked on its own.

    Raises:
        Invalid: COLUMN_UNKNOWN, MASK_INVALID, NOTHING_GRANTED.
    """
    asset = product.asset
    demand_columns(approval.excluded_columns, asset, "excludedColumns")
    demand_columns(list(approval.masks), asset, "masks")
    rules = {name: _rule(name, choice) for name, choice in approval.masks.items()}
    excluded = frozenset(approval.excluded_columns)
    wanted = set(_wanted(product, requested)) - excluded
    if not wanted:
        raise nothing_granted()
    if product.source is not None and wanted <= {n for n, it in rules.items() if it.kind != "none"}:
        raise _misfit(min(wanted), "leaves nothing: Redshift leaves out what is masked")
    for name, rule in rules.items():
        problem = (
            rule.problem(product.columns[name].sql_type)
            if name in wanted
            else "is for a column that would not be granted"
        )
        if problem is not None:
            raise _misfit(name, problem)
    return Narrowing(row_filter.text if row_filter else None, rules, excluded, ends)


def granted_columns(
    product: Product, requested: Sequence[str] | None, narrowing: Narrowing
) -> tuple[GrantedColumn, ...]:
    """The columns that are granted, with their masks and what they are now.

    Raises:
        Invalid: NOTHING_GRANTED.
    """
    columns = tuple(
        GrantedColumn(name, narrowing.masks.get(name), product.columns[name].field_id)
        for name in _wanted(product, requested)
        if name not in narrowing.excluded_columns
    )
    if not columns:
        raise nothing_granted()
    return columns


def nothing_granted() -> Invalid:
    """The error for an approval that leaves nothing to read."""
    return Invalid(
        "NOTHING_GRANTED", "No column would be left: reject it.", field="excludedColumns"
    )


def _wanted(product: Product, requested: Sequence[str] | None) -> list[str]:
    """The columns that were asked for and that the table still has, in the asset's order."""
    asked = None if requested is None else set(requested)
    return [
        column.name
        for column in product.asset.columns
        if (asked is None or column.name in asked) and column.name in product.columns
    ]


_MEMBERS: Mapping[str, frozenset[str]] = {
    "constant": frozenset({"value"}),
    "partial": frozenset({"keep_first", "keep_last", "fill"}),
    "truncate": frozenset({"unit"}),
    "round": frozenset({"digits"}),
}


def _rule(name: str, choice: MaskChoice) -> MaskRule:
    """The mask that was chosen for a column.

    Raises:
        Invalid: MASK_INVALID, it lacks what its kind needs, or holds what is another's.
    """
    members = choice.model_dump(exclude={"kind"}, exclude_none=True)
    if choice.kind == "constant" and choice.value is None:
        raise _misfit(f"{name}.value", "a constant mask has a value")
    for stray in sorted(set(members) - _MEMBERS.get(choice.kind, frozenset())):
        raise _misfit(f"{name}.{stray}", "does not fit the kind of mask")
    return MaskRule(choice.kind, **members)


def _misfit(place: str, problem: str) -> Invalid:
    return Invalid(
        "MASK_INVALID",
        "A mask does not fit what would be granted.",
        fields=[FieldProblem(f"masks.{place}", problem)],
    )


def grant_of(item: Mapping[str, Any]) -> Grant:
    """The grant that fulfils an approved subscription, from its row."""
    grant = item["grant"]
    row_filter = grant["rowFilter"]
    return Grant(
        grant_id=item["grantId"],
        principal=subscriber_of(item),
        target=Target("rows", asset_id=item["assetId"]),
        permissions=GRANTED,
        domain_id=item["domainId"],
        row_filter=RowFilter.from_json(row_filter) if row_filter else None,
        columns=tuple(GrantedColumn.from_json(column) for column in grant["columns"]),
        excluded_columns=tuple(grant["excludedColumns"]),
        expires_at=item["expiresAt"],
        subscription_id=item["requestId"],
        granted_by=item["decidedBy"] or "",
        granted_at=item["decidedAt"] or "",
        reason=item["decisionReason"] or "",
    )


def subscriber_of(item: Mapping[str, Any]) -> str:
    """Who reads: `project:…` or `user:…`."""
    given: str | None = item.get("subscriber")
    return given or f"project:{item['projectId']}"


def scope_view(item: Mapping[str, Any]) -> ScopeView | None:
    """The granted scope of a subscription's row, for HTTP."""
    grant = item["grant"]
    if grant is None:
        return None
    row_filter = grant["rowFilter"]
    masks = {column["name"]: column["mask"] for column in grant["columns"] if column.get("mask")}
    return ScopeView.model_validate(
        {
            "rowFilter": RowFilter.from_json(row_filter).text if row_filter else None,
            "masks": masks,
            "excludedColumns": list(grant["excludedColumns"]),
        }
    )
