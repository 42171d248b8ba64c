"""Policies of the role that acts as a project. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from meshplane.platform.aws.key_policy import through_bucket
from meshplane.platform.aws.names import project_workgroup
from meshplane.platform.aws.place import AwsPlace

_VERSION = "2012-10-17"

# What templates make by the name of their stack: ARNs up to that name, by the service's prefix.
_NAMED = {
    "cloudwatch": "arn:aws:cloudwatch:{at}:alarm:",
    "dynamodb": "arn:aws:dynamodb:{at}:table/",
    "events": "arn:aws:events:{at}:rule/",
    "logs": "arn:aws:logs:{at}:log-group:",
    "s3": "arn:aws:s3:::",
    "sns": "arn:aws:sns:{at}:",
    "sqs": "arn:aws:sqs:{at}:",
}
NAMED_SERVICES = frozenset(_NAMED)
"""Services in which templates make what bears their stack's name, by their prefixes in IAM."""

_LOOKS = ["cloudwatch:DescribeAlarms", "logs:DescribeLogGroups"]


def trust_policy(account: str, trusted: Sequence[str] = ()) -> dict[str, Any]:
    """Who may act as the project.

    Args:
        account: the mesh's, 12 digits.
        trusted: ARNs; none: principals of the account who have the right to assume roles.
    """
    return {
        "Version": _VERSION,
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": list(trusted) or f"arn:aws:iam::{account}:root"},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"aws:PrincipalAccount": account}},
            },
            {
                # A template of the project's may do what the project may, and no more.
                "Effect": "Allow",
                "Principal": {"Service": "cloudformation.amazonaws.com"},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"aws:SourceAccount": account}},
            },
        ],
    }


def project_policy(place: AwsPlace, bucket: str, project_id: str) -> dict[str, Any]:
    """What a project needs: to query, to ask for data, and to make what its templates say.

    What Athena shows, Lake Formation decides; what Redshift shows, its own grants.

    Args:
        place: the mesh's region and account.
        bucket: of the project's domain; results lie below `temp/PROJECT/` in it.
        project_id: the project.
    """
    glue = f"arn:aws:glue:{place.region}:{place.account}"
    return {
        "Version": _VERSION,
        "Statement": [
            _allow(
                "Query",
                [
                    "athena:StartQueryExecution",
                    "athena:GetQueryExecution",
                    "athena:GetQueryResults",
                    "athena:StopQueryExecution",
                    "athena:GetWorkGroup",
                ],
                f"arn:aws:athena:{place.region}:{place.account}:workgroup/"
                f"{project_workgroup(place, project_id)}",
            ),
            _allow(
                "Catalogue",
                ["glue:GetDatabase", "glue:GetTable", "glue:GetTables", "glue:GetPartitions"],
                [f"{glue}:catalog", f"{glue}:database/*", f"{glue}:table/*"],
            ),
            _allow("Data", ["lakeformation:GetDataAccess"], "*"),
            *_results(place, bucket, project_id),
            *_redshift(place),
            # A project asks for data in the portal itself; who asked for it would decide otherwise.
            _allow(
                "Portal",
                [
                    "datazone:CreateSubscriptionRequest",
                    "datazone:UpdateSubscriptionRequest",
                    "datazone:DeleteSubscriptionRequest",
                    "datazone:CancelSubscription",
                ],
                f"arn:aws:datazone:{place.region}:{place.account}:domain/*",
            ),
            *_templates(place, project_id),
        ],
    }


def results_bucket(policy: Any, project_id: str) -> str | None:
    """The bucket of the project's domain, as `project_policy` names it; None: it names none.

    Args:
        policy: a document as botocore has it; None: there is none.
        project_id: the project.
    """
    start, end = "arn:aws:s3:::", f"/temp/{project_id}/*"
    statements = policy.get("Statement", ()) if isinstance(policy, Mapping) else ()
    for statement in statements:
        named = statement.get("Resource", ()) if isinstance(statement, Mapping) else ()
        for one in [named] if isinstance(named, str) else named:
            if one.startswith(start) and one.endswith(end):
                return str(one.removeprefix(start).removesuffix(end))
    return None


def _results(place: AwsPlace, bucket: str, project_id: str) -> list[dict[str, Any]]:
    """Where results of queries lie; they are encrypted as the bucket says.

    Data is not read with these rights: Lake Formation hands out credentials for it.
    """
    key = _allow(
        "ResultsKey",
        ["kms:Decrypt", "kms:GenerateDataKey"],
        f"arn:aws:kms:{place.region}:{place.account}:key/*",
    )
    return [
        _allow(
            "Results",
            ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"],
            f"arn:aws:s3:::{bucket}/temp/{project_id}/*",
        ),
        _allow("Bucket", ["s3:GetBucketLocation"], f"arn:aws:s3:::{bucket}"),
        {**key, "Condition": through_bucket(place, bucket)},
    ]


def _templates(place: AwsPlace, project_id: str) -> list[dict[str, Any]]:
    """What stacks of the project make: CloudFormation names it by the stack, which bears its id.

    A topic's subscriptions are changed by the right to the topic, with whose ARN theirs begin.

    Sources: the Service Authorization Reference, "Resource types" of each service; CloudFormation
    User Guide, "Name type".
    """
    at = f"{place.region}:{place.account}"
    stacks = f"{project_workgroup(place, project_id)}-*"
    return [
        _allow(
            "Templates",
            [f"{service}:*" for service in sorted(_NAMED)],
            [f"{start.format(at=at)}{stacks}" for _, start in sorted(_NAMED.items())],
        ),
        _allow("TemplatesLook", _LOOKS, "*"),
    ]


def _redshift(place: AwsPlace) -> list[dict[str, Any]]:
    """What is read in Redshift, its own grants to the role decide."""
    return [
        _allow(
            "Redshift",
            ["redshift-serverless:GetCredentials", "redshift:GetClusterCredentialsWithIAM"],
            [
                f"arn:aws:redshift-serverless:{place.region}:{place.account}:workgroup/*",
                f"arn:aws:redshift:{place.region}:{place.account}:dbname:*/*",
            ],
        ),
        _allow(
            "RedshiftStatements",
            [
                "redshift-data:ExecuteStatement",
                "redshift-data:DescribeTable",
                "redshift-data:DescribeStatement",
                "redshift-data:GetStatementResult",
                "redshift-data:CancelStatement",
            ],
            "*",
        ),
    ]


def _allow(sid: str, actions: list[str], resources: str | list[str]) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources}
