"""Patterns that are refused, in the words of Amazon EventBridge, and patterns made to do harm."""

import json
from typing import Any

import pytest

from meshplane.events.pattern_arrays import Demand, can_all_hold
from meshplane.events.pattern_wildcard import matches_pieces, pieces_of
from meshplane.events.patterns import InvalidEventPattern, compile_pattern
from meshplane.kit.errors import Invalid

TOO_COMPLEX = (
    "Rule is too complex - try using fewer wildcard characters or fewer repeating character "
    "sequences after a wildcard character"
)
NOT_EXCLUDABLE = "Value of anything-but must be an array or single string/number value."


def reason(pattern: Any) -> str:
    """Why a pattern is refused."""
    with pytest.raises(InvalidEventPattern) as caught:
        compile_pattern(pattern)
    head = "Event pattern is not valid. Reason: "
    assert caught.value.code == "InvalidEventPatternException"
    assert caught.value.message.startswith(head)
    return caught.value.message.removeprefix(head)


def accepted(pattern: Any) -> bool:
    return bool(compile_pattern(pattern).clauses)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], "Empty arrays are not allowed"),
        ([["a"]], "Match value must be String, number, true, false, or null"),
        ([{}], "Match expression name not found"),
        ([{"Prefix": "a"}], "Unrecognized match type Prefix"),
        ([{"prefix": "a", "suffix": "b"}], "Only one key allowed in match expression"),
        ([{"prefix": 1}], "prefix match pattern must be a string"),
        ([{"prefix": {}}], "Prefix expression name not found"),
        ([{"prefix": {"wildcard": "a"}}], "Unsupported prefix pattern: wildcard"),
        (
            [{"suffix": {"equals-ignore-case": 1}}],
            "equals-ignore-case match pattern must be a string",
        ),
        ([{"suffix": ["a"]}], "suffix match pattern must be a string"),
        ([{"equals-ignore-case": None}], "equals-ignore-case match pattern must be a string"),
        ([{"exactly": 1}], "exact match pattern must be a string"),
        ([{"exists": "true"}], "exists match pattern must be either true or false."),
        ([{"wildcard": 1}], "wildcard match pattern must be a string"),
        ([{"wildcard": "a**"}], "Consecutive wildcard characters at pos 2"),
        ([{"wildcard": "é**"}], "Consecutive wildcard characters at pos 3"),
        ([{"wildcard": "a\\b"}], "Invalid escape character at pos 2"),
        ([{"wildcard": "a\\"}], "Invalid escape character at pos 2"),
    ],
)
def test_a_bad_condition__is_refused_with_its_reason(values: list[Any], expected: str) -> None:
    assert reason({"detail": {"x": values}}) == expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (10, "Value of numeric must be an array."),
        ([], "Invalid member in numeric match: ]"),
        ([1, 2], "Invalid member in numeric match: 1"),
        (["!", 2], "Unrecognized numeric range operator: !"),
        (["="], "Value of equals must be numeric"),
        ([">", "1"], "Value of > must be numeric"),
        (["=", 1, 2], "Too many elements in numeric expression"),
        (["<", 1, ">", 0], "Too many elements in numeric expression"),
        ([">", 0, 5], "Bad value in numeric range: 5"),
        ([">", 0, ">", 5], "Bad numeric range operator: >"),
        ([">", 0, "<"], "Value of < must be numeric"),
        ([">", 0, "<", 5, 6], "Too many terms in numeric range expression"),
        ([">", 5, "<", 5], "Bottom must be less than top"),
        ([">", 5_000_000_001], "Value must be between -5.0E9 and 5.0E9, inclusive"),
    ],
)
def test_a_bad_numeric_condition__is_refused_with_its_reason(condition: Any, expected: str) -> None:
    assert reason({"x": [{"numeric": condition}]}) == expected


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (None, NOT_EXCLUDABLE),
        (True, NOT_EXCLUDABLE),
        ({"prefix": None}, NOT_EXCLUDABLE),
        ({"suffix": {"equals-ignore-case": "a"}}, NOT_EXCLUDABLE),
        ({}, "Anything-But expression name not found"),
        ({"exists": True}, "Unsupported anything-but pattern: exists"),
        ({"prefix": ""}, "Null prefix/suffix not allowed"),
        ({"suffix": ["a", ""]}, "Null prefix/suffix not allowed"),
        ({"prefix": 1}, "prefix/suffix match pattern must be a string"),
        ({"wildcard": 1}, "wildcard match pattern must be a string"),
        ({"wildcard": "**"}, "Consecutive wildcard characters at pos 1"),
        ({"wildcard": []}, "Empty arrays are not allowed"),
        ({"prefix": "a", "suffix": "b"}, "Too many elements in numeric expression"),
        (["a", None], "Inside anything but list, start|null|boolean is not supported."),
        (
            ["a", 1],
            "Inside anything but list, either all values are number or string, "
            "mixed type is not supported",
        ),
        (6e9, "Value must be between -5.0E9 and 5.0E9, inclusive"),
    ],
)
def test_a_bad_anything_but__is_refused_with_its_reason(form: Any, expected: str) -> None:
    assert reason({"x": [{"anything-but": form}]}) == expected


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ("10.0.0.0", "Malformed CIDR, one '/' required"),
        ("10.0.0.0/a", "Malformed CIDR, mask bits must be an integer"),
        ("10.0.0.0/99999999999", "Malformed CIDR, mask bits must be an integer"),
        ("10.0.0.0/-1", "Malformed CIDR, mask bits must not be negative"),
        ("10.0.0.0/32", "IPv4 mask bits must be < 32"),
        ("::/128", "IPv6 mask bits must be < 128"),
        ("a.b.c.d/8", "Nonstandard IP address: a.b.c.d"),
        ("300.0.0.1/8", "Invalid IP address: 300.0.0.1"),
        (7, "prefix match pattern must be a string"),
    ],
)
def test_a_bad_block_of_addresses__is_refused_with_its_reason(block: Any, expected: str) -> None:
    assert reason({"x": [{"cidr": block}]}) == expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ({}, "Empty objects are not allowed"),
        ({"a": {}}, "Empty objects are not allowed"),
        ({"a": 1}, '"a" must be an object or an array'),
        (["a"], "Filter is not an object"),
        ("7", "Filter is not an object"),
        ({"$or": {"a": [1]}}, "It must be an Array followed with $or."),
        ({"$or": [{"a": [1]}]}, "There must have at least 2 Objects in $or relationship."),
        ({"$or": [1, 2]}, "Only JSON object is allowed in array of $or relationship."),
        (
            {"$or": [{"a": [1]}, {"numeric": [1]}]},
            "numeric is Ruler reserved fieldName which cannot be used inside $or.",
        ),
        ("{'a': 1}", "Invalid JSON: Expecting property name enclosed in double quotes; "
         "line: 1, column: 2"),
        ({"a": [float("nan")]}, "Invalid JSON: the pattern holds what JSON cannot express"),
        ({"a": [object()]}, "Invalid JSON: the pattern holds what JSON cannot express"),
    ],
)  # fmt: skip
def test_what_is_no_pattern__is_refused_with_its_reason(pattern: Any, expected: str) -> None:
    assert reason(pattern) == expected


