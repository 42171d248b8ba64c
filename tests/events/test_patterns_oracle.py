"""Generated patterns and events, judged beside a slow matcher that knows only the definition.

A failure prints the blob that repeats it (`@reproduce_failure`), and the example itself.
"""

import re
from fractions import Fraction
from itertools import pairwise
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from meshplane.events.pattern_wildcard import matches_pieces, pieces_of
from meshplane.events.patterns import compile_pattern

Leaf = tuple[str, Any, dict[int, int]]


def leaves_of(event: dict[str, Any]) -> list[Leaf]:
    """Every value with its path, and the element of each array that it lies in."""
    found: list[Leaf] = []
    count = 0

    def walk(value: Any, path: list[str], inside: dict[int, int]) -> None:
        nonlocal count
        if isinstance(value, dict):
            for name, inner in value.items():
                walk(inner, [*path, name], inside)
        elif isinstance(value, list):
            count += 1
            number = count
            for index, element in enumerate(value):
                simple = not isinstance(element, dict | list)
                walk(element, path, inside if simple else {**inside, number: index})
        else:
            found.append((".".join(path), value, inside))

    walk(event, [], {})
    return found


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def same(one: Any, other: Any) -> bool:
    if is_number(one) and is_number(other):
        return Fraction(one) == Fraction(other)
    return type(one) is type(other) and one == other


def as_regex(wildcard: str) -> str:
    parts = re.findall(r"\\.|\*|[^\\*]", wildcard, re.DOTALL)
    return "".join(".*" if part == "*" else re.escape(part[-1]) for part in parts)


def text_fits(operator: str, wanted: str, text: str) -> bool:
    if operator == "prefix":
        return text[: len(wanted)] == wanted
    if operator == "suffix":
        return text[len(text) - len(wanted) :] == wanted if len(wanted) <= len(text) else False
    if operator == "equals-ignore-case":
        return wanted.lower() == text.lower()
    return re.fullmatch(as_regex(wanted), text, re.DOTALL) is not None


def number_fits(condition: list[Any], number: Any) -> bool:
    for operator, bound in zip(condition[::2], condition[1::2], strict=True):
        holds = {
            "=": number == bound,
            "<": number < bound,
            "<=": number <= bound,
            ">": number > bound,
            ">=": number >= bound,
        }
        if not holds[operator]:
            return False
    return True


def value_fits(condition: Any, value: Any) -> bool:
    if not isinstance(condition, dict):
        return same(condition, value)
    ((operator, wanted),) = condition.items()
    if operator == "exists":
        return bool(wanted)
    if operator == "numeric":
        return is_number(value) and number_fits(wanted, value)
    if operator == "anything-but":
        if isinstance(wanted, dict):
            ((inner, texts),) = wanted.items()
            excluded = [{inner: text} for text in (texts if isinstance(texts, list) else [texts])]
        else:
            excluded = wanted if isinstance(wanted, list) else [wanted]
        return not any(value_fits(one, value) for one in excluded)
    if not isinstance(value, str):
        return False
    if isinstance(wanted, dict):
        lowered = wanted["equals-ignore-case"].lower()
        return text_fits(operator, lowered, value.lower())
    return text_fits(operator, wanted, value)


def branches_of(pattern: dict[str, Any], path: str = "") -> list[dict[str, list[Any]]]:
    """Every way to read a pattern with `$or`, as fields by path."""
    ways: list[dict[str, list[Any]]] = [{}]
    for name, value in pattern.items():
        if name == "$or":
            inner = [way for branch in value for way in branches_of(branch, path)]
        elif isinstance(value, dict):
            inner = branches_of(value, f"{path}{name}.")
        else:
            inner = [{path + name: value}]
        ways = [{**way, **more} for way in ways for more in inner]
    return ways


def agree(one: dict[int, int], other: dict[int, int]) -> bool:
    return all(other.get(array, index) == index for array, index in one.items())


def slow_match(pattern: dict[str, Any], event: dict[str, Any]) -> bool:
    leaves = leaves_of(event)

    def rest(fields: list[tuple[str, list[Any]]], inside: dict[int, int]) -> bool:
        if not fields:
            return True
        (path, conditions), *following = fields
        reachable = [leaf for leaf in leaves if leaf[0] == path and agree(leaf[2], inside)]
        if not reachable and {"exists": False} in conditions and rest(following, inside):
            return True
        return any(
            rest(following, {**inside, **where})
            for _, value, where in reachable
            if any(value_fits(condition, value) for condition in conditions)
        )

    return any(rest(sorted(way.items()), {}) for way in branches_of(pattern))


TEXTS = st.sampled_from(["", "a", "A", "ab", "aB", "bab", "*"])
NUMBERS = st.sampled_from([0, 1, 2.5, 3, 3.0, 0.000001])
SCALARS = st.one_of(TEXTS, NUMBERS, st.booleans(), st.none())
NAMES = st.sampled_from(["a", "b", "a.b"])
PARTS = st.lists(st.sampled_from(["a", "A", "b", "\\*", "\\\\", "*"]), max_size=5)
WILDCARDS = PARTS.map(
    lambda parts: "".join(
        part for last, part in pairwise(["", *parts]) if (last, part) != ("*", "*")
    )
)
SOME_TEXTS = st.lists(TEXTS.filter(bool), min_size=1, max_size=2)

