"""The requests that the store sends to DynamoDB for reading, one method for each."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from meshplane.kit.errors import Unavailable
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.dynamodb_head import HEAD_KEY, Head, head_of
from meshplane.platform.aws.dynamodb_items import Image, Shape, Stored
from meshplane.platform.aws.dynamodb_records import (
    PARTS_OF_A_COMMIT,
    Record,
    last_of_partition,
    partition_of,
    record_of,
)
from meshplane.platform.aws.errors import AwsUnavailable
from meshplane.platform.gathering import Key

MOST_KEYS = 100
_MOST_ROUNDS = 12
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.02, 1.0
_PATIENT_SECONDS = 10.0


def pause_seconds(attempt: int) -> float:
    """How long to wait before another attempt: longer each time, and nobody in step with others."""
    longest = min(_FIRST_PAUSE_SECONDS * 2**attempt, _LONGEST_PAUSE_SECONDS)
    return random.uniform(longest / 4, longest)  # noqa: S311 - no secret


async def _patiently(ask: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    """The answer to a read, which is asked for again while DynamoDB wants fewer calls.

    A use case reads so often that one of its reads is refused almost surely, where many calls are:
    begun anew as a whole it would come to no end.
    """
    give_up = time.monotonic() + _PATIENT_SECONDS
    attempt = 0
    while True:
        try:
            return await ask()
        except AwsUnavailable as error:
            if not error.is_throttled or time.monotonic() > give_up:
                raise
        await asyncio.sleep(pause_seconds(attempt))
        attempt += 1


class Reading:
    """Reads the tables of one mesh. All but an index's reads are strongly consistent.

    Args:
        aws: who reads.
        shapes: of all tables, by their declared names.
    """

    def __init__(self, aws: Aws, shapes: Mapping[str, Shape]) -> None:
        self.aws = aws
        self.shapes = shapes

    async def head(self) -> Head:
        """The head of the log as it is now."""
        answer = await _patiently(
            lambda: self.aws.call(
                "dynamodb",
                "get_item",
                TableName=self.shapes["CommitLog"].name,
                Key=HEAD_KEY,
                ConsistentRead=True,
            )
        )
        return head_of(answer.get("Item"))

    async def image(self, key: Key) -> Image | None:
        """The row of a key."""
        shape = self.shapes[key[0]]
        stored_key = shape.key(key[1], key[2])
        if stored_key is None:
            return None
        answer = await _patiently(
            lambda: self.aws.call(
                "dynamodb", "get_item", TableName=shape.name, Key=stored_key, ConsistentRead=True
            )
        )
        return shape.image(answer["Item"]) if answer.get("Item") else None

    async def images(self, keys: Iterable[Key]) -> dict[Key, Image]:
        """The rows of these keys that are there."""
        found: dict[Key, Image] = {}
        wanted = [
            (self.shapes[key[0]], stored)
            for key in dict.fromkeys(keys)
            if (stored := self.shapes[key[0]].key(key[1], key[2])) is not None
        ]
        for begin in range(0, len(wanted), MOST_KEYS):
            await self._batch(wanted[begin : begin + MOST_KEYS], found)
        return found

    async def _batch(self, wanted: Sequence[tuple[Shape, Stored]], found: dict[Key, Image]) -> None:
        asked: dict[str, Any] = {}
        by_name: dict[str, Shape] = {}
        for shape, key in wanted:
            by_name[shape.name] = shape
            asked.setdefault(shape.name, {"ConsistentRead": True, "Keys": []})["Keys"].append(key)
        for attempt in range(_MOST_ROUNDS):
            answer = await _patiently(partial(self._some, asked))
            for name, items in answer["Responses"].items():
                shape = by_name[name]
                found.update({shape.key_of(item): shape.image(item) for item in items})
            # What was too much for one answer, or for the moment, is asked for again.
            asked = answer.get("UnprocessedKeys") or {}
            if not asked:
                return
            await asyncio.sleep(pause_seconds(attempt))
        raise Unavailable("STORE_UNAVAILABLE", "The store is overloaded: try again in a while.")

    async def _some(self, asked: dict[str, Any]) -> dict[str, Any]:
        return await self.aws.call("dynamodb", "batch_get_item", RequestItems=asked)

    async def page(
        self, shape: Shape, conditions: Mapping[str, Any], start: Stored | None, limit: int
    ) -> tuple[list[Stored], Stored | None]:
        """One answer of a query, and where the next one starts; None: there is no more."""
        more = {} if start is None else {"ExclusiveStartKey": start}
        answer = await _patiently(
            lambda: self.aws.call(
                "dynamodb", "query", TableName=shape.name, Limit=limit, **conditions, **more
            )
        )
        return answer["Items"], answer.get("LastEvaluatedKey")

    async def log_items(
        self,
        table: str,
        part: str,
        first: int,
        last: int | None = None,
        *,
        filtered: Mapping[str, Any] | None = None,
        most: int | None = None,
    ) -> AsyncIterator[list[Stored]]:
        """The items of a partition of a log from a place on, in answers of up to 1 MB.

        Args:
            table: the declared name of the log's table.
            part: the partition.
            first: the first place to read.
            last: the last one; None: all from there on.
            filtered: a condition on items, as `_contains` makes it.
            most: how many items an answer looks at.
        """
        conditions, values = dict(filtered or {}), {":part": {"S": part}}
        values |= conditions.pop("ExpressionAttributeValues", {})
        values[":first"] = {"N": str(first)}
        text = "part = :part AND place >= :first"
        if last is not None:
            values[":last"] = {"N": str(last)}
            text = "part = :part AND place BETWEEN :first AND :last"
        if most is not None:
            conditions["Limit"] = most
        start: Stored | None = None
        while True:
            if start is not None:
                conditions["ExclusiveStartKey"] = start
            answer = await _patiently(
                lambda: self.aws.call(
                    "dynamodb",
                    "query",
                    TableName=self.shapes[table].name,
                    KeyConditionExpression=text,
                    ExpressionAttributeValues=values,
                    ConsistentRead=True,
                    **conditions,
                )
            )
            yield answer["Items"]
            start = answer.get("LastEvaluatedKey")
            if start is None:
                return

    async def records(self, after: int, upto: int) -> list[Record]:
        """What the commits after one, up to another, changed; in their order.

        Raises:
            Unavailable: COMMITS_FORGOTTEN, they are more than a day old.
        """
        found: list[Record] = []
        place = after + 1
        while place <= upto:
            last = min(last_of_partition(place), upto)
            items: list[Stored] = []
            part = partition_of("commits", place)
            first_place = place * PARTS_OF_A_COMMIT
            last_place = (last + 1) * PARTS_OF_A_COMMIT - 1
            async for page in self.log_items("CommitLog", part, first_place, last_place):
                items += page
            while items:
                parts = int(items[0]["parts"]["N"])
                found.append(record_of(items[:parts]))
                items = items[parts:]
            place = last + 1
        if [record.commit for record in found] != list(range(after + 1, upto + 1)):
            raise Unavailable(
                "COMMITS_FORGOTTEN", "What was read is more than a day old: begin again."
            )
        return found

    async def record(self, commit: int) -> Record | None:
        """What one commit changed; None where there is none of that number."""
        first = commit * PARTS_OF_A_COMMIT
        items: list[Stored] = []
        part = partition_of("commits", commit)
        async for page in self.log_items("CommitLog", part, first, first + PARTS_OF_A_COMMIT - 1):
            items += page
        return record_of(items) if items else None
