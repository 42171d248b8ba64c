"""A template names what it makes so that the stack's role may make it, or is told what to write."""

import re
import time
from pathlib import Path
from typing import Any

import pytest

from meshplane.kit.errors import Invalid
from meshplane.platform.aws.place import AwsPlace
from meshplane.platform.templates.document import document_of
from meshplane.platform.templates.resource_names import NAMED_TYPES, check_names
from meshplane.platform.templates.stack_names import stack_name
from meshplane.services.projects.aws_policies import NAMED_SERVICES, project_policy

PROJECT = "proj-01a2007b881eab2560806ca13b42e458"
STACK = stack_name(PROJECT, "staging")
GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide" / "deploy.md"


def told(template: str, stack: str = STACK, **parameters: str) -> dict[str, str]:
    """What is wrong with a template's names, by the place below `Resources`; nothing: {}."""
    try:
        check_names(document_of(template), stack, parameters)
    except Invalid as error:
        found = error
    else:
        return {}
    assert found.code == "TEMPLATE_NAMES_INVALID"
    return {one.field.removeprefix("cfnTemplate.Resources."): one.message for one in found.fields}


def resource(kind: str, *properties: str, logical_id: str = "It") -> str:
    """A template with one resource, with lines of its properties."""
    lines = "".join(f"      {line}\n" for line in properties)
    made = f"Resources:\n  {logical_id}:\n    Type: {kind}\n"
    return f"{made}    Properties:\n{lines}" if lines else made


def bucket(name: str) -> str:
    return resource("AWS::S3::Bucket", f"BucketName: {name}")


@pytest.mark.parametrize(
    "name",
    [
        '!Sub "${AWS::StackName}-files"',
        "!Ref AWS::StackName",
        '!Join ["-", [!Ref "AWS::StackName", files]]',
        '{"Fn::Sub": "${AWS::StackName}-files"}',
        '!Sub ["${Stack}-files", {Stack: !Ref "AWS::StackName"}]',
        '!If [Kept, !Sub "${AWS::StackName}-a", !Sub "${AWS::StackName}-b"]',
        f"{STACK}-files",
        # What CloudFormation alone knows.
        "!ImportValue files",
        "!GetAtt Other.Name",
        "'{{resolve:ssm:/names/files}}'",
        '!Join ["-", ["{{resolve:ssm:/names/files}}", !Ref "AWS::Region"]]',
        '!Sub "${Other}-files"',
        f'!Sub "{STACK[:9]}${{Other}}"',
    ],
)
def test_name__that_begins_with_the_stacks_or_may_do_so__is_taken(name: str) -> None:
    assert told(bucket(name)) == {}


@pytest.mark.parametrize(
    "name",
    [
        "files",
        '!Sub "files-${AWS::StackName}"',
        '!Sub "${AWS::AccountId}-files"',
        '!Join ["-", [files, !Ref "AWS::StackName"]]',
        '!Sub ["${Stack}-files", {Stack: mine}]',
        '!If [Kept, !Sub "${AWS::StackName}-a", files]',
        '!Sub "${!AWS::StackName}-files"',
        '!Sub "prod-${Other}"',
    ],
)
def test_name__that_does_not_begin_with_the_stacks__is_refused_with_what_to_write(
    name: str,
) -> None:
    (message,) = told(bucket(name)).values()
    assert message == 'must begin with the name of the stack: write !Sub "${AWS::StackName}-it"'


def test_name__of_a_parameter__is_what_is_given_or_else_the_default() -> None:
    parameters = "Parameters:\n  Name: {Type: String, Default: files}\n"
    template = parameters + bucket("!Ref Name")
    assert list(told(template)) == ["It.Properties.BucketName"]
    assert told(template, Name=f"{STACK}-files") == {}
    looked_up = template.replace("String", '"AWS::SSM::Parameter::Value<String>"')
    assert told(looked_up) == {}


@pytest.mark.parametrize("kind", sorted(NAMED_TYPES))
def test_each_kind__is_named_by_the_stack_or_refused(kind: str) -> None:
    key = {"Bucket": "BucketName", "Rule": "Name", "LogGroup": "LogGroupName", "Topic": "TopicName"}
    named = key.get(kind.rpartition(":")[2]) or {
        "AWS::SQS::Queue": "QueueName",
        "AWS::DynamoDB::Table": "TableName",
        "AWS::DynamoDB::GlobalTable": "TableName",
    }.get(kind, "AlarmName")
    assert list(told(resource(kind, f"{named}: orders"))) == [f"It.Properties.{named}"]
    assert told(resource(kind, f'{named}: !Sub "${{AWS::StackName}}-it"')) == {}


