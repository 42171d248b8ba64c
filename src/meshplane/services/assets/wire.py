"""Puts the assets service together."""

from meshplane.boundary.wiring import Built, Ground, Needs
from meshplane.services.assets.api import AssetsApi
from meshplane.services.assets.consumers import CONSUMERS
from meshplane.services.assets.publication import Publication
from meshplane.services.assets.reader import AssetsReader
from meshplane.services.assets.routes import routes
from meshplane.services.assets.service import Assets
from meshplane.services.assets.settling import Settling

NEEDS = ("projects", "tables")


def build(ground: Ground, needs: Needs) -> Built[AssetsApi]:
    """The service on that ground."""
    assets = Assets(needs["projects"], needs["tables"])
    publication = Publication(needs["tables"])
    return Built(
        routes(assets, publication, Settling(ground.store), ground.boundary),
        AssetsReader(ground.store),
        CONSUMERS,
    )
