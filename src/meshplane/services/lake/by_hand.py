"""Use cases: administrators read and edit the embedded lake's own grants.

It is what a person can do in a lake past the mesh. What is taken away or changed of what a grant
needs is closed in permissions first, then edited; what is put back as it should be is opened again.
"""

from typing import Any

from meshplane.boundary.call import Call
from meshplane.boundary.schemas import Page, PageQuery
from meshplane.events.lake import LakeGrantEdited
from meshplane.kit.errors import Invalid, Missing
from meshplane.policy.model import MESH
from meshplane.services.lake.checking import itself
from meshplane.services.lake.drift import Wanted
from meshplane.services.lake.entries import described, entry
from meshplane.services.lake.looking import Looking
from meshplane.services.lake.ports import LakeChange, LakeGrants
from meshplane.services.lake.schemas import (
    LakeEntryView,
    LakeGrantEdit,
    LakeGrantRemoval,
    LakeResource,
    NewLakeGrant,
)
from meshplane.services.lake.views import entry_view
from meshplane.services.permissions.api import PermissionsApi


class ByHand:
    """Edits a lake by hand.

    Args:
        lake: the embedded one.
        looking: tells which grant wants an entry.
        permissions: closes and opens what the lake lacks and has.
    """

    def __init__(self, lake: LakeGrants, looking: Looking, permissions: PermissionsApi) -> None:
        self._lake = lake
        self._looking = looking
        self._permissions = permissions

    async def list(self, call: Call, query: PageQuery) -> Page[LakeEntryView]:
        """What the lake holds, by key.

        Raises:
            Unavailable: LAKE_UNAVAILABLE.
        """
        await call.allow(MESH)
        page = await self._lake.read(query.limit, query.cursor)
        return Page[LakeEntryView](
            items=[entry_view(one) for one in page.entries], next_cursor=page.cursor
        )

    async def put(self, call: Call, body: NewLakeGrant) -> LakeGrantEdit:
        """Makes or changes a grant of the lake.

        Raises:
            Invalid: LAKE_RESOURCE_INVALID, LAKE_GRANT_INVALID.
            Unavailable: LAKE_UNAVAILABLE.
        """
        await call.allow(MESH)
        made = entry(
            body.principal,
            _resource(body.resource),
            body.permissions,
            body.permissions_with_grant_option,
            filter=_cells(body),
            made_by=call.actor.name,
            made_at=call.now,
        )
        before = await self._lake.find(made.key)
        if before is not None:
            # Masks are no part of a grant that is made by hand, and stay as they are.
            made = entry(
                made.principal,
                made.resource,
                made.permissions,
                made.grantable,
                filter=made.filter,
                masks=before.masks,
                made_by=made.made_by,
                made_at=made.made_at,
            )
        wanted = await self._looking.wanted(itself(call), made.key)
        drift = "excess" if wanted is None else "changed"
        if wanted is not None and wanted.entry.fingerprint == made.fingerprint:
            drift = "none"
        await self._edit(call, LakeChange("put", made), wanted, drift)
        found = await self._lake.find(made.key)
        return LakeGrantEdit.model_validate(
            {
                "key": made.key,
                "grantId": wanted.grant_id if wanted is not None else None,
                "drift": drift,
                "entry": entry_view(found) if found is not None else None,
            }
        )

    async def remove(self, call: Call, body: LakeGrantRemoval) -> LakeGrantEdit:
        """Takes a grant of the lake away.

        What a grant wants and the lake lacks already can be taken away, too: the request may come
        again because its process ended between the lake's commit and its own.

        Raises:
            Missing: LAKE_GRANT_NOT_FOUND.
            Unavailable: LAKE_UNAVAILABLE.
        """
        await call.allow(MESH)
        wanted = await self._looking.wanted(itself(call), body.key)
        found = await self._lake.find(body.key) or (wanted.entry if wanted is not None else None)
        if found is None:
            raise Missing(
                "LAKE_GRANT_NOT_FOUND", "The lake holds nothing under this key.", field="key"
            )
        drift = "none" if wanted is None else "missing"
        await self._edit(call, LakeChange("remove", found), wanted, drift)
        return LakeGrantEdit.model_validate(
            {
                "key": found.key,
                "grantId": wanted.grant_id if wanted is not None else None,
                "drift": drift,
                "entry": None,
            }
        )

    async def _edit(
        self, call: Call, change: LakeChange, wanted: Wanted | None, drift: str
    ) -> None:
        """Closes first, then edits; opens only what the lake has taken."""
        meant, actor = change.entry, itself(call)
        by = call.actor.name
        if wanted is not None and drift != "none":
            reason = f"Changed in the lake by {by}."
            if drift == "missing":
                reason = f"Taken out of the lake by {by}."
            await self._permissions.record_lake_state(actor, wanted.grant_id, drift, reason)  # type: ignore[arg-type] # states
        failures = await self._lake.apply([change])
        if failures:
            if wanted is not None and drift != "none":
                # Nothing was changed, so nothing is closed. Where it is unknown, it stays so.
                await self._permissions.record_lake_state(
                    actor, wanted.grant_id, wanted.state, None
                )
            raise Invalid("LAKE_GRANT_INVALID", failures[0].reason, field="permissions")
        if wanted is not None and drift == "none":
            await self._permissions.record_lake_state(actor, wanted.grant_id, "applied", None)
        call.resource = f"LakeGrant:{meant.key}"
        call.note(principal=meant.principal, on=described(meant.resource), drift=drift)
        call.work.emit(
            LakeGrantEdited(
                key=meant.key,
                principal=meant.principal,
                resource=described(meant.resource),
                change="put" if change.action == "put" else "removed",
                grant_id=wanted.grant_id if wanted is not None else None,
                by=by,
                at=call.now,
            ).event()
        )


