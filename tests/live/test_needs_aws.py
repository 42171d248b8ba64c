"""What only AWS itself can show: each test says what it settles. They come after the journey.

What a test makes it takes away again, or it is of the mesh and goes with it.
"""

import asyncio
import json
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest

from meshplane.platform.aws import polling
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.aws.names import (
    AUTHORS_ROLE,
    PART_ROLE,
    PROCESS_ROLE,
    SHARES_WORKGROUP,
    WORKFLOWS_ROLE,
    domain_bucket,
    mesh_bucket,
    project_workgroup,
    role_arn,
)
from meshplane.run.aws_project_roles import ProjectRole
from meshplane.run.aws_remove_own import Own
from meshplane.services.blueprints.aws_stacks import CloudFormationStacks
from meshplane.services.blueprints.ports import StackState, Wish
from meshplane.services.lake.aws_reading import LakeReading
from meshplane.services.shares.aws_sharing import AwsSharing
from meshplane.services.shares.ports import SharedTable
from meshplane.workflows.aws import StepFunctionsMachines
from meshplane.workflows.aws_definitions import WorkflowPlaces
from meshplane.workflows.aws_executions import StepFunctionsExecutions
from meshplane.workflows.built_in import definition_texts
from tests.builders.live_account import READER, LiveAccount, shares_reader

pytestmark = pytest.mark.live

T = TypeVar("T")
_LONGEST_SECONDS = 300.0
_PAUSE_SECONDS = 1.0

QUEUE = """
Resources:
  Inbox:
    Type: AWS::SQS::Queue
    Properties: {DelaySeconds: 1}
Outputs:
  Url: {Value: !Ref Inbox}
"""


@pytest.fixture(scope="module")
def aws(account: LiveAccount, demo: tuple[int, dict[str, Any]]) -> Aws:
    """AWS, after the journey."""
    return account.aws


def until(found: Callable[[], T | None]) -> T:
    """What comes in time."""
    give_up = time.monotonic() + _LONGEST_SECONDS
    while (it := found()) is None:
        assert time.monotonic() < give_up, "it does not come"
        time.sleep(_PAUSE_SECONDS)
    return it


def part(aws: Aws, name: str) -> Aws:
    """AWS as a part of the mesh sees it: who may take its role is the mesh's process alone."""
    process = aws.as_role(role_arn(aws.place, PROCESS_ROLE), "live")
    return process.as_role(role_arn(aws.place, f"{PART_ROLE}{name}"), "live")


class Asker:
    """A project of the journey that was granted nothing of `climate.weather`.

    Args:
        aws: as its role.
        role: that.
    """

    def __init__(self, aws: Aws, role: ProjectRole) -> None:
        self.role = role
        self._there = part(aws, "query").as_role(role.arn, "live")
        self._workgroup = project_workgroup(aws.place, role.project_id)

    def rows(self, sql: str) -> list[list[str | None]] | str:
        """What a statement gives; or why it fails."""
        number = self._there.run(
            "athena",
            "start_query_execution",
            QueryString=sql,
            WorkGroup=self._workgroup,
            ClientRequestToken=secrets.token_hex(32),
        )["QueryExecutionId"]

        def ended() -> dict[str, Any] | None:
            told = self._there.run("athena", "get_query_execution", QueryExecutionId=number)
            status: dict[str, Any] = told["QueryExecution"]["Status"]
            return status if status["State"] not in ("QUEUED", "RUNNING") else None

        status = until(ended)
        if status["State"] != "SUCCEEDED":
            return str(status.get("StateChangeReason"))
        answer = self._there.run("athena", "get_query_results", QueryExecutionId=number)
        rows = answer["ResultSet"]["Rows"][1:]
        return [[cell.get("VarCharValue") for cell in row["Data"]] for row in rows]


@pytest.fixture(scope="module")
def asker(aws: Aws) -> Asker:
    async def found() -> ProjectRole:
        held = (await LakeReading(aws).everything()).entries.values()
        granted = {one.principal for one in held if "weather" in json.dumps(one.resource)}
        made = await Own(aws).project_roles()
        told = await aws.call("athena", "list_work_groups")
        ready = {one["Name"] for one in told["WorkGroups"]}
        return next(
            role
            for role in made.values()
            if role.arn not in granted and project_workgroup(aws.place, role.project_id) in ready
        )

    return Asker(aws, asyncio.run(found()))


