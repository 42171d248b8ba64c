"""A page of one partition of a table, or of one of its indexes, by sort key."""

import base64
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from meshplane.kit.errors import Invalid
from meshplane.platform.aws.dynamodb_items import COMMIT, Shape, Stored
from meshplane.platform.aws.dynamodb_values import key_text
from meshplane.platform.gathering import Key
from meshplane.platform.tables import Between, KeyValue, SortCondition, StartsWith

Position = tuple[KeyValue, ...]


class Question:
    """What a query asks, in DynamoDB's terms.

    Args:
        shape: of the table.
        partition: the partition, of the table or of the index.
        index: the index's name.
        where: the condition on the sort key.
        descending: the last first.

    Raises:
        KeyError: the table has no index of that name.
    """

    def __init__(
        self,
        shape: Shape,
        partition: KeyValue,
        index: str | None,
        where: SortCondition | None,
        descending: bool,
    ) -> None:
        self.shape, self.descending = shape, descending
        self.index = shape.table.index(index) if index is not None else None
        over = self.index or shape.table
        self._partition_name, self._sort_name = over.partition, over.sort
        self._partition = shape.key_attribute(over.partition, partition)
        self._low, self._high, self._prefix = self._bounds(where)
        # Numbers sort before text: among numbers, nothing is at or after a text, or begins with it.
        texts = isinstance(self._low, str) or self._prefix is not None
        self._nothing = self._partition is None or (texts and over.sort in shape.table.numbers)
        if self.index is None:
            self._order = [over.sort] if over.sort else []
        else:
            self._order = [*([over.sort] if over.sort else []), *shape.primary]

    def conditions(self) -> dict[str, Any] | None:
        """The parameters of the query; None: there can be nothing."""
        if self._nothing or self._partition is None:
            return None
        names, values = {"#p": self._partition_name}, {":p": self._partition}
        text = "#p = :p"
        if self._prefix is not None:
            text += " AND begins_with(#s, :prefix)"
            values[":prefix"] = {"S": self._prefix}
        elif self._low is not None and self._high is not None:
            if type(self._low) is not type(self._high) or self._low > self._high:  # type: ignore[operator]
                return None
            text += " AND #s BETWEEN :low AND :high"
        elif self._low is not None:
            text += " AND #s >= :low"
        elif self._high is not None:
            text += " AND #s <= :high"
        if self._prefix is None:
            for name, bound in ((":low", self._low), (":high", self._high)):
                if bound is not None:
                    values[name] = _attribute(bound)
        if "#s" in text:
            names["#s"] = str(self._sort_name)
        found: dict[str, Any] = {
            "KeyConditionExpression": text,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
            "ScanIndexForward": not self.descending,
        }
        # An index cannot be read consistently.
        return found | ({"IndexName": self.index.name} if self.index else {"ConsistentRead": True})

    def holds(self, stored: Stored) -> bool:
        """Whether an item is among what is asked for."""
        if stored.get(self._partition_name) != self._partition:
            return False
        if self._sort_name is None:
            return True
        if self._sort_name not in stored:
            return False
        value: Any = self.shape.place_of(stored, self._sort_name)
        if self._prefix is not None and not str(value).startswith(self._prefix):
            return False
        low: Any = self._low
        high: Any = self._high
        return (low is None or value >= low) and (high is None or value <= high)

    def within(self, stored: Stored, after: Position | None, upto: Position | None) -> bool:
        """Whether an item is among what is asked for, and between two positions of the answer."""
        if not self.holds(stored):
            return False
        at: Any = self.position(stored)
        past_begin = after is None or (at < after if self.descending else at > after)
        before_end = upto is None or (at >= upto if self.descending else at <= upto)
        return past_begin and before_end

    def position(self, stored: Stored) -> Position:
        """Where an item stands in the order of the answer."""
        return tuple(self.shape.place_of(stored, name) for name in self._order)

    def cursor(self, stored: Stored) -> str:
        """What a page that ends with this item gives as its cursor."""
        places = [self.shape.key_value(stored[name]) for name in self._order]
        return base64.urlsafe_b64encode(orjson.dumps(places)).decode().rstrip("=")

    def start(self, cursor: str) -> Stored:
        """Where the page after that cursor starts.

        Raises:
            Invalid: CURSOR_INVALID, the cursor is not one that an earlier page of this gave.
        """
        try:
            places = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        except ValueError:
            places = None
        if not isinstance(places, list) or len(places) != len(self._order):
            raise cursor_invalid()
        found: Stored = {self._partition_name: self._partition or {}}
        for name, place in zip(self._order, places, strict=True):
            attribute = self.shape.key_attribute(name, place)
            # One attribute may be a key of both the table and the index.
            if attribute is None or found.setdefault(name, attribute) != attribute:
                raise cursor_invalid()
        return found

    def _bounds(
        self, where: SortCondition | None
    ) -> tuple[KeyValue | None, KeyValue | None, str | None]:
        if where is None:
            return None, None, None
        number = self._sort_name in self.shape.table.numbers
        match where:
            case StartsWith(""):
                # All text, and no number.
                return key_text(""), None, None
            case StartsWith(prefix):
                return None, None, key_text(prefix)
            case Between(low, high):
                if number:
                    return low, None if isinstance(high, str) else high, None
                return (
                    None if low is None else key_text(low),
                    None if high is None else key_text(high),
                    None,
                )


def merged(
    question: Question,
    page: Iterable[Stored],
    after: Position | None,
    upto: Position | None,
    lying: Mapping[Key, Stored | None],
) -> list[Stored]:
    """A page as it is once some rows lie otherwise than it shows.

    Args:
        question: what is asked for.
        page: what DynamoDB gave.
        after: the position after which the page begins; None: at the first.
        upto: the position with which it ends; None: at the last.
        lying: by row, how it lies; None: there is none.
    """
    found = []
    for stored in page:
        key = question.shape.key_of(stored)
        if key not in lying:
            found.append(stored)
    found += [
        other
        for other in lying.values()
        if other is not None and question.within(other, after, upto)
    ]
    return sorted(found, key=question.position, reverse=question.descending)


def commit_of(stored: Stored) -> int:
    """Which commit wrote an item."""
    return int(stored.get(COMMIT, {"N": "0"})["N"])


def cursor_invalid() -> Invalid:
    """The cursor of somebody else, or of another list."""
    return Invalid(
        "CURSOR_INVALID",
        "The cursor is not one that an earlier page of this list gave.",
        field="cursor",
    )


def _attribute(value: KeyValue) -> dict[str, str]:
    return {"N": str(value)} if isinstance(value, int) else {"S": value}
