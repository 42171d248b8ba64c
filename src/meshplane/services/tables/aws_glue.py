"""Glue: one database for each domain, and in it one table for each published asset.

Glue's table is a projection of ours: the pointer in our store is the truth. Every change of a table
there names the version that was read, so that two writers never overwrite each other unseen.
"""

from collections.abc import Sequence
from typing import Any

from meshplane.kit.errors import Conflict, Unavailable
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected, AwsUnavailable
from meshplane.services.tables.aws_glue_shapes import (
    GlueColumn,
    GlueEntry,
    GlueTable,
    check_name,
    columns_of,
    database_input,
    iceberg_input,
    table_input,
    told,
)

_ABSENT = "EntityNotFoundException"
_THERE = "AlreadyExistsException"
_MOVED = frozenset({"ConcurrentModificationException", "VersionMismatchException"})
_ROUNDS = 5


class GlueMoved(Conflict):
    """Somebody else changed the table in Glue since it was read."""

    def __init__(self) -> None:
        super().__init__("GLUE_MOVED", "Others keep changing this table in Glue: try again.")


class GlueCatalog:
    """Glue's Data Catalog of the mesh's own account.

    Args:
        aws: whose Glue.
    """

    def __init__(self, aws: Aws) -> None:
        self._aws = aws

    async def ensure_database(self, name: str, bucket: str) -> None:
        """Makes the database of a domain; one that is there is adopted.

        Tables in it get no rights by default, so that IAM alone opens none past Lake Formation.

        Raises:
            Invalid: GLUE_NAME_INVALID.
            Conflict: GLUE_NAME_TAKEN, a link to somebody else's database goes by this name.
        """
        check_name(name, "name")
        for _ in range(_ROUNDS):
            there = await self._database(name)
            if there is not None:
                return await self._adopt_database(there)
            try:
                await self._aws.call(
                    "glue",
                    "create_database",
                    DatabaseInput={
                        "Name": name,
                        "Description": f"Data products of the domain {name}",
                        "LocationUri": f"s3://{bucket}/",
                        "CreateTableDefaultPermissions": [],
                    },
                )
                return None
            except AwsRejected as error:
                if error.aws_code != _THERE:
                    raise
        raise GlueMoved

    async def _database(self, name: str) -> dict[str, Any] | None:
        try:
            answer = await self._aws.call("glue", "get_database", Name=name)
        except AwsRejected as error:
            if error.aws_code == _ABSENT:
                return None
            raise
        found: dict[str, Any] = answer["Database"]
        return found

    async def _adopt_database(self, there: dict[str, Any]) -> None:
        if there.get("TargetDatabase"):
            raise Conflict(
                "GLUE_NAME_TAKEN",
                "A link to another account's database has the name of this domain in Glue: rename "
                "the link.",
            )
        if there.get("CreateTableDefaultPermissions"):
            await self._aws.call(
                "glue", "update_database", Name=there["Name"], DatabaseInput=database_input(there)
            )

    async def find(self, database: str, name: str) -> GlueTable | None:
        """The table as Glue holds it; None if there is none, or not even its database."""
        try:
            answer = await self._aws.call("glue", "get_table", DatabaseName=database, Name=name)
        except AwsRejected as error:
            if error.aws_code == _ABSENT:
                return None
            raise
        return told(answer["Table"])

    async def create(self, entry: GlueEntry) -> GlueTable:
        """Registers a table.

        Raises:
            Invalid: GLUE_NAME_INVALID.
            GlueMoved: one of that name is there.
        """
        check_name(entry.database, "database")
        check_name(entry.name, "name")
        try:
            await self._aws.call(
                "glue", "create_table", DatabaseName=entry.database, TableInput=table_input(entry)
            )
        except AwsRejected as error:
            if error.aws_code == _THERE:
                raise GlueMoved from error
            raise
        return await self._found(entry.database, entry.name)

    async def move(self, entry: GlueEntry, seen: GlueTable) -> GlueTable:
        """Makes Glue's table what the entry says, if it still is what was seen.

        An answer that was lost counts as done when the pointer is there afterwards.

        Raises:
            GlueMoved: it is another one by now.
        """
        versioned = {} if seen.version_id is None else {"VersionId": seen.version_id}
        try:
            await self._aws.call(
                "glue",
                "update_table",
                DatabaseName=entry.database,
                TableInput=table_input(entry, seen),
                SkipArchive=True,
                **versioned,
            )
        except AwsUnavailable as error:
            now = await self.find(entry.database, entry.name)
            if now is not None and _is(now, entry):
                return now
            if error.reason in _MOVED:
                raise GlueMoved from error
            raise
        except AwsRejected as error:
            if error.aws_code in {_ABSENT, *_MOVED}:
                raise GlueMoved from error
            raise
        return await self._found(entry.database, entry.name)

    async def drop(self, database: str, name: str, table_id: str) -> bool:
        """Takes a table of the mesh out of Glue; its files stay.

        Returns:
            Whether it is not there now; one that is not the mesh's stays.
        """
        there = await self.find(database, name)
        if there is None:
            return True
        if there.table_id != table_id:
            return False
        try:
            await self._aws.call("glue", "delete_table", DatabaseName=database, Name=name)
        except AwsRejected as error:
            if error.aws_code != _ABSENT:
                raise
        return True

    async def create_by_catalog(
        self,
        database: str,
        name: str,
        location: str,
        columns: Sequence[GlueColumn],
        partition_by: Sequence[tuple[str, str]] = (),
    ) -> GlueTable:
        """Makes an Iceberg table whose first metadata file is written by Glue itself.

        For tables that other engines fill; the mesh adopts them by the pointer that Glue gives.
        Needs AWS: in the sandbox our own overlay of Glue writes the file.

        Raises:
            Invalid: GLUE_NAME_INVALID.
            GlueMoved: one of that name is there.
        """
        check_name(database, "database")
        check_name(name, "name")
        try:
            await self._aws.call(
                "glue",
                "create_table",
                DatabaseName=database,
                Name=name,
                OpenTableFormatInput=iceberg_input(location, columns, partition_by),
            )
        except AwsRejected as error:
            if error.aws_code == _THERE:
                raise GlueMoved from error
            raise
        return await self._found(database, name)

    async def _found(self, database: str, name: str) -> GlueTable:
        found = await self.find(database, name)
        if found is None:
            raise Unavailable(
                "GLUE_UNSETTLED", "Glue does not show yet what it has taken: try again."
            )
        return found


def _is(there: GlueTable, entry: GlueEntry) -> bool:
    return there.metadata_location == entry.metadata_location and there.columns == columns_of(entry)
