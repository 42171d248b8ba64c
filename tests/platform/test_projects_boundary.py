"""The most that roles of projects may do: what projects need and templates make, and no more."""

import json
import re
from typing import Any

import pytest

from meshplane.platform.aws.names import domain_bucket, part_role, projects_boundary_arn
from meshplane.platform.aws.place import AwsPlace
from meshplane.platform.templates.stack_names import stack_name
from meshplane.sandbox.iam_policy import Asked, Context, decide
from meshplane.services.projects.aws_boundary import NEVER_SERVICES, boundary_policy
from meshplane.services.projects.aws_policies import NAMED_SERVICES, project_policy

ACCOUNT, REGION = "111122223333", "eu-central-1"
PROJECT = "proj-01a2007b881eab2560806ca13b42e458"
PLACES = [AwsPlace(REGION, ACCOUNT), AwsPlace(REGION, ACCOUNT, prefix="blue-")]
AT = f"{REGION}:{ACCOUNT}"
# "IAM and AWS STS quotas": a managed policy, white space not counted.
LARGEST = 6_144


def says(
    place: AwsPlace,
    action: str,
    resource: str | None,
    *further: str,
    context: Context | None = None,
) -> bool | None:
    """What the boundary decides."""
    policy = json.dumps(boundary_policy(place, further))
    return decide([policy], Asked(action, resource, context or {}, ("aws:resourcetag/",)))


@pytest.mark.parametrize("place", PLACES)
def test_boundary__lets_a_project_do_all_that_its_own_policy_does(place: AwsPlace) -> None:
    bucket = domain_bucket(place, "harbour")
    context = {
        "kms:viaservice": f"s3.{REGION}.amazonaws.com",
        "kms:encryptioncontext:aws:s3:arn": f"arn:aws:s3:::{bucket}",
    }
    own: list[dict[str, Any]] = project_policy(place, bucket, PROJECT)["Statement"]
    for statement in own:
        resources = statement["Resource"]
        for resource in [resources] if isinstance(resources, str) else resources:
            for action in statement["Action"]:
                one = resource.replace("*", "x")
                assert says(place, action, one, context=context) is True, (action, resource)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("sqs:CreateQueue", f"arn:aws:sqs:{AT}:{{stack}}-Inbox-1ABC"),
        ("sns:CreateTopic", f"arn:aws:sns:{AT}:{{stack}}-News-1ABC"),
        # IAM has the topic as the resource of these, and a subscription's ARN begins with it.
        ("sns:Unsubscribe", f"arn:aws:sns:{AT}:{{stack}}-News-1ABC"),
        ("sns:Unsubscribe", f"arn:aws:sns:{AT}:{{stack}}-News-1ABC:2f5671ba-c68e"),
        ("sns:SetSubscriptionAttributes", f"arn:aws:sns:{AT}:{{stack}}-News-1ABC:2f5671ba-c68e"),
        ("s3:CreateBucket", "arn:aws:s3:::{stack}-files-1abc"),
        ("s3:PutObject", "arn:aws:s3:::{stack}-files-1abc/a/b"),
        ("dynamodb:UpdateItem", f"arn:aws:dynamodb:{AT}:table/{{stack}}-Rows-1ABC"),
        ("events:PutRule", f"arn:aws:events:{AT}:rule/{{stack}}-Nightly-1ABC"),
        ("logs:CreateLogGroup", f"arn:aws:logs:{AT}:log-group:{{stack}}-Log-1ABC"),
        ("cloudwatch:PutMetricAlarm", f"arn:aws:cloudwatch:{AT}:alarm:{{stack}}-Full-1ABC"),
    ],
)
def test_boundary__lets_templates_make_what_bears_their_stacks_name(
    place: AwsPlace, action: str, resource: str
) -> None:
    own = resource.format(stack=stack_name(PROJECT, "staging", place.prefix))
    assert says(place, action, own) is True
    assert says(place, action, resource.format(stack="shop")) is None


