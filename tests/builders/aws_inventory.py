"""What there is in an account of AWS, listed without knowing anything of the mesh.

So it shows what the mesh's own removal overlooks. What AWS makes by itself is left out: roles that
are linked to services, its own keys, groups, workgroups and buses.
"""

from collections.abc import Iterator
from typing import Any

from meshplane.platform.aws.calls import Aws

_OF_AWS = {"default", "primary"}


def inventory(aws: Aws) -> frozenset[str]:
    """All that there is, a line each: `bucket blue-meshplane-…`."""
    lists = (
        _buckets, _tables, _glue, _lake, _lake_tags, _workgroups, _roles, _events, _queues,
        _machines, _portals, _shares, _stacks, _secrets, _people,
    )  # fmt: skip
    return frozenset(line for one in lists for line in one(aws))


def _buckets(aws: Aws) -> Iterator[str]:
    for page in aws.run_pages("s3", "list_buckets"):
        for one in page.get("Buckets", ()):
            yield f"bucket {one['Name']}"


def _tables(aws: Aws) -> Iterator[str]:
    for page in aws.run_pages("dynamodb", "list_tables"):
        for name in page["TableNames"]:
            yield f"table {name}"


def _glue(aws: Aws) -> Iterator[str]:
    for page in aws.run_pages("glue", "get_databases"):
        for database in page["DatabaseList"]:
            yield f"database {database['Name']}"
            for tables in aws.run_pages("glue", "get_tables", DatabaseName=database["Name"]):
                for table in tables["TableList"]:
                    yield f"table {database['Name']}.{table['Name']}"
    for page in aws.run_pages("glue", "get_crawlers"):
        for one in page["Crawlers"]:
            yield f"crawler {one['Name']}"
    for one in _listed(aws, "list_data_quality_rulesets", "Rulesets"):
        yield f"ruleset {one['Name']}"


def _listed(aws: Aws, operation: str, member: str) -> Iterator[dict[str, Any]]:
    """A list of Glue or Lake Formation for which botocore knows no paginator."""
    service = "glue" if "quality" in operation else "lakeformation"
    more: dict[str, str] = {}
    while True:
        page = getattr(aws.client(service), operation)(**more)
        yield from page.get(member, ())
        if not page.get("NextToken"):
            return
        more = {"NextToken": page["NextToken"]}


def _lake(aws: Aws) -> Iterator[str]:
    settings = aws.run("lakeformation", "get_data_lake_settings")["DataLakeSettings"]
    for one in settings.get("DataLakeAdmins") or ():
        yield f"administrator {one['DataLakePrincipalIdentifier']}"
    for one in _listed(aws, "list_permissions", "PrincipalResourcePermissions"):
        principal = one["Principal"]["DataLakePrincipalIdentifier"]
        yield f"grant of {one['Permissions']} on {one['Resource']} to {principal}"
    for one in _listed(aws, "list_resources", "ResourceInfoList"):
        yield f"place {one['ResourceArn']}"
    for page in aws.run_pages("lakeformation", "list_data_cells_filter"):
        for one in page.get("DataCellsFilters", ()):
            yield f"filter {one['DatabaseName']}.{one['TableName']}.{one['Name']}"


def _lake_tags(aws: Aws) -> Iterator[str]:
    for page in aws.run_pages("lakeformation", "list_lf_tags"):
        for one in page.get("LFTags", ()):
            yield f"tag {one['TagKey']}"
    for page in aws.run_pages("lakeformation", "list_lf_tag_expressions"):
        for one in page.get("LFTagExpressions", ()):
            yield f"expression {one['Name']}"


def _workgroups(aws: Aws) -> Iterator[str]:
    more: dict[str, str] = {}
    while True:
        page = aws.run("athena", "list_work_groups", **more)
        for one in page["WorkGroups"]:
            if one["Name"] not in _OF_AWS:
                yield f"workgroup {one['Name']}"
        if not page.get("NextToken"):
            return
        more = {"NextToken": page["NextToken"]}


def _roles(aws: Aws) -> Iterator[str]:
    for page in aws.run_pages("iam", "list_roles"):
        for one in page["Roles"]:
            if not one["Path"].startswith("/aws-service-role/"):
                yield f"role {one['RoleName']}"
    for page in aws.run_pages("iam", "list_policies", Scope="Local"):
        for one in page["Policies"]:
            yield f"policy {one['PolicyName']}"


def _events(aws: Aws) -> Iterator[str]:
    for bus in aws.run("events", "list_event_buses")["EventBuses"]:
        if bus["Name"] not in _OF_AWS:
            yield f"bus {bus['Name']}"
        for page in aws.run_pages("events", "list_rules", EventBusName=bus["Name"]):
            for one in page["Rules"]:
                yield f"rule {bus['Name']}/{one['Name']}"
    for one in aws.run("events", "list_archives")["Archives"]:
        yield f"archive {one['ArchiveName']}"
    for one in aws.run("events", "list_api_destinations")["ApiDestinations"]:
        yield f"API destination {one['Name']}"
    for one in aws.run("events", "list_connections")["Connections"]:
        yield f"connection {one['Name']}"
    for page in aws.run_pages("scheduler", "list_schedule_groups"):
        for one in page["ScheduleGroups"]:
            if one["Name"] not in _OF_AWS:
                yield f"schedules {one['Name']}"


def _queues(aws: Aws) -> Iterator[str]:
    for page in aws.run_pages("sqs", "list_queues"):
        for url in page.get("QueueUrls", ()):
            yield f"queue {url.rpartition('/')[2]}"
    for page in aws.run_pages("sns", "list_topics"):
        for one in page["Topics"]:
            yield f"topic {one['TopicArn'].rpartition(':')[2]}"


def _machines(aws: Aws) -> Iterator[str]:
    for page in aws.run_pages("stepfunctions", "list_state_machines"):
        for one in page["stateMachines"]:
            yield f"state machine {one['name']}"


def _portals(aws: Aws) -> Iterator[str]:
    for page in aws.run_pages("datazone", "list_domains"):
        for one in page["items"]:
            if one["status"] not in ("DELETING", "DELETED"):
                yield f"portal {one['name']}"


def _shares(aws: Aws) -> Iterator[str]:
    for page in aws.run_pages("ram", "get_resource_shares", resourceOwner="SELF"):
        for one in page["resourceShares"]:
            if one["status"] not in ("DELETING", "DELETED"):
                yield f"share {one['name']}"


def _stacks(aws: Aws) -> Iterator[str]:
    for page in aws.run_pages("cloudformation", "describe_stacks"):
        for one in page["Stacks"]:
            yield f"stack {one['StackName']}"


def _secrets(aws: Aws) -> Iterator[str]:
    for page in aws.run_pages("secretsmanager", "list_secrets"):
        for one in page["SecretList"]:
            yield f"secret {one['Name']}"
    for page in aws.run_pages("kms", "list_aliases"):
        for one in page["Aliases"]:
            if not one["AliasName"].startswith("alias/aws/"):
                yield f"key {one['AliasName']}"


def _people(aws: Aws) -> Iterator[str]:
    for page in aws.run_pages("cognito-idp", "list_user_pools", MaxResults=60):
        for one in page["UserPools"]:
            yield f"user pool {one['Name']}"
