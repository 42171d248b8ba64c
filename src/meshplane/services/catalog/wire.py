"""Puts the catalog service together."""

from meshplane.boundary.wiring import Built, Ground, Needs
from meshplane.services.catalog.routes import router

NEEDS = ("assets",)


def build(ground: Ground, needs: Needs) -> Built[None]:
    """The service on that ground."""
    return Built(router(needs["assets"], ground.boundary), None)
