"""A target's input: what a target is given, and which inputs are refused."""

import random
from typing import Any

import orjson
import pytest

from meshplane.events.inputs import target_input, validate_input
from meshplane.kit.errors import Invalid
from tests.builders import seeds

EVENT: dict[str, Any] = {
    "version": "0",
    "id": "7bf73129-1428-4cd3-a780-95db273d1602",
    "detail-type": "AssetPublished",
    "source": "management-app.assets",
    "account": "000000000000",
    "time": "2026-01-14T20:30:00Z",
    "region": "local",
    "resources": ["asset-def456"],
    "detail": {
        "assetId": "asset-def456",
        "state": "RUNNING",
        "rows": 12,
        "ratio": 0.5,
        "open": False,
        "owner": None,
        "tags": ["a", "b"],
        "empty": "",
        "columns": [{"name": "id"}, {"name": "amount"}],
        "said": 'he said "no" \\ left\n',
        "deep/er": {"x_1": 1, "größe": 2},
    },
}
PATHS = {
    "asset": "$.detail.assetId",
    "state": "$.detail.state",
    "rows": "$.detail.rows",
    "open": "$.detail.open",
    "owner": "$.detail.owner",
    "tags": "$.detail.tags",
    "first": "$.detail.columns[0]",
    "names": "$.detail.columns[*].name",
    "said": "$.detail.said",
    "gone": "$.detail.notInMessage",
    "time": "$.time",
}


def transformed(template: str, event: dict[str, Any] = EVENT) -> Any:
    transformer = {"inputPathsMap": PATHS, "inputTemplate": template}
    validate_input(transformer=transformer)
    return target_input(event, transformer=transformer, rule_name="publish")


def test_input__is_the_event_by_default() -> None:
    assert target_input(EVENT) == EVENT


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$", EVENT),
        ("$.detail", EVENT["detail"]),
        ("$.detail-type", "AssetPublished"),
        ("$.detail.tags", ["a", "b"]),
        ("$.detail.tags[1]", "b"),
        ("$.detail.tags[2]", None),
        ("$.detail.columns[*].name", ["id", "amount"]),
        ("$.detail.columns.*", [{"name": "id"}, {"name": "amount"}]),
        ("$.detail.deep/er.*", [1, 2]),
        ("$.detail.deep/er.x_1", 1),
        ("$.detail.deep/er.größe", 2),
        ("$.detail.owner", None),
        ("$.detail.gone", None),
        ("$.detail.gone.further", None),
        ("$.detail.gone[*]", []),
        ("$.detail.state.length", None),
    ],
)
def test_path__gives_what_stands_there(path: str, expected: Any) -> None:
    validate_input(input_path=path)
    assert target_input(EVENT, input_path=path) == expected


@pytest.mark.parametrize("text", ['{"a": [1, null]}', '"hello"', "5", "null"])
def test_constant__is_given_instead_of_the_event(text: str) -> None:
    validate_input(input=text)
    assert target_input(EVENT, input=text) == orjson.loads(text)