def _resource(body: LakeResource) -> dict[str, Any]:
    """The resource as entries have it: what is not given is left out, lists are sorted.

    Raises:
        Invalid: LAKE_RESOURCE_INVALID.
    """
    said = body.model_dump(mode="json", by_alias=True, exclude_none=True)
    if len(said) != 1:
        raise Invalid(
            "LAKE_RESOURCE_INVALID", "Name exactly one kind of resource.", field="resource"
        )
    ((kind, on),) = said.items()
    if kind == "Table" and ("Name" in on) == ("TableWildcard" in on):
        raise Invalid(
            "LAKE_RESOURCE_INVALID",
            "Name a table, or all of them by TableWildcard.",
            field="resource.Table",
        )
    if kind == "TableWithColumns":
        if ("ColumnNames" in on) == ("ColumnWildcard" in on):
            raise Invalid(
                "LAKE_RESOURCE_INVALID",
                "Name the columns, or all but some by ColumnWildcard.",
                field="resource.TableWithColumns",
            )
        if "ColumnNames" in on:
            on["ColumnNames"] = sorted(set(on["ColumnNames"]))
        else:
            left_out = on["ColumnWildcard"].get("ExcludedColumnNames", [])
            on["ColumnWildcard"] = {"ExcludedColumnNames": sorted(set(left_out))}
    if kind == "LFTagPolicy":
        terms = {term["TagKey"]: sorted(set(term["TagValues"])) for term in on["Expression"]}
        on["Expression"] = [
            {"TagKey": key, "TagValues": values} for key, values in sorted(terms.items())
        ]
    return said


def _cells(body: NewLakeGrant) -> dict[str, Any] | None:
    """What a data cells filter lets through.

    Raises:
        Invalid: LAKE_GRANT_INVALID.
    """
    is_filter = body.resource.data_cells_filter is not None
    given = (body.row_filter, body.included_columns, body.excluded_columns)
    if not is_filter:
        if any(one is not None for one in given):
            raise Invalid(
                "LAKE_GRANT_INVALID",
                "Rows and columns belong to a DataCellsFilter.",
                field="rowFilter",
            )
        return None
    if body.included_columns is not None and body.excluded_columns is not None:
        raise Invalid(
            "LAKE_GRANT_INVALID",
            "Name the columns to include, or those to exclude, and not both.",
            field="excludedColumns",
        )
    rows: dict[str, Any] = {"AllRowsWildcard": {}}
    if body.row_filter is not None:
        rows = {"FilterExpression": body.row_filter}
    if body.included_columns is not None:
        return {"RowFilter": rows, "ColumnNames": sorted(set(body.included_columns))}
    left_out = sorted(set(body.excluded_columns or ()))
    return {"RowFilter": rows, "ColumnWildcard": {"ExcludedColumnNames": left_out}}