@pytest.fixture
def two_filters(aws: Aws, asker: Asker) -> Iterator[None]:
    """Newark's rows with all columns, and of Kennedy's the place and the wind alone."""
    wanted: dict[str, dict[str, Any]] = {
        "live-newark": {
            "RowFilter": {"FilterExpression": "origin = 'EWR'"},
            "ColumnWildcard": {},
        },
        "live-kennedy": {
            "RowFilter": {"FilterExpression": "origin = 'JFK'"},
            "ColumnNames": ["origin", "wind_speed"],
        },
    }
    at = {
        "TableCatalogId": aws.place.account,
        "DatabaseName": "climate",
        "TableName": "weather",
    }
    to = {"DataLakePrincipalIdentifier": asker.role.arn}
    given = [{"DataCellsFilter": {**at, "Name": name}} for name in wanted]
    for name, content in wanted.items():
        aws.run(
            "lakeformation", "create_data_cells_filter", TableData={**at, "Name": name, **content}
        )
    for resource in given:
        aws.run(
            "lakeformation",
            "grant_permissions",
            Principal=to,
            Resource=resource,
            Permissions=["SELECT"],
        )
    yield
    for resource in given:
        aws.run(
            "lakeformation",
            "revoke_permissions",
            Principal=to,
            Resource=resource,
            Permissions=["SELECT"],
        )
        aws.run("lakeformation", "delete_data_cells_filter", **resource["DataCellsFilter"])


WEATHER = (
    "SELECT origin, count(*) > 0, count(wind_speed) > 0, count(temp) > 0 "
    "FROM climate.weather GROUP BY origin ORDER BY origin"
)


def test_athena__nothing_granted__lake_formation_lets_nothing_through(asker: Asker) -> None:
    """Settles: IAM alone opens no table of the mesh."""
    assert isinstance(asker.rows(WEATHER), str)


@pytest.mark.usefixtures("two_filters")
def test_athena__two_filters_of_one_table__the_union_of_their_cells(asker: Asker) -> None:
    """Settles: a row is there if either lets it through, a cell where one with its column does."""
    rows = until(lambda: found if isinstance(found := asker.rows(WEATHER), list) else None)
    assert rows == [["EWR", "true", "true", "true"], ["JFK", "true", "true", "false"]]


def test_portal__a_member_of_both_projects_asks__is_accepted_at_once(
    account: LiveAccount, aws: Aws
) -> None:
    """Settles: why the mesh asks as the project's own role, which could not decide it."""
    domain = next(
        one["id"]
        for page in aws.run_pages("datazone", "list_domains")
        for one in page["items"]
        if one["name"] == f"{account.prefix}meshplane"
    )
    found = aws.run("datazone", "search_listings", domainIdentifier=domain)["items"]
    listing = found[0]["assetListing"]
    reader = next(
        one["id"]
        for page in aws.run_pages("datazone", "list_projects", domainIdentifier=domain)
        for one in page["items"]
        if one["id"] != listing["owningProjectId"] and one["name"] != "meshplane"
    )
    # The part has made both projects, and so is an owner of both.
    asked = part(aws, "portal").run(
        "datazone",
        "create_subscription_request",
        domainIdentifier=domain,
        subscribedListings=[{"identifier": listing["listingId"]}],
        subscribedPrincipals=[{"project": {"identifier": reader}}],
        requestReason="whether it is accepted at once",
    )
    assert asked["status"] == "ACCEPTED"


def test_stack__changed_past_the_mesh__is_told_as_drift(account: LiveAccount, aws: Aws) -> None:
    """Settles: that drift of a stack is found, and in which resource."""
    account.needs_aws("moto does not know drift")
    stacks = CloudFormationStacks(aws, mesh_bucket(aws.place))
    wish = Wish(f"{account.prefix}drifts", QUEUE, "dep-live")

    async def made() -> StackState | None:
        state = await stacks.state(wish.stack)
        return state if state is not None and state.ended else None

    async def drifted() -> list[str]:
        await stacks.execute(await stacks.plan(wish))
        state = await polling.until("the stack is made", made, _LONGEST_SECONDS)
        await aws.call(
            "sqs",
            "set_queue_attributes",
            QueueUrl=state.outputs["Url"],
            Attributes={"DelaySeconds": "7"},
        )
        return [one.logical_id for one in await stacks.drift(state.stack_id)]

    try:
        assert asyncio.run(drifted()) == ["Inbox"]
    finally:
        aws.run("cloudformation", "delete_stack", StackName=wish.stack)
        aws.client("cloudformation").get_waiter("stack_delete_complete").wait(StackName=wish.stack)


def places_of(aws: Aws) -> WorkflowPlaces:
    """Where workflows are, as far as these tests need it."""
    return WorkflowPlaces(
        aws.place, role_arn(aws.place, WORKFLOWS_ROLE), role_arn(aws.place, AUTHORS_ROLE), {}, {}
    )


def test_execution__that_failed__goes_on_when_it_is_redriven(
    account: LiveAccount, aws: Aws
) -> None:
    """Settles: that an execution of the mesh can be redriven, once for a command."""
    account.needs_aws("moto does not redrive")
    executions = StepFunctionsExecutions(aws, places_of(aws))
    fails = {"StartAt": "Fail", "States": {"Fail": {"Type": "Fail", "Error": "Planned"}}}

    async def failed() -> bool | None:
        return True if (await executions.describe("fails", "once")).status == "FAILED" else None

    async def redriven() -> int:
        await StepFunctionsMachines(aws, places_of(aws)).put("fails", fails)
        await executions.start("fails", {}, name="once")
        await polling.until("the execution has failed", failed, _LONGEST_SECONDS)
        for _ in range(2):
            await executions.redrive("fails", "once", command_id="cmd-live")
        return (await executions.describe("fails", "once")).redrive_count

    assert asyncio.run(redriven()) == 1


