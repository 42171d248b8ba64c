"""JSONata in a state: what an expression sees, what it gives, and how it fails."""

import json
from random import Random
from typing import Any

import pytest

from meshplane.workflows.asl.errors import StateError
from meshplane.workflows.asl.jsonata import (
    InvalidJsonata,
    compile_jsonata,
    compile_jsonata_template,
    is_jsonata,
)
from meshplane.workflows.asl.scope import Scope

INPUT: dict[str, Any] = {
    "name": "Ada",
    "none": None,
    "whole": 2.0,
    "empty": [],
    "list": [1, 2, {"b": [3, 4]}],
    "orders": [
        {"id": 1, "price": 5, "lines": [{"sku": "a", "n": 2}, {"sku": "b", "n": 1}]},
        {"id": 2, "price": 3, "lines": [{"sku": "a", "n": 7}]},
    ],
}
MOMENT = 1_510_067_557_121


def value_of(expression: str, **scope: Any) -> Any:
    seen = Scope(INPUT, {"Execution": {"Id": "e-1"}}, now_milliseconds=MOMENT, **scope)
    return compile_jsonata("{% " + expression + " %}").evaluate(seen, "Output")


def failure_of(expression: str, **scope: Any) -> str:
    with pytest.raises(StateError) as failed:
        value_of(expression, **scope)
    assert failed.value.error == "States.QueryEvaluationError"
    start = f"The JSONata expression '{expression}' specified for the field 'Output' "
    assert failed.value.cause.startswith(start)
    return failed.value.cause.removeprefix(start)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("$states.input.name", "Ada"),
        ("$states.input.none", None),
        ("null", None),
        ("$states.input.list.b", [3, 4]),
        ("$states.input.list[-1].b[0]", 3),
        ("$states.input.empty", []),
        ("$states.input.orders[price > 4].id", 1),
        ("$states.input.orders^(price).id", [2, 1]),
        ("$states.input.orders^(>price).id", [1, 2]),
        ("$states.input.orders.lines.sku", ["a", "b", "a"]),
        ("$states.input.orders.lines{sku: $sum(n)}", {"a": 9, "b": 1}),
        (
            "$states.input.orders#$at.{'at': $at, 'id': id}",
            [{"at": 0, "id": 1}, {"at": 1, "id": 2}],
        ),
        ("$states.input.orders.lines.{'sku': sku, 'order': %.id}[0]", {"sku": "a", "order": 1}),
        ("$states.input.orders@$o.($o.id)", [1, 2]),
        ("$states.input.orders[id = 1].price[]", [5]),
        ("$states.input.**.n", [2, 1, 7]),
        ("$count($states.input.*)", 8),
        ("[1..3].($ * 2)", [2, 4, 6]),
        ("[null, $states.input.absent, 1]", [None, 1]),
        ("{'a': $states.input.absent, 'b': null}", {"b": None}),
        ("$states.input.absent ?? 'default'", "default"),
        ("($x := [10, 20]; $x[1] ?: 5)", 20),
        ("5.5 % 2", 1.5),
        ("7 / 2", 3.5),
        ("0.1 + 0.2", 0.30000000000000004),
        ("$states.input.whole + 0", 2),
        ("10000000000 * 10000000000", 100000000000000000000),
        ("'a' in ['a', 'b'] and not_there != 1", False),
        ("($f := function($n) { $n <= 1 ? 1 : $n * $f($n - 1) }; $f(20))", 2432902008176640000),
        ("($f := function($n, $a) { $n = 0 ? $a : $f($n - 1, $a + $n) }; $f(3000, 0))", 4501500),
        ("($add := function($a, $b) { $a + $b }; $inc := $add(1, ?); $inc(5))", 6),
        ("($uppercase ~> $length)('abc')", 3),
        (
            "$states.input ~> |orders|{'x': 1}, ['lines']| ~> $lookup('orders')",
            [{"id": 1, "price": 5, "x": 1}, {"id": 2, "price": 3, "x": 1}],
        ),
        ("function($s)<s:s>{ $s & '!' }('a')", "a!"),
        ("/* a comment */ 1", 1),
        ("'\\ud83d\\ude00'", "\N{GRINNING FACE}"),
    ],
)
def test_an_expression__gives_what_jsonata_gives(expression: str, value: Any) -> None:
    assert json.dumps(value_of(expression)) == json.dumps(value)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("$string({'a': [1.0, 0.1 + 0.2, null, true]})", '{"a":[1,0.3,null,true]}'),
        ("$string({'a': [1]}, true)", '{\n  "a": [\n    1\n  ]\n}'),
        ("1e21 & '|' & 1e-7 & '|' & 0.000001", "1e+21|1e-7|0.000001"),
        ("$substring('hello', -3, 2)", "ll"),
        ("$substringBefore('a-b', '-') & $substringAfter('a-b', '-')", "ab"),
        ("$uppercase('a') & $lowercase('B') & $length('cd')", "Ab2"),
        ("$pad('x', 3, '-') & $pad('x', -3)", "x--  x"),
        ("$trim('  a \n b ')", "a b"),
        ("$contains('hello', /L+/i)", True),
        ("$contains('hello$world', /^hello\\$/)", True),
        ("$contains('ab', /a(?=b)/)", True),
        ("$match('abcabc', /b(c)/).index", [1, 4]),
        ("$replace('abcabc', /b(c)/, '<$1$$$0>', 1)", "a<c$bc>abc"),
        ("$replace('john smith', /(\\w+) (\\w+)/, function($m) { $m.groups[1] })", "smith"),
        ("$replace('a.b', '.', '-')", "a-b"),
        ("$split('a, b,c', /,\\s*/)", ["a", "b", "c"]),
        ("$join($split('abc', ''), '-')", "a-b-c"),
        ("$base64decode($base64encode('x y'))", "x y"),
        ("$encodeUrlComponent('a b&c') & $decodeUrlComponent('%20')", "a%20b%26c "),
        ("$number('0x1F') + $number('1e3') + $number(true)", 1032),
        (
            "[$round(2.5), $round(3.5), $round(123.456, 2), $round(12350, -2)]",
            [2, 4, 123.46, 12400],
        ),
        (
            "[$floor(-1.5), $ceil(-1.5), $abs(-1.5), $sqrt(16), $power(2, 10)]",
            [-2, -1, 1.5, 4, 1024],
        ),
        ("[$sum([1, 2]), $max([1, 2]), $min([1, 2]), $average([1, 2])]", [3, 2, 1, 1.5]),
        ("$formatNumber(12345.678, '#,##0.00') & $formatBase(255, 16)", "12,345.68ff"),
        ("$formatInteger(1999, 'I') & ' ' & $formatInteger(12, 'w')", "MCMXCIX twelve"),
        ("$parseInteger('1,234', '#,##0')", 1234),
        ("$map([1, 2], function($v, $i, $a) { $v * $i + $count($a) })", [2, 4]),
        ("$filter([1, 2, 3], function($v) { $v > 1 })", [2, 3]),
        ("$reduce([1, 2, 3], function($p, $v) { $p - $v }, 10)", 4),
        ("$sort(['b', 'a']) ~> $join", "ab"),
        ("$sort([3, 1, 2], function($l, $r) { $l < $r })", [3, 2, 1]),
        ("$distinct([1, true, 1, {'a': 1}, {'a': 1}])", [1, True, {"a": 1}]),
        ("$zip([1, 2], [3, 4, 5])", [[1, 3], [2, 4]]),
        ("$merge([{'a': 1}, {'a': 2, 'b': 3}])", {"a": 2, "b": 3}),
        ("$keys([{'a': 1}, {'b': 2}])", ["a", "b"]),
        ("$each({'a': 1}, function($v, $k) { $k & $v })", "a1"),
        ("$sift({'a': 1, 'b': 2}, function($v) { $v > 1 })", {"b": 2}),
        ("$spread({'a': 1, 'b': 2})", [{"a": 1}, {"b": 2}]),
        ("$append([1], 2) ~> $reverse", [2, 1]),
        ("$single([1, 2], function($v) { $v = 2 })", 2),
        (
            "[$type(null), $type(1), $type($sum), $exists($x), $boolean([0, '']), $not(1)]",
            ["null", "number", "function", False, False, False],
        ),
        ("$fromMillis(1510067557121)", "2017-11-07T15:12:37.121Z"),
        (
            "$fromMillis(1521801216617, '[FNn], [D1o] [MNn] [Y] [h#1]:[m01] [PN] [z]', '+0530')",
            "Friday, 23rd March 2018 4:03 PM GMT+05:30",
        ),
        (
            "$toMillis('2017-11-07T15:12:37.121Z') = $toMillis('2017-11-07T16:12:37.121+01:00')",
            True,
        ),
        ("$toMillis('07 Nov 2017 3pm', '[D01] [MNn,*-3] [Y0001] [h][P]')", 1510066800000),
        ("$now() & ' ' & $millis()", f"2017-11-07T15:12:37.121Z {MOMENT}"),
        ("$partition([1, 2, 3], 2)", [[1, 2], [3]]),
        ("$range(0, 9, 3)", [0, 3, 6, 9]),
        ("$hash('input data', 'MD5')", "812f45842bc6d66ee14572ce20db8e86"),
        ("$parse('{\"a\": [1]}')", {"a": [1]}),
        ("$random(7) = $random(7)", True),
        ("$clone({'a': [1]})", {"a": [1]}),
    ],
)
def test_a_function__gives_what_its_documentation_says(expression: str, value: Any) -> None:
    assert json.dumps(value_of(expression)) == json.dumps(value)


