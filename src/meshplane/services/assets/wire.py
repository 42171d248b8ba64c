"""Puts the assets service together."""

from collections.abc import Sequence

from meshplane.boundary.wiring import Built, Ground, Needs
from meshplane.events.consumer import Consumer
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
        aside=_shown(ground, needs),
    )


def _shown(ground: Ground, needs: Needs) -> Sequence[Consumer]:
    if ground.portal is None:
        return ()
    from meshplane.services.assets.aws_portal import DataZoneAssets
    from meshplane.services.assets.portal import AssetsInPortal

    portal = DataZoneAssets(ground.portal)
    return AssetsInPortal(portal, needs["projects"], ground.store, ground.clock).consumers
