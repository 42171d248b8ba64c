"""How the logs lie in items: events and audit records in chunks, commits with what was before them.

A chunk holds neighbours, and its place is that of its last one, so that whoever looks for what
comes after a place finds it by its key. Partitions hold a thousand places each: none grows without
end, and no chunk lies in two.
"""

import base64
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from meshplane.platform.aws.dynamodb_items import Image, Stored
from meshplane.platform.gathering import Key

PLACES_OF_A_PARTITION = 1000
PARTS_OF_A_COMMIT = 1000
_MOST_CHUNK_BYTES = 300_000
_KEPT_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Change:
    """What a commit did to a row; None stands for no row."""

    key: Key
    before: Image | None
    after: Image | None


@dataclass(frozen=True, slots=True)
class Record:
    """What a commit changed.

    Args:
        commit: its number.
        token: what its writer knows it by.
        before: by row, what was there before it.
    """

    commit: int
    token: str
    before: Mapping[Key, Image | None]


def partition_of(log: str, place: int) -> str:
    """The partition of a log that holds a place; places begin with 1."""
    return f"{log}#{max(place - 1, 0) // PLACES_OF_A_PARTITION}"


def last_of_partition(place: int) -> int:
    """The last place of the partition that holds a place."""
    return (max(place - 1, 0) // PLACES_OF_A_PARTITION + 1) * PLACES_OF_A_PARTITION


def chunked(
    log: str, first: int, entries: Sequence[Any], more: Sequence[Mapping[str, Any]] = ()
) -> Iterator[Stored]:
    """Entries of a log as items of DynamoDB.

    Args:
        log: `events` or `audit`.
        first: the place of the first entry.
        entries: JSON values.
        more: for each entry, the sets of text that its item is found by: {"types": "ThingMade"}.
    """
    begin, size = 0, 0
    for at, entry in enumerate(entries):
        length = len(orjson.dumps(entry))
        full = size + length > _MOST_CHUNK_BYTES and at > begin
        if full or (at > begin and (first + at - 1) % PLACES_OF_A_PARTITION == 0):
            yield _chunk(log, first + at - 1, entries[begin:at], more[begin:at])
            begin, size = at, 0
        size += length
    if entries:
        yield _chunk(log, first + len(entries) - 1, entries[begin:], more[begin:])


def _chunk(
    log: str, last: int, entries: Sequence[Any], more: Sequence[Mapping[str, Any]]
) -> Stored:
    found: Stored = {
        "part": {"S": partition_of(log, last)},
        "place": {"N": str(last)},
        "entries": {"S": orjson.dumps(list(entries)).decode()},
    }
    for name in more[0] if more else ():
        found[name] = {"SS": sorted({str(each[name]) for each in more})}
    return found


def entries_of(chunk: Stored) -> list[tuple[int, Any]]:
    """(place, entry) of all entries of a chunk."""
    entries = orjson.loads(chunk["entries"]["S"])
    last = int(chunk["place"]["N"])
    return list(enumerate(entries, last - len(entries) + 1))


def record_items(record: Record, now: int) -> Iterator[Stored]:
    """A commit's record as items of DynamoDB, which go by themselves a day after `now`."""
    told = {
        "token": record.token,
        "before": [[*key, plain(image)] for key, image in record.before.items()],
    }
    whole = zlib.compress(orjson.dumps(told), 1)
    parts = range(0, len(whole), _MOST_CHUNK_BYTES)
    for number, begin in enumerate(parts):
        yield {
            "part": {"S": partition_of("commits", record.commit)},
            "place": {"N": str(record.commit * PARTS_OF_A_COMMIT + number)},
            "token": {"S": record.token},
            "parts": {"N": str(len(parts))},
            "body": {"B": whole[begin : begin + _MOST_CHUNK_BYTES]},
            "expires": {"N": str(now + _KEPT_SECONDS)},
        }


def record_of(items: Sequence[Stored]) -> Record:
    """The commit's record that these items, all and in order, hold."""
    told = orjson.loads(zlib.decompress(b"".join(bytes(item["body"]["B"]) for item in items)))
    commit = int(items[0]["place"]["N"]) // PARTS_OF_A_COMMIT
    before = {(table, part, sort): image_of(each) for table, part, sort, each in told["before"]}
    return Record(commit, told["token"], before)


def staged_items(token: str, told: Any) -> list[Stored]:
    """A staged commit as items of DynamoDB. They stay until it is done, however long that takes."""
    whole = zlib.compress(orjson.dumps(told), 1)
    return [
        {
            "part": {"S": f"staged#{token}"},
            "place": {"N": str(number)},
            "body": {"B": whole[begin : begin + _MOST_CHUNK_BYTES]},
        }
        for number, begin in enumerate(range(0, len(whole), _MOST_CHUNK_BYTES))
    ]


def staged_of(items: Sequence[Stored]) -> Any:
    """What `staged_items` was told."""
    return orjson.loads(zlib.decompress(b"".join(bytes(item["body"]["B"]) for item in items)))


def plain(image: Image | None) -> Any:
    """An image as JSON values."""
    if image is None:
        return None
    body = base64.b64encode(image.body).decode()
    return [body, image.version, image.commit, image.expires, dict(image.spilled)]


def image_of(told: Any) -> Image | None:
    """The image that `plain` was given."""
    if told is None:
        return None
    body, version, commit, expires, spilled = told
    return Image(base64.b64decode(body), version, commit, expires, spilled)