def test_resource_without_a_name__is_taken_where_the_name_it_gets_fits_whole() -> None:
    """`STACK-LOGICALID-` and 13 characters at most, of 63 for buckets and 80 for queues."""
    room = {"AWS::S3::Bucket": 63, "AWS::SQS::Queue": 80, "AWS::Events::Rule": 64}
    for kind, most in room.items():
        fits = most - len(STACK) - 1 - 14
        for longer in (0, 1):
            logical_id = "A" * (fits + longer)
            found = told(resource(kind, logical_id=logical_id)) if logical_id else {}
            assert bool(found) is bool(longer), (kind, longer)
    (message,) = told(resource("AWS::S3::Bucket", logical_id="Files")).values()
    assert 'is cut: write !Sub "${AWS::StackName}-files"' in message
    left_out = '!If [Kept, !Sub "${AWS::StackName}-a", !Ref "AWS::NoValue"]'
    assert len(told(bucket(left_out).replace("It:", "Files:"))) == 1
    assert told(resource("AWS::SNS::Topic", logical_id="A" * 100)) == {}


def test_queue_in_order__needs_room_for_its_ending() -> None:
    logical_id = "A" * (80 - len(STACK) - 1 - 14)
    fifo = resource("AWS::SQS::Queue", "FifoQueue: true", logical_id=logical_id)
    assert told(resource("AWS::SQS::Queue", logical_id=logical_id)) == {}
    (message,) = told(fifo).values()
    assert message.endswith('.fifo"')


def test_name__longer_than_its_kind_takes__is_refused() -> None:
    long = f'!Sub "${{AWS::StackName}}-{"a" * 63}"'
    (message,) = told(bucket(long)).values()
    assert message.startswith("must have up to 63 characters")


def test_stack__whose_name_leaves_no_room__is_told_so() -> None:
    stack = stack_name(PROJECT, "staging", "a-prefix-of-21-chars-")
    assert len(stack) == 66
    (message,) = told(resource("AWS::S3::Bucket"), stack).values()
    assert "prefix is too long" in message


@pytest.mark.parametrize(
    ("bus", "is_refused"),
    [
        ("default", False),
        ("arn:aws:events:eu-central-1:111122223333:event-bus/default", False),
        ("!Ref Bus", False),
        ("datamesh-events", True),
    ],
)
def test_rule__is_on_the_default_bus_alone(bus: str, is_refused: bool) -> None:
    rule = resource("AWS::Events::Rule", 'Name: !Sub "${AWS::StackName}-r"', f"EventBusName: {bus}")
    assert list(told(rule)) == (["It.Properties.EventBusName"] if is_refused else [])


def test_other_kinds_and_templates_that_are_none__are_left_to_others() -> None:
    assert told(resource("AWS::Lambda::Function", "FunctionName: orders")) == {}
    for text in ("Resources: []", "Resources: {It: 1}", "Resources: {It: {Type: [a]}}", "A: 1"):
        assert told(text) == {}


def test_template_that_is_made_to_take_long__does_not() -> None:
    deep: Any = "x"
    for _ in range(30):
        deep = {"Fn::Sub": ["${A}${A}", {"A": deep}]}
    for name in (deep, {"Fn::Sub": "${" * 400_000}, {"Fn::Join": ["a" * 100_000, ["b"] * 10_000]}):
        document = {
            "Resources": {"It": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": name}}}
        }
        began = time.process_time()
        with pytest.raises(Invalid, match="begin names with"):
            check_names(document, STACK, {})
        assert time.process_time() - began < 2.0
    odd = {"Parameters": {"Name": "text"}, **document_of(bucket("!Ref Name"))}
    with pytest.raises(Invalid):
        check_names(odd, STACK, {"Name": "files"})


def test_every_problem_is_told_at_once() -> None:
    template = bucket("files") + "  That: {Type: 'AWS::SQS::Queue', Properties: {QueueName: q}}\n"
    assert list(told(template)) == ["It.Properties.BucketName", "That.Properties.QueueName"]


def test_kinds__are_of_every_service_in_which_templates_make_what_bears_their_name() -> None:
    prefixes = {"monitoring": "cloudwatch"}
    services = {kind.split("::")[1].lower() for kind in NAMED_TYPES}
    assert {prefixes.get(one, one) for one in services} == NAMED_SERVICES


@pytest.mark.parametrize("prefix", ["", "blue-"])
def test_stacks_name__is_within_what_the_role_of_the_project_may_make(prefix: str) -> None:
    place = AwsPlace("eu-central-1", "111122223333", prefix=prefix)
    statements: list[dict[str, Any]] = project_policy(place, "b", PROJECT)["Statement"]
    (templates,) = [one for one in statements if one["Sid"] == "Templates"]
    for environment in ("dev", "staging", "prod"):
        name = stack_name(PROJECT, environment, prefix)
        for one in templates["Resource"]:
            start = re.sub(r".*[:/]", "", one).removesuffix("*")
            assert name.startswith(start)


@pytest.mark.parametrize("prefix", ["", "blue-", "live-"])
@pytest.mark.parametrize("environment", ["dev", "staging", "prod"])
def test_templates_of_the_guide__are_taken(prefix: str, environment: str) -> None:
    texts = re.findall(r"<<'YAML'\n(.*?)\nYAML", GUIDE.read_text("utf-8"), re.DOTALL)
    assert texts
    for text in texts:
        assert told(text, stack_name(PROJECT, environment, prefix)) == {}