def test_definitions__that_come_with_the_mesh__step_functions_finds_no_error(
    account: LiveAccount, aws: Aws
) -> None:
    """Settles: what the mesh puts there is valid by Step Functions' own word."""
    account.needs_aws("moto does not validate definitions")
    told = aws.run("stepfunctions", "list_state_machines")["stateMachines"]
    ours = [one for one in told if one["name"].startswith(account.prefix)]
    errors = {}
    for one in ours:
        arn = one["stateMachineArn"]
        text = aws.run("stepfunctions", "describe_state_machine", stateMachineArn=arn)
        found = aws.run(
            "stepfunctions",
            "validate_state_machine_definition",
            definition=text["definition"],
            severity="ERROR",
        )
        errors[one["name"]] = found["diagnostics"]
    assert errors.keys() >= {f"{account.prefix}{name}" for name in definition_texts()}
    assert {name: found for name, found in errors.items() if found} == {}


def test_bucket__said_to_be_anothers__s3_refuses(account: LiveAccount, aws: Aws) -> None:
    """Settles: nothing is written into a bucket that others have made under the mesh's name."""
    account.needs_aws("moto heeds no ExpectedBucketOwner")
    other = "000000000000"
    with pytest.raises(AwsRejected) as refused:
        aws.run("s3", "head_bucket", Bucket=mesh_bucket(aws.place), ExpectedBucketOwner=other)
    assert refused.value.aws_code == "403"


def test_table_of_glue__changed_since_it_was_read__the_change_is_refused(
    account: LiveAccount, aws: Aws
) -> None:
    """Settles: of two who move a table's pointer at once, one is told."""
    account.needs_aws("moto compares no versions")
    table = aws.run("glue", "get_table", DatabaseName="climate", Name="weather")["Table"]
    taken = ("Name", "StorageDescriptor", "PartitionKeys", "TableType", "Parameters")
    given = {key: table[key] for key in taken if key in table}
    with pytest.raises(AwsRejected) as refused:
        aws.run(
            "glue",
            "update_table",
            DatabaseName="climate",
            TableInput=given,
            VersionId=str(int(table["VersionId"]) + 7),
        )
    assert refused.value.aws_code in (
        "ConcurrentModificationException",
        "VersionMismatchException",
    )


def test_share__with_another_account__is_accepted_linked_and_read_there(
    account: LiveAccount, aws: Aws
) -> None:
    """Settles: grant, RAM, acceptance, link and query across accounts. Removal takes it back."""
    reader = shares_reader()
    if reader is None:
        pytest.skip(f"needs AWS: another account, named by {READER}")
    other = reader.split(":")[4]
    there, workgroup = aws.in_account(other), f"{account.prefix}{SHARES_WORKGROUP}"
    results = f"{account.prefix}results-{other}-{aws.place.region}"
    _make_results(there, results, workgroup)
    shared = SharedTable(
        share_id="share-live",
        owner=aws.place.account,
        database="climate",
        table="weather",
        permissions=("SELECT", "DESCRIBE"),
        account=other,
        reader=reader,
        link_database=f"{account.prefix.replace('-', '_')}shared",
    )
    sharing = AwsSharing(
        aws,
        workgroup=workgroup,
        new_token=lambda: secrets.token_hex(32),
        deadline_seconds=_LONGEST_SECONDS,
    )
    try:
        assert asyncio.run(sharing.carry_out(shared)) == "ACCEPTED"
    finally:
        _take_results(there, results, workgroup)


def _make_results(there: Aws, bucket: str, workgroup: str) -> None:
    """Where a reader of another account has his results: nothing of the mesh's."""
    where = {"LocationConstraint": there.place.region}
    there.run("s3", "create_bucket", Bucket=bucket, CreateBucketConfiguration=where)
    results = {"ResultConfiguration": {"OutputLocation": f"s3://{bucket}/"}}
    there.run("athena", "create_work_group", Name=workgroup, Configuration=results)


def _take_results(there: Aws, bucket: str, workgroup: str) -> None:
    there.run("athena", "delete_work_group", WorkGroup=workgroup, RecursiveDeleteOption=True)
    for page in there.run_pages("s3", "list_objects_v2", Bucket=bucket):
        for one in page.get("Contents", ()):
            there.run("s3", "delete_object", Bucket=bucket, Key=one["Key"])
    there.run("s3", "delete_bucket", Bucket=bucket)


def test_domain_bucket__of_the_journey__is_where_its_name_says(aws: Aws) -> None:
    """Settles: that the names of buckets are taken by S3 as they are, in the mesh's region."""
    told = aws.run("s3", "get_bucket_location", Bucket=domain_bucket(aws.place, "climate"))
    assert told["LocationConstraint"] == aws.place.region