@pytest.mark.parametrize("place", PLACES)
def test_boundary__leaves_what_is_the_meshs_own(place: AwsPlace) -> None:
    start, bucket = place.prefix, domain_bucket(place, "harbour")
    own = [
        ("dynamodb:PutItem", f"arn:aws:dynamodb:{AT}:table/{start}Projects"),
        ("dynamodb:DeleteTable", f"arn:aws:dynamodb:{AT}:table/{start}ProjectMembers"),
        ("events:PutEvents", f"arn:aws:events:{AT}:event-bus/{start}datamesh-events"),
        ("events:DeleteRule", f"arn:aws:events:{AT}:rule/{start}meshplane-datazone"),
        ("sqs:ReceiveMessage", f"arn:aws:sqs:{AT}:{start}meshplane-tasks"),
        ("sns:Publish", f"arn:aws:sns:{AT}:{start}project-notifications"),
        ("s3:PutObject", f"arn:aws:s3:::{bucket}/projects/{PROJECT}/raw/file"),
        ("s3:GetObject", f"arn:aws:s3:::{bucket}/flights/data.parquet"),
        ("s3:DeleteObject", f"arn:aws:s3:::{bucket}/temp/{PROJECT}/1.csv"),
        ("s3:PutBucketPolicy", f"arn:aws:s3:::{bucket}"),
        ("states:StartExecution", f"arn:aws:states:{AT}:stateMachine:{start}promotion"),
        ("glue:DeleteTable", f"arn:aws:glue:{AT}:table/harbour/tides"),
    ]
    assert [each for each in own if says(place, *each) is not None] == []


@pytest.mark.parametrize("place", PLACES)
def test_boundary__denies_rights_whatever_else_it_allows(place: AwsPlace) -> None:
    further = ("ec2", "kms", "secretsmanager")
    part = f"arn:aws:iam::{ACCOUNT}:role/{part_role(place, 'lake')}"
    denied = [
        ("iam:PassRole", part),
        ("iam:CreatePolicyVersion", projects_boundary_arn(place)),
        ("iam:DeleteRolePermissionsBoundary", f"arn:aws:iam::{ACCOUNT}:role/project-{PROJECT}"),
        ("sts:AssumeRole", part),
        ("lakeformation:PutDataLakeSettings", None),
        ("lakeformation:GrantPermissions", None),
        ("lakeformation:RegisterResource", None),
        ("organizations:LeaveOrganization", None),
        (
            "secretsmanager:GetSecretValue",
            f"arn:aws:secretsmanager:{AT}:secret:{place.prefix}meshplane/mask-key-AbCdEf",
        ),
        ("kms:UpdateAlias", f"arn:aws:kms:{AT}:alias/{place.prefix}meshplane-harbour"),
    ]
    assert [each for each in denied if says(place, *each, *further) is not False] == []


def test_boundary__keys_of_domains_stay_as_they_are_where_templates_make_keys() -> None:
    place, key = PLACES[1], f"arn:aws:kms:{AT}:key/1"
    of_domain = {"aws:resourcetag/domain": "sea"}
    for action in ("kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:TagResource"):
        assert says(place, action, key) is None
        assert says(place, action, key, "kms") is True
        assert says(place, action, key, "kms", context=of_domain) is False


def test_boundary__fits_into_iam() -> None:
    place = AwsPlace("ap-southeast-2", ACCOUNT, prefix="a" * 21)
    many = [f"{'s' * 20}-{number}" for number in range(20)]
    text = json.dumps(boundary_policy(place, many))
    assert len(re.sub(r"\s", "", text)) < LARGEST


def test_services__that_the_mesh_runs_on_are_bound_to_names_or_never_more() -> None:
    assert frozenset() == NAMED_SERVICES & NEVER_SERVICES
    assert {"athena", "datazone", "glue", "iam", "lakeformation", "ram"} <= NEVER_SERVICES
    assert {"dynamodb", "events", "s3", "sns", "sqs"} <= NAMED_SERVICES
