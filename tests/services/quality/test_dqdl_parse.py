"""What a data engineer may write as a ruleset, and what is said when it is wrong."""

import time

import pytest

from meshplane.kit.errors import Invalid, TooLarge
from meshplane.services.quality.dqdl import Ruleset, parse
from meshplane.services.quality.dqdl.catalogue import RULE_TYPES
from meshplane.services.quality.dqdl.model import (
    Composite,
    Condition,
    Duration,
    Keyword,
    Kind,
    Now,
    Number,
    Operator,
    Rule,
    Text,
)
from meshplane.services.quality.dqdl.number_tests import constant


def only_rule(text: str) -> Rule:
    (rule,) = parse(text).rules
    assert isinstance(rule, Rule)
    return rule


def condition_of(text: str) -> Condition:
    condition = only_rule(f"Rules = [ {text} ]").condition
    assert condition is not None
    return condition


def refused(text: str) -> str:
    with pytest.raises(Invalid) as caught:
        parse(text)
    assert caught.value.code == "RULESET_INVALID"
    assert [problem.field for problem in caught.value.fields] == ["ruleset"]
    return caught.value.message


def test_rule__keeps_what_its_author_wrote() -> None:
    rule = only_rule(
        'Rules = [\n  ColumnValues "origin"   in ["EWR", "JFK"] with threshold > 0.9\n]'
    )
    assert rule.text == 'ColumnValues "origin"   in ["EWR", "JFK"] with threshold > 0.9'
    assert (rule.line, rule.type, rule.parameters) == (2, "ColumnValues", ("origin",))
    assert rule.condition == Condition(
        Kind.TEXT, Operator.IN, (Text("EWR", "EWR"), Text("JFK", "JFK"))
    )
    assert rule.threshold == Condition(Kind.NUMBER, Operator.GREATER, (Number("0.9"),))


@pytest.mark.parametrize(
    ("text", "kind", "operator"),
    [
        ("RowCount between 1 and 5", Kind.NUMBER, Operator.BETWEEN),
        ("RowCount not between 1 and 5", Kind.NUMBER, Operator.NOT_BETWEEN),
        ('ColumnValues "a" not in [1, 2, NULL]', Kind.NUMBER, Operator.NOT_IN),
        ('ColumnValues "a" not matches "[a-z]+"', Kind.TEXT, Operator.NOT_MATCHES),
        ('ColumnValues "a" != EMPTY', Kind.TEXT, Operator.NOT_EQUAL),
        ('ColumnValues "a" >= "2024-02-29"', Kind.DATE, Operator.GREATER_EQUAL),
        ('ColumnValues "a" in ["2024-02-29", "none"]', Kind.TEXT, Operator.IN),
        ('ColumnValues "a" = "2024-13-45"', Kind.TEXT, Operator.EQUAL),
        ('DataFreshness "a" <= 90 minutes', Kind.DURATION, Operator.LESS_EQUAL),
        ("FileSize < 5 MB", Kind.SIZE, Operator.LESS),
    ],
)
def test_condition__is_known_by_what_it_compares_with(
    text: str, kind: Kind, operator: Operator
) -> None:
    condition = condition_of(text)
    assert (condition.kind, condition.operator) == (kind, operator)


def test_operands__are_read_with_their_units_signs_and_keywords() -> None:
    assert condition_of('DataFreshness "a" < 2 days').operands == (Duration(172_800),)
    assert condition_of('ColumnValues "a" < (now() - 3 hours)').operands == (Now(-10_800),)
    assert condition_of('ColumnValues "a" = NULL').operands == (Keyword.NULL,)
    (negative,) = condition_of("RowCount > -0.25").operands
    assert constant(negative) == -0.25


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("8.0 * (5.0 - (1.0 + (4.0 / 2.0)))", 16),
        ("1 + 2 * 3 - 4 / 2", 5),
        ("-3 * -2", 6),
        ("9007199254740993", 9007199254740993),
        ("10 - 4 - 3", 3),
    ],
)
def test_arithmetic__follows_the_usual_precedence_and_is_exact(text: str, value: int) -> None:
    (operand,) = condition_of(f"RowCount = {text}").operands
    assert constant(operand) == value