@pytest.mark.parametrize(
    ("expression", "cause"),
    [
        ("$unknown", "returned nothing (undefined)."),
        ("$states.result", "returned nothing (undefined)."),
        ("$states.input.name.first", "returned nothing (undefined)."),
        (
            "$randomSeeded($states.input.name)",
            "threw an error during evaluation. T1006: Attempted to invoke a non-function",
        ),
        (
            "$eval('1')",
            "threw an error during evaluation. T1006: Attempted to invoke a non-function",
        ),
        (
            "sum([1])",
            "threw an error during evaluation. T1005: Attempted to invoke a non-function."
            " Did you mean $sum?",
        ),
        (
            "1 + 'a'",
            'threw an error during evaluation. T2002: The right side of the "+" operator'
            " must evaluate to a number",
        ),
        (
            "1 < 'a'",
            'threw an error during evaluation. T2009: The values 1 and "a" either side of'
            ' operator "<" must be of the same data type',
        ),
        (
            "$uppercase(1)",
            "threw an error during evaluation. T0410: Argument 1 of function"
            ' "uppercase" does not match function signature',
        ),
        ("1 / 0 + 1", "threw an error during evaluation. D1001: Number out of range: null"),
        ("$error('not for sale')", "threw an error during evaluation. D3137: not for sale"),
        ("$assert(1 = 2, 'unequal')", "threw an error during evaluation. D3141: unequal"),
        (
            "$replace('a', /x*/, 'b')",
            "threw an error during evaluation. D1004: Regular expression"
            " matches zero length string",
        ),
    ],
)
def test_an_expression_that_fails__says_so_with_jsonatas_code(expression: str, cause: str) -> None:
    assert failure_of(expression) == cause


