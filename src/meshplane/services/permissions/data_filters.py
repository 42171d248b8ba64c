"""Data filters: named pieces of a table, by rows and columns, that grants may be on.

A filter's condition is checked against the table when it is put, and kept parsed. A filter that
changes, changes for everyone who holds a grant on it; one that somebody holds a grant on does not
go away.
"""

from dataclasses import replace

from meshplane.boundary.actor import Actor
from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call
from meshplane.events.permissions import DataFilterChanged
from meshplane.kit.errors import BaseMoved, Conflict, FieldProblem, Invalid, MeshplaneError, Missing
from meshplane.platform.store import ABSENT, Store, UnitOfWork
from meshplane.policy.model import MESH
from meshplane.services.permissions import history
from meshplane.services.permissions.api import DataFilter, FilterPage
from meshplane.services.permissions.pinning import pinned_filter
from meshplane.services.permissions.policy_state import rows_of
from meshplane.services.permissions.ports import Schemas
from meshplane.services.permissions.store import DATA_FILTERS, GRANTS
from meshplane.services.permissions.wording import listed

MOST_FILTERS = 100
"""The most data filters of an asset."""

_MOST_GRANTS_TOLD = 20


class DataFilterKeeping:
    """The part of `PermissionsApi` that keeps data filters; see there.

    Args:
        boundary: commits.
        store: to read from.
        schemas: says what an asset's columns are, and checks conditions.
    """

    def __init__(self, boundary: Boundary, store: Store, schemas: Schemas) -> None:
        self._boundary = boundary
        self._store = store
        self._schemas = schemas

    async def put_filter(self, actor: Actor, data_filter: DataFilter) -> DataFilter:
        """See `PermissionsApi.put_filter`.

        Raises:
            Missing: ASSET_NOT_FOUND.
            Invalid: COLUMN_UNKNOWN, DATA_FILTER_INVALID, ROW_FILTER_INVALID.
            Conflict: DATA_FILTERS_TOO_MANY.
        """
        checked = await self._checked(actor, data_filter)

        async def put(call: Call) -> DataFilter:
            await call.allow(MESH)
            call.resource = f"DataFilter:{checked.asset_id}/{checked.name}"
            row = await call.work.get(DATA_FILTERS, checked.asset_id, checked.name)
            if row is None:
                await _demand_room(call.work, checked.asset_id)
            kept = replace(checked, version=row.version + 1 if row else 1)
            call.work.put(
                DATA_FILTERS,
                kept.to_json(),
                expected=row.version if row else ABSENT,
                otherwise=_moved(),
            )
            history.note(call, f"asset:{kept.asset_id}", "filterPut", kept.to_json())
            _tell(call, kept.asset_id, kept.name, "put")
            return kept

        return await self._boundary.write("putDataFilter", actor, put)

    async def delete_filter(self, actor: Actor, asset_id: str, name: str) -> None:
        """See `PermissionsApi.delete_filter`."""

        async def delete(call: Call) -> None:
            await call.allow(MESH)
            call.resource = f"DataFilter:{asset_id}/{name}"
            row = await call.work.get(DATA_FILTERS, asset_id, name)
            if row is None:
                raise no_such_filter()
            await _demand_unused(call.work, asset_id, name)
            call.work.delete(DATA_FILTERS, asset_id, name, expected=row.version, otherwise=_moved())
            gone = {"assetId": asset_id, "name": name}
            history.note(call, f"asset:{asset_id}", "filterDeleted", gone)
            _tell(call, asset_id, name, "deleted")

        await self._boundary.write("deleteDataFilter", actor, delete)

    async def filters(
        self, actor: Actor, asset_id: str, limit: int, cursor: str | None
    ) -> FilterPage:
        """See `PermissionsApi.filters`."""
        page = await self._store.begin().query(DATA_FILTERS, asset_id, limit=limit, cursor=cursor)
        return FilterPage(tuple(DataFilter.from_json(row.item) for row in page.rows), page.cursor)

    async def _checked(self, actor: Actor, wanted: DataFilter) -> DataFilter:
        """The filter with its condition in canonical form and its columns by their identity."""
        if wanted.included is not None and wanted.excluded is not None:
            raise Invalid(
                "DATA_FILTER_INVALID",
                "Name the columns to include, or those to exclude, and not both.",
                field="excludedColumns",
            )
        found = await self._schemas.asset(actor, wanted.asset_id)
        if found is None:
            raise Missing("ASSET_NOT_FOUND", "There is no asset with this id.", field="assetId")
        known = {column.name for column in found.asset.columns}
        part = "includedColumns" if wanted.included is not None else "excludedColumns"
        named = wanted.included or wanted.excluded or ()
        wrong = [(place, name) for place, name in enumerate(named) if name not in known]
        if wrong:
            raise Invalid(
                "COLUMN_UNKNOWN",
                f"The asset has no column {wrong[0][1]}.",
                fields=[
                    FieldProblem(f"{part}.{place}", f"{name} is no column of the asset")
                    for place, name in wrong
                ],
            )
        if wanted.excluded is not None and set(wanted.excluded) >= known:
            raise Invalid(
                "DATA_FILTER_INVALID", "It leaves no column to see.", field="excludedColumns"
            )
        rows = wanted.row_filter
        if rows is not None:
            rows = await self._schemas.check_row_filter(actor, wanted.asset_id, rows.text)
        return pinned_filter(replace(wanted, row_filter=rows), found.asset)


def no_such_filter() -> Missing:
    """The error for a name that no data filter of an asset has."""
    return Missing(
        "DATA_FILTER_NOT_FOUND", "The asset has no data filter of this name.", field="name"
    )


async def _demand_room(work: UnitOfWork, asset_id: str) -> None:
    if len(await rows_of(work, DATA_FILTERS, asset_id)) >= MOST_FILTERS:
        raise Conflict(
            "DATA_FILTERS_TOO_MANY",
            f"An asset has at most {MOST_FILTERS} data filters: remove one first.",
            field="name",
        )


async def _demand_unused(work: UnitOfWork, asset_id: str, name: str) -> None:
    """Goes on only if no grant in force is on the filter.

    Raises:
        Conflict: DATA_FILTER_IN_USE.
    """
    on_it = []
    for row in await rows_of(work, GRANTS, asset_id, index="byAsset"):
        target = row.item.get("target") or {}
        ended = row.item.get("expiresAt") is not None and "ending" not in row.item
        if target.get("kind") == "filter" and target.get("filterName") == name and not ended:
            on_it.append(row.item["grantId"])
    if on_it:
        raise Conflict(
            "DATA_FILTER_IN_USE",
            f"It is granted, by {listed(on_it)}: revoke that first.",
            field="name",
            details={"usedBy": on_it[:_MOST_GRANTS_TOLD]},
        )


def _moved() -> MeshplaneError:
    return BaseMoved("DATA_FILTER_MOVED", "The filter was changed meanwhile: try again.")


def _tell(call: Call, asset_id: str, name: str, change: str) -> None:
    call.work.emit(
        DataFilterChanged.model_validate(
            {
                "assetId": asset_id,
                "name": name,
                "change": change,
                "by": history.person(call),
                "at": call.now,
            }
        ).event()
    )