def test_text__unescapes_quotes_and_leaves_regular_expressions_alone() -> None:
    (operand,) = condition_of(r'ColumnValues "a" = "say \"it\\is\" don\'t"').operands
    assert isinstance(operand, Text)
    assert operand.value == 'say "it\\is" don\'t'
    (operand,) = condition_of(r'ColumnValues "a" matches "\d+\\\.\""').operands
    assert isinstance(operand, Text)
    assert operand.raw == r"\d+\\\.\"".replace(r"\"", '"')


def test_and__joins_rules_columns_and_bounds() -> None:
    (rule,) = parse('Rules = [ (RowCount between 1 and 5) and (IsComplete "a") ]').rules
    assert isinstance(rule, Composite)
    assert rule.every
    assert rule.text == '(RowCount between 1 and 5) and (IsComplete "a")'
    columns = only_rule('Rules = [ ColumnCorrelation of first and "second one" > 0.5 ]').parameters
    assert columns == ("first", "second one")
    (rule,) = parse('Rules = [ IsUnique first and IsComplete "a" ]').rules
    assert isinstance(rule, Composite)


def test_nested_rules__keep_their_shape() -> None:
    (rule,) = parse("Rules = [ (RowCount > 0) or ((RowCount > 1) and (RowCount > 2)) ]").rules
    assert isinstance(rule, Composite)
    assert not rule.every
    first, second = rule.members
    assert isinstance(first, Rule)
    assert isinstance(second, Composite)
    assert second.every
    assert len(second.members) == 2


def test_mixed_and_or__needs_brackets() -> None:
    message = refused("Rules = [ (RowCount > 0) and (RowCount > 1) or (RowCount > 2) ]")
    assert "found or" in message


def test_document__may_hold_metadata_sources_constants_labels_and_analyzers() -> None:
    ruleset: Ruleset = parse(
        """
        Metadata = { "Version": "1.0" }
        DataSources = { "Primary": "orders", "AdditionalDataSources": [ "people", "places" ] }
        DefaultLabels = [ "team"="mobility" ]
        codes = [ "A", "B" ]   # the codes in use
        Rules = [
            ColumnValues "code" in $codes labels=["kind"="code", "team"="sales"], // two labels
            IsComplete "id" /* and
            nothing else */
        ]
        Analyzers = [ RowCount, Completeness "code" ]
        """
    )
    assert ruleset.metadata == {"Version": "1.0"}
    assert ruleset.primary_source == "orders"
    assert ruleset.additional_sources == ("people", "places")
    first, second = ruleset.rules
    assert first.labels == {"team": "sales", "kind": "code"}
    assert second.labels == {"team": "mobility"}
    assert isinstance(first, Rule)
    assert first.condition is not None
    assert [str(text.value) for text in first.condition.operands if isinstance(text, Text)] == [
        "A",
        "B",
    ]
    assert [(one.type, one.parameters) for one in ruleset.analyzers] == [
        ("RowCount", ()),
        ("Completeness", ("code",)),
    ]


