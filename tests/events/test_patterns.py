"""Event patterns: which events they match. The answers are those of Amazon EventBridge."""

import json
from typing import Any

import pytest

from meshplane.events.patterns import InvalidEvent, compile_pattern, matches

ENVELOPE = {
    "id": "1",
    "source": "meshplane.assets",
    "detail-type": "AssetPublished",
    "account": "000000000000",
    "time": "2026-01-01T00:00:00Z",
    "region": "local",
}


def fits(values: list[Any], value: Any) -> bool:
    """Whether the values of a pattern's field accept a value of an event."""
    return compile_pattern({"detail": {"x": values}}).matches({"detail": {"x": value}})


def holds(pattern: Any, event: Any) -> bool:
    return compile_pattern(pattern).matches(event)


@pytest.mark.parametrize(
    ("values", "accepted", "rejected"),
    [
        (["a", "b"], ["a", "b", ["z", "b"]], ["A", "", None, ["z"], []]),
        ([300], [300, 300.0, 3.0e2, [1, 300]], [301, "300", None, True, -300]),
        ([0], [0, 0.0, -0.0], [False, "", None, "0"]),
        ([1], [1], [True]),
        ([True], [True], [False, 1, "true"]),
        ([None], [None, [None]], ["null", 0, [], ""]),
        ([{"prefix": "ab"}], ["ab", "abc"], ["Ab", "a", 12, None]),
        ([{"prefix": ""}], ["", "abc"], [12, None]),
        ([{"suffix": ".png"}], [".png", "a.png"], ["a.PNG", "png"]),
        ([{"prefix": {"equals-ignore-case": "aB"}}], ["AB", "abc", "Abc"], ["a", "xab"]),
        ([{"suffix": {"equals-ignore-case": ".PnG"}}], ["a.png", ".PNG"], ["png", "a.pngx"]),
        ([{"equals-ignore-case": "aB"}], ["ab", "AB"], ["abc", "a", 1]),
        ([{"equals-ignore-case": ""}], [""], ["a"]),
        ([{"exists": True}], [0, None, "", [1]], [[], {}, {"y": 1}]),
        ([{"exists": False}], [[], {}, {"y": 1}, [{"y": 1}]], [0, None, "", [1]]),
        (["a", {"exists": False}, {"numeric": ["<", 3]}], ["a", 2, []], ["b", 3]),
        ([{"exactly": "a"}], ["a"], ["A"]),
    ],
)
def test_values__accept_what_they_say_and_nothing_else(
    values: list[Any], accepted: list[Any], rejected: list[Any]
) -> None:
    assert [value for value in accepted if not fits(values, value)] == []
    assert [value for value in rejected if fits(values, value)] == []


@pytest.mark.parametrize(
    ("form", "accepted", "rejected"),
    [
        ("a", ["b", "A", 1, None, True, ["a", "b"]], ["a", ["a"], []]),
        (["a", "b"], ["c", None], ["a", "b"]),
        (3, [4, "3", None, 3.5], [3, 3.0]),
        ([1, 2], [3, "1"], [1, 2.0]),
        ({"prefix": "ab"}, ["b", 12, None], ["ab", "abc"]),
        ({"prefix": ["a", "b"]}, ["c"], ["a1", "b1"]),
        ({"suffix": "yz"}, ["y", None], ["yz", "xyz"]),
        ({"suffix": [".a", ".b"]}, [".c"], ["x.a", "x.b"]),
        ({"equals-ignore-case": "ab"}, ["abc", 1], ["AB", "ab"]),
        ({"equals-ignore-case": ["ab", "cd"]}, ["ac"], ["AB", "Cd"]),
        ({"wildcard": "*/lib/*"}, ["lib", 5, None], ["a/lib/b", "/lib/"]),
        ({"wildcard": ["*/a", "b/*"]}, ["c"], ["x/a", "b/"]),
    ],
)
def test_anything_but__accepts_every_other_value_that_is_there(
    form: Any, accepted: list[Any], rejected: list[Any]
) -> None:
    assert [value for value in accepted if not fits([{"anything-but": form}], value)] == []
    assert [value for value in rejected if fits([{"anything-but": form}], value)] == []
    assert not holds({"x": [{"anything-but": form}]}, {"y": 1})