def test_a_refusal__is_one_of_our_errors_and_names_the_field() -> None:
    with pytest.raises(Invalid) as caught:
        compile_pattern({"a": 1})
    assert [problem.field for problem in caught.value.fields] == ["pattern"]


def test_wildcards_that_combine__are_too_complex_as_they_are_to_eventbridge() -> None:
    def keys(*wildcards: str) -> Any:
        return {"detail": {"object": {"key": [{"wildcard": text} for text in wildcards]}}}

    # Known from rules in use: the service takes these, and not four of the longer ones at once.
    assert accepted(keys("*.bif", "*.tiff", "*.tif", "*.svs"))
    long = ["*/datasync/*.bif", "*/datasync/*.tif", "*/datasync/*.tiff", "*/datasync/*.svs"]
    assert accepted(keys(*long[:2]))
    assert accepted(keys(*long[2:]))
    assert reason(keys(*long)) == TOO_COMPLEX
    assert reason(keys("a*" * 100 + "b")) == TOO_COMPLEX
    assert reason({"x": [{"anything-but": {"wildcard": ["*a*a*a*a", "*a*a*a*b"]}}]}) == TOO_COMPLEX


def test_wildcards_of_different_clauses__are_examined_together_only_where_they_meet() -> None:
    long = ["*/datasync/*.bif", "*/datasync/*.tif", "*/datasync/*.tiff", "*/datasync/*.svs"]
    branches = [{"key": [{"wildcard": text}]} for text in long]
    assert reason({"$or": branches}) == TOO_COMPLEX
    apart = [{"bucket": [str(i)], **branch} for i, branch in enumerate(branches)]
    assert accepted({"$or": apart})


