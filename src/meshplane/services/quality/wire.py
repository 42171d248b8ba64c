"""Puts the quality service together."""

from meshplane.boundary.wiring import Built, Ground, Needs
from meshplane.services.quality.rounds import Rounds
from meshplane.services.quality.routes import routes
from meshplane.services.quality.service import Quality

NEEDS = ("assets", "tables")


def build(ground: Ground, needs: Needs) -> Built[None]:
    """The service on that ground."""
    quality = Quality(needs["assets"], needs["tables"])
    rounds = Rounds(quality, needs["assets"], ground.boundary, ground.store)
    return Built(routes(quality, rounds, ground.boundary), None)
