"""CleanupOldSnapshots: forgets versions of tables that nobody will ask for, every week."""

from typing import Any

from meshplane.kit.errors import MeshplaneError
from meshplane.workflows.functions.keys import part_key
from meshplane.workflows.operations import OperationCaller

_PAGE = 100
_OPTIONS = ("olderThanDays", "keepLast")


async def handle(event: dict[str, Any], platform: OperationCaller, key: str) -> dict[str, Any]:
    """Expires the old snapshots of every table.

    A table that cannot be cleaned now, such as one that is written to all the time, holds up no
    other.

    Args:
        event: of the schedule; `detail` may hold `olderThanDays` and `keepLast`.
        platform: does the work.
        key: of this firing.
    """
    detail = event.get("detail") or {}
    wish = {name: detail[name] for name in _OPTIONS if name in detail}
    tables, snapshots, files, failed = 0, 0, 0, []
    cursor: str | None = None
    while True:
        asked = {"limit": _PAGE} if cursor is None else {"limit": _PAGE, "cursor": cursor}
        page = await platform.call("listAllTables", asked, idempotency_key=key)
        for table in page["items"]:
            table_id = table["tableId"]
            try:
                done = await platform.call(
                    "expireSnapshots",
                    {"tableId": table_id, **wish},
                    idempotency_key=part_key(key, table_id),
                )
            except MeshplaneError as error:
                failed.append({"tableId": table_id, "code": error.code})
                continue
            tables += 1
            snapshots += done["expiredSnapshots"]
            files += done["removedFiles"]
        cursor = page["nextCursor"]
        if cursor is None:
            body = {
                "tables": tables,
                "expiredSnapshots": snapshots,
                "removedFiles": files,
                "failed": failed,
            }
            return {"statusCode": 200, "body": body}
