"""JSONPath against python-jsonpath: where the two dialects agree, so must their answers."""

from typing import Any

import jsonpath
from hypothesis import given, settings
from hypothesis import strategies as st

from meshplane.workflows.asl.errors import PathMissing
from meshplane.workflows.asl.json_path import read_path

NAMES = st.sampled_from(["a", "b", "c"])
# No texts: the other implementation also takes their characters by index.
VALUES = st.recursive(
    st.one_of(st.integers(0, 3), st.none(), st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=20,
)
CONDITIONS = st.builds(
    "[?(@.{} {} {})]".format,
    NAMES,
    st.sampled_from(["==", "<", ">", "<=", ">="]),
    st.sampled_from(["1", "2", "'a'"]),
)
DEFINITE = st.sampled_from([".a", ".b", "['a']", "['c']", "[0]", "[-1]"])
INDEFINITE = st.sampled_from(["[*]", ".*", "[1:]", "[:1]", "[-2:]", "..a", "..b"])


@settings(max_examples=300, deadline=None)
@given(value=VALUES, steps=st.lists(DEFINITE, max_size=4))
def test_a_definite_path__finds_what_the_other_implementation_finds(
    value: Any, steps: list[str]
) -> None:
    path = "$" + "".join(steps)
    expected = jsonpath.findall(path, value)
    try:
        assert [read_path(path, value)] == expected
    except PathMissing:
        assert expected == []


@settings(max_examples=300, deadline=None)
@given(
    value=VALUES,
    before=st.lists(st.one_of(DEFINITE, INDEFINITE), max_size=2),
    step=INDEFINITE,
    after=st.lists(st.one_of(DEFINITE, INDEFINITE), max_size=2),
)
def test_an_indefinite_path__finds_what_the_other_implementation_finds(
    value: Any, before: list[str], step: str, after: list[str]
) -> None:
    path = "".join(["$", *before, step, *after])
    assert _sorted(read_path(path, value)) == _sorted(jsonpath.findall(path, value))


@settings(max_examples=200, deadline=None)
@given(
    items=st.lists(st.dictionaries(NAMES, st.sampled_from([0, 1, 2, 3, "a", "x"]))),
    condition=CONDITIONS,
)
def test_a_filter_of_a_list__keeps_what_the_other_implementation_keeps(
    items: list[Any], condition: str
) -> None:
    path = "$.items" + condition
    assert read_path(path, {"items": items}) == jsonpath.findall(path, {"items": items})


def _sorted(values: list[Any]) -> list[str]:
    """The two visit what lies below `..` in different orders."""
    return sorted(map(repr, values))