def test_what_an_expression_sees__is_what_there_is_in_its_state() -> None:
    assert value_of("$states.context.Execution.Id") == "e-1"
    assert value_of("$states.result.x", result={"x": 5}) == 5
    assert value_of("$states.errorOutput.Error", error_output={"Error": "E"}) == "E"
    assert value_of("$rate * 2", variables={"rate": 4}) == 8
    assert value_of("$nothing", variables={"nothing": None}) is None


def test_randomness_comes_from_the_execution() -> None:
    assert value_of("$random()", random=Random(1)) == Random(1).random()
    assert value_of("$uuid()", new_uuid=lambda: "id-1") == "id-1"


def test_an_expression_never_changes_what_it_sees() -> None:
    before = json.dumps(INPUT)
    for expression in [
        "$states.input.empty{'a': 1}",
        "$states.input.empty.{'a': 1}",
        "$append($states.input.list, 1)",
        "$states.input.list ~> |$|{'z': 1}|",
        "($v := $states.input; $ ~> |$v|{'z': 1}|)",
        "$sort($states.input.orders, function($a, $b) { $a.price > $b.price })",
        "$states.input.orders{'all': $}",
        "$merge([$states.input, {'name': 'Eve'}])",
        "$shuffle($states.input.list)",
    ]:
        try:
            value_of(expression)
        except StateError as failed:
            assert "undefined" in failed.cause or "T0410" in failed.cause  # noqa: PT017
    assert json.dumps(INPUT) == before


