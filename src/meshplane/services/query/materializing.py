"""What it takes to make a table of a statement's result."""

from dataclasses import dataclass
from typing import Protocol

from meshplane.boundary.call import Call
from meshplane.services.assets.api import AssetsApi
from meshplane.services.permissions.api import PermissionsApi
from meshplane.services.projects.api import ProjectsApi
from meshplane.services.query.access import Access
from meshplane.services.tables.api import TablesApi, TableSummary


@dataclass(frozen=True, slots=True)
class Below:
    """The services that queries stand on."""

    assets: AssetsApi
    tables: TablesApi
    projects: ProjectsApi
    permissions: PermissionsApi


@dataclass(frozen=True, slots=True)
class Target:
    """The table to be.

    Args:
        project_id, name: of the table.
        sample_of: the table that it is a sample of, if it is one: then an earlier sample of the
            same table is replaced.
    """

    project_id: str
    name: str
    sample_of: str | None = None


class Materializing(Protocol):
    """Makes tables of results."""

    below: Below

    async def make(
        self, call: Call, sql: str, access: Access, target: Target
    ) -> tuple[str, TableSummary]:
        """The id of the query, and the table that its result became.

        Args:
            call: the operation under way, which was allowed before.
            sql: the statement.
            access: what it may read.
            target: the table to be.

        Raises:
            MeshplaneError: SQL_REFUSED, SQL_INVALID, SQL_RUNTIME, SQL_LIMIT, NAME_TAKEN.
        """
        ...
