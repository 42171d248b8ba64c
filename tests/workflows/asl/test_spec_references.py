"""JSONata that Step Functions refuses before anything runs: names that never have a value."""

import pytest

from meshplane.workflows.asl import Problem, validate


def errors_of(expression: str) -> list[Problem]:
    definition = {
        "QueryLanguage": "JSONata",
        "StartAt": "P",
        "States": {"P": {"Type": "Pass", "Output": {"v": f"{{% {expression} %}}"}, "End": True}},
    }
    return [each for each in validate(definition) if each.severity == "ERROR"]


@pytest.mark.parametrize(
    ("expression", "name"),
    [
        ("phone", "phone"),
        ("customer.phone", "customer"),
        ("[1, phone]", "phone"),
        ("{'number': phone}", "phone"),
        ("$count(phones)", "phones"),
        ("$states.input.a ? phone : 1", "phone"),
        ("($x := 1; phone)", "phone"),
        ("-phone + 1", "phone"),
        ("$$", "$$"),
        ("$$.phone", "$$"),
    ],
)
def test_a_name_at_the_top_level__is_refused(expression: str, name: str) -> None:
    (error,) = errors_of(expression)
    assert (error.code, error.path) == ("UNSUPPORTED_JSONATA_EXPRESSION", "/States/P/Output/v")
    assert f'"{name}"' in error.message


@pytest.mark.parametrize(
    "expression",
    [
        "$states.input.phone",
        "$states.input.orders[price > 1].price",
        "$states.input.orders^(>price).(price * quantity)",
        "$map($states.input.orders, function($order) { $order.price })",
        "$states.input.orders{id: price}",
        "$states.input ~> |orders|{'seen': price}|",
        "true and null = $states.input.a",
        "$states.input.*",
    ],
)
def test_a_name_that_follows_something__is_accepted(expression: str) -> None:
    assert errors_of(expression) == []


def test_an_expression_that_cannot_be_read__has_a_code_of_its_own() -> None:
    (error,) = errors_of("1 +")
    assert error.code == "INVALID_JSONATA_EXPRESSION"