# The examples of the EventBridge User Guide, and what AWS was seen to answer.
@pytest.mark.parametrize(
    ("template", "expected"),
    [
        # Text.
        ('"asset <asset> is in <state>"', "asset asset-def456 is in RUNNING"),
        ('"asset \\"<asset>\\" is in <state>"', 'asset "asset-def456" is in RUNNING'),
        ('"{[/starts <state>"', "{[/starts RUNNING"),
        ('"about <gone>."', "about ."),
        ('"<rows> rows, <open>, <tags>"', "12 rows, false, [a,b]"),
        ('"first: <first>"', "first: {name:id}"),
        ('"1 < 2 <state>"', "1 < 2 RUNNING"),
        ('"one <asset>"\n"two <state>"\n', "one asset-def456\ntwo RUNNING"),
        # JSON.
        ('{"asset": <asset>, "state": <state>}', {"asset": "asset-def456", "state": "RUNNING"}),
        ('{"asset": "<asset>", "rows": "<rows>"}', {"asset": "asset-def456", "rows": "12"}),
        ('{"s": "asset \\"<asset>\\" is <state>"}', {"s": 'asset "asset-def456" is RUNNING'}),
        ('{"s": [9, <state>, true], "t": "Yes"}', {"s": [9, "RUNNING", True], "t": "Yes"}),
        ('{"rows": <rows>, "open": <open>}', {"rows": 12, "open": False}),
        ('{"tags": <tags>, "names": <names>}', {"tags": ["a", "b"], "names": ["id", "amount"]}),
        ('{"gone": <gone>, "owner": <owner>}', {"gone": "", "owner": None}),
        ("<first>", {"name": "id"}),
        ("[<rows>, <rows>]", [12, 12]),
        # Variables that are always there.
        ('"<aws.events.rule-name> triggered"', "publish triggered"),
        ("<aws.events.rule-arn>", "arn:aws:events:local:000000000000:rule/datamesh-events/publish"),
        ("<aws.events.event.ingestion-time>", "2026-01-14T20:30:00Z"),
        ('{"all": <aws.events.event.json>}', {"all": EVENT}),
        (
            '{"head": <aws.events.event>}',
            {
                "head": {
                    "version": "0",
                    "id": "7bf73129-1428-4cd3-a780-95db273d1602",
                    "detailType": "AssetPublished",
                    "source": "management-app.assets",
                    "account": "000000000000",
                    "time": "2026-01-14T20:30:00Z",
                    "region": "local",
                    "resources": ["asset-def456"],
                }
            },
        ),
    ],
)
def test_transformer__fills_its_template(template: str, expected: Any) -> None:
    assert transformed(template) == expected


def test_transformer__a_value_cannot_become_structure() -> None:
    event = {**EVENT, "detail": {"state": 'x", "admin": true, "y": "'}}
    assert transformed('{"state": "<state>"}', event) == {"state": event["detail"]["state"]}
    assert transformed('{"state": <state>}', event) == {"state": event["detail"]["state"]}


def test_transformer__a_value_is_not_read_as_a_template() -> None:
    event = {**EVENT, "detail": {"state": "<asset>", "assetId": "secret"}}
    assert transformed('"<state>"', event) == "<asset>"


def test_transformer__needs_no_paths_for_reserved_variables() -> None:
    transformer = {"inputTemplate": '"<aws.events.rule-name>"'}
    validate_input(transformer=transformer)
    assert target_input(EVENT, transformer=transformer, rule_name="r", rule_arn="arn:x") == "r"


@pytest.mark.parametrize("seed", range(4))
def test_transformer__that_was_let_pass_always_gives_something(seed: int) -> None:
    source = random.Random(seeds.shown(seed))
    pieces = ["<state>", "<said>", "<rows>", "<tags>", "<gone>", "<owner>", '"', "{", "}", "[", "]",
              ":", ",", "\\", "\n", "a", "1", " ", "\\u00", "41", "<", ">", "\u2028"]  # fmt: skip
    passed = 0
    for _ in range(20_000):
        template = "".join(source.choice(pieces) for _ in range(source.randint(1, 9)))
        transformer = {"inputPathsMap": PATHS, "inputTemplate": template}
        try:
            validate_input(transformer=transformer)
        except Invalid:
            continue
        passed += 1
        values = ['"', "\\", "\u2028\n\x00", {"a": '"'}, ["\\"], None, True, 1.5, "", "n"]
        event = {"detail": {name: source.choice(values) for name in EVENT["detail"]}}
        orjson.dumps(target_input(event, transformer=transformer))
    assert passed > 100


