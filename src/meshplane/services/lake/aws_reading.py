"""Reads what Lake Formation holds: all of it, or what lies on some resources."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from meshplane.kit.errors import Unavailable
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.services.lake.aws_entries import (
    Cells,
    FilterName,
    Holdings,
    asked,
    cells_of,
    filter_name,
    group_of,
    holdings,
)
from meshplane.services.lake.entries import canonical

_PAGE = 1000
_AT_ONCE = 8
_GONE = frozenset({"EntityNotFoundException"})


class LakeReading:
    """Reads grants and data cells filters.

    Args:
        aws: as the mesh's own role, an administrator of the data lake: others see less.
        own: principals whose rights are no grants of data: the data lake's administrators.
        is_ours: says of a database whether its grants are the mesh's; None: all of the catalog's.
    """

    def __init__(
        self,
        aws: Aws,
        own: frozenset[str] = frozenset(),
        is_ours: Callable[[str], bool] | None = None,
    ) -> None:
        self._aws = aws
        self._own = own
        self._is_ours = is_ours
        self.calls = 2
        """How many calls the last reading of everything took."""

    async def everything(self) -> Holdings:
        """All that the catalog's principals were granted explicitly.

        Raises:
            Unavailable: LAKE_UNAVAILABLE.
        """
        listed, calls = await self._listed()
        filters: dict[FilterName, Cells] = {}
        try:
            # Only what grants are on matters, but asking filter by filter would be a call each.
            async for page in self._aws.pages(
                "lakeformation",
                "list_data_cells_filter",
                PaginationConfig={"PageSize": _PAGE},
            ):
                calls += 1
                filters.update(cells_of(one) for one in page.get("DataCellsFilters", ()))
        except (AwsRejected, Unavailable) as error:
            raise unavailable() from error
        self.calls = calls
        return self._holdings(listed, filters)

    async def on(self, resources: Iterable[Mapping[str, Any]]) -> Holdings:
        """What all principals were granted on some resources, and what the filters let through.

        Raises:
            Unavailable: LAKE_UNAVAILABLE.
        """
        groups = {canonical(group_of(one)): group_of(one) for one in resources}
        found = Holdings()
        turns = asyncio.Semaphore(_AT_ONCE)

        async def one(group: Mapping[str, Any]) -> Holdings:
            async with turns:
                return await self._on(group)

        for part in await asyncio.gather(*(one(group) for group in groups.values())):
            found.entries.update(part.entries)
            found.filters.update(part.filters)
            found.lists.update(part.lists)
        return found

    async def cells(self, name: FilterName) -> Cells | None:
        """What a data cells filter lets through; None if there is none.

        Raises:
            Unavailable: LAKE_UNAVAILABLE.
        """
        database, table, own_name = name
        try:
            told = await self._aws.call(
                "lakeformation",
                "get_data_cells_filter",
                TableCatalogId=self._aws.place.account,
                DatabaseName=database,
                TableName=table,
                Name=own_name,
            )
        except AwsRejected as error:
            if error.aws_code in _GONE:
                return None
            raise unavailable() from error
        except Unavailable as error:
            raise unavailable() from error
        return cells_of(told["DataCellsFilter"])[1]

    async def _on(self, group: Mapping[str, Any]) -> Holdings:
        name = filter_name(group)
        filters: dict[FilterName, Cells] = {}
        if name is not None:
            cells = await self.cells(name)
            if cells is None:
                return Holdings()  # a grant on a filter that is gone lets nothing through
            filters[name] = cells
        resource = asked(group, self._aws.place.account)
        listed, _ = await self._listed(Resource=resource)
        return self._holdings(listed, filters)

    async def _listed(self, **asked_for: Any) -> tuple[list[dict[str, Any]], int]:
        """`list_permissions` to its end, for which botocore knows no paginator; and its calls."""
        found: list[dict[str, Any]] = []
        more: dict[str, Any] = {}
        calls = 0
        while True:
            try:
                page = await self._aws.call(
                    "lakeformation", "list_permissions", MaxResults=_PAGE, **asked_for, **more
                )
            except AwsRejected as error:
                if error.aws_code in _GONE:
                    return [], calls + 1  # nothing is on what is not there
                raise unavailable() from error
            except Unavailable as error:
                raise unavailable() from error
            calls += 1
            found += page.get("PrincipalResourcePermissions", ())
            if not page.get("NextToken"):
                return found, calls
            more = {"NextToken": page["NextToken"]}

    def _holdings(
        self, listed: list[dict[str, Any]], filters: Mapping[FilterName, Cells]
    ) -> Holdings:
        found = holdings(listed, filters, self._aws.place.account, self._own)
        if self._is_ours is not None:
            found.entries = {
                key: one
                for key, one in found.entries.items()
                if _is_ours(one.resource, self._is_ours)
            }
        return found


def unavailable() -> Unavailable:
    """What it is when Lake Formation does not answer, or not to this."""
    return Unavailable(
        "LAKE_UNAVAILABLE", "Lake Formation does not carry out what the mesh asks: try again."
    )


def _is_ours(resource: Mapping[str, Any], is_ours: Callable[[str], bool]) -> bool:
    """Whether a resource lies in a database of the mesh; one that lies in none may reach it."""
    ((kind, on),) = resource.items()
    database = on.get("Name") if kind == "Database" else on.get("DatabaseName")
    return database is None or is_ours(database)
