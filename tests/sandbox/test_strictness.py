"""A call that AWS would refuse is refused here, and a fake that breaks its model is found out."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.model import DenormalizedStructureBuilder, Shape, ShapeResolver

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected, AwsUnavailable
from meshplane.sandbox.fake import FakeError, Handler
from meshplane.sandbox.models import service_model
from meshplane.sandbox.patterns import Unusable, compiled, fits
from meshplane.sandbox.server import AwsSandbox
from meshplane.sandbox.strictness import problems
from tests.builders.aws_sandbox import aws_of
from tests.builders.toy_fake import answering, toy

# The services that the product calls.
SERVICES = (
    *("athena", "cloudformation", "cloudwatch", "cognito-idp", "datazone", "dynamodb"),
    *("dynamodbstreams", "events", "glue", "iam", "kms", "lakeformation", "lambda"),
    *("organizations", "ram", "redshift-data", "s3", "scheduler", "secretsmanager", "sns"),
    *("sqs", "stepfunctions", "sts"),
)

Handlers = dict[str, Handler]


@pytest.fixture(scope="module")
def handlers() -> Handlers:
    return {}


@pytest.fixture(scope="module")
def sandbox(handlers: Handlers) -> Iterator[AwsSandbox]:
    with AwsSandbox(fakes={"datazone": toy("datazone", handlers)}) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def aws(sandbox: AwsSandbox) -> Iterator[Aws]:
    aws = aws_of(sandbox, most_attempts=1)
    yield aws
    aws.close()


def refusal(aws: Aws, service: str, operation: str, **given: Any) -> str:
    with pytest.raises(AwsRejected) as refused:
        aws.run(service, operation, **given)
    return f"{refused.value.aws_code}: {refused.value.answer['Error']['Message']}"


def shape_of(members: dict[str, Any]) -> Shape:
    return DenormalizedStructureBuilder().with_members(members).build_model()


@pytest.mark.parametrize(
    ("service", "operation", "given", "told"),
    [
        (
            "datazone",
            "create_listing_change_set",
            {
                "domainIdentifier": "dzd_abc",
                "entityIdentifier": "abcdefg0123456",
                "entityType": "ASSET",
                "action": "PUBLISHED",
            },
            "ValidationException: action: must be one of PUBLISH, UNPUBLISH",
        ),
        (
            "datazone",
            "get_domain",
            {"identifier": "not a domain"},
            "ValidationException: identifier: must match",
        ),
        (
            "datazone",
            "list_projects",
            {"domainIdentifier": "dzd_abc", "maxResults": 51},
            "ValidationException: maxResults: its value must be 50 at most",
        ),
        (
            "glue",
            "get_database",
            {"Name": "d" * 256},
            "InvalidInputException: Name: its length must be 255 at most",
        ),
        (
            "dynamodb",
            "create_table",
            {
                "TableName": "t",
                "KeySchema": [{"AttributeName": "a", "KeyType": "HASHED"}],
                "AttributeDefinitions": [{"AttributeName": "a", "AttributeType": "S"}],
            },
            "ValidationException: KeySchema[0].KeyType: must be one of HASH, RANGE",
        ),
        (
            "iam",
            "create_role",
            {"RoleName": "a b", "AssumeRolePolicyDocument": "{}"},
            "ValidationError: RoleName: must match",
        ),
        (
            "cloudwatch",
            "put_metric_data",
            {"Namespace": "n", "MetricData": [{"MetricName": "m", "Unit": "Bananas"}]},
            "ValidationException: MetricData[0].Unit: must be one of",
        ),
        (
            "s3",
            "put_object",
            {"Bucket": "bucket-one", "Key": "k", "StorageClass": "WARM"},
            "InvalidArgument: StorageClass: must be one of",
        ),
    ],
)
def test_call_that_the_model_forbids__is_refused(
    aws: Aws, service: str, operation: str, given: dict[str, Any], told: str
) -> None:
    assert refusal(aws, service, operation, **given).startswith(told)


def test_members_of_a_client_that_checks_nothing__are_refused(sandbox: AwsSandbox) -> None:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import ClientError

    key, secret = sandbox.keys(sandbox.accounts[0])
    glue = boto3.client(
        "glue",
        region_name="eu-central-1",
        endpoint_url=sandbox.url,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(parameter_validation=False),
    )
    with pytest.raises(ClientError, match=r"DatabaseInput\.Name: is required"):
        glue.create_database(DatabaseInput={"Description": "d"})
    with pytest.raises(ClientError, match="Name: must be a string"):
        glue.get_database(Name=7)
    glue.close()


def test_operation_without_handler__is_answered_with_501(aws: Aws) -> None:
    with pytest.raises(AwsUnavailable):
        aws.run("datazone", "list_domains")


def test_answer_that_breaks_the_model__is_a_defect_that_says_where(
    sandbox: AwsSandbox, aws: Aws, handlers: Handlers
) -> None:
    before = len(sandbox.defects)
    answers: tuple[tuple[dict[str, Any], str], ...] = (
        ({"id": "dzd_abc"}, "domainExecutionRole: is required"),
        ({"id": "nothing like it"}, "id: must match"),
        ({"id": "dzd_abc", "colour": "red"}, "colour: no such member"),
        ({"id": "dzd_abc", "status": "BROKEN"}, "status: must be one of"),
    )
    for answer, told in answers:
        handlers["GetDomain"] = answering(answer)
        with pytest.raises(AwsUnavailable):
            aws.run("datazone", "get_domain", identifier="dzd_abc")
        assert told in sandbox.defects[-1], answer
    assert len(sandbox.defects) == before + len(answers)


def test_error_that_the_model_does_not_name__is_a_defect(
    sandbox: AwsSandbox, aws: Aws, handlers: Handlers
) -> None:
    def refuse(_caller: Any, _given: Any) -> dict[str, Any]:
        raise FakeError("EntityNotFoundException", "Glue's word, not DataZone's.")

    handlers["GetDomain"] = refuse
    with pytest.raises(AwsUnavailable):
        aws.run("datazone", "get_domain", identifier="dzd_abc")
    assert "does not name EntityNotFoundException" in sandbox.defects[-1]


def test_handler_that_fails__is_a_defect_with_its_place(
    sandbox: AwsSandbox, aws: Aws, handlers: Handlers
) -> None:
    def fail(_caller: Any, _given: Any) -> dict[str, Any]:
        raise LookupError("who knows")

    handlers["GetDomain"] = fail
    with pytest.raises(AwsUnavailable):
        aws.run("datazone", "get_domain", identifier="dzd_abc")
    assert "who knows" in sandbox.defects[-1]
    assert "test_strictness.py" in sandbox.defects[-1]


@pytest.mark.parametrize("service", SERVICES)
def test_patterns_of_the_models__are_all_usable(service: str) -> None:
    model = service_model(service)
    patterns = {
        pattern
        for name in model.shape_names
        if (pattern := model.shape_for(name).metadata.get("pattern"))
    }
    unusable = []
    for pattern in patterns:
        try:
            compiled(pattern)
        except Unusable as error:
            unusable.append(str(error))
    assert unusable == []


@pytest.mark.parametrize(
    ("pattern", "text", "fit"),
    [
        (r"[a-z]+", "abc", True),
        (r"[a-z]+", "abc1", False),  # without anchors the whole text is meant
        (r"^[a-z]+", "abc1", True),
        (r"^[a-z]+$", "abc\n", False),  # `$` is the very end
        (r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\t]*", "a𐐷z", True),
        (r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\t]*", "a\rz", False),
        (r"^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$", "Größe 1", True),
        (r"^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$", "a;b", False),
    ],
)
def test_pattern__means_what_it_means_on_aws(pattern: str, text: str, fit: bool) -> None:
    assert fits(pattern, text) is fit


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"flag": 1}, "flag: must be a boolean"),
        ({"count": True}, "count: must be an integer"),
        ({"count": 2**31}, "count: does not fit 32 bits"),
        ({"names": ["a", 1]}, "names[1]: must be a string"),
        ({"when": "yesterday"}, "when: must be an instant"),
        ({"nothing": 1}, "nothing: no such member"),
    ],
)
def test_problem__names_its_place(value: dict[str, Any], told: str) -> None:
    shape = shape_of(
        {
            "flag": {"type": "boolean"},
            "count": {"type": "integer"},
            "names": {"type": "list", "member": {"type": "string"}},
            "when": {"type": "timestamp"},
        }
    )
    assert problems(shape, value) == [told]


def test_union__has_exactly_one_member() -> None:
    shapes = {
        "Either": {
            "type": "structure",
            "union": True,
            "members": {"a": {"shape": "Text"}, "b": {"shape": "Text"}},
        },
        "Text": {"type": "string"},
    }
    shape = ShapeResolver(shapes).get_shape_by_name("Either")
    assert problems(shape, {"a": "1"}) == []
    assert problems(shape, {}) == ["The input: must have exactly one of a, b"]
    assert problems(shape, {"a": "1", "b": "2"}) == ["The input: must have exactly one of a, b"]


def test_problems__are_ten_at_most() -> None:
    shape = shape_of({"names": {"type": "list", "member": {"type": "string"}}})
    assert len(problems(shape, {"names": list(range(100))})) == 10
