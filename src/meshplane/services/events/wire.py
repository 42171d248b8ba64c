"""Puts the events service together."""

from meshplane.boundary.wiring import Built, Ground, Needs
from meshplane.services.events.routes import routes

NEEDS: tuple[str, ...] = ()


def build(ground: Ground, needs: Needs) -> Built[None]:
    """The service on that ground."""
    return Built(routes(ground.store, ground.boundary), None)