@pytest.mark.parametrize(
    ("condition", "accepted", "rejected"),
    [
        (["=", 301.8], [301.8, 3.018e2], [301.8001, "301.8", None]),
        (["<", 10], [9.999999, -5e9], [10, 10.0]),
        (["<=", 10], [10], [10.000001]),
        ([">", 0], [0.000001, 5e9], [0, -1]),
        ([">=", 0], [0, 0.0000001], [-0.000001]),
        ([">", 0, "<=", 5], [1, 5], [0, 5.000001]),
        ([">=", 0, "<", 5], [0, 4.999999], [5, -1]),
        # Beyond the range that is compared there is no number to EventBridge.
        ([">", 0], [], [5_000_000_001, 1e300, 10**5000]),
    ],
)
def test_numeric__compares_numbers_to_the_millionth(
    condition: list[Any], accepted: list[Any], rejected: list[Any]
) -> None:
    assert [value for value in accepted if not fits([{"numeric": condition}], value)] == []
    assert [value for value in rejected if fits([{"numeric": condition}], value)] == []


def test_numbers_too_far_to_compare__match_only_as_they_are_written() -> None:
    assert holds('{"x": [1e12]}', '{"x": 1e12}')
    assert not holds('{"x": [1e12]}', '{"x": 1000000000000}')
    assert holds('{"x": [1000000000000]}', {"x": 1000000000000})
    assert holds('{"x": [1e400]}', '{"x": 1e400}')


@pytest.mark.parametrize(
    ("block", "accepted", "rejected"),
    [
        ("10.0.0.0/24", ["10.0.0.0", "10.0.0.255"], ["10.0.1.0", "10.0.0.256", "", "::", 123]),
        # The block begins with the address that is given.
        ("10.0.0.8/24", ["10.0.0.8", "10.0.0.255"], ["10.0.0.7"]),
        ("0.0.0.0/0", ["255.255.255.255"], ["::1", "1.2.3"]),
        (
            "2001:db8:1234:1a00::/64",
            ["2001:0db8:1234:1a00:0000:0000:0000:0000", "2001:DB8:1234:1A00:ffff::"],
            ["2001:db8:1234:1a01::", "10.0.0.1"],
        ),
        ("::/0", ["::1"], ["10.0.0.1", "::ffff:a00:1"]),
    ],
)
def test_cidr__accepts_the_addresses_of_its_block(
    block: str, accepted: list[Any], rejected: list[Any]
) -> None:
    assert [value for value in accepted if not fits([{"cidr": block}], value)] == []
    assert [value for value in rejected if fits([{"cidr": block}], value)] == []


def test_an_exact_address__matches_however_it_is_written() -> None:
    assert fits(["2001:db8::1"], "2001:0DB8:0:0:0:0:0:1")
    assert not fits(["2001:db8::1"], "2001:db8::2")
    assert not fits(["2001:db8::1"], "no address")


@pytest.mark.parametrize(
    ("text", "accepted", "rejected"),
    [
        ("*", ["", "a", "*"], [1, None]),
        ("", [""], ["a"]),
        ("a*c", ["ac", "abc", "a*c"], ["a", "acb", "bac"]),
        ("*a*b*", ["ab", "xaxbx"], ["ba", "a"]),
        ("ab*ba", ["abba", "abxba"], ["aba"]),
        ("\\*a", ["*a"], ["xa", "\\*a"]),
        ("a\\\\*", ["a\\", "a\\b"], ["ab"]),
        ("é*ü", ["éü", "éaü"], ["e", "é"]),
    ],
)
def test_wildcard__stars_stand_for_any_text(
    text: str, accepted: list[Any], rejected: list[Any]
) -> None:
    assert [value for value in accepted if not fits([{"wildcard": text}], value)] == []
    assert [value for value in rejected if fits([{"wildcard": text}], value)] == []


@pytest.mark.parametrize(
    ("text", "accepted", "rejected"),
    [
        # A character's upper case may be longer than it, and need not lead back to it.
        ("straße", ["STRASSE", "strasse".replace("ss", "ß")], ["strase"]),
        ("k", ["K"], ["\N{KELVIN SIGN}"]),
    ],
)
def test_ignoring_case__changes_single_characters_only(
    text: str, accepted: list[str], rejected: list[str]
) -> None:
    for operator in ("prefix", "suffix"):
        condition = [{operator: {"equals-ignore-case": text}}]
        assert [value for value in accepted if not fits(condition, value)] == []
    assert [value for value in accepted if not fits([{"equals-ignore-case": text}], value)] == []
    assert [value for value in rejected if fits([{"equals-ignore-case": text}], value)] == []