def test_a_pattern_that_is_too_long__is_refused() -> None:
    filled = {"a": ["x" * (4096 - len('{"a":[""]}'))]}
    assert accepted(filled)
    filled["a"][0] += "x"
    assert "4097 characters" in reason(filled)
    assert "characters" in reason(json.dumps(filled))


@pytest.mark.parametrize("text", ['{"a":' * 200 + "[1]" + "}" * 200, "[" * 4096])
def test_a_pattern_that_is_nested_too_deeply__is_refused(text: str) -> None:
    assert "levels" in reason(text) or "Invalid JSON" in reason(text)


def test_objects_that_contain_themselves__are_refused() -> None:
    endless: dict[str, Any] = {}
    endless["a"] = endless
    assert "JSON" in reason(endless)


def test_or_branches_that_multiply__are_refused_beyond_a_thousand_combinations() -> None:
    def wide(count: int) -> Any:
        return {f"f{i}": {"$or": [{"a": [1]}, {"b": [2]}]} for i in range(count)}

    assert len(compile_pattern(wide(9)).clauses) == 512
    assert "1000 combinations" in reason(wide(10))
    assert "1000 combinations" in reason(wide(60))


class CountedText(str):
    """A text that counts what is searched in it: characters passed, and searches."""

    passed = 0
    searches = 0

    def find(self, *arguments: Any) -> int:
        piece, start, end = arguments
        found = super().find(piece, start, end)
        self.searches += 1
        self.passed += (found + len(piece) if found >= 0 else end) - start
        return found


@pytest.mark.parametrize("length", [256, 1024, 4096])
@pytest.mark.parametrize("tail", ["b", "a"])
def test_a_hundred_wildcards__pass_over_a_value_once(length: int, tail: str) -> None:
    # Beyond what a rule may have: the matcher itself must not depend on that limit.
    pieces = pieces_of("a*" * 100 + "cb")
    value = CountedText("a" * (length - 2) + "c" + tail)
    assert matches_pieces(pieces, value) is (tail == "b")
    assert value.passed <= length
    assert value.searches <= 100


def test_arrays_under_many_names__cannot_make_the_search_explode() -> None:
    # Each array offers two elements, and no choice satisfies the last field.
    arrays = 24
    demands = [
        Demand([((array, 0),), ((array, 1),)], [((array, 0),), ((array, 1),)], False)
        for array in range(arrays)
    ]
    all_of = tuple((array, 2) for array in range(arrays))
    assert not can_all_hold([*demands, Demand([all_of], [all_of], False)])


def test_large_arrays__take_steps_as_many_as_they_have_values() -> None:
    rows = [{"a": 1, "b": 0, "c": {"d": 1}} for _ in range(20_000)]
    pattern = compile_pattern({"rows": {"a": [1], "b": [1], "c": {"d": [1]}}})
    assert not pattern.matches({"rows": rows})
    rows[-1]["b"] = 1
    assert pattern.matches({"rows": rows})
    blocks = {f"x{i}": [{"v": n, "w": n} for n in range(500)] for i in range(9)}
    there = {f"x{i}": {"v": [{"exists": True}]} for i in range(8)}
    assert not compile_pattern({**there, "x8": {"v": [1], "w": [2]}}).matches(blocks)
