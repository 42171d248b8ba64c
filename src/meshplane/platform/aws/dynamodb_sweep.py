"""Maintenance: removing rows that have ended and objects that no row names."""

from collections.abc import Awaitable, Callable

from meshplane.kit.errors import MeshplaneError
from meshplane.platform.aws.dynamodb_calls import Reading
from meshplane.platform.aws.dynamodb_items import Image, Shape, Stored
from meshplane.platform.aws.dynamodb_plan import Batch
from meshplane.platform.aws.dynamodb_spill import Spill
from meshplane.platform.gathering import Key, Write

_OWN_LOG = "CommitLog"


class Sweep:
    """Removes what has ended. DynamoDB does so by itself, within days; this is for the impatient.

    It is the one place that scans. Each call looks at no more than 1 MB of each table, and the next
    one goes on where it ended.

    Args:
        reading: of the mesh's tables.
        spill: what lies in S3.
        commit: commits a batch.
    """

    def __init__(
        self, reading: Reading, spill: Spill, commit: Callable[[Batch], Awaitable[None]]
    ) -> None:
        self._reading, self._spill, self._commit = reading, spill, commit
        self._reached: dict[str, Stored] = {}

    async def remove_expired(self, now: int, limit: int) -> int:
        """Removes up to `limit` rows of each table that have ended by `now`; how many."""
        removed = 0
        for shape in self._reading.shapes.values():
            if shape.table.expires and shape.table.name != _OWN_LOG:
                for key, image in (await self._ended(shape, now))[:limit]:
                    removed += await self._remove(shape, key, image)
        await self._spill.sweep(now, limit)
        return removed

    async def _ended(self, shape: Shape, now: int) -> list[tuple[Key, Image]]:
        start = self._reached.pop(shape.name, None)
        more = {} if start is None else {"ExclusiveStartKey": start}
        answer = await self._reading.aws.call(
            "dynamodb",
            "scan",
            TableName=shape.name,
            FilterExpression="#expires <= :now",
            ExpressionAttributeNames={"#expires": shape.table.expires},
            ExpressionAttributeValues={":now": {"N": str(now)}},
            **more,
        )
        if answer.get("LastEvaluatedKey"):
            self._reached[shape.name] = answer["LastEvaluatedKey"]
        return [(shape.key_of(stored), shape.image(stored)) for stored in answer["Items"]]

    async def _remove(self, shape: Shape, key: Key, image: Image) -> int:
        # What was written anew since this was read stays.
        write = Write(shape.table, key[1], key[2], None, image.version, None)
        try:
            await self._commit(Batch(writes=[write], read={key: image}))
        except MeshplaneError:
            return 0
        return 1
