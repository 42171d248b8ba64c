"""Lake Formation's permissions for a share: granting, and taking back what is held."""

from typing import Any

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.services.shares.ports import SharedTable

Rows = list[dict[str, Any]]
"""Of `list_permissions`: a principal, a resource and what he holds."""

_EVERYBODY = "IAM_ALLOWED_PRINCIPALS"
_GONE = "EntityNotFoundException"


def principal(name: str) -> dict[str, str]:
    """A principal as Lake Formation names it."""
    return {"DataLakePrincipalIdentifier": name}


def table_of(shared: SharedTable) -> dict[str, Any]:
    """The shared table as Lake Formation names it."""
    return {
        "Table": {
            "CatalogId": shared.owner,
            "DatabaseName": shared.database,
            "Name": shared.table,
        }
    }


async def grant(aws: Aws, to: str, shared: SharedTable, *, passed_on: bool) -> None:
    """Grants the shared table; again adds nothing.

    Args:
        aws: who grants.
        to: an account, or a role.
        shared: the table and the permissions.
        passed_on: whether they may be passed on.
    """
    permissions = sorted(set(shared.permissions))
    await aws.call(
        "lakeformation",
        "grant_permissions",
        Principal=principal(to),
        Resource=table_of(shared),
        Permissions=permissions,
        PermissionsWithGrantOption=permissions if passed_on else [],
    )


async def rows_on(aws: Aws, resource: dict[str, Any]) -> Rows:
    """Who holds what on a resource; nothing if it is not there.

    Args:
        aws: who asks.
        resource: as Lake Formation names it.
    """
    rows: Rows = []
    more: dict[str, str] = {}
    while True:
        try:
            answer = await aws.call("lakeformation", "list_permissions", Resource=resource, **more)
        except AwsRejected as error:
            if error.aws_code != _GONE:
                raise
            return []
        rows += answer["PrincipalResourcePermissions"]
        if not answer.get("NextToken"):
            return rows
        more = {"NextToken": answer["NextToken"]}


async def held_by(aws: Aws, name: str, shared: SharedTable) -> Rows:
    """What of a share's permissions a principal holds on the table.

    Args:
        aws: who asks.
        name: the account, or the role.
        shared: the table and the permissions.
    """
    rows = [_part(row, shared) for row in await rows_on(aws, table_of(shared)) if _is(row, name)]
    return [row for row in rows if row["Permissions"] and _is_whole(row["Resource"])]


async def revoke(aws: Aws, name: str, rows: Rows) -> None:
    """Takes back what a principal holds; what he does not hold any more is no error.

    Args:
        aws: who revokes.
        name: from whom.
        rows: what was found to be held.
    """
    for row in rows:
        try:
            await aws.call(
                "lakeformation",
                "revoke_permissions",
                Principal=principal(name),
                Resource=row["Resource"],
                Permissions=row["Permissions"],
                PermissionsWithGrantOption=row.get("PermissionsWithGrantOption") or [],
            )
        except AwsRejected as error:
            if error.aws_code == _GONE or await _is_taken_back(aws, name, row):
                continue
            raise


async def close_to_iam(aws: Aws, shared: SharedTable) -> None:
    """Revokes what everybody whom IAM lets in holds: such a table cannot be shared.

    Args:
        aws: the owner.
        shared: the table.
    """
    rows = [row for row in await rows_on(aws, table_of(shared)) if _is(row, _EVERYBODY)]
    await revoke(aws, _EVERYBODY, rows)


async def _is_taken_back(aws: Aws, name: str, row: dict[str, Any]) -> bool:
    """Whether a refused revoke was one whose first answer was lost."""
    resource = row["Resource"]
    table = resource.get("Table") or resource.get("TableWithColumns")
    asked = {key: table[key] for key in ("CatalogId", "DatabaseName", "Name")}
    still = [
        one
        for one in await rows_on(aws, {"Table": asked})
        if _is(one, name) and one["Resource"].keys() == resource.keys()
    ]
    return not any(set(one["Permissions"]) & set(row["Permissions"]) for one in still)


def _is(row: dict[str, Any], name: str) -> bool:
    return bool(row["Principal"]["DataLakePrincipalIdentifier"] == name)


def _is_whole(resource: dict[str, Any]) -> bool:
    """Whether it is the table, or all of its columns: a share grants nothing else."""
    columns = resource.get("TableWithColumns")
    if columns is None:
        return "Table" in resource
    wildcard = columns.get("ColumnWildcard")
    return wildcard is not None and not wildcard.get("ExcludedColumnNames")


def _part(row: dict[str, Any], shared: SharedTable) -> dict[str, Any]:
    wanted = set(shared.permissions)
    return {
        "Resource": row["Resource"],
        "Permissions": sorted(wanted & set(row["Permissions"])),
        "PermissionsWithGrantOption": sorted(
            wanted & set(row.get("PermissionsWithGrantOption") or ())
        ),
    }
