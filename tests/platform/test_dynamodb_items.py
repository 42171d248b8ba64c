"""Items and keys in DynamoDB's terms: what was put comes back, and keys sort as they should."""

import datetime as dt
from decimal import Decimal
from typing import Any

import hypothesis.strategies as st
import orjson
import pytest
from hypothesis import given

from meshplane.kit.errors import Invalid, TooLarge
from meshplane.platform.aws.dynamodb_items import MOST_ITEM_BYTES, Image, Shape, item_bytes
from meshplane.platform.aws.dynamodb_records import (
    Record,
    chunked,
    entries_of,
    partition_of,
    record_items,
    record_of,
)
from meshplane.platform.aws.dynamodb_values import key_of_text, key_text
from meshplane.platform.tables import Index, Table

THINGS = Table(
    "Things",
    "group",
    "name",
    indexes=(Index("byOwner", "owner", "rank"),),
    expires="endsAt",
    search=("text",),
    numbers=("rank",),
)
SHAPE = Shape(THINGS, "dev-")

texts = st.text(st.characters(codec="utf-8"))
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)
items = st.dictionaries(texts, values, max_size=6).flatmap(
    lambda more: st.fixed_dictionaries(
        {"group": texts, "name": texts | st.integers(-(2**63), 2**63 - 1)},
        optional={"owner": values, "rank": values, "endsAt": st.integers(0, 2**40)},
    ).map(lambda own: {**more, **own})
)
keys = texts | st.integers(-(2**63), 2**63 - 1)


def as_dynamodb_keeps(value: Any) -> Any:
    """An attribute value after DynamoDB: its numbers in the one form in which it writes them."""
    if isinstance(value, dict):
        if set(value) == {"N"} and isinstance(value["N"], str):
            return {"N": format(Decimal(value["N"]).normalize(), "f")}
        return {name: as_dynamodb_keeps(part) for name, part in value.items()}
    return [as_dynamodb_keeps(part) for part in value] if isinstance(value, list) else value


def kept(item: dict[str, Any]) -> Any:
    stored = SHAPE.stored(Image(orjson.dumps(item), 3, 7))
    return SHAPE.image(as_dynamodb_keeps(stored))


@given(items)
def test_item__comes_back_as_it_was_put__floats_and_order_of_keys_apart(
    item: dict[str, Any],
) -> None:
    image = kept(item)
    # As JSON: there 1 and 1.0, and 0.0 and -0.0, are not the same.
    assert orjson.dumps(image.item(), option=orjson.OPT_SORT_KEYS) == orjson.dumps(
        item, option=orjson.OPT_SORT_KEYS
    )
    assert (image.version, image.commit) == (3, 7)


@given(items)
def test_item__never_has_an_empty_or_ill_typed_key(item: dict[str, Any]) -> None:
    stored = SHAPE.stored(Image(orjson.dumps(item), 1, 1))
    for name in ("group", "name", "owner"):
        assert name not in stored or stored[name].get("S")
    assert "rank" not in stored or set(stored["rank"]) == {"N"}


@given(keys, keys)
def test_keys__sort_as_numbers_first_and_then_text_by_its_bytes(
    one: str | int, other: str | int
) -> None:
    def order(key: str | int) -> tuple[int, int, bytes]:
        return (0, key, b"") if isinstance(key, int) else (1, 0, key.encode())

    assert (order(one) < order(other)) == (key_text(one).encode() < key_text(other).encode())
    assert key_of_text(key_text(one)) == one
    assert key_text(one) != ""


def test_item__deeper_than_dynamodb_nests__comes_back() -> None:
    deep: Any = "end"
    for _ in range(100):
        deep = {"in": [deep]}
    assert kept({"group": "g", "name": "n", "deep": deep}).item()["deep"] == deep


def test_item__is_native__so_that_the_console_shows_it() -> None:
    item = {"group": "g", "name": "n", "rank": 2, "when": {"at": [1, 2.5, None]}, "on": True}
    stored = SHAPE.stored(Image(orjson.dumps(item), 1, 9))
    assert stored["rank"] == {"N": "2"}
    assert stored["when"] == {"M": {"at": {"L": [{"N": "1"}, {"N": "2.5"}, {"NULL": True}]}}}
    assert stored["on"] == {"BOOL": True}
    assert {name for name in stored if name.startswith("mesh:")} == {
        "mesh:version",
        "mesh:commit",
        "mesh:shard",
    }


def test_item__with_null_in_an_index__is_not_in_it_and_keeps_the_null() -> None:
    item = {"group": "g", "name": "n", "owner": None, "rank": "text"}
    stored = SHAPE.stored(Image(orjson.dumps(item), 1, 1))
    assert not {"owner", "rank"} & set(stored)
    assert SHAPE.image(stored).item() == item


@pytest.mark.parametrize("key", [None, 2**63, 1.5, True, ["x"], {}])
def test_key__that_is_neither_text_nor_a_whole_number__is_refused(key: object) -> None:
    with pytest.raises(Invalid) as caught:
        SHAPE.checked({"group": key, "name": "n"})
    assert caught.value.fields[0].field == "group"


@pytest.mark.parametrize(("name", "most"), [("group", 2048), ("name", 1024), ("owner", 2048)])
def test_key__longer_than_dynamodb_takes__is_refused(name: str, most: int) -> None:
    fits = {"group": "g", "name": "n", name: "x" * most}
    assert SHAPE.checked(fits)
    with pytest.raises(TooLarge) as caught:
        SHAPE.checked(fits | {name: "x" * (most + 1)})
    assert caught.value.code == "KEY_TOO_LONG"


def test_large_item__loses_its_largest_attributes_until_it_fits() -> None:
    item = {"group": "g", "name": "n", "a": "x" * 300_000, "b": "y" * 200_000, "c": [1] * 1000}
    leaving = SHAPE.spillable(orjson.dumps(item))
    assert set(leaving) == {"a"}
    left = {name: value for name, value in item.items() if name not in leaving}
    assert item_bytes(SHAPE.stored(Image(orjson.dumps(left), 1, 1))) < MOST_ITEM_BYTES
    assert SHAPE.spillable(orjson.dumps(left)) == {}


@given(st.integers(1, 3000), st.integers(0, 2500))
def test_log__is_cut_into_chunks_that_no_partition_shares(first: int, count: int) -> None:
    chunks = list(chunked("events", first, list(range(count))))
    found = [entry for chunk in chunks for entry in entries_of(chunk)]
    assert found == [(first + at, at) for at in range(count)]
    for chunk in chunks:
        places = {partition_of("events", place) for place, _ in entries_of(chunk)}
        assert places == {chunk["part"]["S"]}


@given(st.dictionaries(keys, st.none() | items, max_size=5))
def test_record_of_a_commit__comes_back(before: dict[Any, Any]) -> None:
    now = int(dt.datetime(2024, 5, 1, tzinfo=dt.UTC).timestamp())
    record = Record(
        1001,
        "token",
        {
            ("Things", key, ""): None
            if item is None
            else Image(orjson.dumps(item), 2, 5, 17, {"a": "at"})
            for key, item in before.items()
        },
    )
    assert record_of(list(record_items(record, now))) == record
