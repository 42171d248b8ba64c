"""JSONPath of the workflow language: what a path reads, what it writes, and how it fails."""

import time
from typing import Any

import pytest

from meshplane.workflows.asl.errors import PathMissing, StateError
from meshplane.workflows.asl.json_path import (
    InvalidPath,
    compile_path,
    read_path,
    write_reference,
)

ORDER: dict[str, Any] = {
    "id": 7,
    "buyer": {"name": "Ada", "e-mail": "ada@example.org"},
    "odd name": "found",
    "note": None,
    "items": [
        {"sku": "AB-1", "price": 5, "tags": ["new"]},
        {"sku": "ab-2", "price": 12.5},
        {"sku": "CD-3", "price": 12.5, "tags": []},
    ],
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$", ORDER),
        ("$.id", 7),
        ("$.note", None),
        ("$.buyer.e-mail", "ada@example.org"),
        ("$['odd name']", "found"),
        ('$["buyer"]["name"]', "Ada"),
        ("$.items[0].sku", "AB-1"),
        ("$.items[-1].sku", "CD-3"),
        ("$.buyer['name','e-mail']", ORDER["buyer"]),
        ("$.items.length()", 3),
        ("$.items[*].price.max()", 12.5),
    ],
)
def test_a_definite_path__gives_the_value_there(path: str, value: Any) -> None:
    assert read_path(path, ORDER) == value


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("$.items[*].sku", ["AB-1", "ab-2", "CD-3"]),
        ("$.items[1:].sku", ["ab-2", "CD-3"]),
        ("$.items[:-1].sku", ["AB-1", "ab-2"]),
        ("$.items[0,2].sku", ["AB-1", "CD-3"]),
        ("$..price", [5, 12.5, 12.5]),
        (
            "$.items[*]['sku','price']",
            [{"sku": i["sku"], "price": i["price"]} for i in ORDER["items"]],
        ),
        ("$.items[?(@.price == 12.5)].sku", ["ab-2", "CD-3"]),
        ("$.items[?(@.price=='5')].sku", ["AB-1"]),
        ("$.items[?(@.price > 5 && @.tags)].sku", ["CD-3"]),
        ("$.items[?(@.price < 6 || @.sku == 'CD-3')].sku", ["AB-1", "CD-3"]),
        ("$.items[?(!@.tags)].sku", ["ab-2"]),
        ("$.items[?(!(@.price > 6))].sku", ["AB-1"]),
        ("$.items[?(@.sku =~ /ab-.*/i)].sku", ["AB-1", "ab-2"]),
        ("$.items[?(@.sku =~ /ab/i)].sku", []),
        ("$.items[?(@.sku in ['CD-3', 'x'])].sku", ["CD-3"]),
        ("$.items[?(@.sku nin ['CD-3', 'x'])].sku", ["AB-1", "ab-2"]),
        ("$.items[?(@.tags contains 'new')].sku", ["AB-1"]),
        ("$.items[?(@.tags size 0)].sku", ["CD-3"]),
        ("$.items[?(@.tags empty true)].sku", ["CD-3"]),
        ("$.items[?(@.tags subsetof ['new','old'])].sku", ["AB-1", "CD-3"]),
        ("$.items[?(@.tags anyof ['new'])].sku", ["AB-1"]),
        ("$.items[?(@.price == $.items[1].price)].sku", ["ab-2", "CD-3"]),
        ("$.items[?(@['sku'] == 'AB-1')].price", [5]),
        ("$..[?(@.name)].name", ["Ada"]),
        ("$.absent[*]", []),
        ("$.absent.deeper[1:].x", []),
    ],
)
def test_an_indefinite_path__gives_a_list_of_what_it_finds(path: str, values: list[Any]) -> None:
    assert read_path(path, ORDER) == values


def test_paths_start_at_the_context_or_at_a_variable() -> None:
    context = {"Execution": {"Id": "e-1"}}
    assert read_path("$$.Execution.Id", {}, context) == "e-1"
    assert read_path("$rate.value[1]", {}, context, {"rate": {"value": [1, 2]}}) == 2
    with pytest.raises(StateError) as failed:
        read_path("$unknown", {}, context, {})
    assert failed.value.error == "States.Runtime"
    assert "$unknown" in failed.value.cause


