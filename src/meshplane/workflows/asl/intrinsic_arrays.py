"""Intrinsic functions of arrays."""

import json
from typing import Any

from meshplane.workflows.asl.intrinsic_arguments import IntrinsicFailed, array, integer

MOST_RANGE_ITEMS = 1_000


def partition(items: Any, size: Any) -> list[Any]:
    """`States.ArrayPartition`: the items in lists of one size; the last may be shorter."""
    values = array(items, "first")
    step = integer(size, "second")
    if step <= 0:
        raise IntrinsicFailed("The chunk size must be a positive integer")
    return [values[at : at + step] for at in range(0, len(values), step)]


def contains(items: Any, item: Any) -> bool:
    """`States.ArrayContains`: whether an equal value is among the items."""
    wanted = _identity(item)
    return any(_identity(value) == wanted for value in array(items, "first"))


def number_range(first: Any, last: Any, step: Any) -> list[Any]:
    """`States.ArrayRange`: numbers from the first to at most the last."""
    start, end, by = integer(first, "first"), integer(last, "second"), integer(step, "third")
    if by == 0:
        raise IntrinsicFailed("The step must not be 0")
    numbers = range(start, end + (1 if by > 0 else -1), by)
    # Not `len`, which fails for what does not fit a machine word.
    if numbers and (numbers[-1] - start) // by >= MOST_RANGE_ITEMS:
        raise IntrinsicFailed(f"The range must not contain more than {MOST_RANGE_ITEMS} items")
    return list(numbers)


def item_at(items: Any, index: Any) -> Any:
    """`States.ArrayGetItem`: the item at a place, counted from 0."""
    values = array(items, "first")
    place = integer(index, "second")
    if not 0 <= place < len(values):
        raise IntrinsicFailed(f"The index {place} is out of bounds for length {len(values)}")
    return values[place]


def length(items: Any) -> int:
    """`States.ArrayLength`."""
    return len(array(items, "first"))


def unique(items: Any) -> list[Any]:
    """`States.ArrayUnique`: the items without those that equal an earlier one."""
    first: dict[str, Any] = {}
    for value in array(items, "first"):
        first.setdefault(_identity(value), value)
    return list(first.values())


def _identity(value: Any) -> str:
    """Equal for equal JSON values; `1` is not `1.0`, and `true` is not `1`."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
