"""The rules of a Choice state."""

from typing import Any

from meshplane.workflows.asl import validation_expressions as dynamic
from meshplane.workflows.asl import validation_values as values
from meshplane.workflows.asl.validation_assign import check_assign
from meshplane.workflows.asl.validation_report import Place, listed, quoted
from meshplane.workflows.asl.validation_values import JSONATA, Check

_ORDERS = ("Equals", "LessThan", "GreaterThan", "LessThanEquals", "GreaterThanEquals")
_OPERANDS: dict[str, Check] = {
    "String": values.text,
    "Numeric": values.number(float("-inf"), or_jsonata=False),
    "Timestamp": values.timestamp,
}
COMPARISONS: dict[str, Check] = {
    **{f"{kind}{order}": check for kind, check in _OPERANDS.items() for order in _ORDERS},
    "BooleanEquals": values.boolean,
    "StringMatches": values.text,
    **{f"{kind}{order}Path": values.reference for kind in _OPERANDS for order in _ORDERS},
    "BooleanEqualsPath": values.reference,
    **{
        f"Is{kind}": values.boolean
        for kind in ("Null", "Present", "Numeric", "String", "Boolean", "Timestamp")
    },
}
_COMBINATIONS = ("And", "Or", "Not")
_TOP_ONLY = ("Next", "Assign")


def check_choices(place: Place, state: dict[str, Any], language: str) -> None:
    """Tells what is wrong with `Choices`."""
    choices = state.get("Choices")
    if choices is None and "Choices" not in state:
        place.error('A Choice state needs the field "Choices": a list of rules, each with Next.')
        return
    where = place.at("Choices")
    if not isinstance(choices, list) or not choices:
        where.error("must be a list of rules, non-empty required; give at least one rule.")
        return
    for index, rule in enumerate(choices):
        if not isinstance(rule, dict):
            where.at(index).error("must be a JSON object: a rule with Next.")
        elif language == JSONATA:
            _check_condition(where.at(index), rule)
        else:
            _check_rule(where.at(index), rule)


def _check_next(place: Place, rule: dict[str, Any]) -> None:
    if "Next" not in rule:
        place.error('A rule needs the field "Next": the state to go to when it holds.')
    else:
        values.text(place.at("Next"), rule["Next"], JSONATA)
    if "Comment" in rule:
        values.text(place.at("Comment"), rule["Comment"], JSONATA)


def _check_condition(place: Place, rule: dict[str, Any]) -> None:
    _check_next(place, rule)
    condition = rule.get("Condition")
    if "Condition" not in rule:
        place.error('A rule in a JSONata state needs the field "Condition": "{% … %}".')
    elif isinstance(condition, str):
        dynamic.check_jsonata(place.at("Condition"), condition)
    elif not isinstance(condition, bool):
        place.at("Condition").error(
            f"must be a JSONata expression {{% … %}}, and is {quoted(condition)}."
        )
    if "Output" in rule:
        dynamic.jsonata_value(place.at("Output"), rule["Output"], JSONATA)
    if "Assign" in rule:
        check_assign(place.at("Assign"), rule["Assign"], JSONATA, dynamic.jsonata_value)
    for name in rule:
        if name not in ("Condition", "Next", "Comment", "Output", "Assign"):
            place.at(name).error(
                f"The field {quoted(name)} is not supported in a rule of a JSONata state; say it"
                " in Condition."
            )


def _check_rule(place: Place, rule: dict[str, Any]) -> None:
    _check_next(place, rule)
    if "Assign" in rule:
        check_assign(place.at("Assign"), rule["Assign"], "JSONPath", dynamic.template)
    _check_test(place, {name: each for name, each in rule.items() if name not in _TOP_ONLY})
    waiting = list(_nested(place, rule))
    while waiting:
        where, inner = waiting.pop()
        if not isinstance(inner, dict):
            where.error("must be a JSON object: a rule.")
            continue
        for name in _TOP_ONLY:
            if name in inner:
                where.at(name).error(
                    f'The field "{name}" can only stand in a rule of Choices itself, not inside'
                    " And, Or or Not; move it there."
                )
        _check_test(where, {name: each for name, each in inner.items() if name not in _TOP_ONLY})
        waiting += _nested(where, inner)


def _nested(place: Place, rule: dict[str, Any]) -> list[tuple[Place, Any]]:
    found: list[tuple[Place, Any]] = []
    for name in ("And", "Or"):
        if isinstance(rule.get(name), list):
            found += [(place.at(name, i), each) for i, each in enumerate(rule[name])]
    if "Not" in rule:
        found.append((place.at("Not"), rule["Not"]))
    return found


def _check_test(place: Place, rule: dict[str, Any]) -> None:
    tests = [name for name in rule if name in COMPARISONS or name in _COMBINATIONS]
    if not tests:
        place.error(
            "A rule needs one test: And, Or, Not, or a Variable with a comparison such as"
            " StringEquals."
        )
    elif len(tests) > 1:
        place.error(f"A rule may have only one of {listed(tests)}; join tests with And or Or.")
    for name, value in rule.items():
        where = place.at(name)
        if name in COMPARISONS:
            COMPARISONS[name](where, value, "JSONPath")
        elif name in ("And", "Or"):
            if not isinstance(value, list) or not value:
                where.error("must be a list of rules, non-empty required.")
        elif name == "Variable":
            values.reference(where, value, "JSONPath")
        elif name == "Comment":
            values.text(where, value, "JSONPath")
        elif name != "Not":
            _tell_unknown(where, name)
    compares = any(name in COMPARISONS for name in tests)
    if compares and "Variable" not in rule:
        place.error('A comparison needs the field "Variable": the path of what is compared.')
    if tests and not compares and "Variable" in rule:
        place.at("Variable").error(
            'The field "Variable" belongs to a comparison, not beside And, Or or Not; move it'
            " into the rules inside."
        )


def _tell_unknown(place: Place, name: str) -> None:
    if name in ("Condition", "Output"):
        place.error(
            f'The field "{name}" is for query language JSONata only, and this state\'s is JSONPath.'
        )
    else:
        place.error(f"The field {quoted(name)} is not supported in a rule; remove it.")
