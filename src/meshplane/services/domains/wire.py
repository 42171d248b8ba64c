"""Puts the domains service together."""

from collections.abc import Sequence

from meshplane.boundary.wiring import Built, Ground, Needs
from meshplane.events.consumer import Consumer
from meshplane.services.domains.api import DomainsApi
from meshplane.services.domains.routes import routes
from meshplane.services.domains.service import Domains, DomainsReader

NEEDS: tuple[str, ...] = ()


def build(ground: Ground, needs: Needs) -> Built[DomainsApi]:
    """The service on that ground."""
    reader = DomainsReader(ground.store)
    return Built(routes(Domains(), ground.boundary), reader, aside=_shown(ground))


def _shown(ground: Ground) -> Sequence[Consumer]:
    if ground.portal is None:
        return ()
    from meshplane.services.domains.aws_portal import DataZoneDomains
    from meshplane.services.domains.portal import DomainsInPortal

    portal = DataZoneDomains(ground.portal)
    shown = DomainsInPortal(portal, ground.store, ground.clock, shows_people=ground.shows_people)
    return shown.consumers
