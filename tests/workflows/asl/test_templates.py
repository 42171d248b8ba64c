"""Payload templates of the JSONPath flavour: Parameters, ResultSelector, ItemSelector, Assign."""

import time
from typing import Any

import pytest

from meshplane.workflows.asl.errors import StateError
from meshplane.workflows.asl.scope import Scope
from meshplane.workflows.asl.templates import (
    InvalidTemplate,
    compile_expression,
    compile_template,
)

SCOPE = Scope(
    {"order": {"id": 7, "lines": [1, 2, 3]}},
    {"Execution": {"Name": "run-1"}},
    {"rate": 0.2},
)


def test_members_whose_names_end_in_a_dollar__are_evaluated_and_others_copied() -> None:
    template = compile_template(
        {
            "id.$": "$.order.id",
            "constant": "$.order.id",
            "inner": {"name.$": "$$.Execution.Name", "list": [{"rate.$": "$rate"}, "$", 2]},
            "all.$": "$.order.lines[*]",
            "text.$": "States.Format('{} of {}', $.order.id, $$.Execution.Name)",
            "empty": {},
        }
    )
    assert template.evaluate(SCOPE) == {
        "id": 7,
        "constant": "$.order.id",
        "inner": {"name": "run-1", "list": [{"rate": 0.2}, "$", 2]},
        "all": [1, 2, 3],
        "text": "7 of run-1",
        "empty": {},
    }


def test_members_keep_the_order_of_the_template() -> None:
    template = compile_template({"z.$": "$", "a": 1, "m.$": "$"})
    assert list(template.evaluate(SCOPE)) == ["z", "a", "m"]


@pytest.mark.parametrize("source", [{"a": [1, {"b": "$.x"}]}, [1, 2], "$.a", 5, None, {}])
def test_a_template_without_dynamic_parts__is_its_own_value(source: Any) -> None:
    template = compile_template(source)
    assert template.constant
    assert template.evaluate(SCOPE) is source


def test_a_path_that_leads_nowhere__is_told_with_its_member_and_the_input() -> None:
    template = compile_template({"outer": {"missing.$": "$.nope.deep"}})
    with pytest.raises(StateError) as failed:
        template.evaluate(Scope({"other": 1}))
    assert failed.value.error == "States.Runtime"
    assert failed.value.cause == (
        "The JSONPath '$.nope.deep' specified for the field 'missing.$' could not be found in the"
        " input '{\"other\":1}'"
    )


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ({"a": {"b.$": 5}}, "/a/b.$"),
        ({"a": [{"b.$": "no path"}]}, "/a/0/b.$"),
        ({"b.$": "States.Nothing()"}, "/b.$"),
        ({"b": 1, "b.$": "$"}, "/b.$"),
    ],
)
def test_a_template_that_cannot_be_read__is_refused_with_the_place(source: Any, path: str) -> None:
    with pytest.raises(InvalidTemplate) as invalid:
        compile_template(source)
    assert invalid.value.path == path


def test_a_fields_expression__is_a_path_or_a_call() -> None:
    assert compile_expression("$.order.id", "SecondsPath").evaluate(SCOPE) == 7
    assert compile_expression("States.ArrayLength($.order.lines)", "CausePath").evaluate(SCOPE) == 3
    with pytest.raises(StateError) as failed:
        compile_expression("$.nope", "ErrorPath").evaluate(SCOPE)
    assert "specified for the field 'ErrorPath'" in failed.value.cause


def test_a_small_template_of_an_enormous_value__fails_without_making_it() -> None:
    nested = "States.Array(" * 9 + ", ".join(["$"] * 50) + ")" * 9
    template = compile_template({f"m{at}.$": nested for at in range(50)})
    started = time.thread_time()
    with pytest.raises(StateError) as failed:
        template.evaluate(Scope({"text": "x" * 200_000}))
    assert failed.value.error == "States.DataLimitExceeded"
    assert time.thread_time() - started < 1
