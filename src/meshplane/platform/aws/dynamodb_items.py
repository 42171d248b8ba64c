"""Items of a declared table as they lie in DynamoDB: native attributes, beside them a few of ours.

`mesh:version` is the row's version, and `mesh:commit` the commit that wrote it, which no other
image of the row shares. What was too large lies in S3; `mesh:spilled` names it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import orjson

from meshplane.kit.errors import Invalid, TooLarge
from meshplane.platform.aws.dynamodb_values import (
    MARK,
    AttributeValue,
    from_attribute,
    is_key,
    key_of_text,
    key_text,
    size_of,
    to_attribute,
)
from meshplane.platform.gathering import Key
from meshplane.platform.tables import Item, KeyValue, Table

VERSION, COMMIT = "mesh:version", "mesh:commit"
FLOATS, REST, SPILLED, SHARD = "mesh:floats", "mesh:rest", "mesh:spilled", "mesh:shard"
TEXT_INDEX = "mesh-text"
"""The index through which the rows of a table with full text are found when a process starts."""

SHARDS = 8
_LONGEST_PARTITION_BYTES, _LONGEST_SORT_BYTES = 2048, 1024
# An item has at most 400 KB, names of attributes included.
MOST_ITEM_BYTES = 380_000
_LEAST_SPILLED_BYTES = 1024
_SURELY_SMALL_BYTES = 60_000

Stored = dict[str, AttributeValue]


@dataclass(frozen=True, slots=True)
class Image:
    """A row as it is, or was, in the table.

    Args:
        body: the item as JSON, without what is spilled.
        version: of the row.
        commit: which commit wrote it.
        expires: when it ends, in epoch seconds; None: never.
        spilled: by attribute, the name of the object in S3 that holds its value.
    """

    body: bytes
    version: int
    commit: int
    expires: float | None = None
    spilled: Mapping[str, str] = field(default_factory=dict)

    def item(self) -> Item:
        """The item, without what is spilled; each call gives one of its own."""
        item: Item = orjson.loads(self.body)
        return item

    def ended(self, now: int) -> bool:
        """Whether it has expired by `now`, in epoch seconds."""
        return self.expires is not None and self.expires <= now


class Shape:
    """How the items of one declared table lie.

    Args:
        table: as declared.
        prefix: what its name in DynamoDB begins with.
    """

    def __init__(self, table: Table, prefix: str = "") -> None:
        self.table = table
        self.name = f"{prefix}{table.name}"
        self.primary = (table.partition, table.sort) if table.sort else (table.partition,)

    @cached_property
    def index_keys(self) -> dict[str, int]:
        """The attributes that are keys, of the table or an index, and how long each may be."""
        longest = {self.table.partition: _LONGEST_PARTITION_BYTES}
        if self.table.sort:
            longest[self.table.sort] = _LONGEST_SORT_BYTES
        for index in self.table.indexes:
            for name, most in (
                (index.partition, _LONGEST_PARTITION_BYTES),
                (index.sort, _LONGEST_SORT_BYTES),
            ):
                if name:
                    longest[name] = min(most, longest.get(name, most))
        return longest

    def key(self, partition: KeyValue, sort: KeyValue) -> Stored | None:
        """The key attributes of a row; None where no row can have such a key."""
        found: Stored = {}
        for name, value in zip(self.primary, (partition, sort), strict=False):
            attribute = self.key_attribute(name, value)
            if attribute is None:
                return None
            found[name] = attribute
        return found

    def key_attribute(self, name: str, value: object) -> AttributeValue | None:
        """The value of a key attribute; None where it cannot be one."""
        if not is_key(value):
            return None
        if name in self.table.numbers:
            return {"N": str(value)} if isinstance(value, int) else None
        text = key_text(value)  # type: ignore[arg-type]
        try:
            length = len(text.encode())
        except UnicodeEncodeError:
            return None
        return {"S": text} if length <= self.index_keys[name] else None

    def place_of(self, stored: Stored, name: str) -> KeyValue:
        """The value of a key attribute, as it sorts."""
        ((kind, value),) = stored[name].items()
        return int(value) if kind == "N" else str(value)

    def key_of(self, stored: Stored) -> Key:
        """Which row it is."""
        values = [self.key_value(stored[name]) for name in self.primary]
        return self.table.name, values[0], values[1] if self.table.sort else ""

    def stored(self, image: Image) -> Stored:
        """An image as an item of DynamoDB."""
        found: Stored = {VERSION: {"N": str(image.version)}, COMMIT: {"N": str(image.commit)}}
        floats: list[str] = []
        rest: Item = {}
        for name, value in image.item().items():
            if name in self.index_keys:
                attribute = self.key_attribute(name, value)
                if attribute is not None:
                    found[name] = attribute
                    continue
            elif name and not name.startswith(MARK):
                found[name] = to_attribute(value, name, floats)
                continue
            rest[name] = value
        if floats:
            found[FLOATS] = {"SS": floats}
        if rest:
            found[REST] = {"B": orjson.dumps(rest)}
        if image.spilled:
            found[SPILLED] = {"M": {name: {"S": at} for name, at in image.spilled.items()}}
        if self.table.search:
            # CRC would do; what counts is that the shards are even and stay what they are.
            shard = sum(orjson.dumps([found[name] for name in self.primary])) % SHARDS
            found[SHARD] = {"S": str(shard)}
        return found

    def image(self, stored: Stored) -> Image:
        """The image that an item of DynamoDB holds."""
        floats = frozenset(stored.get(FLOATS, {"SS": ()})["SS"])
        item: Item = {}
        for name, value in stored.items():
            if name in self.index_keys:
                item[name] = self.key_value(value)
            elif not name.startswith(MARK):
                item[name] = from_attribute(value, name, floats)
        if REST in stored:
            item |= orjson.loads(stored[REST]["B"])
        spilled = stored.get(SPILLED, {"M": {}})["M"]
        return Image(
            orjson.dumps(item),
            # An item that somebody put by hand has neither.
            int(stored.get(VERSION, {"N": "1"})["N"]),
            int(stored.get(COMMIT, {"N": "0"})["N"]),
            self.end_of(item),
            {name: str(at["S"]) for name, at in spilled.items()},
        )

    def end_of(self, item: Item) -> float | None:
        """When an item ends, in epoch seconds."""
        end = item.get(self.table.expires) if self.table.expires else None
        return end if isinstance(end, int | float) else None

    def checked(self, item: Item) -> bytes:
        """An item that is to be put, as JSON.

        Raises:
            Invalid: VALUE_UNSUITABLE, it holds what cannot be stored, or its key cannot be one.
            TooLarge: KEY_TOO_LONG, a key of the table or of an index has too many bytes.
        """
        body = json_of(item)
        for name, most in self.index_keys.items():
            value = item.get(name)
            if isinstance(value, str) and len(key_text(value).encode()) > most:
                raise TooLarge(
                    "KEY_TOO_LONG",
                    f"{name} is longer than {most} bytes, more than a key of the store may have.",
                    field=name,
                )
            if name in self.primary and self.key_attribute(name, value) is None:
                raise Invalid(
                    "VALUE_UNSUITABLE",
                    f"{name} is a key, and so text or a whole number of 64 bits.",
                    field=name,
                )
        return body

    def spillable(self, body: bytes) -> dict[str, bytes]:
        """By attribute, the values that must leave an item so that it has room; mostly none."""
        if len(body) <= _SURELY_SMALL_BYTES:
            return {}
        item: Item = orjson.loads(body)
        sizes = {
            name: len(name.encode()) + size_of(to_attribute(value, name, []))
            for name, value in item.items()
        }
        excess = sum(sizes.values()) - MOST_ITEM_BYTES
        leaving: dict[str, bytes] = {}
        for name in sorted(sizes, key=lambda name: sizes[name], reverse=True):
            if excess <= 0 or sizes[name] < _LEAST_SPILLED_BYTES:
                break
            if name not in self.index_keys and name != self.table.expires:
                leaving[name] = orjson.dumps(item[name])
                excess -= sizes[name]
        if excess > 0:
            raise TooLarge("ITEM_TOO_LARGE", "It has more parts than the store can hold in one.")
        return leaving

    def key_value(self, attribute: AttributeValue) -> KeyValue:
        """The key that a key attribute holds."""
        ((kind, value),) = attribute.items()
        return int(value) if kind == "N" else key_of_text(value)


def json_of(value: Any) -> bytes:
    """A value as JSON that every reader takes.

    Raises:
        Invalid: VALUE_UNSUITABLE. What computes values, as workflows do, can bring about one.
    """
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        raise Invalid(
            "VALUE_UNSUITABLE",
            "It holds a whole number of more than 64 bits, or text with an unpaired surrogate, "
            "which cannot be stored: make it text, or leave it out.",
        ) from None


def item_bytes(stored: Stored) -> int:
    """About how many bytes an item has in DynamoDB."""
    return sum(len(name.encode()) + size_of(value) for name, value in stored.items())
