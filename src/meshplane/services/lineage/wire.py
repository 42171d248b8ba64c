"""Puts the lineage service together."""

from collections.abc import Sequence

from meshplane.boundary.wiring import Built, Ground, Needs
from meshplane.events.consumer import Consumer
from meshplane.services.lineage.consumers import CONSUMERS
from meshplane.services.lineage.routes import routes
from meshplane.services.lineage.service import Lineage

NEEDS = ("assets",)


def build(ground: Ground, needs: Needs) -> Built[None]:
    """The service on that ground."""
    lineage = routes(Lineage(needs["assets"]), ground.boundary)
    return Built(lineage, None, CONSUMERS, aside=_shown(ground, needs))


def _shown(ground: Ground, needs: Needs) -> Sequence[Consumer]:
    if ground.portal is None:
        return ()
    from meshplane.services.lineage.aws_portal import DataZoneLineage
    from meshplane.services.lineage.portal import LineageInPortal

    return LineageInPortal(DataZoneLineage(ground.portal), needs["assets"], ground.clock).consumers
