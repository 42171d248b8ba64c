"""Puts the blueprints service together."""

from meshplane.boundary.wiring import Built, Ground, Needs
from meshplane.services.blueprints.routes import routes
from meshplane.services.blueprints.service import Blueprints

NEEDS = ("projects",)


def build(ground: Ground, needs: Needs) -> Built[None]:
    """The service on that ground."""
    return Built(routes(Blueprints(needs["projects"]), ground.boundary), None)
