"""What events and workflows need once in their account: a bus, queues, topics, a rule."""

from collections.abc import Awaitable, Callable

from meshplane.events.aws import BusPlaces
from meshplane.events.aws_bus import DEAD_LETTER_QUEUE, MESH_QUEUE, ensure_queues
from meshplane.events.aws_listener import DATAZONE, LISTENER, ensure_listener
from meshplane.events.aws_queues import ensure_queue
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.aws.names import SCHEDULER_ROLE, TARGETS_ROLE, role_arn
from meshplane.run.aws_prepare import Step
from meshplane.services.workflows.aws_parts import DEAD_LETTER_QUEUE as TASK_DEAD_LETTERS
from meshplane.services.workflows.aws_parts import TOPICS
from meshplane.workflows.queue_names import MESH_QUEUES

_NO_QUEUE = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})
_NO_TOPIC = frozenset({"NotFound", "NotFoundException"})
_MISSING = frozenset({"ResourceNotFoundException"})
_COMPARED = frozenset({"VisibilityTimeout", "MessageRetentionPeriod", "RedrivePolicy", "Policy"})


def bus_steps(aws: Aws) -> list[Step]:
    """The bus, its queues and its group of schedules."""
    from meshplane.events.aws_rules import EventBridgeRules
    from meshplane.events.aws_schedules import EventBridgeSchedules

    place = aws.place
    places = BusPlaces(
        place,
        "",
        "",
        role_arn(place, SCHEDULER_ROLE),
        target_role_arn=role_arn(place, TARGETS_ROLE),
    )
    rules, schedules = EventBridgeRules(aws, places), EventBridgeSchedules(aws, places)

    async def bus() -> object | None:
        try:
            told = await aws.call("events", "describe_event_bus", Name=places.bus_name)
        except AwsRejected as error:
            if error.aws_code not in _MISSING:
                raise
            return None
        return [told.get("Arn")]

    async def group() -> object | None:
        try:
            told = await aws.call("scheduler", "get_schedule_group", Name=places.schedule_group)
        except AwsRejected as error:
            if error.aws_code not in _MISSING:
                raise
            return None
        return [told.get("Arn")]

    async def queues() -> object:
        return await ensure_queues(aws, places)

    rules_queue = f"{place.prefix}{MESH_QUEUE}"
    dead_letters = f"{place.prefix}{DEAD_LETTER_QUEUE}"

    async def both() -> object | None:
        found = [await _queue(aws, name)() for name in (rules_queue, dead_letters)]
        return found if any(one is not None for one in found) else None

    return [
        Step("bus", f"bus {places.bus_name}", bus, rules.ensure_bus),
        Step("bus", f"queues {rules_queue} and {dead_letters}", both, queues),
        Step("bus", f"schedules {places.schedule_group}", group, schedules.ensure_group),
    ]


def workflow_steps(aws: Aws) -> list[Step]:
    """The queues of tasks with their dead letters."""
    prefix = aws.place.prefix
    steps = []
    for name in (TASK_DEAD_LETTERS, *sorted(MESH_QUEUES)):
        full = f"{prefix}{name}"
        make = _make_queue(aws, full, has_dead_letters=name != TASK_DEAD_LETTERS)
        steps.append(Step("workflows", f"queue {full}", _queue(aws, full), make))
    return steps


def topic_steps(aws: Aws, part: str) -> list[Step]:
    """The topics on which people are told; `part` needs them."""
    return [_topic(aws, part, f"{aws.place.prefix}{name}") for name in TOPICS]


def listener_step(aws: Aws) -> Step:
    """The rule on the default bus that hears DataZone, and its queues."""
    name = f"{aws.place.prefix}{LISTENER}"
    queue = _queue(aws, name)

    async def look() -> object | None:
        try:
            told = await aws.call("events", "describe_rule", Name=name)
        except AwsRejected as error:
            if error.aws_code not in _MISSING:
                raise
            return None
        return [told.get("EventPattern"), told.get("State"), await queue()]

    async def make() -> object:
        return await ensure_listener(aws, name, [DATAZONE])

    return Step("portal", f"rule and queue {name}", look, make)


def _make_queue(aws: Aws, name: str, *, has_dead_letters: bool) -> Callable[[], Awaitable[object]]:
    async def make() -> object:
        if not has_dead_letters:
            return await ensure_queue(aws, name)
        dead = await ensure_queue(aws, f"{aws.place.prefix}{TASK_DEAD_LETTERS}")
        return await ensure_queue(aws, name, dead_letter=dead)

    return make


def _queue(aws: Aws, name: str) -> Callable[[], Awaitable[object | None]]:
    async def look() -> object | None:
        try:
            url = (await aws.call("sqs", "get_queue_url", QueueName=name))["QueueUrl"]
        except AwsRejected as error:
            if error.aws_code not in _NO_QUEUE:
                raise
            return None
        told = await aws.call("sqs", "get_queue_attributes", QueueUrl=url, AttributeNames=["All"])
        return {key: text for key, text in told["Attributes"].items() if key in _COMPARED}

    return look


def _topic(aws: Aws, part: str, name: str) -> Step:
    arn = f"arn:aws:sns:{aws.place.region}:{aws.place.account}:{name}"

    async def look() -> object | None:
        try:
            await aws.call("sns", "get_topic_attributes", TopicArn=arn)
        except AwsRejected as error:
            if error.aws_code not in _NO_TOPIC:
                raise
            return None
        return [arn]

    async def make() -> object:
        return await aws.call("sns", "create_topic", Name=name)

    return Step(part, f"topic {name}", look, make)
