"""Puts the assets service together."""

from typing import TYPE_CHECKING

from meshplane.boundary.wiring import Built, Ground, Needs
from meshplane.services.assets.api import AssetsApi
from meshplane.services.assets.consumers import CONSUMERS
from meshplane.services.assets.keeping import AssetsKeeper
from meshplane.services.assets.publication import Publication
from meshplane.services.assets.routes import routes
from meshplane.services.assets.service import Assets
from meshplane.services.assets.settling import Settling

if TYPE_CHECKING:  # needed where there is a portal alone
    from meshplane.services.assets.portal import AssetsInPortal

NEEDS = ("projects", "tables")


def build(ground: Ground, needs: Needs) -> Built[AssetsApi]:
    """The service on that ground."""
    assets = Assets(needs["projects"], needs["tables"])
    publication = Publication(needs["tables"])
    shown = _shown(ground, needs)
    return Built(
        routes(assets, publication, Settling(ground.store), ground.boundary),
        AssetsKeeper(ground.boundary, ground.store),
        CONSUMERS,
        aside=shown.consumers if shown is not None else (),
        portal=shown,
    )


def _shown(ground: Ground, needs: Needs) -> "AssetsInPortal | None":
    if ground.portal is None:
        return None
    from meshplane.services.assets.aws_portal import DataZoneAssets
    from meshplane.services.assets.portal import AssetsInPortal

    portal = DataZoneAssets(ground.portal)
    return AssetsInPortal(portal, needs["projects"], ground.store, ground.clock)
