"""SyncProdToDevData: gives developers a sample of each data product, every day."""

from typing import Any

from meshplane.kit.errors import MeshplaneError
from meshplane.workflows.functions.keys import part_key
from meshplane.workflows.operations import OperationCaller

_PAGE = 100


async def handle(event: dict[str, Any], platform: OperationCaller, key: str) -> dict[str, Any]:
    """Makes or renews the sample of every published asset.

    One that cannot be sampled, such as one without rows, holds up no other.

    Args:
        event: of the schedule; `detail.percent` is the share of rows to take.
        platform: does the work.
        key: of this firing.
    """
    percent = (event.get("detail") or {}).get("percent")
    wish = {} if percent is None else {"percent": percent}
    synced, rows, failed = 0, 0, []
    cursor: str | None = None
    while True:
        asked = {"limit": _PAGE} if cursor is None else {"limit": _PAGE, "cursor": cursor}
        page = await platform.call("listAssets", asked, idempotency_key=key)
        for asset in page["items"]:
            asset_id = asset["assetId"]
            try:
                made = await platform.call(
                    "syncToDevelopment",
                    {"assetId": asset_id, **wish},
                    idempotency_key=part_key(key, asset_id),
                )
            except MeshplaneError as error:
                failed.append({"assetId": asset_id, "code": error.code})
                continue
            synced, rows = synced + 1, rows + made["rows"]
        cursor = page["nextCursor"]
        if cursor is None:
            return {"statusCode": 200, "body": {"synced": synced, "rows": rows, "failed": failed}}