def test_labels_of_a_group__come_to_the_rule_in_it() -> None:
    (rule,) = parse('Rules = [ (IsComplete "a" labels=["k"="1"]) labels=["g"="2"] ]').rules
    assert rule.labels == {"k": "1", "g": "2"}


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("", "line 1, column 1", "it holds no rule"),
        ("Rules = [ RowCount > 5", "line 1, column 23", "found the end"),
        ("Rules = [ RowCount > ]", "line 1, column 22", "a number"),
        ("Rules = [\n RowCount = 1 RowCount = 2 ]", "line 2, column 15", "found RowCount"),
        ('Rules = [\n\n  isComplete "a" ]', "line 3, column 3", "write IsComplete"),
        ('Rules = [ IsComplete "a" "b" ]', "line 1, column 11", "2 parameter(s)"),
        ("Rules = [ IsComplete 'a' ]", "line 1, column 22", "a text in double quotes"),
        ('Rules = [ IsComplete "" ]', "line 1, column 11", "is empty"),
        ("Rules = [ RowCount ]", "line 1, column 11", "needs a condition"),
        ('Rules = [ IsUnique "a" > 1 ]', "line 1, column 24", "takes no condition"),
        ('Rules = [ RowCount > "many" ]', "line 1, column 20", "compares with a number"),
        ('Rules = [ ColumnValues "a" > NULL ]', "line 1, column 28", "cannot be compared"),
        ('Rules = [ ColumnValues "a" in $b ]', "line 1, column 31", "$b is not defined"),
        ('b = "x"\nRules = [ ColumnValues "a" in $b ]', "line 2, column 31", "list of texts"),
        ('Rules = [ DataFreshness "a" < 1.5 hours ]', "line 1, column 29", "whole number"),
        ('Rules = [ ColumnCount = 1 where "a" ]', "line 1, column 27", "no where clause"),
        ('Rules = [ IsComplete "a" with threshold > 1 ]', "line 1, column 26", "no threshold"),
        ('Rules = [ AllStatistics "a" > 1 ]', "line 1, column 11", "among the Analyzers"),
        ('Rules = [] Analyzers = [ IsUnique "a" ]', "line 1, column 26", "no analyzer"),
        ('Rules = [ IsUnique "a\0" ]', "line 1, column 22", "U+0000"),
        ('Rules = [ IsUnique "a\ud800" ]', "line 1, column 22", "U+D800"),
        (f"Rules = [ RowCount = {'9' * 41} ]", "line 1, column 20", "at most 40 digits"),
    ],
)
def test_wrong_text__is_refused_with_its_place_and_what_was_expected(
    text: str, place: str, said: str
) -> None:
    message = refused(text)
    assert f"{place}: " in message
    assert said in message


def test_nesting__has_a_limit() -> None:
    parse(f"Rules = [ {'(' * 31}RowCount > 1{')' * 31} ]")
    assert "nested more than 32 deep" in refused(f"Rules = [ {'(' * 32}RowCount > 1{')' * 32} ]")
    assert "nested more than" in refused(f"Rules = [ RowCount > {'f(' * 40}1{')' * 40} ]")
    parse(f'Rules = [ IsComplete "{"(" * 50}" ] # {"[" * 50}')


def test_size__has_a_limit() -> None:
    text = f'Rules = [ IsComplete "{"é" * 40_000}" ]'
    with pytest.raises(TooLarge) as caught:
        parse(text)
    assert caught.value.code == "RULESET_TOO_LARGE"
    assert "at most 2000 rules" in refused(f"Rules = [ {','.join(['RowCount>0'] * 2001)} ]")


@pytest.mark.parametrize(
    "text",
    [
        '"' + '\\"' * 32_000,
        "/*" * 32_000,
        "Rules = [ RowCount > " + "1+" * 32_000,
        "Rules = [ RowCount > 1" + " and" * 16_000,
        'Rules = [ IsUnique "a"' + " and\n" * 13_000 + "]",
        "Rules = [ " + "IsUnique a and " * 4_000 + "]",
        "Rules = [ " + ",".join(["RowCount>0"] * 2000) + " ]",
        "=" * 65_536,
        'a = "$a' + "$a" * 32_000 + '"',
    ],
)
def test_long_texts__are_judged_in_bounded_time(text: str) -> None:
    began = time.process_time()
    try:
        parse(text[: 64 * 1024])
    except Invalid as problem:
        assert problem.code == "RULESET_INVALID"  # noqa: PT017 -- either answer will do, soon
    assert time.process_time() - began < 5


def test_rule_types__each_stand_in_a_ruleset_of_their_own() -> None:
    conditions = {
        Kind.NUMBER: "> 0",
        Kind.TEXT: 'in ["a"]',
        Kind.DURATION: "< 2 days",
        Kind.DATE: "> now()",
        Kind.SIZE: "> 1 KB",
    }
    for name, rule_type in RULE_TYPES.items():
        if rule_type.analyzer_only:
            continue
        parameters = " ".join(['"a"'] * rule_type.parameters[0])
        for kind in rule_type.kinds or {None}:
            condition = "" if kind is None else conditions[kind]
            assert only_rule(f"Rules = [ {name} {parameters} {condition} ]").type == name
