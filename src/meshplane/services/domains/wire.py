"""Puts the domains service together."""

from meshplane.boundary.wiring import Built, Ground, Needs
from meshplane.services.domains.api import DomainsApi
from meshplane.services.domains.routes import routes
from meshplane.services.domains.service import Domains, DomainsReader

NEEDS: tuple[str, ...] = ()


def build(ground: Ground, needs: Needs) -> Built[DomainsApi]:
    """The service on that ground."""
    return Built(routes(Domains(), ground.boundary), DomainsReader(ground.store))
