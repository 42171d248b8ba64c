"""What can be granted at all, whoever grants it."""

from meshplane.kit.errors import Invalid
from meshplane.services.permissions.model import PERMISSIONS, Grant, Target, in_order
from meshplane.services.permissions.semantics import (
    COLUMN_PERMISSIONS,
    DATABASE_PERMISSIONS,
    ROWS_PERMISSIONS,
    TABLE_PERMISSIONS,
)

_WORDS = {
    "database": "a database",
    "tables": "all tables of a database",
    "table": "a table",
    "columns": "columns",
    "filter": "a data filter",
    "rows": "rows",
    "location": "a location",
}


def permitted_on(target: Target) -> frozenset[str]:
    """The permissions that a grant on this target can hold.

    Lake Formation Developer Guide, "Lake Formation permissions reference": databases have no
    SELECT, column lists and data filters have SELECT alone.
    """
    if target.kind == "database" or target.resource_type == "DATABASE":
        return DATABASE_PERMISSIONS
    if target.kind in {"columns", "filter"}:
        return COLUMN_PERMISSIONS
    if target.kind == "rows":
        return ROWS_PERMISSIONS
    if target.kind == "location":
        return frozenset({"DATA_LOCATION_ACCESS"})
    return TABLE_PERMISSIONS


def check_grant(grant: Grant) -> None:
    """Sees that a grant says something that a grant can say; columns are another matter.

    The grant option on columns needs an include list: what an exclude list leaves is not known
    until later, so nobody can say what might be passed on (Developer Guide, "Notes and restrictions
    for column-level filtering").

    Raises:
        Invalid: PERMISSION_NOT_OF_RESOURCE, its target cannot permit that; GRANT_EMPTY, it permits
            nothing; COLUMNS_EMPTY, it names no column, or includes and excludes at once;
            GRANT_OPTION_WITHOUT_PERMISSION; GRANT_OPTION_NEEDS_INCLUDE_LIST;
            MASKS_WITHOUT_SELECT; MASK_INVALID, a mask lacks something whatever its column.
    """
    if not grant.permissions:
        raise Invalid("GRANT_EMPTY", "Say what the grant permits.", field="permissions")
    foreign = grant.permissions - permitted_on(grant.target)
    if foreign:
        raise Invalid("PERMISSION_NOT_OF_RESOURCE", _foreign(grant.target), field="permissions")
    if grant.grantable - grant.permissions:
        raise Invalid(
            "GRANT_OPTION_WITHOUT_PERMISSION",
            "Only what the grant permits can be passed on: name it in permissions as well.",
            field="permissionsWithGrantOption",
        )
    target = grant.target
    if target.kind == "columns":
        if (target.included is None) == (target.excluded is None) or target.included == ():
            raise Invalid(
                "COLUMNS_EMPTY",
                "Name the columns that are included, or those that are excluded, not both.",
                field="resource.columns",
            )
        if grant.grantable and target.included is None:
            raise Invalid(
                "GRANT_OPTION_NEEDS_INCLUDE_LIST",
                "The right to pass columns on needs a list of included columns.",
                field="resource.columns.excluded",
            )
    _check_masks(grant)


def _check_masks(grant: Grant) -> None:
    if grant.masks and "SELECT" not in grant.permissions:
        raise Invalid(
            "MASKS_WITHOUT_SELECT",
            "Masks say how columns are read: grant SELECT, or leave them out.",
            field="masks",
        )
    for name, mask in grant.masks.items():
        problem = mask.wanting()
        if problem is not None:
            raise Invalid("MASK_INVALID", problem, field=f"masks.{name}")


def _foreign(target: Target) -> str:
    can = in_order(permitted_on(target))
    what = _WORDS.get(target.kind)
    if what is None:
        what = f"tags of {'databases' if target.resource_type == 'DATABASE' else 'tables'}"
    hint = ""
    if target.kind == "database":
        hint = " To let its tables be read, grant SELECT on all tables of it."
    elif len(can) < len(PERMISSIONS) and target.kind in {"columns", "filter"}:
        hint = " Other permissions are granted on the table."
    return f"On {what} one can grant {', '.join(can)}.{hint}"