@pytest.mark.parametrize(
    ("value", "kind", "told"),
    [
        ("'text'", "string", '"text"'),
        ("1", "number", "1"),
        ("true", "boolean", "true"),
        ("null", "null", "null"),
        ("{'foo': 'bar'}", "object", '{"foo":"bar"}'),
    ],
)
def test_a_value_of_another_type_than_the_field_takes__is_told(
    value: str, kind: str, told: str
) -> None:
    expression = compile_jsonata("{%" + value + "%}")
    with pytest.raises(StateError) as failed:
        expression.evaluate(Scope({}), "Items", "array")
    assert failed.value.cause == (
        f"The JSONata expression '{value}' specified for the field 'Items' returned an unexpected"
        f" result type. Expected 'array', but was '{kind}' for value: {told}"
    )


def test_a_template__evaluates_the_strings_that_are_expressions() -> None:
    source = {
        "name": "{% $states.input.name %}",
        "list": [1, "{% $states.input.whole * 2 %}", {"deep": "{%null%}"}],
        "plain": " {% $states.input.name %} ",
    }
    template = compile_jsonata_template(source, "Output")
    assert template.evaluate(Scope(INPUT)) == {
        "name": "Ada",
        "list": [1, 4, {"deep": None}],
        "plain": " {% $states.input.name %} ",
    }
    constant = compile_jsonata_template({"a": [1]}, "Output")
    assert constant.constant
    assert constant.evaluate(Scope(INPUT)) is constant.source


def test_a_failure_in_a_template__is_told_with_its_place() -> None:
    template = compile_jsonata_template({"a": {"b": [1, "{% $absent %}"]}}, "Arguments")
    with pytest.raises(StateError) as failed:
        template.evaluate(Scope(INPUT))
    assert "'$absent' specified for the field 'Arguments/a/b[1]'" in failed.value.cause


@pytest.mark.parametrize(
    ("text", "known"),
    [("{% 1 %}", True), ("{%1%}", True), (" {% 1 %}", False), ("{% 1", False), (5, False)],
)
def test_an_expression_is_a_string_between_its_marks(text: Any, known: bool) -> None:
    assert is_jsonata(text) is known


@pytest.mark.parametrize(
    "text",
    [
        "",
        "(",
        "1 +",
        "a.",
        "'abc",
        "`a",
        "/(/",
        "/a",
        "[1..",
        "{",
        "a[",
        "1 2",
        "'\\x'",
        "|a|b",
        "function(1){2}",
        "$x := ",
        "/* a",
        "%",
        "(" * 5_000,
        "a" * 100_000,
    ],
)
def test_what_is_no_expression__is_refused(text: str) -> None:
    with pytest.raises(InvalidJsonata):
        compile_jsonata("{% " + text + " %}")
