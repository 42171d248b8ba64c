"""No JSONata expression takes much time or memory, whatever it is."""

import json
import threading
import time
from typing import Any

import pytest

from meshplane.workflows.asl.errors import StateError
from meshplane.workflows.asl.jsonata import compile_jsonata, compile_jsonata_template
from meshplane.workflows.asl.scope import Scope
from tests.builders.peak_memory import grown_megabytes

INPUT = {"a": list(range(1_000)), "s": "a" * 100_000, "ab": "ab" * 60_000}

ENDLESS = [
    "($f := function($n) { 1 + $f($n) }; $f(1))",
    "($f := function($n) { $f($n) }; $f(1))",
    "($f := function() { $map([1, 2], $f) }; $f())",
    "($f := function($s) { $f($s & $s) }; $f('a'))",
    "($f := function($l) { $f($append($l, $l)) }; $f([1]))",
    "[1..1000000000]",
    "[1..1000].[1..1000].[1..1000]",
    "$states.input.a.$states.input.a.$states.input.a",
    "$pad('a', 1000000000)",
    "$pad('a', 1e300)",
    "$join($map([1..100000], function() { 'x' }), $states.input.s)",
    "$replace($states.input.s, 'a', $states.input.s)",
    "$replace($states.input.s, /a/, $states.input.s)",
    "$reduce([1..100], function($p, $c) { {'l': $p, 'r': $p} }, 1)",
    "$string($reduce([1..100], function($p, $c) { {'l': $p, 'r': $p} }, 1))",
    "$count($reduce([1..100], function($p, $c) { {'l': $p, 'r': $p} }, 1).**)",
    "$reduce([1..100], function($p, $c) { [[$p], [$p]] }, [1])",
    "$reduce([1..5000], function($p, $c) { {'l': $p} }, 1)",
    "$sort([1..100000], function($a, $b) { $a < $b })",
    "$filter([1..100000], function($v) { [1..100000] })",
    "$distinct($map([1..100000], function($v) { {'a': $v} }))",
    "$contains($states.input.s, /(a|aa)+(?=b)b/)",
    "$contains($states.input.ab, /(a|b)*a(a|b){900}c/)",
    "$map([1..100000], function() { $contains($states.input.s, /(a+)+(?=b)$/) })",
    "$formatInteger(1e15, 'I')",
    "$range(0, 1e308, 1e-308)",
    "$split($pad('a', 3999999, 'a'), '')",
]


@pytest.mark.parametrize("expression", ENDLESS)
def test_an_expression_without_end_or_measure__fails_its_state_soon(expression: str) -> None:
    compiled = compile_jsonata("{% " + expression + " %}")
    grown, started = grown_megabytes(), time.thread_time()
    with pytest.raises(StateError) as failed:
        compiled.evaluate(Scope(INPUT), "Output")
    assert time.thread_time() - started < 2
    assert failed.value.error == "States.QueryEvaluationError"
    assert "threw an error during evaluation. D" in failed.value.cause
    assert grown() < 100


@pytest.mark.parametrize(
    "expression",
    [
        "$toMillis('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!', '(a+)+$[Y]')",
        "$match($states.input.s, /(a+)+$b/)",
        "$contains($states.input.s, /(a+)+$b/)",
    ],
)
def test_a_pattern_that_makes_others_backtrack__is_matched_at_once(expression: str) -> None:
    compiled = compile_jsonata("{% $exists(" + expression + ") %}")
    started = time.thread_time()
    compiled.evaluate(Scope(INPUT), "Output")
    assert time.thread_time() - started < 0.5


def test_a_deep_recursion_in_a_thread__does_not_end_the_process() -> None:
    told: list[str] = []

    def run() -> None:
        for expression in ENDLESS[:3]:
            try:
                compile_jsonata("{% " + expression + " %}").evaluate(Scope(INPUT), "Output")
            except StateError as failed:
                told.append(failed.cause)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told) == 6


def test_many_expressions_that_share_a_large_value__fail_without_making_it() -> None:
    template = compile_jsonata_template(
        {f"m{at}": "{% [$states.input, $states.input] %}" for at in range(2_000)}, "Output"
    )
    with pytest.raises(StateError) as failed:
        template.evaluate(Scope({"s": "x" * 200_000}))
    assert failed.value.error == "States.QueryEvaluationError"


def test_useful_work_fits_into_the_bounds() -> None:
    rows: list[dict[str, Any]] = [
        {"id": at, "group": at % 7, "value": at / 3} for at in range(3_000)
    ]
    expression = "$states.input.rows[value > 100]{$string(group): $round($sum(value), 2)}"
    result = compile_jsonata("{% " + expression + " %}").evaluate(Scope({"rows": rows}), "Output")
    expected: dict[str, float] = {}
    for row in rows:
        if row["value"] > 100:
            name = str(row["group"])
            expected[name] = expected.get(name, 0) + row["value"]
    assert result == {name: pytest.approx(value, abs=0.006) for name, value in expected.items()}
    sorting = "{% $sort($states.input.rows, function($a, $b) { $a.group > $b.group }).id %}"
    ordered = compile_jsonata(sorting).evaluate(Scope({"rows": rows}), "Output")
    assert json.dumps(ordered) == json.dumps(
        [row["id"] for row in sorted(rows, key=lambda row: row["group"])]
    )
