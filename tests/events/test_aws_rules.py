"""Rules on EventBridge: made from the mesh's own, kept like them, and nothing of others touched."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from meshplane.events.archives import Archive
from meshplane.events.aws import BusPlaces
from meshplane.events.aws_archives import EventBridgeArchives
from meshplane.events.aws_destinations import KEY_HEADER, ApiDestinations
from meshplane.events.aws_publisher import EventBridgePublisher
from meshplane.events.aws_queues import Queue, SqsReader, allow_events, ensure_queue
from meshplane.events.aws_rule_messages import RuleMessages
from meshplane.events.aws_rules import EventBridgeRules, RuleDrift
from meshplane.events.aws_schedules import EventBridgeSchedules
from meshplane.events.aws_targets import MESH_TARGET, rule_targets
from meshplane.events.rules import WEBHOOK_SECRETS, Rule, Target
from meshplane.kit.clock import to_text
from meshplane.kit.errors import Invalid, Missing
from meshplane.platform.aws.calls import Aws
from meshplane.workflows.built_in_rules import BUILT_IN_RULES
from tests.builders.bus import Process, place_in, rule
from tests.builders.moto_server import empty, moto_aws
from tests.builders.stores import NOON

ROLE = "arn:aws:iam::123456789012:role/meshplane"
HOOK = Target("hook", "webhook", url="https://partner.example.org/hook")


@pytest.fixture(scope="module")
def running() -> Iterator[Aws]:
    with moto_aws(prefix="one-") as aws:
        yield aws


@pytest.fixture
def server(running: Aws) -> Aws:
    empty(running)
    return running


@pytest.fixture
async def queue(server: Aws) -> Queue:
    dead = await ensure_queue(server, "one-dead")
    return await ensure_queue(server, "one-mesh", dead_letter=dead)


@pytest.fixture
def places(server: Aws, queue: Queue) -> BusPlaces:
    return BusPlaces(
        server.place,
        mesh_queue_arn=queue.arn,
        dead_letter_arn=queue.arn,
        scheduler_role_arn=ROLE,
        target_role_arn=ROLE,
        queue_arns={"fast": "arn:aws:sqs:eu-central-1:123456789012:one-fast"},
        machine_arns={"subscription": "arn:aws:states:eu-central-1:123456789012:stateMachine:s"},
    )


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[Process]:
    process = Process(place_in(tmp_path))
    yield process
    await process.close()


async def targets_of(aws: Aws, places: BusPlaces, name: str) -> dict[str, dict[str, Any]]:
    answer = await aws.call(
        "events", "list_targets_by_rule", Rule=name, EventBusName=places.bus_name
    )
    return {target["Id"]: target for target in answer["Targets"]}


async def rules_of(aws: Aws, places: BusPlaces) -> dict[str, dict[str, Any]]:
    answer = await aws.call("events", "list_rules", EventBusName=places.bus_name)
    return {one["Name"]: one for one in answer["Rules"]}


async def test_rules__come_on_the_bus_with_their_pattern_state_and_targets(
    server: Aws, places: BusPlaces
) -> None:
    fast = Target("f", "queue", "fast", input_path="$.detail")
    limited = replace(fast, maximum_attempts=4, maximum_age_seconds=60)
    mine = rule("mine", description="For me.", enabled=False, targets=(limited,))
    applied = await EventBridgeRules(server, places).apply([mine, rule("other")])
    assert applied.put == ("mine", "other")
    there = (await rules_of(server, places))["mine"]
    assert orjson.loads(there["EventPattern"]) == {"source": ["test"]}
    assert (there["State"], there["Description"]) == ("DISABLED", "For me.")
    (target,) = (await targets_of(server, places, "mine")).values()
    assert target == {
        "Id": "f",
        "Arn": places.queue_arns["fast"],
        "InputPath": "$.detail",
        "RetryPolicy": {"MaximumRetryAttempts": 3, "MaximumEventAgeInSeconds": 60},
        "DeadLetterConfig": {"Arn": places.dead_letter_arn},
    }


async def test_same_rules_again__write_nothing(server: Aws, places: BusPlaces) -> None:
    rules = EventBridgeRules(server, places)
    await rules.apply(BUILT_IN_RULES)
    again = await rules.apply(BUILT_IN_RULES)
    assert (again.put, again.removed, again.problems) == ((), (), ())
    assert again.unchanged == sum(1 for one in BUILT_IN_RULES if one.event_pattern is not None)
    assert await rules.drift(BUILT_IN_RULES) == []


async def test_drift__names_what_is_missing_changed_and_in_excess(
    server: Aws, places: BusPlaces
) -> None:
    rules = EventBridgeRules(server, places)
    await rules.apply([rule("kept"), rule("gone"), rule("bent")])
    await server.call("events", "disable_rule", Name="bent", EventBusName=places.bus_name)
    await server.call(
        "events", "remove_targets", Rule="bent", EventBusName=places.bus_name, Ids=[MESH_TARGET]
    )
    wanted = [rule("kept"), rule("bent"), rule("new")]
    assert await rules.drift(wanted) == [
        RuleDrift("new", "missing"),
        RuleDrift("bent", "changed", ("State", "Targets")),
        RuleDrift("gone", "excess"),
    ]
    applied = await rules.apply(wanted)
    assert (applied.put, applied.removed, applied.unchanged) == (("bent", "new"), ("gone",), 1)
    assert await rules.drift(wanted) == []


async def test_rules_of_others_on_the_bus__are_left_alone(server: Aws, places: BusPlaces) -> None:
    rules = EventBridgeRules(server, places)
    await rules.apply([rule("ours")])
    await server.call(
        "events", "put_rule", Name="theirs", EventBusName=places.bus_name, EventPattern="{}"
    )
    applied = await rules.apply([])
    assert applied.removed == ("ours",)
    assert set(await rules_of(server, places)) == {"theirs"}
    assert await rules.drift([]) == []


async def test_target_that_is_gone__is_removed(server: Aws, places: BusPlaces) -> None:
    rules = EventBridgeRules(server, places)
    fast = Target("f", "queue", "fast")
    await rules.apply([rule("r", targets=(fast, Target("jobs", "queue", "jobs")))])
    assert set(await targets_of(server, places, "r")) == {"f", MESH_TARGET}
    await rules.apply([rule("r", targets=(fast,))])
    assert set(await targets_of(server, places, "r")) == {"f"}


async def test_state_machine__is_started_directly_by_the_products_own_rules_alone(
    server: Aws, places: BusPlaces
) -> None:
    start = Target("s", "workflow", "subscription", input_path="$.detail")
    (direct,) = rule_targets(Rule("r", (start,), event_pattern={}, built_in=True), places)
    assert direct["Arn"] == places.machine_arns["subscription"]
    assert (direct["RoleArn"], direct["InputPath"]) == (ROLE, "$.detail")
    (through_us,) = rule_targets(Rule("r", (start,), event_pattern={}), places)
    assert through_us["Arn"] == places.mesh_queue_arn


async def test_event__reaches_the_rules_targets_as_on_the_embedded_bus(
    server: Aws, places: BusPlaces, queue: Queue, mesh: Process
) -> None:
    await mesh.put(rule("r", "jobs", created_by="user:ada@here"), rule("off", enabled=False))
    await mesh.emit("a1", hops=2)
    await mesh.relay.run_due()
    (at_home,) = await mesh.messages()
    await mesh.book.refresh()
    await EventBridgeRules(server, places).apply(mesh.book.all())
    await EventBridgePublisher(mesh.store, server, places.bus_name, mesh.clock).run_due()
    messages = RuleMessages(mesh.store, mesh.book, places, mesh.clock)
    # Moto sends what matches a disabled rule as well; EventBridge does not.
    await SqsReader(server, queue.url, messages.handle).run_due()
    (from_aws,) = await mesh.messages()
    # EventBridge tells the time to the second; all else is the same, so it is the same message.
    from_aws["body"]["time"] = at_home["body"]["time"]
    assert from_aws == at_home


async def test_event_that_comes_twice__is_handed_on_once_and_again_for_each_replay(
    server: Aws, places: BusPlaces, queue: Queue, mesh: Process
) -> None:
    await mesh.put(rule("r"))
    event = {
        "id": "of-eventbridge",
        "detail-type": "ThingChanged",
        "source": "test",
        "time": "2026-11-01T00:00:00Z",
        "resources": ["a1", "meshplane:event/evt-1"],
        "detail": {"said": "a1"},
    }
    messages = RuleMessages(mesh.store, mesh.book, places, mesh.clock)
    for body in (event, event, {**event, "replay-name": "again"}):
        text = orjson.dumps({"rule": "r", "event": body}).decode()
        await server.call("sqs", "send_message", QueueUrl=queue.url, MessageBody=text)
    await SqsReader(server, queue.url, messages.handle).run_due()
    found = {item["messageId"] for item in await mesh.messages()}
    assert found == {"evt-1:r:jobs", "evt-1:r:jobs:again"}


async def test_message_of_a_rule_that_is_gone__has_no_effect(
    server: Aws, places: BusPlaces, queue: Queue, mesh: Process
) -> None:
    await EventBridgeRules(server, places).apply([rule("forgotten")])
    await mesh.emit("a1")
    await EventBridgePublisher(mesh.store, server, places.bus_name, mesh.clock).run_due()
    messages = RuleMessages(mesh.store, mesh.book, places, mesh.clock)
    assert await SqsReader(server, queue.url, messages.handle).run_due() == 1
    assert await mesh.messages() == []


async def test_message_that_cannot_be_read__goes_to_the_dead_letter_queue_of_sqs(
    server: Aws, places: BusPlaces, queue: Queue, mesh: Process
) -> None:
    await server.call("sqs", "send_message", QueueUrl=queue.url, MessageBody="{}")
    messages = RuleMessages(mesh.store, mesh.book, places, mesh.clock)
    reader = SqsReader(server, queue.url, messages.handle, visibility_seconds=0)
    await reader.run_due()
    url = (await server.call("sqs", "get_queue_url", QueueName="one-dead"))["QueueUrl"]
    (dead,) = (await server.call("sqs", "receive_message", QueueUrl=url))["Messages"]
    assert dead["Body"] == "{}"


async def test_schedules__are_put_kept_and_removed(server: Aws, places: BusPlaces) -> None:
    schedules = EventBridgeSchedules(server, places)
    daily = rule(
        "daily",
        schedule_expression="cron(0 8 ? * MON-FRI *)",
        timezone="Europe/Berlin",
        flexible_window_minutes=15,
    )
    hourly = rule("hourly", schedule_expression="rate(1 hour)", enabled=False)
    applied = await schedules.apply([daily, hourly, rule("no-schedule")])
    assert applied.put == ("daily", "hourly")
    there = await server.call(
        "scheduler", "get_schedule", Name="daily", GroupName="one-datamesh-events"
    )
    assert there["ScheduleExpression"] == "cron(0 8 ? * MON-FRI *)"
    assert there["ScheduleExpressionTimezone"] == "Europe/Berlin"
    assert there["FlexibleTimeWindow"] == {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15}
    assert there["Target"]["RoleArn"] == ROLE
    assert there["Target"]["DeadLetterConfig"] == {"Arn": places.dead_letter_arn}
    assert await schedules.drift([daily, hourly]) == []
    assert (await schedules.apply([daily, hourly])).unchanged == 2
    later = replace(daily, schedule_expression="cron(0 9 ? * MON-FRI *)")
    assert await schedules.drift([later]) == [
        RuleDrift("daily", "changed", ("ScheduleExpression",)),
        RuleDrift("hourly", "excess"),
    ]
    applied = await schedules.apply([later])
    assert (applied.put, applied.removed) == (("daily",), ("hourly",))
    assert await schedules.drift([later]) == []


async def test_firing__is_the_same_event_as_the_embedded_schedulers_and_starts_things_once(
    server: Aws, places: BusPlaces, queue: Queue, mesh: Process
) -> None:
    await mesh.put(rule("tick", schedule_expression="rate(1 hour)", enabled_at=to_text(NOON)))
    messages = RuleMessages(mesh.store, mesh.book, places, mesh.clock)
    said = {"rule": "tick", "scheduledTime": "2024-05-01T13:00:00Z"}
    for _ in range(2):
        body = orjson.dumps(said).decode()
        await server.call("sqs", "send_message", QueueUrl=queue.url, MessageBody=body)
    await SqsReader(server, queue.url, messages.handle).run_due()
    (from_aws,) = await mesh.messages()
    work = mesh.store.begin()
    work.delete(*_key(from_aws))
    await work.commit()
    await mesh.scheduler.run_due()
    mesh.clock.advance(3600)
    await mesh.scheduler.run_due()
    (at_home,) = await mesh.messages()
    assert from_aws["messageId"] == at_home["messageId"]
    assert from_aws["body"] == at_home["body"]


async def test_webhook_through_eventbridge__has_a_connection_with_its_key(
    server: Aws, places: BusPlaces, mesh: Process
) -> None:
    places = replace(places, webhooks="api_destination")
    work = mesh.store.begin()
    work.put(WEBHOOK_SECRETS, {"rule": "r", "target": "hook", "secret": "whsec_x"})
    await work.commit()
    rules = EventBridgeRules(server, places, ApiDestinations(server, mesh.store))
    wanted = [rule("r", targets=(HOOK,))]
    await rules.apply(wanted)
    (target,) = (await targets_of(server, places, "r")).values()
    assert f":api-destination/{server.place.prefix}meshplane-" in target["Arn"]
    assert '"specversion":"1.0"' in target["InputTransformer"]["InputTemplate"]
    (connection,) = (await server.call("events", "list_connections"))["Connections"]
    assert connection["AuthorizationType"] == "API_KEY"
    described = await server.call("events", "describe_connection", Name=connection["Name"])
    key = described["AuthParameters"]["ApiKeyAuthParameters"]
    assert key["ApiKeyName"] == KEY_HEADER
    assert await rules.drift(wanted) == []
    await rules.apply([])
    assert (await server.call("events", "list_connections"))["Connections"] == []


async def test_archives__are_kept_as_the_meshs_and_replayed(
    server: Aws, places: BusPlaces, mesh: Process
) -> None:
    await EventBridgeRules(server, places).ensure_bus()
    archives = EventBridgeArchives(server, places)
    wanted = [Archive("all"), Archive("some", event_pattern={"source": ["test"]})]
    assert await archives.apply(wanted) == (["all", "some"], [])
    assert await archives.apply(wanted) == ([], [])
    longer = [replace(wanted[0], retention_days=30)]
    assert await archives.apply(longer) == (["all"], ["some"])
    begin, end = NOON, NOON.replace(hour=13)
    assert await archives.start_replay("again", "all", begin, end) == "STARTING"
    assert (await archives.describe_replay("again")).state == "COMPLETED"
    assert await archives.start_replay("again", "all", begin, end) == "COMPLETED"
    await archives.cancel_replay("again")
    with pytest.raises(Missing):
        await archives.cancel_replay("unknown")
    with pytest.raises(Missing):
        await archives.start_replay("other", "nothing", begin, end)
    with pytest.raises(Invalid, match="48 characters"):
        await archives.apply([Archive("x" * 45)])


async def test_queue__gets_its_policy_and_the_same_again_writes_nothing(server: Aws) -> None:
    dead = await ensure_queue(server, "one-letters")
    source = "arn:aws:events:eu-central-1:123456789012:rule/one-datamesh-events/*"

    async def ensure() -> Queue:
        return await ensure_queue(
            server,
            "one-jobs",
            dead_letter=dead,
            statements=lambda arn: [allow_events(arn, [source])],
        )

    queue = await ensure()
    told = await server.call(
        "sqs", "get_queue_attributes", QueueUrl=queue.url, AttributeNames=["All"]
    )
    before = told["Attributes"]
    policy = orjson.loads(before["Policy"])
    assert policy["Statement"][0]["Condition"] == {"ArnLike": {"aws:SourceArn": [source]}}
    assert orjson.loads(before["RedrivePolicy"])["deadLetterTargetArn"] == dead.arn
    assert await ensure() == queue


def _key(item: dict[str, Any]) -> tuple[Any, str, str]:
    from meshplane.events.queues import MESSAGES

    return MESSAGES, item["queue"], item["messageId"]
