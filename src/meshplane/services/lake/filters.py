"""Use cases: data filters of assets. The state is permissions', which decides by it."""

from pydantic import TypeAdapter, ValidationError

from meshplane.boundary.call import Call
from meshplane.boundary.schemas import Page, PageQuery, SqlName
from meshplane.kit.errors import Invalid
from meshplane.services.assets.api import AssetsApi
from meshplane.services.lake.checking import itself
from meshplane.services.lake.policy_schemas import DataFilterBody, DataFilterView
from meshplane.services.lake.tags import allow_on_asset
from meshplane.services.permissions.api import DataFilter, PermissionsApi, RowFilter

_NAME: TypeAdapter[str] = TypeAdapter(SqlName)


class DataFilters:
    """Data filters.

    Args:
        permissions, assets: the services below.
    """

    def __init__(self, permissions: PermissionsApi, assets: AssetsApi) -> None:
        self._permissions = permissions
        self._assets = assets

    async def list(self, call: Call, asset_id: str, query: PageQuery) -> Page[DataFilterView]:
        """The data filters of an asset, by name.

        Raises:
            Missing: ASSET_NOT_FOUND.
        """
        await allow_on_asset(call, self._assets, asset_id)
        page = await self._permissions.filters(itself(call), asset_id, query.limit, query.cursor)
        return Page[DataFilterView](
            items=[_view(one) for one in page.filters], next_cursor=page.cursor
        )

    async def put(
        self, call: Call, asset_id: str, name: str, body: DataFilterBody
    ) -> DataFilterView:
        """Makes a data filter, or changes it for everyone who holds a grant on it.

        Raises:
            Missing: ASSET_NOT_FOUND.
            Invalid: DATA_FILTER_INVALID, COLUMN_UNKNOWN, ROW_FILTER_INVALID.
        """
        await allow_on_asset(call, self._assets, asset_id)
        wanted = DataFilter(
            asset_id,
            _name(name),
            None if body.row_filter is None else RowFilter(body.row_filter),
            None if body.included_columns is None else tuple(body.included_columns),
            None if body.excluded_columns is None else tuple(body.excluded_columns),
        )
        kept = await self._permissions.put_filter(itself(call), wanted)
        call.note(filter=name)
        return _view(kept)

    async def delete(self, call: Call, asset_id: str, name: str) -> None:
        """Removes a data filter that no grant is on.

        Raises:
            Missing: ASSET_NOT_FOUND, DATA_FILTER_NOT_FOUND.
            Conflict: DATA_FILTER_IN_USE.
        """
        await allow_on_asset(call, self._assets, asset_id)
        await self._permissions.delete_filter(itself(call), asset_id, name)
        call.note(filter=name)


def _name(text: str) -> str:
    try:
        return _NAME.validate_python(text)
    except ValidationError:
        raise Invalid(
            "DATA_FILTER_INVALID",
            "Name it in lower-case letters, digits and underscores, a letter first.",
            field="name",
        ) from None


def _view(found: DataFilter) -> DataFilterView:
    return DataFilterView(
        asset_id=found.asset_id,
        name=found.name,
        row_filter=None if found.row_filter is None else found.row_filter.text,
        included_columns=None if found.included is None else list(found.included),
        excluded_columns=None if found.excluded is None else list(found.excluded),
        version=found.version,
    )
