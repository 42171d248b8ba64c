"""Puts the catalog service together."""

from meshplane.boundary.wiring import Built, Ground, Needs
from meshplane.services.catalog.routes import routes

NEEDS = ("assets",)


def build(ground: Ground, needs: Needs) -> Built[None]:
    """The service on that ground."""
    return Built(routes(needs["assets"], ground.boundary), None)
