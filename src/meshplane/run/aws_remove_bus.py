"""What the bus and workflows have in an account: rules, archives, schedules, machines, queues."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from functools import partial
from typing import Any

from meshplane.events.aws import TAG, BusPlaces
from meshplane.events.aws_bus import DEAD_LETTER_QUEUE, MESH_QUEUE
from meshplane.events.aws_listener import LISTENER
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.aws.polling import until
from meshplane.run.aws_remove import Kind, Thing
from meshplane.run.aws_remove_own import unless
from meshplane.services.workflows.aws_parts import DEAD_LETTER_QUEUE as TASK_DEAD_LETTERS
from meshplane.services.workflows.aws_parts import TOPICS
from meshplane.workflows.queue_names import MESH_QUEUES

QUEUES = (
    MESH_QUEUE, DEAD_LETTER_QUEUE, TASK_DEAD_LETTERS, *sorted(MESH_QUEUES),
    LISTENER, f"{LISTENER}-dead",
)  # fmt: skip
"""The mesh's queues, without its prefix."""

_MISSING = frozenset({"ResourceNotFoundException"})
_NO_QUEUE = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})
_NO_TOPIC = frozenset({"NotFound", "NotFoundException"})
_NO_MACHINE = frozenset({"StateMachineDoesNotExist"})
_ENDED = frozenset({"ExecutionDoesNotExist", "ValidationException"})
_LONGEST_SECONDS = 300.0
_STOPPED = "The mesh is being removed."


def workflow_kinds(aws: Aws) -> list[Kind]:
    """State machines, with their executions."""
    return [Kind("state machines", partial(_machines, aws))]


def bus_kinds(aws: Aws) -> list[Kind]:
    """Rules with what they send to, archives, the bus, schedules, queues and topics."""
    places = BusPlaces(aws.place, "", "", "")
    return [
        Kind("schedules", partial(_schedules, aws, places)),
        Kind("destinations of rules", partial(_destinations, aws, places)),
        Kind("rules", partial(_rules, aws, places), ("destinations of rules",)),
        Kind("archives", partial(_archives, aws, places)),
        Kind("buses", partial(_bus, aws, places), ("rules", "archives")),
        Kind("queues", partial(_queues, aws)),
        Kind("topics", partial(_topics, aws)),
    ]


async def _machines(aws: Aws) -> AsyncIterator[Thing]:
    """Proof: the tag `meshplane` with this mesh's name, and the mesh's prefix."""
    async for page in aws.pages("stepfunctions", "list_state_machines"):
        for one in page["stateMachines"]:
            arn, name = one["stateMachineArn"], one["name"]
            if not name.startswith(aws.place.prefix):
                continue
            told = await unless(
                aws.call("stepfunctions", "list_tags_for_resource", resourceArn=arn),
                {*_NO_MACHINE, "ResourceNotFound"},
            )
            owner = BusPlaces(aws.place, "", "", "").owner
            if told is not None and {"key": TAG, "value": owner} in told["tags"]:
                yield Thing(f"state machine {name}", partial(_take_machine, aws, arn))


async def _take_machine(aws: Aws, arn: str) -> None:
    """Ends its executions first: a state machine goes when the last of them has ended."""
    running: list[str] = []
    pages = aws.pages(
        "stepfunctions", "list_executions", stateMachineArn=arn, statusFilter="RUNNING"
    )
    try:
        async for page in pages:
            running += [one["executionArn"] for one in page["executions"]]
    except AwsRejected as error:
        if error.aws_code not in _NO_MACHINE:
            raise
    for execution in running:
        await unless(
            aws.call("stepfunctions", "stop_execution", executionArn=execution, cause=_STOPPED),
            _ENDED,
        )
    await unless(
        aws.call("stepfunctions", "delete_state_machine", stateMachineArn=arn), _NO_MACHINE
    )


async def _schedules(aws: Aws, places: BusPlaces) -> AsyncIterator[Thing]:
    """Proof: the group is called as the bus; all in it are the mesh's, and go with it."""
    name = places.schedule_group
    told = await unless(aws.call("scheduler", "get_schedule_group", Name=name), _MISSING)
    if told is not None and told.get("State") != "DELETING":
        yield Thing(f"schedules {name}", partial(_take_schedules, aws, name))


async def _take_schedules(aws: Aws, group: str) -> None:
    async def is_gone() -> bool | None:
        told = await unless(aws.call("scheduler", "get_schedule_group", Name=group), _MISSING)
        return True if told is None else None

    await unless(aws.call("scheduler", "delete_schedule_group", Name=group), _MISSING)
    await until("the schedules are gone", is_gone, _LONGEST_SECONDS)


async def _rules_of(aws: Aws, bus: str | None) -> list[dict[str, Any]]:
    more = {} if bus is None else {"EventBusName": bus}
    found: list[dict[str, Any]] = []
    try:
        async for page in aws.pages("events", "list_rules", **more):
            found += page["Rules"]
    except AwsRejected as error:
        if error.aws_code not in _MISSING:
            raise
    return [rule for rule in found if not rule.get("ManagedBy")]


async def _own_rules(aws: Aws, places: BusPlaces) -> list[str]:
    """Proof: they are on the mesh's bus, and bear its tag; those of others there stay."""
    found = []
    for rule in await _rules_of(aws, places.bus_name):
        told = await aws.call("events", "list_tags_for_resource", ResourceARN=rule["Arn"])
        if places.tags[0] in told["Tags"]:
            found.append(rule["Name"])
    return found