@pytest.mark.parametrize(
    ("path", "cause"),
    [
        ("$.none", "Invalid path '$.none' : No results for path: $['none']"),
        ("$.buyer.none", "Invalid path '$.buyer.none' : No results for path: $['buyer']['none']"),
        ("$.none.x", "Invalid path '$.none.x' : Missing property in path $['none']"),
        ("$.items[9]", "Invalid path '$.items[9]' : No results for path: $['items'][9]"),
        (
            "$.id.x",
            "Invalid path '$.id.x' : Expected to find an object with property ['x']"
            " in path $['id']",
        ),
    ],
)
def test_a_definite_path_that_leads_nowhere__says_where_it_ended(path: str, cause: str) -> None:
    with pytest.raises(PathMissing) as missing:
        read_path(path, ORDER)
    assert missing.value.error == "States.Runtime"
    assert missing.value.cause == cause


def test_a_missing_value_of_a_field__is_told_with_the_field_and_the_input() -> None:
    with pytest.raises(PathMissing) as missing:
        read_path("$.ErrorX", {"Error": "e", "n": 1.0})
    told = missing.value.for_field("ErrorPath")
    assert told.cause == (
        "The JSONPath '$.ErrorX' specified for the field 'ErrorPath' could not be found in the"
        ' input \'{"Error":"e","n":1.0}\''
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "id",
        "$.",
        "$..",
        "$.a[",
        "$.a[?(@.b ==)]",
        "$['a",
        "$.a b",
        "$.a[x]",
        "$.a.unknown()",
        "$.a[?(@.b =~ /(/)]",
        "$.a[?(" + "(" * 100 + "@.b" + ")" * 100 + ")]",
        "$" + ".a" * 5_000,
    ],
)
def test_what_is_no_path__is_refused_with_the_place(text: str) -> None:
    with pytest.raises(InvalidPath) as invalid:
        compile_path(text)
    assert "character" in str(invalid.value)


@pytest.mark.parametrize(
    ("path", "target", "written"),
    [
        ("$", {"a": 1}, "new"),
        ("$.a", {"a": 1, "b": 2}, {"a": "new", "b": 2}),
        ("$.x.y.z", {"a": 1}, {"a": 1, "x": {"y": {"z": "new"}}}),
        ("$['x y']", {}, {"x y": "new"}),
        ("$.list[1]", {"list": [1, 2]}, {"list": [1, "new"]}),
        ("$.list[0].k", {"list": [{"k": 1, "l": 2}]}, {"list": [{"k": "new", "l": 2}]}),
    ],
)
def test_a_result_is_put_at_a_reference_path__in_a_new_document(
    path: str, target: Any, written: Any
) -> None:
    before = repr(target)
    assert write_reference(path, target, "new") == written
    assert repr(target) == before


@pytest.mark.parametrize(
    ("path", "target"),
    [("$.a.b", {"a": "text"}), ("$.a[3]", {"a": [1]}), ("$.a[0]", {"a": {}}), ("$.a", [1])],
)
def test_where_a_target_has_no_room__the_state_fails(path: str, target: Any) -> None:
    with pytest.raises(StateError) as failed:
        write_reference(path, target, 1)
    assert failed.value.error == "States.ResultPathMatchFailure"


def test_only_reference_paths_can_be_written_to() -> None:
    assert compile_path("$.a[0]['b']").reference
    assert not compile_path("$.a[*]").reference
    with pytest.raises(InvalidPath):
        write_reference("$.a[*]", {}, 1)


def _nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$..*..*..*", [[[[1] * 10] * 10] * 10] * 10),
        ("$..*", _nested(2_000)),
        ("$.a[?($..b[?($..b == 1)] == 1)]", {"a": [{"b": 1}] * 500}),
        ("$.a[?(@ =~ /(a|b)*a(a|b){900}c/)]", {"a": ["ab" * 60_000] * 5}),
        ("$.a[?(@ =~ /(a|aa)+(?=b)b/)]", {"a": ["a" * 200]}),
        ("$.a[?(@ in $.a)]", {"a": list(range(20_000))}),
    ],
)
def test_a_path_that_costs_too_much__fails_its_state_within_a_second(path: str, value: Any) -> None:
    started = time.thread_time()
    with pytest.raises(StateError) as failed:
        read_path(path, value)
    assert failed.value.error == "States.Runtime"
    assert path in failed.value.cause
    assert time.thread_time() - started < 1.5
