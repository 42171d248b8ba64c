"""What units of work collected, and what of it one transaction is to write. Pure.

Conditions are decided here, on what is believed to lie in the tables; the transaction carries the
belief as its own conditions. Where a belief turns out wrong, nothing is written, the truth is
learnt from the refusal, and it is planned again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from meshplane.kit.errors import MeshplaneError, Stale
from meshplane.platform import gathering
from meshplane.platform.aws.dynamodb_items import COMMIT, Image, Shape
from meshplane.platform.aws.dynamodb_records import Change
from meshplane.platform.gathering import Key, Write
from meshplane.platform.store import ABSENT


@dataclass(slots=True)
class Batch(gathering.Batch):
    """All that one unit of work will write.

    Args:
        images: by place among the writes, the item of a put made ready.
        read: the images of rows that it has read.
    """

    images: dict[int, Image] = field(default_factory=dict)
    read: dict[Key, Image] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Belief:
    """What is thought to lie under a key; `sure` when DynamoDB said so, not somebody's memory."""

    image: Image | None
    sure: bool


@dataclass(slots=True)
class Plan:
    """What a transaction is to do.

    Args:
        changes: of rows, in the order of the writes.
        checks: the keys that must lie as believed though they do not change.
        units: the numbers of the units of work that it carries out.
        failed: by number of another unit of work, why it cannot be carried out.
        unread: keys that must be read before it can be planned.
    """

    changes: list[Change]
    checks: list[Key]
    units: list[int]
    failed: dict[int, MeshplaneError]
    unread: set[Key]


def unread_keys(batches: Iterable[Batch], beliefs: Mapping[Key, Belief]) -> set[Key]:
    """The keys that nothing can be assumed of: a write of them counts on what is there."""
    found: set[Key] = set()
    met: set[Key] = set()
    for batch in batches:
        for write in batch.writes:
            if write.key in beliefs or write.key in met:
                continue
            met.add(write.key)
            # What is put without a condition is mostly new. Where it is not, it costs a retry.
            new = write.expected == ABSENT or (write.expected is None and write.item is not None)
            if not new:
                found.add(write.key)
    return found


def plan(batches: Sequence[Batch], beliefs: Mapping[Key, Belief], commit: int, now: int) -> Plan:
    """Carries out units of work one after the other, as far as their conditions hold.

    Args:
        batches: the units of work.
        beliefs: by key, what is believed; a key without belief is believed to be absent.
        commit: the number that the commit will have.
        now: the present in epoch seconds.
    """
    state: dict[Key, Image | None] = {}
    conditional: set[Key] = set()
    found = Plan([], [], [], {}, set())
    for number, batch in enumerate(batches):
        own: dict[Key, Image | None] = {}
        for place, write in enumerate(batch.writes):
            believed = beliefs.get(write.key, _ABSENT)
            current = own.get(write.key, state.get(write.key, believed.image))
            if not _holds(write, current, now):
                found.failed[number] = write.otherwise or Stale(
                    "STALE", "It was changed by someone else meanwhile: read it again and retry."
                )
                found.unread |= {w.key for w in batch.writes if _unsure(beliefs, w.key)}
                break
            own[write.key] = _after(batch.images.get(place), current, commit, now)
        else:
            state |= own
            conditional |= {w.key for w in batch.writes if w.expected is not None}
            found.units.append(number)
    for key, after in state.items():
        believed = beliefs.get(key, _ABSENT)
        if after is not None or believed.image is not None:
            found.changes.append(Change(key, believed.image, after))
        elif key in conditional:
            found.checks.append(key)
    return found


def condition(shape: Shape, before: Image | None, now: int) -> dict[str, Any]:
    """The condition that a row still is as it was believed to be, as parameters of a write."""
    if before is not None:
        names = {"#commit": COMMIT}
        if before.commit == 0:
            # Somebody put it by hand.
            names["#partition"] = shape.table.partition
            text = "attribute_exists(#partition) AND attribute_not_exists(#commit)"
            return {"ConditionExpression": text, "ExpressionAttributeNames": names}
        return {
            "ConditionExpression": "#commit = :commit",
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": {":commit": {"N": str(before.commit)}},
        }
    names = {"#partition": shape.table.partition}
    text = "attribute_not_exists(#partition)"
    if not shape.table.expires:
        return {"ConditionExpression": text, "ExpressionAttributeNames": names}
    # An ended item does not count as being there, even if it has not been swept yet.
    return {
        "ConditionExpression": f"{text} OR #expires <= :now",
        "ExpressionAttributeNames": {**names, "#expires": shape.table.expires},
        "ExpressionAttributeValues": {":now": {"N": str(now)}},
    }


_ABSENT = Belief(None, False)


def _unsure(beliefs: Mapping[Key, Belief], key: Key) -> bool:
    return not beliefs.get(key, _ABSENT).sure


def _holds(write: Write, current: Image | None, now: int) -> bool:
    if write.expected is None:
        return True
    if current is not None and current.ended(now) and (write.item or write.expected == ABSENT):
        current = None
    return write.expected == (current.version if current else ABSENT)


def _after(made: Image | None, current: Image | None, commit: int, now: int) -> Image | None:
    if made is None:
        return None
    there = current is not None and not current.ended(now)
    version = current.version + 1 if current is not None and there else 1
    return Image(made.body, version, commit, made.expires, made.spilled)
