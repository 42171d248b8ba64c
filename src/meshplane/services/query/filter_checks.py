"""Row filters that others keep: checked against their table, and written in one spelling."""

import asyncio
from collections.abc import Sequence

from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call
from meshplane.boundary.operation import OperationRoute, Operations
from meshplane.boundary.schemas import ApiModel, Id
from meshplane.kit.errors import Invalid
from meshplane.policy.model import Resource
from meshplane.services.assets.api import AssetsApi, no_such_asset
from meshplane.services.permissions.api import FilterColumn, RowFilter
from meshplane.services.query.sandbox import Column, Sandbox
from meshplane.services.query.schemas import SqlText
from meshplane.services.tables.api import ExternalSource, TablesApi


class FilterToCheck(ApiModel):
    """A condition over the columns of an asset's table.

    Besides what any condition may hold it may ask about whoever queries: `current_principal()` is
    his name as `user:…`, `in_group('name')` whether he is in that group.
    """

    asset_id: Id
    expression: SqlText


class NamedColumn(ApiModel):
    """A column that a row filter names; `sqlType` is DuckDB's."""

    name: str
    field_id: int
    sql_type: str


class CheckedFilterView(ApiModel):
    """A row filter that fits its table, as it is kept, and the columns that it names."""

    expression: str
    columns: list[NamedColumn]


class FilterChecks:
    """Checks row filters.

    Args:
        sandbox: whose engine parses and binds them.
        assets, tables: the services below, for the columns of an asset.
    """

    def __init__(self, sandbox: Sandbox, assets: AssetsApi, tables: TablesApi) -> None:
        self._sandbox = sandbox
        self._assets = assets
        self._tables = tables

    async def check(self, call: Call, body: FilterToCheck) -> CheckedFilterView:
        """The filter in canonical text, over the columns that the asset's table has now.

        Raises:
            Invalid: ROW_FILTER_INVALID, with what to change.
            Missing: ASSET_NOT_FOUND.
        """
        asset = await self._assets.find(call.actor, body.asset_id)
        if asset is None:
            raise no_such_asset()
        resource = Resource("Asset", asset.asset_id, asset.domain_id, asset.project_id)
        await call.allow(resource, hide=None if asset.is_published else no_such_asset())
        table = await self._tables.find(call.actor, asset.table_id)
        columns = table.columns if table else ()
        named = [FilterColumn(c.name, c.field_id, c.sql_type) for c in columns]
        try:
            found = await self.checked(body.expression, named, table.source if table else None)
        except Invalid as error:
            raise Invalid(error.code, error.message, field="expression") from error
        return CheckedFilterView(
            expression=found.text,
            columns=[
                NamedColumn(name=c.name, field_id=c.field_id, sql_type=c.sql_type)
                for c in found.columns
            ],
        )

    async def checked(
        self,
        expression: str,
        columns: Sequence[FilterColumn],
        source: ExternalSource | None = None,
    ) -> RowFilter:
        """See `QueryApi.check_row_filter`."""
        found = await self._sandbox.read_row_filter(
            expression, [Column(c.name, c.field_id, c.sql_type) for c in columns]
        )
        named = (FilterColumn(c.name, c.field_id, c.sql_type) for c in found.columns)
        row_filter = RowFilter(found.text, tuple(named))
        if source is not None:
            await asyncio.to_thread(_demand_carried, row_filter, source)
        return row_filter


def _demand_carried(row_filter: RowFilter, source: ExternalSource) -> None:
    """Demands that the engine which keeps the table can be told a filter.

    Raises:
        Invalid: ROW_FILTER_INVALID.
    """
    from meshplane.services.query.aws_redshift_filters import said
    from meshplane.services.query.aws_redshift_words import CannotSay

    try:
        said((row_filter.text,), dict(source.types))
    except CannotSay as error:
        raise Invalid(
            "ROW_FILTER_INVALID",
            f"The table is kept by Redshift, which cannot be told this: {error}. Write comparisons "
            "of a column with constants, IN, BETWEEN, LIKE or IS NULL, joined by AND, OR and NOT.",
            field="rowFilter",
        ) from error


def filter_routes(checks: FilterChecks, boundary: Boundary) -> list[OperationRoute]:
    """The route that checks a row filter."""
    operations = Operations(boundary)

    @operations.write("POST", "/query/check-filter", "checkRowFilter")
    async def check_row_filter(call: Call, body: FilterToCheck) -> CheckedFilterView:
        return await checks.check(call, body)

    return operations.routes
