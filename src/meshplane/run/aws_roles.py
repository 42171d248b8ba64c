"""The roles that AWS's own services take to work for a mesh, and what each may do. Pure.

Source of actions and resources: the Service Authorization Reference; of who takes a role, the
guides of EventBridge ("Using IAM roles"), EventBridge Scheduler ("Execution role"), Step Functions
("IAM policies for integrated services"), Glue Data Quality ("IAM permissions") and Glue's crawlers
("Crawler prerequisites").
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from meshplane.events.aws_bus import MESH_QUEUE
from meshplane.events.envelope import BUS
from meshplane.events.sources import RESERVED_SOURCES
from meshplane.platform.aws.names import (
    AUTHORS_ROLE,
    CRAWL_ROLE,
    PORTAL_ROLE,
    QUALITY_ROLE,
    SCHEDULER_ROLE,
    TARGETS_ROLE,
    WORKFLOWS_ROLE,
    crawl_database,
    domain_bucket_arns,
)
from meshplane.platform.aws.place import AwsPlace
from meshplane.workflows.built_in import definition_texts
from meshplane.workflows.queue_names import APPROVALS, MESH_QUEUES, TASKS

POLICY = "meshplane"
"""The name of the one inline policy of each role."""

_VERSION = "2012-10-17"


@dataclass(frozen=True, slots=True)
class ServiceRole:
    """A role that a service takes.

    Args:
        name: without the mesh's prefix.
        service: who takes it: `states.amazonaws.com`.
        statements: what it may do; none where a managed policy says it.
        managed: the ARN of a policy of AWS's own.
    """

    name: str
    service: str
    statements: Sequence[Mapping[str, Any]] = ()
    managed: str | None = None

    def trust(self, account: str) -> dict[str, Any]:
        """Who may take it: the service, for this account alone."""
        actions = ["sts:AssumeRole"]
        if self.name == PORTAL_ROLE:
            actions.append("sts:TagSession")
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": self.service},
            "Action": actions,
            "Condition": {"StringEquals": {"aws:SourceAccount": account}},
        }
        return {"Version": _VERSION, "Statement": [statement]}

    def policy(self) -> dict[str, Any]:
        """What it may do."""
        return {"Version": _VERSION, "Statement": [dict(one) for one in self.statements]}


def roles_of(part: str, place: AwsPlace) -> list[ServiceRole]:
    """The roles that a part of `aws_parts` needs."""
    made = {
        "bus": (_scheduler, _targets),
        "workflows": (_workflows, _authors),
        "quality": (_quality,),
        "tables": (_crawls,),
        "portal": (_portal,),
    }
    return [make(place) for make in made.get(part, ())]


def _scheduler(place: AwsPlace) -> ServiceRole:
    queue = _arn(place, "sqs", MESH_QUEUE)
    allowed = [_allow(["sqs:SendMessage"], [queue])]
    return ServiceRole(SCHEDULER_ROLE, "scheduler.amazonaws.com", allowed)


def _targets(place: AwsPlace) -> ServiceRole:
    allowed = [
        _allow(["states:StartExecution"], [_arn(place, "states", "*", "stateMachine:")]),
        _allow(["events:InvokeApiDestination"], [_arn(place, "events", "*", "api-destination/")]),
    ]
    return ServiceRole(TARGETS_ROLE, "events.amazonaws.com", allowed)


def _workflows(place: AwsPlace) -> ServiceRole:
    allowed = [
        _allow(["sqs:SendMessage"], [_arn(place, "sqs", one) for one in sorted(MESH_QUEUES)]),
        _allow(["sns:Publish"], [_arn(place, "sns", "*-notifications")]),
        *_common(place),
        _allow(["states:StartExecution"], [_arn(place, "states", "*", "stateMachine:")]),
    ]
    return ServiceRole(WORKFLOWS_ROLE, "states.amazonaws.com", allowed)


def _authors(place: AwsPlace) -> ServiceRole:
    """What people's machines may: never what is the mesh's own; see `aws_definitions`."""
    own = [_arn(place, "states", name, "stateMachine:") for name in sorted(definition_texts())]
    send, invoke = _common(place)
    not_ours = [f"{source}*" for source in RESERVED_SOURCES]
    allowed = [
        _allow(["sqs:SendMessage"], [_arn(place, "sqs", TASKS), _arn(place, "sqs", APPROVALS)]),
        {**send, "Condition": {"StringNotLike": {"events:source": not_ours}}},
        invoke,
        _allow(["states:StartExecution"], [_arn(place, "states", "*", "stateMachine:")]),
        {**_allow(["states:StartExecution"], own), "Effect": "Deny"},
    ]
    return ServiceRole(AUTHORS_ROLE, "states.amazonaws.com", allowed)


def _common(place: AwsPlace) -> list[dict[str, Any]]:
    return [
        _allow(["events:PutEvents"], [_arn(place, "events", BUS, "event-bus/")]),
        _allow(["lambda:InvokeFunction"], [_arn(place, "lambda", "*", "function:")]),
    ]


def _quality(place: AwsPlace) -> ServiceRole:
    """Which rows it reads, Lake Formation decides: needs AWS."""
    glue, buckets = f"arn:aws:glue:{place.region}:{place.account}", domain_bucket_arns(place)
    allowed = [
        _allow(
            ["glue:GetDatabase", "glue:GetTable", "glue:GetTables", "glue:GetPartitions"],
            [f"{glue}:catalog", f"{glue}:database/*", f"{glue}:table/*"],
        ),
        _allow(
            ["glue:GetDataQualityRuleset", "glue:PublishDataQuality"],
            [f"{glue}:dataQualityRuleset/*"],
        ),
        _allow(["lakeformation:GetDataAccess"], ["*"]),
        _allow(["s3:GetObject"], [f"{bucket}/*" for bucket in buckets]),
        _allow(["s3:ListBucket", "s3:GetBucketLocation"], buckets),
        _allow(
            ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
            [f"arn:aws:logs:{place.region}:{place.account}:log-group:/aws-glue/*"],
        ),
    ]
    return ServiceRole(QUALITY_ROLE, "glue.amazonaws.com", allowed)


def _crawls(place: AwsPlace) -> ServiceRole:
    """It reads raw areas, which hold no governed table, and fills one database."""
    glue, buckets = f"arn:aws:glue:{place.region}:{place.account}", domain_bucket_arns(place)
    database, raw = crawl_database(place), "projects/*/raw/*"
    listing = _allow(["s3:ListBucket"], buckets)
    allowed = [
        _allow(
            [
                *("glue:GetDatabase", "glue:GetTable", "glue:GetTables", "glue:CreateTable"),
                *("glue:UpdateTable", "glue:DeleteTable", "glue:BatchDeleteTable"),
                *("glue:GetPartition", "glue:GetPartitions", "glue:BatchGetPartition"),
                *("glue:CreatePartition", "glue:BatchCreatePartition", "glue:UpdatePartition"),
                *("glue:BatchUpdatePartition", "glue:DeletePartition"),
                "glue:BatchDeletePartition",
            ],
            [f"{glue}:catalog", f"{glue}:database/{database}", f"{glue}:table/{database}/*"],
        ),
        _allow(["s3:GetObject"], [f"{bucket}/{raw}" for bucket in buckets]),
        {**listing, "Condition": {"StringLike": {"s3:prefix": [raw]}}},
        _allow(["s3:GetBucketLocation"], buckets),
        _allow(
            ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
            [f"arn:aws:logs:{place.region}:{place.account}:log-group:/aws-glue/*"],
        ),
    ]
    return ServiceRole(CRAWL_ROLE, "glue.amazonaws.com", allowed)


def _portal(place: AwsPlace) -> ServiceRole:
    managed = "arn:aws:iam::aws:policy/service-role/AmazonDataZoneDomainExecutionRolePolicy"
    return ServiceRole(PORTAL_ROLE, "datazone.amazonaws.com", managed=managed)


def _arn(place: AwsPlace, service: str, name: str, kind: str = "") -> str:
    at = f"{service}:{place.region}:{place.account}"
    return f"arn:aws:{at}:{kind}{place.prefix}{name}"


def _allow(actions: Sequence[str], resources: Sequence[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": list(resources)}
