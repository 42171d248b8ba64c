"""Puts the lineage service together."""

from meshplane.boundary.wiring import Built, Ground, Needs
from meshplane.services.lineage.consumers import CONSUMERS
from meshplane.services.lineage.routes import routes
from meshplane.services.lineage.service import Lineage

NEEDS = ("assets",)


def build(ground: Ground, needs: Needs) -> Built[None]:
    """The service on that ground."""
    return Built(routes(Lineage(needs["assets"]), ground.boundary), None, CONSUMERS)
