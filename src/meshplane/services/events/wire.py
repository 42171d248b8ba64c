"""Puts the events service together."""

from collections.abc import Awaitable, Sequence
from typing import Protocol

from meshplane.boundary.wiring import Built, Ground, Needs
from meshplane.events.bell import Bell
from meshplane.events.consumer import Consumer
from meshplane.events.feed import EventFeed
from meshplane.events.functions import Functions
from meshplane.events.queues import QueueHandler
from meshplane.events.replays import Replays
from meshplane.events.rule_book import RuleBook
from meshplane.events.rule_relay import RuleRelay
from meshplane.events.scheduler import Scheduler
from meshplane.events.webhooks import Webhooks
from meshplane.services.events.history import History
from meshplane.services.events.receiving import Receiving
from meshplane.services.events.routes import event_routes, queue_routes
from meshplane.services.events.rule_routes import history_routes, rule_routes
from meshplane.services.events.rules import Rules
from meshplane.services.events.sealing import seal_keys

NEEDS: tuple[str, ...] = ()


class Part(Protocol):
    """Something that runs beside requests."""

    def start(self) -> Awaitable[None] | None:
        """Begins."""
        ...

    async def stop(self) -> None:
        """Ends."""
        ...


def build(ground: Ground, needs: Needs) -> Built[None]:
    """The service on that ground."""
    store, boundary = ground.store, ground.boundary
    functions = Functions(ground.functions)
    book = RuleBook(store, ground.rules)
    # Replays know the whole outbox; an archive on AWS has what came after it was made.
    parts, queues = _bus(ground, book)
    parts = (*parts, Replays(store, book, ground.clock))
    feed, receiving = EventFeed(store), Receiving(Bell(store))
    webhooks = Webhooks(ground.outbound, ground.clock, ground.seal)

    async def start() -> None:
        await seal_keys(store, book, ground.seal)
        for part in parts:
            started = part.start()
            if started is not None:
                await started

    async def stop() -> None:
        for part in parts:
            await part.stop()
        await feed.close()
        await ground.outbound.close()

    def hang_up() -> None:
        feed.end()
        receiving.end()

    return Built(
        [
            *event_routes(store, feed, boundary),
            *queue_routes(receiving, boundary),
            *rule_routes(_rules(ground, book, functions), boundary),
            *history_routes(History(store), boundary),
        ],
        None,
        start=start,
        stop=stop,
        aside=_told(ground),
        queues=(webhooks.handler, functions.handler, *queues),
        hang_up=hang_up,
    )


def _rules(ground: Ground, book: RuleBook, functions: Functions) -> Rules:
    return Rules(ground.store, book, ground.outbound, functions, ground.platform, seal=ground.seal)


def _bus(ground: Ground, book: RuleBook) -> tuple[tuple[Part, ...], tuple[QueueHandler, ...]]:
    """What moves events to the targets of rules, and the queues that it works off."""
    aws = ground.aws_for("bus")
    if aws is None:
        relay = RuleRelay(ground.store, book, ground.clock, ground.way)
        return (relay, Scheduler(ground.store, book, ground.clock)), ()
    from meshplane.events.aws import BusPlaces
    from meshplane.events.aws_bus import EventBridgeBus, ensure_queues
    from meshplane.events.aws_publisher import S3Spill
    from meshplane.platform.aws.at_once import at_once
    from meshplane.platform.aws.names import SCHEDULER_ROLE, TARGETS_ROLE, mesh_bucket, role_arn

    place = aws.place
    roles = role_arn(place, SCHEDULER_ROLE), role_arn(place, TARGETS_ROLE)
    meant = BusPlaces(place, "", "", roles[0], target_role_arn=roles[1])
    places, queue, dead_letters = at_once(ensure_queues(aws, meant))
    bus = EventBridgeBus(
        ground.store,
        aws,
        book,
        places,
        queue=queue,
        dead_letters=dead_letters,
        clock=ground.clock,
        spill=S3Spill(aws, mesh_bucket(place)),
        seal=ground.seal,
    )
    return (bus,), bus.queues


def _told(ground: Ground) -> Sequence[Consumer]:
    """What tells people of what happened, over topics of AWS."""
    aws = ground.aws_for("notices")
    if aws is None:
        return ()
    from meshplane.events.aws_notices import NoticesToTopics

    return NoticesToTopics(aws, ground.store, ground.clock).consumers
