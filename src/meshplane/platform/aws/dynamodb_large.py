"""Commits that are too large for one transaction of DynamoDB.

Such a commit is written down whole, then decided by one conditional write of the log's head that
names it, and then carried out in transactions that each make sure it is still the one under way.
Until it is done, nobody else commits: whoever meets it carries it out first. So it happens whole
even if its process ends in the middle, and a process that slept too long cannot spoil anything.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from logging import WARNING
from typing import Any

from meshplane.kit.errors import MeshplaneError, TooLarge, Unavailable
from meshplane.platform.aws.dynamodb_calls import Reading, pause_seconds
from meshplane.platform.aws.dynamodb_head import HEAD_KEY, Head, Staged
from meshplane.platform.aws.dynamodb_items import Stored, item_bytes
from meshplane.platform.aws.dynamodb_records import (
    Change,
    Record,
    chunked,
    image_of,
    plain,
    record_items,
    staged_items,
    staged_of,
)
from meshplane.platform.aws.errors import AwsRejected, AwsUnavailable
from meshplane.platform.telemetry import log

MOST_IN_A_TRANSACTION = 100
MOST_TRANSACTION_BYTES = 3_600_000
_MOST_ATTEMPTS = 40
_CONFLICT = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}


class LargeCommits:
    """Stages large commits, and carries out those that are staged.

    Args:
        reading: of the mesh's tables.
    """

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._aws = reading.aws

    async def stage(
        self,
        head: Head,
        after: Head,
        changes: Sequence[Change],
        logs: tuple[list[Any], list[Any]],
        now: int,
    ) -> Staged | None:
        """Decides a commit, if the head has not moved.

        Args:
            head: the log's head, read before the rows were.
            after: what it is to be; its token names the commit.
            changes: of rows.
            logs: its events and its audit records, as they lie in their chunks.
            now: the present in epoch seconds.

        Returns:
            What is to be carried out now; None: somebody else committed meanwhile.

        Raises:
            TooLarge: COMMIT_TOO_LARGE, its events, audit records and what was before it do not go
                into one transaction.
        """
        token = after.token
        told = {
            "after": [after.commit, after.events, after.audit, after.digest, token],
            "before": [head.commit, head.events, head.audit],
            "changes": [
                [*change.key, plain(change.before), plain(change.after)] for change in changes
            ],
            "logs": logs,
        }
        _demand_fitting(_closing_items(self._reading, token, told, now))
        items = staged_items(token, told)
        for item in items:
            await self._aws.call("dynamodb", "put_item", TableName=self._log_name, Item=item)
        staged = Staged(token, len(items))
        decided = await self._decide(head, replace(head, staged=staged), token)
        if not decided:
            await self._clear(f"staged#{token}", len(items))
        return staged if decided else None

    async def _decide(self, head: Head, staged: Head, token: str) -> bool:
        for attempt in range(_MOST_ATTEMPTS):
            try:
                await self._aws.call(
                    "dynamodb",
                    "put_item",
                    TableName=self._log_name,
                    Item=staged.stored(),
                    **head.unmoved(),
                )
                return True
            except AwsRejected as refusal:
                if refusal.aws_code == "ConditionalCheckFailedException":
                    # After a lost answer, it may be our own.
                    return await self._is_mine(token, head.commit + 1)
                if refusal.aws_code != "TransactionConflictException":
                    raise
            except AwsUnavailable as lost:
                if lost.may_have_happened and await self._is_mine(token, head.commit + 1):
                    return True
            await asyncio.sleep(pause_seconds(attempt))
        raise Unavailable("STORE_UNAVAILABLE", "The store did not answer: try again.")

    async def _is_mine(self, token: str, commit: int) -> bool:
        head = await self._reading.head()
        if head.staged is not None and head.staged.token == token:
            return True
        # It was decided, perhaps, and somebody has carried it out already.
        record = await self._reading.record(commit)
        return record is not None and record.token == token

    async def finish(self, staged: Staged, now: int) -> None:
        """Carries out a staged commit, or what is left of it; others may do so at the same time."""
        items: list[Stored] = []
        part = f"staged#{staged.token}"
        async for page in self._reading.log_items("CommitLog", part, 0):
            items += page
        if len(items) < staged.parts:
            # They are removed only when it is done.
            return
        told = staged_of(items)
        for group in self._groups(told):
            if not await self._transact([self._under_way(staged), *group]):
                return
        head = {"Put": self._head_put(staged, Head(*told["after"]))}
        await self._transact([head, *_closing_items(self._reading, staged.token, told, now)])
        await self._clear(part, len(items))

    async def _clear(self, part: str, parts: int) -> None:
        for number in range(parts):
            try:
                await self._aws.call(
                    "dynamodb",
                    "delete_item",
                    TableName=self._log_name,
                    Key={"part": {"S": part}, "place": {"N": str(number)}},
                )
            except MeshplaneError as error:
                # It does no harm, and takes a few kilobytes.
                log(WARNING, "staged_commit_not_cleared", code=error.code)

    @property
    def _log_name(self) -> str:
        return self._reading.shapes["CommitLog"].name

    def _under_way(self, staged: Staged) -> dict[str, Any]:
        condition = Head(staged=staged).unmoved()
        return {"ConditionCheck": {"TableName": self._log_name, "Key": HEAD_KEY, **condition}}

    def _head_put(self, staged: Staged, after: Head) -> dict[str, Any]:
        condition = Head(staged=staged).unmoved()
        return {"TableName": self._log_name, "Item": after.stored(), **condition}

    def _groups(self, told: Any) -> list[list[dict[str, Any]]]:
        """The rows' writes in groups that a transaction takes."""
        groups: list[list[dict[str, Any]]] = [[]]
        size = 0
        for table, partition, sort, _, after in told["changes"]:
            shape = self._reading.shapes[table]
            image = image_of(after)
            write: dict[str, Any]
            if image is None:
                key = shape.key(partition, sort)
                write, length = {"Delete": {"TableName": shape.name, "Key": key}}, 0
            else:
                stored = shape.stored(image)
                write = {"Put": {"TableName": shape.name, "Item": stored}}
                length = item_bytes(stored)
            if len(groups[-1]) == MOST_IN_A_TRANSACTION - 1 or (
                size + length > MOST_TRANSACTION_BYTES and groups[-1]
            ):
                groups.append([])
                size = 0
            groups[-1].append(write)
            size += length
        return groups

    async def _transact(self, items: list[dict[str, Any]]) -> bool:
        """Whether it was written; if not, somebody else has carried the commit out."""
        for attempt in range(_MOST_ATTEMPTS):
            try:
                await self._aws.call("dynamodb", "transact_write_items", TransactItems=items)
                return True
            except AwsRejected as refusal:
                reasons = refusal.answer.get("CancellationReasons", ())
                codes = {reason.get("Code") for reason in reasons} - {None, "None"}
                if "ConditionalCheckFailed" in codes:
                    return False
                if not codes or not codes <= _CONFLICT:
                    raise
            except AwsUnavailable:
                # Each of these writes may be done twice.
                if attempt + 1 == _MOST_ATTEMPTS:
                    raise
            await asyncio.sleep(pause_seconds(attempt))
        raise Unavailable("STORE_UNAVAILABLE", "The store is overloaded: try again in a while.")


def _closing_items(reading: Reading, token: str, told: Any, now: int) -> list[dict[str, Any]]:
    """The logs' part of the last transaction: events, audit records, and what was before."""
    commit, events, audit = told["before"]
    before = {tuple(key): image_of(image) for *key, image, _ in told["changes"]}
    record = Record(commit + 1, token, before)
    types = [{"types": entry[1], "ids": entry[0]} for entry in told["logs"][0]]
    items = [
        ("CommitLog", record_items(record, now)),
        ("Outbox", chunked("events", events + 1, told["logs"][0], types)),
        ("AuditTrail", chunked("audit", audit + 1, told["logs"][1])),
    ]
    return [
        {"Put": {"TableName": reading.shapes[table].name, "Item": item}}
        for table, stored in items
        for item in stored
    ]


def _demand_fitting(items: Sequence[dict[str, Any]]) -> None:
    size = sum(item_bytes(item["Put"]["Item"]) for item in items)
    if len(items) >= MOST_IN_A_TRANSACTION or size > MOST_TRANSACTION_BYTES:
        raise TooLarge(
            "COMMIT_TOO_LARGE",
            "It changes more at once than the store can write in one commit: do it in parts.",
        )