CONDITIONS = st.one_of(
    SCALARS,
    st.fixed_dictionaries({"prefix": TEXTS}),
    st.fixed_dictionaries({"suffix": TEXTS}),
    st.fixed_dictionaries({"equals-ignore-case": TEXTS}),
    st.fixed_dictionaries({"prefix": st.fixed_dictionaries({"equals-ignore-case": TEXTS})}),
    st.fixed_dictionaries({"suffix": st.fixed_dictionaries({"equals-ignore-case": TEXTS})}),
    st.fixed_dictionaries({"wildcard": WILDCARDS}),
    st.fixed_dictionaries({"exists": st.booleans()}),
    st.sampled_from(
        [{"numeric": one} for one in (["=", 3], ["<", 1], [">=", 0], [">", -1, "<=", 2.5])]
    ),
    st.fixed_dictionaries(
        {
            "anything-but": st.one_of(
                TEXTS,
                SOME_TEXTS,
                st.lists(NUMBERS, min_size=1, max_size=2),
                st.fixed_dictionaries({"prefix": SOME_TEXTS}),
                st.fixed_dictionaries({"suffix": SOME_TEXTS}),
                st.fixed_dictionaries({"equals-ignore-case": TEXTS}),
                st.fixed_dictionaries({"wildcard": WILDCARDS}),
            )
        }
    ),
)


def branch(fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    plain = st.dictionaries(NAMES, fields, min_size=1, max_size=3)
    either = st.builds(
        lambda own, branches: {**own, "$or": branches},
        st.dictionaries(NAMES, fields, max_size=1),
        st.lists(plain, min_size=2, max_size=3),
    )
    return plain | either


PATTERNS = branch(
    st.recursive(
        st.lists(CONDITIONS, min_size=1, max_size=3),
        lambda inner: st.dictionaries(NAMES, inner, min_size=1, max_size=2),
        max_leaves=4,
    )
)

EVENTS = st.dictionaries(
    NAMES,
    st.recursive(
        SCALARS,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3)
        ),
        max_leaves=10,
    ),
    max_size=3,
)  # fmt: skip


@settings(max_examples=600)
@given(PATTERNS, EVENTS)
@example({"a": {"b": ["x"], "c": [1]}}, {"a": [{"b": "x", "c": 2}, {"b": "y", "c": 1}]})
@example({"a": {"a": [1], "b": [{"exists": False}]}}, {"a": [{"a": 1}, {"b": 2}]})
@example({"a": {"a": [{"exists": False}], "b": [2]}}, {"a": [{"a": 1}, {"b": 2}]})
def test_patterns__match_what_their_definition_says(
    pattern: dict[str, Any], event: dict[str, Any]
) -> None:
    assert compile_pattern(pattern).matches(event) is slow_match(pattern, event)


@st.composite
def aimed(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """An event, and a pattern for values that it has."""
    event = draw(EVENTS.filter(leaves_of))
    aims = draw(st.lists(st.sampled_from(leaves_of(event)), min_size=1, max_size=3))
    fields = {path: [value, draw(CONDITIONS)] for path, value, _ in aims}
    fields |= draw(st.dictionaries(NAMES, st.just([{"exists": False}, 1]), max_size=1))
    return fields, event


@settings(max_examples=400)
@given(aimed())
def test_patterns_for_values_of_an_event__match_it_unless_arrays_forbid(
    pair: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    pattern, event = pair
    assert compile_pattern(pattern).matches(event) is slow_match(pattern, event)


ROWS = st.lists(
    st.dictionaries(
        st.sampled_from("ab"),
        st.integers(0, 1) | st.lists(st.dictionaries(st.sampled_from("ab"), st.integers(0, 1))),
        max_size=2,
    ),
    max_size=4,
)
ROW_PATTERNS = st.dictionaries(
    st.sampled_from(["a", "b", "a.a", "a.b", "b.a", "b.b"]),
    st.lists(st.sampled_from([0, 1, {"exists": False}]), min_size=1, max_size=2),
    min_size=1,
)


@settings(max_examples=600)
@given(ROW_PATTERNS, ROW_PATTERNS, ROWS, ROWS)
def test_rows__are_matched_element_by_element(
    one: dict[str, Any], other: dict[str, Any], rows: list[Any], more: list[Any]
) -> None:
    pattern, event = {"x": one, "y": other}, {"x": rows, "y": [more, rows], "x.a": more}
    assert compile_pattern(pattern).matches(event) is slow_match(pattern, event)


@settings(max_examples=1000)
@given(WILDCARDS, st.text("aAb*\\\n", max_size=8))
def test_wildcards__match_what_a_regular_expression_does(wildcard: str, value: str) -> None:
    expected = re.fullmatch(as_regex(wildcard), value, re.DOTALL) is not None
    assert matches_pieces(pieces_of(wildcard), value) is expected