def test_fields__must_all_match_and_names_join_with_dots() -> None:
    pattern = {"source": ["a"], "detail": {"state": {"status": ["on"]}}}
    assert holds(pattern, {"source": "a", "detail": {"state": {"status": "on"}}})
    assert holds(pattern, {"source": "a", "detail": {"state.status": "on"}})
    assert holds(pattern, {"source": "a", "detail.state": {"status": "on"}})
    assert not holds(pattern, {"source": "b", "detail": {"state": {"status": "on"}}})
    assert not holds(pattern, {"source": "a", "detail": {"State": {"status": "on"}}})
    assert not holds(pattern, {"source": "a", "detail": '{"state": {"status": "on"}}'})


def test_or__takes_any_branch_and_nests() -> None:
    pattern = {
        "source": ["s"],
        "$or": [
            {"a": [1]},
            {"b": [2], "c": [3], "$or": [{"d": [4]}, {"detail": {"e": [5]}}]},
        ],
    }
    assert holds(pattern, {"source": "s", "a": 1})
    assert holds(pattern, {"source": "s", "b": 2, "c": 3, "detail": {"e": 5}})
    assert not holds(pattern, {"source": "s", "b": 2, "c": 3})
    assert not holds(pattern, {"a": 1})


def test_two_fields_of_one_path__the_last_one_counts() -> None:
    assert holds('{"source": ["a"], "source": ["b"]}', {"source": "b"})
    assert not holds('{"source": ["a"], "source": ["b"]}', {"source": "a"})
    in_branch = {"x": [1], "$or": [{"x": [2]}, {"y": [3]}]}
    assert holds(in_branch, {"x": 2})
    assert holds(in_branch, {"x": 1, "y": 3})
    assert not holds(in_branch, {"x": 1})
    assert holds('{"x": [2]}', '{"x": 1, "x": 2}')


EMPLOYEES = {
    "employees": [
        {"firstName": "John", "lastName": "Doe"},
        {"firstName": "Anna", "lastName": "Smith"},
        {"firstName": "Peter", "lastName": "Jones", "team": [{"name": "A", "size": 1}]},
    ]
}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ({"employees": {"firstName": ["Anna"]}}, True),
        ({"employees": {"firstName": ["Anna"], "lastName": ["Smith"]}}, True),
        ({"employees": {"firstName": ["Anna"], "lastName": ["Jones"]}}, False),
        ({"employees": {"firstName": ["Peter"], "team": {"name": ["A"], "size": [1]}}}, True),
        ({"employees": {"firstName": ["Anna"], "team": {"name": ["A"]}}}, False),
        ({"employees": {"firstName": ["Anna"], "team": {"name": [{"exists": False}]}}}, True),
        ({"employees": {"firstName": ["Peter"], "team": {"name": [{"exists": False}]}}}, False),
        # Absence that is asked for before any element was chosen is absence from all of them.
        ({"employees": {"age": [{"exists": False}], "firstName": ["Anna"]}}, True),
        ({"employees": {"a": [{"exists": False}], "firstName": [{"exists": False}]}}, False),
    ],
)
def test_arrays__give_all_fields_from_one_element(pattern: Any, expected: bool) -> None:
    assert holds(pattern, EMPLOYEES) is expected
    assert holds(pattern, {"employees": [EMPLOYEES["employees"], []]}) is expected


def test_values_in_one_array__may_satisfy_different_fields_by_different_values() -> None:
    assert holds({"resources": ["b"]}, {"resources": ["a", "b"]})
    assert holds({"resources": ["b"]}, {"resources": [["a"], ["b"]]})


def test_text_and_objects__are_the_same_to_matches() -> None:
    event = {**ENVELOPE, "detail": {"rows": 3.0}}
    pattern = {"detail-type": ["AssetPublished"], "detail": {"rows": [{"numeric": [">", 2]}]}}
    for one in (pattern, json.dumps(pattern), json.dumps(pattern).encode()):
        for other in (event, json.dumps(event), json.dumps(event).encode()):
            assert matches(one, other)


@pytest.mark.parametrize("event", ["[1]", "nothing", "1", [], None, '{"a": NaN}', "[" * 100_000])
def test_what_is_no_event__is_refused(event: Any) -> None:
    with pytest.raises(InvalidEvent):
        compile_pattern({"a": [1]}).matches(event)


@pytest.mark.parametrize("event", [{"a": {1, 2}}, {1: 2}, {"a": [object()]}])
def test_what_json_cannot_express__is_no_event(event: Any) -> None:
    with pytest.raises(InvalidEvent):
        compile_pattern({"a": [1]}).matches(event)
