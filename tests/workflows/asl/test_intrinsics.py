"""Intrinsic functions of the JSONPath flavour."""

import base64
import hashlib
import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshplane.workflows.asl.errors import StateError
from meshplane.workflows.asl.intrinsics import FUNCTIONS, InvalidIntrinsic, compile_intrinsic
from meshplane.workflows.asl.scope import Scope

INPUT: dict[str, Any] = {
    "name": "Ada",
    "n": 3,
    "half": 1.5,
    "flag": True,
    "none": None,
    "list": [1, "two", [3], {"k": 4}, 1],
    "object": {"a": 1, "b": {"x": 1}},
    "other": {"b": {"y": 2}, "c": 3},
    "text": 'say "hi"',
}


def value_of(call: str, given_input: Any = None, **scope: Any) -> Any:
    return compile_intrinsic(call).evaluate(
        Scope(INPUT if given_input is None else given_input, **scope)
    )


@pytest.mark.parametrize(
    ("call", "value"),
    [
        ("States.Format('{} is {} ({})', $.name, $.half, $.flag)", "Ada is 1.5 (true)"),
        ("States.Format('{}', $.none)", "null"),
        ("States.Format('{}', $.object)", '{"a":1,"b":{"x":1}}'),
        ("States.Format('{}')", None),
        ("States.Format('no places')", "no places"),
        (r"States.Format('\{\} it\'s \\ {}', 1)", r"{} it's \ 1"),
        ("States.Format('{}', 10000000.0)", "1.0E7"),
        ("States.Array()", []),
        (
            "States.Array(1, 'two', $.list, null, true, -2.5)",
            [1, "two", INPUT["list"], None, True, -2.5],
        ),
        ("States.ArrayPartition($.list, 2)", [[1, "two"], [[3], {"k": 4}], [1]]),
        ("States.ArrayPartition($.list, 1.5)", [[1, "two"], [[3], {"k": 4}], [1]]),
        ("States.ArrayContains($.list, $.list[2])", True),
        ("States.ArrayContains($.list, 'three')", False),
        ("States.ArrayContains($.list, true)", False),
        ("States.ArrayRange(1, 9, 2)", [1, 3, 5, 7, 9]),
        ("States.ArrayRange(3, 1, -1)", [3, 2, 1]),
        ("States.ArrayRange(1, 9, 9)", [1]),
        ("States.ArrayGetItem($.list, 1)", "two"),
        ("States.ArrayLength($.list)", 5),
        ("States.ArrayUnique($.list)", [1, "two", [3], {"k": 4}]),
        ("States.StringToJson('{\"a\":[1,2.5,null]}')", {"a": [1, 2.5, None]}),
        ("States.StringToJson(' ')", None),
        ("States.JsonToString($.object)", '{"a":1,"b":{"x":1}}'),
        ("States.JsonToString($.text)", r'"say \"hi\""'),
        ("States.JsonMerge($.object, $.other, false)", {"a": 1, "b": {"y": 2}, "c": 3}),
        ("States.MathAdd(1.49, 1.5)", 3),
        ("States.MathAdd(-1.5, 0)", -1),
        ("States.MathAdd($.n, -5)", -2),
        (
            "States.StringSplit('This.is+a,test=string', '.+,=')",
            ["This", "is", "a", "test", "string"],
        ),
        ("States.StringSplit(', , ,', ',')", [" ", " "]),
        ("States.StringSplit('a]b^c', ']^')", ["a", "b", "c"]),
        ("  States.MathAdd( States.ArrayLength( $.list ) , 1 )  ", 6),
        ("States.ArrayLength($.list[?(@ in [1, 'two'])])", 3),
        ("States.Array($['name'], $.object['a'])", ["Ada", 1]),
    ],
)
def test_a_call__gives_what_step_functions_gives(call: str, value: Any) -> None:
    if value is None and "Format('{}')" in call:
        with pytest.raises(StateError):
            value_of(call)
        return
    result = value_of(call)
    assert json.dumps(result) == json.dumps(value)


def test_arguments_come_from_the_context_and_from_variables_too() -> None:
    context = {"Map": {"Item": {"Value": "Pikachu"}}}
    variables = {"template": "It's {}!", "sum": {"of": [1, 2]}}
    call = "States.Format($template, $$.Map.Item.Value)"
    assert value_of(call, context=context, variables=variables) == "It's Pikachu!"
    assert value_of("States.ArrayGetItem($sum.of, 1)", variables=variables) == 2


