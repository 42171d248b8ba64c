"""Makes, changes and removes data cells filters."""

import asyncio
from collections.abc import Mapping
from typing import Any

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected, AwsUnavailable
from meshplane.services.lake.aws_batches import BUSY, pause_seconds
from meshplane.services.lake.aws_entries import Cells, FilterName
from meshplane.services.lake.aws_reading import LakeReading

_TRIES = 6


class CellsFilters:
    """Puts data cells filters to what they should let through.

    Args:
        aws: as the mesh's own role.
        reading: reads them.
    """

    def __init__(self, aws: Aws, reading: LakeReading) -> None:
        self._aws = aws
        self._reading = reading

    async def put(
        self, name: FilterName, content: Mapping[str, Any], known: Cells | None
    ) -> str | None:
        """Makes a filter let through just that; Lake Formation's code if it will not.

        A change names the version that was read, so that of two who change it at once neither is
        lost unseen. An answer that was lost is made up for by reading.

        Args:
            name: of the filter.
            content: what it shall let through, as entries say it.
            known: as it was read; None if it was not there.

        Raises:
            Unavailable: LAKE_UNAVAILABLE.
            AwsUnavailable: no answer, after all attempts.
        """
        for turn in range(_TRIES):
            if known is not None and known.content == content:
                return None
            try:
                if known is None:
                    await self._create(name, content)
                else:
                    await self._update(name, content, known.version)
            except AwsRejected as error:
                is_moved = error.aws_code in {"AlreadyExistsException", "EntityNotFoundException"}
                known_before, known = known, await self._reading.cells(name)
                if not is_moved or (known_before is None and known is None):
                    return error.aws_code  # the filter is as it was, or its table is not there
            except AwsUnavailable as error:
                if error.reason != BUSY and not error.may_have_happened:
                    raise
                await asyncio.sleep(pause_seconds(turn))
                known = await self._reading.cells(name)
            else:
                return None
        return BUSY

    async def drop(self, name: FilterName) -> None:
        """Removes a filter; one that is gone is fine.

        Raises:
            AwsRejected, AwsUnavailable: it may be there still, held by nobody.
        """
        database, table, own_name = name
        try:
            await self._aws.call(
                "lakeformation",
                "delete_data_cells_filter",
                TableCatalogId=self._aws.place.account,
                DatabaseName=database,
                TableName=table,
                Name=own_name,
            )
        except AwsRejected as error:
            if error.aws_code != "EntityNotFoundException":
                raise

    async def _create(self, name: FilterName, content: Mapping[str, Any]) -> None:
        data = self._data(name, content)
        await self._aws.call("lakeformation", "create_data_cells_filter", TableData=data)

    async def _update(
        self, name: FilterName, content: Mapping[str, Any], version: str | None
    ) -> None:
        data = self._data(name, content)
        if version is not None:
            data["VersionId"] = version
        await self._aws.call("lakeformation", "update_data_cells_filter", TableData=data)

    def _data(self, name: FilterName, content: Mapping[str, Any]) -> dict[str, Any]:
        database, table, own_name = name
        return {
            "TableCatalogId": self._aws.place.account,
            "DatabaseName": database,
            "TableName": table,
            "Name": own_name,
            **content,
        }