async def _rules(aws: Aws, places: BusPlaces) -> AsyncIterator[Thing]:
    """Those of the bus, and on the default bus the listener's: that one is known by its name."""
    for name in await _own_rules(aws, places):
        yield Thing(
            f"rule {places.bus_name}/{name}", partial(_take_rule, aws, places.bus_name, name)
        )
    listener = f"{aws.place.prefix}{LISTENER}"
    if any(rule["Name"] == listener for rule in await _rules_of(aws, None)):
        yield Thing(f"rule {listener}", partial(_take_rule, aws, "default", listener))


async def _take_rule(aws: Aws, bus: str, name: str) -> None:
    ids = [target["Id"] for target in await _targets(aws, bus, name)]
    for begin in range(0, len(ids), 10):
        told = await aws.call(
            "events", "remove_targets", Rule=name, EventBusName=bus, Ids=ids[begin : begin + 10]
        )
        for entry in told.get("FailedEntries") or ():
            raise AwsRejected("events", "remove_targets", entry["ErrorCode"])
    await unless(aws.call("events", "delete_rule", Name=name, EventBusName=bus), _MISSING)


async def _targets(aws: Aws, bus: str, rule: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    try:
        async for page in aws.pages("events", "list_targets_by_rule", Rule=rule, EventBusName=bus):
            found += page["Targets"]
    except AwsRejected as error:
        if error.aws_code not in _MISSING:
            raise
    return found


async def _destinations(aws: Aws, places: BusPlaces) -> AsyncIterator[Thing]:
    """Proof: a rule of the mesh sends there, and its name is one that the mesh gives."""
    seen = set()
    for rule in await _own_rules(aws, places):
        for target in await _targets(aws, places.bus_name, rule):
            # arn:aws:events:REGION:ACCOUNT:api-destination/NAME/ID
            kind, *rest = target["Arn"].rpartition(":")[2].split("/")
            if kind == "api-destination" and rest[0].startswith("meshplane-"):
                seen.add(rest[0])
    for name in sorted(seen):
        yield Thing(f"API destination {name}", partial(_take_destination, aws, name))


async def _take_destination(aws: Aws, name: str) -> None:
    """The connection with its key bears the same name, and goes along."""
    await unless(aws.call("events", "delete_api_destination", Name=name), _MISSING)
    await unless(aws.call("events", "delete_connection", Name=name), _MISSING)


async def _archives(aws: Aws, places: BusPlaces) -> AsyncIterator[Thing]:
    """Proof: they keep the events of the mesh's bus, under a name with its prefix."""
    token: dict[str, str] = {}
    while True:
        page = await aws.call("events", "list_archives", EventSourceArn=places.bus_arn, **token)
        for one in page["Archives"]:
            name = one["ArchiveName"]
            if name.startswith(aws.place.prefix):
                yield Thing(f"archive {name}", partial(_take_archive, aws, name))
        if not page.get("NextToken"):
            return
        token = {"NextToken": page["NextToken"]}


async def _take_archive(aws: Aws, name: str) -> None:
    await unless(aws.call("events", "delete_archive", ArchiveName=name), _MISSING)


async def _bus(aws: Aws, places: BusPlaces) -> AsyncIterator[Thing]:
    """Proof: its name. Rules that others put on it keep it."""
    name = places.bus_name
    if await unless(aws.call("events", "describe_event_bus", Name=name), _MISSING) is None:
        return
    own = await _own_rules(aws, places)
    others = [one["Name"] for one in await _rules_of(aws, name) if one["Name"] not in own]
    stays = f"Rules of others are on it: {', '.join(others)}." if others else ""
    yield Thing(f"bus {name}", partial(_take_bus, aws, name), stays)


async def _take_bus(aws: Aws, name: str) -> None:
    await unless(aws.call("events", "delete_event_bus", Name=name), _MISSING)


async def _queues(aws: Aws) -> AsyncIterator[Thing]:
    """Proof: their names."""
    async for thing in _by_name("queue", aws, QUEUES, _queue_url, _take_queue):
        yield thing


async def _queue_url(aws: Aws, name: str) -> str | None:
    told = await unless(aws.call("sqs", "get_queue_url", QueueName=name), _NO_QUEUE)
    return None if told is None else str(told["QueueUrl"])


async def _take_queue(aws: Aws, url: str) -> None:
    await unless(aws.call("sqs", "delete_queue", QueueUrl=url), _NO_QUEUE)


async def _topics(aws: Aws) -> AsyncIterator[Thing]:
    """Proof: their names."""
    async for thing in _by_name("topic", aws, TOPICS, _topic_arn, _take_topic):
        yield thing


async def _topic_arn(aws: Aws, name: str) -> str | None:
    arn = f"arn:aws:sns:{aws.place.region}:{aws.place.account}:{name}"
    told = await unless(aws.call("sns", "get_topic_attributes", TopicArn=arn), _NO_TOPIC)
    return None if told is None else arn


async def _take_topic(aws: Aws, arn: str) -> None:
    await unless(aws.call("sns", "delete_topic", TopicArn=arn), _NO_TOPIC)


async def _by_name(
    kind: str,
    aws: Aws,
    names: Iterable[str],
    look: Callable[[Aws, str], Awaitable[str | None]],
    take: Callable[[Aws, str], Awaitable[None]],
) -> AsyncIterator[Thing]:
    for name in names:
        full = f"{aws.place.prefix}{name}"
        found = await look(aws, full)
        if found is not None:
            yield Thing(f"{kind} {full}", partial(take, aws, found))
