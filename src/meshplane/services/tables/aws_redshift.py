"""Tables in Redshift, looked at as the role of a project."""

from collections.abc import Callable, Sequence
from typing import Any

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.aws.redshift import RedshiftPlace, RedshiftStatements, StatementFailed
from meshplane.services.tables.api import ExternalSource
from meshplane.services.tables.external import ExternalColumn, no_such_external

_SESSION_CHARACTERS = 64


class RedshiftCatalog:
    """`ExternalCatalog` over the Data API.

    Args:
        aws: the mesh itself, which may take the roles of projects.
        role_of: the ARN of the role that acts as a project, by the project's id.
    """

    def __init__(self, aws: Aws, role_of: Callable[[str], str]) -> None:
        self._aws = aws
        self._role_of = role_of

    async def columns(self, project_id: str, source: ExternalSource) -> Sequence[ExternalColumn]:
        """See `ExternalCatalog.columns`."""
        session = f"meshplane-{project_id}"[:_SESSION_CHARACTERS]
        aws = self._aws.as_role(self._role_of(project_id), session)
        place = RedshiftPlace(source.database, source.workgroup, source.cluster)
        found: list[dict[str, Any]] = []
        try:
            # That a table is described is not yet that its rows may be read.
            await RedshiftStatements(aws, place).rows(
                f"SELECT * FROM {quoted(source.schema)}.{quoted(source.table)} LIMIT 0"  # noqa: S608
            )
            async for page in aws.pages(
                "redshift-data",
                "describe_table",
                Schema=source.schema,
                Table=source.table,
                **place.parameters(),
            ):
                found += page.get("ColumnList", [])
        except (StatementFailed, AwsRejected) as error:
            raise no_such_external() from error
        return [ExternalColumn(one["name"], _type(one)) for one in found]


def quoted(name: str) -> str:
    """A name as a delimited identifier of Redshift."""
    return '"' + name.replace('"', '""') + '"'


def _type(column: dict[str, Any]) -> str:
    name = str(column["typeName"])
    if name == "numeric":
        return f"numeric({column['precision']},{column['scale']})"
    if name in {"varchar", "bpchar", "char"}:
        return f"{name}({column.get('length') or column.get('precision')})"
    return name
