"""Puts the shares service together."""

from meshplane.boundary.wiring import Built, Ground, Needs
from meshplane.services.shares.routes import routes
from meshplane.services.shares.service import Shares

NEEDS = ("assets",)


def build(ground: Ground, needs: Needs) -> Built[None]:
    """The service on that ground."""
    return Built(routes(Shares(needs["assets"]), ground.boundary), None)