@pytest.mark.parametrize(
    ("call", "cause"),
    [
        ("States.ArrayGetItem($.list, 5)", "out of bounds"),
        ("States.ArrayGetItem($.list, -1)", "out of bounds"),
        ("States.ArrayLength($.name)", "must be an array"),
        ("States.ArrayPartition($.list, 0)", "positive"),
        ("States.ArrayRange(1, 9, 0)", "must not be 0"),
        ("States.ArrayRange(1, 1001, 1)", "more than 1000 items"),
        ("States.ArrayRange(0, 1e300, 1)", "more than 1000 items"),
        ("States.StringToJson('{')", "not valid JSON"),
        ("States.StringToJson('NaN')", "not valid JSON"),
        ("States.JsonMerge($.object, $.list, false)", "must be objects"),
        ("States.JsonMerge($.object, $.other, true)", "shallow"),
        ("States.MathAdd('1', 2)", "must be a number"),
        ("States.MathAdd(true, 2)", "must be a number"),
        ("States.MathAdd(2147483648, 2)", "between"),
        ("States.MathRandom(5, 5)", "less than"),
        ("States.Hash('a', 'sha-1')", "must be one of"),
        ("States.Base64Decode('***')", "not valid Base64"),
        ("States.Format('{} {}', 1)", "2 placeholders, but 1 arguments"),
    ],
)
def test_a_call_that_cannot_be_done__fails_the_state_and_names_the_call(
    call: str, cause: str
) -> None:
    with pytest.raises(StateError) as failed:
        value_of(call)
    assert failed.value.error == "States.IntrinsicFailure"
    assert failed.value.cause.startswith(f"The function '{call}' had the following error: ")
    assert cause in failed.value.cause


def test_a_path_among_the_arguments_that_leads_nowhere__is_named() -> None:
    with pytest.raises(StateError) as failed:
        value_of("States.Format('to {}', $.toDate)", {"from": 1})
    assert failed.value.error == "States.Runtime"
    assert failed.value.cause == (
        "The function 'States.Format('to {}', $.toDate)' had the following error: The JsonPath"
        " argument for the field '$.toDate' could not be found in the input '{\"from\":1}'"
    )


@pytest.mark.parametrize(
    "call",
    [
        "States.Nothing()",
        "States.Format",
        "States.Format(",
        "States.Format('a",
        "Format('a')",
        "States.UUID(1)",
        "States.Array(1,)",
        "States.Array(1 2)",
        "States.Array(abc)",
        "States.Array($.a[)",
        "States.UUID() x",
        "States.ArrayLength()",
        "States.Array(" * 11 + ")" * 11,
    ],
)
def test_what_is_no_call__is_refused(call: str) -> None:
    with pytest.raises(InvalidIntrinsic) as invalid:
        compile_intrinsic(call)
    assert "character" in str(invalid.value)


def test_calls_can_be_nested_ten_deep() -> None:
    call = "States.Array(" * 10 + ")" * 10
    assert json.dumps(value_of(call)) == "[" * 10 + "]" * 10


def test_coded_texts_are_limited_to_ten_thousand_characters() -> None:
    for call in ("States.Base64Encode($)", "States.Base64Decode($)", "States.Hash($, 'MD5')"):
        with pytest.raises(StateError) as failed:
            value_of(call, "a" * 10_001)
        assert "10000" in failed.value.cause


def test_a_result_that_would_not_fit_in_memory__is_refused() -> None:
    places = ", ".join(["$"] * 900)
    with pytest.raises(StateError) as failed:
        value_of(f"States.Format('{'{}' * 900}', {places})", "x" * 200_000)
    assert failed.value.error == "States.IntrinsicFailure"


@given(text=st.text(max_size=200))
def test_base64__comes_back_as_it_went(text: str) -> None:
    encoded = value_of("States.Base64Encode($)", text)
    assert encoded == base64.b64encode(text.encode()).decode()
    assert value_of("States.Base64Decode($)", encoded) == text


@given(text=st.text(max_size=100))
def test_hashes__are_those_of_the_algorithms(text: str) -> None:
    for name in ("MD5", "SHA-1", "SHA-256", "SHA-384", "SHA-512"):
        expected = hashlib.new(name.replace("-", "").lower(), text.encode()).hexdigest()
        assert value_of(f"States.Hash($, '{name}')", text) == expected


@given(
    value=st.recursive(
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(),
            st.text(),
            st.floats(allow_nan=False, allow_infinity=False),
        ),
        lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    )
)
def test_json_text__comes_back_as_the_same_value(value: Any) -> None:
    text = value_of("States.JsonToString($.v)", {"v": value})
    assert value_of("States.StringToJson($.t)", {"t": text}) == value


def test_random_numbers_and_identifiers_come_from_the_execution() -> None:
    scope = {"random": Random(1), "new_uuid": lambda: "id-1"}
    drawn = {value_of("States.MathRandom(-1, 3)", **scope) for _ in range(200)}
    assert drawn == {-1, 0, 1, 2}
    assert value_of("States.UUID()", **scope) == "id-1"


def test_a_seeded_number__is_that_of_the_java_generator_each_time() -> None:
    # new java.util.Random(42).nextInt(10) is 0.
    assert value_of("States.MathRandom(0, 10, 42)") == 0
    first = value_of("States.MathRandom(1, 999, $.seed)", {"seed": 7})
    assert first == value_of("States.MathRandom(1, 999, 7)")
    assert 1 <= first < 999


def test_every_function_of_the_language_is_there() -> None:
    assert len(FUNCTIONS) == 18
