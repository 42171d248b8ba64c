"""Group commit: units of work that arrive together share one transaction of DynamoDB.

One transaction is under way at a time in a process; what arrives meanwhile goes into the next one,
as far as it fits. Between processes the head of the log decides: who comes second learns from the
refusal what has changed, and tries again.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from meshplane.kit import hash_chain
from meshplane.kit.errors import Invalid, MeshplaneError, TooLarge, Unavailable
from meshplane.kit.ids import random_hex
from meshplane.platform.aws.dynamodb_calls import Reading, pause_seconds
from meshplane.platform.aws.dynamodb_head import Head, head_of
from meshplane.platform.aws.dynamodb_items import Image, item_bytes, json_of
from meshplane.platform.aws.dynamodb_large import (
    MOST_IN_A_TRANSACTION,
    MOST_TRANSACTION_BYTES,
    LargeCommits,
)
from meshplane.platform.aws.dynamodb_plan import Batch, Belief, Plan, condition, plan, unread_keys
from meshplane.platform.aws.dynamodb_records import Change, Record, chunked, record_items
from meshplane.platform.aws.dynamodb_tail import Tail
from meshplane.platform.aws.errors import AwsRejected, AwsUnavailable
from meshplane.platform.gathering import Key

_MOST_IN_A_GROUP = 64
_MOST_WRITES_OF_A_GROUP = 88
_GIVE_UP_SECONDS = 20.0
_FLIGHT_SECONDS = 1.0
_MOST_FINISHED = 20
_MOST_ENTRY_BYTES = 300_000
_LATER = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}

_Entries = tuple[list[Any], list[Any]]
_Waiting = tuple[Batch, "asyncio.Future[None]"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """A transaction that was sent, or is about to be.

    Args:
        plan: what it carries out.
        after: the head that it leaves.
        record: what it changes.
        items: its writes.
        keys: for each write, the row that it is about; None: it is one of the log's.
    """

    plan: Plan
    after: Head
    record: Record
    items: list[dict[str, Any]]
    keys: list[Key | None]


class GroupCommit:
    """Commits batches in the order in which they came.

    Args:
        reading: of the mesh's tables.
        tail: learns of each commit.
        now: the present in epoch seconds.
        time_text: the present, as events and audit records have it.
        on_commit: called after a commit with its record and the batches that it made durable.
    """

    def __init__(
        self,
        reading: Reading,
        tail: Tail,
        now: Callable[[], int],
        time_text: Callable[[], str],
        on_commit: Callable[[Record, Sequence[Batch]], None],
    ) -> None:
        self._reading, self._tail = reading, tail
        self._large = LargeCommits(reading)
        self._now, self._time_text, self._on_commit = now, time_text, on_commit
        self._head: Head | None = None
        self._closed = False
        self._alone = 0
        self._waiting: list[_Waiting] = []
        self._worker: asyncio.Task[None] | None = None
        self._flight: asyncio.Future[None] | None = None

    async def commit(self, batch: Batch) -> None:
        """Returns when the batch is durable; raises what kept it from being written."""
        if self._closed:
            raise Unavailable("STORE_UNAVAILABLE", "The store is closing: try again.")
        _check_logs(batch)
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._waiting.append((batch, done))
        if self._worker is None or self._worker.done():
            self._worker = loop.create_task(self._work())
        await done

    @property
    def known_events(self) -> int | None:
        """The place of the last event that this process knows of; None: it must ask."""
        return None if self._head is None else self._head.events

    async def close(self) -> None:
        """Commits what waits, and ends."""
        self._closed = True
        if self._worker is not None:
            await self._worker

    async def settled_head(self) -> Head:
        """The head of the log as it is now, with no commit under way before it."""
        for attempt in range(_MOST_FINISHED):
            head = await self._reading.head()
            if head.staged is None:
                return head
            await self._large.finish(head.staged, self._now())
            await asyncio.sleep(pause_seconds(attempt) if attempt else 0)
        raise Unavailable("STORE_UNAVAILABLE", "The store is overloaded: try again in a while.")

    async def in_flight(self) -> None:
        """Returns once it is known what became of what is being committed now, or soon."""
        if self._flight is not None:
            await asyncio.wait([self._flight], timeout=_FLIGHT_SECONDS)

    async def _work(self) -> None:
        while self._waiting:
            group = self._take()
            self._flight = asyncio.get_running_loop().create_future()
            try:
                failed, left = await self._commit(group)
            except Exception as error:  # noqa: BLE001 - whatever it is, every waiter gets an answer
                # What was believed of the log may be wrong.
                self._head = None
                if isinstance(error, Invalid | TooLarge) and len(group) > 1:
                    # One of them, and nobody says which: each by itself.
                    self._waiting[:0], self._alone = group, len(group)
                else:
                    _fail(group, error)
                continue
            finally:
                self._flight.set_result(None)
            self._waiting[:0] = left
            for number, (_, done) in enumerate(group[: len(group) - len(left)]):
                if done.done():
                    continue
                # Who lost to a neighbour of this group finds what that one wrote.
                if number in failed:
                    done.set_exception(failed[number])
                else:
                    done.set_result(None)

    def _take(self) -> list[_Waiting]:
        """The next group: whole batches, in their order, as many as probably fit."""
        size, writes = 0, 0
        most = 1 if self._alone else _MOST_IN_A_GROUP
        self._alone = max(0, self._alone - 1)
        for batch, _ in self._waiting[:most]:
            writes += len(batch.writes)
            if size and writes > _MOST_WRITES_OF_A_GROUP:
                break
            size += 1
        group, self._waiting = self._waiting[:size], self._waiting[size:]
        return group

    async def _commit(
        self, group: list[_Waiting]
    ) -> tuple[dict[int, MeshplaneError], list[_Waiting]]:
        """Commits a group; the failures by number, and those for whom there was no room."""
        work = _Work(self._reading, [batch for batch, _ in group])
        left: list[_Waiting] = []
        give_up = time.monotonic() + _GIVE_UP_SECONDS
        tries = 0
        while True:
            try:
                head, found = await self._looked(work)
            except AwsUnavailable as error:
                # Nothing was written by that, and what was sent before is looked for again.
                if not error.is_throttled or time.monotonic() > give_up:
                    raise
                await asyncio.sleep(pause_seconds(tries))
                tries += 1
                continue
            if isinstance(found, Attempt):
                return self._done(work, found), left
            if not found.units:
                return found.failed, left
            attempt = self._built(head, work.batches, found)
            if _too_large(attempt):
                if len(work.batches) == 1:
                    return await self._commit_large(work), left
                half = len(work.batches) // 2
                left = group[half : len(work.batches)] + left
                work = _Work(self._reading, work.batches[:half])
                continue
            if await self._sent(work, attempt):
                return self._done(work, attempt), left
            if time.monotonic() > give_up:
                raise Unavailable("STORE_UNAVAILABLE", "The store is overloaded: try again.")
            await asyncio.sleep(pause_seconds(tries) if work.crowded else 0)
            tries += 1

    async def _looked(self, work: "_Work") -> tuple[Head, Attempt | Plan]:
        """The head; and what is to be done, or the attempt that was carried out after all."""
        if self._head is None or self._head.staged is not None:
            self._head = await self.settled_head()
        head = self._head
        ended = await work.landed(head)
        return head, ended or await work.planned(head.commit + 1, self._now())

    def _built(self, head: Head, batches: Sequence[Batch], found: Plan) -> Attempt:
        now, token = self._now(), random_hex(32)
        shapes = self._reading.shapes
        entries, after = self._logged(head, [batches[number] for number in found.units], token)
        record = Record(after.commit, token, {each.key: each.before for each in found.changes})
        types = [{"types": entry[1], "ids": entry[0]} for entry in entries[0]]
        items: list[dict[str, Any]] = [
            {"Put": {"TableName": shapes["CommitLog"].name, "Item": after.stored()}}
        ]
        items[0]["Put"] |= head.unmoved()
        for table, stored in (
            ("CommitLog", record_items(record, now)),
            ("Outbox", chunked("events", head.events + 1, entries[0], types)),
            ("AuditTrail", chunked("audit", head.audit + 1, entries[1])),
        ):
            items += [{"Put": {"TableName": shapes[table].name, "Item": each}} for each in stored]
        keys: list[Key | None] = [None] * len(items)
        for change in found.changes:
            items.append(self._row_write(change, now))
            keys.append(change.key)
        for key in found.checks:
            shape = shapes[key[0]]
            check = {"TableName": shape.name, "Key": shape.key(key[1], key[2])}
            items.append({"ConditionCheck": check | condition(shape, None, now)})
            keys.append(key)
        for item in items:
            for write in item.values():
                if "ConditionExpression" in write:
                    write["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        return Attempt(found, after, record, items, keys)

    def _row_write(self, change: Change, now: int) -> dict[str, Any]:
        shape = self._reading.shapes[change.key[0]]
        believed = condition(shape, change.before, now)
        if change.after is None:
            key = shape.key(change.key[1], change.key[2])
            return {"Delete": {"TableName": shape.name, "Key": key} | believed}
        return {"Put": {"TableName": shape.name, "Item": shape.stored(change.after)} | believed}

    def _logged(self, head: Head, batches: Sequence[Batch], token: str) -> tuple[_Entries, Head]:
        """The entries of the two logs, and the head after them."""
        now = self._time_text()
        events = [
            [each.event_id, each.type, each.source, each.entity, now, each.detail, each.hops]
            for batch in batches
            for each in batch.events
        ]
        sequence, digest = head.audit, head.digest
        records = []
        for batch in batches:
            for record in batch.records:
                sequence += 1
                body, digest = hash_chain.link({**record, "time": now}, sequence, digest)
                records.append([digest, body.decode()])
        after = Head(head.commit + 1, head.events + len(events), sequence, digest, token)
        return (events, records), after

    async def _sent(self, work: "_Work", attempt: Attempt) -> bool:
        """Sends a transaction; whether it was carried out, as far as anybody can tell."""
        work.crowded = False
        try:
            await self._reading.aws.call(
                "dynamodb",
                "transact_write_items",
                TransactItems=attempt.items,
                ClientRequestToken=attempt.after.token,
            )
            return True
        except AwsUnavailable:
            # Whatever the last answer was: the client may have sent it before and heard nothing.
            work.lost.append(attempt)
            self._head, work.crowded = None, True
        except AwsRejected as refusal:
            reasons = refusal.answer.get("CancellationReasons", ())
            codes = {str(reason.get("Code")) for reason in reasons} - {"None"}
            if not codes <= {"ConditionalCheckFailed", *_LATER} or not codes:
                raise Invalid(
                    "VALUE_UNSUITABLE", "DynamoDB refuses to store it as it is."
                ) from refusal
            # A lost answer may have made the client send it twice.
            work.lost.append(attempt)
            work.crowded = bool(codes & _LATER)
            self._learn(work, attempt, reasons)
        return False

    def _learn(self, work: "_Work", attempt: Attempt, reasons: Sequence[dict[str, Any]]) -> None:
        for key, reason in zip(attempt.keys, reasons, strict=False):
            if reason.get("Code") != "ConditionalCheckFailed":
                continue
            stored = reason.get("Item")
            if key is None:
                self._head = head_of(stored)
            else:
                shape = self._reading.shapes[key[0]]
                work.beliefs[key] = Belief(shape.image(stored) if stored else None, True)

    def _done(self, work: "_Work", attempt: Attempt) -> dict[int, MeshplaneError]:
        self._head = attempt.after if self._head is None else self._head
        if self._head.commit < attempt.after.commit:
            self._head = attempt.after
        self._tail.own(attempt.record, attempt.plan.changes)
        durable = [work.batches[number] for number in attempt.plan.units]
        self._on_commit(attempt.record, durable)
        return attempt.plan.failed

    async def _commit_large(self, work: "_Work") -> dict[int, MeshplaneError]:
        """Commits a batch that does not fit into one transaction."""
        while True:
            head = await self.settled_head()
            keys = {write.key for batch in work.batches for write in batch.writes}
            # Read after the head: if that has not moved at the end, neither have they.
            work.beliefs = {key: Belief(None, True) for key in keys}
            await work.read(keys)
            found = await work.planned(head.commit + 1, self._now())
            if not found.units:
                return found.failed
            entries, after = self._logged(head, work.batches, random_hex(32))
            staged = await self._large.stage(head, after, found.changes, entries, self._now())
            if staged is None:
                continue
            self._head = None
            await self._large.finish(staged, self._now())
            record = Record(after.commit, staged.token, {c.key: c.before for c in found.changes})
            self._tail.own(record, found.changes)
            self._on_commit(record, work.batches)
            return {}


class _Work:
    """A group on its way: what is believed for it, and what was sent without an answer."""

    def __init__(self, reading: Reading, batches: Sequence[Batch]) -> None:
        self._reading = reading
        self.batches = list(batches)
        self.beliefs: dict[Key, Belief] = {}
        self.lost: list[Attempt] = []
        self.crowded = False
        for batch in batches:
            for key, image in batch.read.items():
                known = self.beliefs.get(key)
                if known is None or known.image is None or known.image.commit < image.commit:
                    self.beliefs[key] = Belief(image, False)

    async def read(self, keys: set[Key]) -> None:
        """Learns what lies under these keys."""
        found: dict[Key, Image] = await self._reading.images(keys)
        self.beliefs.update({key: Belief(found.get(key), True) for key in keys})

    async def planned(self, commit: int, now: int) -> Plan:
        """The plan, all that it counts on being known."""
        if unread := unread_keys(self.batches, self.beliefs):
            await self.read(unread)
        while True:
            found = plan(self.batches, self.beliefs, commit, now)
            if not found.unread:
                return found
            await self.read(found.unread)

    async def landed(self, head: Head) -> Attempt | None:
        """The one of the attempts without an answer that was carried out after all."""
        for attempt in self.lost:
            if head.commit < attempt.after.commit:
                continue
            if head.commit == attempt.after.commit:
                mine = head.token == attempt.after.token
            else:
                record = await self._reading.record(attempt.after.commit)
                mine = record is not None and record.token == attempt.after.token
            if mine:
                return attempt
        # What the head has passed can be carried out no more.
        self.lost = [each for each in self.lost if each.after.commit > head.commit]
        return None


def _check_logs(batch: Batch) -> None:
    """Makes sure that events and audit records can be stored.

    Raises:
        Invalid: VALUE_UNSUITABLE.
        TooLarge: ENTRY_TOO_LARGE.
    """
    for entry in (*(event.detail for event in batch.events), *batch.records):
        if len(json_of(entry)) > _MOST_ENTRY_BYTES:
            raise TooLarge(
                "ENTRY_TOO_LARGE",
                f"An event or audit record has more than {_MOST_ENTRY_BYTES} bytes.",
            )


def _too_large(attempt: Attempt) -> bool:
    if len(attempt.items) > MOST_IN_A_TRANSACTION:
        return True
    puts = (item["Put"]["Item"] for item in attempt.items if "Put" in item)
    return sum(item_bytes(put) for put in puts) > MOST_TRANSACTION_BYTES


def _fail(group: Sequence[_Waiting], error: Exception) -> None:
    refusal: Exception = error
    if not isinstance(error, MeshplaneError) or isinstance(error, AwsRejected | AwsUnavailable):
        refusal = Unavailable(
            "STORE_UNAVAILABLE",
            "The store could not write. Look whether this request was kept before you send it "
            "again.",
        )
        refusal.__cause__ = error
    for _, done in group:
        if not done.done():
            done.set_exception(refusal)
