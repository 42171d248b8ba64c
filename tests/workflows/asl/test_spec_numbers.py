"""Numbers: JSONPath hands them on as they are written, JSONata makes JavaScript's of them."""

import json
from typing import Any

import pytest

from meshplane.workflows.asl import execute


def through(state: dict[str, Any], value: Any, **fields: Any) -> str:
    """The output of one Pass state as text, so that 1 and 1.0 differ."""
    definition = {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True, **state}}, **fields}
    result = execute(definition, value)
    assert result.status == "SUCCEEDED", result.cause
    return json.dumps(result.output)


NUMBERS = [1.0, -0.0, 2.5, 1e20, 12345678901234567890, 9007199254740993, 1e21, 10**21, 1e-7]


def test_a_path__hands_a_number_on_as_it_was_written() -> None:
    assert through({"Parameters": {"n.$": "$"}}, NUMBERS) == json.dumps({"n": NUMBERS})


@pytest.mark.parametrize("expression", ["$states.input", "[$states.input]", "$states.input.($)"])
def test_an_expression__writes_numbers_as_javascript_does(expression: str) -> None:
    told = through({"Output": f"{{% {expression} %}}"}, NUMBERS, QueryLanguage="JSONata")
    assert json.loads(told) == json.loads(
        "[1, 0, 2.5, 100000000000000000000, 12345678901234567000, 9007199254740992,"
        " 1e+21, 1e+21, 1e-7]"
    )
    assert told == (
        "[1, 0, 2.5, 100000000000000000000, 12345678901234567000, 9007199254740992,"
        " 1e+21, 1e+21, 1e-07]"
    )


def test_a_state_without_output__hands_its_input_on_untouched() -> None:
    assert through({}, [1.0], QueryLanguage="JSONata") == "[1.0]"


@pytest.mark.parametrize("expression", ["1/0", "-1/0", "0/0", "5 % 0", "1e308 * 10"])
def test_an_arithmetic_result_that_is_no_number__is_null(expression: str) -> None:
    assert through({"Output": f"{{% {expression} %}}"}, {}, QueryLanguage="JSONata") == "null"


def test_an_operand_that_is_no_number__fails() -> None:
    definition = {
        "QueryLanguage": "JSONata",
        "StartAt": "P",
        "States": {"P": {"Type": "Pass", "Output": "{% (1/0) + 1 %}", "End": True}},
    }
    result = execute(definition, {})
    assert result.error == "States.QueryEvaluationError"
    assert str(result.cause).endswith("D1001: Number out of range: null")
