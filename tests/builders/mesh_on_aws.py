"""What a mesh makes in an account, made by the mesh's own parts, without a server."""

import asyncio
import json
from pathlib import Path

from meshplane.events.archives import Archive
from meshplane.events.aws import BusPlaces
from meshplane.events.aws_archives import EventBridgeArchives
from meshplane.events.aws_rules import EventBridgeRules
from meshplane.events.rules import Rule, Target
from meshplane.kit.clock import SystemClock
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.datazone import DataZone
from meshplane.platform.aws.names import (
    CRAWL_ROLE,
    PORTAL_ROLE,
    domain_bucket,
    project_role_arn,
    project_workgroup,
    projects_boundary_arn,
    role_arn,
)
from meshplane.run.aws_prepare import prepare
from meshplane.run.aws_steps import steps_of
from meshplane.services.lake.aws_settings import register_location
from meshplane.services.lake.aws_tag_projection import carry_database_tags
from meshplane.services.lake.aws_tags import ensure_tag
from meshplane.services.lake.lake_formation import DOMAIN_TAG
from meshplane.services.projects.aws import AwsWorkspaces
from meshplane.services.projects.repositories import Repositories
from meshplane.services.query.aws_athena import Workgroups, WorkgroupSettings
from meshplane.services.tables.aws_buckets import DomainBuckets
from meshplane.services.tables.aws_crawl_rights import CrawlRights
from meshplane.services.tables.aws_glue import GlueCatalog
from tests.builders.raw_areas import csv, s3_area

GROUPS = ("mesh-admins", "mesh-auditors")


def prepared(aws: Aws, *parts: str) -> None:
    """`meshplane aws prepare` for these parts."""

    async def run() -> None:
        zone = DataZone(
            aws,
            name=f"{aws.place.prefix}meshplane",
            execution_role=role_arn(aws.place, PORTAL_ROLE),
            acting=lambda _: aws,
        )
        async for _ in prepare(steps_of(aws, parts, zone, GROUPS)):
            continue

    asyncio.run(run())


def new_domain(aws: Aws, domain: str) -> str:
    """A domain's bucket, with objects in several versions, its place and database; the bucket."""
    bucket = domain_bucket(aws.place, domain)

    async def run() -> None:
        await DomainBuckets(aws).prepare(bucket)
        await GlueCatalog(aws).ensure_database(domain, bucket)
        await register_location(aws, f"arn:aws:s3:::{bucket}")
        await ensure_tag(aws, "classification", ("public", "internal"))
        await carry_database_tags(aws, domain, {DOMAIN_TAG: domain}, ())

    asyncio.run(run())
    for text in (b"first", b"second"):
        aws.run("s3", "put_object", Bucket=bucket, Key="flights/data.parquet", Body=text)
    aws.run("s3", "delete_object", Bucket=bucket, Key="flights/data.parquet")
    aws.run("s3", "create_multipart_upload", Bucket=bucket, Key="flights/unfinished.parquet")
    return bucket


def crawled(aws: Aws, domain: str, project_id: str) -> None:
    """Files in the raw area of a project, crawled by its crawler."""
    rights = CrawlRights(aws, role_arn(aws.place, CRAWL_ROLE))
    place = s3_area(aws, domain_bucket(aws.place, domain), project_id, rights=rights)
    place.put("gauges/a.csv", csv("gauge,level", "north,3"))
    tables = asyncio.run(place.crawl()).tables
    assert [(one.name, one.problem) for one in tables] == [("gauges", "")]


def new_table(aws: Aws, domain: str, name: str) -> None:
    """A table of a domain, as Glue has it."""
    at = f"s3://{domain_bucket(aws.place, domain)}/{name}"
    foreign_table(aws, domain, name, at)


def foreign_table(aws: Aws, database: str, name: str, at: str) -> None:
    """A table whose files lie anywhere."""
    columns = [{"Name": "flight", "Type": "string"}, {"Name": "delay", "Type": "int"}]
    aws.run(
        "glue",
        "create_table",
        DatabaseName=database,
        TableInput={"Name": name, "StorageDescriptor": {"Location": at, "Columns": columns}},
    )


def new_project(aws: Aws, project_id: str, domain: str, folder: Path) -> str:
    """A project's role and workgroup; the role's ARN."""
    bucket = domain_bucket(aws.place, domain)
    repositories, bound = Repositories(folder, SystemClock()), projects_boundary_arn(aws.place)
    AwsWorkspaces(aws, repositories, boundary=bound).prepare(bucket, project_id)
    name = project_workgroup(aws.place, project_id)
    results = f"s3://{bucket}/temp/{project_id}/"
    asyncio.run(Workgroups(aws, WorkgroupSettings()).ensure(name, results))
    return project_role_arn(aws.place, project_id)


def granted(aws: Aws, role: str, domain: str, table: str) -> None:
    """Some rows of a table, and another table's worth by tags."""
    at = {"TableCatalogId": aws.place.account, "DatabaseName": domain, "TableName": table}
    aws.run(
        "lakeformation",
        "create_data_cells_filter",
        TableData={
            **at,
            "Name": "late",
            "RowFilter": {"FilterExpression": "delay > 60"},
            "ColumnWildcard": {},
        },
    )
    expression = [
        {"TagKey": DOMAIN_TAG, "TagValues": [domain]},
        {"TagKey": "classification", "TagValues": ["public"]},
    ]
    resources: tuple[dict[str, object], ...] = (
        {"DataCellsFilter": {**at, "Name": "late"}},
        {"LFTagPolicy": {"ResourceType": "TABLE", "Expression": expression}},
    )
    for resource in resources:
        grant(aws, role, resource, "SELECT")


def grant(aws: Aws, principal: str, resource: dict[str, object], permission: str) -> None:
    """A grant in Lake Formation, by whomever."""
    aws.run(
        "lakeformation",
        "grant_permissions",
        Principal={"DataLakePrincipalIdentifier": principal},
        Resource=resource,
        Permissions=[permission],
    )


def new_rule(aws: Aws, name: str) -> None:
    """A rule on the mesh's bus that sends to a queue, and an archive of the bus."""
    at = f"{aws.place.region}:{aws.place.account}"
    queue = f"arn:aws:sqs:{at}:{aws.place.prefix}meshplane-rules"
    places = BusPlaces(aws.place, queue, queue, "")
    rule = Rule(
        name,
        (Target("hook", "queue", name="jobs"),),
        event_pattern={"source": ["management-app.assets"]},
    )

    async def run() -> None:
        applied = await EventBridgeRules(aws, places).apply([rule])
        assert applied.problems == ()
        await EventBridgeArchives(aws, places).apply([Archive("kept")])

    asyncio.run(run())


def anybodys_role(aws: Aws, name: str) -> str:
    """A role that the mesh has not made; its ARN."""
    statement = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}}
    trust = {"Version": "2012-10-17", "Statement": [{**statement, "Action": "sts:AssumeRole"}]}
    made = aws.run("iam", "create_role", RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
    return str(made["Role"]["Arn"])
