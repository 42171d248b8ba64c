"""Resource links: what a shared table is called in the account that reads it."""

from typing import Any

from meshplane.kit.errors import Conflict
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.aws.place import AwsPlace
from meshplane.services.shares.aws_grants import principal, revoke, rows_on
from meshplane.services.shares.ports import SharedTable

MARK = "meshplane"
"""The parameter of a database of links that says which mesh made it; see `mark_of`."""

_GONE, _THERE = "EntityNotFoundException", "AlreadyExistsException"


async def link_to(there: Aws, shared: SharedTable) -> None:
    """Makes the link, and lets the reader see it.

    Args:
        there: the account that reads.
        shared: what was accepted.

    Raises:
        Conflict: LINK_NAME_TAKEN.
    """
    await _make_database(there, shared.link_database)
    table = await _link(there, shared)
    if table is None:
        await _make_link(there, shared)
        table = await _link(there, shared)
    if table is not None and not _is_ours(table, shared):
        raise Conflict(
            "LINK_NAME_TAKEN",
            f"{shared.link_database} of the other account has another table of this name. Have it "
            "renamed, or share into another database.",
        )
    if shared.reader is None:
        return
    for resource in (_database_of(shared), _link_of(shared)):
        await there.call(
            "lakeformation",
            "grant_permissions",
            Principal=principal(shared.reader),
            Resource=resource,
            Permissions=["DESCRIBE"],
        )


async def unlink(there: Aws, shared: SharedTable) -> None:
    """Takes the link away; its database stays, as others may be in it.

    Args:
        there: the account that reads.
        shared: what was shared.
    """
    table = await _link(there, shared)
    if table is None or not _is_ours(table, shared):
        return
    await hide(there, shared)
    try:
        await there.call(
            "glue",
            "delete_table",
            CatalogId=shared.account,
            DatabaseName=shared.link_database,
            Name=shared.table,
        )
    except AwsRejected as error:
        if error.aws_code != _GONE:
            raise


def mark_of(place: AwsPlace) -> str:
    """Which mesh it is, in the accounts of others: its own account, and its prefix.

    Args:
        place: the mesh's.
    """
    return f"{place.account}/{place.prefix}"


async def hide(there: Aws, shared: SharedTable) -> None:
    """Lets the reader see the link no more.

    Args:
        there: the account that reads.
        shared: what was shared.
    """
    if shared.reader is None:
        return
    rows = [
        row
        for row in await rows_on(there, _link_of(shared))
        if row["Principal"]["DataLakePrincipalIdentifier"] == shared.reader
    ]
    await revoke(there, shared.reader, rows)


async def _make_database(there: Aws, name: str) -> None:
    try:
        await there.call("glue", "get_database", Name=name)
    except AwsRejected as error:
        if error.aws_code != _GONE:
            raise
    else:
        return
    try:
        await there.call(
            "glue",
            "create_database",
            DatabaseInput={
                "Name": name,
                "Description": "Links to what other accounts share",
                "Parameters": {MARK: mark_of(there.place)},
                "CreateTableDefaultPermissions": [],
            },
        )
    except AwsRejected as error:
        if error.aws_code != _THERE:
            raise


async def _make_link(there: Aws, shared: SharedTable) -> None:
    try:
        await there.call(
            "glue",
            "create_table",
            DatabaseName=shared.link_database,
            TableInput={"Name": shared.table, "TargetTable": _target(there, shared)},
        )
    except AwsRejected as error:
        if error.aws_code != _THERE:
            raise


async def _link(there: Aws, shared: SharedTable) -> dict[str, Any] | None:
    """The table that has the link's name, or None."""
    try:
        answer = await there.call(
            "glue", "get_table", DatabaseName=shared.link_database, Name=shared.table
        )
    except AwsRejected as error:
        if error.aws_code != _GONE:
            raise
        return None
    table: dict[str, Any] = answer["Table"]
    return table


def _is_ours(table: dict[str, Any], shared: SharedTable) -> bool:
    target = table.get("TargetTable") or {}
    wanted = (shared.owner, shared.database, shared.table)
    return (target.get("CatalogId"), target.get("DatabaseName"), target.get("Name")) == wanted


def _target(there: Aws, shared: SharedTable) -> dict[str, str]:
    return {
        "CatalogId": shared.owner,
        "DatabaseName": shared.database,
        "Name": shared.table,
        "Region": there.place.region,
    }


def _database_of(shared: SharedTable) -> dict[str, Any]:
    return {"Database": {"CatalogId": shared.account, "Name": shared.link_database}}


def _link_of(shared: SharedTable) -> dict[str, Any]:
    return {
        "Table": {
            "CatalogId": shared.account,
            "DatabaseName": shared.link_database,
            "Name": shared.table,
        }
    }