@pytest.mark.parametrize(
    ("given", "field", "reason"),
    [
        ({"input_path": "$.a", "input": "1"}, "target", "only one of"),
        ({"input_path": "$", "transformer": {}}, "target", "only one of"),
        ({"input_path": "detail"}, "target.inputPath", "begins with $"),
        ({"input_path": ""}, "target.inputPath", "begins with $"),
        ({"input_path": 5}, "target.inputPath", "is text"),
        ({"input_path": "$.a..b"}, "target.inputPath", "character 4"),
        ({"input_path": "$['a']"}, "target.inputPath", "character 2"),
        ({"input_path": "$.a[-1]"}, "target.inputPath", "character 4"),
        ({"input_path": "$.a[?(@.b)]"}, "target.inputPath", "character 4"),
        ({"input_path": "$.a b"}, "target.inputPath", "character 4"),
        ({"input_path": "$." + "a" * 255}, "target.inputPath", "256"),
        ({"input": "hello"}, "target.input", "no JSON"),
        ({"input": {"a": 1}}, "target.input", "JSON as text"),
        ({"input": '"' + "a" * 8191 + '"'}, "target.input", "8192"),
        ({"transformer": []}, "target.inputTransformer", "inputPathsMap and inputTemplate"),
        ({"transformer": {"template": ""}}, "target.inputTransformer", "inputPathsMap and"),
    ],
)
def test_validate__refuses(given: dict[str, Any], field: str, reason: str) -> None:
    with pytest.raises(Invalid) as caught:
        validate_input(**given)
    assert caught.value.code == "INPUT_INVALID"
    assert caught.value.fields[0].field == field
    assert reason in caught.value.message


@pytest.mark.parametrize(
    ("paths", "template", "field", "reason"),
    [
        ({}, '"<gone>"', "inputTemplate", "invalid placeholder gone"),
        ({"a": "$.a"}, '"<a> <b>"', "inputTemplate", "invalid placeholder b"),
        ({"a": "$.a"}, "<a> is here", "inputTemplate", "quotes around text"),
        ({"a": "$.a"}, '{"a": <a>', "inputTemplate", "a template is JSON"),
        ({"a": "$.a"}, "{<a>: 1}", "inputTemplate", "a template is JSON"),
        ({"a": "$.a"}, '{"<a>": 1}', "inputTemplate", "name of an object"),
        ({"a": "$.a"}, '{"x<a>y" : 1}', "inputTemplate", "name of an object"),
        ({"a": "$.a"}, '"x\\<a>"', "inputTemplate", "cannot be escaped"),
        ({"a": "$.a"}, '"\\u00<a>41"', "inputTemplate", "a template is JSON"),
        ({"a": "$.a"}, '"one"\n<a>', "inputTemplate", "a template is JSON"),
        ({}, '"<aws.events.event.json>"', "inputTemplate", "without quotes"),
        ({}, "", "inputTemplate", "1 to 8192"),
        ({}, '"' + "a" * 8191 + '"', "inputTemplate", "1 to 8192"),
        ({}, None, "inputTemplate", "required"),
        ({"a b": "$.a"}, "1", "inputPathsMap", "letters, digits"),
        ({"aws.events.event": "$.a"}, "1", "inputPathsMap", "letters, digits"),
        ({"a": "a"}, "1", "inputPathsMap.a", "begins with $"),
        ({"a": None}, "1", "inputPathsMap.a", "is text"),
        ({f"v{each}": "$" for each in range(101)}, "1", "inputPathsMap", "100 at most"),
        ([], "1", "inputPathsMap", "100 at most"),
    ],
)
def test_validate__refuses_a_transformer(
    paths: Any, template: Any, field: str, reason: str
) -> None:
    transformer = {"inputPathsMap": paths, "inputTemplate": template}
    with pytest.raises(Invalid) as caught:
        validate_input(transformer=transformer, field="targets.0")
    assert caught.value.code == "INPUT_INVALID"
    assert caught.value.fields[0].field == f"targets.0.inputTransformer.{field}"
    assert reason in caught.value.message
