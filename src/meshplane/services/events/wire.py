"""Puts the events service together."""

from meshplane.boundary.wiring import Built, Ground, Needs
from meshplane.events.bell import Bell
from meshplane.events.feed import EventFeed
from meshplane.events.functions import Functions
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

NEEDS: tuple[str, ...] = ()


def build(ground: Ground, needs: Needs) -> Built[None]:
    """The service on that ground."""
    store, boundary = ground.store, ground.boundary
    functions = Functions(ground.functions)
    book = RuleBook(store, ground.rules)
    relay = RuleRelay(store, book, ground.clock, ground.way)
    scheduler = Scheduler(store, book, ground.clock)
    replays = Replays(store, book, ground.clock)
    feed, receiving = EventFeed(store), Receiving(Bell(store))

    async def start() -> None:
        for part in (relay, scheduler, replays):
            part.start()

    async def stop() -> None:
        for part in (relay, scheduler, replays):
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
            *rule_routes(Rules(store, book, ground.outbound, functions, ground.platform), boundary),
            *history_routes(History(store), boundary),
        ],
        None,
        start=start,
        stop=stop,
        queues=(Webhooks(ground.outbound, ground.clock).handler, functions.handler),
        hang_up=hang_up,
    )
