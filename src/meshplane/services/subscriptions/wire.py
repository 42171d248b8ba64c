"""Puts the subscriptions service together."""

from meshplane.boundary.wiring import Built, Ground, Needs
from meshplane.services.subscriptions.fulfilment import Fulfilment
from meshplane.services.subscriptions.notices import Notices
from meshplane.services.subscriptions.routes import routes
from meshplane.services.subscriptions.service import Subscriptions

NEEDS = ("projects", "assets", "tables", "query", "permissions")


def build(ground: Ground, needs: Needs) -> Built[None]:
    """The service on that ground."""
    subscriptions = Subscriptions(
        needs["projects"], needs["assets"], needs["tables"], needs["query"]
    )
    fulfilment = Fulfilment(needs["permissions"], ground.store, ground.clock)
    notices = Notices(needs["assets"])
    return Built(
        routes(subscriptions, notices, fulfilment, ground.boundary), None, fulfilment.consumers
    )
