"""Reading a table once with Athena, to see whether one can."""

from typing import Any

from meshplane.kit.errors import Conflict
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.aws.polling import until

_RUNNING = frozenset({"QUEUED", "RUNNING"})


async def read_once(
    reader: Aws, name: tuple[str, str], *, workgroup: str, token: str, seconds: float
) -> None:
    """Asks for one row.

    Args:
        reader: who asks.
        name: the database and the table.
        workgroup: of Athena.
        token: 32 to 128 characters; the same one is the same query.
        seconds: how long it may take.

    Raises:
        Conflict: SHARE_NOT_READABLE.
    """
    database, table = (part.replace('"', '""') for part in name)
    try:
        started = await reader.call(
            "athena",
            "start_query_execution",
            # Athena binds values alone; names are quoted.
            QueryString=f'SELECT * FROM "{database}"."{table}" LIMIT 1',  # noqa: S608
            QueryExecutionContext={"Database": name[0]},
            WorkGroup=workgroup,
            ClientRequestToken=token,
        )
    except AwsRejected as error:
        raise _not_readable(workgroup) from error

    async def state() -> str | None:
        answer: dict[str, Any] = await reader.call(
            "athena", "get_query_execution", QueryExecutionId=started["QueryExecutionId"]
        )
        found = str(answer["QueryExecution"]["Status"]["State"])
        return None if found in _RUNNING else found

    if await until("the query has run", state, seconds) != "SUCCEEDED":
        raise _not_readable(workgroup)


def _not_readable(workgroup: str) -> Conflict:
    return Conflict(
        "SHARE_NOT_READABLE",
        "The other account's role cannot read the shared table. Look whether the mesh may take the "
        f"role, whether there is a workgroup {workgroup} of Athena in its account that it may use, "
        "and at what it may read.",
    )
